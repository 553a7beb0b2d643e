//! Serving, from the settings to the last byte: build everything, run until asked to stop, drain, close. Start-up and shutdown read as lists
//! here; what each part does is its own.

mod doors;
mod front;
mod own;
mod parts;
mod premises;
mod signals;
mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy};
use tollgate_gateway::{Gateway, Setup};
use tollgate_node::{Node, NodeParts};
use tollgate_store_sqlite::SqliteStore;

use crate::Failure;
use crate::admin::{self, Request};
use crate::announce::{self, Ready};
use crate::backup::Backups;
use crate::certificate::{self, Certificate, Prepared};
use crate::config::{Config, Secret, Shown};
use crate::control::Listening;
use crate::data_dir::{self, DataDir};
use crate::machine::{self, SystemClock, SystemEntropy};
use crate::metrics::{Operators, Sources};
use crate::opened::Opened;
use crate::pulse::Vitals;
use crate::telemetry;
use crate::totals::Totals;
use crate::traces::Traces;
use front::Front;
use own::OwnAddresses;
pub(crate) use parts::check_files;
use premises::ThisServer;
use signals::{Asked, Signals};

/// The name of the project that a new data folder starts with.
const FIRST_PROJECT: &str = "default";
/// How often the shards are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Serves until a signal asks to stop. `settings` are those that `config` was made of, to be shown.
pub(crate) fn serve(config: Config, settings: Vec<Shown>, announce_json: bool) -> Result<(), Failure> {
    telemetry::start(&config.log);
    machine::forbid_core_dumps();
    machine::raise_descriptor_limit();
    // Before anything speaks TLS: with no provider chosen the first handshake would panic.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err("a provider of cryptography was chosen twice; this is a defect".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&Arc::new(config), settings, announce_json))
}

async fn run(config: &Arc<Config>, settings: Vec<Shown>, announce_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
    // Everything that can be refused comes before the first record is made, so that a first start that fails can be repeated.
    let folder = DataDir::take_or_create(&config.data_dir)?;
    let prepared = config.tls.as_ref().map(|tls| certificate::prepare(tls, &folder, Arc::clone(&clock)));
    let (tls, certificate, renewal) = match prepared.transpose()? {
        Some(Prepared { config, certificate, upkeep }) => (Some(config), Some(certificate), Some(upkeep)),
        None => (None, None, None),
    };
    let limits = parts::limits(config);
    let listeners = parts::listen(config.listen, config.shards, &limits)?;
    let address = listeners.address();
    let hook = parts::hook(config.hook.as_ref(), &clock)?;
    let outbound = parts::outbound(&config.outbound, &clock)?;
    let outbound_counters = outbound.counters();
    let traces = parts::traces(config, &clock, &entropy)?;
    let own = OwnAddresses::take(config).await?;
    let (metrics, own_console) = (own.metrics()?, own.console()?);
    let Opened { folder, store, master_key } = Opened::open(config, folder, entropy.as_ref()).await?;
    store.measure_by(Arc::clone(&clock));

    let node_parts = NodeParts {
        store: store.clone(),
        master_key,
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        hook: hook.port,
        outbound: Arc::new(outbound),
        formats: doors::formats(),
        shards: config.shards,
    };
    let (node, shards) = parts::start(node_parts, config, &folder).await?;
    let (project, key) = first_project(&node).await?;
    let leap = Arc::new(parts::leap(config));
    let service = parts::router(config, &node, entropy.as_ref(), traces.clone());
    let native = Arc::new(parts::native(config));
    let doors = Arc::new(doors::doors(Arc::clone(&leap), Arc::clone(&native)));
    let (node_of_gateway, proxies, router) = (Arc::clone(&node), config.proxies.clone(), service.clone());
    let premises = ThisServer::new(config, settings, address, (metrics, own_console), node.now());
    let vitals = Arc::new(Vitals::new(&node, &store, &clock, folder.database()));
    let console = parts::console(config, &node, &clock, &entropy, &vitals, Arc::new(premises));
    let service = Front { router: service, console: console.clone().filter(|_| own_console.is_none()) };
    let backups = Arc::new(Backups::new(Arc::clone(&store), Arc::clone(&clock)));
    let setup =
        Setup { listeners, tls: tls.clone(), limits, clock, node: node_of_gateway, shards, service, doors, proxies };
    let gateway = Gateway::start(setup)?;
    vitals.serves(gateway.occupancy());
    let totals = Arc::new(Totals {
        node: Arc::clone(&node),
        gateway: Arc::clone(gateway.counters()),
        leap,
        native,
        hook: hook.counters,
        outbound: outbound_counters,
    });
    let sources = Arc::new(Sources {
        totals: Arc::clone(&totals),
        router,
        console: console.clone(),
        store: Arc::clone(&store),
        occupancy: gateway.occupancy(),
        certificate: certificate.clone(),
        database: folder.database(),
        started: node.now(),
    });
    let draining = Arc::new(AtomicBool::new(false));
    let origin =
        config.console.as_ref().map(|_| announce::origin(own_console.unwrap_or(address), config.tls.is_some()));
    let mut tasks = tend(&node, &backups, &folder, (&sources, address, own_console), vitals, origin)?;
    tasks.spawn(renewal.unwrap_or_else(|| Box::pin(std::future::pending())));
    let operators = Operators { sources, draining: Arc::clone(&draining) };
    own.serve(&mut tasks, operators, console, tls);
    let (key, tls) = (key.as_ref().map(Secret::expose), config.tls.is_some());
    let ready = Ready { listen: address, tls, metrics, project: &project, key, console: own_console, invitation: None };
    announce(config, &node, ready, announce_json).await?;
    tracing::info!(listen = %address, shards = config.shards, data_dir = %folder.path().display(), "serving");

    let outcome = until_asked(&mut signals, &gateway, &mut tasks, certificate.as_deref()).await;
    draining.store(true, Ordering::Relaxed);
    drain(gateway, &mut signals).await;
    tasks.shutdown().await;
    keep(&node, traces).await;
    let line = totals.line();
    drop(totals);
    drop(node);
    close(&store).await;
    backups.end();
    tracing::info!(totals = line, "stopped");
    // Last of all: whoever gets the folder now finds it whole.
    drop(folder);
    outcome
}

