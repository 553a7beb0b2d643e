//! What is broadcast, and the seam that turns it into bytes once per wire format.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::clock::UnixMillis;
use crate::digits::{decimal, hexadecimal};
use crate::error::{Error, ErrorKind};
use crate::ids::{ChannelId, ConnectionId, TokenId};
use crate::json::{JsonObject, JsonValue};

/// A message as its publisher gave it, checked, with what the server knows of its publisher. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The event name, 1 to 255 bytes.
    pub event: Arc<str>,
    /// The data, any JSON value.
    pub data: JsonValue,
    /// When it was accepted.
    pub at: UnixMillis,
    /// What is rarely there.
    pub extra: Option<Arc<Extra>>,
}

/// What some publications have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// The token of the client that published it.
    pub token: Option<TokenId>,
    /// The customer's id of that token's user.
    pub user: Option<Arc<str>>,
    /// The connection that published it and does not want it back.
    pub connection: Option<ConnectionId>,
    /// The publisher's own id for it, 1 to 64 bytes.
    pub id: Option<Arc<str>>,
}

impl Publication {
    /// One of a backend, without anything rare.
    #[must_use]
    pub fn new(event: &str, data: JsonValue, at: UnixMillis) -> Self {
        Self { event: event.into(), data, at, extra: None }
    }

    /// About how many bytes it takes to keep.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.event.len() + self.data.as_str().len() + 64
    }
}

/// Where a publication stands in its channel. Offsets count from 1 without gaps within an epoch; a new epoch says that
/// earlier offsets mean nothing any more. Spelled `EPOCH-OFFSET`, the epoch in hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which run of offsets.
    pub epoch: u64,
    /// The place within it.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand, since most protocols send it along with every publication.
        let (mut epoch, mut offset) = ([0; 16], [0; 20]);
        for digits in [hexadecimal(self.epoch, &mut epoch), b"-", decimal(self.offset, &mut offset)] {
            f.write_str(std::str::from_utf8(digits).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = Error;

    /// Reads the spelling.
    ///
    /// # Errors
    /// `invalid_input`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        text.split_once('-')
            .filter(|(epoch, offset)| plain(epoch) && plain(offset))
            .and_then(|(epoch, offset)| {
                Some(Self { epoch: u64::from_str_radix(epoch, 16).ok()?, offset: offset.parse().ok()? })
            })
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "A position is spelled like `18c3f-41`; send it back as it came.")
            })
    }
}

/// Somebody present in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The customer's id of the user, a token's public id, or a connection's.
    pub name: Arc<str>,
    /// What it wants others to see.
    pub data: Option<JsonObject>,
    /// Since when it is there.
    pub since: UnixMillis,
}

/// One thing that many connections get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A publication, for the subscribers of a channel.
    Message {
        /// The channel.
        channel: ChannelId,
        /// Its place there.
        position: Position,
        /// What was published.
        publication: Publication,
    },
    /// The channel's new state, whole, for its subscribers.
    State {
        /// The channel.
        channel: ChannelId,
        /// The whole new state.
        state: JsonObject,
        /// Its version.
        version: u64,
    },
    /// The channel goes on at this position, in a new epoch; nothing was lost.
    Restarted {
        /// The channel.
        channel: ChannelId,
        /// Where it is.
        position: Position,
    },
    /// Who came and went, for subscribers that watch.
    Presence {
        /// The channel.
        channel: ChannelId,
        /// How many members there are.
        count: u64,
        /// Who came, or changed its data, and who went; `None` in a channel with too many members to tell.
        changes: Option<(Vec<Member>, Vec<Arc<str>>)>,
    },
    /// The channel was deleted, for those who were its subscribers.
    Deleted {
        /// The channel.
        channel: ChannelId,
    },
    /// A direct message, for all connections of a token.
    Direct {
        /// Its place among the token's direct messages; none when it is for one connection alone.
        position: Option<Position>,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_spelled() {
        let position = Position { epoch: 0x18_c3f, offset: 41 };
        assert_eq!(position.to_string(), "18c3f-41");
        assert_eq!("18c3f-41".parse::<Position>().unwrap(), position);
        for (epoch, offset) in [(0, 0), (15, 9), (16, 10), (u64::MAX, u64::MAX)] {
            assert_eq!(Position { epoch, offset }.to_string(), format!("{epoch:x}-{offset}"));
        }
        for bad in ["", "-", "1-", "-1", "g-1", "1-a", "+1-1", "1-+1", "1-1-1", "11111111111111111-1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
