//! Mailboxes: direct messages that wait until they are acknowledged, come again in order until then, and outlive the process.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use tollgate_core::authorize::Caller;
use tollgate_core::command::{Command, Reply, Resume};
use tollgate_core::credentials::RowKind;
use tollgate_core::delivery::Position;
use tollgate_core::error::{ErrorKind, Result};
use tollgate_core::json::JsonValue;
use tollgate_core::limits::{MAILBOX_BYTES_MAX, MESSAGE_BYTES_MAX};
use tollgate_core::ports::store::{RowName, Store as _};
use tollgate_core::records::MailboxSettings;
use tollgate_node::{ConnectionKey, NewToken, UserOfToken};

use super::bench::{Bench, IssuedToken, by_id, secret};

const DAY_MS: u64 = 86_400_000;

fn with_mailboxes(size: u32) -> Bench {
    let bench = Bench::new();
    switch(&bench, Some(size));
    bench
}

fn switch(bench: &Bench, size: Option<u32>) {
    bench.settings(|settings| settings.mailbox = size.map(|size| MailboxSettings { size, ttl_ms: DAY_MS }));
}

fn data(number: usize) -> JsonValue {
    JsonValue::parse(number.to_string().as_bytes(), 100).unwrap()
}

/// Sends messages whose data are these numbers; answers what the last one reached.
fn send(bench: &Bench, token: &IssuedToken, numbers: impl IntoIterator<Item = usize>) -> u32 {
    let mut reached = 0;
    for number in numbers {
        let named = by_id(token);
        reached = bench.run(bench.node.direct_message(&bench.key, &named, "said", data(number))).unwrap();
    }
    reached
}

/// What a client is told that comes with this position: where it begins, whether something is lost, and what it hears at once.
fn comes(bench: &Bench, token: &IssuedToken, direct: Option<Position>) -> (ConnectionKey, (Position, bool, String)) {
    let (connection, told) = bench.resume(&secret(token), Resume { direct, ..Resume::default() });
    (connection, (told.direct.unwrap(), told.direct_lost, bench.heard(connection)))
}

fn looks(bench: &Bench, token: &IssuedToken, direct: Option<Position>) -> (u64, bool, String) {
    let (connection, (position, lost, heard)) = comes(bench, token, direct);
    bench.gone(connection);
    (position.offset, lost, heard)
}

fn acknowledge(bench: &Bench, connection: ConnectionKey, direct: Position) -> Result<()> {
    bench.command(connection, Command::Acknowledge { direct }).map(|reply| assert!(matches!(reply, Some(Reply::Done))))
}

fn has_mailbox(bench: &Bench, token: &IssuedToken) -> bool {
    let name = RowName { kind: RowKind::Mailbox, project: bench.project, id: token.token.id.get() };
    bench.run(bench.store.row(name)).unwrap().is_some()
}

