//! Channels, messages, history and presence under `/v2` on a running server: what each setting does to live clients, what a restart leaves, how
//! polls wait and end, and the lines of docs/channels.md. Forms of requests and their refusals are tested beside the code.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod history;
mod listings;
mod messages;
mod polls;
mod settings;

use serde_json::Value;
use tollgate_testkit::{Api, Server};

/// One request to `/v2`: status and body.
fn ask(api: &Api<'_>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = api.try_call(method, path, Some(body.as_bytes())).unwrap();
    let json = if reply.body.is_empty() { Value::Null } else { serde_json::from_slice(&reply.body).unwrap() };
    (reply.status, json)
}

/// The same, with the project's key; it must succeed.
#[track_caller]
fn done(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let (status, json) = ask(&server.api(), method, path, body);
    assert!((200..300).contains(&status), "{method} {path}: {status} {json}");
    json
}

fn get(server: &Server, path: &str) -> Value {
    done(server, "GET", path, &Value::Null)
}

/// A token: its id and its secret.
fn token(server: &Server, wanted: &Value) -> (String, String) {
    let made = done(server, "POST", "/v2/tokens", wanted);
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    server.remember(&text("secret"));
    (text("id"), text("secret"))
}

/// Publishes; answers the position.
fn say(server: &Server, channel: &str, data: &Value) -> String {
    let body = serde_json::json!({"event": "said", "data": data});
    let said = done(server, "POST", &format!("/v2/channels/{channel}/messages"), &body);
    said["position"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// The data of the messages of a page.
fn heard(page: &Value) -> Vec<Value> {
    page["messages"].as_array().unwrap_or_else(|| panic!("{page}")).iter().map(|one| one["data"].clone()).collect()
}
