//! The access hook over HTTP: a signed POST to the customer's backend, whose 2xx lets a token into a private channel.
//!
//! The calls run on a thread of their own, so that they may be asked for from any shard. Everything is bounded: how many wait, how many run,
//! how long one takes, how much of an answer is read. Whom to ask at all is the node's decision.

mod request;
mod runner;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tollgate_core::clock::Clock;
use tollgate_core::ports::Pending;
use tollgate_core::ports::hook::{AccessHook, SubscribeQuestion};

use crate::config::Secret;

/// Calls that run at a time.
const CALLS_MAX: usize = 64;
/// Questions that wait or run; more are refused at once.
const QUESTIONS_MAX: usize = 1_024;

/// Where and how to ask.
#[derive(Debug)]
pub(crate) struct HookParts {
    pub(crate) url: hyper::Uri,
    pub(crate) secret: Secret,
    /// From the question to the answer, waiting and all.
    pub(crate) timeout: Duration,
}

/// Why a hook cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error("the access hook's https needs the system's list of trusted certificates: {0}")]
    Roots(std::io::Error),
    #[error("the access hook's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// What has become of the questions since the start.
#[derive(Debug, Default)]
pub(crate) struct HookCounters {
    granted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    /// Refused because too many were waiting.
    overflowed: AtomicU64,
}

impl HookCounters {
    /// Every total with its name.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        let Self { granted, refused, failed, overflowed } = self;
        [("hook_granted", granted), ("hook_refused", refused), ("hook_failed", failed), ("hook_overflowed", overflowed)]
            .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
            .into()
    }
}

/// One question on its way.
struct Job {
    question: SubscribeQuestion,
    answer: oneshot::Sender<bool>,
    /// Its place among those that wait or run.
    _place: OwnedSemaphorePermit,
}

/// Asks the customer's backend.
#[derive(Debug)]
pub(crate) struct HttpHook {
    jobs: mpsc::Sender<Job>,
    places: Arc<Semaphore>,
    counters: Arc<HookCounters>,
}

impl HttpHook {
    /// Starts the thread that makes the calls; it ends when this is dropped.
    pub(crate) fn start(parts: HookParts, clock: Arc<dyn Clock>) -> Result<Self, HookError> {
        let counters = Arc::<HookCounters>::default();
        let (jobs, queue) = mpsc::channel(QUESTIONS_MAX);
        let runner = runner::Runner::new(parts, clock, Arc::clone(&counters)).map_err(HookError::Roots)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HookError::Thread)?;
        let thread = std::thread::Builder::new().name("access-hook".into());
        thread.spawn(move || runtime.block_on(runner.run(queue))).map_err(HookError::Thread)?;
        Ok(Self { jobs, places: Arc::new(Semaphore::new(QUESTIONS_MAX)), counters })
    }
}

impl HttpHook {
    pub(crate) fn counters(&self) -> Arc<HookCounters> {
        Arc::clone(&self.counters)
    }
}

impl AccessHook for HttpHook {
    fn may_subscribe(&self, question: SubscribeQuestion) -> Pending<'_, bool> {
        let sent = Arc::clone(&self.places).try_acquire_owned().ok().and_then(|place| {
            let (answer, answered) = oneshot::channel();
            self.jobs.try_send(Job { question, answer, _place: place }).ok().map(|()| answered)
        });
        let Some(answered) = sent else {
            if self.counters.overflowed.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("the access hook does not keep up: {QUESTIONS_MAX} questions wait, more are refused");
            }
            return Box::pin(std::future::ready(false));
        };
        Box::pin(async { answered.await.unwrap_or(false) })
    }
}