/// Runs them all at once.
fn together<T>(bench: &Bench, futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut all: Vec<_> = futures.into_iter().map(|future| (future, None)).collect();
    bench.run(std::future::poll_fn(|context| {
        for (future, done) in &mut all {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if all.iter().all(|(_, done)| done.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    }));
    all.into_iter().filter_map(|(_, done)| done).collect()
}

#[test]
fn a_message_comes_until_it_is_acknowledged_also_after_restarts() {
    let mut bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    assert_eq!(send(&bench, &token, [1, 2]), 0);
    let (_, (start, ..)) = comes(&bench, &token, None);
    bench.restart();
    let (connection, told) = comes(&bench, &token, None);
    assert_eq!(told, (start, false, "1 1;2 2;".into()));
    let at = |offset| Position { offset, ..start };
    assert_eq!(acknowledge(&bench, connection, at(3)).unwrap_err().kind, ErrorKind::InvalidInput);
    acknowledge(&bench, connection, Position { epoch: 7, offset: 1_000 }).unwrap();
    acknowledge(&bench, connection, at(1)).unwrap();
    acknowledge(&bench, connection, at(0)).unwrap();
    bench.restart();
    assert_eq!(looks(&bench, &token, None), (1, false, "2 2;".into()));
    assert_eq!(send(&bench, &token, [3]), 0);
    let (connection, told) = comes(&bench, &token, None);
    assert_eq!(told, (at(1), false, "2 2;3 3;".into()));
    acknowledge(&bench, connection, at(3)).unwrap();
    bench.restart();
    assert_eq!(looks(&bench, &token, None), (3, false, String::new()), "offsets go on where all is acknowledged");
    send(&bench, &token, [4]);
    assert_eq!(looks(&bench, &token, None), (3, false, "4 4;".into()));
    assert_eq!(looks(&bench, &token, Some(at(3))), (3, false, "4 4;".into()));
    assert_eq!(looks(&bench, &token, Some(at(4))), (4, false, String::new()));
    assert_eq!(looks(&bench, &token, Some(at(1))), (3, true, "4 4;".into()), "another connection acknowledged those");
    assert_eq!(looks(&bench, &token, Some(at(9))), (3, true, "4 4;".into()), "nothing that we said");
}

#[test]
fn what_comes_live_follows_what_is_sent_again_for_all_connections_alike() {
    let bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    send(&bench, &token, [1]);
    let (one, (_, _, first)) = comes(&bench, &token, None);
    assert_eq!(send(&bench, &token, [2]), 1);
    let (two, (_, _, second)) = comes(&bench, &token, None);
    let leap = bench.connect(&secret(&token)).unwrap();
    assert_eq!(send(&bench, &token, [3]), 3);
    assert_eq!((first + &bench.heard(one)).as_str(), "1 1;2 2;3 3;");
    assert_eq!((second + &bench.heard(two)).as_str(), "1 1;2 2;3 3;");
    assert_eq!(bench.heard(leap), "3 3;", "who has no word for acknowledging hears what is live");
}

#[test]
fn who_comes_between_the_commit_and_the_delivery_hears_it_once() {
    let bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    let (other, _) = comes(&bench, &token, None);
    let named = by_id(&token);
    let sends = bench.node.direct_message(&bench.key, &named, "said", data(1));
    let (connection, _) = bench.resume_amid(&secret(&token), Resume::default(), sends);
    assert_eq!((bench.heard(connection).as_str(), bench.heard(other).as_str()), ("1 1;", "1 1;"));
}

#[test]
fn who_sends_at_once_gets_places_one_after_the_other() {
    let bench = with_mailboxes(100);
    let token = bench.issue(NewToken::default());
    let (connection, _) = comes(&bench, &token, None);
    let named = by_id(&token);
    let sends = (1..=40).map(|number| -> Pin<Box<dyn Future<Output = Result<u32>> + '_>> {
        Box::pin(bench.node.direct_message(&bench.key, &named, "said", data(number)))
    });
    assert!(together(&bench, sends.collect()).into_iter().all(|reached| reached.unwrap() == 1));
    let heard = bench.heard(connection);
    let offsets: Vec<_> = heard.split_terminator(';').map(|one| one.split_once(' ').unwrap().0.to_owned()).collect();
    assert_eq!(offsets, (1..=40).map(|offset| offset.to_string()).collect::<Vec<_>>());
    assert_eq!(looks(&bench, &token, None).2, heard);
}

#[test]
fn the_oldest_go_where_there_is_no_room_and_it_is_said() {
    let bench = with_mailboxes(3);
    let token = bench.issue(NewToken::default());
    let (connection, (start, ..)) = comes(&bench, &token, None);
    send(&bench, &token, 1..=5);
    assert_eq!(bench.node.counters().mailbox_dropped.get(), 2);
    let kept = (2, true, "3 3;4 4;5 5;".to_owned());
    assert_eq!(looks(&bench, &token, Some(start)), kept);
    assert_eq!(looks(&bench, &token, None), kept, "two were never acknowledged");
    assert_eq!(looks(&bench, &token, Some(Position { offset: 2, ..start })), (2, false, kept.2));
    switch(&bench, Some(1));
    assert_eq!(looks(&bench, &token, None), (4, true, "5 5;".into()), "at once, whatever is there still");
    bench.run(bench.node.tidy_mailboxes());
    assert_eq!(bench.node.counters().mailbox_dropped.get(), 4);
    acknowledge(&bench, connection, Position { offset: 5, ..start }).unwrap();
    assert_eq!(bench.node.counters().mailbox_acknowledged.get(), 1);
    assert_eq!(looks(&bench, &token, None), (5, false, String::new()));
}

#[test]
fn a_mailbox_is_bounded_in_bytes() {
    let bench = with_mailboxes(1_000);
    let token = bench.issue(NewToken::default());
    let large = format!("\"{}\"", "x".repeat(MESSAGE_BYTES_MAX - 2));
    let large = JsonValue::parse(large.as_bytes(), MESSAGE_BYTES_MAX).unwrap();
    for _ in 0..4 {
        bench.run(bench.node.direct_message(&bench.key, &by_id(&token), "said", large.clone())).unwrap();
    }
    let fit = MAILBOX_BYTES_MAX / (MESSAGE_BYTES_MAX + 64);
    assert_eq!(bench.node.counters().mailbox_dropped.get(), 4 - fit as u64);
    assert_eq!(looks(&bench, &token, None).0, 4 - fit as u64);
}

#[test]
fn what_is_too_old_is_not_delivered_and_goes() {
    let mut bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    send(&bench, &token, [1]);
    bench.clock.advance(DAY_MS / 2);
    send(&bench, &token, [2]);
    bench.clock.advance(DAY_MS / 2);
    assert_eq!(looks(&bench, &token, None), (1, true, "2 2;".into()));
    bench.run(bench.node.tidy_mailboxes());
    assert_eq!(bench.node.counters().mailbox_expired.get(), 1);
    bench.restart();
    assert_eq!(looks(&bench, &token, None), (1, true, "2 2;".into()));
    bench.clock.advance(DAY_MS);
    assert_eq!(looks(&bench, &token, None), (2, true, String::new()));
}

#[test]
fn a_mailbox_goes_with_its_token() {
    let mut bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    send(&bench, &token, 1..=3);
    assert!(has_mailbox(&bench, &token));
    bench.run(bench.node.forget_mailboxes());
    assert!(has_mailbox(&bench, &token), "it has its token");
    bench.run(bench.node.delete_token(&bench.key, &by_id(&token))).unwrap();
    // As if it died right then: the start finds what belongs to nobody.
    bench.restart();
    bench.run(bench.node.forget_mailboxes());
    assert!(!has_mailbox(&bench, &token));
    let counted = bench.node.counters().mailbox_dropped.get() + bench.node.counters().mailbox_expired.get();
    assert_eq!(counted, 0, "nobody wanted them");
}

#[test]
fn switched_off_and_on_again_positions_of_before_are_lost() {
    let bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    send(&bench, &token, 1..=2);
    let (_, (start, ..)) = comes(&bench, &token, None);
    switch(&bench, None);
    let (connection, (off, lost, heard)) = comes(&bench, &token, Some(Position { offset: 2, ..start }));
    assert!(lost && heard.is_empty() && off.epoch != start.epoch, "{off} {heard}");
    acknowledge(&bench, connection, Position { offset: 2, ..start }).unwrap();
    assert_eq!(send(&bench, &token, [3]), 2);
    assert_eq!(bench.heard(connection), "1 3;", "kept for the session alone");
    switch(&bench, Some(10));
    send(&bench, &token, [4]);
    let (_, (on, lost, heard)) = comes(&bench, &token, Some(Position { offset: 2, ..start }));
    assert!(on.epoch != start.epoch && lost, "another run");
    assert_eq!(heard, "1 4;", "what was kept before it was off is gone");
    switch(&bench, None);
    let (_, told) = comes(&bench, &token, Some(Position { offset: 1, ..off }));
    assert!(told.1 && told.0.epoch != off.epoch, "the offsets in memory are others, too: {told:?}");
    bench.run(bench.node.tidy_mailboxes());
    assert!(!has_mailbox(&bench, &token));
}

#[test]
fn a_message_to_a_user_is_in_the_mailbox_of_each_token_that_works() {
    let bench = with_mailboxes(10);
    let user = UserOfToken { user_id: "ann".into(), display_name: None };
    let new = || NewToken { user: Some(user.clone()), ..NewToken::default() };
    let (phone, laptop, lost) = (bench.issue(new()), bench.issue(new()), bench.issue(new()));
    bench.revoke(lost.token.id);
    let (connection, _) = comes(&bench, &phone, None);
    let reached = bench.run(bench.node.message_user(&bench.key, "ann", "said", data(1))).unwrap();
    assert_eq!((reached.connections, reached.mailboxes), (1, 2));
    assert_eq!(bench.heard(connection), "1 1;");
    for token in [&phone, &laptop] {
        assert_eq!(looks(&bench, token, None), (0, false, "1 1;".into()));
    }
    assert!(!has_mailbox(&bench, &lost));
    assert_eq!(bench.node.counters().mailbox_messages.get(), 2);
}

#[test]
fn mailboxes_are_sealed_again_and_nothing_is_delivered_for_it() {
    let mut bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    send(&bench, &token, 1..=2);
    let (connection, _) = comes(&bench, &token, None);
    bench.run(bench.node.rotate_data_keys(&Caller::Operator)).unwrap();
    bench.run(bench.node.reseal()).unwrap();
    let status = bench.run(bench.node.keyring(&Caller::Operator)).unwrap();
    assert!(status.projects.iter().all(|one| one.records_to_reseal == 0 && one.keys == [2]), "{status:?}");
    assert_eq!(bench.heard(connection), "");
    send(&bench, &token, [3]);
    assert_eq!(bench.heard(connection), "3 3;");
    bench.restart();
    assert_eq!(looks(&bench, &token, None), (0, false, "1 1;2 2;3 3;".into()));
}

#[test]
fn settings_out_of_range_are_refused() {
    let bench = Bench::new();
    for (size, ttl_ms) in [(0, DAY_MS), (1_001, DAY_MS), (1, 999), (1, 30 * DAY_MS + 1)] {
        let edit = |settings: &mut tollgate_core::records::SettingsRecord| {
            settings.mailbox = Some(MailboxSettings { size, ttl_ms });
            Ok(())
        };
        let refused = bench.run(bench.node.change_settings(&bench.key, &edit)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidInput, "{size} {ttl_ms}");
        assert!(refused.to_string().contains("mailbox"), "{refused}");
    }
}
