//! The REST API as a backend uses it: one keep-alive connection, one key. Every answer is held against Hop's envelope.

use std::io;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::http::{Http, Reply};
use crate::server::Server;

/// A token as `POST /v1/channels/tokens` answered it; its id is its secret.
pub type Token = String;

/// A caller with one `Authorization`.
#[derive(Debug)]
pub struct Api<'s> {
    server: &'s Server,
    key: String,
    connection: Mutex<Option<Http>>,
}

impl<'s> Api<'s> {
    pub(crate) fn new(server: &'s Server, key: &str) -> Self {
        Self { server, key: key.to_owned(), connection: Mutex::new(None) }
    }

    /// One request with a JSON body, answered and checked.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let reply = self
            .try_call(method, path, body.map(|body| body.to_string().into_bytes()).as_deref())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        reply.check();
        reply
    }

    /// One request with any body (JSON by its content type); a broken connection is an error. Nothing is ever sent twice.
    pub fn try_call(&self, method: &str, path: &str, body: Option<&[u8]>) -> io::Result<Reply> {
        let mut connection = self.connection.lock().unwrap();
        let mut http = match connection.take().filter(|http| !http.is_stale()) {
            Some(http) => http,
            None => Http::connect(self.server.addr)?,
        };
        let mut headers = Vec::new();
        if !self.key.is_empty() {
            headers.push(("Authorization", self.key.as_str()));
        }
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        let reply = http.request(method, path, &headers, body)?;
        if reply.header("connection") != Some("close") {
            *connection = Some(http);
        }
        Ok(reply)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path, None)
    }

    /// PUT without a body, but with `content-length: 0`, as the SDKs send it.
    #[track_caller]
    pub fn put_empty(&self, path: &str) -> Reply {
        let key = self.key.as_str();
        let mut http = Http::connect(self.server.addr).unwrap();
        let reply = http.request("PUT", path, &[("Authorization", key)], Some(b"")).unwrap();
        reply.check();
        reply
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // reads better with json!(…) in place
    pub fn put(&self, path: &str, body: Value) -> Reply {
        self.call("PUT", path, Some(&body))
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, Some(&body))
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn patch(&self, path: &str, body: Value) -> Reply {
        self.call("PATCH", path, Some(&body))
    }

    /// Creates the channel `id`.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn channel(&self, id: &str, kind: &str, state: Value) {
        self.put(&format!("/v1/channels/{id}"), json!({"type": kind, "state": state})).data();
    }

    /// Creates a token with this state.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn token(&self, state: Value) -> Token {
        let created = self.post("/v1/channels/tokens", json!({"state": state})).data();
        let token = created["token"]["id"].as_str().unwrap().to_owned();
        self.server.remember(&token);
        token
    }

    /// Subscribes `token` to `channel`.
    #[track_caller]
    pub fn subscribe(&self, channel: &str, token: &str) {
        self.put_empty(&format!("/v1/channels/{channel}/subscribers/{token}")).no_content();
    }

    /// Publishes `{e, d}` to `channel`.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn publish(&self, channel: &str, event: &str, data: Value) {
        self.post(&format!("/v1/channels/{channel}/messages"), json!({"e": event, "d": data})).no_content();
    }

    /// The sessions online in `channel`.
    #[track_caller]
    pub fn online_count(&self, channel: &str) -> u64 {
        self.get(&format!("/v1/channels/{channel}/stats")).data()["online_count"].as_u64().unwrap()
    }

    /// Whether `token` is online.
    #[track_caller]
    pub fn is_online(&self, token: &str) -> bool {
        self.get(&format!("/v1/channels/tokens/{token}")).data()["token"]["is_online"].as_bool().unwrap()
    }
}
