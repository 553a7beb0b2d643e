//! The second phase: what the settings mean together. Gives a [`Config`] or every problem; opens no file and no socket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tollgate_core::ports::outbound::{Allowed, OutboundRules};
use tollgate_gateway::{ForwardedBy, Proxies};
use tollgate_protocol_leap::MOVE_TO_BYTES_MAX;

use super::Secret;
use super::keys::Value;
use super::layers::{Layers, Problem};

/// The settings of one start, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// At least 1.
    pub(crate) shards: usize,
    pub(crate) master_key: MasterKeySource,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) proxies: Proxies,
    pub(crate) limits: LimitSettings,
    pub(crate) leap: LeapSettings,
    pub(crate) native: NativeSettings,
    pub(crate) hook: Option<HookSettings>,
    pub(crate) outbound: OutboundRules,
    /// Room on the disk below which the server is not ready; 0 for any.
    pub(crate) free_bytes_min: u64,
    pub(crate) drain_spread_ms: u64,
    pub(crate) drain_deadline_ms: u64,
    /// Where operators read the metrics, if anywhere.
    pub(crate) metrics: Option<SocketAddr>,
    /// Nothing where it is switched off.
    pub(crate) console: Option<ConsoleSettings>,
    /// Where traces of operations go, if anywhere.
    pub(crate) traces: Option<TraceSettings>,
    pub(crate) log: LogSettings,
}

/// Where the master key is.
#[derive(Debug)]
pub(crate) enum MasterKeySource {
    /// `master.key` in the data folder; made there when everything is new.
    DataDir,
    /// A file that must exist.
    File(PathBuf),
    /// The key itself, from the environment.
    Text(Secret),
}

/// Where the certificate comes from.
#[derive(Debug)]
pub(crate) enum TlsSettings {
    /// Two files that somebody else renews.
    Files(TlsFiles),
    /// An authority.
    Acme(AcmeSettings),
}

