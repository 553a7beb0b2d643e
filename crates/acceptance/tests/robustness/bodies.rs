//! Request bodies: cut short, too large, chunked, lying about their length.

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_testkit::native::Native;
use tollgate_testkit::{Http, Server, http};

const CREATE: &[u8] = br#"{"type":"public","state":{}}"#;

fn head(server: &Server, extra: &str) -> String {
    format!("PUT /v1/channels/room HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n{extra}\r\n\r\n", server.key)
}

#[test]
fn a_body_cut_short_changes_nothing() {
    let server = Server::start();
    for (length, cut) in [(CREATE.len(), CREATE.len() - 1), (CREATE.len() + 10, CREATE.len()), (100, 0)] {
        for polite in [true, false] {
            let mut http = Http::connect(server.addr).unwrap();
            http.write(head(&server, &format!("Content-Length: {length}")).as_bytes()).unwrap();
            http.write(&CREATE[..cut]).unwrap();
            if polite {
                http.finish_writing();
                if let Ok(reply) = http.reply(false) {
                    assert_eq!(reply.status, 400, "{reply:?}");
                }
            }
            drop(http);
        }
    }
    let mut http = Http::connect(server.addr).unwrap();
    http.write(head(&server, "Transfer-Encoding: chunked").as_bytes()).unwrap();
    http.write(format!("{:x}\r\n{}\r\n", CREATE.len(), String::from_utf8_lossy(CREATE)).as_bytes()).unwrap();
    http.finish_writing();
    let _ = http.reply(false);
    server.api().get("/v1/channels/room").refused(404, "not_found");
}

