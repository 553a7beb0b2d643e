//! What a client is made with, and the making.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tollgate_protocol_native::wire::Retry;

use crate::client::{Client, Handle, Times};
use crate::driver::{DirectReader, Driver};
use crate::machine::{Machine, Setup};
use crate::socket::Address;
use crate::subscription::{DirectMessages, end};
use crate::{Error, Payload, ResumePoint, State, Status};

pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, Error>> + Send>>;
pub(crate) type Provider = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

const QUEUE_LIMIT: usize = 256;
const BUFFER: usize = 4_096;
const COMMANDS: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(30);
/// With its id, a message may be published again for two minutes; so it must have been given up before.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(100);

/// What a client is made with: [`Client::builder`].
pub struct Builder {
    url: String,
    setup: Setup,
    provider: Option<Provider>,
    roots: Vec<Vec<u8>>,
    buffer: usize,
    times: Times,
    token_timeout: Duration,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("url", &self.url).field("project", &self.setup.project).finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(url: &str, project: &str) -> Self {
        let setup = Setup { project: project.to_owned(), queue_limit: QUEUE_LIMIT, ..Setup::default() };
        let times = Times { call: TIMEOUT, publish: PUBLISH_TIMEOUT };
        let url = url.to_owned();
        Self { url, setup, provider: None, roots: Vec::new(), buffer: BUFFER, times, token_timeout: TIMEOUT }
    }

    /// A token that stays the same. When it is no longer good, the client closes.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.setup.token = Some(token.into());
        self.setup.is_ticket = false;
        self
    }

    /// What gets a token: asked before the first connection, when the server wants another, and early when the one in use is about to end;
    /// one call at a time. Fail with [`Error::token_later`] or [`Error::token_never`].
    #[must_use]
    pub fn token_provider<F, T>(mut self, provider: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, Error>> + Send + 'static,
    {
        self.setup.is_ticket = false;
        self.provider = Some(Arc::new(move || Box::pin(provider())));
        self
    }

    /// What gets a ticket from the application's backend (`POST /v2/tickets`), where the token itself is not to reach this client: asked before
    /// each connection and each renewal, for a ticket is good once. As [`Builder::token_provider`] otherwise, and in place of it.
    #[must_use]
    pub fn ticket_provider<F, T>(mut self, provider: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, Error>> + Send + 'static,
    {
        self.setup.token = None;
        self.setup.is_ticket = true;
        self.provider = Some(Arc::new(move || Box::pin(provider())));
        self
    }

    /// What others see of this client in presence: an object of at most 1 KiB.
    ///
    /// # Errors
    /// `invalid_input` when it is not JSON.
    pub fn data<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Self, Error> {
        self.setup.data = Some(Payload::of(data)?);
        Ok(self)
    }

    /// Goes on where another client stood.
    #[must_use]
    pub fn resume(mut self, point: ResumePoint) -> Self {
        self.setup.resume = point;
        self
    }

    /// Calls that may wait while there is no connection (256). One more fails with `queue_full`.
    #[must_use]
    pub const fn queue_limit(mut self, calls: usize) -> Self {
        self.setup.queue_limit = calls;
        self
    }

    /// Events that a stream holds until they are read (4,096).
    #[must_use]
    pub fn buffer(mut self, events: usize) -> Self {
        self.buffer = events.max(1);
        self
    }

    /// How long a call may take, with the time that it waits for a connection (30 seconds).
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.times.call = timeout;
        self
    }

    /// The same for publishing (100 seconds).
    #[must_use]
    pub const fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.times.publish = timeout;
        self
    }

    /// How long the token provider may take (30 seconds).
    #[must_use]
    pub const fn token_timeout(mut self, timeout: Duration) -> Self {
        self.token_timeout = timeout;
        self
    }

    /// Trusts this certificate (DER) beside the system's.
    #[must_use]
    pub fn trust(mut self, certificate: Vec<u8>) -> Self {
        self.roots.push(certificate);
        self
    }

    /// Makes the client and waits until it is connected.
    ///
    /// # Errors
    /// What closed it: no further try makes sense. As long as one does, this waits; bound it with `tokio::time::timeout` where that is too long.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.start()?;
        let mut status = client.status();
        let reached = status.wait_for(|status| matches!(status.state, State::Connected | State::Closed)).await;
        let closed = match reached {
            Ok(status) if status.state == State::Connected => None,
            Ok(status) => Some(status.error.clone().unwrap_or(Error::Closed)),
            Err(_) => Some(Error::Closed),
        };
        closed.map_or(Ok(client), Err)
    }

    /// Makes the client, which connects by itself. To be called on a tokio runtime.
    ///
    /// # Errors
    /// `invalid_input` when the url is none or a certificate cannot be read.
    pub fn start(self) -> Result<Client, Error> {
        let address = Address::read(&self.url, &self.roots)?;
        let mut setup = self.setup;
        setup.has_provider = self.provider.is_some();
        setup.token_timeout_ms = u64::try_from(self.token_timeout.as_millis()).unwrap_or(u64::MAX);
        let provider = self.provider.map(|provider| bounded(provider, self.token_timeout));
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (status, watched) = watch::channel(Status { state: State::Idle, error: None });
        let (events, directs) = mpsc::channel(self.buffer);
        let (end, ended) = end();
        let machine = Machine::new(setup, crate::random::fraction);
        let direct = DirectReader { events, end };
        let driver = Driver::new(machine, address, provider, inbox, (status, direct, self.buffer));
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run());
        let handle = Handle { commands, times: self.times, buffer: self.buffer };
        let direct = Arc::new(Mutex::new(Some(DirectMessages { events: directs, ended })));
        Ok(Client { handle, status: watched, direct, tasks: Arc::new(Mutex::new(tasks)) })
    }
}

/// A provider that takes no longer than this: a flight that hangs must not be the last.
fn bounded(provider: Provider, timeout: Duration) -> Provider {
    Arc::new(move || {
        let flight = provider();
        Box::pin(async move {
            let outcome = tokio::time::timeout(timeout, flight).await;
            match outcome {
                Ok(Ok(token)) if token.is_empty() => Err(Error::token_later("it gave an empty text")),
                Ok(outcome) => outcome,
                Err(_) => Err(Error::token_later("it did not answer in time")),
            }
        })
    })
}

impl Error {
    /// The token provider failed for now. The words must not hold a token.
    #[must_use]
    pub fn token_later(message: impl Into<String>) -> Self {
        Self::TokenProvider { message: message.into(), retry: Retry::Later }
    }

    /// The token provider will give no more tokens: the client closes. The words must not hold a token.
    #[must_use]
    pub fn token_never(message: impl Into<String>) -> Self {
        Self::TokenProvider { message: message.into(), retry: Retry::Never }
    }
}
