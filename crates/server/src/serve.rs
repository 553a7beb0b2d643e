//! Serving, from the settings to the last byte: build everything, run until asked to stop, drain, close. Start-up and shutdown read as lists
//! here; what each part does is its own.

mod doors;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tollgate_api::ApiConfig;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy};
use tollgate_core::ports::hook::{AccessHook, NoHook};
use tollgate_gateway::{Gateway, Limits, Listeners, Setup};
use tollgate_node::{Node, NodeParts, ShardParts};
use tollgate_protocol_leap::{LeapConfig, LeapCounters};

use crate::Failure;
use crate::admin;
use crate::announce::{self, Ready};
use crate::config::{Config, HookSecret, HookSettings, Secret, TlsFiles};
use crate::control::Listening;
use crate::data_dir::{self, DataDir};
use crate::hook::{HookParts, HttpHook};
use crate::machine::{self, SystemClock, SystemEntropy};
use crate::opened::Opened;
use crate::secret_file;
use crate::telemetry;
use signals::Signals;

/// The name of the project that a new data folder starts with.
const FIRST_PROJECT: &str = "default";

/// Serves until a signal asks to stop.
pub(crate) fn serve(config: &Config, announce_json: bool) -> Result<(), Failure> {
    telemetry::start(&config.log);
    machine::forbid_core_dumps();
    machine::raise_descriptor_limit();
    // Before anything speaks TLS: with no provider chosen the first handshake would panic.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err("a provider of cryptography was chosen twice; this is a defect".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, announce_json))
}

async fn run(config: &Config, announce_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
    // Everything that can be refused comes before the first record is made, so that a first start that fails can be repeated.
    let folder = DataDir::take_or_create(&config.data_dir)?;
    let tls = config.tls.as_ref().map(server_tls).transpose()?;
    let limits = limits(config);
    let listeners = listen(config.listen, config.shards, &limits)?;
    let address = listeners.address();
    let hook = hook(config.hook.as_ref(), &clock)?;
    let Opened { store, master_key, folder } = Opened::open(config, folder, entropy.as_ref())?;

    let parts = NodeParts {
        store: store.clone(),
        master_key,
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        hook,
        formats: doors::formats(),
        shards: config.shards,
    };
    let (node, shards) = tollgate_node::start(parts).await?;
    let (project, key) = first_project(&node).await?;
    let gateway = start_gateway(Parts {
        config,
        limits,
        listeners,
        tls,
        clock,
        entropy: entropy.as_ref(),
        node: Arc::clone(&node),
        shards,
    })?;

    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&node).upkeep());
    let control = Listening::at(&data_dir::control_socket(folder.path()));
    let control = control
        .map_err(|error| format!("the control socket in {} cannot be made: {error}", folder.path().display()))?;
    let performer = Arc::clone(&node);
    tasks.spawn(control.serve(Arc::new(move |request| {
        let node = Arc::clone(&performer);
        Box::pin(async move { admin::perform(&node, request).await })
    })));

    let ready =
        Ready { listen: address, tls: config.tls.is_some(), project: &project, key: key.as_ref().map(Secret::expose) };
    if let Err(error) = announce::out(&if announce_json { ready.json() } else { ready.human() }) {
        tracing::warn!(%error, "nobody reads the standard output");
    }
    tracing::info!(listen = %address, shards = config.shards, data_dir = %folder.path().display(), "serving");

    let outcome = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, connections = gateway.connections(), "asked to stop; draining");
            Ok(())
        }
        // These run until they are dropped; the end of one is a panic that has been reported.
        Some(_) = tasks.join_next() => Err("a task of the server ended by itself; see the log".into()),
    };
    drain(gateway, &mut signals).await;
    tasks.shutdown().await;
    node.keep_key_uses().await;
    drop(node);
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store did not close in order; nothing acknowledged is lost");
    }
    tracing::info!("stopped");
    // Last of all: whoever gets the folder now finds it whole.
    drop(folder);
    outcome
}

/// Ends all connections in order, within the drain's deadline. A second signal ends everything at once.
async fn drain(gateway: Gateway, signals: &mut Signals) {
    gateway.drain();
    let joined = tokio::task::spawn_blocking(move || gateway.join());
    tokio::select! {
        joined = joined => match joined {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a shard failed"),
            Err(error) => tracing::error!(%error, "the gateway could not be waited for"),
        },
        signal = signals.next() => {
            tracing::warn!(signal, "asked to stop a second time; ending at once");
            // What was acknowledged is on disk already.
            std::process::exit(1);
        }
    }
}