#[derive(Clone, Debug)]
pub(crate) struct AcmeSettings {
    /// DNS names, at least one, in lower case.
    pub(crate) domains: Vec<String>,
    /// An e-mail address.
    pub(crate) contact: Option<String>,
    /// An `https://` address.
    pub(crate) directory: String,
    /// Certificates that the authority's own address is believed with, instead of the system's.
    pub(crate) root_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// How people look at the server.
#[derive(Debug)]
pub(crate) struct ConsoleSettings {
    /// Its own address, if it is not on that of the clients.
    pub(crate) listen: Option<SocketAddr>,
    /// Names by which it may be reached; empty is any.
    pub(crate) hosts: Vec<String>,
    pub(crate) idle_ms: u64,
    pub(crate) session_ms: u64,
}

#[derive(Debug)]
pub(crate) struct LimitSettings {
    pub(crate) body_bytes_max: usize,
    pub(crate) message_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_address_max: usize,
    pub(crate) messages_burst: u32,
    pub(crate) messages_per_second: u32,
}

#[derive(Debug)]
pub(crate) struct LeapSettings {
    pub(crate) heartbeat_interval_ms: u32,
    pub(crate) ack_delay_ms: u32,
    pub(crate) identify_timeout_ms: u32,
    pub(crate) idle_grace_ms: u32,
    /// Empty, or a `ws://` or `wss://` address.
    pub(crate) move_to: String,
    pub(crate) announce_expiry: bool,
}

#[derive(Debug)]
pub(crate) struct NativeSettings {
    pub(crate) ping_ms: u32,
    pub(crate) timeout_ms: u32,
}

#[derive(Debug)]
pub(crate) struct HookSettings {
    /// Read by the rules of [`crate::hook::rules`].
    pub(crate) url: String,
    pub(crate) secret: HookSecret,
    pub(crate) timeout: Duration,
}

/// Where the secret that signs hook calls is.
#[derive(Debug)]
pub(crate) enum HookSecret {
    Text(Secret),
    File(PathBuf),
}

#[derive(Debug)]
pub(crate) struct TraceSettings {
    /// The whole address that spans are posted to.
    pub(crate) endpoint: String,
    /// The whole value of the `authorization` header.
    pub(crate) authorization: Option<Secret>,
    /// Of requests that come without a trace.
    pub(crate) sample_percent: u64,
    pub(crate) service_name: String,
}

#[derive(Debug)]
pub(crate) struct LogSettings {
    pub(crate) level: String,
    pub(crate) json: bool,
}

impl Config {
    /// What the settings mean, or everything that is wrong with them, found in either phase. `master_key` is the environment's.
    pub(crate) fn of(mut layers: Layers, master_key: Option<Secret>) -> Result<Self, Vec<Problem>> {
        let config = Self {
            listen: layers.text("listen").parse().expect("invariant: the table lets only addresses in"),
            data_dir: data_dir(&mut layers),
            shards: shards(&layers),
            master_key: master_key_source(&mut layers, master_key),
            tls: tls(&mut layers),
            proxies: proxies(&layers),
            limits: limits(&layers),
            leap: leap(&mut layers),
            native: NativeSettings {
                ping_ms: layers.small("native.ping_ms"),
                timeout_ms: layers.small("native.timeout_ms"),
            },
            hook: hook(&mut layers),
            outbound: outbound(&mut layers),
            free_bytes_min: layers.number("store.free_bytes_min"),
            drain_spread_ms: layers.number("drain.spread_ms"),
            drain_deadline_ms: layers.number("drain.deadline_ms"),
            metrics: metrics(&mut layers),
            console: console(&mut layers),
            traces: traces(&mut layers),
            log: log(&mut layers),
        };
        if config.tls.is_none() && !config.listen.ip().is_loopback() && !layers.flag("allow_plain_http") {
            let reason = "would send credentials in clear over the network: set tls.certificate and tls.key, or acme.domains, or \
                          allow_plain_http = true if something in front speaks TLS, or listen on 127.0.0.1";
            layers.refuse("listen", reason);
        }
        let own = config.console.as_ref().and_then(|console| console.listen);
        if config.tls.is_none()
            && own.is_some_and(|address| !address.ip().is_loopback())
            && !layers.flag("allow_plain_http")
        {
            let reason = "would send passwords in clear over the network: set tls.certificate and tls.key, or acme.domains, or \
                          allow_plain_http = true if something in front speaks TLS, or listen on 127.0.0.1";
            layers.refuse("console.listen", reason);
        }
        if config.drain_spread_ms > config.drain_deadline_ms {
            layers.refuse(
                "drain.spread_ms",
                format!("must not be longer than drain.deadline_ms, which is {}", config.drain_deadline_ms),
            );
        }
        if layers.problems.is_empty() { Ok(config) } else { Err(layers.problems) }
    }
}

/// Readers of one setting each. Which kind a key has is the table's word; a wrong one here is a defect that any test finds.
impl Layers {
    fn text(&self, name: &str) -> &str {
        match &self.get(name).value {
            Value::Text(text) => text,
            Value::Secret(_) | Value::Networks(_) | Value::Flag(_) | Value::Number(_) | Value::List(_) => {
                unreachable!("invariant: {name} is a text")
            }
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        match &self.get(name).value {
            Value::Secret(secret) => Some(secret.clone()).filter(|secret| !secret.is_empty()),
            Value::Text(_) | Value::Networks(_) | Value::Flag(_) | Value::Number(_) | Value::List(_) => {
                unreachable!("invariant: {name} is a secret")
            }
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).value == Value::Flag(true)
    }

    fn number(&self, name: &str) -> u64 {
        match self.get(name).value {
            Value::Number(number) => number,
            Value::Text(_) | Value::Secret(_) | Value::Networks(_) | Value::Flag(_) | Value::List(_) => {
                unreachable!("invariant: {name} is a number")
            }
        }
    }

    fn list(&self, name: &str) -> &[String] {
        match &self.get(name).value {
            Value::List(texts) => texts,
            Value::Text(_) | Value::Secret(_) | Value::Networks(_) | Value::Flag(_) | Value::Number(_) => {
                unreachable!("invariant: {name} is a list")
            }
        }
    }

    fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).expect("invariant: the table's ranges fit")
    }

