//! One connection: the name is resolved once, every address it leads to is checked, and the connection goes to one of exactly those. No
//! second look at the name server, and so nothing that it could answer otherwise.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tollgate_core::ports::Pending;
use tollgate_core::ports::outbound::{Host, OutboundFailure, OutboundRules, Target};

use super::{LOOKUPS_MAX, OutboundCounters};

/// Of a name's addresses so many are tried, and each but the last for so long.
const ADDRESSES_MAX: usize = 8;
const ADDRESS_TIME: Duration = Duration::from_secs(2);

/// Asks for the addresses of a name.
pub(crate) type Resolve = Arc<dyn Fn(String) -> Pending<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The system's resolver. It blocks, so few are asked at a time; a question nobody waits for any more keeps its place until it is answered.
pub(crate) fn system_resolver() -> Resolve {
    let places = Arc::new(Semaphore::new(LOOKUPS_MAX));
    Arc::new(move |name| {
        let places = Arc::clone(&places);
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|one| one.ip()).collect());
                drop(place);
                found
            });
            lookup.await.map_err(io::Error::other)?
        })
    })
}

/// Whose certificates are trusted.
pub(crate) struct Trust(Mutex<Option<Arc<ClientConfig>>>);

impl Trust {
    /// The system's list, which is read when the first call needs it: a server that calls nobody needs none.
    pub(crate) const fn system() -> Self {
        Self(Mutex::new(None))
    }

    /// The system's list, read now.
    ///
    /// # Errors
    /// The system has none, or it cannot be read.
    pub(crate) fn system_now() -> Result<Self, String> {
        system_roots().map(Self::these)
    }

    /// These certificates.
    pub(crate) fn these(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("invariant: the provider speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(Mutex::new(Some(Arc::new(config))))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut kept = self.0.lock().expect("invariant: nobody panics with the lock");
        if kept.is_none() {
            *kept = Self::system_now()?.0.into_inner().expect("invariant: nobody panics with the lock");
        }
        Ok(Arc::clone(kept.as_ref().expect("invariant: it was just put there")))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map_or_else(|| "it is empty".to_owned(), ToString::to_string);
    Err(format!("this system's list of trusted certificates cannot be used (install ca-certificates): {why}"))
}

/// What a connection is, plain or TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections.
pub(super) struct Connector {
    pub(super) rules: Arc<OutboundRules>,
    pub(super) resolve: Resolve,
    pub(super) trust: Trust,
    pub(super) counters: Arc<OutboundCounters>,
}

impl Connector {
    /// A connection to the target, ready for the first byte of HTTP.
    pub(super) async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, OutboundFailure> {
        let addresses = self.addresses(&target.host).await?;
        let tcp = self.tcp(&target.host, &addresses, target.port).await?;
        self.counters.connections.one();
        if !target.https {
            return Ok(Box::new(tcp));
        }
        let server = match &target.host {
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| OutboundFailure::BadUrl("its host is not a name that a certificate can have"))?,
            Host::Address(address) => ServerName::from(*address),
        };
        let tls = TlsConnector::from(self.trust.config().map_err(OutboundFailure::Tls)?);
        let tls = tls.connect(server, tcp).await.map_err(|error| OutboundFailure::Tls(error.to_string()))?;
        Ok(Box::new(tls))
    }

    /// Where the host is. One address that must not be called speaks against all: names do not lead inside and outside by chance.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, OutboundFailure> {
        let found = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => (self.resolve)(name.clone()).await.unwrap_or_else(|error| {
                tracing::debug!(name, %error, "a name was not resolved");
                Vec::new()
            }),
        };
        for address in &found {
            self.rules.may_reach(host, *address).inspect_err(|_| {
                tracing::debug!(%host, %address, "a call to an address that is not public was refused");
            })?;
        }
        if found.is_empty() { Err(OutboundFailure::Resolve(host.to_string())) } else { Ok(found) }
    }

    async fn tcp(&self, host: &Host, addresses: &[IpAddr], port: u16) -> Result<TcpStream, OutboundFailure> {
        let mut why = String::new();
        let mut left = addresses.len().min(ADDRESSES_MAX);
        for address in addresses.iter().take(ADDRESSES_MAX) {
            left -= 1;
            let connecting = TcpStream::connect(SocketAddr::new(*address, port));
            // The last one may take what is left of the call's time.
            let connected = if left == 0 { Ok(connecting.await) } else { timeout(ADDRESS_TIME, connecting).await };
            why = match connected {
                Ok(Ok(stream)) => {
                    // Only a matter of speed.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it takes too long".into(),
            };
        }
        Err(OutboundFailure::Connect(format!("{host} port {port}: {why}")))
    }
}
