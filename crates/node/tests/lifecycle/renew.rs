//! A connection that goes on with another token of its user: whose messages it hears, to which session it belongs, and what the old token keeps.

use tollgate_core::CloseReason;
use tollgate_core::command::{Renewed, Resume};
use tollgate_core::delivery::Position;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonValue;
use tollgate_core::limits::NATIVE_SESSION_MS;
use tollgate_core::model::ChannelType;
use tollgate_core::records::MailboxSettings;
use tollgate_node::{ConnectionKey, NewToken, UserOfToken};

use super::bench::{Bench, IssuedToken, Told, by_id, secret};

fn of_ann(bench: &Bench) -> IssuedToken {
    let user = Some(UserOfToken { user_id: "ann".into(), ..UserOfToken::default() });
    bench.issue(NewToken { user, ..NewToken::default() })
}

/// Sends a direct message whose data is this number; answers how many connections it reached.
fn send(bench: &Bench, token: &IssuedToken, number: u32) -> u32 {
    let data = JsonValue::parse(number.to_string().as_bytes(), 100).unwrap();
    bench.run(bench.node.direct_message(&bench.key, &by_id(token), "said", data)).unwrap()
}

fn moves(bench: &Bench, connection: ConnectionKey, to: &IssuedToken) -> Renewed {
    let renewed = bench.renew(connection, &secret(to)).unwrap();
    assert_eq!((renewed.token.id, renewed.token.user.as_deref()), (to.token.id, Some("ann")));
    renewed
}

fn next(position: Position) -> Position {
    Position { offset: position.offset + 1, ..position }
}

#[test]
fn another_token_is_another_session_and_its_messages_begin_where_the_reply_says() {
    let bench = Bench::new();
    let (old, new) = (of_ann(&bench), of_ann(&bench));
    let (other, told) = bench.resume(&secret(&new), Resume::default());
    let (connection, begun) = bench.resume(&secret(&old), Resume::default());
    assert_eq!((send(&bench, &old, 1), send(&bench, &new, 2)), (1, 1));
    assert_eq!((bench.heard(connection).as_str(), bench.heard(other).as_str()), ("1 1;", "1 2;"));
    let renewed = moves(&bench, connection, &new);
    assert_eq!((&renewed.session, renewed.direct_lost), (&told.session, false), "the session of the new token");
    assert_ne!(renewed.session, begun.session);
    let direct = renewed.direct.unwrap();
    assert_eq!(direct, next(told.direct.unwrap()), "behind what was sent before");
    assert_eq!((send(&bench, &old, 3), send(&bench, &new, 4)), (0, 2), "nobody is the old token's now");
    assert_eq!(bench.heard(connection), "renewed;2 4;");
    // It breaks, misses one, and goes on where it was.
    bench.gone(connection);
    send(&bench, &new, 5);
    let session = renewed.session.as_ref().map(ToString::to_string);
    let wish = Resume { session, direct: Some(next(direct)), ..Resume::default() };
    let (again, told) = bench.resume(&secret(&new), wish);
    assert_eq!((told.resumed, told.direct_lost, bench.heard(again).as_str()), (true, false, "3 5;"));
}

#[test]
fn a_first_session_of_the_new_token_has_a_name_and_an_epoch_of_its_own() {
    let bench = Bench::new();
    let (old, new) = (of_ann(&bench), of_ann(&bench));
    let (connection, begun) = bench.resume(&secret(&old), Resume::default());
    send(&bench, &old, 1);
    let renewed = moves(&bench, connection, &new);
    assert!(renewed.session.is_some() && renewed.session != begun.session);
    assert_ne!(
        renewed.direct.unwrap().epoch,
        begun.direct.unwrap().epoch,
        "positions of the one are none of the other"
    );
    // The old session waits for its time and no longer, as if the connection had gone.
    let session = begun.session.as_ref().map(ToString::to_string);
    let back = |session: Option<String>| {
        let wish = Resume { session, direct: begun.direct, ..Resume::default() };
        let (connection, told) = bench.resume(&secret(&old), wish);
        bench.gone(connection);
        (told.resumed, told.direct_lost, bench.heard(connection))
    };
    assert_eq!(back(session.clone()), (true, false, "1 1;".into()));
    bench.clock.advance(NATIVE_SESSION_MS);
    bench.run(bench.node.end_sessions());
    assert_eq!(back(session), (false, true, String::new()));
    assert_eq!(send(&bench, &new, 2), 1, "the new one goes on");
}

