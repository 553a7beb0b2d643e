//! Cases of what is kept of durable histories and for how long, and of where a run begins and ends.

use super::history::{ALL, append, append_once, durable, given, kept, message, prune};
use super::{Bench, Case, block_on, channel, id};
use crate::command::Published;
use crate::delivery::Position;
use crate::ids::ProjectId;
use crate::limits::PUBLICATION_ID_MS;
use crate::model::{ChannelSettings, durable_epoch};
use crate::ports::store::{Change, StoreError, StoreResult, Subject};

pub(super) const CASES: &[Case] = &[
    ("the_oldest_go_beyond_the_size", the_oldest_go_beyond_the_size),
    ("the_oldest_go_with_time", the_oldest_go_with_time),
    ("the_last_is_retained", the_last_is_retained),
    ("pruning_has_a_limit", pruning_has_a_limit),
    ("a_history_begins_anew_when_it_is_switched_on", a_history_begins_anew_when_it_is_switched_on),
    ("a_history_ends_with_its_channel", a_history_ends_with_its_channel),
    ("a_history_goes_on_after_a_restart", a_history_goes_on_after_a_restart),
];

const ONE: ProjectId = ProjectId::new(1);

fn the_oldest_go_beyond_the_size(bench: &mut Bench) {
    given(bench, "room", durable(5, 1_000));
    let capabilities = channel(1, "room").capabilities;
    let resize =
        |size| bench.given(bench.store.change_settings(ONE, id("room"), capabilities, durable(size, 1_000), None));
    for at in 1..=300 {
        assert_eq!(append(bench, "room", message("m", at)), at);
        let kept = kept(bench, "room");
        assert_eq!(kept.len() as u64, at.min(5));
        assert_eq!(kept.last(), Some(&(at, at)));
    }
    resize(3);
    assert_eq!(kept(bench, "room"), [(298, 298), (299, 299), (300, 300)]);
    // What a smaller size has no room for goes by pruning, however young it is.
    prune(bench, 1, 10_000);
    assert_eq!(prune(bench, 1, 10_000), 0);
    resize(100);
    assert_eq!(kept(bench, "room"), [(298, 298), (299, 299), (300, 300)]);
    for at in 301..=400 {
        append(bench, "room", message("m", at));
    }
    assert!(kept(bench, "room").into_iter().eq((301..=400).map(|at| (at, at))));
}

fn the_oldest_go_with_time(bench: &mut Bench) {
    given(bench, "room", durable(100, 1_000));
    given(bench, "long", durable(100, 50_000));
    for at in [100, 101, 200, 900, 150, 1_000] {
        append(bench, "room", message("m", at));
        append(bench, "long", message("m", at));
    }
    assert_eq!(prune(bench, 1_100, 100), 0, "as old as it may be");
    assert_eq!(prune(bench, 1_101, 100), 1, "and the next one is");
    // One that is younger keeps what came after it: there is never a gap.
    assert_eq!(prune(bench, 1_500, 100), 2);
    assert_eq!(kept(bench, "room"), [(4, 900), (5, 150), (6, 1_000)]);
    bench.restart();
    assert_eq!(prune(bench, 1_900, 100), 0);
    assert_eq!(prune(bench, 1_901, 100), 2);
    assert_eq!(prune(bench, 5_000, 100), 1);
    assert_eq!(kept(bench, "room"), []);
    assert_eq!(kept(bench, "long").len(), 6);
    // Offsets go on, and so does the time.
    assert_eq!(append(bench, "room", message("m", 5_000)), 7);
    assert_eq!(prune(bench, 6_000, 100), 0);
    assert_eq!(kept(bench, "room"), [(7, 5_000)]);
    // A shorter time holds for what is there.
    let settings = durable(100, 1_500);
    bench.given(bench.store.change_settings(ONE, id("long"), channel(1, "long").capabilities, settings, None));
    assert_eq!(prune(bench, 2_450, 100), 5);
    assert_eq!(kept(bench, "long"), [(6, 1_000)]);
}

fn the_last_is_retained(bench: &mut Bench) {
    let settings = ChannelSettings { retain: true, ..durable(100, 1_000) };
    given(bench, "room", settings);
    for at in [1, 2, 3] {
        append(bench, "room", message("m", at));
    }
    assert_eq!(prune(bench, 1_000_000, 100), 2);
    assert_eq!(prune(bench, 2_000_000, 100), 0);
    assert_eq!(kept(bench, "room"), [(3, 3)]);
    bench.restart();
    assert_eq!(append(bench, "room", message("m", 3_000_000)), 4);
    assert_eq!(prune(bench, 3_001_001, 100), 1, "it goes when it is not the last any more");
    assert_eq!(kept(bench, "room"), [(4, 3_000_000)]);
    let settings = ChannelSettings { retain: false, ..settings };
    bench.given(bench.store.change_settings(ONE, id("room"), channel(1, "room").capabilities, settings, None));
    assert_eq!(prune(bench, 4_000_000, 100), 1);
    assert_eq!(kept(bench, "room"), []);
}