    fn small(&self, name: &str) -> u32 {
        u32::try_from(self.number(name)).expect("invariant: the table's ranges fit")
    }
}

fn data_dir(layers: &mut Layers) -> PathBuf {
    layers.path("data_dir").unwrap_or_else(|| {
        layers.refuse("data_dir", "must name a folder");
        PathBuf::new()
    })
}

fn shards(layers: &Layers) -> usize {
    match layers.count("shards") {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(64),
        given => given,
    }
}

fn master_key_source(layers: &mut Layers, text: Option<Secret>) -> MasterKeySource {
    match (text, layers.path("master_key_file")) {
        (None, None) => MasterKeySource::DataDir,
        (None, Some(path)) => MasterKeySource::File(path),
        (Some(text), file) => {
            if file.is_some() {
                layers.refuse(
                    "master_key_file",
                    "stands against the environment's TOLLGATE_MASTER_KEY: keep one of the two",
                );
            }
            MasterKeySource::Text(text)
        }
    }
}

/// Names that one certificate may be for, as Let's Encrypt takes them.
const DOMAINS_MAX: usize = 100;

fn tls(layers: &mut Layers) -> Option<TlsSettings> {
    let acme = acme(layers);
    match (layers.path("tls.certificate"), layers.path("tls.key")) {
        (Some(certificate), Some(key)) => {
            if acme.is_some() {
                layers.refuse("acme.domains", "stands against tls.certificate: keep one of the two");
            }
            return Some(TlsSettings::Files(TlsFiles { certificate, key }));
        }
        (None, None) => return acme.map(TlsSettings::Acme),
        (Some(_), None) => layers.refuse("tls.key", "must be set when tls.certificate is"),
        (None, Some(_)) => layers.refuse("tls.certificate", "must be set when tls.key is"),
    }
    None
}

fn acme(layers: &mut Layers) -> Option<AcmeSettings> {
    let domains: Vec<_> = layers.list("acme.domains").iter().map(|name| name.to_ascii_lowercase()).collect();
    let (contact, root_file) = (layers.text("acme.contact").to_owned(), layers.path("acme.root_file"));
    if domains.is_empty() {
        for (name, set) in [
            ("acme.contact", !contact.is_empty()),
            ("acme.root_file", root_file.is_some()),
            ("acme.terms_agreed", layers.flag("acme.terms_agreed")),
        ] {
            if set {
                layers.refuse(name, "is of no use without acme.domains");
            }
        }
        return None;
    }
    if domains.len() > DOMAINS_MAX {
        layers
            .refuse("acme.domains", format!("must be at most {DOMAINS_MAX} names: one certificate is for all of them"));
    }
    for name in &domains {
        if let Some(reason) = no_domain(name) {
            layers.refuse("acme.domains", format!("{name:?} {reason}"));
        }
    }
    if !layers.flag("acme.terms_agreed") {
        let reason = "must be true when acme.domains is set: a certificate is only given to who agrees to the authority's terms of service";
        layers.refuse("acme.terms_agreed", reason);
    }
    if !contact.is_empty() && (!contact.contains('@') || contact.contains(':') || contact.contains(char::is_whitespace))
    {
        layers.refuse("acme.contact", "must be an e-mail address, such as \"ops@example.com\", or empty");
    }
    let directory = layers.text("acme.directory").to_owned();
    if !directory.starts_with("https://") {
        layers.refuse(
            "acme.directory",
            "must be an https:// address, such as \"https://acme-v02.api.letsencrypt.org/directory\"",
        );
    }
    Some(AcmeSettings { domains, contact: Some(contact).filter(|text| !text.is_empty()), directory, root_file })
}

