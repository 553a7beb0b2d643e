//! What clients may say: MESSAGE, SET_CHANNEL_STATE, and what is not for us.

use serde_json::{Value, json};
use tollgate_testkit::Server;

#[test]
fn b57_a_subscribed_tokens_message_reaches_everybody_including_itself() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let token = api.token(json!({}));
    let (mut sender, _) = server.identified(Some(&token));
    let (mut guest, _) = server.identified(None);
    sender.join("room");
    guest.join("room");
    for data in [json!({"v": 1}), json!("text"), Value::Null] {
        sender.event("MESSAGE", "room", json!({"e": "X", "d": data}));
        for leap in [&mut sender, &mut guest] {
            let message = leap.dispatch("MESSAGE");
            assert_eq!((&message["c"], &message["d"]), (&json!("room"), &json!({"e": "X", "d": data})));
        }
    }
    sender.quiet();
    guest.quiet();
}

#[test]
fn b57_where_sending_is_not_allowed_it_is_dropped_without_a_word() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    api.put("/v1/channels/readonly", json!({"type": "unprotected", "capabilities": 0})).data();
    let token = api.token(json!({}));
    let (mut member, _) = server.identified(Some(&token));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    member.join("room");
    member.join("readonly");
    guest.event("MESSAGE", "room", json!({"e": "X", "d": 1}));
    member.event("MESSAGE", "readonly", json!({"e": "X", "d": 1}));
    guest.quiet();
    member.quiet();
    // An answer of UNAVAILABLE would have taken the channel away; it is still there.
    api.publish("room", "Y", json!(1));
    guest.expect("MESSAGE", "room");
}

#[test]
fn b57_not_subscribed_is_unavailable_unknown() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    let (mut witness, _) = server.identified(Some(&api.token(json!({}))));
    witness.join("room");
    let token = api.token(json!({}));
    for token in [None, Some(token.as_str())] {
        let (mut leap, _) = server.identified(token);
        for channel in ["room", "none"] {
            leap.event("MESSAGE", channel, json!({"e": "X", "d": 1}));
            assert_eq!(leap.expect("UNAVAILABLE", channel), json!({"graceful": false, "error_code": "UNKNOWN"}));
            leap.event("SET_CHANNEL_STATE", channel, json!({"x": 1}));
            assert_eq!(leap.expect("UNAVAILABLE", channel), json!({"graceful": false, "error_code": "UNKNOWN"}));
        }
    }
    witness.quiet();
}

#[test]
fn b58_where_it_is_allowed_a_client_replaces_the_state() {
    let server = Server::start();
    let api = server.api();
    api.put("/v1/channels/room", json!({"type": "unprotected", "capabilities": 2 | 8, "state": {"old": 1}})).data();
    let (mut member, _) = server.identified(Some(&api.token(json!({}))));
    let (mut guest, _) = server.identified(None);
    member.join("room");
    guest.join("room");
    member.event("SET_CHANNEL_STATE", "room", json!({"set": true}));
    for leap in [&mut member, &mut guest] {
        assert_eq!(leap.expect("STATE_UPDATE", "room"), json!({"state": {"set": true}}));
    }
    assert_eq!(api.get("/v1/channels/room/state").data()["state"], json!({"set": true}));
    for bad in [json!([]), json!("x"), json!(1), Value::Null] {
        member.event("SET_CHANNEL_STATE", "room", bad);
    }
    guest.event("SET_CHANNEL_STATE", "room", json!({"by": "guest"}));
    member.quiet();
    guest.quiet();
    assert_eq!(api.get("/v1/channels/room/state").data()["state"], json!({"set": true}));
}

#[test]
fn b58_it_is_off_unless_a_channel_allows_it() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({"old": 1}));
    let (mut member, _) = server.identified(Some(&api.token(json!({}))));
    member.join("room");
    member.event("SET_CHANNEL_STATE", "room", json!({"new": 1}));
    member.quiet();
    assert_eq!(api.get("/v1/channels/room/state").data()["state"], json!({"old": 1}));
}

#[test]
fn b59_pipe_rooms_are_answered_unknown_and_unknown_events_ignored() {
    let server = Server::start();
    let (mut leap, _) = server.identified(None);
    leap.send_text(r#"{"op":0,"d":{"e":"PIPE_ROOM_SUBSCRIBE","c":null,"d":{"join_token":"prjt_1"}}}"#);
    let answer = leap.dispatch("PIPE_ROOM_UNAVAILABLE");
    assert_eq!(
        (&answer["c"], &answer["d"]),
        (&Value::Null, &json!({"join_token": "prjt_1", "graceful": false, "error_code": "UNKNOWN"}))
    );
    leap.send_text(r#"{"op":0,"d":{"e":"PIPE_ROOM_UNSUBSCRIBE","c":null,"d":{"id":"pipe_room_1"}}}"#);
    leap.send_text(r#"{"op":0,"d":{"e":"NO_SUCH_EVENT","c":"room","d":{"x":1}}}"#);
    leap.send_text(r#"{"op":0,"d":{"e":"INIT","c":null,"d":{}}}"#);
    leap.send_text(r#"{"op":0,"d":{"e":"","c":"room","d":null}}"#);
    leap.quiet();
}

#[test]
fn b60_clients_hear_of_nothing_but_the_events_they_know() {
    // The test client refuses any event that is not in Hop's table, in every test. Here: what might be tempting to tell.
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    let token = api.token(json!({}));
    let (mut leap, _) = server.identified(Some(&token));
    leap.join("room");
    api.patch(&format!("/v1/channels/tokens/{token}"), json!({"state": {"changed": 1}})).data();
    api.patch("/v1/channels/room", json!({"capabilities": 0})).data();
    api.channel("new", "public", json!({}));
    let (mut other, _) = server.identified(Some(&api.token(json!({}))));
    other.join("room");
    other.close();
    leap.quiet();
}
