//! What is said of a direct message: in a mailbox until it is acknowledged, in a session's memory without one, and of connections that it waits for.

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock as _, UnixMillis};
use tollgate_core::command::{Command, Resume};
use tollgate_core::delivery::Position;
use tollgate_core::error::ErrorKind;
use tollgate_core::json::JsonValue;
use tollgate_core::records::MailboxSettings;
use tollgate_node::{ConnectionKey, ExplainHeld as Held, FateStepKind as Kind, IssuedToken, MessageFate, NewToken};

use super::bench::{Bench, by_id, secret};

const DAY_MS: u64 = 86_400_000;

fn with_mailboxes(size: u32) -> Bench {
    let bench = Bench::new();
    switch(&bench, Some(size));
    bench
}

fn switch(bench: &Bench, size: Option<u32>) {
    bench.settings(|settings| settings.mailbox = size.map(|size| MailboxSettings { size, ttl_ms: DAY_MS }));
}

/// Sends one 10 ms after what was before, and lets 10 ms pass; answers when.
fn send(bench: &Bench, token: &IssuedToken) -> UnixMillis {
    bench.clock.advance(10);
    let at = bench.clock.unix();
    bench.run(bench.node.direct_message(&bench.key, &by_id(token), "said", JsonValue::null())).unwrap();
    bench.clock.advance(10);
    at
}

fn fate(bench: &Bench, token: &IssuedToken, position: Option<Position>) -> MessageFate {
    bench.run(bench.node.explain_direct(&bench.key, &by_id(token), position)).unwrap()
}

fn refused(bench: &Bench, token: &IssuedToken, position: Position) -> ErrorKind {
    bench.run(bench.node.explain_direct(&bench.key, &by_id(token), Some(position))).unwrap_err().kind
}

fn one(fate: &MessageFate, kind: Kind, held: Held, said: &str) {
    let found: Vec<_> = fate.steps.iter().filter(|step| step.what == kind).collect();
    assert!(
        found.len() == 1 && found[0].held == held && found[0].said.contains(said),
        "{kind:?} {held:?} {said}: {fate:#?}"
    );
}

fn kinds(fate: &MessageFate) -> Vec<Kind> {
    fate.steps.iter().map(|step| step.what).collect()
}

/// Connects as an SDK does, which goes on with its session.
fn comes(bench: &Bench, token: &IssuedToken) -> (ConnectionKey, Position) {
    let (connection, told) = bench.resume(&secret(token), Resume::default());
    (connection, told.direct.unwrap())
}

#[test]
fn of_a_mailbox_it_is_told_what_waits_what_was_acknowledged_and_what_went() {
    let bench = with_mailboxes(2);
    let token = bench.issue(NewToken::default());
    let never = fate(&bench, &token, None);
    one(&never, Kind::Kept, Held::Failed, "never sent anything");
    assert_eq!((kinds(&never), never.position), (vec![Kind::Kept], None));
    let at = send(&bench, &token);
    let waits = fate(&bench, &token, None);
    one(&waits, Kind::Kept, Held::Held, &format!("accepted at {at}, and stays until {}", at.plus(DAY_MS)));
    one(&waits, Kind::Acknowledged, Held::Unknown, "No client of it has acknowledged it");
    one(&waits, Kind::Works, Held::Held, "worked");
    one(&waits, Kind::Present, Held::Failed, "No connection of it was there");
    assert_eq!((waits.at, waits.message.is_none()), (Some(at), true));
    let first = waits.position.unwrap();
    let (connection, _) = comes(&bench, &token);
    let came = fate(&bench, &token, Some(first));
    one(&came, Kind::Connection, Held::Held, "was sent what its mailbox kept");
    one(&came, Kind::Acknowledged, Held::Unknown, "No client");
    bench.command(connection, Command::Acknowledge { direct: first }).unwrap();
    let done = fate(&bench, &token, Some(first));
    one(&done, Kind::Acknowledged, Held::Held, &format!("all up to {first}"));
    assert_eq!(kinds(&done), [Kind::Kept, Kind::Acknowledged], "there is nothing to look for any more");
    for _ in 0..3 {
        send(&bench, &token);
    }
    let second = Position { offset: first.offset + 1, ..first };
    let dropped = fate(&bench, &token, Some(second));
    one(&dropped, Kind::Kept, Held::Failed, "no room among 2 messages");
    one(&dropped, Kind::Acknowledged, Held::Failed, "Nobody");
    let last = Position { offset: first.offset + 3, ..first };
    assert_eq!(fate(&bench, &token, None).position, Some(last));
    bench.clock.advance(DAY_MS);
    one(&fate(&bench, &token, Some(last)), Kind::Kept, Held::Failed, "too old");
    for offset in [0, last.offset + 1] {
        assert_eq!(refused(&bench, &token, Position { offset, ..last }), ErrorKind::InvalidInput);
    }
    switch(&bench, None);
    one(&fate(&bench, &token, Some(last)), Kind::Kept, Held::Failed, "keeps mailboxes no more");
    switch(&bench, Some(2));
    one(&fate(&bench, &token, Some(last)), Kind::Kept, Held::Failed, "not of the mailbox that the token has now");
}