/// Why no certificate can be had for this name by the one kind of proof that is given here.
fn no_domain(name: &str) -> Option<&'static str> {
    if name.contains('*') {
        return Some(
            "must be a whole name: for a wildcard use a client of ACME that sets DNS records, and tls.certificate",
        );
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Some("must be a DNS name, not an address");
    }
    let spelled = rustls::pki_types::DnsName::try_from(name).is_ok();
    (!spelled).then_some("must be a DNS name, such as \"rt.example.com\"")
}

fn proxies(layers: &Layers) -> Proxies {
    let trusted = match &layers.get("trusted_proxies").value {
        Value::Networks(networks) => networks.clone(),
        Value::Text(_) | Value::Secret(_) | Value::Flag(_) | Value::Number(_) | Value::List(_) => {
            unreachable!("invariant: trusted_proxies are networks")
        }
    };
    let header = match layers.text("trusted_proxies_header") {
        "forwarded" => ForwardedBy::Forwarded,
        _ => ForwardedBy::XForwardedFor,
    };
    Proxies { trusted, header }
}

fn limits(layers: &Layers) -> LimitSettings {
    LimitSettings {
        body_bytes_max: layers.count("limits.body_bytes_max"),
        message_bytes_max: layers.count("limits.message_bytes_max"),
        connections_max: layers.count("limits.connections_max"),
        connections_per_address_max: layers.count("limits.connections_per_address_max"),
        messages_burst: layers.small("limits.messages_burst"),
        messages_per_second: layers.small("limits.messages_per_second"),
    }
}

fn leap(layers: &mut Layers) -> LeapSettings {
    let move_to = layers.text("leap.move_to").to_owned();
    let fits = move_to.len() <= MOVE_TO_BYTES_MAX && (move_to.starts_with("ws://") || move_to.starts_with("wss://"));
    if !move_to.is_empty() && !fits {
        layers
            .refuse("leap.move_to", format!("must be a ws:// or wss:// address of at most {MOVE_TO_BYTES_MAX} bytes"));
    }
    LeapSettings {
        heartbeat_interval_ms: layers.small("leap.heartbeat_interval_ms"),
        ack_delay_ms: layers.small("leap.ack_delay_ms"),
        identify_timeout_ms: layers.small("leap.identify_timeout_ms"),
        idle_grace_ms: layers.small("leap.idle_grace_ms"),
        move_to,
        announce_expiry: layers.flag("leap.announce_expiry"),
    }
}

fn hook(layers: &mut Layers) -> Option<HookSettings> {
    let url = layers.text("access_hook.url").to_owned();
    let given = (layers.secret("access_hook.secret"), layers.path("access_hook.secret_file"));
    if url.is_empty() {
        for (name, set) in [("access_hook.secret", given.0.is_some()), ("access_hook.secret_file", given.1.is_some())] {
            if set {
                layers.refuse(name, "is of no use without access_hook.url");
            }
        }
        return None;
    }
    let secret = match given {
        (Some(text), None) => Some(HookSecret::Text(text)),
        (None, Some(path)) => Some(HookSecret::File(path)),
        (None, None) => {
            layers.refuse(
                "access_hook.secret",
                "must be set when access_hook.url is (or secret_file): it signs the calls",
            );
            None
        }
        (Some(_), Some(_)) => {
            layers.refuse("access_hook.secret_file", "stands against access_hook.secret: keep one of the two");
            None
        }
    };
    if let Err(reason) = hook_url(&url) {
        layers.refuse("access_hook.url", reason);
    }
    Some(HookSettings { url, secret: secret?, timeout: Duration::from_millis(layers.number("access_hook.timeout_ms")) })
}