/// The project to announce, and its key when this is the first start.
async fn first_project(node: &Node) -> Result<(String, Option<Secret>), Failure> {
    if node.is_new() {
        let (project, key) = node.create_project(&Caller::Operator, FIRST_PROJECT).await?;
        return Ok((project.id.to_string(), Some(Secret::new(&key.expose()))));
    }
    let projects = node.projects(&Caller::Operator)?;
    let first = projects.first().ok_or("the store has no project although it is not new; this is a defect")?;
    Ok((first.id.to_string(), None))
}

/// What the gateway needs.
struct Parts<'a> {
    config: &'a Config,
    limits: Limits,
    listeners: Listeners,
    tls: Option<Arc<rustls::ServerConfig>>,
    clock: Arc<dyn Clock>,
    entropy: &'a dyn Entropy,
    node: Arc<Node>,
    shards: Vec<ShardParts>,
}

fn start_gateway(parts: Parts<'_>) -> Result<Gateway, Failure> {
    let Parts { config, limits, listeners, tls, clock, entropy, node, shards } = parts;
    let mut instance = [0; 4];
    entropy.fill(&mut instance);
    let api = ApiConfig {
        body_bytes_max: config.limits.body_bytes_max,
        instance: u32::from_be_bytes(instance),
        ..ApiConfig::default()
    };
    let service = tollgate_api::router(Arc::clone(&node), api);
    let leap = Arc::new(LeapConfig {
        heartbeat_interval_ms: config.leap.heartbeat_interval_ms,
        ack_delay_ms: config.leap.ack_delay_ms,
        identify_timeout_ms: config.leap.identify_timeout_ms,
        idle_grace_ms: config.leap.idle_grace_ms,
        move_to: config.leap.move_to.clone(),
        counters: LeapCounters::default(),
    });
    let doors = Arc::new(doors::doors(leap));
    Ok(Gateway::start(Setup { listeners, tls, limits, clock, node, shards, service, doors })?)
}

fn limits(config: &Config) -> Limits {
    let mut limits = Limits {
        connections_max: config.limits.connections_max,
        connections_per_address_max: config.limits.connections_per_address_max,
        loopback_counts: false,
        messages_burst: config.limits.messages_burst,
        messages_per_second: config.limits.messages_per_second,
        drain_spread_ms: config.drain_spread_ms,
        drain_deadline_ms: config.drain_deadline_ms,
        ..Limits::default()
    };
    limits.frames.message_bytes_max = config.limits.message_bytes_max;
    limits
}

fn listen(address: SocketAddr, shards: usize, limits: &Limits) -> Result<Listeners, Failure> {
    Listeners::bind(address, shards, limits.backlog).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another program listens there; stop it, or choose another port with --listen"
            }
            std::io::ErrorKind::PermissionDenied => ": ports below 1024 need a privilege; choose another with --listen",
            std::io::ErrorKind::AddrNotAvailable => ": no network interface of this machine has the address",
            _ => "",
        };
        format!("cannot listen on {address}: {error}{hint}").into()
    })
}

fn server_tls(files: &TlsFiles) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let TlsFiles { certificate, key } = files;
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    let (certificate_pem, key_pem) = (read(certificate)?, zeroize::Zeroizing::new(read(key)?));
    tollgate_gateway::tls::server_config(&certificate_pem, &key_pem).map_err(|error| {
        format!("tls.certificate = {}, tls.key = {}: {error}", certificate.display(), key.display()).into()
    })
}

fn hook(settings: Option<&HookSettings>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn AccessHook>, Failure> {
    let Some(HookSettings { url, secret, timeout }) = settings else { return Ok(Arc::new(NoHook)) };
    let secret = match secret {
        HookSecret::Text(text) => text.clone(),
        HookSecret::File(path) => {
            let text = secret_file::read(path)?;
            if text.is_empty() {
                return Err(format!("access_hook.secret_file: {} is empty", path.display()).into());
            }
            Secret::new(&text)
        }
    };
    let parts = HookParts { url: url.clone(), secret, timeout: *timeout };
    Ok(Arc::new(HttpHook::start(parts, Arc::clone(clock))?))
}
