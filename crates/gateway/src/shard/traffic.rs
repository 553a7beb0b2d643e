//! What goes over a shard's connections, counted without a word to other threads, and told to all once a second.

use super::engine::Engine;

/// What went over the shard's connections and is not counted yet: an add to a number of our own for each, and once a second one to the totals.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) messages_received: u64,
}

impl Engine {
    /// Adds what went over the connections to the totals, and has the hub tell of itself. To be called about once a second, and at the end.
    pub(super) fn report(&mut self) {
        let Traffic { bytes_received, bytes_sent, messages_received } = std::mem::take(&mut self.traffic);
        self.counters.bytes_received.add(bytes_received);
        self.counters.bytes_sent.add(bytes_sent);
        self.counters.messages_received.add(messages_received);
        self.shard.report_gauges();
    }
}
