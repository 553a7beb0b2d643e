//! What the doctor looks at, collected. Nothing is judged here, and what cannot be found out is absent.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tollgate_core::clock::{Clock as _, UnixMillis};
use tollgate_store_sqlite::Schema;

use crate::admin::{Answer, Request, Serving};
use crate::certificate;
use crate::config::{Config, MasterKeySource, TlsSettings};
use crate::control::{CallError, call};
use crate::data_dir::{self, DataDir, DataDirError};
use crate::machine::SystemClock;
use crate::{opened, secret_file};

/// A file or folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) owner: u32,
    pub(super) changed: UnixMillis,
}

/// Who uses the data folder.
#[derive(Clone, Debug)]
pub(super) enum Server {
    /// There is no folder yet.
    NoFolder,
    Stopped,
    Running {
        version: String,
        pid: u32,
        /// Nothing of a version that does not tell.
        serving: Option<Serving>,
    },
    /// Somebody holds the folder and does not answer.
    Silent {
        why: String,
    },
}

/// Projects, each with the origins that it trusts.
pub(super) type Origins = Vec<(String, Vec<String>)>;

/// The file system of the data folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    /// As `statfs` numbers them.
    pub(super) kind: u64,
    pub(super) bytes: u64,
    pub(super) bytes_free: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) user: u32,
    pub(super) now: UnixMillis,
    pub(super) version: &'static str,
    pub(super) server: Server,
    pub(super) folder: Option<Place>,
    pub(super) database: Option<Place>,
    /// Bytes of the database and its log.
    pub(super) data_bytes: u64,
    /// Of the database, or why its beginning cannot be read. Absent while a log is beside it.
    pub(super) schema: Option<Result<Schema, String>>,
    /// `None` when the key is in the environment.
    pub(super) key_path: Option<PathBuf>,
    pub(super) key: Option<Place>,
    /// Other files with a secret: the private key of TLS, the hook's secret.
    pub(super) secrets: Vec<Place>,
    pub(super) disk: Option<Disk>,
    /// Open files that the server, or this process, may have.
    pub(super) descriptors: Option<u64>,
    pub(super) connections_max: u64,
    pub(super) cores: usize,
    pub(super) shards: usize,
    /// What a running server listens on, else what the settings say; a port of 0 is any.
    pub(super) listen: SocketAddr,
    /// The same of the console, where it has an address of its own.
    pub(super) console: Option<SocketAddr>,
    pub(super) tls: bool,
    /// From when to when the certificate is good. Absent without TLS, and with an authority that has given none yet.
    pub(super) certificate: Option<Result<(UnixMillis, UnixMillis), String>>,
    /// Whether an authority is asked for certificates.
    pub(super) acme: bool,
    pub(super) proxies: bool,
    pub(super) outbound_private: bool,
    pub(super) somaxconn: Option<u64>,
    /// Least, first and most bytes of a socket's send buffer.
    pub(super) tcp_wmem: Option<[u64; 3]>,
    /// Projects with the origins they trust, or why the records cannot be read.
    pub(super) origins: Option<Result<Origins, String>>,
}

impl Facts {
    pub(super) fn gather(config: &Config) -> Self {
        let folder = place(&config.data_dir);
        let database = place(&data_dir::database(&config.data_dir));
        let server = server(config, folder.is_some());
        let key_path = secret_file::key_path_in(&config.master_key, &config.data_dir);
        let log = config.data_dir.join("tollgate.db-wal");
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        // While there is a log, of a running server or of one that was killed, it may have another first page than the database.
        let whole = database.as_ref().filter(|_| size(&log) == 0);
        let schema = whole.map(|one| Schema::of(&one.path).map_err(|error| error.to_string()));
        // An older schema is brought up to date by whoever opens it, which is not the doctor's to do.
        let readable = matches!(&schema, Some(Ok(schema)) if schema.found == schema.known);
        let origins = match server {
            Server::Running { .. } => Some(origins(config)),
            Server::Stopped if readable && (config_has_key(config, key_path.as_deref())) => Some(origins(config)),
            _ => None,
        };
        let serving = match &server {
            Server::Running { serving, .. } => serving.clone(),
            _ => None,
        };
        let certificate = match (&serving, &config.tls) {
            (Some(serving), _) => serving.certificate.map(Ok),
            (None, Some(tls)) => certificate::good(tls, &config.data_dir).transpose(),
            (None, None) => None,
        };
        let pid = match server {
            Server::Running { pid, .. } => pid.to_string(),
            _ => "self".into(),
        };
        Self {
            user: rustix::process::geteuid().as_raw(),
            now: SystemClock::new().unix(),
            version: env!("CARGO_PKG_VERSION"),
            data_bytes: size(&data_dir::database(&config.data_dir)) + size(&log),
            key: key_path.as_deref().and_then(place),
            secrets: secrets(config),
            disk: disk(&config.data_dir),
            descriptors: descriptors(&pid),
            connections_max: config.limits.connections_max as u64,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            shards: config.shards,
            listen: serving.as_ref().map_or(config.listen, |serving| serving.listen),
            console: serving
                .as_ref()
                .map_or_else(|| config.console.as_ref().and_then(|console| console.listen), |serving| serving.console),
            tls: serving.as_ref().map_or(config.tls.is_some(), |serving| serving.tls),
            certificate,
            acme: matches!(config.tls, Some(TlsSettings::Acme(_))),
            proxies: !config.proxies.trusted.is_empty(),
            outbound_private: config.outbound.allow_private,
            somaxconn: numbers("/proc/sys/net/core/somaxconn").first().copied(),
            tcp_wmem: numbers("/proc/sys/net/ipv4/tcp_wmem").try_into().ok(),
            server,
            folder,
            database,
            schema,
            key_path,
            origins,
        }
    }
}

