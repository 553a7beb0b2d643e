//! Makes the calls: one client with reused connections, several calls at a time, each within its deadline.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tollgate_core::clock::{Clock, Monotonic};
use tollgate_core::ports::hook::SubscribeQuestion;

use super::request::{body, signed};
use super::{CALLS_MAX, HookCounters, HookParts, Job};

/// Idle connections kept for the next calls, and for how long.
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Read and thrown away, so that the connection can be used again; of a longer answer the connection is given up.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// At most one failure is logged in this time.
const REPORT_EVERY_MS: u64 = 1_000;
const NEVER: u64 = u64::MAX;
const REST_TIME: Duration = Duration::from_secs(1);

pub(super) struct Runner {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    parts: HookParts,
    clock: Arc<dyn Clock>,
    counters: Arc<HookCounters>,
    calls: Semaphore,
    /// When a failure was last logged, in monotonic milliseconds.
    reported_at: AtomicU64,
}

/// How a question ended.
enum End {
    Granted(Incoming),
    /// The backend said no, with this status.
    Refused(u16, Incoming),
    /// There was no answer; why.
    Failed(String),
}

impl Runner {
    pub(super) fn new(parts: HookParts, clock: Arc<dyn Clock>, counters: Arc<HookCounters>) -> io::Result<Self> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let connector = if parts.url.scheme_str() == Some("https") {
            builder.with_provider_and_native_roots(provider)?.https_only().enable_http1().build()
        } else {
            // Never used, as the address is plain; an empty list of roots keeps the type without reading the system's.
            let tls = rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.with_tls_config(tls).https_or_http().enable_http1().build()
        };
        Ok(Self::with(connector, parts, clock, counters))
    }

    pub(super) fn with(
        connector: HttpsConnector<HttpConnector>,
        parts: HookParts,
        clock: Arc<dyn Clock>,
        counters: Arc<HookCounters>,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self { client, parts, clock, counters, calls: Semaphore::new(CALLS_MAX), reported_at: AtomicU64::new(NEVER) }
    }

    /// Answers questions until nobody can ask any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let runner = Arc::new(self);
        let mut running = JoinSet::new();
        loop {
            // Those that have ended are cleared away first; how many there can be is bounded by the places of the questions.
            tokio::select! {
                biased;
                Some(_ended) = running.join_next() => {}
                job = queue.recv() => match job {
                    Some(job) => drop(running.spawn(Arc::clone(&runner).settle(job))),
                    None => return,
                },
            }
        }
    }

    async fn settle(self: Arc<Self>, mut job: Job) {
        let end = tokio::select! {
            // Nobody waits for the answer any more: the connection is gone.
            () = job.answer.closed() => return,
            end = timeout(self.parts.timeout, self.ask(&job.question)) => end,
        };
        let end =
            end.unwrap_or_else(|_| End::Failed(format!("no answer within {} ms", self.parts.timeout.as_millis())));
        let SubscribeQuestion { project, channel, token, .. } = &job.question;
        let (counter, granted, rest) = match end {
            End::Granted(rest) => {
                tracing::debug!(%project, %channel, %token, "the access hook let a token in");
                (&self.counters.granted, true, Some(rest))
            }
            End::Refused(status, rest) => {
                tracing::debug!(%project, %channel, %token, status, "the access hook kept a token out");
                (&self.counters.refused, false, Some(rest))
            }
            End::Failed(why) => {
                self.report(&why, &job.question);
                (&self.counters.failed, false, None)
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // The asker may have gone this very moment.
        let _ = job.answer.send(granted);
        if let Some(rest) = rest {
            // The status was the answer; the rest is only read so that the connection can be used again.
            let _ = timeout(REST_TIME, Limited::new(rest, ANSWER_BYTES_MAX).collect()).await;
        }
    }

    /// Logs a failure, unless one was logged a moment ago: clients can cause as many as they like while the backend is down.
    fn report(&self, why: &str, question: &SubscribeQuestion) {
        let SubscribeQuestion { project, channel, token, .. } = question;
        let now = self.clock.monotonic();
        let last = self.reported_at.load(Ordering::Relaxed);
        if last == NEVER || now.since(Monotonic(last)) >= REPORT_EVERY_MS {
            self.reported_at.store(now.0, Ordering::Relaxed);
            let failed = self.counters.failed.load(Ordering::Relaxed) + 1;
            tracing::warn!(%project, %channel, %token, why, failed, "the access hook failed, so a token was kept out");
        }
    }

    async fn ask(&self, question: &SubscribeQuestion) -> End {
        let Ok(_running) = self.calls.acquire().await else { return End::Failed("shutting down".into()) };
        // Signed when it leaves, not when it was asked: the receiver refuses old timestamps.
        let seconds = self.clock.unix().0 / 1_000;
        let request = signed(&self.parts.url, self.parts.secret.expose().as_bytes(), seconds, body(question));
        match self.client.request(request).await {
            Ok(response) if response.status().is_success() => End::Granted(response.into_body()),
            Ok(response) => End::Refused(response.status().as_u16(), response.into_body()),
            Err(error) => End::Failed(chain(&error)),
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
