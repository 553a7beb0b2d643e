//! Cases of the order law: many threads at once, and the replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::{
    Bench, Case, Recorder, block_on, channel, draft, id, ledger, name, object, project, row, subscription, token_with,
};
use crate::credentials::RowKind;
use crate::ids::{ProjectId, TokenId};
use crate::model::{Capabilities, ChannelSettings};
use crate::ports::store::{AuditQuery, Change, Changes, Row, StateChange, StoreError, Unit, Write};

pub(super) const CASES: &[Case] = &[
    ("concurrent_merges_lose_nothing", concurrent_merges_lose_nothing),
    ("one_of_many_conditional_changes_wins", one_of_many_conditional_changes_wins),
    ("one_of_many_updates_of_a_revision_wins", one_of_many_updates_of_a_revision_wins),
    ("changes_are_seen_before_their_answers", changes_are_seen_before_their_answers),
    ("failing_units_leave_their_neighbours_alone", failing_units_leave_their_neighbours_alone),
    ("replay_equals_live", replay_equals_live),
    ("only_one_observer", only_one_observer),
];

const ONE: ProjectId = ProjectId::new(1);
pub(super) const THREADS: u64 = 8;
pub(super) const ROUNDS: u64 = 40;

/// Runs `work(thread, round)` on several threads at once.
pub(super) fn at_once(work: impl Fn(u64, u64) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..ROUNDS).for_each(|round| work(thread, round)));
        }
    });
}

