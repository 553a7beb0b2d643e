//! The parts of a server made from its settings, each with an error that says what to do. Putting them together is [`super`]'s.

use std::net::SocketAddr;
use std::sync::Arc;

use tollgate_api::ApiConfig;
use tollgate_console::{Console, ConsoleParts, Premises, Surroundings};
use tollgate_core::clock::{Clock, Entropy};
use tollgate_core::ports::hook::{AccessHook, NoHook};
use tollgate_core::ports::outbound::OutboundRules;
use tollgate_core::ports::trace::Tracer;
use tollgate_gateway::{Limits, Listeners};
use tollgate_node::{Node, NodeParts, ShardParts};
use tollgate_protocol_leap::{LeapConfig, LeapCounters};
use tollgate_protocol_native::NativeConfig;

use crate::Failure;
use crate::certificate;
use crate::config::{Config, HookSecret, HookSettings, Secret};
use crate::data_dir::DataDir;
use crate::hook::{HookCounters, HookParts, HttpHook};
use crate::machine;
use crate::outbound::{Bounds, HttpOutbound, OutboundParts, Trust, system_resolver};
use crate::pulse::Vitals;
use crate::secret_file;
use crate::traces::Traces;

/// What clients may take from the network.
pub(super) fn limits(config: &Config) -> Limits {
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

/// Binds the address, or says what stands against it.
pub(super) fn listen(address: SocketAddr, shards: usize, limits: &Limits) -> Result<Listeners, Failure> {
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

/// The access hook, and where it counts.
pub(super) struct Hook {
    pub(super) port: Arc<dyn AccessHook>,
    /// Without a hook there is nothing to count.
    pub(super) counters: Option<Arc<HookCounters>>,
}

/// The hook that the settings describe; without them, the one that lets nobody in.
pub(super) fn hook(settings: Option<&HookSettings>, clock: &Arc<dyn Clock>) -> Result<Hook, Failure> {
    let Some(HookSettings { url, secret, timeout }) = settings else {
        return Ok(Hook { port: Arc::new(NoHook), counters: None });
    };
    let parts = HookParts { url: url.clone(), secret: hook_secret(secret)?, timeout: *timeout };
    let hook = HttpHook::start(parts, Arc::clone(clock))?;
    let counters = Some(hook.counters());
    Ok(Hook { port: Arc::new(hook), counters })
}

/// What calls the addresses that customers name.
pub(super) fn outbound(rules: &OutboundRules, clock: &Arc<dyn Clock>) -> Result<HttpOutbound, Failure> {
    let started = HttpOutbound::start(OutboundParts {
        name: "outbound",
        rules: rules.clone(),
        bounds: Bounds::SHARED,
        trust: Trust::system(),
        resolve: system_resolver(),
        clock: Arc::clone(clock),
    });
    started.map_err(|error| format!("the thread that calls out cannot be started: {error}").into())
}

fn hook_secret(secret: &HookSecret) -> Result<Secret, Failure> {
    match secret {
        HookSecret::Text(text) => Ok(text.clone()),
        HookSecret::File(path) => {
            let text = secret_file::read(path)?;
            if text.is_empty() {
                return Err(format!("access_hook.secret_file: {} is empty", path.display()).into());
            }
            Ok(Secret::new(&text))
        }
    }
}

/// The settings of our own protocol.
pub(super) fn native(config: &Config) -> NativeConfig {
    NativeConfig {
        ping_ms: config.native.ping_ms,
        timeout_ms: config.native.timeout_ms,
        message_bytes: config.limits.message_bytes_max,
        ..NativeConfig::default()
    }
}

/// What the dialect of Leap is told.
pub(super) fn leap(config: &Config) -> LeapConfig {
    LeapConfig {
        heartbeat_interval_ms: config.leap.heartbeat_interval_ms,
        ack_delay_ms: config.leap.ack_delay_ms,
        identify_timeout_ms: config.leap.identify_timeout_ms,
        idle_grace_ms: config.leap.idle_grace_ms,
        move_to: config.leap.move_to.clone(),
        announce_expiry: config.leap.announce_expiry,
        counters: LeapCounters::default(),
    }
}

/// What the API is told.
fn api(config: &Config, entropy: &dyn Entropy) -> ApiConfig {
    let mut instance = [0; 4];
    entropy.fill(&mut instance);
    let instance = u32::from_be_bytes(instance);
    ApiConfig { body_bytes_max: config.limits.body_bytes_max, instance, ..ApiConfig::default() }
}

/// The node, which looks at the disk before it says that it is ready.
pub(super) async fn start(
    parts: NodeParts,
    config: &Config,
    folder: &DataDir,
) -> Result<(Arc<Node>, Vec<ShardParts>), Failure> {
    let (node, shards) = tollgate_node::start(parts).await?;
    let (least, database) = (config.free_bytes_min, folder.database());
    // Where it cannot be told, the store's own try has to do.
    node.mind_room(Box::new(move || least == 0 || machine::free_bytes(&database).is_none_or(|free| free >= least)));
    Ok((node, shards))
}

/// The console, where it is switched on.
pub(super) fn console(
    config: &Config,
    node: &Arc<Node>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    surroundings: &Arc<Vitals>,
    premises: Arc<dyn Premises>,
) -> Option<Console> {
    let settings = config.console.as_ref()?;
    let mut instance = [0; 4];
    entropy.fill(&mut instance);
    let settings = tollgate_console::ConsoleSettings {
        hosts: settings.hosts.clone(),
        idle_ms: settings.idle_ms,
        session_ms: settings.session_ms,
        tls: config.tls.is_some(),
        instance: u32::from_be_bytes(instance),
    };
    let (node, clock, entropy) = (Arc::clone(node), Arc::clone(clock), Arc::clone(entropy));
    let surroundings: Arc<dyn Surroundings> = surroundings.clone();
    Some(Console::new(ConsoleParts { node, clock, entropy, premises, surroundings, settings }))
}

/// What collects traces, where the settings name a collector.
pub(super) fn traces(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Option<Arc<Traces>>, Failure> {
    let settings = config.traces.as_ref();
    let started = settings.map(|settings| Traces::start(settings, Arc::clone(clock), Arc::clone(entropy)));
    Ok(started.transpose()?.map(Arc::new))
}

/// What answers plain HTTP requests.
pub(super) fn router(
    config: &Config,
    node: &Arc<Node>,
    entropy: &dyn Entropy,
    traces: Option<Arc<Traces>>,
) -> tollgate_api::Router {
    let (node, api) = (Arc::clone(node), api(config, entropy));
    match traces {
        Some(traces) => {
            node.trace_by(Arc::clone(&traces) as Arc<dyn Tracer>);
            tollgate_api::traced_router(node, api, traces)
        }
        None => tollgate_api::router(node, api),
    }
}

/// Everything that is wrong with the files that the settings name, without starting anything.
pub(crate) fn check_files(config: &Config) -> Vec<Failure> {
    let tls = config.tls.as_ref().map(certificate::check);
    let secret = config.hook.as_ref().map(|hook| hook_secret(&hook.secret).map(drop));
    let master_key = secret_file::check_master_key(&config.master_key).map_err(Into::into);
    [tls, secret, Some(master_key)].into_iter().flatten().filter_map(Result::err).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{Settings, Typed};

    #[test]
    fn files_that_cannot_be_used_are_all_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for (name, text, mode) in [
            ("cert.pem", own.cert.pem(), 0o644),
            ("key.pem", own.signing_key.serialize_pem(), 0o600),
            ("secret", "s3cret".into(), 0o600),
            ("shown", "s3cret".into(), 0o644),
            ("empty", String::new(), 0o600),
            ("master", "ab12".repeat(16), 0o600),
        ] {
            fs::write(path(name), text).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let check = |certificate: &str, key: &str, secret: &str, master: &str| {
            let file = path("tollgate.toml");
            let text = format!(
                "master_key_file = {:?}\n[tls]\ncertificate = {:?}\nkey = {:?}\n[access_hook]\nurl = \"http://h/\"\nsecret_file = {:?}\n",
                path(master),
                path(certificate),
                path(key),
                path(secret)
            );
            fs::write(&file, text).unwrap();
            let config = Settings::read(Typed { file: Some(file.into()), flags: vec![] }).mean().unwrap();
            check_files(&config).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(check("cert.pem", "key.pem", "secret", "master"), [""; 0]);
        let said = check("none", "key.pem", "shown", "empty");
        assert_eq!(said.len(), 3, "{said:#?}");
        assert!(said[0].contains("none cannot be read"), "{said:#?}");
        assert!(said[1].contains("chmod 600") && !said[1].contains("s3cret"), "{said:#?}");
        assert!(said[2].contains("the master key is empty"), "{said:#?}");
        let said = check("key.pem", "cert.pem", "empty", "shown");
        assert!(said[0].contains("tls.certificate = ") && said[0].contains("PEM"), "{said:#?}");
        assert!(said[1].contains("empty is empty") && said[2].contains("chmod 600"), "{said:#?}");
    }

    #[test]
    fn an_address_in_use_is_said_with_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let said = listen(address, 1, &Limits::default()).unwrap_err().to_string();
        assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("--listen"), "{said}");
    }
}
