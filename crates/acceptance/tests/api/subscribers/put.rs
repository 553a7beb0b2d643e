//! `PUT /v1/channels/:id/subscribers/:token`.

use serde_json::json;
use tollgate_testkit::{Server, raw};

#[test]
fn b25_a_subscribed_token_hears_at_once_in_all_three_types() {
    let server = Server::start();
    let api = server.api();
    let token = api.token(json!({}));
    let (mut one, _) = server.identified(Some(&token));
    let (mut two, _) = server.identified(Some(&token));
    let (mut other, _) = server.identified(Some(&api.token(json!({}))));
    for kind in ["private", "public", "unprotected"] {
        api.channel(kind, kind, json!({"kind": kind}));
        api.subscribe(kind, &token);
        for leap in [&mut one, &mut two] {
            let channel = leap.expect("AVAILABLE", kind)["channel"].clone();
            assert_eq!((&channel["type"], &channel["state"]), (&json!(kind), &json!({"kind": kind})));
        }
        api.subscribe(kind, &token);
        api.publish(kind, "X", json!(kind));
        for leap in [&mut one, &mut two] {
            assert_eq!(leap.expect("MESSAGE", kind), json!({"e": "X", "d": kind}), "once, though subscribed twice");
            leap.quiet();
        }
    }
    other.quiet();
}

#[test]
fn b25_unknown_channel_or_token_is_404() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({}));
    let token = api.token(json!({}));
    let (_, key) = server.new_project("other");
    let foreign = server.api_with(&key).token(json!({}));
    api.put_empty(&format!("/v1/channels/none/subscribers/{token}")).refused(404, "not_found");
    for token in ["leap_token_none", "nonsense", &foreign, &token[..token.len() - 1]] {
        api.put_empty(&format!("/v1/channels/room/subscribers/{token}")).refused(404, "not_found");
    }
    let gone = api.token(json!({}));
    api.delete(&format!("/v1/channels/tokens/{gone}")).no_content();
    api.put_empty(&format!("/v1/channels/room/subscribers/{gone}")).refused(404, "not_found");
}

#[test]
fn b25_subscriptions_survive_a_restart() {
    let mut server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({"n": 1}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    server.stop();
    server.start_again();
    let (mut leap, init) = server.identified(Some(&token));
    assert_eq!((&init["channels"][0]["id"], &init["channels"][0]["state"]), (&json!("room"), &json!({"n": 1})));
    server.api().publish("room", "X", json!(1));
    leap.expect("MESSAGE", "room");
}

#[test]
fn an_ephemeral_subscription_shows_in_the_next_session_only_while_the_first_lasts() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({}));
    let token = api.token(json!({}));
    let (mut leap, _) = server.identified(Some(&token));
    api.put_empty(&format!("/v1/channels/room/subscribers/{token}?ephemeral=true")).no_content();
    leap.expect("AVAILABLE", "room");
    leap.close();
    let (_, init) = server.identified(Some(&token));
    assert_eq!(init["channels"][0]["id"], "room", "the session lives on for 30 s");
}

#[test]
fn bytes_on_the_wire_are_those_of_a_plain_text_frame() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let mut raw = raw::Raw::greeted(server.addr);
    raw.send(&raw::Frame::text(&json!({"op": 2, "d": {"project_id": server.project}}).to_string()));
    raw.expect(raw::TEXT);
    raw.send(&raw::Frame::text(r#"{"op":0,"d":{"c":"room","d":null,"e":"SUBSCRIBE"}}"#));
    raw.expect(raw::TEXT);
    for len in [1_usize, 60, 125, 126, 127, 1_000, 65_400, 65_535, 65_536, 200_000] {
        api.publish("room", "X", json!("x".repeat(len)));
        let payload = raw.expect(raw::TEXT);
        let frame: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(frame["d"]["d"]["d"].as_str().unwrap().len(), len);
    }
}
