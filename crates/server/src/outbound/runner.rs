//! Makes the calls: several at a time, each within its deadline, on connections that are used again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tollgate_core::clock::Clock;
use tollgate_core::ports::outbound::{OutboundAnswer, OutboundCall, OutboundFailure, Target};

use super::answer::{cache_max_age_s, retry_after_s};
use super::connect::Connector;
use super::pool::{Connection, IDLE_MS, Pool};
use super::{Answered, Job, OutboundCounters, millis, request};

/// The longest head of an answer; hyper takes no more than 100 headers in it.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Of a body that nobody wants so much is read, for so long, so that its connection can be used again; longer ones cost the connection.
const REST_BYTES_MAX: usize = 64 * 1024;
const REST_TIME: Duration = Duration::from_secs(1);

pub(super) struct Runner {
    connector: Connector,
    pool: Pool,
    /// What drives each connection.
    connections: Mutex<JoinSet<()>>,
    clock: Arc<dyn Clock>,
    counters: Arc<OutboundCounters>,
}

/// A connection that cannot take another request yet, and the body that nobody wants, if it comes on it.
type Rest = Option<(Connection, Option<Incoming>)>;

impl Runner {
    pub(super) fn new(connector: Connector, clock: Arc<dyn Clock>, counters: Arc<OutboundCounters>) -> Self {
        Self { connector, pool: Pool::default(), connections: Mutex::default(), clock, counters }
    }

    /// Makes calls until nobody can ask for one any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let runner = Arc::new(self);
        let mut running = JoinSet::new();
        let mut idle = false;
        loop {
            // Those that have ended are cleared away first; how many there can be is bounded by the places of the line.
            tokio::select! {
                biased;
                Some(_ended) = running.join_next() => idle = true,
                job = queue.recv() => match job {
                    Some(job) => drop(running.spawn(Arc::clone(&runner).settle(job))),
                    None => return,
                },
                () = tokio::time::sleep(millis(IDLE_MS)), if idle => idle = runner.pool.sweep(runner.clock.monotonic()),
            }
        }
    }

    async fn settle(self: Arc<Self>, job: Job) {
        let Job { target, timeout_ms, make, mut answer, place } = job;
        let ended = tokio::select! {
            () = answer.closed() => {
                self.counters.given_up.one();
                return;
            }
            ended = timeout(millis(timeout_ms), async {
                let _turn = place.turn().await;
                self.perform(&target, make()).await
            }) => ended,
        };
        let (answered, rest) = match ended {
            Ok(Ok((answer, rest))) => (Ok(answer), rest),
            Ok(Err(failure)) => (Err(failure), None),
            Err(_) => (Err(OutboundFailure::Timeout(timeout_ms)), None),
        };
        self.count(&answered);
        // The asker may have gone this very moment.
        let _ = answer.send(answered);
        if let Some((mut connection, body)) = rest {
            let ready = timeout(REST_TIME, async {
                if let Some(body) = body {
                    Limited::new(body, REST_BYTES_MAX).collect().await.ok()?;
                }
                connection.sender.ready().await.ok()
            });
            if let Ok(Some(())) = ready.await {
                self.pool.put(&target, connection, self.clock.monotonic());
            }
        }
    }

    fn count(&self, answered: &Answered) {
        match answered {
            Ok(_) => &self.counters.answered,
            Err(OutboundFailure::TargetRefused { .. }) => &self.counters.refused,
            Err(OutboundFailure::Timeout(_)) => &self.counters.timed_out,
            Err(OutboundFailure::Redirect(_)) => &self.counters.redirects,
            Err(_) => &self.counters.failed,
        }
        .one();
    }

    /// The answer, or with none wanted its head and what is still to come.
    async fn perform(&self, target: &Target, call: OutboundCall) -> Result<(OutboundAnswer, Rest), OutboundFailure> {
        let wanted = call.answer_bytes_max;
        let (connection, response) = self.exchange(target, request::request(target, call)?).await?;
        if is_redirect(response.status()) {
            return Err(OutboundFailure::Redirect(response.status().as_u16()));
        }
        let (head, body) = response.into_parts();
        let mut answer = OutboundAnswer {
            status: head.status.as_u16(),
            body: Vec::new(),
            retry_after_s: retry_after_s(&head.headers, self.clock.unix()),
            cache_max_age_s: cache_max_age_s(&head.headers),
        };
        if wanted == 0 && !body.is_end_stream() {
            return Ok((answer, Some((connection, Some(body)))));
        }
        answer.body = read(body, wanted).await?;
        if !connection.sender.is_ready() {
            return Ok((answer, Some((connection, None))));
        }
        self.pool.put(target, connection, self.clock.monotonic());
        Ok((answer, None))
    }

    /// Sends the request on a connection that is there, or on a new one.
    async fn exchange(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), OutboundFailure> {
        if let Some(mut connection) = self.pool.take(target, self.clock.monotonic()) {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((connection, response)),
                // The other side closed it meanwhile. Only a request of which nothing was sent is given back, so none is made twice.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(&error.into_error())),
                },
            }
        }
        let mut connection = self.open(target).await?;
        let response = connection.sender.send_request(request).await.map_err(|error| broken(&error))?;
        Ok((connection, response))
    }

    async fn open(&self, target: &Target) -> Result<Connection, OutboundFailure> {
        let stream = TokioIo::new(self.connector.connect(target).await?);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(stream).await.map_err(|error| broken(&error))?;
        let mut connections = self.connections.lock().expect("invariant: nobody panics with the lock");
        while connections.try_join_next().is_some() {}
        let task = connections.spawn(async move {
            // Whoever waits for the answer is told by it.
            let _ = connection.await;
        });
        Ok(Connection { sender, task })
    }
}

/// Statuses that send elsewhere. The others of their hundred (300, 304) are answers.
const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Vec<u8>, OutboundFailure> {
    // What is announced is refused before it is read.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(OutboundFailure::TooLarge(bytes_max));
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(read) => Ok(read.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(OutboundFailure::TooLarge(bytes_max)),
        Err(error) => Err(OutboundFailure::Other(format!("the answer broke off: {}", chain(error.as_ref())))),
    }
}

/// What went wrong on a connection.
fn broken(error: &hyper::Error) -> OutboundFailure {
    if error.is_parse_too_large() {
        OutboundFailure::TooLarge(HEAD_BYTES_MAX)
    } else if error.is_parse() {
        OutboundFailure::Other(format!("the answer is not HTTP/1.1: {}", chain(error)))
    } else {
        OutboundFailure::Other(format!("the connection broke: {}", chain(error)))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
