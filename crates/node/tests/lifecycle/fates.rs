//! What is said of a message and a token: each fact when it holds, and when it does not.

use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{Command, NewMessage, PublishOptions, Published, Reply};
use tollgate_core::delivery::Position;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType, HistorySettings};
use tollgate_node::{
    ConnectionFilter, ExplainHeld as Held, FateStepKind as Kind, IssuedToken, MessageFate, NewChannel, NewToken,
    UserOfToken,
};

use super::bench::{Bench, by_id, secret};

fn room() -> ChannelId {
    ChannelId::new("room").unwrap()
}

fn with_room() -> Bench {
    let bench = Bench::new();
    bench.channel("room", ChannelType::Private);
    bench.clock.advance(10);
    bench
}

fn member(bench: &Bench) -> IssuedToken {
    bench.issue(NewToken { channels: vec![room()], ..NewToken::default() })
}

fn message(options: Option<PublishOptions>) -> NewMessage {
    NewMessage { channel: "room".into(), event: "said".into(), data: JsonValue::null(), options: options.map(Box::new) }
}

/// Publishes 10 ms after what was before, and lets 10 ms pass.
fn publish(bench: &Bench) -> Position {
    bench.clock.advance(10);
    let published = bench.run(bench.node.publish(&bench.key, message(None))).unwrap();
    bench.clock.advance(10);
    match published {
        Published::At(position) => position,
        other => panic!("{other:?}"),
    }
}

fn fate(bench: &Bench, token: &IssuedToken, position: Position) -> MessageFate {
    bench.run(bench.node.explain_message(&bench.key, &room(), position, &by_id(token))).unwrap()
}

/// How each fact of a kind fell, and what is said.
fn of(fate: &MessageFate, kind: Kind) -> Vec<(Held, &str)> {
    fate.steps.iter().filter(|step| step.what == kind).map(|step| (step.held, step.said.as_str())).collect()
}

fn one<'a>(fate: &'a MessageFate, kind: Kind, held: Held, said: &str) -> &'a str {
    let found = of(fate, kind);
    assert!(found.len() == 1 && found[0].0 == held && found[0].1.contains(said), "{kind:?} {held:?} {said}: {fate:?}");
    found[0].1
}

#[test]
fn of_a_reader_that_keeps_up_everything_holds() {
    let bench = with_room();
    let token = member(&bench);
    bench.connect(&secret(&token)).unwrap();
    let position = publish(&bench);
    let fate = fate(&bench, &token, position);
    assert!(fate.steps.iter().all(|step| step.held == Held::Held), "{fate:?}");
    let kinds: Vec<_> = fate.steps.iter().map(|step| step.what).collect();
    assert_eq!(kinds, [Kind::Kept, Kind::Works, Kind::Subscribed, Kind::Echo, Kind::Connection, Kind::Present]);
    assert_eq!((fate.token, fate.at), (token.token.id, Some(UnixMillis(bench.now() - 10))));
    let told = fate.message.unwrap();
    assert_eq!((&*told.event, told.sender), ("said", None));
    let listed = bench.run(bench.node.connections(&bench.key, &ConnectionFilter::default(), None, 9)).unwrap();
    assert_eq!(fate.steps[4].connection, Some(listed.connections[0].id));
}

#[test]
fn of_a_reader_that_stalls_it_is_said_that_it_waits() {
    let bench = with_room();
    let token = member(&bench);
    let connection = bench.connect(&secret(&token)).unwrap();
    let earlier = publish(&bench);
    bench.stall(connection);
    bench.run(bench.node.direct_message(&bench.key, &by_id(&token), "said", JsonValue::null())).unwrap();
    let later = publish(&bench);
    let waits = fate(&bench, &token, later);
    let said = one(&waits, Kind::Connection, Held::Failed, "has read nothing since");
    assert!(said.contains(&UnixMillis(bench.now() - 20).to_string()) && said.contains("bytes wait for its socket"));
    one(&fate(&bench, &token, earlier), Kind::Connection, Held::Unknown, "reads slowly");
}