async fn close(store: &SqliteStore) {
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store did not close in order; nothing acknowledged is lost");
    }
}

/// What was only in memory until now.
async fn keep(node: &Node, traces: Option<Arc<Traces>>) {
    if let Some(traces) = traces {
        // Off this thread, which carries the calls meanwhile.
        let _ = tokio::task::spawn_blocking(move || traces.flush()).await;
    }
    node.keep_key_uses().await;
    node.keep_moments().await;
    node.keep_usage().await;
}

/// Says that the server is ready, and where its first owner comes in: as long as there is none, each start has another link.
async fn announce(config: &Config, node: &Node, ready: Ready<'_>, as_json: bool) -> Result<(), Failure> {
    let invitation = match config.console {
        Some(_) => node.invite_first().await?.map(|code| code.expose()),
        None => None,
    };
    let ready = Ready { invitation: invitation.as_ref().map(|code| code.as_str()), ..ready };
    if let Err(error) = announce::out(&if as_json { ready.json() } else { ready.human() }) {
        tracing::warn!(%error, "nobody reads the standard output");
    }
    Ok(())
}

/// Starts what goes on beside the connections: the node's upkeep, and the control socket.
fn tend(
    node: &Arc<Node>,
    backups: &Arc<Backups>,
    folder: &DataDir,
    (sources, listen, console): (&Arc<Sources>, SocketAddr, Option<SocketAddr>),
    vitals: Arc<Vitals>,
    origin: Option<String>,
) -> Result<JoinSet<()>, Failure> {
    let control = Listening::at(&data_dir::control_socket(folder.path()))
        .map_err(|error| format!("the control socket in {} cannot be made: {error}", folder.path().display()))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(node).upkeep());
    tasks.spawn(Arc::clone(node).issuers_upkeep());
    tasks.spawn(Arc::clone(&vitals).keep());
    let (node, backups, sources) = (Arc::clone(node), Arc::clone(backups), Arc::clone(sources));
    tasks.spawn(control.serve(Arc::new(move |request| match request {
        Request::BackUp { file } => Box::pin(std::future::ready(backups.begin(&file))),
        Request::LookAtBackup { file } => Box::pin(std::future::ready(backups.look(&file))),
        // Only the server knows what all of its parts have counted.
        Request::Metrics {} => Box::pin(std::future::ready(admin::Answer::Metrics(sources.text()))),
        Request::About {} => {
            let certificate = sources.certificate.as_ref();
            let (tls, certificate) = (certificate.is_some(), certificate.and_then(|one| one.good()));
            let serving = admin::Serving { listen, console, tls, certificate };
            Box::pin(std::future::ready(admin::about(Some(serving))))
        }
        Request::Pulse {} => {
            let vitals = Arc::clone(&vitals);
            Box::pin(async move { vitals.told().await })
        }
        other => {
            let (node, origin) = (Arc::clone(&node), origin.clone());
            Box::pin(async move { admin::perform(&node, other, origin.as_deref()).await })
        }
    })));
    Ok(tasks)
}

/// Waits until a signal asks to stop, or a part that should run for ever has ended.
async fn until_asked(
    signals: &mut Signals,
    gateway: &Gateway,
    tasks: &mut JoinSet<()>,
    certificate: Option<&Certificate>,
) -> Result<(), Failure> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            asked = signals.next() => match (asked, certificate) {
                (Asked::Stop(signal), _) => {
                    tracing::info!(signal, connections = gateway.connections(), "asked to stop; draining");
                    return Ok(());
                }
                (Asked::Look, Some(certificate)) => certificate.look(),
                (Asked::Look, None) => tracing::info!("SIGHUP: without TLS there is nothing to read again"),
            },
            // Started again, the server is whole; going on, it would leave some clients without an answer.
            Some(_) = tasks.join_next() => return Err("a task of the server ended by itself; see the log".into()),
            _ = looks.tick() => if gateway.has_lost_a_shard() {
                return Err("a shard ended by itself; see the log".into());
            }
        }
    }
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
        signal = signals.stop() => {
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
