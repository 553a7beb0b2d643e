//! What a node tells of itself to whoever runs it: what it holds, and whether it works. Numbers and words of ours only: no name, id or secret.

use std::time::Duration;

use tokio::time::timeout;
use tollgate_core::Result;
use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::histogram::Observed;

use crate::Node;
use crate::hub::{Request, ShardGauges, ShardIndex};

/// How long the answer to a readiness question holds.
const PROBE_EVERY_MS: u64 = 1_000;
/// A store or a shard that takes longer is not ready.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// Whether the parts work that nothing goes on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The store made something durable.
    pub store: bool,
    /// Every shard took a word and answered it.
    pub shards: bool,
    /// There is room for larger changes than the one that was tried.
    pub disk: bool,
}

/// Tells whether there is room; may look at a disk, and is asked once a second at most.
pub type Room = Box<dyn Fn() -> bool + Send + Sync>;

impl Readiness {
    /// Whether all of them do.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        self.store && self.shards && self.disk
    }
}

/// What is held, over all projects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Projects.
    pub projects: usize,
    /// Project keys, revoked ones too.
    pub keys: usize,
    /// Channels.
    pub channels: usize,
    /// Tokens, also those that ended and are not forgotten yet.
    pub tokens: usize,
    /// Users.
    pub users: usize,
    /// Webhook endpoints.
    pub webhooks: usize,
    /// Messages to webhook endpoints that wait for their turn, or for the next try.
    pub webhook_messages: usize,
    /// Background jobs that have not ended.
    pub jobs: usize,
    /// Projects whose access hook failed so often that it is not asked for a while.
    pub hooks_resting: usize,
}

/// One shard's numbers, with what waits in its inboxes.
#[derive(Debug)]
pub struct ShardFigures<'a> {
    /// Which.
    pub index: ShardIndex,
    /// What it tells.
    pub gauges: &'a ShardGauges,
    /// Requests of operations that wait.
    pub requests: usize,
    /// Words of other shards that wait.
    pub words: usize,
}

impl Node {
    /// Whether this caller may see how the whole server does. What is told here tells of all projects together.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn may_see_server(&self, caller: &Caller) -> Result<()> {
        authorize::whole_server(caller, Action::SeeServer)
    }

    /// From now on the node is ready only while there is room. The first word counts.
    pub fn mind_room(&self, room: Room) {
        let _later_word = self.room.set(room);
    }

    /// Whether the store could make something durable, and every shard answer, within the last second; and whether there is room for more. Anybody may ask, so it is not tried for
    /// each who does.
    pub async fn readiness(&self) -> Readiness {
        let mut probed = self.probed.lock().await;
        let now = self.clock.monotonic();
        match *probed {
            Some((at, readiness)) if now.since(at) < PROBE_EVERY_MS => readiness,
            _ => {
                let (store, shards) = tokio::join!(
                    timeout(PROBE_DEADLINE, self.store.probe()),
                    timeout(PROBE_DEADLINE, self.every_shard_answers())
                );
                let disk = self.room.get().is_none_or(|room| room());
                let readiness =
                    Readiness { store: matches!(store, Ok(Ok(()))), shards: matches!(shards, Ok(true)), disk };
                // From when it was found, not from when it was asked for.
                *probed = Some((self.clock.monotonic(), readiness));
                readiness
            }
        }
    }

    async fn every_shard_answers(&self) -> bool {
        let answers = self.hub.ask_each(self.hub.shards().map(|shard| (shard, Request::Settle))).await;
        answers.iter().all(Option::is_some)
    }

    /// What is held now. A look at each project, nothing longer.
    #[must_use]
    pub fn held(&self) -> Held {
        let mut held =
            Held { keys: self.directory.keys().len(), hooks_resting: self.hooks.resting(), ..Held::default() };
        for entry in self.directory.projects() {
            let records = entry.read();
            held.projects += 1;
            held.channels += records.channel_count();
            held.tokens += records.token_count();
            held.users += records.users().len();
            held.webhooks += records.webhooks.len();
            held.webhook_messages += records.deliveries.waiting();
            held.jobs += records.jobs.values().filter(|kept| kept.record.ended_at.is_none()).count();
        }
        held
    }

    /// What each shard tells.
    #[must_use]
    pub fn shards(&self) -> Vec<ShardFigures<'_>> {
        let of = |index| {
            let (requests, words) = self.hub.waiting(index);
            ShardFigures { index, gauges: self.hub.gauges(index), requests, words }
        };
        self.hub.shards().map(of).collect()
    }

    /// The names of the wire formats, each at its place.
    #[must_use]
    pub fn formats(&self) -> Vec<&'static str> {
        self.hub.format_names()
    }

    /// How often clients and calls were refused, by our word for the reason.
    #[must_use]
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        self.refusals.totals()
    }

    /// How long messages to webhook endpoints took, one try each.
    #[must_use]
    pub fn webhook_tries(&self) -> Observed {
        self.courier.tries.read()
    }

    /// The monotonic clock in microseconds, for measuring.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.clock.micros()
    }
}