fn concurrent_merges_lose_nothing(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
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

fn one_of_many_conditional_changes_wins(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
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

fn one_of_many_updates_of_a_revision_wins(bench: &mut Bench) {
    bench.given(bench.commit(token_with(1, 11, &[])));
    let wins = Mutex::new(BTreeMap::<u32, u64>::new());
    at_once(|_, round| {
        let revision = round as u32 + 2;
        match block_on(bench.commit(vec![Write::Update(row(RowKind::Token, 1, 11, revision))])) {
            Ok(()) => *wins.lock().unwrap().entry(revision).or_default() += 1,
            Err(error) => assert_eq!(error, StoreError::Conflict(RowKind::Token)),
        }
    });
    let wins = wins.into_inner().unwrap();
    assert!(wins.values().all(|count| *count == 1), "{wins:?}");
    let seen = bench.seen.take().into_iter().map(|change| match change {
        Change::Row(row) => row.revision,
        other => panic!("{other:?}"),
    });
    assert_eq!(seen.collect::<Vec<_>>(), wins.into_keys().collect::<Vec<_>>(), "in the order of revisions");
}

fn changes_are_seen_before_their_answers(bench: &mut Bench) {
    let seen = Mutex::new(BTreeSet::new());
    at_once(|thread, round| {
        let number = 1_000 + thread * ROUNDS + round;
        block_on(bench.commit(token_with(1, number, &[]))).unwrap();
        let mut seen = seen.lock().unwrap();
        for change in bench.seen.take() {
            let Change::Row(Row { name, .. }) = change else { panic!("{change:?}") };
            assert!(seen.insert(name.id), "{} was seen twice", name.id);
        }
        assert!(seen.contains(&number), "{number} was answered before it was seen");
    });
}

fn failing_units_leave_their_neighbours_alone(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    at_once(|thread, round| {
        let number = 1_000 + thread * ROUNDS + round;
        let channels: &[&str] = if number.is_multiple_of(2) { &["room"] } else { &["room", "none"] };
        let unit = Unit { writes: token_with(1, number, channels), audit: vec![draft("token.create", number)] };
        let inserted = block_on(bench.store.commit(unit));
        assert_eq!(inserted.is_ok(), number.is_multiple_of(2), "{number}");
    });
    let mut changes = bench.seen.take().into_iter();
    let mut count = 0;
    while let Some(change) = changes.next() {
        let Change::Row(Row { name, .. }) = change else { panic!("{change:?}") };
        assert_eq!(name.id % 2, 0, "a token that was refused is seen");
        // A unit's changes stay together, whatever was committed with it.
        assert_eq!(changes.next(), Some(Change::Subscribed(subscription(1, name.id, "room", false))));
        count += 1;
    }
    assert_eq!(count, THREADS * ROUNDS / 2);
    // Nor is there an audit entry of what was not done, and the chain of the others holds.
    let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
    let entries = block_on(bench.store.audit_entries(query)).unwrap();
    assert_eq!(entries.len() as u64, count);
    assert!(entries.iter().zip(1..).all(|(entry, place)| entry.sequence == place && entry.draft.at.0 % 2 == 0));
    assert!(block_on(bench.store.verify_audit()).unwrap().is_ok());
}

/// A bit of everything, deletions included.
fn script(bench: &Bench) {
    let store = &bench.store;
    for number in [1, 2] {
        for name in ["a", "b", "gone"] {
            block_on(store.insert_channel(channel(number, name), None)).unwrap();
        }
        for kind in RowKind::ALL.into_iter().rev().filter(|kind| *kind != RowKind::Token) {
            block_on(bench.commit(vec![Write::Insert(row(kind, number, 10 * number, 1))])).unwrap();
        }
        for place in 0..3 {
            block_on(bench.commit(token_with(number, 10 * number + place, &["b", "a", "gone"]))).unwrap();
        }
    }
    let renamed = crate::model::Project { name: "Other".into(), ..project(2) };
    let unit = vec![
        Write::Project(renamed),
        Write::Update(row(RowKind::User, 1, 10, 2)),
        Write::Update(row(RowKind::User, 1, 10, 3)),
        Write::Update(row(RowKind::Token, 1, 10, 2)),
        Write::Delete(name(RowKind::Webhook, 2, 20)),
        Write::Delete(name(RowKind::Token, 1, 11)),
    ];
    block_on(bench.commit(unit)).unwrap();
    block_on(store.change_state(ONE, id("a"), StateChange::Merge(object(r#"{"k":[1]}"#)), None)).unwrap();
    let mut settings = ChannelSettings { retain: true, ..ChannelSettings::default() };
    let capabilities = Capabilities::from_bits(9).unwrap();
    for (channel, durable) in [("b", true), ("b", false), ("b", true), ("a", true), ("a", false)] {
        settings.history.durable = durable;
        block_on(store.change_settings(ONE, id(channel), capabilities, settings, None)).unwrap();
        if durable {
            block_on(store.append(ONE, id(channel), super::history::message("m", 1), None)).unwrap();
        }
    }
    block_on(store.delete_channel(ONE, id("gone"), None)).unwrap();
    block_on(store.insert_channel(channel(1, "again"), None)).unwrap();
    block_on(store.delete_subscription(ONE, TokenId::new(12), id("b"), None)).unwrap();
    for (token, ephemeral) in [(12, true), (10, true), (10, false)] {
        block_on(store.insert_subscription(subscription(1, token, "again", ephemeral), None)).unwrap();
    }
}

/// The records that an observer has after these changes, by their names. Panics when a child comes before its parent.
fn records(changes: Vec<Change>) -> BTreeMap<String, Change> {
    let mut records: BTreeMap<String, Change> = BTreeMap::new();
    for change in changes {
        let (name, parents) = match &change {
            Change::Project(one) => (format!("project {}", one.id), vec![]),
            Change::Row(Row { name, .. }) => {
                (format!("{:?} {}", name.kind, name.id), vec![format!("project {}", name.project)])
            }
            Change::Vault(_) => ("vault".into(), vec![]),
            Change::ChannelCreated(one) => {
                (format!("channel {} {}", one.project, one.id), vec![format!("project {}", one.project)])
            }
            Change::Subscribed(one) => {
                let parents =
                    vec![format!("Token {}", one.token.get()), format!("channel {} {}", one.project, one.channel)];
                (format!("subscription {} {} {}.", one.token.get(), one.project, one.channel), parents)
            }
            Change::ChannelState { project, channel, state, version } => {
                let Some(Change::ChannelCreated(one)) = records.get_mut(&format!("channel {project} {channel}")) else {
                    panic!("{change:?}")
                };
                (one.state, one.version) = (state.clone(), *version);
                continue;
            }
            Change::ChannelSettings { project, channel, capabilities, settings, run } => {
                let Some(Change::ChannelCreated(one)) = records.get_mut(&format!("channel {project} {channel}")) else {
                    panic!("{change:?}")
                };
                if one.run != *run || !settings.history.durable {
                    one.offset = 0;
                }
                (one.capabilities, one.settings, one.run) = (*capabilities, *settings, *run);
                continue;
            }
            Change::Published { project, channel, position, .. } => {
                let Some(Change::ChannelCreated(one)) = records.get_mut(&format!("channel {project} {channel}")) else {
                    panic!("{change:?}")
                };
                assert_eq!(one.durable_epoch(), Some(position.epoch));
                one.offset = position.offset;
                continue;
            }
            Change::ChannelDeleted { project, channel } => {
                records.remove(&format!("channel {project} {channel}")).unwrap();
                records.retain(|name, _| {
                    !(name.starts_with("subscription") && name.ends_with(&format!(" {project} {channel}.")))
                });
                continue;
            }
            Change::RowDeleted(gone) => {
                records.remove(&format!("{:?} {}", gone.kind, gone.id)).unwrap();
                if gone.kind == RowKind::Token {
                    records.retain(|name, _| !name.starts_with(&format!("subscription {} ", gone.id)));
                }
                continue;
            }
            Change::Unsubscribed { project, token, channel } => {
                records.remove(&format!("subscription {} {project} {channel}.", token.get())).unwrap();
                continue;
            }
        };
        assert!(parents.iter().all(|parent| records.contains_key(parent)), "{name} came before its parents");
        records.insert(name, change);
    }
    records
}

fn replay_equals_live(bench: &mut Bench) {
    let mut live: Vec<_> = [1, 2].map(|number| Change::Project(project(number))).into();
    script(bench);
    live.extend(bench.seen.take());
    let replay = bench.restart();
    assert!(live.len() > replay.len(), "the replay tells only what exists");
    let kinds =
        replay.iter().filter_map(|change| if let Change::Row(row) = change { Some(row.name.kind) } else { None });
    let kinds: Vec<_> = kinds.collect();
    let order = |kind: RowKind| RowKind::ALL.iter().position(|one| *one == kind);
    assert!(kinds.is_sorted_by_key(|kind| order(*kind)), "owners come before what they own: {kinds:?}");
    let (live, replayed) = (records(live), records(replay));
    assert_eq!(live.keys().collect::<Vec<_>>(), replayed.keys().collect::<Vec<_>>());
    for (name, record) in &live {
        assert_eq!(Some(record), replayed.get(name), "{name}");
    }
    // The feed goes on after a replay as it does after a live start.
    let gone = name(RowKind::Token, 1, 12);
    bench.step(bench.commit(vec![Write::Delete(gone)]), &Ok(()), &[Change::RowDeleted(gone)]);
}

fn only_one_observer(bench: &mut Bench) {
    let second = Arc::<Recorder>::default();
    let refused = block_on(bench.store.attach(Arc::clone(&second) as Arc<dyn Changes>, ledger()));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    bench.step(bench.commit(token_with(1, 11, &[])), &Ok(()), &[Change::Row(super::token(1, 11))]);
    assert_eq!(second.take(), [], "the second observer sees nothing");
}
