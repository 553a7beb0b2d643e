//! What the console is told of the server around it: how it does now and did in the last minutes, and whether its parts work. The server
//! implements it; what is said here is said in /metrics and /readyz, too, and is read from the same counters.

use tollgate_core::audit::AuditEntry;
use tollgate_core::ports::Pending;

/// The server around the console.
pub trait Surroundings: Send + Sync {
    /// What went on in the last minutes.
    fn pulse(&self) -> Pulse;
    /// Whether every part works, now. Takes as long as the slowest part, two seconds at most.
    fn health(&self) -> Pending<'_, Vec<Part>>;
    /// An entry of the audit log as `/v2/audit/export` spells it, without a line break.
    fn audit_line(&self, entry: &AuditEntry) -> String;
}

/// What went on in the last minutes, over all projects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The last seconds; nothing just after the start, and while nothing was noted.
    pub now: Option<Stretch>,
    /// Each as long as the next, the oldest first; the last one goes on. Nothing where nothing was noted.
    pub stretches: Vec<Option<Stretch>>,
    /// How long each is, in milliseconds.
    pub stretch_ms: u64,
}

/// What was done within a stretch of time, and how things were at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// How long the time is that was measured, in milliseconds; never 0. Longer than asked for where nothing was noted before.
    pub ms: u64,
    /// Live connections, by whatever protocol.
    pub connections: u64,
    /// Messages that channels and tokens were sent.
    pub messages_in: u64,
    /// Messages written to connections.
    pub deliveries: u64,
    /// Connects, calls, subscriptions and messages that were refused.
    pub refusals: u64,
    /// So long half of the deliveries took at most, in microseconds; `u64::MAX` is longer than is measured. Nothing where there was none.
    pub delivery_p50_us: Option<u64>,
    /// And so long 99 of 100.
    pub delivery_p99_us: Option<u64>,
    /// So long 99 of 100 commits of the store took at most.
    pub commit_p99_us: Option<u64>,
    /// Changes that waited for the store.
    pub store_waiting: u64,
    /// Messages that waited for webhook endpoints.
    pub webhooks_waiting: u64,
}

impl Stretch {
    /// How many of these there were in a thousand seconds.
    #[must_use]
    pub fn per_thousand_seconds(&self, count: u64) -> u64 {
        let per = u128::from(count) * 1_000_000 / u128::from(self.ms.max(1));
        u64::try_from(per).unwrap_or(u64::MAX)
    }
}

/// How a part of the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, for people.
    pub name: &'static str,
    /// Whether it works.
    pub condition: Condition,
    /// The fact behind it, in a few words.
    pub said: String,
}

/// Whether a part works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As it should be.
    Good,
    /// It works, and somebody should look.
    Strained,
    /// It does not.
    Failing,
}

impl Condition {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Strained => "strained",
            Self::Failing => "failing",
        }
    }
}
