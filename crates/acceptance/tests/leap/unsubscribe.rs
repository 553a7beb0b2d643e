//! UNSUBSCRIBE.

use serde_json::{Value, json};
use tollgate_testkit::{Server, until, wait};

#[test]
fn b56_unsubscribe_ends_delivery_without_a_word_to_the_requester() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (mut guest, _) = server.identified(None);
    let (mut witness, _) = server.identified(None);
    guest.join("room");
    witness.join("room");
    guest.event("UNSUBSCRIBE", "room", Value::Null);
    guest.quiet();
    api.publish("room", "X", json!(1));
    witness.expect("MESSAGE", "room");
    guest.quiet();
    guest.join("room");
    api.publish("room", "Y", json!(1));
    assert_eq!(guest.expect("MESSAGE", "room")["e"], "Y");
}

#[test]
fn b56_for_a_token_it_is_durable_and_its_other_connections_are_told() {
    let mut server = Server::start();
    let api = server.api();
    for channel in ["gone", "kept"] {
        api.channel(channel, "private", json!({}));
    }
    let token = api.token(json!({}));
    api.subscribe("gone", &token);
    api.subscribe("kept", &token);
    let (mut one, _) = server.identified(Some(&token));
    let (mut two, _) = server.identified(Some(&token));
    one.event("UNSUBSCRIBE", "gone", Value::Null);
    assert_eq!(two.expect("UNAVAILABLE", "gone"), json!({"graceful": true}));
    one.quiet();
    api.publish("gone", "X", json!(1));
    api.publish("kept", "Y", json!(1));
    for leap in [&mut one, &mut two] {
        assert_eq!(leap.dispatch("MESSAGE")["c"], "kept");
        leap.quiet();
    }
    // Leaving a private channel gives up the grant.
    assert_eq!(one.refused("gone"), "NOT_GRANTED");
    wait("the subscription to be off the list", || api.get("/v1/channels/gone/tokens").data()["tokens"] == json!([]));
    server.kill();
    server.start_again();
    let channels = server.identified(Some(&token)).1["channels"].clone();
    assert_eq!((channels.as_array().unwrap().len(), &channels[0]["id"]), (1, &json!("kept")));
}

#[test]
fn b56_unsubscribing_from_what_one_is_not_in_is_nothing() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    let token = api.token(json!({}));
    let (mut other, _) = server.identified(Some(&token));
    for token in [None, Some(token.as_str())] {
        let (mut leap, _) = server.identified(token);
        for channel in ["room", "none", "tokens"] {
            leap.event("UNSUBSCRIBE", channel, Value::Null);
        }
        leap.quiet();
    }
    other.quiet();
}

#[test]
fn an_ephemeral_channel_is_gone_when_its_last_guest_has_left() {
    let server = Server::start();
    let api = server.api();
    api.put("/v1/channels/room", json!({"type": "unprotected", "capabilities": 1})).data();
    let (mut one, _) = server.identified(None);
    let (mut two, _) = server.identified(None);
    one.join("room");
    two.join("room");
    one.event("UNSUBSCRIBE", "room", Value::Null);
    one.quiet();
    assert_eq!(api.get("/v1/channels/room").status, 200, "someone is still there");
    two.close();
    until(std::time::Duration::from_secs(40), "the ephemeral channel to be deleted", || {
        (api.get("/v1/channels/room").status == 404).then_some(())
    });
}
