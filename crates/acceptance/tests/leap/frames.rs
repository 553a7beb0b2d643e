//! Hop behaviour 43 for every kind of frame there is. The test client holds each frame of each test against the same rules;
//! here they are shown to be strict enough, and one connection is shown everything the server can say.

use serde_json::{Value, json};
use tollgate_testkit::{Server, leap::check_frame};

#[test]
fn b43_every_kind_of_frame_is_one_the_published_clients_can_take() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    let token = api.token(json!({}));
    let (mut leap, _) = server.identified(Some(&token));
    leap.join("room");
    assert_eq!(leap.refused("none"), "UNKNOWN");
    api.publish("room", "X", json!({"k": "\u{2028}<script>\u{0}é"}));
    assert_eq!(leap.expect("MESSAGE", "room")["d"]["k"], "\u{2028}<script>\u{0}é");
    api.put("/v1/channels/room/state", json!({"s": 1})).data();
    leap.expect("STATE_UPDATE", "room");
    api.post(&format!("/v1/channels/tokens/{token}/messages"), json!({"e": "DM"})).no_content();
    leap.dispatch("DIRECT_MESSAGE");
    api.delete("/v1/channels/room").no_content();
    leap.expect("UNAVAILABLE", "room");
    for (sent, ack) in [
        (r#"{"op":3}"#, json!({"op": 4})),
        (r#"{"op":3,"d":null}"#, json!({"op": 4})),
        (r#"{"op":3,"d":{}}"#, json!({"op": 4})),
    ] {
        leap.send_text(sent);
        assert_eq!(leap.frame(), ack, "{sent}");
    }
}

#[test]
fn b43_the_rules_refuse_what_crashed_the_published_clients() {
    let bad = [
        r#"{"op":3}"#,
        r#"{"op":3,"d":null}"#,
        r#"{"op":0}"#,
        r#"{"op":0,"d":null}"#,
        r#"{"op":4,"d":null}"#,
        r#"{"op":4,"d":{"tag":null}}"#,
        r#"{"op":1}"#,
        r#"{"op":77,"d":{}}"#,
        r#"{"op":0,"d":{"c":"r","e":"MESSAGE","d":{"e":"X","d":1}}}"#,
        r#"{"op":0,"d":{"c":"r","u":false,"e":"MESSAGE","d":{"e":"X"}}}"#,
        r#"{"op":0,"d":{"u":false,"e":"MESSAGE","d":{"e":"X","d":1}}}"#,
        r#"{"op":0,"d":{"c":null,"u":false,"e":"MESSAGE","d":{"e":"X","d":1}}}"#,
        r#"{"op":0,"d":{"c":"r","u":false,"e":"STATE_UPDATE","d":{"state":null}}}"#,
        r#"{"op":0,"d":{"c":"r","u":true,"e":"AVAILABLE","d":{"channel":{"id":"r","state":{},"type":"public","capabilities":2}}}}"#,
        r#"{"op":0,"d":{"c":null,"u":false,"e":"TOKEN_STATE_UPDATE","d":{"state":{}}}}"#,
    ];
    for text in bad {
        let frame: Value = serde_json::from_str(text).unwrap();
        let passed = std::panic::catch_unwind(|| check_frame(&frame)).is_ok();
        assert!(!passed, "{text}");
    }
}
