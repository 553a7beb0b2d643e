//! The tests of the whole facade: requests into the router, over a real node with a store in memory. No sockets: those, and
//! everything with live connections, are tested black-box.
#![allow(clippy::unwrap_used)]

mod authorization;
mod bodies;
mod bulk;
mod channels;
mod general;
mod messages;
mod socialplus;
mod tokens;
mod users;
mod v2_channels;
mod v2_history;
mod v2_lists;
mod v2_me;
mod v2_messages;
mod v2_project;
mod v2_search;
mod v2_tokens;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tollgate_core::CloseReason;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Connected, Notice, Renewed};
use tollgate_core::credentials::MasterKey;
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::permissions::Permissions;
use tollgate_core::ports::by_hand::{Counting, HandClock, NOW};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_node::{ConnectionKey, Node, NodeParts, Outlet, ShardParts, Written, start};

use crate::{ApiConfig, Router, router};

/// What every clock of these tests shows at first.
const NOW_TEXT: &str = "2026-11-22T20:25:21.073Z";

/// There are no connections here.
struct NoConnections;

impl Outlet for NoConnections {
    fn send_after(&mut self, _: ConnectionKey, _: bytes::Bytes) {}
    fn now(&self) -> Monotonic {
        Monotonic(0)
    }
    fn write(&mut self, _: ConnectionKey, _: &[u8]) -> Written {
        Written::Gone
    }
    fn notify(&mut self, _: ConnectionKey, _: Notice) {}
    fn connected(&mut self, _: ConnectionKey, _: Connected) {}
    fn renewed(&mut self, _: ConnectionKey, _: Box<Renewed>) {}
    fn close(&mut self, _: ConnectionKey, _: CloseReason) {}
}

/// A server without sockets, with one project and a key that may do everything.
struct Door {
    router: Router,
    node: Arc<Node>,
    project: ProjectId,
    key: String,
    clock: Arc<HandClock>,
}

/// An answer, its envelope checked.
struct Seen {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Door {
    async fn open() -> Self {
        Self::with(ApiConfig::default()).await
    }

    async fn with(config: ApiConfig) -> Self {
        Self::made(config, true).await
    }

    /// `lives` is whether its shards do.
    async fn made(config: ApiConfig, lives: bool) -> Self {
        let (entropy, clock) = (Arc::new(Counting::default()), Arc::new(HandClock::default()));
        let parts = NodeParts {
            store: Arc::new(MemoryStore::default()),
            master_key: MasterKey::generate(entropy.as_ref()),
            clock: clock.clone(),
            entropy,
            hook: Arc::new(NoHook),
            outbound: Arc::new(NoOutbound),
            formats: Vec::new(),
            shards: 1,
        };
        let (node, shards) = start(parts).await.unwrap();
        shards.into_iter().filter(|_| lives).for_each(run);
        let (project, key) = node.create_project(&Caller::Operator, "first").await.unwrap();
        let key = key.expose().to_string();
        Self { router: router(node.clone(), config), node, project: project.id, key, clock }
    }

    /// Another key of the same project.
    async fn key(&self, permissions: Permissions) -> (KeyId, String) {
        let (key, secret) = self.node.create_key(&Caller::Operator, self.project, permissions).await.unwrap();
        (key.id, secret.expose().to_string())
    }

    /// A key of another project.
    async fn stranger(&self) -> String {
        let (_, secret) = self.node.create_project(&Caller::Operator, "second").await.unwrap();
        secret.expose().to_string()
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Seen {
        self.call_with(method, path, &[("Authorization", &self.key)], body).await
    }

    async fn call_as(&self, key: &str, method: &str, path: &str, body: &str) -> Seen {
        self.call_with(method, path, &[("Authorization", key)], body).await
    }

    async fn call_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        self.send(request(method, path, headers, Full::new(Bytes::from(body.to_owned())))).await
    }

    async fn send<B: Body<Data = Bytes> + Unpin>(&self, request: Request<B>) -> Seen {
        Seen::check(self.router.answer(request).await).await
    }

    /// Creates a channel.
    async fn channel(&self, id: &str, state: &str) {
        let body = format!(r#"{{"type":"private","state":{state}}}"#);
        self.call("PUT", &format!("/v1/channels/{id}"), &body).await.data();
    }

    /// Creates a token; answers its secret.
    async fn token(&self, body: &str) -> String {
        let token = self.call("POST", "/v1/channels/tokens", body).await.data();
        token["token"]["id"].as_str().unwrap().to_owned()
    }
}

impl Seen {
    /// Hop behaviours 4 to 6, which hold for every answer under `/v1`.
    async fn check(reply: crate::answer::Reply) -> Self {
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let status = parts.status.as_u16();
        assert_eq!(parts.headers["access-control-allow-origin"], "*");
        assert_eq!(parts.headers["cache-control"], "no-store");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        assert_eq!(parts.headers["referrer-policy"], "no-referrer");
        assert!(!parts.headers["x-request-id"].is_empty());
        if status == 204 {
            assert!(body.is_empty() && !parts.headers.contains_key("content-type"), "204 with a body");
            return Self { status, headers: parts.headers, json: Value::Null };
        }
        let content_type = &parts.headers["content-type"];
        if content_type == "application/problem+json" {
            return Self { status, headers: parts.headers, json: problem(&body, status) };
        }
        assert_eq!(content_type, "application/json");
        let json: Value = serde_json::from_slice(&body).unwrap();
        if json.get("success").is_some() {
            assert_eq!(json["success"], status == 200, "{json}");
            assert!(status == 200 || status >= 400, "{status}");
            assert!(status != 200 || json["data"].is_object(), "{json}");
            assert!(status == 200 || !json["error"]["message"].as_str().unwrap().is_empty(), "{json}");
        }
        Self { status, headers: parts.headers, json }
    }

    #[track_caller]
    fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json["data"].clone()
    }

    #[track_caller]
    fn nothing(&self) {
        assert_eq!(self.status, 204, "{}", self.json);
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.json["error"]["code"]), (status, &json!(code)), "{}", self.json);
    }

    /// Problem details with this code.
    #[track_caller]
    fn refused_v2(&self, code: &str) {
        assert_eq!(self.json["error"]["code"], json!(code), "{} {}", self.status, self.json);
        assert!(self.status >= 400 && self.headers["content-type"] == "application/problem+json");
    }

    fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }
}

fn request<B>(method: &str, path: &str, headers: &[(&str, &str)], body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = path.parse().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    request
}

/// Runs a shard until its node is gone.
fn run(parts: ShardParts) {
    let ShardParts { mut shard, mut requests, .. } = parts;
    std::thread::spawn(move || {
        while let Some(request) = requests.blocking_recv() {
            shard.request(request, &mut NoConnections);
        }
    });
}

/// Problem details (RFC 9457), checked, and shown as Hop's envelope is, so that one set of tests asks both doors.
fn problem(body: &[u8], status: u16) -> Value {
    let problem: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(problem["status"], status);
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["request_id"].as_str().unwrap().is_empty());
    assert_eq!(problem["retryable"], matches!(status, 429 | 503));
    json!({"success": false, "error": {"code": problem["code"], "message": problem["detail"]}, "problem": problem})
}
