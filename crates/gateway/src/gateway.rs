//! The gateway as a whole: one thread per shard, from the first accept to the end of the drain.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use http::Response;
use hyper::body::Body;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tollgate_core::clock::Clock;
use tollgate_node::{Node, ShardParts};
use tower_service::Service;

use crate::accept::{Entrance, Tls};
use crate::admission::{Admission, Occupancy};
use crate::bind::Listeners;
use crate::counters::Counters;
use crate::door::Doors;
use crate::forwarded::Proxies;
use crate::http1::Http;
use crate::limits::Limits;
use crate::requests::Arrival;
use crate::shard::{Engine, Inboxes, run};

/// What a gateway is made of.
pub struct Setup<S> {
    /// One listener per shard.
    pub listeners: Listeners,
    /// TLS, from [`crate::tls::server_config`]; plain without.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    /// Carries out what clients ask for.
    pub node: Arc<Node>,
    /// The shards of that node, as many as listeners.
    pub shards: Vec<ShardParts>,
    /// Answers every request that no door takes. Cloned for each request; an `axum::Router` fits.
    pub service: S,
    pub doors: Arc<dyn Doors>,
    /// Who may say for whom it asks.
    pub proxies: Proxies,
}

impl<S> std::fmt::Debug for Setup<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Setup({} shards on {})", self.shards.len(), self.listeners.address())
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    counters: Arc<Counters>,
    admission: Arc<Admission>,
    drain: watch::Sender<bool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Gateway {
    /// Starts a thread for each shard. Connections are accepted from now on.
    ///
    /// # Errors
    /// When there are not as many listeners as shards, or a thread cannot be made.
    pub fn start<S, B>(setup: Setup<S>) -> io::Result<Self>
    where
        S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: 'static,
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Setup { listeners, tls, mut limits, clock, node, shards, service, doors, proxies } = setup;
        let address = listeners.address();
        if listeners.sockets.len() != shards.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "as many listeners as shards must be bound"));
        }
        if let Some(allowed) = limits.fit_descriptors() {
            tracing::info!(connections_max = limits.connections_max, descriptors = allowed, "connections are limited");
        }
        let counters = Arc::new(Counters::default());
        let admission = Arc::new(Admission::new(&limits));
        let limits = Arc::new(limits);
        let (drain, draining) = watch::channel(false);
        let mut threads = Vec::with_capacity(shards.len());
        for (socket, parts) in listeners.sockets.into_iter().zip(shards) {
            let thread = ShardThread {
                socket,
                parts,
                tls: tls.clone(),
                service: service.clone(),
                doors: Arc::clone(&doors),
                proxies: proxies.clone(),
                node: Arc::clone(&node),
                clock: Arc::clone(&clock),
                limits: Arc::clone(&limits),
                counters: Arc::clone(&counters),
                admission: Arc::clone(&admission),
                draining: draining.clone(),
            };
            let name = format!("shard-{}", thread.parts.index.0);
            threads.push(std::thread::Builder::new().name(name).spawn(move || thread.run())?);
        }
        Ok(Gateway { address, counters, admission, drain, threads })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Connections that are open now, in any phase.
    pub fn connections(&self) -> usize {
        self.admission.connections()
    }

    /// How full it is, for somebody who outlives it.
    pub fn occupancy(&self) -> Occupancy {
        Occupancy(Arc::clone(&self.admission))
    }

    /// Whether a shard has ended, which before [`Gateway::drain`] only a panic can cause.
    pub fn has_lost_a_shard(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops accepting and begins to tell connections to come back elsewhere, spread over [`Limits::drain_spread_ms`].
    pub fn drain(&self) {
        self.drain.send_replace(true);
    }

    /// Waits until every shard has ended; after [`Gateway::drain`] that is within [`Limits::drain_deadline_ms`]. Blocks the thread.
    ///
    /// # Errors
    /// When a shard could not start or ended by a panic.
    pub fn join(self) -> io::Result<()> {
        let mut ended = Ok(());
        for thread in self.threads {
            let shard = thread.join().unwrap_or_else(|_| Err(io::Error::other("a shard ended in a panic")));
            ended = ended.and(shard);
        }
        ended
    }
}

/// Everything that one shard's thread starts with.
struct ShardThread<S> {
    socket: std::net::TcpListener,
    parts: ShardParts,
    tls: Option<Arc<rustls::ServerConfig>>,
    service: S,
    doors: Arc<dyn Doors>,
    proxies: Proxies,
    node: Arc<Node>,
    clock: Arc<dyn Clock>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    admission: Arc<Admission>,
    draining: watch::Receiver<bool>,
}

impl<S, B> ShardThread<S>
where
    S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        let ended = runtime.block_on(local.run_until(self.serve()));
        // Whatever is left, above all idle keep-alive connections, ends here.
        drop(local);
        ended
    }

    async fn serve(self) -> io::Result<()> {
        let ShardParts { shard, requests, peers, .. } = self.parts;
        let (limits, counters) = (Arc::clone(&self.limits), Arc::clone(&self.counters));
        let engine = Engine::new(shard, Inboxes { requests, peers }, self.node, self.clock, limits, counters);
        let handshakes = self.limits.tls_handshakes_per_shard_max;
        let draining = self.draining.clone();
        let http = Http::new(self.service, self.doors, self.limits, self.counters, self.proxies, draining);
        let entrance = Rc::new(Entrance {
            admission: Arc::clone(&self.admission),
            tls: self
                .tls
                .map(|config| Tls { acceptor: TlsAcceptor::from(config), handshakes: Semaphore::new(handshakes) }),
            http: Rc::new(http),
            engine: Rc::clone(&engine),
        });
        let listener = TcpListener::from_std(self.socket)?;
        let accepting = tokio::task::spawn_local(entrance.accept(listener, self.draining.clone()));
        // A task like any other: what is awaited here itself is polled at every turn of the thread, whatever it waits for.
        let ended = tokio::task::spawn_local(run(engine, self.draining, self.admission)).await;
        accepting.abort();
        ended.map_err(io::Error::other)
    }
}
