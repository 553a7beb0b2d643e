//! What each shard tells of itself, to be read from any thread. Written by its own thread alone, so nobody waits for anybody. Showing it is
//! somebody else's work.

use tollgate_core::counter::Gauge;
use tollgate_core::histogram::Histogram;

use super::FormatIndex;
use super::lane::Lane;
use super::shard::Shard;

/// Most wire formats whose connections are counted apart; those behind them count to the last.
pub const FORMATS_COUNTED: usize = 8;

/// One shard's numbers.
#[derive(Debug, Default)]
pub struct ShardGauges {
    /// Connections, by their wire format's place in the list given at start.
    pub connections: [Gauge; FORMATS_COUNTED],
    /// Subscriptions of connections. This and the next ones are as of the last [`Shard::report_gauges`].
    pub subscriptions: Gauge,
    /// Channels with subscribers, or about to have some.
    pub channels: Gauge,
    /// Bytes appended to channels and not yet in a pass.
    pub pending_bytes: Gauge,
    /// Words that another shard's inbox had no room for.
    pub overflow_words: Gauge,
    /// Connections whose socket takes no more for now.
    pub outboxes: Gauge,
    /// Bytes that wait for those sockets.
    pub outbox_bytes: Gauge,
    /// From the moment the shard took up a message to its last socket having been written to, once for each pass over a channel and format: that
    /// of the oldest message in it.
    pub passes: Histogram,
    /// From a client's word who it is to all of its channels being live.
    pub connects: Histogram,
}

impl ShardGauges {
    /// The connections of a wire format.
    #[must_use]
    pub fn connections_of(&self, format: FormatIndex) -> &Gauge {
        &self.connections[usize::from(format.0).min(FORMATS_COUNTED - 1)]
    }
}

impl Shard {
    /// What this shard tells of itself.
    #[must_use]
    pub fn gauges(&self) -> &ShardGauges {
        self.hub.gauges(self.index)
    }

    /// Tells what is too much to tell at every change. To be called about once a second.
    pub fn report_gauges(&self) {
        let gauges = self.gauges();
        gauges.subscriptions.set(self.subscriptions as u64);
        gauges.channels.set(self.locals.len() as u64);
        gauges.pending_bytes.set(self.pending_bytes as u64);
        gauges.overflow_words.set(self.overflow.len() as u64);
        let outboxes = self.blocked.iter().filter_map(|&connection| self.link(connection)?.outbox.as_ref());
        let (count, bytes) = outboxes.fold((0, 0), |(count, bytes), outbox| (count + 1, bytes + outbox.bytes() as u64));
        gauges.outboxes.set(count);
        gauges.outbox_bytes.set(bytes);
    }

    /// A pass over a lane is over, if one is.
    pub(super) fn note_pass(gauges: &ShardGauges, lane: &mut Lane, now_us: impl FnOnce() -> u64) {
        if let Some(since_us) = lane.take_finished() {
            gauges.passes.observe(now_us().saturating_sub(since_us));
        }
    }
}