fn hook_url(text: &str) -> Result<(), String> {
    let wanted = "must be a whole http:// or https:// address, such as \"https://backend.example/tollgate\"";
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Err(wanted.into());
    }
    let authority = lower.split("//").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err("must not hold a user name or a password: the calls are signed".into());
    }
    crate::hook::rules().target(text).map(drop).map_err(|failure| format!("{wanted}: {failure}"))
}

fn outbound(layers: &mut Layers) -> OutboundRules {
    let mut allowed = Vec::new();
    for text in layers.list("outbound.allowed_hosts").to_vec() {
        match Allowed::parse(&text) {
            Ok(one) => allowed.push(one),
            Err(reason) => layers.refuse("outbound.allowed_hosts", reason),
        }
    }
    OutboundRules {
        allow_private: layers.flag("outbound.allow_private"),
        allow_http: layers.flag("outbound.allow_http"),
        allowed,
    }
}

fn metrics(layers: &mut Layers) -> Option<SocketAddr> {
    beside(layers, "metrics.listen", "127.0.0.1:9464")
}

/// An address beside that of the clients.
fn beside(layers: &mut Layers, setting: &'static str, such_as: &str) -> Option<SocketAddr> {
    let text = layers.text(setting);
    if text.is_empty() {
        return None;
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        layers.refuse(setting, format!("must be an IP address and a port, such as {such_as:?}, or empty"));
        return None;
    };
    if address == layers.text("listen").parse().expect("invariant: the table lets only addresses in")
        && address.port() != 0
    {
        layers.refuse(setting, "is the address of the clients already: choose another port");
    }
    Some(address)
}

fn console(layers: &mut Layers) -> Option<ConsoleSettings> {
    let (idle_ms, session_ms) = (layers.number("console.idle_ms"), layers.number("console.session_ms"));
    if idle_ms > session_ms {
        layers.refuse("console.idle_ms", format!("must not be longer than console.session_ms, which is {session_ms}"));
    }
    let hosts = layers.list("console.hosts").to_vec();
    let listen = beside(layers, "console.listen", "127.0.0.1:8081");
    let taken =
        listen.is_some_and(|address| address.port() != 0 && layers.text("metrics.listen").parse() == Ok(address));
    if taken {
        layers.refuse("console.listen", "is the address of the metrics already: choose another port");
    }
    layers.flag("console.enabled").then_some(ConsoleSettings { listen, hosts, idle_ms, session_ms })
}

fn traces(layers: &mut Layers) -> Option<TraceSettings> {
    let (endpoint, authorization) = (layers.text("traces.endpoint").to_owned(), layers.secret("traces.authorization"));
    if endpoint.is_empty() {
        if authorization.is_some() {
            layers.refuse("traces.authorization", "is of no use without traces.endpoint");
        }
        return None;
    }
    if let Err(failure) = crate::hook::rules().target(&endpoint) {
        let wanted = "must be the whole address that takes OTLP over HTTP, such as \"http://127.0.0.1:4318/v1/traces\"";
        layers.refuse("traces.endpoint", format!("{wanted}: {failure}"));
    }
    let service_name = layers.text("traces.service_name").to_owned();
    if service_name.is_empty() || service_name.len() > 255 {
        layers.refuse("traces.service_name", "must be a name of 1 to 255 bytes");
    }
    Some(TraceSettings {
        endpoint,
        authorization,
        sample_percent: layers.number("traces.sample_percent"),
        service_name,
    })
}

fn log(layers: &mut Layers) -> LogSettings {
    let level = layers.text("log.level").to_owned();
    // By itself the filter takes any word for the name of a part, and an empty text for silence.
    let known = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
    let part = |part: &str| known(part.split_once('=').map_or(part, |(_, level)| level).trim());
    if !level.split(',').all(part) || level.parse::<tracing_subscriber::filter::Targets>().is_err() {
        layers.refuse(
            "log.level",
            "must be error, warn, info, debug, trace or off, or a list such as \"info,tollgate_gateway=debug\"",
        );
    }
    LogSettings { level, json: layers.text("log.format") == "json" }
}