#[test]
fn the_new_end_is_told_before_anything_of_the_channels_that_it_joins() {
    let bench = Bench::new();
    let (old, new) = (of_ann(&bench), of_ann(&bench));
    let hall = ChannelId::new("hall").unwrap();
    bench.channel("hall", ChannelType::Private);
    bench.run(bench.node.subscribe_token(&bench.key, &hall, &by_id(&new), false)).unwrap();
    let (connection, _) = bench.resume(&secret(&old), Resume::default());
    bench.told();
    moves(&bench, connection, &new);
    let told: Vec<_> = bench.told().into_iter().map(|(_, told)| told).collect();
    assert!(matches!(&told[..2], [Told::End(_), Told::Subscribed(channel)] if channel == "hall"), "{told:?}");
}

#[test]
fn the_same_token_anew_changes_nothing() {
    let bench = Bench::new();
    let token = of_ann(&bench);
    let (connection, told) = bench.resume(&secret(&token), Resume::default());
    send(&bench, &token, 1);
    let renewed = moves(&bench, connection, &token);
    assert_eq!((renewed.session, renewed.direct, renewed.direct_lost), (None, None, false));
    send(&bench, &token, 2);
    assert_eq!(bench.heard(connection), "1 1;2 2;");
    bench.gone(connection);
    let session = told.session.as_ref().map(ToString::to_string);
    assert!(bench.resume(&secret(&token), Resume { session, ..Resume::default() }).1.resumed);
}

#[test]
fn what_waits_in_the_new_tokens_mailbox_follows_the_reply() {
    let bench = Bench::new();
    bench.settings(|settings| settings.mailbox = Some(MailboxSettings { size: 10, ttl_ms: 86_400_000 }));
    let (old, new) = (of_ann(&bench), of_ann(&bench));
    let (connection, _) = bench.resume(&secret(&old), Resume::default());
    let reached: u32 = (1..=3).map(|number| send(&bench, &new, number)).sum();
    let renewed = moves(&bench, connection, &new);
    assert_eq!((renewed.direct.unwrap().offset, renewed.direct_lost), (0, false));
    assert_eq!(send(&bench, &old, 4), 0);
    assert_eq!(send(&bench, &new, 5), 1);
    assert_eq!(bench.heard(connection), "renewed;1 1;2 2;3 3;4 5;");
    // And of a token of which more was sent than is kept, that something is gone.
    let third = of_ann(&bench);
    let reached: u32 = reached + (1..=12).map(|number| send(&bench, &third, number)).sum::<u32>();
    assert_eq!(reached, 0);
    let renewed = moves(&bench, connection, &third);
    assert_eq!((renewed.direct.unwrap().offset, renewed.direct_lost), (2, true));
}

#[test]
fn a_revocation_hits_the_token_that_the_connection_has_now() {
    let bench = Bench::new();
    let (old, new, third) = (of_ann(&bench), of_ann(&bench), of_ann(&bench));
    let (connection, _) = bench.resume(&secret(&old), Resume::default());
    bench.revoke(third.token.id);
    assert_eq!(bench.renew(connection, &secret(&third)).unwrap_err().kind, ErrorKind::TokenRevoked);
    assert_eq!(send(&bench, &old, 1), 1, "a renewal that is refused changes nothing");
    moves(&bench, connection, &new);
    bench.told();
    bench.revoke(old.token.id);
    assert_eq!((bench.told(), send(&bench, &new, 2)), (Vec::new(), 1), "it is not the old token's any more");
    bench.revoke(new.token.id);
    assert_eq!(bench.told(), [(connection, Told::Closed(CloseReason::TokenRevoked))]);
    assert_eq!(bench.heard(connection), "1 1;renewed;1 2;");
}

#[test]
fn who_knows_no_sessions_begins_none() {
    let bench = Bench::new();
    let (old, new) = (of_ann(&bench), of_ann(&bench));
    let connection = bench.connect(&secret(&old)).unwrap();
    let renewed = moves(&bench, connection, &new);
    assert_eq!((renewed.session, renewed.direct), (None, None));
    assert_eq!((send(&bench, &old, 1), send(&bench, &new, 2)), (0, 1));
    assert_eq!(bench.heard(connection), "- 2;", "without a session nobody can go on from a place");
}

#[test]
fn a_move_is_the_use_of_another_token_and_a_refused_one_is_noted() {
    let bench = Bench::new();
    let (old, new, third) = (of_ann(&bench), of_ann(&bench), of_ann(&bench));
    let (connection, _) = bench.resume(&secret(&old), Resume::default());
    bench.revoke(third.token.id);
    bench.renew(connection, &secret(&third)).unwrap_err();
    moves(&bench, connection, &new);
    bench.run(bench.node.keep_usage());
    let used = |token: &IssuedToken| {
        let (_, usage) = bench.node.token_usage(&bench.key, &by_id(token)).unwrap();
        (usage.record.connections, usage.live_connections, usage.record.refusals.iter().map(|one| one.1).sum::<u64>())
    };
    assert_eq!((used(&old), used(&new), used(&third)), ((1, 0, 0), (1, 1, 0), (0, 0, 1)));
}
