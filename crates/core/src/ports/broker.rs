//! The broker port: ordering and delivery of publications.

use std::sync::Arc;

use super::Pending;
use crate::command::{HistoryPage, HistoryQuery, MembersPage, MembersQuery, Published, StartFrom};
use crate::delivery::{Position, Publication};
use crate::error::Result;
use crate::ids::ChannelKey;

/// Orders publications and hands them over for delivery.
///
/// Contract:
/// - Per channel, assigning the position and handing over for delivery are one ordered step: whoever gets offset `n` is
///   delivered before whoever gets `n + 1`, to every subscriber.
/// - Offsets start at 1 and have no gaps within an epoch.
/// - A publication is delivered at most once to each connection, and to each that was subscribed before the call and still is.
/// - The answer comes after the hand-over; it never waits for a subscriber's socket.
/// - When the broker has too much to do the call waits; when it cannot work at all it fails with `unavailable`.
/// - Of messages with the same `once` within two minutes only the first is published; the others are answered with its position.
/// - What a channel keeps of its past is kept in the same step that assigns the position.
pub trait Broker: Send + Sync {
    /// Publishes into a channel that exists. Nothing when it has a durable history: the store orders those. Publications of one caller that waits for each
    /// answer keep their order.
    fn publish(
        &self,
        channel: ChannelKey,
        publication: Publication,
        how: PublishHow,
    ) -> Pending<'_, Result<Option<Published>>>;
    /// A part of what a channel keeps of its past.
    fn history(&self, channel: ChannelKey, query: HistoryQuery) -> Pending<'_, Result<History>>;
    /// Answers when the channel has a message behind this position: at once, or when one is published. `false`, at once, when there is none and
    /// [`POLLS_PER_CHANNEL_MAX`](crate::limits::POLLS_PER_CHANNEL_MAX) wait there already.
    fn after(&self, channel: ChannelKey, position: Position) -> Pending<'_, Result<bool>>;
    /// Which offsets, from and to, the broker lacks for somebody to begin there, where the store may have them.
    fn missing(&self, channel: ChannelKey, from: StartFrom) -> Pending<'_, Result<Option<(u64, u64)>>>;
    /// Adds messages that were fetched from the store to what is kept of a durable history, where they join it and it is in this epoch still.
    fn fill(&self, channel: ChannelKey, epoch: u64, messages: Vec<(u64, Publication)>) -> Pending<'_, Result<()>>;
    /// Who is in a channel.
    fn members(&self, channel: ChannelKey, query: MembersQuery) -> Pending<'_, Result<MembersPage>>;
}

/// How to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishHow {
    /// Tells a message that is published again: a hash over its publisher and the id that it gave.
    pub once: Option<[u8; 16]>,
    /// The conflation key.
    pub key: Option<Arc<str>>,
}

/// What is known of a part of a channel's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// This is it.
    Page(HistoryPage),
    /// Messages behind the position are not kept any more; the channel is here.
    Lost(Position),
    /// The part is not in memory: the store has it. Memory has everything from the offset on, in this epoch.
    InStore {
        /// The offset.
        memory_from: u64,
        /// Where the channel is.
        position: Position,
    },
}
