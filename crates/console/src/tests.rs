//! The whole console without a socket: every route through every rule, over a real node with a store in memory.
#![allow(clippy::unwrap_used)]

mod audit;
mod believed;
mod bulk;
mod find;
mod looking;
mod owners;
mod people;
mod premises;
mod pulse;
mod rules;
mod settings;
mod templates;
mod terms;
mod users;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tollgate_core::CloseReason;
use tollgate_core::audit::AuditEntry;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Monotonic, UnixMillis};
use tollgate_core::command::{Connected, Notice, PresentedSecret, Renewed};
use tollgate_core::credentials::MasterKey;
use tollgate_core::ids::ProjectId;
use tollgate_core::ports::Pending;
use tollgate_core::ports::by_hand::{Counting, HandClock, NOW};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::memory::RecordingOutbound;
use tollgate_core::roles::Role;
use tollgate_node::{ConnectionKey, NewOperator, Node, NodeParts, Outlet, SignedIn, Written, start};

use crate::cookie::Drawn;
use crate::sessions::Session;
use crate::{
    About, Console, ConsoleParts, ConsoleSettings, Finding, Part, Premises, Pulse, SettingShown, Surroundings, Verdict,
};

const IDLE_MS: u64 = 3_600_000;
const SESSION_MS: u64 = 86_400_000;

/// There are no connections here.
struct NoConnections;

impl Outlet for NoConnections {
    fn send_after(&mut self, _: ConnectionKey, _: Bytes) {}
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

/// What is told of the server that there is none of.
struct Told;

impl Premises for Told {
    fn about(&self) -> About {
        let shown = |name, value: &str, from: Option<&str>| SettingShown {
            name,
            value: value.to_owned(),
            from: from.map(str::to_owned),
        };
        About {
            version: "9.8.7",
            process: 4_321,
            started: UnixMillis(NOW - 90_061_000),
            listeners: vec![("Clients and console", "http://127.0.0.1:8080".to_owned())],
            settings: vec![
                shown("listen", "\"<b>127.0.0.1:8080</b>\"", Some("flag --listen")),
                shown("access_hook.secret", "\"(secret)\"", Some("environment TOLLGATE_ACCESS_HOOK_SECRET")),
                shown("shards", "0", None),
            ],
        }
    }

    fn findings(&self) -> Pending<'_, Vec<Finding>> {
        let finding = |name, verdict, advice: Option<&str>| Finding {
            name,
            verdict,
            found: format!("<i>{name}</i>"),
            advice: advice.map(str::to_owned),
        };
        Box::pin(std::future::ready(vec![
            finding("clock", Verdict::Ok, None),
            finding("disk", Verdict::Fail, Some("make room")),
            finding("cores", Verdict::Warn, Some("set shards = 0")),
        ]))
    }
}

/// What is told of the server.
#[derive(Default)]
struct Around {
    pulse: Mutex<Pulse>,
    health: Mutex<Vec<Part>>,
}

impl Surroundings for Around {
    fn pulse(&self) -> Pulse {
        self.pulse.lock().unwrap().clone()
    }
    fn health(&self) -> Pending<'_, Vec<Part>> {
        let parts = self.health.lock().unwrap().clone();
        Box::pin(std::future::ready(parts))
    }
    fn audit_line(&self, entry: &AuditEntry) -> String {
        format!("{} {} {}", entry.sequence, entry.draft.action, entry.draft.subject)
    }
}

/// A server without sockets, with one project and a console.
struct Place {
    console: Console,
    node: Arc<Node>,
    project: ProjectId,
    /// A viewer, an editor and an owner.
    people: Vec<SignedIn>,
    clock: Arc<HandClock>,
    entropy: Arc<Counting>,
    /// What was called, and what calls are answered.
    outbound: Arc<RecordingOutbound>,
    around: Arc<Around>,
    store: Arc<MemoryStore>,
}

/// An answer.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: HeaderMap,
    text: String,
}

