//! Webhooks of a project, seen by a receiver: signed, tried again, delivered after a kill under the same id, and never sent where the server must not go.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use serde_json::{Value, json};
use tollgate_acceptance::standard_webhooks::check;
use tollgate_testkit::poll::{SOON, until};
use tollgate_testkit::receiver::{Answer, Receiver};
use tollgate_testkit::{Api, Server, Setup};

/// A server that may call receivers on this machine.
fn allowed() -> Setup {
    Setup::default().env("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "127.0.0.1").env("TOLLGATE_OUTBOUND_ALLOW_HTTP", "true")
}

fn v2(api: &Api<'_>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = (method != "GET").then(|| body.to_string().into_bytes());
    let reply = api.try_call(method, path, body.as_deref()).unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

/// Registers the receiver; gives the endpoint's id and its secret.
fn register(server: &Server, api: &Api<'_>, receiver: &Receiver, events: &[&str]) -> (String, String) {
    let wanted = json!({"url": format!("http://{}/hooks?x=1", receiver.addr), "events": events});
    let (status, made) = v2(api, "POST", "/v2/webhooks", &wanted);
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    (made["id"].as_str().unwrap().to_owned(), secret)
}

#[test]
fn changes_and_connections_are_told_signed_and_without_secrets() {
    let (receiver, server) = (Receiver::start(), allowed().start());
    let api = server.api();
    let (hook, secret) = register(&server, &api, &receiver, &["token.created", "connection.*", "session.*"]);
    let token = api.token(json!({"user": 7}));
    let created = receiver.next();
    assert_eq!((created.method.as_str(), created.path.as_str()), ("POST", "/hooks?x=1"));
    let told = check(&created, &secret);
    assert_eq!((&told["type"], &told["data"]["project_id"]), (&json!("token.created"), &json!(server.project)));
    let id = told["data"]["id"].clone();
    let (leap, _) = server.identified(Some(&token));
    let both = [receiver.next(), receiver.next()].map(|request| check(&request, &secret));
    for event in ["connection.opened", "session.started"] {
        assert!(both.iter().any(|told| told["type"] == event && told["data"]["id"] == id), "{event} in {both:?}");
    }
    leap.close();
    let both = [receiver.next(), receiver.next()].map(|request| check(&request, &secret));
    for event in ["connection.closed", "session.ended"] {
        assert!(
            both.iter().any(|told| told["type"] == event && told["data"]["connections"] == 0),
            "{event} in {both:?}"
        );
    }
    let (status, listed) = v2(&api, "GET", &format!("/v2/webhooks/{hook}/deliveries"), &Value::Null);
    let text = listed.to_string();
    assert_eq!(status, 200);
    for hidden in [&secret["whsec_".len()..], &token["leap_token_".len()..]] {
        assert!(!text.contains(hidden), "a secret is in {text}");
    }
}

#[test]
fn a_message_outlives_a_kill_under_its_id() {
    let (receiver, mut server) = (Receiver::start(), allowed().start());
    receiver.answer(Answer::status(500));
    let (hook, secret) = register(&server, &server.api(), &receiver, &["token.created"]);
    server.api().token(json!({}));
    let first = receiver.next();
    let path = format!("/v2/webhooks/{hook}/deliveries");
    until(SOON, "the failed try to be written down", || {
        let (_, listed) = v2(&server.api(), "GET", &path, &Value::Null);
        (listed["data"][0]["tries"] == 1).then_some(())
    });
    server.kill();
    receiver.answer(Answer::status(204));
    server.start_again();
    let second = receiver.next();
    check(&first, &secret);
    check(&second, &secret);
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    assert_eq!(first.body, second.body);
    until(SOON, "the delivery to be written down", || {
        let (_, listed) = v2(&server.api(), "GET", &format!("{path}?status=delivered"), &Value::Null);
        (listed["data"][0]["tries"] == 2).then_some(())
    });
}

#[test]
fn redirects_are_not_followed() {
    let (receiver, elsewhere, server) = (Receiver::start(), Receiver::start(), allowed().start());
    let api = server.api();
    receiver.answer(Answer::Bytes(format!(
        "HTTP/1.1 307 X\r\nLocation: http://{}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.addr
    )));
    let (hook, _) = register(&server, &api, &receiver, &["user.*"]);
    let (status, message) = v2(&api, "POST", &format!("/v2/webhooks/{hook}/test"), &json!({}));
    assert_eq!((status, &message["event"]), (202, &json!("webhook.test")), "{message}");
    receiver.next();
    let failure = until(SOON, "the failed try to be written down", || {
        let (_, listed) = v2(&api, "GET", &format!("/v2/webhooks/{hook}/deliveries?status=waiting"), &Value::Null);
        listed["data"][0]["last_failure"].as_str().map(str::to_owned)
    });
    assert!(failure.contains("redirect"), "{failure}");
    assert!(elsewhere.is_quiet());
}

#[test]
fn addresses_inside_are_refused_by_default() {
    let server = Setup::default().start();
    let api = server.api();
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest",
        "http://example.com/",
    ] {
        let (status, refused) = v2(&api, "POST", "/v2/webhooks", &json!({"url": url, "events": ["*"]}));
        assert_eq!((status, &refused["code"]), (422, &json!("invalid_input")), "{url}: {refused}");
    }
}
