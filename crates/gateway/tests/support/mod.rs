//! A gateway for tests and the echo example: a node on a store in memory, a dialect that echoes, a service that answers.
//!
//! Paths: `/echo` upgrades (`?first=WORD`: the dialect begins with that word), and `/spoken` with the subprotocol `echo.v1`; `/events` is an event stream (see `events`); `/` answers; `/who` answers with the client's address; `/panic`, `/slow` and `/read` misbehave in ways a handler can.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub, missing_debug_implementations)]

mod events;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::{Notice, Reply};
use tollgate_core::credentials::MasterKey;
use tollgate_core::delivery::{Delivery, Encoder};
use tollgate_core::peer::ClientAddress;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::{CloseReason, Result};
use tollgate_gateway::{
    Arrival, Door, ErrorForm, Gateway, Limits, Listeners, Opening, Proxies, Refused, Setup, Transport, frame,
};
use tollgate_node::{FormatIndex, NodeParts, WireFormat};
use tollgate_protocol::{Dialect, Effect, Frame, RequestNumber};
use tower_service::Service;

/// The real clock.
pub struct SystemClock(std::time::Instant);

#[allow(clippy::disallowed_methods)] // Tests of sockets run in real time.
impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(std::time::Instant::now())
    }
}

#[allow(clippy::disallowed_methods)] // As above.
impl Clock for SystemClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.elapsed().as_millis() as u64)
    }

    fn unix(&self) -> UnixMillis {
        UnixMillis(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64)
    }
}

/// The real clock, whose reader is held up once before it can use what it read.
#[derive(Default)]
pub struct HeldUp {
    clock: SystemClock,
    /// What happens meanwhile.
    pub meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Clock for HeldUp {
    fn monotonic(&self) -> Monotonic {
        let now = self.clock.monotonic();
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        now
    }

    fn unix(&self) -> UnixMillis {
        self.clock.unix()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

/// Sends back what it gets. Some words make it misbehave: `panic!`, and `flood N`, which sends N KiB at once.
/// `later` is echoed 10 ms late, as a heartbeat's acknowledgement is. It begins with a word if it has one; `panic!` and `close` are what they say.
#[derive(Default)]
pub struct Echo {
    first: Option<String>,
    later: Option<Monotonic>,
}

impl Dialect for Echo {
    fn open(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        match self.first.take().as_deref() {
            Some("close") => self.close(now, CloseReason::Draining, effects),
            Some(word) => self.receive(now, Frame::Text(word), effects),
            None => {}
        }
    }

    fn receive(&mut self, now: Monotonic, frame: Frame<'_>, effects: &mut Vec<Effect>) {
        match frame {
            Frame::Text("panic!") => panic!("a client said panic"),
            Frame::Text("later") => self.later = Some(now.plus(10)),
            Frame::Text(text) => {
                if let Some(kib) = text.strip_prefix("flood ").and_then(|kib| kib.parse::<usize>().ok()) {
                    let block = Bytes::from(vec![b'x'; 1024]);
                    effects.extend((0..kib).map(|_| Effect::Send(block.clone())));
                } else {
                    effects.push(Effect::Send(Bytes::copy_from_slice(text.as_bytes())));
                }
            }
            Frame::Binary(bytes) => effects.push(Effect::SendBinary(Bytes::copy_from_slice(bytes))),
        }
    }

    fn answer(&mut self, _now: Monotonic, _number: RequestNumber, _result: Result<Reply>, _effects: &mut Vec<Effect>) {}

    fn notify(&mut self, _now: Monotonic, _notice: Notice, _effects: &mut Vec<Effect>) {}

    fn wake(&mut self, _now: Monotonic, effects: &mut Vec<Effect>) {
        self.later = None;
        effects.push(Effect::Send(Bytes::from_static(b"later")));
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.later
    }

    fn close(&mut self, _now: Monotonic, reason: CloseReason, effects: &mut Vec<Effect>) {
        if self.later.take().is_some() {
            effects.push(Effect::Send(Bytes::from_static(b"later")));
        }
        let code = match reason {
            CloseReason::Draining => 1012,
            CloseReason::SlowConsumer => 4000,
            CloseReason::RateLimited => 1008,
            _ => 1011,
        };
        effects.push(Effect::Close { code, text: reason.word().to_owned(), reason });
    }
}

struct Nothing;

impl Encoder for Nothing {
    fn encode(&self, _delivery: &Delivery, _out: &mut Vec<u8>) -> bool {
        false
    }
}

fn open(transport: Transport, first: Option<String>) -> Door {
    let errors = ErrorForm::Envelope;
    let dialect = Box::new(Echo { first, later: None });
    Door::Open(Opening { dialect, format: FormatIndex(0), transport, errors })
}

fn knock(head: &Parts) -> Door {
    match (head.uri.path(), head.uri.query()) {
        ("/echo", Some("encoding=etf")) => {
            let text = "Only JSON is spoken here.".to_owned();
            let errors = ErrorForm::Envelope;
            Door::Refused(Refused { status: StatusCode::BAD_REQUEST, code: "invalid_input", text, errors })
        }
        ("/echo", query) => open(
            Transport::WebSocket { subprotocol: None },
            query.and_then(|query| query.strip_prefix("first=")).map(|word| word.replace("%20", " ")),
        ),
        ("/events", _) => events::knock(head),
        ("/spoken", _) => open(Transport::WebSocket { subprotocol: Some("echo.v1") }, None),
        _ => Door::Elsewhere,
    }
}

/// A service that knows nothing of the gateway: it finds the address in the extensions.
#[derive(Clone)]
struct Extended(Router);

impl Service<Arrival> for Extended {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = axum::routing::future::RouteFuture<Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        // axum's always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (client, mut request): Arrival) -> Self::Future {
        request.extensions_mut().insert(client);
        self.0.call(request)
    }
}

fn service() -> Extended {
    async fn panics() -> &'static str {
        panic!("a handler panicked")
    }
    async fn slow() -> &'static str {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        "never"
    }
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/who", get(|client: axum::Extension<ClientAddress>| async move { client.0.0.to_string() }))
        .route("/panic", get(panics))
        .route("/slow", get(slow))
        .route("/read", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] }));
    Extended(router)
}

