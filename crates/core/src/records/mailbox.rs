//! Mailboxes: what a project wants kept of direct messages, where each token's stands, and the messages. What is done with them is not here.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::delivery::{Position, Publication};
use crate::ids::TokenId;
use crate::json::{JsonValue, stored_value};
use crate::limits::MAILBOX_RUNS_MAX;

/// How direct messages are kept until they are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSettings {
    /// Most of a token, 1 to 1,000; the oldest go first.
    pub size: u32,
    /// How long one is kept, in milliseconds, 1,000 to 30 days.
    pub ttl_ms: u64,
}

/// Where a token's mailbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRecord {
    /// The run that its offsets count in.
    pub run: u32,
    /// The offset of its last message.
    pub last: u64,
    /// Up to where its messages are acknowledged.
    pub acknowledged: u64,
}

/// A direct message that waits to be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectMessageRecord {
    /// For whom.
    pub token: TokenId,
    /// The run of its offset.
    pub run: u32,
    /// Its place among the token's.
    pub offset: u64,
    /// The event name.
    pub event: String,
    /// The data.
    #[serde(deserialize_with = "stored_value")]
    pub data: JsonValue,
    /// When it was accepted.
    pub at: UnixMillis,
}

impl DirectMessageRecord {
    /// Where it stands.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { epoch: mailbox_epoch(self.token, self.run), offset: self.offset }
    }

    /// As it was sent.
    #[must_use]
    pub fn publication(&self) -> Publication {
        Publication::new(&self.event, self.data.clone(), self.at)
    }
}

/// The epoch of a token's mailbox, while its project's mailboxes are on for the `run`-th time. Those of direct messages that are kept in memory
/// alone do not have the highest bit.
#[must_use]
pub const fn mailbox_epoch(token: TokenId, run: u32) -> u64 {
    1 << 63 | (token.get() & 0x7ff_ffff_ffff) << 20 | (run & MAILBOX_RUNS_MAX) as u64
}