fn pruning_has_a_limit(bench: &mut Bench) {
    for name in ["a", "b", "c"] {
        given(bench, name, durable(100, 1_000));
        for at in 1..=10 {
            append(bench, name, message("m", at));
        }
    }
    for pruned in [7, 7, 7, 7, 2, 0] {
        assert_eq!(prune(bench, 5_000, 7), pruned);
        for name in ["a", "b", "c"] {
            let kept = kept(bench, name);
            assert!(kept.last().is_none_or(|last| *last == (10, 10)), "the oldest go first: {kept:?}");
        }
    }
    // The ids of messages are part of the limit.
    for once in 0..5 {
        append_once(bench, "a", message("m", 1), once);
    }
    let over = 2 + PUBLICATION_ID_MS;
    assert_eq!([prune(bench, over, 4), prune(bench, over, 4), prune(bench, over, 4)], [4, 4, 2]);
}

fn a_history_begins_anew_when_it_is_switched_on(bench: &mut Bench) {
    let made = bench.given(bench.store.insert_channel(channel(1, "room"), None));
    let capabilities = made.capabilities;
    let mut off = durable(100, 1_000);
    off.history.durable = false;
    let on = durable(100, 1_000);
    let told =
        |settings, run| Change::ChannelSettings { project: ONE, channel: id("room"), capabilities, settings, run };
    let change = |settings| bench.store.change_settings(ONE, id("room"), capabilities, settings, None);
    for run in 1..=3 {
        bench.step(change(on), &Ok(()), &[told(on, run)]);
        assert_eq!(kept(bench, "room"), []);
        for offset in 1..=u64::from(run) {
            let position = Position { epoch: durable_epoch(made.sequence, run), offset };
            let answer: StoreResult<_> = Ok(Published::At(position));
            assert_eq!(block_on(bench.store.append(ONE, id("room"), message("m", 1), None)), answer);
        }
        bench.seen.take();
        // Other settings leave the run alone.
        let larger = ChannelSettings { presence: true, ..durable(200, 9_000) };
        bench.step(change(larger), &Ok(()), &[told(larger, run)]);
        assert_eq!(kept(bench, "room").len() as u64, u64::from(run));
        bench.step(change(off), &Ok(()), &[told(off, run)]);
        let refused = Err(StoreError::NotDurable);
        bench.step(bench.store.messages(ONE, id("room"), ALL, false, 9), &refused, &[]);
    }
    let replayed = bench.restart();
    let now = replayed.into_iter().find_map(|change| match change {
        Change::ChannelCreated(channel) => Some((channel.run, channel.offset, channel.durable_epoch())),
        _ => None,
    });
    assert_eq!(now, Some((3, 0, None)));
    bench.given(bench.store.change_settings(ONE, id("room"), capabilities, on, None));
    assert_eq!(append(bench, "room", message("m", 1)), 1);
}

fn a_history_ends_with_its_channel(bench: &mut Bench) {
    let first = given(bench, "room", durable(1_000, 1_000));
    for at in 1..=300 {
        append(bench, "room", message("m", at));
    }
    let gone = Change::ChannelDeleted { project: ONE, channel: id("room") };
    bench.step(bench.store.delete_channel(ONE, id("room"), None), &Ok(()), &[gone]);
    let lost = StoreError::NotFound(Subject::Channel);
    bench.step(bench.store.append(ONE, id("room"), message("m", 1), None), &Err(lost.clone()), &[]);
    bench.step(bench.store.messages(ONE, id("room"), ALL, false, 9), &Err(lost), &[]);
    // A later channel of this name begins its own.
    let second = given(bench, "room", durable(1_000, 1_000));
    assert_ne!(first, second);
    assert_eq!(append(bench, "room", message("m", 7)), 1);
    bench.restart();
    while prune(bench, 8, 100) > 0 {}
    assert_eq!(kept(bench, "room"), [(1, 7)]);
}

fn a_history_goes_on_after_a_restart(bench: &mut Bench) {
    let epoch = given(bench, "room", durable(100, 1_000));
    given(bench, "empty", durable(100, 1_000));
    for round in 0..3 {
        assert_eq!(append(bench, "room", message("m", round)), round + 1);
        let replayed = bench.restart().into_iter().filter_map(|change| match change {
            Change::ChannelCreated(channel) => Some((channel.durable_epoch(), channel.run, channel.offset)),
            Change::Published { .. } => panic!("messages are no part of a replay"),
            _ => None,
        });
        let replayed: Vec<_> = replayed.collect();
        assert_eq!(replayed[0], (Some(epoch), 1, round + 1));
        assert_eq!((replayed[1].1, replayed[1].2), (1, 0));
    }
    // Also when nothing is kept.
    assert_eq!(prune(bench, 1_000_000, 100), 3);
    bench.restart();
    assert_eq!(append(bench, "room", message("m", 9)), 4);
}
