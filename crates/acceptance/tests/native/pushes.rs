//! Every push. Those of event streams alone (`connected`, `refused`, `closed`) are tested where streams are.

use serde_json::{Value, json};
use tollgate_testkit::Native;

use crate::{at, member, room, say, token};

#[test]
fn message_comes_with_its_offset_and_sender() {
    let (server, mut ann) = room(&json!({}));
    let position = server.v2("POST", "/v2/channels/room/messages", &json!({"event": "said", "data": [null, 1e300]}));
    let heard = ann.push("message");
    assert_eq!(
        (&heard["channel"], &heard["event"], &heard["data"]),
        (&json!("room"), &json!("said"), &json!([null, 1e300]))
    );
    assert!(heard["at"].as_u64().unwrap() > 1_600_000_000_000 && heard.get("sender").is_none(), "{heard}");
    assert_eq!(position["position"], at(position["position"].as_str().unwrap(), heard["offset"].as_u64().unwrap()));
    say(&mut ann, &Value::Null);
    assert_eq!(ann.push("message")["sender"]["user"], "ann");
}

#[test]
fn state_comes_whole_with_its_version() {
    let (server, mut ann) = room(&json!({}));
    server.api().patch("/v1/channels/room/state", json!({"a": 1}));
    server.api().patch("/v1/channels/room/state", json!({"b": 2}));
    let (first, second) = (ann.push("state"), ann.push("state"));
    assert_eq!((&first["state"], &second["state"]), (&json!({"a": 1}), &json!({"a": 1, "b": 2})));
    assert_eq!(first["version"].as_u64().unwrap() + 1, second["version"].as_u64().unwrap());
}

#[test]
fn subscribed_and_unsubscribed_tell_what_the_backend_did() {
    let (server, _ann) = room(&json!({}));
    let (id, secret) = token(&server, &json!({"user_id": "ben"}));
    let (mut ben, _) = Native::connect(&server, &json!({"token": secret}));
    server.v2("PUT", &format!("/v2/channels/room/subscribers/{id}"), &Value::Null);
    let told = ben.push("subscribed");
    assert_eq!((&told["channel"], &told["type"], told.get("recovered")), (&json!("room"), &json!("private"), None));
    server.v2("DELETE", &format!("/v2/channels/room/subscribers/{id}"), &Value::Null);
    assert_eq!(ben.push("unsubscribed"), json!({"push": "unsubscribed", "channel": "room", "reason": "ended"}));
    server.v2("PUT", &format!("/v2/channels/room/subscribers/{id}"), &Value::Null);
    ben.push("subscribed");
    server.v2("DELETE", "/v2/channels/room", &Value::Null);
    assert_eq!(ben.push("unsubscribed"), json!({"push": "unsubscribed", "channel": "room", "reason": "deleted"}));
}

#[test]
fn position_tells_of_a_new_epoch_and_nothing_is_lost() {
    let (server, mut ann) = room(&json!({}));
    let before = say(&mut ann, &json!(1));
    ann.push("message");
    server.v2("PATCH", "/v2/channels/room", &json!({"settings": {"history": {"durable": true}}}));
    let told = ann.push("position");
    let position = told["position"].as_str().unwrap();
    assert_ne!(position.split_once('-').unwrap().0, before.split_once('-').unwrap().0);
    let next = say(&mut ann, &json!(2));
    assert_eq!(ann.push("message")["data"], 2);
    assert_eq!(next, at(position, position.split_once('-').unwrap().1.parse::<u64>().unwrap() + 1));
}

#[test]
fn direct_comes_to_every_connection_and_to_one_alone() {
    let (server, mut ann) = room(&json!({}));
    let (id, secret) = token(&server, &json!({"user_id": "ben"}));
    let (mut ben, told) = Native::connect(&server, &json!({"token": secret}));
    let (mut other, _) = Native::connect(&server, &json!({"token": secret}));
    server.v2("POST", "/v2/users/ben/messages", &json!({"event": "hi", "data": 1}));
    let offset = told["direct"].as_str().unwrap().split_once('-').unwrap().1.parse::<u64>().unwrap() + 1;
    for native in [&mut ben, &mut other] {
        let heard = native.push("direct");
        assert_eq!((&heard["event"], &heard["data"], &heard["offset"]), (&json!("hi"), &json!(1), &json!(offset)));
    }
    let one = told["connection"].as_str().unwrap();
    server.v2("POST", &format!("/v2/tokens/{id}/connections/{one}/messages"), &json!({"event": "you", "data": 2}));
    let heard = ben.push("direct");
    assert_eq!((&heard["event"], heard.get("offset")), (&json!("you"), None));
    other.quiet();
    ann.quiet();
}

#[test]
fn presence_tells_who_came_and_went() {
    let (server, mut ann) = room(&json!({"presence": true}));
    ann.ok("subscribe", &json!({"channel": "room", "presence": true}));
    let (mut ben, _) = member(&server, "ben");
    let mut until = |is_it: &dyn Fn(&Value) -> bool| loop {
        let push = ann.push("presence");
        if is_it(&push) {
            return push;
        }
    };
    let came = until(&|push| push["joined"].as_array().unwrap().iter().any(|one| one["member"] == "ben"));
    assert_eq!(came["count"], 2);
    ben.ok("unsubscribe", &json!({"channel": "room"}));
    let went = until(&|push| push["left"] == json!(["ben"]));
    assert_eq!(went["count"], 1);
}

#[test]
fn expiring_comes_before_the_end() {
    let (server, _ann) = room(&json!({}));
    let (_, secret) = token(&server, &json!({"ttl_s": 5}));
    let (mut native, _) = Native::connect(&server, &json!({"token": secret}));
    let left = native.push("expiring")["in_ms"].as_u64().unwrap();
    assert!((1..=2_000).contains(&left), "a fifth of its life is left, or a little more: {left}");
    assert_eq!(native.closed().0, 4101);
}
