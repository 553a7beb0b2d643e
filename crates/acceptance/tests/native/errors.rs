//! Every error code that a server can be brought to answer with from outside, with what the page says of it. `unavailable` and `internal_error` are
//! not among them: see the table in [`crate::coverage`].

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::receiver::{Answer, Receiver};
use tollgate_testkit::{Native, Server, Setup, from_now, wait};

use crate::{channel, member, room, token};

/// The error of a request, with this code and advice; it has a sentence.
#[track_caller]
fn refused(native: &mut Native, name: &str, body: &Value, code: &str, retry: &str) -> Value {
    let error = native.refused(name, body);
    assert_eq!((&error["code"], &error["retry"]), (&json!(code), &json!(retry)), "{name} {body}: {error}");
    error
}

/// The same of a `connect`, and the code that the connection is closed with.
#[track_caller]
fn out(server: &Server, token: &str, code: &str, close: u16) {
    let (error, closed) = Native::refused_connect(server, &json!({"token": token}));
    assert_eq!((&error["code"], &error["retry"], closed), (&json!(code), &json!("auth"), close), "{error}");
}

/// A server whose project asks this receiver about these things.
fn asking(receiver: &Receiver, questions: &[&str]) -> Server {
    let setup = Setup::default().env("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "127.0.0.1");
    let server = setup.env("TOLLGATE_OUTBOUND_ALLOW_HTTP", "true").start();
    let hook = json!({"url": format!("http://{}/", receiver.addr), "questions": questions});
    let shown = server.v2("PATCH", "/v2/project", &json!({"hook": hook}));
    server.remember(shown["settings"]["hook"]["secret"].as_str().unwrap());
    server
}

#[test]
fn invalid_body_and_invalid_input_tell_where() {
    let (_server, mut ann) = room(&json!({}));
    let error = refused(&mut ann, "subscribe", &json!({"channel": "room", "colour": "red"}), "invalid_body", "never");
    assert!(error["message"].as_str().unwrap().contains("colour"), "{error}");
    refused(&mut ann, "publish", &json!({"event": "said"}), "invalid_body", "never");
    for (name, body) in [
        ("subscribe", json!({"channel": "room", "rewind": {"last": 1_001}})),
        ("subscribe", json!({"channel": "room", "rewind": {"last": 1}, "position": "1-1"})),
        ("publish", json!({"channel": "room", "event": ""})),
        ("publish", json!({"channel": "room", "event": "said", "id": "x".repeat(65)})),
        ("history", json!({"channel": "room", "limit": 0})),
        ("presence", json!({"channel": "room", "limit": 1_001})),
        ("state", json!({"channel": "room"})),
    ] {
        refused(&mut ann, name, &body, "invalid_input", "never");
    }
}

#[test]
fn unknown_request_names_those_that_are_known() {
    let (_server, mut ann) = room(&json!({}));
    let error = refused(&mut ann, "dance", &json!({}), "unknown_request", "never");
    assert!(error["message"].as_str().unwrap().contains("presence_set"), "{error}");
}

#[test]
fn not_found_not_granted_and_not_subscribed() {
    let (server, mut ann) = room(&json!({}));
    let closed = json!({"id": "closed", "type": "private", "capabilities": []});
    server.v2("POST", "/v2/channels", &closed);
    channel(&server, "open", &json!({}));
    refused(&mut ann, "subscribe", &json!({"channel": "nowhere"}), "not_found", "never");
    refused(&mut ann, "subscribe", &json!({"channel": "closed"}), "not_granted", "auth");
    let said = json!({"channel": "open", "event": "said"});
    refused(&mut ann, "publish", &said, "not_subscribed", "never");
    assert_eq!(of_a_batch(&mut ann, &said)["code"], "not_subscribed");
}

/// The error of a message that is the only one of a batch.
fn of_a_batch(native: &mut Native, message: &Value) -> Value {
    native.ok("batch", &json!({"messages": [message]}))["results"][0]["error"].clone()
}

#[test]
fn what_a_channel_refuses_is_not_granted_on_every_way() {
    let receiver = Receiver::start();
    let server = asking(&receiver, &["publish"]);
    let no = r#"{"allow":false}"#;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", no.len());
    receiver.answer(Answer::Bytes(format!("{head}Connection: close\r\n\r\n{no}")));
    // By its settings, by what the token may do there, and by the hook.
    server.v2("POST", "/v2/channels", &json!({"id": "closed", "type": "private", "capabilities": []}));
    channel(&server, "open", &json!({}));
    let (_, plain) = token(&server, &json!({"channels": ["closed", "open"]}));
    let reads = json!([{"operations": ["subscribe"], "channels": "open"}]);
    let (_, reader) = token(&server, &json!({"channels": ["open"], "capabilities": reads}));
    for (why, secret, channel) in
        [("settings", &plain, "closed"), ("rights", &reader, "open"), ("hook", &plain, "open")]
    {
        let (mut native, _) = Native::connect(&server, &json!({"token": secret}));
        let message = json!({"channel": channel, "event": "said"});
        refused(&mut native, "publish", &message, "not_granted", "auth");
        let error = of_a_batch(&mut native, &message);
        assert_eq!((&error["code"], &error["retry"]), (&json!("not_granted"), &json!("auth")), "{why}: {error}");
        // The hook has no word in states.
        if why != "hook" {
            refused(&mut native, "state", &json!({"channel": channel, "set": {}}), "not_granted", "auth");
            let explained = json!({"token": secret, "wish": "publish", "channel": channel});
            assert_eq!(server.v2("POST", "/v2/explain", &explained)["told"], "not_granted", "{why}");
        }
        let own = server.api_with(secret);
        let post = |path: &str, body: &Value| -> (u16, Value) {
            let reply = own.try_call("POST", path, Some(body.to_string().as_bytes())).unwrap();
            (reply.status, serde_json::from_slice(&reply.body).unwrap())
        };
        let (status, alone) = post(&format!("/v2/channels/{channel}/messages"), &json!({"event": "said"}));
        assert_eq!((status, &alone["code"]), (403, &json!("not_granted")), "{why}: {alone}");
        let (_, batch) = post("/v2/publish", &json!({"messages": [message]}));
        assert_eq!(batch["results"][0]["error"]["code"], "not_granted", "{why}: {batch}");
    }
}

#[test]
fn forbidden_is_to_go_on_as_somebody_else() {
    let server = Server::start();
    let (_, ann) = token(&server, &json!({"user_id": "ann"}));
    let (_, ben) = token(&server, &json!({"user_id": "ben"}));
    let (mut native, _) = Native::connect(&server, &json!({"token": ann}));
    refused(&mut native, "renew", &json!({"token": ben}), "forbidden", "auth");
}

#[test]
fn version_mismatch_and_position_lost_say_what_holds() {
    let (_server, mut ann) = room(&json!({}));
    let version = ann.ok("state", &json!({"channel": "room", "set": {}}))["version"].clone();
    let late = json!({"channel": "room", "set": {}, "if_version": 1_000});
    assert_eq!(refused(&mut ann, "state", &late, "version_mismatch", "never")["version"], version);
    let now = ann.ok("history", &json!({"channel": "room"}))["position"].clone();
    let lost = json!({"channel": "room", "after": "1-1"});
    assert_eq!(refused(&mut ann, "history", &lost, "position_lost", "never")["position"], now);
}

#[test]
fn payload_too_large_and_limit_reached_name_the_limit() {
    let (_server, mut ann) = room(&json!({"presence": true}));
    let large = json!({"channel": "room", "data": {"x": "x".repeat(1_024)}});
    let error = refused(&mut ann, "presence_set", &large, "payload_too_large", "never");
    assert!(error["message"].as_str().unwrap().contains("1024"), "{error}");
    let many = vec![json!({"channel": "room", "event": "said"}); 101];
    let error = refused(&mut ann, "batch", &json!({"messages": many}), "limit_reached", "never");
    assert!(error["message"].as_str().unwrap().contains("100"), "{error}");
}

#[test]
fn rate_limited_is_the_65th_request_that_waits() {
    let receiver = Receiver::start();
    receiver.answer(Answer::Held);
    let server = asking(&receiver, &["subscribe"]);
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    let (_, secret) = token(&server, &json!({}));
    let (mut native, _) = Native::connect(&server, &json!({"token": secret}));
    let ids: Vec<_> = (0..65).map(|_| native.request("subscribe", &json!({"channel": "room"}))).collect();
    let over = native.reply(ids[64]);
    assert_eq!((&over["error"]["code"], &over["error"]["retry"]), (&json!("rate_limited"), &json!("later")), "{over}");
    receiver.answer(Answer::status(500));
    let answered: std::collections::BTreeSet<_> = (0..64).map(|_| native.frame()["id"].as_u64().unwrap()).collect();
    assert_eq!(answered.into_iter().collect::<Vec<_>>(), ids[..64], "the others are answered, each once");
}

#[test]
fn hook_unavailable_is_for_later() {
    let receiver = Receiver::start();
    receiver.answer(Answer::status(500));
    let server = asking(&receiver, &["subscribe"]);
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    let (_, secret) = token(&server, &json!({}));
    let (mut native, _) = Native::connect(&server, &json!({"token": secret}));
    refused(&mut native, "subscribe", &json!({"channel": "room"}), "hook_unavailable", "later");
}

#[test]
fn invalid_auth_is_closed_4100() {
    let server = Server::start();
    out(&server, "tgt_nonsense", "invalid_auth", 4100);
    let other = server.new_project("other").0;
    let (_, secret) = token(&server, &json!({}));
    let (error, closed) = Native::refused_connect(&server, &json!({"token": secret, "project": other}));
    assert_eq!((&error["code"], closed), (&json!("invalid_auth"), 4100), "a token of another project");
}

#[test]
fn token_expired_is_closed_4101() {
    let server = Server::start();
    let (_, good) = token(&server, &json!({"user_id": "ann"}));
    let (_, short) = token(&server, &json!({"user_id": "ann", "ttl_s": 1}));
    let is_over = || {
        let seen = server.v2("POST", "/v2/tokens/introspect", &json!({"token": short}));
        seen["refusal"]["code"] == "token_expired"
    };
    wait("the end of the token", is_over);
    out(&server, &short, "token_expired", 4101);
    let (mut native, _) = Native::connect(&server, &json!({"token": good}));
    refused(&mut native, "renew", &json!({"token": short}), "token_expired", "auth");
    native.quiet();
}

#[test]
fn token_revoked_is_closed_4102() {
    let server = Server::start();
    let (_, secret) = token(&server, &json!({"user_id": "ann"}));
    server.v2("POST", "/v2/tokens/revoke", &json!({"user_id": "ann"}));
    out(&server, &secret, "token_revoked", 4102);
}

#[test]
fn token_rotated_and_token_not_yet_valid_are_closed_4100() {
    let server = Server::start();
    let (id, old) = token(&server, &json!({}));
    let new = server.v2("POST", &format!("/v2/tokens/{id}/rotate"), &json!({"grace_s": 0}));
    server.remember(new["secret"].as_str().unwrap());
    out(&server, &old, "token_rotated", 4100);
    let (_, early) = token(&server, &json!({"not_before": from_now(Duration::from_secs(3_600))}));
    out(&server, &early, "token_not_yet_valid", 4100);
}

#[test]
fn user_banned_and_wrong_place_are_closed_4202() {
    let server = Server::start();
    channel(&server, "room", &json!({}));
    let (mut ann, secret) = member(&server, "ann");
    server.v2("POST", "/v2/users/ann/ban", &Value::Null);
    ann.closed();
    out(&server, &secret, "user_banned", 4202);
    let (_, elsewhere) = token(&server, &json!({"networks": ["192.0.2.0/24"]}));
    out(&server, &elsewhere, "wrong_place", 4202);
}
