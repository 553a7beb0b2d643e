//! Cases of the order law: many threads at once, and the replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::{Bench, Case, Recorder, block_on, channel, id, key, object, project, subscription, token};
use crate::clock::UnixMillis;
use crate::ids::{KeyId, ProjectId, TokenId};
use crate::model::{Capabilities, Token};
use crate::ports::store::{Change, Changes, StateChange, Store, StoreError, TokenChange};

pub(super) const CASES: &[Case] = &[
    ("concurrent_merges_lose_nothing", concurrent_merges_lose_nothing),
    ("one_of_many_conditional_changes_wins", one_of_many_conditional_changes_wins),
    ("changes_are_seen_before_their_answers", changes_are_seen_before_their_answers),
    ("failing_units_leave_their_neighbours_alone", failing_units_leave_their_neighbours_alone),
    ("replay_equals_live", replay_equals_live),
    ("only_one_observer", only_one_observer),
];

const ONE: ProjectId = ProjectId::new(1);
const THREADS: u64 = 8;
const ROUNDS: u64 = 40;

/// Runs `work(thread, round)` on several threads at once.
fn at_once(work: impl Fn(u64, u64) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..ROUNDS).for_each(|round| work(thread, round)));
        }
    });
}

fn concurrent_merges_lose_nothing(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "room")));
    at_once(|thread, round| {
        let patch = object(&format!(r#"{{"{thread}-{round}":{round}}}"#));
        block_on(bench.store.change_state(ONE, id("room"), StateChange::Merge(patch), None)).unwrap();
    });
    // Versions follow each other without a gap, each with exactly one more key than the one before.
    let mut last = object(r#"{"topic":"é"}"#);
    let changes = bench.seen.take();
    assert_eq!(changes.len() as u64, THREADS * ROUNDS);
    for (change, expected) in changes.into_iter().zip(2..) {
        let Change::ChannelState { state, version, .. } = change else { panic!("{change:?}") };
        assert_eq!(version, expected);
        let kept = last.as_str().trim_end_matches('}');
        assert!(state.as_str().starts_with(kept), "version {version} lost something");
        assert_eq!(state.as_str().matches(':').count() as u64, version);
        last = state;
    }
}

fn one_of_many_conditional_changes_wins(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "room")));
    let wins = Mutex::new(BTreeMap::<u64, u64>::new());
    at_once(|_, round| {
        // Each round all threads try to be the one that makes version `round + 2`; nobody is faster than one round.
        let outcome =
            block_on(bench.store.change_state(ONE, id("room"), StateChange::Merge(object("{}")), Some(round + 1)));
        match outcome {
            Ok((_, version)) => *wins.lock().unwrap().entry(version).or_default() += 1,
            Err(error) => assert!(matches!(error, StoreError::VersionMismatch { .. }), "{error}"),
        }
    });
    let wins = wins.into_inner().unwrap();
    assert!(wins.values().all(|count| *count == 1), "{wins:?}");
    assert_eq!(bench.seen.take().len(), wins.len());
}

fn changes_are_seen_before_their_answers(bench: &Bench<'_>) {
    let seen = Mutex::new(BTreeSet::new());
    at_once(|thread, round| {
        let number = 1_000 + thread * ROUNDS + round;
        block_on(bench.store.insert_token(token(1, number), vec![])).unwrap();
        let mut seen = seen.lock().unwrap();
        for change in bench.seen.take() {
            let Change::TokenCreated(token) = change else { panic!("{change:?}") };
            assert!(seen.insert(token.id), "{} was seen twice", token.id);
        }
        assert!(seen.contains(&TokenId::new(number)), "{number} was answered before it was seen");
    });
}

fn failing_units_leave_their_neighbours_alone(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "room")));
    at_once(|thread, round| {
        let number = 1_000 + thread * ROUNDS + round;
        let channels = if number.is_multiple_of(2) { vec![id("room")] } else { vec![id("room"), id("none")] };
        let inserted = block_on(bench.store.insert_token(token(1, number), channels));
        assert_eq!(inserted.is_ok(), number.is_multiple_of(2), "{number}");
    });
    let mut changes = bench.seen.take().into_iter();
    let mut count = 0;
    while let Some(change) = changes.next() {
        let Change::TokenCreated(created) = change else { panic!("{change:?}") };
        assert_eq!(created.id.get() % 2, 0, "a token that was refused is seen");
        // A unit's changes stay together, whatever was committed with it.
        assert_eq!(changes.next(), Some(Change::Subscribed(subscription(1, created.id.get(), "room", false))));
        count += 1;
    }
    assert_eq!(count, THREADS * ROUNDS / 2);
}