#[test]
fn b08_over_the_limit_is_413_at_once() {
    let server = Server::start();
    let before = server.resident_kb();
    for length in ["3000000", "104857600", "9223372036854775807"] {
        let mut http = Http::connect(server.addr).unwrap();
        http.write(head(&server, &format!("Content-Length: {length}")).as_bytes()).unwrap();
        let reply = http.reply(false).unwrap();
        reply.check();
        reply.refused(413, "payload_too_large");
    }
    // More than any length can be: not even a request.
    let mut http = Http::connect(server.addr).unwrap();
    http.write(head(&server, "Content-Length: 18446744073709551616").as_bytes()).unwrap();
    let status = http.reply(false).unwrap().status;
    assert!((400..500).contains(&status), "{status}");
    let mut http = Http::connect(server.addr).unwrap();
    http.write(head(&server, "Transfer-Encoding: chunked").as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let sent = (0..2_000).take_while(|_| http.write(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 2_000, "125 MiB were taken");
    assert!(server.resident_kb().saturating_sub(before) < 48 * 1024);
    assert_eq!(server.api().get("/v1/channels").data()["total_count"], 0);
}

#[test]
fn b08_the_client_hears_of_the_413_even_while_it_is_still_sending() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    // A little over the limit: this much fits the sockets' buffers, so the answer must not be lost to a reset.
    let body = format!(r#"{{"e":"X","d":"{}"}}"#, "x".repeat(3 * 1024 * 1024));
    let reply = api.try_call("POST", "/v1/channels/room/messages", Some(body.as_bytes())).unwrap();
    reply.check();
    reply.refused(413, "payload_too_large");
}

#[test]
fn chunked_bodies_are_read() {
    let server = Server::start();
    let mut http = Http::connect(server.addr).unwrap();
    http.write(head(&server, "Transfer-Encoding: chunked").as_bytes()).unwrap();
    for byte in CREATE {
        http.write(&[b"1\r\n", std::slice::from_ref(byte), b"\r\n"].concat()).unwrap();
    }
    http.write(b"0\r\n\r\n").unwrap();
    assert_eq!(http.reply(false).unwrap().data()["channel"]["id"], "room");
}

#[test]
fn a_body_that_lies_about_its_length_smuggles_no_second_request() {
    let server = Server::start();
    let smuggled = String::from_utf8(http::request(
        "PUT",
        "/v1/channels/smuggled",
        &[("Authorization", &server.key)],
        Some(CREATE),
    ))
    .unwrap();
    let chunked = "Transfer-Encoding: chunked";
    for (extra, body) in [
        (format!("Content-Length: 4\r\n{chunked}"), format!("0\r\n\r\n{smuggled}")),
        ("Content-Length: 4\r\nContent-Length: 5".to_owned(), format!("aaaa{smuggled}")),
        ("Content-Length: -1".to_owned(), smuggled.clone()),
        ("Content-Length: 0x10".to_owned(), smuggled.clone()),
        ("Content-Length: 1 1".to_owned(), smuggled.clone()),
        (chunked.to_owned(), format!("zz\r\n{smuggled}")),
        (chunked.to_owned(), format!("ffffffffffffffffff\r\n{smuggled}")),
        ("Transfer-Encoding: xchunked".to_owned(), smuggled.clone()),
        (format!("Transfer-Encoding : chunked\r\nContent-Length: {}", smuggled.len()), smuggled),
    ] {
        let mut http = Http::connect(server.addr).unwrap();
        let _ = http.write((head(&server, &extra) + &body).as_bytes());
        http.finish_writing();
        http.patience(Duration::from_secs(3));
        while let Ok(reply) = http.reply(false) {
            assert!(reply.status >= 400, "{extra}: {reply:?}");
        }
        server.api().get("/v1/channels/smuggled").refused(404, "not_found");
    }
}

#[test]
fn expect_100_continue_is_answered() {
    let server = Server::start();
    let mut http = Http::connect(server.addr).unwrap();
    http.write(head(&server, &format!("Expect: 100-continue\r\nContent-Length: {}", CREATE.len())).as_bytes()).unwrap();
    let first = http.reply(true).unwrap();
    assert_eq!(first.status, 100, "{first:?}");
    http.write(CREATE).unwrap();
    assert_eq!(http.reply(false).unwrap().status, 200);
}

#[test]
fn a_body_that_never_arrives_is_given_up() {
    let server = Server::start();
    let start = Instant::now();
    let waiting: Vec<_> = ["Content-Length: 1000", "Transfer-Encoding: chunked"]
        .map(|extra| {
            let mut http = Http::connect(server.addr).unwrap();
            http.write((head(&server, extra) + "5\r\n").as_bytes()).unwrap();
            std::thread::spawn(move || http.closes_within(Duration::from_secs(45)))
        })
        .into();
    assert!(waiting.into_iter().all(|waiting| waiting.join().unwrap()), "still open after {:?}", start.elapsed());
    server.api().get("/v1/channels/room").refused(404, "not_found");
}

#[test]
fn a_number_that_no_double_holds_is_refused_at_every_door() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let secret = api.token(json!({}));
    let made = br#"{"user_id":"ben","metadata":{"team":1}}"#;
    let made = api.try_call("POST", "/v2/tokens", Some(made)).unwrap().json();
    let id = made["id"].as_str().unwrap();
    let table = [
        ("POST", "/v1/channels", r#"{"type":"public","state":{"n":1e999}}"#),
        ("PUT", "/v1/channels/new", r#"{"type":"public","state":{"n":1e999}}"#),
        ("PUT", "/v1/channels/room/state", r#"{"n":1e999}"#),
        ("PATCH", "/v1/channels/room/state", r#"{"n":1e999}"#),
        ("POST", "/v1/channels/room/messages", r#"{"e":"x","d":1e999}"#),
        ("POST", "/v1/channels/tokens", r#"{"state":{"n":1e999}}"#),
        ("PATCH", "/v1/channels/tokens/:secret", r#"{"state":{"n":1e999}}"#),
        ("POST", "/v1/channels/tokens/:secret/messages", r#"{"e":"x","d":1e999}"#),
        ("POST", "/v2/channels", r#"{"id":"new","type":"public","state":{"n":1e999}}"#),
        ("PUT", "/v2/channels/room/state", r#"{"n":1e999}"#),
        ("PATCH", "/v2/channels/room/state", r#"{"n":1e999}"#),
        ("POST", "/v2/channels/room/messages", r#"{"event":"x","data":1e999}"#),
        ("POST", "/v2/tokens", r#"{"state":{"n":1e999}}"#),
        ("POST", "/v2/tokens", r#"{"metadata":{"n":1e999}}"#),
        ("PATCH", "/v2/tokens/:id", r#"{"metadata":{"n":1e999}}"#),
        ("PUT", "/v2/tokens/:id/state", r#"{"n":1e999}"#),
        ("PATCH", "/v2/tokens/:id/state", r#"{"n":1e999}"#),
        ("POST", "/v2/tokens/:id/messages", r#"{"event":"x","data":1e999}"#),
        ("POST", "/v2/tokens/revoke", r#"{"metadata":{"n":1e999}}"#),
        ("PATCH", "/v2/users/ben", r#"{"attributes":{"n":1e999}}"#),
        ("POST", "/v2/users/ben/messages", r#"{"event":"x","data":1e999}"#),
    ];
    for (method, path, body) in table {
        let path = path.replace(":secret", &secret).replace(":id", id);
        let reply = api.try_call(method, &path, Some(body.as_bytes())).unwrap();
        let status = if path.starts_with("/v1") { 400 } else { 422 };
        assert!(
            reply.status == status && reply.text().contains("1.8e308"),
            "{method} {path} {body}: {} {}",
            reply.status,
            reply.text()
        );
    }
    let batch = r#"{"messages":[{"channel":"room","event":"x"},{"channel":"room","event":"x","data":1e999}]}"#;
    let reply = api.try_call("POST", "/v2/publish", Some(batch.as_bytes())).unwrap();
    assert!(
        reply.status == 422 && reply.text().contains("`messages[1]`: The JSON value has a number"),
        "{}",
        reply.text()
    );
    // Leap Edge has no word for a refusal; the native protocol has.
    let (mut leap, _) = server.identified(Some(&secret));
    leap.join("room");
    leap.send_text(r#"{"op":0,"d":{"e":"MESSAGE","c":"room","d":{"e":"x","d":1e999}}}"#);
    leap.send_text(r#"{"op":0,"d":{"e":"SET_CHANNEL_STATE","c":"room","d":{"n":1e999}}}"#);
    leap.event("MESSAGE", "room", json!({"e": "x", "d": 1}));
    assert_eq!(leap.expect("MESSAGE", "room"), json!({"e": "x", "d": 1}), "the first that was published");
    let (mut native, _) = Native::connect(&server, &json!({"token": secret}));
    native.ok("subscribe", &json!({"channel": "room"}));
    native.send_text(r#"{"id":7,"publish":{"channel":"room","event":"x","data":1e999}}"#);
    let refused = native.reply(7);
    assert!(refused["error"]["message"].as_str().is_some_and(|said| said.contains("1.8e308")), "{refused}");
    // Nothing of it was kept, and a revocation by metadata looks at all there is.
    let revoked = api.try_call("POST", "/v2/tokens/revoke", Some(br#"{"metadata":{"team":1}}"#)).unwrap();
    assert_eq!(revoked.json()["revoked"], 1, "{}", revoked.text());
    assert_eq!(api.try_call("GET", &format!("/v2/tokens/{id}"), None).unwrap().json()["metadata"], json!({"team": 1}));
}
