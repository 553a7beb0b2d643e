//! What is broadcast, and the seam that turns it into bytes once per wire format.

use std::sync::Arc;

use crate::ids::ChannelId;
use crate::json::{JsonObject, JsonValue};

/// A message as its publisher gave it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The event name, 1 to 255 bytes.
    pub event: Arc<str>,
    /// The data, any JSON value.
    pub data: JsonValue,
}

/// Where a publication stands in its channel. Offsets count from 1 without gaps within an epoch; a new epoch says that
/// earlier offsets mean nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which run of offsets.
    pub epoch: u64,
    /// The place within it.
    pub offset: u64,
}

/// One thing that many connections get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A publication, for the subscribers of a channel.
    Message {
        /// The channel.
        channel: ChannelId,
        /// What was published.
        publication: Publication,
    },
    /// The channel's new state, whole, for its subscribers.
    State {
        /// The channel.
        channel: ChannelId,
        /// The whole new state.
        state: JsonObject,
    },
    /// The channel was deleted, for those who were its subscribers.
    Deleted {
        /// The channel.
        channel: ChannelId,
    },
    /// A direct message, for all connections of a token.
    Direct {
        /// What was sent.
        publication: Publication,
    },
}

/// A wire format's stateless broadcast encoding.
///
/// Law: the bytes depend on the delivery alone, never on the connection that gets them. That is what lets the hub encode a
/// delivery once and write the same bytes to ten thousand sockets.
pub trait Encoder: Send + Sync {
    /// Appends the payload of one text message (without any framing of the transport) to `out` and returns true; or leaves
    /// `out` alone and returns false where this format has no word for the delivery.
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool;
}