/// A bit of everything, deletions included.
fn script(store: &dyn Store) {
    let at = UnixMillis(77);
    for number in [1, 2] {
        block_on(store.insert_project(project(number), key(number, 100 + number))).unwrap();
        for name in ["a", "b", "gone"] {
            block_on(store.insert_channel(channel(number, name))).unwrap();
        }
        for place in 0..3 {
            let channels = vec![id("b"), id("a"), id("gone")];
            block_on(store.insert_token(token(number, 10 * number + place), channels)).unwrap();
        }
    }
    block_on(store.insert_key(key(1, 111))).unwrap();
    block_on(store.revoke_key(ONE, KeyId::new(101), at)).unwrap();
    block_on(store.touch_keys(vec![(ONE, KeyId::new(111), at)])).unwrap();
    block_on(store.change_state(ONE, id("a"), StateChange::Merge(object(r#"{"k":[1]}"#)), None)).unwrap();
    block_on(store.change_capabilities(ONE, id("b"), Capabilities::from_bits(9).unwrap())).unwrap();
    block_on(store.delete_channel(ONE, id("gone"))).unwrap();
    block_on(store.insert_channel(channel(1, "again"))).unwrap();
    let change = TokenChange { sealed_state: Some(None), expires_at: Some(Some(at)) };
    block_on(store.change_token(ONE, TokenId::new(10), change)).unwrap();
    block_on(store.delete_token(ONE, TokenId::new(11))).unwrap();
    block_on(store.delete_subscription(ONE, TokenId::new(12), id("b"))).unwrap();
    block_on(store.insert_subscription(subscription(1, 12, "again", true))).unwrap();
    block_on(store.insert_subscription(subscription(1, 10, "again", true))).unwrap();
    block_on(store.insert_subscription(subscription(1, 10, "again", false))).unwrap();
}

/// The records that an observer has after these changes, by their names. Panics when a child comes before its parent.
fn records(changes: Vec<Change>) -> BTreeMap<String, Change> {
    let mut records: BTreeMap<String, Change> = BTreeMap::new();
    for change in changes {
        let (name, parents) = match &change {
            Change::Project(one) => (format!("project {}", one.id), vec![]),
            Change::Key(one) => (format!("key {}", one.id), vec![format!("project {}", one.project)]),
            Change::ChannelCreated(one) => {
                (format!("channel {} {}", one.project, one.id), vec![format!("project {}", one.project)])
            }
            Change::TokenCreated(Token { project, id, .. }) | Change::TokenChanged(Token { project, id, .. }) => {
                (format!("token {id}"), vec![format!("project {project}")])
            }
            Change::Subscribed(one) => {
                let parents = vec![format!("token {}", one.token), format!("channel {} {}", one.project, one.channel)];
                (format!("subscription {} {} {}.", one.token, one.project, one.channel), parents)
            }
            Change::ChannelState { project, channel, state, version } => {
                let Some(Change::ChannelCreated(one)) = records.get_mut(&format!("channel {project} {channel}")) else {
                    panic!("{change:?}")
                };
                (one.state, one.version) = (state.clone(), *version);
                continue;
            }
            Change::ChannelCapabilities { project, channel, capabilities } => {
                let Some(Change::ChannelCreated(one)) = records.get_mut(&format!("channel {project} {channel}")) else {
                    panic!("{change:?}")
                };
                one.capabilities = *capabilities;
                continue;
            }
            Change::ChannelDeleted { project, channel } => {
                records.remove(&format!("channel {project} {channel}")).unwrap();
                records.retain(|name, _| {
                    !(name.starts_with("subscription") && name.ends_with(&format!(" {project} {channel}.")))
                });
                continue;
            }
            Change::TokenDeleted { token, .. } => {
                records.remove(&format!("token {token}")).unwrap();
                records.retain(|name, _| !name.starts_with(&format!("subscription {token} ")));
                continue;
            }
            Change::Unsubscribed { project, token, channel } => {
                records.remove(&format!("subscription {token} {project} {channel}.")).unwrap();
                continue;
            }
        };
        assert!(parents.iter().all(|parent| records.contains_key(parent)), "{name} came before its parents");
        // A token's change is its record now.
        let record = if let Change::TokenChanged(token) = change { Change::TokenCreated(token) } else { change };
        records.insert(name, record);
    }
    records
}

fn replay_equals_live(bench: &Bench<'_>) {
    let observed = |before: bool| {
        let (store, seen) = ((bench.make)(), Arc::<Recorder>::default());
        let attach = || block_on(store.attach(Arc::clone(&seen) as Arc<dyn Changes>)).unwrap();
        if before {
            attach();
        }
        script(&*store);
        if !before {
            attach();
        }
        let first = seen.take();
        // The feed goes on after a replay as it does after a live start.
        block_on(store.delete_token(ONE, TokenId::new(12))).unwrap();
        assert_eq!(seen.take(), [Change::TokenDeleted { project: ONE, token: TokenId::new(12) }]);
        first
    };
    let (live, replay) = (observed(true), observed(false));
    assert!(live.len() > replay.len(), "the replay tells only what exists");
    let (live, replay) = (records(live), records(replay));
    assert_eq!(live.keys().collect::<Vec<_>>(), replay.keys().collect::<Vec<_>>());
    for (name, record) in &live {
        assert_eq!(Some(record), replay.get(name), "{name}");
    }
}

fn only_one_observer(bench: &Bench<'_>) {
    let second = Arc::<Recorder>::default();
    let refused = block_on(bench.store.attach(Arc::clone(&second) as Arc<dyn Changes>));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    bench.step(bench.store.insert_token(token(1, 11), vec![]), &Ok(()), &[Change::TokenCreated(token(1, 11))]);
    assert_eq!(second.take(), [], "the second observer sees nothing");
}
