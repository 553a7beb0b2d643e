//! The broker port: ordering and delivery of publications.

use super::Pending;
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
///
/// History, and words from node to node, join this port with their first implementation.
pub trait Broker: Send + Sync {
    /// Publishes into a channel that exists. Publications of one caller that waits for each answer keep their order.
    fn publish(&self, channel: ChannelKey, publication: Publication) -> Pending<'_, Result<Position>>;
}
