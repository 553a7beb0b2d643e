//! Every close code that can be brought about in a short time. `4001` is tested elsewhere: see the table in [`crate::coverage`]; and those
//! of a refused `connect` are in [`crate::errors`], too.

use std::time::Duration;

use serde_json::json;
use tollgate_testkit::receiver::{Answer, Receiver};
use tollgate_testkit::{Native, Server, Setup, until};
use tungstenite::Message;

use crate::{member, room, token};

#[test]
fn draining_is_4000_and_nobody_new_gets_in() {
    let (mut server, mut ann) = room(&json!({}));
    server.terminate();
    assert_eq!(ann.closed().0, 4000);
    assert!(server.ended(Duration::from_secs(30)).success());
}

#[test]
fn who_answers_no_ping_is_4002_and_who_does_stays() {
    let server = Setup::default().config("[native]\nping_ms = 1000\ntimeout_ms = 1000\n").start();
    let (mut lively, connected) = Native::connect(&server, &json!({}));
    assert_eq!((&connected["ping_ms"], &connected["timeout_ms"]), (&json!(1_000), &json!(1_000)));
    let (mut silent, _) = Native::connect(&server, &json!({}));
    silent.mute();
    std::thread::scope(|scope| {
        let stays = scope.spawn(move || lively.ending(Duration::from_secs(4)));
        assert_eq!(silent.closed().0, 4002);
        assert_eq!(stays.join().unwrap(), None);
    });
}

#[test]
fn a_flood_of_frames_is_4003_and_nobody_else_notices() {
    let (server, mut ann) = room(&json!({}));
    let (mut flood, _) = member(&server, "ben");
    let closed = until(Duration::from_secs(30), "the end of the flood", || {
        for _ in 0..1_000 {
            flood.try_send(Message::text("{}")).ok();
        }
        flood.ending(Duration::from_millis(1))
    });
    assert_eq!(closed.map(|(code, _)| code), Some(4003));
    ann.quiet();
}

#[test]
fn a_backend_that_does_not_answer_is_4004_for_who_connects() {
    let receiver = Receiver::start();
    receiver.answer(Answer::status(500));
    let setup = Setup::default().env("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "127.0.0.1");
    let server = setup.env("TOLLGATE_OUTBOUND_ALLOW_HTTP", "true").start();
    let hook = json!({"url": format!("http://{}/", receiver.addr), "questions": ["connect"]});
    let shown = server.v2("PATCH", "/v2/project", &json!({"hook": hook}));
    server.remember(shown["settings"]["hook"]["secret"].as_str().unwrap());
    let (_, secret) = token(&server, &json!({}));
    let (error, closed) = Native::refused_connect(&server, &json!({"token": secret}));
    assert_eq!((&error["code"], closed), (&json!("hook_unavailable"), 4004));
}

#[test]
fn who_does_not_connect_within_10_s_is_4005() {
    let server = Server::start();
    let mut silent = Native::open(server.addr);
    assert_eq!(silent.ending(Duration::from_secs(8)), None, "8 s are not too long");
    assert_eq!(silent.closed().0, 4005);
}

#[test]
fn a_connection_that_is_closed_by_an_operator_is_4006_and_may_come_back() {
    let (server, mut ann) = room(&json!({}));
    let (mut ben, secret) = member(&server, "ben");
    let (mut leap, _) = server.identified(None);
    let all = server.v2("GET", "/v2/connections", &json!(null));
    let rows = all["data"].as_array().unwrap();
    let protocols: Vec<&str> = rows.iter().map(|row| row["protocol"].as_str().unwrap()).collect();
    assert_eq!(protocols.iter().filter(|one| **one == "native").count(), 2, "{all}");
    let close = |row: &serde_json::Value| {
        let path = format!("/v2/connections/{}", row["id"].as_str().unwrap());
        (path.clone(), server.api().try_call("DELETE", &path, None).unwrap().status)
    };
    let of_ben =
        server.v2("GET", "/v2/connections?user_id=ben&channel=room&protocol=native&address=127.0.0.0/8", &json!(null));
    let [row] = of_ben["data"].as_array().unwrap().as_slice() else { panic!("{of_ben}") };
    assert_eq!((&row["user_id"], &row["channels"], &row["waiting_bytes"]), (&json!("ben"), &json!(1), &json!(0)));
    let (path, status) = close(row);
    assert_eq!((status, ben.closed().0), (204, 4006));
    until(Duration::from_secs(10), "it is gone", || {
        (server.api().try_call("DELETE", &path, None).unwrap().status == 404).then_some(())
    });
    let (_back, connected) = Native::connect(&server, &json!({"token": secret}));
    assert_eq!(connected["channels"][0]["channel"], "room", "{connected}");
    let nameless = rows.iter().find(|row| row["token"].is_null()).unwrap();
    assert_eq!((&nameless["protocol"], close(nameless).1), (&json!("leap"), 204));
    assert_eq!(leap.closed().0, 1012);
    ann.quiet();
}

#[test]
fn a_token_that_ends_while_connected_is_4101_and_one_that_is_revoked_4102() {
    let (server, _ann) = room(&json!({}));
    let (_, short) = token(&server, &json!({"ttl_s": 2}));
    let (_, doomed) = token(&server, &json!({"user_id": "ben"}));
    let [mut ending, mut revoked] = [short, doomed].map(|token| Native::connect(&server, &json!({"token": token})).0);
    server.v2("POST", "/v2/tokens/revoke", &json!({"user_id": "ben"}));
    assert_eq!(revoked.closed().0, 4102);
    assert_eq!(ending.closed().0, 4101);
}

#[test]
fn frames_that_are_not_of_the_page_are_4200() {
    let server = Server::start();
    let connect = json!({"id": 1, "connect": {"project": server.project}});
    let texts = ["hello", "[]", "null", r#"{"id":1}"#, r#"{"id":0,"connect":{}}"#, r#"{"id":1,"ack":{},"connect":{}}"#];
    let wrong = texts.map(Message::text);
    let wrong = wrong.into_iter().chain([
        Message::binary(connect.to_string()),
        // Before `connect`.
        Message::text(r#"{"id":1,"subscribe":{"channel":"room"}}"#),
    ]);
    for message in wrong {
        let mut native = Native::open(server.addr);
        native.send(message.clone());
        assert_eq!(native.closed().0, 4200, "{message:?}");
    }
    // And a second one.
    let (mut native, _) = Native::connect(&server, &json!({}));
    native.request("connect", &json!({"project": server.project}));
    assert_eq!(native.closed().0, 4200);
}

#[test]
fn a_message_over_the_limit_is_4201() {
    let (_server, mut ann) = room(&json!({}));
    let body = |bytes: usize| json!({"channel": "room", "event": "said", "data": "x".repeat(bytes)});
    ann.ok("publish", &body(65_000));
    ann.request("publish", &body(65_536));
    assert_eq!(ann.closed().0, 4201);
}

#[test]
fn who_may_not_connect_at_all_is_4202() {
    let server = Server::start();
    let (_, one) = token(&server, &json!({"max_connections": 1}));
    let (_first, _) = Native::connect(&server, &json!({"token": one}));
    let (error, closed) = Native::refused_connect(&server, &json!({"token": one}));
    assert_eq!((&error["code"], closed), (&json!("limit_reached"), 4202), "{error}");
}