#[test]
fn who_came_later_who_was_not_there_and_who_is_not_in_the_channel_is_told_apart() {
    let bench = with_room();
    let token = member(&bench);
    let early = publish(&bench);
    one(&fate(&bench, &token, early), Kind::Present, Held::Failed, "No connection of it was there");
    bench.connect(&secret(&token)).unwrap();
    let late = fate(&bench, &token, early);
    one(&late, Kind::Connection, Held::Unknown, "after the message");
    one(&late, Kind::Present, Held::Failed, "No connection");
    let stranger = bench.issue(NewToken::default());
    bench.connect(&secret(&stranger)).unwrap();
    let position = publish(&bench);
    let outside = fate(&bench, &stranger, position);
    one(&outside, Kind::Subscribed, Held::Failed, "not subscribed");
    one(&outside, Kind::Connection, Held::Failed, "not in the channel");
    bench.run(bench.node.subscribe_token(&bench.key, &room(), &by_id(&stranger), false)).unwrap();
    one(&fate(&bench, &stranger, position), Kind::Subscribed, Held::Unknown, "after the message");
    let position = publish(&bench);
    one(&fate(&bench, &stranger, position), Kind::Subscribed, Held::Held, "your backend subscribed it at");
}

#[test]
fn connections_that_ended_since_are_told_with_the_reason() {
    let mut bench = with_room();
    let token = member(&bench);
    let before = bench.connect(&secret(&token)).unwrap();
    bench.clock.advance(5);
    bench.gone(before);
    let (closed, dismissed) = (bench.connect(&secret(&token)).unwrap(), bench.connect(&secret(&token)).unwrap());
    let position = publish(&bench);
    bench.gone(closed);
    let listed = bench.run(bench.node.connections(&bench.key, &ConnectionFilter::default(), None, 9)).unwrap();
    bench.clock.advance(5);
    bench.run(bench.node.disconnect(&bench.key, listed.connections[0].id)).unwrap();
    bench.gone(dismissed);
    let known = fate(&bench, &token, position);
    let ended: Vec<_> = of(&known, Kind::Ended);
    assert!(
        ended.len() == 2 && ended[0].1.contains("`dismissed`") && ended[1].1.contains("`client_gone`"),
        "{known:?}"
    );
    assert!(ended[1].1.contains(&UnixMillis(bench.now() - 5).to_string()), "{known:?}");
    one(&known, Kind::Present, Held::Held, "was there");
    let never = member(&bench);
    bench.clock.advance(10);
    bench.restart();
    let position = publish(&bench);
    one(&fate(&bench, &never, position), Kind::Present, Held::Failed, "No connection");
}

#[test]
fn a_token_that_had_ended_or_had_not_begun_is_told() {
    let bench = with_room();
    let (revoked, expired) = (member(&bench), bench.issue(NewToken { life_ms: Some(1_000), ..NewToken::default() }));
    let works = publish(&bench);
    bench.revoke(revoked.token.id);
    bench.clock.advance(1_000);
    let position = publish(&bench);
    let made_later = member(&bench);
    one(&fate(&bench, &revoked, works), Kind::Works, Held::Held, "worked");
    one(&fate(&bench, &revoked, position), Kind::Works, Held::Failed, "revoked at");
    one(&fate(&bench, &expired, works), Kind::Works, Held::Held, "worked");
    one(&fate(&bench, &expired, position), Kind::Works, Held::Failed, "expired at");
    one(&fate(&bench, &made_later, position), Kind::Works, Held::Failed, "made at");
    let begins = bench.now() + 60_000;
    let later = bench.issue(NewToken { not_before: Some(UnixMillis(begins)), ..NewToken::default() });
    let position = publish(&bench);
    one(&fate(&bench, &later, position), Kind::Works, Held::Failed, "begins to work at");
}

