//! What a token's capabilities let its connections and its requests do, and what a change of them ends.

use tollgate_core::command::{Command, NewMessage, PresentedSecret, Reply};
use tollgate_core::error::ErrorKind;
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::ChannelType;
use tollgate_core::ports::store::StateChange;
use tollgate_node::{IssuedToken, NewToken, Place, TokenUpdate};

use super::bench::{Bench, Told, by_id, secret};

const CHANNELS: [(&str, ChannelType); 3] =
    [("private", ChannelType::Private), ("public", ChannelType::Public), ("open", ChannelType::Unprotected)];

fn bench() -> Bench {
    let bench = Bench::new();
    for (id, kind) in CHANNELS {
        bench.channel(id, kind);
    }
    bench
}

fn granted(bench: &Bench, channels: &str, operations: &[Operation]) -> IssuedToken {
    bench.with_terms(|terms| {
        terms.grants = Some(vec![Grant { channels: channels.into(), operations: operations.to_vec() }]);
    })
}

fn subscribe(channel: &str) -> Command {
    Command::Subscribe { channel: channel.into(), wish: None }
}

fn publish(channel: &str) -> Command {
    Command::Publish(NewMessage::new(channel, "e", JsonValue::null()))
}

fn set_state(channel: &str) -> Command {
    Command::SetState { channel: channel.into(), change: StateChange::Replace(JsonObject::empty()), if_version: None }
}

#[test]
fn connections_do_exactly_what_is_granted_on_any_type_of_channel() {
    let bench = bench();
    for (channel, _) in CHANNELS {
        for operation in [Operation::Subscribe, Operation::Publish, Operation::StateWrite, Operation::History] {
            let token = granted(&bench, channel, &[operation]);
            let connection = bench.connect(&secret(&token)).unwrap();
            for (other, _) in CHANNELS {
                let may = |wanted| other == channel && operation == wanted;
                let subscribed = bench.command(connection, subscribe(other));
                assert_eq!(subscribed.is_ok(), may(Operation::Subscribe), "{operation:?} of {channel} in {other}");
                if let Err(error) = subscribed {
                    assert_eq!(error.kind, ErrorKind::NotGranted, "without asking the hook");
                }
                for (command, wanted) in
                    [(publish(other), Operation::Publish), (set_state(other), Operation::StateWrite)]
                {
                    let done = matches!(
                        bench.command(connection, command).unwrap(),
                        Some(Reply::Published(_) | Reply::StateChanged(_))
                    );
                    assert_eq!(done, may(wanted), "{operation:?} of {channel} in {other}");
                }
            }
        }
    }
}

#[test]
fn a_server_subscribes_beyond_what_is_granted_for_receiving_only() {
    let bench = bench();
    let token = granted(&bench, "nothing", &[Operation::Subscribe]);
    let private = ChannelId::new("private").unwrap();
    let connection = bench.connect(&secret(&token)).unwrap();
    bench.run(bench.node.subscribe_token(&bench.key, &private, &by_id(&token), false)).unwrap();
    assert!(bench.told().contains(&(connection, Told::Subscribed("private".into()))));
    assert!(bench.command(connection, subscribe("private")).is_ok(), "what it has it may ask for again");
    assert!(matches!(bench.command(connection, publish("private")).unwrap(), Some(Reply::NotAllowed)));
}

#[test]
fn without_capabilities_the_channels_type_decides() {
    let bench = bench();
    let token = bench.issue(NewToken::default());
    let connection = bench.connect(&secret(&token)).unwrap();
    for (channel, kind) in CHANNELS {
        assert!(matches!(bench.command(connection, publish(channel)).unwrap(), Some(Reply::NotSubscribed)));
        assert_eq!(bench.command(connection, subscribe(channel)).is_ok(), kind != ChannelType::Private, "{channel}");
        let published = bench.command(connection, publish(channel)).unwrap();
        assert_eq!(matches!(published, Some(Reply::Published(_))), kind != ChannelType::Private, "{channel}");
    }
}