fn formats() -> Vec<WireFormat> {
    let websocket = WireFormat {
        name: "none",
        encoder: Arc::new(Nothing),
        frame: frame::encode_text,
        frame_bytes: frame::frame_bytes,
    };
    let events = WireFormat {
        name: "events",
        encoder: Arc::new(Nothing),
        frame: tollgate_gateway::events::frame,
        frame_bytes: tollgate_gateway::events::frame_bytes,
    };
    vec![websocket, events]
}

/// Starts a gateway on `address`. `certificate` is a PEM chain and its key.
pub fn start(address: SocketAddr, shards: usize, limits: Limits, certificate: Option<(&str, &str)>) -> Gateway {
    start_with(Arc::new(SystemClock::default()), Proxies::default(), address, shards, limits, certificate)
}

/// The same by this clock, behind these proxies.
pub fn start_with(
    clock: Arc<dyn Clock>,
    proxies: Proxies,
    address: SocketAddr,
    shards: usize,
    limits: Limits,
    certificate: Option<(&str, &str)>,
) -> Gateway {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let parts = NodeParts {
        store: Arc::new(MemoryStore::default()),
        master_key: MasterKey::generate(&*entropy),
        clock: Arc::clone(&clock),
        entropy,
        hook: Arc::new(NoHook),
        outbound: Arc::new(NoOutbound),
        formats: formats(),
        shards,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (node, shards) = runtime.block_on(tollgate_node::start(parts)).unwrap();
    let listeners = Listeners::bind(address, shards.len(), limits.backlog).unwrap();
    let tls = certificate.map(|(chain, key)| {
        let certificates = Arc::<tollgate_gateway::tls::Certificates>::default();
        certificates.show(&tollgate_gateway::tls::Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap());
        tollgate_gateway::tls::server_config(certificates, false)
    });
    let doors = Arc::new(knock);
    Gateway::start(Setup { listeners, tls, limits, clock, node, shards, service: service(), doors, proxies }).unwrap()
}
