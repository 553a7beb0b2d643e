//! The access hook over HTTP: a signed POST to the customer's backend, whose 2xx lets a token into a private channel.
//!
//! What is asked and what the answer means. Calling is [`crate::outbound`]'s; whom to ask at all is the node's decision.

mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::clock::{Clock, Monotonic};
use tollgate_core::ports::Pending;
use tollgate_core::ports::hook::{AccessHook, SubscribeQuestion};
use tollgate_core::ports::outbound::{OutboundFailure, OutboundRules, Target};

use crate::config::Secret;
use crate::outbound::{Bounds, HttpOutbound, OutboundParts, Trust, system_resolver};
use request::{body, signed};

/// At most one failure is logged in this time.
const REPORT_EVERY_MS: u64 = 1_000;
const NEVER: u64 = u64::MAX;

/// Where and how to ask.
#[derive(Debug)]
pub(crate) struct HookParts {
    pub(crate) url: String,
    pub(crate) secret: Secret,
    /// From the question to the answer, waiting and all.
    pub(crate) timeout: Duration,
}

/// Why a hook cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error("access_hook.url: {0}")]
    Url(OutboundFailure),
    #[error("the access hook's https: {0}")]
    Roots(String),
    #[error("the access hook's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

tollgate_core::counters! {
    /// What has become of the questions since the start.
    pub(crate) struct HookCounters {
        /// Tokens let in.
        granted,
        /// Tokens that the backend kept out.
        refused,
        /// Tokens kept out because the backend did not answer as it should.
        failed,
        /// Refused because too many were waiting.
        overflowed,
    }
}

/// Asks the customer's backend.
pub(crate) struct HttpHook {
    outbound: HttpOutbound,
    target: Target,
    parts: Arc<HookParts>,
    clock: Arc<dyn Clock>,
    counters: Arc<HookCounters>,
    /// When a failure was last logged, in monotonic milliseconds.
    reported_at: AtomicU64,
}

/// The operator's own address: it is where the settings say, on this machine or elsewhere.
pub(crate) const fn rules() -> OutboundRules {
    OutboundRules { allow_private: true, allow_http: true, allowed: Vec::new() }
}

impl HttpHook {
    /// Starts the thread that makes the calls; it ends when this is dropped.
    pub(crate) fn start(parts: HookParts, clock: Arc<dyn Clock>) -> Result<Self, HookError> {
        let https = rules().target(&parts.url).map_err(HookError::Url)?.https;
        // A plain address needs no list of certificates.
        let trust = if https { Trust::system_now().map_err(HookError::Roots)? } else { Trust::system() };
        Self::with(trust, parts, clock)
    }

    fn with(trust: Trust, parts: HookParts, clock: Arc<dyn Clock>) -> Result<Self, HookError> {
        let target = rules().target(&parts.url).map_err(HookError::Url)?;
        let outbound = HttpOutbound::start(OutboundParts {
            name: "access-hook",
            rules: rules(),
            bounds: Bounds::ONE_HOST,
            trust,
            resolve: system_resolver(),
            clock: Arc::clone(&clock),
        });
        let outbound = outbound.map_err(HookError::Thread)?;
        let (parts, counters, reported_at) = (Arc::new(parts), Arc::default(), AtomicU64::new(NEVER));
        Ok(Self { outbound, target, parts, clock, counters, reported_at })
    }

    pub(crate) fn counters(&self) -> Arc<HookCounters> {
        Arc::clone(&self.counters)
    }

    /// Logs a failure, unless one was logged a moment ago: clients can cause as many as they like while the backend is down.
    fn report(&self, why: &OutboundFailure, question: &SubscribeQuestion) {
        let SubscribeQuestion { project, channel, token, .. } = question;
        let now = self.clock.monotonic();
        let last = self.reported_at.load(Ordering::Relaxed);
        if last == NEVER || now.since(Monotonic(last)) >= REPORT_EVERY_MS {
            self.reported_at.store(now.0, Ordering::Relaxed);
            let failed = self.counters.failed.get();
            tracing::warn!(%project, %channel, %token, %why, failed, "the access hook failed, so a token was kept out");
        }
    }
}

impl AccessHook for HttpHook {
    fn may_subscribe(&self, question: SubscribeQuestion) -> Pending<'_, bool> {
        let (parts, clock, asked) = (Arc::clone(&self.parts), Arc::clone(&self.clock), question.clone());
        let timeout_ms = u64::try_from(parts.timeout.as_millis()).unwrap_or(u64::MAX);
        // Signed when it leaves, not when it was asked: the receiver refuses old timestamps.
        let make = move || {
            let (seconds, secret) = (clock.unix().0 / 1_000, parts.secret.expose().as_bytes());
            signed(parts.url.clone(), secret, seconds, body(&asked), timeout_ms)
        };
        // Takes its place in the line now, before anybody waits for the answer.
        let answered = self.outbound.send(self.target.clone(), timeout_ms, Box::new(make));
        Box::pin(async move {
            let SubscribeQuestion { project, channel, token, .. } = &question;
            match answered.await {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    tracing::debug!(%project, %channel, %token, "the access hook let a token in");
                    self.counters.granted.one();
                    return true;
                }
                Ok(answer) => {
                    let status = answer.status;
                    tracing::debug!(%project, %channel, %token, status, "the access hook kept a token out");
                    self.counters.refused.one();
                }
                Err(OutboundFailure::Redirect(status)) => {
                    tracing::debug!(%project, %channel, %token, status, "the access hook sent elsewhere");
                    self.counters.refused.one();
                }
                Err(OutboundFailure::Overloaded) => {
                    if self.counters.overflowed.get() == 0 {
                        tracing::warn!("the access hook does not keep up: too many questions wait, more are refused");
                    }
                    self.counters.overflowed.one();
                }
                Err(why) => {
                    self.counters.failed.one();
                    self.report(&why, &question);
                }
            }
            false
        })
    }
}
