//! Event streams of a running server, by `GET` and by `POST`: tickets, what ends a stream, what a client resumes, whom the server lets in, and the
//! lines of the protocol page. Forms of requests are tested beside the code, and TLS with TLS.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod ending;
mod page;
mod resume;
mod rules;
mod slow;
mod stream;
mod tickets;

use std::net::TcpStream;

use serde_json::{Value, json};
use stream::{Ask, Events};
use tollgate_testkit::Server;
use tollgate_testkit::poll::SOON;

type Plain = Events<TcpStream>;

/// Asks for a stream, with or without a token in `Authorization`.
fn ask(server: &Server, asked: &Ask<'_>, headers: &[(&str, &str)]) -> Plain {
    let stream = TcpStream::connect(server.addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    Events::open(stream, &asked.bytes(headers))
}

/// A stream that begins; what it is told first.
#[track_caller]
fn open(server: &Server, asked: &Ask<'_>, headers: &[(&str, &str)]) -> (Plain, Value) {
    let mut events = ask(server, asked, headers);
    assert_eq!(events.status(), 200, "{}", events.head);
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let connected = events.expect("connected").data;
    (events, connected)
}

/// What is answered in place of a stream: the status and the code.
#[track_caller]
fn refused(events: Plain) -> (u16, String) {
    let status = events.status();
    assert_ne!(status, 200, "{}", events.head);
    (status, events.problem()["code"].as_str().unwrap().to_owned())
}

/// One request to `/v2` with this credential: its status and body.
fn call(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = server.api_with(key).try_call(method, path, Some(body.as_bytes())).unwrap();
    (reply.status, if reply.body.is_empty() { Value::Null } else { reply.json() })
}

/// The same with the project's key; it must succeed.
#[track_caller]
fn done(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = call(server, &server.key, method, path, body);
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    answer
}

/// A server with the private channels `room` and `tea`.
fn server() -> Server {
    let server = Server::start();
    for id in ["room", "tea"] {
        done(&server, "POST", "/v2/channels", &json!({"id": id, "type": "private"}));
    }
    server
}

/// A token that is subscribed to `room`: its id and its secret.
fn token(server: &Server) -> (String, String) {
    token_with(server, &json!({"channels": ["room"]}))
}

fn token_with(server: &Server, wanted: &Value) -> (String, String) {
    let made = done(server, "POST", "/v2/tokens", wanted);
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    server.remember(&text("secret"));
    (text("id"), text("secret"))
}

/// A ticket that the token got for itself.
fn ticket(server: &Server, secret: &str) -> String {
    let (status, made) = call(server, &format!("Bearer {secret}"), "POST", "/v2/tickets", &Value::Null);
    assert_eq!(status, 201, "{made}");
    let ticket = made["ticket"].as_str().unwrap().to_owned();
    server.remember(&ticket);
    ticket
}

/// Publishes; gives the position.
fn say(server: &Server, channel: &str, data: &Value) -> String {
    let said =
        done(server, "POST", &format!("/v2/channels/{channel}/messages"), &json!({"event": "said", "data": data}));
    said["position"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}