/// A signed-in browser: its cookie, and the token of its forms.
#[derive(Clone)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl Place {
    async fn open() -> Self {
        let (entropy, clock) = (Arc::new(Counting::default()), Arc::new(HandClock::default()));
        let outbound = Arc::new(RecordingOutbound::default());
        let store = Arc::new(MemoryStore::default());
        let parts = NodeParts {
            store: store.clone(),
            master_key: MasterKey::generate(entropy.as_ref()),
            clock: clock.clone(),
            entropy: entropy.clone(),
            hook: Arc::new(NoHook),
            outbound: outbound.clone(),
            formats: Vec::new(),
            shards: 1,
        };
        let (node, shards) = start(parts).await.unwrap();
        for parts in shards {
            let (mut shard, mut requests) = (parts.shard, parts.requests);
            std::thread::spawn(move || {
                while let Some(request) = requests.blocking_recv() {
                    shard.request(request, &mut NoConnections);
                }
            });
        }
        let (project, _) = node.create_project(&Caller::Operator, "first").await.unwrap();
        let settings =
            ConsoleSettings { hosts: Vec::new(), idle_ms: IDLE_MS, session_ms: SESSION_MS, tls: false, instance: 7 };
        let around = Arc::new(Around::default());
        let parts = ConsoleParts {
            node: node.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            premises: Arc::new(Told),
            surroundings: around.clone(),
            settings,
        };
        let people = people(&node).await;
        Self {
            console: Console::new(parts),
            node,
            project: project.id,
            people,
            clock,
            entropy,
            outbound,
            around,
            store,
        }
    }

    /// A session of the operator with this role.
    fn sign_in(&self, role: Role) -> Browser {
        let place = Role::ALL.iter().position(|one| *one == role).unwrap();
        let (drawn, csrf) = (Drawn::new(self.entropy.as_ref()), Drawn::new(self.entropy.as_ref()).into_value());
        let now = self.clock.monotonic();
        let session = Session {
            signed_in: self.people[place],
            begun: now,
            begun_at: self.clock.unix(),
            used: now,
            confirmed: now,
            address: None,
            user_agent: String::new(),
            csrf: csrf.clone(),
        };
        let cookie = drawn.header().to_str().unwrap().split(';').next().unwrap().to_owned();
        self.console.house().sessions().begin(drawn.name(), session, now);
        Browser { cookie, csrf }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        let mut request = Request::builder().method(method).uri(path).header("host", "gate.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
    }

    async fn ask<B: Body<Data = Bytes, Error = Infallible> + Unpin>(&self, request: Request<B>) -> Seen {
        let (parts, body) = self.console.answer(request).await.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Seen { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn get(&self, browser: &Browser, path: &str) -> Seen {
        self.send("GET", path, &[("cookie", &browser.cookie), ("sec-fetch-site", "same-origin")], "").await
    }

    /// A form, as a page of ours sends it.
    async fn post(&self, browser: &Browser, path: &str, fields: &str) -> Seen {
        let headers = [
            ("cookie", browser.cookie.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send("POST", path, &headers, &format!("_csrf={}&{fields}", browser.csrf)).await
    }

    fn at(&self, below: &str) -> String {
        format!("/console/p/{}{below}", self.project)
    }
}

const PASSWORD: &str = "four words of no use";

/// An operator of each role, named after it.
async fn people(node: &Node) -> Vec<SignedIn> {
    let mut people = Vec::new();
    for role in Role::ALL {
        let new = NewOperator { name: role.word().to_owned(), role };
        let (_, link) = node.invite_operator(&Caller::Operator, new).await.unwrap();
        let secret = |text: &str| PresentedSecret::new(text.to_owned());
        people.push(node.accept_invitation(&secret(&link.expose()), None, &secret(PASSWORD)).await.unwrap());
    }
    people
}

impl Seen {
    fn location(&self) -> &str {
        self.headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