#[test]
fn what_is_granted_no_longer_is_left_at_once() {
    let bench = bench();
    let token = granted(&bench, "p*", &[Operation::Subscribe, Operation::Publish]);
    let connection = bench.connect(&secret(&token)).unwrap();
    for channel in ["private", "public"] {
        bench.command(connection, subscribe(channel)).unwrap();
    }
    let open = ChannelId::new("open").unwrap();
    bench.run(bench.node.subscribe_token(&bench.key, &open, &by_id(&token), false)).unwrap();
    bench.told();
    let grants = vec![Grant { channels: "public".into(), operations: vec![Operation::Subscribe] }];
    let update = TokenUpdate { grants: Some(Some(grants)), ..TokenUpdate::default() };
    bench.run(bench.node.update_token(&bench.key, &by_id(&token), update)).unwrap();
    assert_eq!(bench.told(), [(connection, Told::Unsubscribed("private".into()))]);
    let left: Vec<_> = bench.node.token_subscriptions(&bench.key, &by_id(&token)).unwrap();
    let left: Vec<_> = left.iter().map(|one| one.channel.as_str()).collect();
    assert_eq!(left, ["open", "public"], "what the server gave beyond its rights stays");
    assert!(matches!(bench.command(connection, publish("public")).unwrap(), Some(Reply::NotAllowed)));
    assert_eq!(bench.command(connection, subscribe("private")).unwrap_err().kind, ErrorKind::NotGranted);
}

#[test]
fn over_rest_a_token_does_what_it_may_and_no_more() {
    let bench = bench();
    let as_token = |token: &IssuedToken| {
        bench.run(bench.node.authenticate_token(None, &PresentedSecret::new(secret(token)), Place::default())).unwrap()
    };
    let plain = as_token(&bench.issue(NewToken::default()));
    let member = bench.issue(NewToken { channels: vec![ChannelId::new("private").unwrap()], ..NewToken::default() });
    let member = as_token(&member);
    let writer = as_token(&granted(&bench, "private", &[Operation::Publish, Operation::StateWrite]));
    let reader = as_token(&granted(&bench, "p*", &[Operation::StateRead]));
    let nobody = as_token(&bench.with_terms(|terms| terms.grants = Some(vec![])));
    // Of reading the state, publishing, replacing the state: `y` done, `n` not granted, `?` there is no such channel.
    for (caller, private, public) in [
        (plain, "???", "yyn"),
        (member, "yyn", "yyn"),
        (writer, "nyy", "nnn"),
        (reader, "ynn", "ynn"),
        (nobody, "???", "nnn"),
    ] {
        for (channel, expected) in [("private", private), ("public", public), ("none", "???")] {
            let id = ChannelId::new(channel).unwrap();
            let state = StateChange::Replace(JsonObject::empty());
            let done = [
                bench.node.channel_state(&caller, &id).map(drop),
                bench.run(bench.node.publish(&caller, NewMessage::new(id.as_str(), "e", JsonValue::null()))).map(drop),
                bench.run(bench.node.change_state(&caller, &id, state, None)).map(drop),
            ];
            let shown: String = done
                .into_iter()
                .map(|done| match done.map_err(|error| error.kind) {
                    Ok(()) => 'y',
                    Err(ErrorKind::NotGranted) => 'n',
                    Err(ErrorKind::NotFound) => '?',
                    Err(other) => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(shown, expected, "{caller:?} {channel}");
        }
    }
}

#[test]
fn a_token_that_ends_while_it_asks_gets_nothing_done() {
    let bench = bench();
    let token = bench.issue(NewToken { life_ms: Some(1_000), ..NewToken::default() });
    let caller = bench
        .run(bench.node.authenticate_token(None, &PresentedSecret::new(secret(&token)), Place::default()))
        .unwrap();
    let connection = bench.connect(&secret(&token)).unwrap();
    bench.command(connection, subscribe("public")).unwrap();
    bench.clock.advance(1_000);
    let id = ChannelId::new("public").unwrap();
    let late = bench.run(bench.node.publish(&caller, NewMessage::new(id.as_str(), "e", JsonValue::null())));
    assert_eq!(late.unwrap_err().kind, ErrorKind::TokenExpired);
    for command in [publish("public"), set_state("public"), subscribe("open")] {
        assert_eq!(bench.command(connection, command).unwrap_err().kind, ErrorKind::TokenExpired);
    }
}