fn config_has_key(config: &Config, path: Option<&Path>) -> bool {
    matches!(config.master_key, MasterKeySource::Text(_)) || path.is_some_and(Path::exists)
}

fn place(path: &Path) -> Option<Place> {
    let metadata = std::fs::metadata(path).ok()?;
    let since = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    let changed = UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Some(Place { path: path.into(), mode: metadata.mode() & 0o777, owner: metadata.uid(), changed })
}

fn secrets(config: &Config) -> Vec<Place> {
    let tls = config.tls.as_ref().and_then(certificate::key_file);
    let hook = config.hook.as_ref().and_then(|hook| match &hook.secret {
        crate::config::HookSecret::File(path) => Some(path.clone()),
        crate::config::HookSecret::Text(_) => None,
    });
    tls.into_iter().chain(hook).filter_map(|path| place(&path)).collect()
}

fn server(config: &Config, has_folder: bool) -> Server {
    if !has_folder {
        return Server::NoFolder;
    }
    match call(&data_dir::control_socket(&config.data_dir), &Request::About {}) {
        Ok(Answer::About { version, pid, serving }) => Server::Running { version, pid, serving },
        Ok(_) => Server::Running { version: "an unknown version".into(), pid: std::process::id(), serving: None },
        Err(CallError::Broken(error)) => Server::Silent { why: error.to_string() },
        Err(CallError::NobodyListens) => match DataDir::take(&config.data_dir) {
            Err(DataDirError::InUse { .. }) => Server::Silent { why: "its control socket is gone".into() },
            Ok(_) | Err(_) => Server::Stopped,
        },
    }
}

/// The nearest folder that exists.
fn disk(folder: &Path) -> Option<Disk> {
    let folder = std::path::absolute(folder).ok()?;
    let folder = folder.ancestors().find(|one| one.exists())?;
    let (kind, room) = (rustix::fs::statfs(folder).ok()?, rustix::fs::statvfs(folder).ok()?);
    Some(Disk {
        // The kernel's numbers have 32 bits, whatever type holds them.
        kind: u64::from(kind.f_type as u32),
        bytes: room.f_blocks * room.f_frsize,
        bytes_free: room.f_bavail * room.f_frsize,
    })
}

/// A server raises its limit to the hard one at its start.
fn descriptors(pid: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

fn numbers(path: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|one| one.parse().ok()).collect()
}

/// The origins that each project trusts. Reading them from a folder that no server uses opens every record, and so proves them.
fn origins(config: &Config) -> Result<Origins, String> {
    let failed = |failure: crate::Failure| failure.to_string();
    let projects = match opened::ask(config, &Request::ListProjects {}).map_err(failed)? {
        Answer::Projects(projects) => projects,
        _ => return Err("the server does not tell its projects".into()),
    };
    let of = |project: String| {
        let (method, path) = ("GET".to_owned(), "/v2/project".to_owned());
        let request = Request::Api { project: Some(project.clone()), method, path, body: None, idempotency_key: None };
        let settings: Value = match opened::ask(config, &request).map_err(failed)? {
            Answer::Api { status: 200, body } => serde_json::from_str(&body).map_err(|error| error.to_string())?,
            _ => return Err(format!("the settings of {project} cannot be read")),
        };
        let listed = settings["settings"]["allowed_origins"].as_array().or(settings["allowed_origins"].as_array());
        let origins = listed.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect();
        Ok((project, origins))
    };
    projects.into_iter().take(PROJECTS_MAX).map(|project| of(project.id)).collect()
}

/// Projects whose settings are looked at.
const PROJECTS_MAX: usize = 100;
