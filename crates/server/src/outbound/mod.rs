//! Calling out over HTTP/1.1: the one client in the house. Webhooks and fetched keys use it by way of the port, the access hook has one of
//! its own with other rules, so that neither waits for the other nor is lent the other's connections.
//!
//! The calls run on a thread of their own, so that they may be asked for from any shard. Everything is bounded: how many wait and run, in
//! all and for each host, how long one takes, how much of an answer is read, how many connections are kept. Which addresses may be called
//! is the rules' word (`tollgate_core::ports::outbound`).

mod answer;
mod connect;
mod direct;
mod line;
mod pool;
mod request;
mod runner;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tollgate_core::clock::Clock;
use tollgate_core::ports::Pending;
use tollgate_core::ports::outbound::{
    Outbound, OutboundAnswer, OutboundCall, OutboundFailure, OutboundRules, TIMEOUT_MS_MAX, Target,
};

pub(crate) use connect::{Resolve, Trust, system_resolver};
pub(crate) use direct::Direct;
pub(crate) use line::Bounds;

type Answered = Result<OutboundAnswer, OutboundFailure>;

/// Threads that may wait for the system's resolver at a time.
const LOOKUPS_MAX: usize = 16;

tollgate_core::counters! {
    /// What has become of the calls since the start.
    pub(crate) struct OutboundCounters {
        /// Calls that were answered, whatever the status.
        answered,
        /// Calls that failed for a reason that has no counter of its own.
        failed,
        /// Addresses that may not be called, by their text or after their names were resolved.
        refused,
        /// Calls that took too long.
        timed_out,
        /// Redirects, none of which was followed.
        redirects,
        /// Refused because too many were waiting, in all or for one host.
        overflowed,
        /// Given up because nobody waited for the answer any more.
        given_up,
        /// Connections made.
        connections,
    }
}

/// What a caller of the network is made of.
pub(crate) struct OutboundParts {
    /// Of the thread.
    pub(crate) name: &'static str,
    pub(crate) rules: OutboundRules,
    pub(crate) bounds: Bounds,
    pub(crate) trust: Trust,
    pub(crate) resolve: Resolve,
    pub(crate) clock: Arc<dyn Clock>,
}

/// One call on its way.
struct Job {
    target: Target,
    timeout_ms: u64,
    /// Makes the call itself, when its turn has come: what it signs may grow old while waiting.
    make: Box<dyn FnOnce() -> OutboundCall + Send>,
    answer: oneshot::Sender<Answered>,
    place: line::Place,
}

/// Calls out.
pub(crate) struct HttpOutbound {
    jobs: mpsc::Sender<Job>,
    line: Arc<line::Line>,
    rules: Arc<OutboundRules>,
    counters: Arc<OutboundCounters>,
}

impl HttpOutbound {
    /// Starts the thread that makes the calls; it ends when this is dropped.
    pub(crate) fn start(parts: OutboundParts) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(parts.bounds.places_max);
        let line = Arc::new(line::Line::new(parts.bounds));
        let (rules, counters) = (Arc::new(parts.rules), Arc::<OutboundCounters>::default());
        let connector = connect::Connector {
            rules: Arc::clone(&rules),
            resolve: parts.resolve,
            trust: parts.trust,
            counters: Arc::clone(&counters),
        };
        let runner = runner::Runner::new(connector, parts.clock, Arc::clone(&counters));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(LOOKUPS_MAX).build()?;
        std::thread::Builder::new().name(parts.name.into()).spawn(move || {
            runtime.block_on(runner.run(queue));
            // A resolver that hangs is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { jobs, line, rules, counters })
    }

    pub(crate) fn counters(&self) -> Arc<OutboundCounters> {
        Arc::clone(&self.counters)
    }

    /// Takes a place in the line and calls `target` with what `make` makes when its turn has come. The rules were asked before.
    pub(crate) fn send(
        &self,
        target: Target,
        timeout_ms: u64,
        make: Box<dyn FnOnce() -> OutboundCall + Send>,
    ) -> Pending<'static, Answered> {
        let sent = self.line.take(&target).and_then(|place| {
            let (answer, answered) = oneshot::channel();
            let timeout_ms = timeout_ms.min(TIMEOUT_MS_MAX);
            self.jobs.try_send(Job { target, timeout_ms, make, answer, place }).ok().map(|()| answered)
        });
        let Some(answered) = sent else {
            self.counters.overflowed.one();
            return Box::pin(std::future::ready(Err(OutboundFailure::Overloaded)));
        };
        let stopped = || OutboundFailure::Other("the server is stopping".into());
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(stopped())) })
    }
}

impl Outbound for HttpOutbound {
    fn check(&self, url: &str) -> Result<(), OutboundFailure> {
        self.rules.target(url).map(drop)
    }

    fn call(&self, call: OutboundCall) -> Pending<'_, Answered> {
        match self.rules.target(&call.url) {
            Ok(target) => self.send(target, call.timeout_ms, Box::new(move || call)),
            Err(failure) => {
                self.counters.refused.one();
                Box::pin(std::future::ready(Err(failure)))
            }
        }
    }
}

/// What of a time in milliseconds the runtime is told.
const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
