//! `PUT /v1/channels/:id/state`: replace.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn b21_put_replaces_the_whole_state_and_tells_everybody() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({"old": 1, "both": 1}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    let (mut member, _) = server.identified(Some(&token));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    let (mut stranger, _) = server.identified(None);
    let state = json!({"new": {"deep": [1, 2, {"x": null}]}, "both": "é🦀\u{0}\"\\"});
    let data = api.put("/v1/channels/room/state", state.clone()).data();
    assert_eq!(data, json!({"state": state}));
    for leap in [&mut member, &mut guest] {
        assert_eq!(leap.expect("STATE_UPDATE", "room"), json!({"state": state}));
        leap.quiet();
    }
    stranger.quiet();
    assert_eq!(api.get("/v1/channels/room").data()["channel"]["state"], state);
}

#[test]
fn b21_the_new_state_is_still_there_after_a_kill() {
    let mut server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    api.put("/v1/channels/room/state", json!({"set": 1})).data();
    api.patch("/v1/channels/room/state", json!({"patched": 2})).data();
    server.kill();
    server.start_again();
    assert_eq!(server.api().get("/v1/channels/room/state").data()["state"], json!({"set": 1, "patched": 2}));
}

#[test]
fn unusual_numbers_and_keys_survive() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let text = r#"{"big":123456789012345678901234567890,"float":0.1,"exp":1e300,"":"empty","🦀":"key","neg":-0.5}"#;
    let reply = api.try_call("PUT", "/v1/channels/room/state", Some(text.as_bytes())).unwrap();
    assert!(reply.text().contains("123456789012345678901234567890"), "digits were lost: {}", reply.text());
    assert!(api.get("/v1/channels/room/state").text().contains("123456789012345678901234567890"));
    assert_eq!(reply.json()["data"]["state"]["🦀"], "key");
}

#[test]
fn unknown_channels_are_404() {
    let server = Server::start();
    server.api().put("/v1/channels/none/state", json!({})).refused(404, "not_found");
    server.api().patch("/v1/channels/none/state", json!({})).refused(404, "not_found");
}
