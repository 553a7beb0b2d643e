//! The native protocol from outside, one request, error, close and push of docs/protocol/native.md at a time, against the real server. To the byte it
//! is the transcripts' (`crates/protocol-native`); under load it is `native_load`'s; here it is whether the whole server does what the page says.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod closes;
mod coverage;
mod errors;
mod pushes;
mod requests;

use serde_json::{Value, json};
use tollgate_testkit::{Native, Server};

/// A private channel in which tokens may publish and set the state.
fn channel(server: &Server, id: &str, settings: &Value) {
    let capabilities = ["token_publish", "token_set_state"];
    let wanted = json!({"id": id, "type": "private", "capabilities": capabilities, "settings": settings});
    server.v2("POST", "/v2/channels", &wanted);
}

/// A new token: its public id and its secret.
fn token(server: &Server, wish: &Value) -> (String, String) {
    let made = server.v2("POST", "/v2/tokens", wish);
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    (made["id"].as_str().unwrap().to_owned(), secret)
}

/// A connection of a new token of this user, which is subscribed to `room`; and the token's secret.
#[track_caller]
fn member(server: &Server, user: &str) -> (Native, String) {
    let (_, secret) = token(server, &json!({"user_id": user, "channels": ["room"]}));
    let (native, connected) = Native::connect(server, &json!({"token": secret}));
    assert_eq!(connected["channels"][0]["channel"], "room", "{connected}");
    (native, secret)
}

/// A server with a channel `room` with these settings, and a connection in it.
fn room(settings: &Value) -> (Server, Native) {
    let server = Server::start();
    channel(&server, "room", settings);
    let (native, _) = member(&server, "ann");
    (server, native)
}

/// Publishes a message; its position.
#[track_caller]
fn say(native: &mut Native, data: &Value) -> String {
    let said = native.ok("publish", &json!({"channel": "room", "event": "said", "data": data}));
    said["position"].as_str().unwrap().to_owned()
}

/// The messages' data.
fn datas(messages: &Value) -> Vec<Value> {
    messages.as_array().unwrap().iter().map(|message| message["data"].clone()).collect()
}

/// Another offset of the same epoch.
fn at(position: &str, offset: u64) -> String {
    format!("{}-{offset}", position.split_once('-').unwrap().0)
}
