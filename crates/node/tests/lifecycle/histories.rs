//! Durable histories: that the upkeep takes off the disk what is old, and that whoever asks for it is told that it is gone.

use tollgate_core::command::{Command, HistoryFrom, HistoryQuery, NewMessage, Published};
use tollgate_core::delivery::Position;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType, HistorySettings};
use tollgate_core::ports::store::HistoryStore as _;
use tollgate_node::{ChannelUpdate, HistoryView, NewChannel, NewToken};

use super::bench::{Bench, secret};

fn durable(size: u32) -> ChannelSettings {
    ChannelSettings { history: HistorySettings { size, ttl_ms: 1_000, durable: true }, ..ChannelSettings::default() }
}

fn room() -> ChannelId {
    ChannelId::new("room").unwrap()
}

fn with_room(size: u32) -> Bench {
    with(durable(size))
}

fn with(settings: ChannelSettings) -> Bench {
    let bench = Bench::new();
    let new = NewChannel {
        id: Some(room()),
        kind: ChannelType::Public,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings,
    };
    bench.run(bench.node.create_channel(&bench.key, new)).unwrap();
    bench
}

fn publish(bench: &Bench) -> Position {
    let message = NewMessage { channel: "room".into(), event: "said".into(), data: JsonValue::null(), options: None };
    match bench.run(bench.node.publish(&bench.key, message)).unwrap() {
        Published::At(position) => position,
        other => panic!("{other:?}"),
    }
}

fn kept(bench: &Bench) -> usize {
    bench.run(bench.store.messages(bench.project, room(), 0..=u64::MAX, false, usize::MAX)).unwrap().len()
}

fn behind(bench: &Bench, position: Position) -> HistoryView {
    let query = HistoryQuery { from: HistoryFrom::After(position), newest_first: false, limit: 100 };
    bench.run(bench.node.history(&bench.key, &room(), query)).unwrap()
}

#[test]
fn the_upkeep_deletes_what_is_old() {
    let bench = with_room(10_000);
    let first = publish(&bench);
    for _ in 0..2_499 {
        publish(&bench);
    }
    bench.run(bench.node.prune_history());
    assert_eq!(kept(&bench), 2_500, "nothing is old");
    bench.clock.advance(1_001);
    let last = publish(&bench);
    bench.run(bench.node.prune_history());
    assert_eq!(kept(&bench), 1, "in more units than one");
    assert_eq!(last.offset, 2_501);
    assert_eq!(behind(&bench, first), HistoryView::Lost(last));
    let HistoryView::Page(page) = behind(&bench, Position { offset: 2_500, ..last }) else { panic!() };
    assert_eq!((page.messages.len(), page.position), (1, last));
}

#[test]
fn a_history_of_which_nothing_is_left_says_so() {
    let bench = with_room(100);
    let first = publish(&bench);
    let last = publish(&bench);
    bench.clock.advance(1_001);
    bench.run(bench.node.prune_history());
    assert_eq!(kept(&bench), 0);
    assert_eq!(behind(&bench, first), HistoryView::Lost(last), "no empty page: a message is missing in it");
    let HistoryView::Page(page) = behind(&bench, last) else { panic!() };
    assert_eq!((page.messages.len(), page.more), (0, false));
    assert_eq!(publish(&bench).offset, 3);
}

#[test]
fn a_history_that_is_begun_anew_is_another() {
    let mut bench = with_room(100);
    let first = publish(&bench);
    for settings in [ChannelSettings::default(), durable(100)] {
        let update = ChannelUpdate { settings: Some(settings.into()), ..ChannelUpdate::default() };
        bench.run(bench.node.change_channel(&bench.key, &room(), update)).unwrap();
    }
    let position = publish(&bench);
    assert_eq!((position.offset, position.epoch), (1, first.epoch + 1));
    assert_eq!(behind(&bench, first), HistoryView::Lost(position));
    // The same after a restart, and what was published before it is read from the store.
    bench.restart();
    assert_eq!(behind(&bench, first), HistoryView::Lost(position));
    let start = Position { offset: 0, ..position };
    let HistoryView::Page(page) = behind(&bench, start) else { panic!() };
    assert_eq!(page.messages.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [1]);
    assert_eq!(publish(&bench).offset, 2);
}

#[test]
fn a_retained_message_is_had_from_the_store_once() {
    let mut bench = with(ChannelSettings { retain: true, ..durable(100) });
    publish(&bench);
    bench.clock.advance(5_000);
    bench.restart();
    // Not for somebody who may not have it.
    let stranger = bench.open();
    let connect = Command::Connect { project: bench.project.to_string(), token: None, resume: None };
    bench.command(stranger, connect).unwrap();
    let subscribe = Command::Subscribe { channel: "room".into(), wish: None };
    assert_eq!(bench.command(stranger, subscribe).unwrap_err().kind, ErrorKind::NotGranted);
    assert_eq!(bench.node.counters().history_reads.get(), 0);
    for _ in 0..3 {
        let client = bench.connect(&secret(&bench.issue(NewToken::default()))).unwrap();
        let subscribe = Command::Subscribe { channel: "room".into(), wish: None };
        bench.command(client, subscribe).unwrap();
    }
    assert_eq!(bench.node.counters().history_reads.get(), 1);
}