#[test]
fn a_reader_that_stalls_and_one_that_keeps_up_are_told_apart() {
    let bench = with_mailboxes(10);
    let token = bench.issue(NewToken::default());
    let (slow, _) = comes(&bench, &token);
    bench.clock.advance(5);
    comes(&bench, &token);
    bench.stall(slow);
    bench.run(bench.node.direct_message(&bench.key, &by_id(&token), "said", JsonValue::null())).unwrap();
    send(&bench, &token);
    let fate = fate(&bench, &token, None);
    let said: Vec<_> = fate.steps.iter().filter(|step| step.what == Kind::Connection).collect();
    assert_eq!(said.len(), 2, "{fate:#?}");
    for (held, words) in [(Held::Failed, "has read nothing since"), (Held::Held, "was written to its socket")] {
        assert_eq!(said.iter().filter(|one| one.held == held && one.said.contains(words)).count(), 1, "{fate:#?}");
    }
    assert!(said.iter().all(|one| one.connection.is_some() && !one.said.contains("channel")), "{fate:#?}");
    one(&fate, Kind::Present, Held::Held, "was there");
}

#[test]
fn without_a_mailbox_it_is_told_what_a_session_keeps() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    one(&fate(&bench, &token, None), Kind::Kept, Held::Failed, "it has none now");
    let (connection, start) = comes(&bench, &token);
    one(&fate(&bench, &token, None), Kind::Kept, Held::Failed, "Nothing was sent to the token in its session");
    let at = send(&bench, &token);
    let first = Position { offset: start.offset + 1, ..start };
    for asked in [None, Some(first)] {
        let kept = fate(&bench, &token, asked);
        one(&kept, Kind::Kept, Held::Held, &format!("accepted at {at}"));
        one(&kept, Kind::Connection, Held::Held, "was written to its socket");
        assert_eq!((kept.position, kept.at), (Some(first), Some(at)));
        assert!(!kinds(&kept).contains(&Kind::Acknowledged), "{kept:#?}");
    }
    for offset in [0, 2] {
        assert_eq!(refused(&bench, &token, Position { offset, ..start }), ErrorKind::InvalidInput);
    }
    let earlier = Position { epoch: start.epoch + 1, offset: 1 };
    one(&fate(&bench, &token, Some(earlier)), Kind::Kept, Held::Failed, "earlier session");
    let of_mailbox = Position { epoch: 1 << 63, offset: 1 };
    one(&fate(&bench, &token, Some(of_mailbox)), Kind::Kept, Held::Failed, "keeps mailboxes no more");
    bench.gone(connection);
    one(&fate(&bench, &token, None), Kind::Ended, Held::Unknown, "`client_gone`");
    let (later, _) = comes(&bench, &token);
    let came_later = fate(&bench, &token, Some(first));
    one(&came_later, Kind::Connection, Held::Unknown, "only if its client asked to go on");
    bench.gone(later);
    let own = Caller::Token { project: bench.project, token: token.token.id };
    let refused = bench.run(bench.node.explain_direct(&own, &by_id(&token), None)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
    let gone = bench.issue(NewToken::default());
    bench.run(bench.node.delete_token(&bench.key, &by_id(&gone))).unwrap();
    let missing = bench.run(bench.node.explain_direct(&bench.key, &by_id(&gone), None)).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
}
