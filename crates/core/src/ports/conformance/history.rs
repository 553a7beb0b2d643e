//! Cases of durable histories: order, pages and duplicates. What is kept, and for how long, is beside this.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use super::order::{ROUNDS, THREADS, at_once};
use super::{Bench, Case, block_on, channel, id};
use crate::clock::UnixMillis;
use crate::command::Published;
use crate::delivery::{Extra, Position, Publication};
use crate::ids::{ConnectionId, ProjectId, TokenId};
use crate::json::JsonValue;
use crate::limits::{EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, PUBLICATION_ID_MS};
use crate::model::{Channel, ChannelSettings, HistorySettings};
use crate::ports::store::{Change, StoreError, Subject};

pub(super) const CASES: &[Case] = &[
    ("messages_are_kept_in_order", messages_are_kept_in_order),
    ("messages_are_kept_whole", messages_are_kept_whole),
    ("only_durable_histories_are_kept", only_durable_histories_are_kept),
    ("pages_are_cut_out_of_a_history", pages_are_cut_out_of_a_history),
    ("a_duplicate_is_answered_with_the_first", a_duplicate_is_answered_with_the_first),
    ("a_duplicate_is_known_after_a_restart", a_duplicate_is_known_after_a_restart),
    ("concurrent_appends_leave_no_gap", concurrent_appends_leave_no_gap),
    ("one_of_many_duplicates_is_kept", one_of_many_duplicates_is_kept),
];

const ONE: ProjectId = ProjectId::new(1);
const TWO: ProjectId = ProjectId::new(2);
pub(super) const ALL: RangeInclusive<u64> = 0..=u64::MAX;

