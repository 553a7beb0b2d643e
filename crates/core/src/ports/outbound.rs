//! Calling out: the one way in which anything here reaches another machine over HTTP. Webhooks, key sets and the like go through it.
//!
//! The port, its words and its failures. Which addresses may be called is decided by [`reach`] and [`target`], plain functions over
//! plain data; resolving names, connecting and reading is the implementation's (`server`).

#[cfg(any(test, feature = "conformance"))]
pub mod memory;
pub mod reach;
pub mod target;

use super::Pending;
pub use reach::{Allowed, OutboundRules};
pub use target::{Host, Target, URL_BYTES_MAX};

/// The longest that a call may take, whatever it asks for.
pub const TIMEOUT_MS_MAX: u64 = 600_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`; the body is not sent.
    Get,
    /// `POST`.
    Post,
}

/// One call.
#[derive(Clone)]
pub struct OutboundCall {
    /// What is asked for.
    pub method: Method,
    /// The whole address, as [`Target::parse`] takes it.
    pub url: String,
    /// Names and values. `host`, `content-length`, `transfer-encoding` and `connection` are the caller's business no more than the
    /// socket is, and are refused; a `user-agent` is added when there is none.
    pub headers: Vec<(String, String)>,
    /// The body of a POST.
    pub body: Vec<u8>,
    /// From the call to the end of the answer, waiting in line included. At most [`TIMEOUT_MS_MAX`] counts.
    pub timeout_ms: u64,
    /// The longest body of an answer that is wanted; of a longer one nothing is given ([`OutboundFailure::TooLarge`]). With 0 only the
    /// status is: the answer comes with its head, and the body, however long, does no harm.
    pub answer_bytes_max: usize,
}

impl std::fmt::Debug for OutboundCall {
    /// Neither the query nor headers nor the body: they may hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = Target::parse(&self.url).map(|target| target.host);
        f.debug_struct("OutboundCall").field("method", &self.method).field("host", &host).finish_non_exhaustive()
    }
}

/// What the other side said. Any status but a redirect is an answer, 500 included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundAnswer {
    /// The status.
    pub status: u16,
    /// The whole body; empty when none was wanted.
    pub body: Vec<u8>,
    /// `Retry-After`, in seconds from now, from either of its two spellings.
    pub retry_after_s: Option<u64>,
    /// For how many seconds the answer stays fresh by its `Cache-Control` and `Age`; 0 when it must not be kept. `None` when it does not say.
    pub cache_max_age_s: Option<u64>,
}

/// Why there is no answer. The texts are for those who run the server and those who registered the address: they name the host, never
/// the path, the query or an address behind the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundFailure {
    /// The address cannot be called by anybody.
    #[error("the address cannot be called: {0}")]
    BadUrl(&'static str),
    /// The address leads where this server does not go.
    #[error(
        "{host} is refused: it leads to {range}, which may be inside the server's own network; if that is meant, the server's operator \
         lists the host or its network in outbound.allowed_hosts, or sets outbound.allow_private"
    )]
    TargetRefused {
        /// The host as the address names it.
        host: String,
        /// What kind of address it is or resolves to.
        range: &'static str,
    },
    /// The host's name has no address, or nobody could say.
    #[error("the name {0} could not be resolved: is it spelt right, and does the server's DNS know it?")]
    Resolve(String),
    /// Nobody took the connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The other side could not show a certificate that is trusted and names the host.
    #[error("no trusted TLS connection: {0}")]
    Tls(String),
    /// It took longer than it may.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// The answer, or its head, is longer than wanted.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The other side sent us elsewhere.
    #[error("the answer was a redirect ({0}), and redirects are not followed: register the final address")]
    Redirect(u16),
    /// Too many calls wait, or too many for this host.
    #[error("too many calls are on their way already; try again later")]
    Overloaded,
    /// Anything else: a broken answer, a header that cannot be sent, a server that is stopping.
    #[error("{0}")]
    Other(String),
}

/// Calls out.
///
/// Contract: every limit of the call holds; an address is checked after its name was resolved, and the connection goes to exactly the
/// address that was checked; redirects are never followed and no proxy is used; a call whose future is dropped is given up. A call is sent
/// at most once: whoever wants it repeated calls again.
pub trait Outbound: Send + Sync {
    /// Whether this address may be called as far as can be said without asking anybody: to refuse it when it is registered, in words.
    ///
    /// # Errors
    /// [`OutboundFailure::BadUrl`] or [`OutboundFailure::TargetRefused`]; `Ok` promises nothing about what its name resolves to.
    fn check(&self, url: &str) -> Result<(), OutboundFailure>;

    /// Makes the call.
    fn call(&self, call: OutboundCall) -> Pending<'_, Result<OutboundAnswer, OutboundFailure>>;
}

/// Whether `url` may be called under the default rules, or under those that allow private addresses and plain http. Operations ask
/// [`Outbound::check`], which knows the server's settings.
///
/// # Errors
/// [`OutboundFailure::BadUrl`] or [`OutboundFailure::TargetRefused`].
pub fn check_url(url: &str, allow_private: bool) -> Result<(), OutboundFailure> {
    OutboundRules { allow_private, allow_http: allow_private, allowed: Vec::new() }.target(url).map(drop)
}

/// For those who have nobody to call: checks addresses by the default rules, and every call fails.
#[derive(Debug)]
pub struct NoOutbound;

impl Outbound for NoOutbound {
    fn check(&self, url: &str) -> Result<(), OutboundFailure> {
        check_url(url, false)
    }

    fn call(&self, _call: OutboundCall) -> Pending<'_, Result<OutboundAnswer, OutboundFailure>> {
        Box::pin(std::future::ready(Err(OutboundFailure::Other("this process does not call out".into()))))
    }
}