#[test]
fn its_own_message_is_told_with_or_without_echo() {
    let bench = Bench::new();
    let new = NewChannel {
        id: Some(room()),
        kind: ChannelType::Private,
        state: JsonObject::empty(),
        capabilities: Capabilities::from_bits(Capabilities::TOKEN_PUBLISH.into()).unwrap(),
        settings: ChannelSettings::default(),
    };
    bench.run(bench.node.create_channel(&bench.key, new)).unwrap();
    let (sender, other) = (member(&bench), member(&bench));
    let connection = bench.connect(&secret(&sender)).unwrap();
    let send = |echo: bool| {
        let options = PublishOptions { echo: Some(echo), ..PublishOptions::default() };
        match bench.command(connection, Command::Publish(message(Some(options)))).unwrap() {
            Some(Reply::Published(Published::At(position))) => position,
            told => panic!("{told:?}"),
        }
    };
    let (quiet, loud) = (send(false), send(true));
    one(&fate(&bench, &sender, quiet), Kind::Echo, Held::Failed, "echo was off");
    one(&fate(&bench, &sender, loud), Kind::Echo, Held::Held, "with echo on");
    let of_other = fate(&bench, &other, quiet);
    one(&of_other, Kind::Echo, Held::Held, "Somebody else");
    assert_eq!(of_other.message.unwrap().sender, Some(sender.token.id));
}

#[test]
fn what_is_not_kept_or_was_never_there_is_told() {
    let bench = Bench::new();
    let history = HistorySettings { size: 1, ..ChannelSettings::default().history };
    let new = NewChannel {
        id: Some(room()),
        kind: ChannelType::Private,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings: ChannelSettings { history, ..ChannelSettings::default() },
    };
    bench.run(bench.node.create_channel(&bench.key, new)).unwrap();
    let token = member(&bench);
    let (first, second) = (publish(&bench), publish(&bench));
    let gone = fate(&bench, &token, first);
    one(&gone, Kind::Kept, Held::Failed, "not keep it any more");
    one(&gone, Kind::Works, Held::Unknown, "not known");
    assert_eq!((gone.at, gone.message), (None, None));
    one(&fate(&bench, &token, second), Kind::Kept, Held::Held, "keeps it");
    let other_run = Position { epoch: second.epoch + 1, ..second };
    one(&fate(&bench, &token, other_run), Kind::Kept, Held::Failed, "not keep it");
    for offset in [0, second.offset + 1] {
        let never = Position { offset, ..second };
        let refused = bench.run(bench.node.explain_message(&bench.key, &room(), never, &by_id(&token))).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidInput, "{refused:?}");
    }
    let elsewhere = ChannelId::new("elsewhere").unwrap();
    let missing = bench.run(bench.node.explain_message(&bench.key, &elsewhere, second, &by_id(&token))).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
}

#[test]
fn a_connection_that_went_on_with_another_token_was_the_old_ones_before_and_is_the_new_ones_after() {
    let bench = with_room();
    let of_ann = || {
        let user = Some(UserOfToken { user_id: "ann".into(), ..UserOfToken::default() });
        bench.issue(NewToken { user, channels: vec![room()], ..NewToken::default() })
    };
    let (old, new) = (of_ann(), of_ann());
    let connection = bench.connect(&secret(&old)).unwrap();
    let before = publish(&bench);
    bench.renew(connection, &secret(&new)).unwrap();
    let after = publish(&bench);
    let told = fate(&bench, &old, before);
    one(&told, Kind::Ended, Held::Unknown, "went on with another token");
    one(&told, Kind::Present, Held::Held, "was there");
    one(&fate(&bench, &old, after), Kind::Present, Held::Failed, "No connection of it was there");
    let told = fate(&bench, &new, before);
    one(&told, Kind::Connection, Held::Unknown, "after the message");
    one(&told, Kind::Present, Held::Failed, "No connection of it was there");
    one(&fate(&bench, &new, after), Kind::Present, Held::Held, "was there");
    // Another secret of the same token: the connection is the one that it was.
    let rotated = bench.run(bench.node.rotate_token(&bench.key, &by_id(&new), Some(60_000), None, None)).unwrap();
    bench.renew(connection, &secret(&rotated)).unwrap();
    let told = fate(&bench, &new, after);
    one(&told, Kind::Present, Held::Held, "was there");
    assert!(of(&told, Kind::Ended).is_empty());
    one(&told, Kind::Connection, Held::Held, "everything up to now was written");
}