pub(super) fn message(event: &str, at: u64) -> Publication {
    Publication::new(event, JsonValue::parse(format!(r#"{{"n": {at}}}"#).as_bytes(), 1_000).unwrap(), UnixMillis(at))
}

pub(super) fn durable(size: u32, ttl_ms: u64) -> ChannelSettings {
    ChannelSettings { history: HistorySettings { size, ttl_ms, durable: true }, ..ChannelSettings::default() }
}

/// Makes a channel of project 1; gives its epoch.
pub(super) fn given(bench: &Bench, name: &str, settings: ChannelSettings) -> u64 {
    let made = bench.given(bench.store.insert_channel(Channel { settings, ..channel(1, name) }, None));
    assert_eq!((made.run, made.offset), (1, 0));
    made.durable_epoch().unwrap()
}

/// Appends a message to a channel of project 1; gives its offset if it was appended and told.
pub(super) fn append(bench: &Bench, name: &str, message: Publication) -> u64 {
    let answer = block_on(bench.store.append(ONE, id(name), message.clone(), None)).unwrap();
    let Published::At(position) = answer else { panic!("{answer:?}") };
    let told = Change::Published { project: ONE, channel: id(name), position, publication: message };
    assert_eq!(bench.seen.take(), [told]);
    position.offset
}

pub(super) fn append_once(bench: &Bench, name: &str, message: Publication, once: u8) -> Published {
    bench.given(bench.store.append(ONE, id(name), message, Some([once; 16])))
}

/// Offsets of what is kept of a channel of project 1, and the moments of the messages there.
pub(super) fn kept(bench: &Bench, name: &str) -> Vec<(u64, u64)> {
    let read = bench.given(bench.store.messages(ONE, id(name), ALL, false, usize::MAX));
    read.into_iter().map(|(offset, message)| (offset, message.at.0)).collect()
}

pub(super) fn prune(bench: &Bench, now: u64, limit: usize) -> u64 {
    let pruned = block_on(bench.store.prune_history(UnixMillis(now), limit)).unwrap();
    assert_eq!(bench.seen.take(), [], "pruning is told to nobody");
    pruned
}

fn messages_are_kept_in_order(bench: &mut Bench) {
    let (room, other) = (given(bench, "room", durable(100, 1_000)), given(bench, "other", durable(100, 1_000)));
    assert_ne!(room, other);
    assert!(room >> 63 == 1 && other >> 63 == 1, "no epoch of a history in memory");
    // Moments may go back: the order is that of the commits.
    for (offset, at) in (1..).zip([50, 40, 60]) {
        let told = Change::Published {
            project: ONE,
            channel: id("room"),
            position: Position { epoch: room, offset },
            publication: message("said", at),
        };
        let answer = Ok(Published::At(Position { epoch: room, offset }));
        bench.step(bench.store.append(ONE, id("room"), message("said", at), None), &answer, &[told]);
        assert_eq!(append(bench, "other", message("said", at)), offset);
    }
    assert_eq!(kept(bench, "room"), [(1, 50), (2, 40), (3, 60)]);
}

fn messages_are_kept_whole(bench: &mut Bench) {
    given(bench, "room", durable(100, 1_000));
    let long = "x".repeat(MESSAGE_BYTES_MAX - 2);
    let values = [
        r#""é\u0000 \ud83d\ude00""#,
        "null",
        "12345678901234567890.10",
        // No longer let in; what was is read.
        "[1e999]",
        r#"{ "b":[1] , "a":{}}"#,
        &format!(r#""{long}""#),
    ];
    let mut expected = Vec::new();
    for value in values {
        let data = JsonValue::parse_stored(value, MESSAGE_BYTES_MAX).unwrap();
        expected.push(Publication::new("é'\"\0\n", data, UnixMillis(u64::MAX >> 1)));
    }
    let full = Extra {
        token: Some(TokenId::new(u64::MAX)),
        user: Some("".into()),
        connection: Some(ConnectionId::new(1 << 63)),
        id: Some("01J…".into()),
    };
    let none = Extra::default();
    for extra in [
        full.clone(),
        Extra { token: full.token, ..none.clone() },
        Extra { user: full.user.clone(), ..none.clone() },
        Extra { connection: full.connection, ..none.clone() },
        Extra { id: full.id, ..none },
    ] {
        expected.push(Publication {
            event: "e".repeat(EVENT_BYTES_MAX).into(),
            extra: Some(Arc::new(extra)),
            ..message("", 0)
        });
    }
    for message in &expected {
        append(bench, "room", message.clone());
    }
    for _ in 0..2 {
        let read = bench.given(bench.store.messages(ONE, id("room"), ALL, false, 100));
        assert!(read.into_iter().map(|(_, message)| message).eq(expected.iter().cloned()));
        bench.restart();
    }
}

fn only_durable_histories_are_kept(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "memory"), None));
    given(bench, "room", durable(100, 1_000));
    let table = [
        (ONE, "memory", StoreError::NotDurable),
        (ONE, "none", StoreError::NotFound(Subject::Channel)),
        (TWO, "room", StoreError::NotFound(Subject::Channel)),
    ];
    for (project, name, refused) in table {
        let store = &bench.store;
        bench.step(store.append(project, id(name), message("m", 1), Some([1; 16])), &Err(refused.clone()), &[]);
        bench.step(store.messages(project, id(name), ALL, false, 100), &Err(refused), &[]);
    }
    assert_eq!(kept(bench, "room"), []);
}

fn pages_are_cut_out_of_a_history(bench: &mut Bench) {
    given(bench, "room", durable(1_000, 1_000));
    for at in 1..=700 {
        append(bench, "room", message("m", at));
    }
    let all: Vec<u64> = (1..=700).collect();
    #[expect(clippy::reversed_empty_ranges, reason = "asked for by a caller that computed it")]
    let table: [(RangeInclusive<u64>, bool, usize, &[u64]); 12] = [
        (ALL, false, 3, &all[..3]),
        (ALL, true, 3, &all[697..]),
        (ALL, false, 1_000, &all),
        (ALL, true, 1_000, &all),
        (1..=700, false, 699, &all[..699]),
        (1..=700, true, 699, &all[1..]),
        (300..=400, false, 1_000, &all[299..400]),
        (300..=400, true, 2, &all[398..400]),
        (700..=u64::MAX, false, 2, &all[699..]),
        (701..=u64::MAX, true, 2, &[]),
        (5..=4, false, 2, &[]),
        (ALL, true, 0, &[]),
    ];
    for (offsets, newest, limit, expected) in table {
        let read = bench.given(bench.store.messages(ONE, id("room"), offsets.clone(), newest, limit));
        let read: Vec<u64> = read.into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(read, expected, "{offsets:?}, newest: {newest}, {limit}");
    }
}

fn a_duplicate_is_answered_with_the_first(bench: &mut Bench) {
    let epoch = given(bench, "room", durable(1, 1_000));
    given(bench, "other", durable(1, 1_000));
    let (at, duplicate) =
        (|offset| Published::At(Position { epoch, offset }), |offset| Published::Duplicate(Position { epoch, offset }));
    let first = 1_000_000;
    assert_eq!(append_once(bench, "room", message("m", first), 1), at(1));
    assert_eq!(append_once(bench, "room", message("m", first), 2), at(2));
    for index in 0..200 {
        append(bench, "room", message("between", first + index));
    }
    // Though it is not kept any more, and even when the clock went back.
    let two_minutes = first + PUBLICATION_ID_MS;
    for now in [first, first - 500, two_minutes] {
        let answer = Ok(duplicate(1));
        bench.step(bench.store.append(ONE, id("room"), message("other", now), Some([1; 16])), &answer, &[]);
    }
    let Published::At(elsewhere) = append_once(bench, "other", message("m", first), 1) else { panic!() };
    assert_eq!(elsewhere.offset, 1, "another channel's ids are its own");
    // After two minutes it is a new one, which is remembered in its turn.
    assert_eq!(append_once(bench, "room", message("m", two_minutes + 1), 1), at(203));
    assert_eq!(append_once(bench, "room", message("m", two_minutes + 2), 1), duplicate(203));
    // Pruning forgets what is over, and no other: of three ids, one.
    prune(bench, two_minutes + 1, 1_000);
    assert_eq!(append_once(bench, "room", message("m", two_minutes), 1), duplicate(203));
    assert_eq!(append_once(bench, "room", message("m", two_minutes), 2), at(204));
}

fn a_duplicate_is_known_after_a_restart(bench: &mut Bench) {
    let epoch = given(bench, "room", durable(10, 1_000));
    append_once(bench, "room", message("m", 5), 1);
    bench.restart();
    let first = Published::Duplicate(Position { epoch, offset: 1 });
    assert_eq!(append_once(bench, "room", message("m", 6), 1), first);
    // A run does not know the ids of the one before.
    for history in [false, true] {
        let mut settings = durable(10, 1_000);
        settings.history.durable = history;
        bench.given(bench.store.change_settings(ONE, id("room"), channel(1, "room").capabilities, settings, None));
    }
    let Published::At(begun) = append_once(bench, "room", message("m", 7), 1) else { panic!() };
    assert_eq!(begun.offset, 1);
}

fn concurrent_appends_leave_no_gap(bench: &mut Bench) {
    let epoch = given(bench, "room", durable(10_000, 1_000));
    given(bench, "other", durable(10_000, 1_000));
    let (seen, last) = (Mutex::new(BTreeSet::new()), Mutex::new(0));
    at_once(|thread, round| {
        let name = if thread % 4 == 3 { "other" } else { "room" };
        let answer = block_on(bench.store.append(ONE, id(name), message("m", thread * ROUNDS + round), None));
        let Ok(Published::At(position)) = answer else { panic!("{answer:?}") };
        // Under one lock with the taking, so that what is taken stays in order.
        let (mut seen, mut last) = (seen.lock().unwrap(), last.lock().unwrap());
        for change in bench.seen.take() {
            let Change::Published { position, publication, .. } = change else { panic!("{change:?}") };
            if position.epoch == epoch {
                *last += 1;
                assert_eq!(position.offset, *last, "told in the order of offsets");
            }
            assert!(seen.insert((position, publication.at.0)), "told twice");
        }
        assert!(seen.contains(&(position, thread * ROUNDS + round)), "told before the answer");
    });
    let told: Vec<_> = seen.into_inner().unwrap().into_iter().filter(|(position, _)| position.epoch == epoch).collect();
    assert_eq!(told.len() as u64, THREADS / 4 * 3 * ROUNDS);
    assert!(told.into_iter().map(|(position, at)| (position.offset, at)).eq(kept(bench, "room")));
}

fn one_of_many_duplicates_is_kept(bench: &mut Bench) {
    given(bench, "room", durable(10_000, 1_000));
    let answers = Mutex::new(BTreeMap::<u64, Vec<Published>>::new());
    at_once(|_, round| {
        let answer = block_on(bench.store.append(ONE, id("room"), message("m", 1), Some([round as u8; 16]))).unwrap();
        answers.lock().unwrap().entry(round).or_default().push(answer);
    });
    for (round, answers) in answers.into_inner().unwrap() {
        let mut positions = BTreeSet::new();
        let mut fresh = 0;
        for answer in &answers {
            match answer {
                Published::At(position) => {
                    fresh += 1;
                    positions.insert(*position)
                }
                Published::Duplicate(position) => positions.insert(*position),
                Published::Conflated => panic!("{answers:?}"),
            };
        }
        assert_eq!((fresh, positions.len()), (1, 1), "{round}: {answers:?}");
    }
    assert_eq!(bench.seen.take().len() as u64, ROUNDS);
    assert_eq!(kept(bench, "room").len() as u64, ROUNDS);
}
