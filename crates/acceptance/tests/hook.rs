//! The access hook: a signed POST that decides who may subscribe to a private channel.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tollgate_testkit::receiver::{Answer, Received, Receiver};
use tollgate_testkit::{Api, Leap, Server, Setup, wait};

const SECRET: &str = "whsec_dGhlIGhvb2sncyBvd24gc2VjcmV0";

fn with_hook(url: &str) -> Server {
    let server = Setup::default().config(format!("[access_hook]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n")).start();
    server.remember(SECRET);
    server.api().channel("room", "private", json!({"n": 1}));
    server
}

fn check_signature(request: &Received) {
    let stamp = &request.headers["x-tollgate-timestamp"];
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(stamp.parse().unwrap()) < 60, "{stamp} is not now in seconds");
    let signed = [stamp.as_bytes(), b".", &request.body].concat();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &signed);
    let hex: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(request.headers["x-tollgate-signature"], format!("v1={hex}"));
}

fn client(server: &Server, api: &Api<'_>) -> (String, Leap) {
    let token = api.token(json!({"user": 7}));
    let (leap, _) = server.identified(Some(&token));
    (token, leap)
}

#[test]
fn b49_the_hook_is_asked_with_a_signed_post_and_its_yes_lets_in() {
    let receiver = Receiver::start();
    let server = with_hook(&format!("http://{}/hooks/access?x=1", receiver.addr));
    let api = server.api();
    for status in [200, 201, 204, 299] {
        receiver.answer(Answer::status(status));
        let (token, mut leap) = client(&server, &api);
        assert_eq!(leap.join("room"), json!({"n": 1}), "{status}");
        let request = receiver.next();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks/access?x=1"));
        assert!(request.headers["content-type"].contains("application/json"));
        check_signature(&request);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["event"], "channel.subscribe");
        assert_eq!((&body["project_id"], &body["channel_id"]), (&json!(server.project), &json!("room")));
        assert_eq!(body["token_state"], json!({"user": 7}));
        assert!(body["token_id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
        let tail = &token["leap_token_".len()..];
        assert!(!String::from_utf8_lossy(&request.body).contains(tail), "the hook must not learn the secret");
        // A yes is a subscription like any other: it delivers, and it lasts without being asked again.
        api.publish("room", "X", json!(1));
        leap.expect("MESSAGE", "room");
        leap.close();
        assert_eq!(server.identified(Some(&token)).1["channels"][0]["id"], "room");
        api.delete(&format!("/v1/channels/tokens/{token}")).no_content();
    }
    assert!(receiver.is_quiet());
}

#[test]
fn b49_anything_but_2xx_refuses() {
    let receiver = Receiver::start();
    let server = with_hook(&format!("http://{}/", receiver.addr));
    let api = server.api();
    let (_, mut leap) = client(&server, &api);
    let elsewhere = Receiver::start();
    let redirect = |status| {
        Answer::Bytes(format!(
            "HTTP/1.1 {status} X\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
            elsewhere.addr
        ))
    };
    let bytes = |text: &str| Answer::Bytes(text.to_owned());
    for answer in [
        Answer::status(400),
        Answer::status(401),
        Answer::status(403),
        Answer::status(404),
        Answer::status(500),
        Answer::status(503),
        redirect(301),
        redirect(302),
        redirect(307),
        redirect(308),
        bytes("HTTP/1.1 304 X\r\n\r\n"),
        bytes("nonsense\r\n\r\n"),
        bytes("HTTP/1.1 2"),
        bytes(""),
    ] {
        receiver.answer(answer.clone());
        assert_eq!(leap.refused("room"), "NOT_GRANTED", "{answer:?}");
        receiver.next();
        leap.quiet();
    }
    assert!(elsewhere.is_quiet(), "a redirect was followed");
    receiver.answer(Answer::status(204));
    leap.join("room");
}

#[test]
fn b49_no_connection_refuses() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = with_hook(&format!("http://{closed}/"));
    let (_, mut leap) = client(&server, &server.api());
    assert_eq!(leap.refused("room"), "NOT_GRANTED");
}

#[test]
fn b49_silence_refuses_after_5_s_and_holds_up_nobody() {
    let receiver = Receiver::start();
    let server = with_hook(&format!("http://{}/", receiver.addr));
    let api = server.api();
    api.channel("open", "public", json!({}));
    receiver.answer(Answer::Silence);
    let (_, mut leap) = client(&server, &api);
    let (_, mut other) = client(&server, &api);
    leap.join("open");
    let start = Instant::now();
    leap.event("SUBSCRIBE", "room", Value::Null);
    receiver.next();
    // Meanwhile others go on, and so do the heartbeats of this one, and what it is subscribed to already.
    leap.quiet();
    other.join("open");
    api.publish("open", "X", json!(1));
    leap.expect("MESSAGE", "open");
    other.expect("MESSAGE", "open");
    assert!(start.elapsed() < Duration::from_secs(4));
    let refusal = leap.expect("UNAVAILABLE", "room");
    assert_eq!(refusal, json!({"graceful": false, "error_code": "NOT_GRANTED"}));
    assert!((4.5..8.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

#[test]
fn b49_the_hook_is_asked_only_where_nothing_else_decides() {
    let receiver = Receiver::start();
    let server = with_hook(&format!("http://{}/", receiver.addr));
    let api = server.api();
    api.channel("public", "public", json!({}));
    api.channel("unprotected", "unprotected", json!({}));
    let (token, mut leap) = client(&server, &api);
    leap.join("public");
    leap.join("unprotected");
    assert_eq!(leap.refused("none"), "UNKNOWN");
    api.subscribe("room", &token);
    leap.expect("AVAILABLE", "room");
    leap.join("room");
    let (mut guest, _) = server.identified(None);
    assert_eq!(guest.refused("room"), "NOT_GRANTED");
    assert_eq!(guest.refused("public"), "NOT_GRANTED");
    assert!(receiver.is_quiet());
}

#[test]
fn b49_a_late_yes_overrules_nothing_that_happened_meanwhile() {
    let receiver = Receiver::start();
    let server = with_hook(&format!("http://{}/", receiver.addr));
    let api = server.api();
    let (token, mut leap) = client(&server, &api);
    let asked = |leap: &mut Leap| {
        receiver.answer(Answer::Held);
        leap.event("SUBSCRIBE", "room", Value::Null);
        receiver.next();
    };
    // The channel is gone.
    asked(&mut leap);
    api.delete("/v1/channels/room").no_content();
    receiver.answer(Answer::status(204));
    assert_eq!(leap.expect("UNAVAILABLE", "room")["graceful"], false);
    api.channel("room", "private", json!({"n": 1}));
    leap.quiet();
    // The connection is gone: the yes may count for the token, and harms nobody.
    asked(&mut leap);
    leap.cut();
    receiver.answer(Answer::status(204));
    // The token is gone.
    let (doomed, mut leap) = client(&server, &api);
    asked(&mut leap);
    api.delete(&format!("/v1/channels/tokens/{doomed}")).no_content();
    receiver.answer(Answer::status(204));
    assert_eq!(leap.closed().0, 4001);
    let tokens = api.get("/v1/channels/room/tokens").data()["tokens"].clone();
    assert!(tokens.as_array().unwrap().iter().all(|subscribed| subscribed["id"] == json!(token)), "{tokens}");
    wait("nobody to be online", || api.online_count("room") == 0);
}
