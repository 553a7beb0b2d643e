//! What the stores keep in the open: projects, channels and subscriptions. Everything else is a sealed row ([`crate::records`]).

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::limits::{
    CONFLATE_PER_SECOND_MAX, HISTORY_SIZE_DEFAULT, HISTORY_SIZE_MAX, HISTORY_TTL_MS_DEFAULT, HISTORY_TTL_MS_MAX,
};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The name people see.
    pub name: String,
    /// When it was created.
    pub created_at: UnixMillis,
    /// Its data keys, each with its number and wrapped under the master key: opaque to the store. At least one, at most 8; the highest
    /// number seals.
    pub wrapped_data_keys: Vec<(u16, Vec<u8>)>,
}

/// Who may subscribe to a channel (source: Hop's documentation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelType {
    /// Only tokens that the backend, or the access hook, has let in.
    Private,
    /// Any token of the project.
    Public,
    /// Anybody who knows the id.
    Unprotected,
}

impl ChannelType {
    /// The word on the wire and in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Unprotected => "unprotected",
        }
    }

    /// The type with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Private, Self::Public, Self::Unprotected].into_iter().find(|one| one.word() == word)
    }
}

/// A channel's settings, as the integer that Hop's objects show as `capabilities`. The bit values are ours: Hop never published its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities(u32);

impl Capabilities {
    /// The channel is deleted once all its subscribers have been gone for the session grace time.
    pub const EPHEMERAL: u32 = 1;
    /// Subscribed clients with a token may publish.
    pub const TOKEN_PUBLISH: u32 = 2;
    /// Subscribed anonymous clients may publish.
    pub const ANONYMOUS_PUBLISH: u32 = 4;
    /// Subscribed clients with a token may set the state.
    pub const TOKEN_SET_STATE: u32 = 8;
    /// Subscribed anonymous clients may set the state.
    pub const ANONYMOUS_SET_STATE: u32 = 16;
    /// Every bit with a meaning.
    pub const ALL: u32 = 31;

    /// The settings with these bits, or nothing if a bit has no meaning.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits <= Self::ALL as u64 { Some(Self(bits as u32)) } else { None }
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the setting with this bit is on.
    #[must_use]
    pub const fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }
}

impl Default for Capabilities {
    /// Token clients may publish; nothing else is on.
    fn default() -> Self {
        Self(Self::TOKEN_PUBLISH)
    }
}

/// How much of a channel's past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySettings {
    /// At most so many messages, 0 to 10,000.
    pub size: u32,
    /// For at most so long, in milliseconds: one second to ten years.
    pub ttl_ms: u64,
    /// On the disk: messages are acknowledged when they are there, and outlive a restart. Else in memory, where bytes are limited, too.
    pub durable: bool,
}

/// What a channel keeps and tells, beside who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// Its past.
    pub history: HistorySettings,
    /// Whether it keeps who is in it.
    pub presence: bool,
    /// Whether messages of clients come back to who sent them, unless they say otherwise.
    pub echo: bool,
    /// Whether the last message is kept however old it is, and handed to who subscribes.
    pub retain: bool,
    /// Of messages with the same key, at most so many a second: the latest. 0 is without such a limit; at most 100.
    pub conflate_per_second: u16,
}

impl Default for ChannelSettings {
    /// A past of two minutes in memory, as long as a session; echo; nothing else.
    fn default() -> Self {
        Self {
            history: HistorySettings { size: HISTORY_SIZE_DEFAULT, ttl_ms: HISTORY_TTL_MS_DEFAULT, durable: false },
            presence: false,
            echo: true,
            retain: false,
            conflate_per_second: 0,
        }
    }
}

impl ChannelSettings {
    /// Checks settings that a caller chose.
    ///
    /// # Errors
    /// `invalid_input`, naming the setting and its range.
    pub fn check(&self) -> Result<()> {
        let HistorySettings { size, ttl_ms, durable } = self.history;
        let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        if size > HISTORY_SIZE_MAX {
            return refuse(format!("`history.size` is {size}; a channel keeps 0 to {HISTORY_SIZE_MAX} messages."));
        }
        if durable && size == 0 {
            return refuse("`history.durable` needs a `history.size` of at least 1.".into());
        }
        if durable && self.conflate_per_second > 0 {
            return refuse("A channel with durable history does not conflate: set `conflate_per_second` to 0, or `history.durable` to false.".into());
        }
        if !(1_000..=HISTORY_TTL_MS_MAX).contains(&ttl_ms) {
            return refuse(format!("`history.ttl_ms` is {ttl_ms}; it is 1,000 to {HISTORY_TTL_MS_MAX} milliseconds."));
        }
        if self.conflate_per_second > CONFLATE_PER_SECOND_MAX {
            return refuse(format!(
                "`conflate_per_second` is {}; it is 0 to {CONFLATE_PER_SECOND_MAX}.",
                self.conflate_per_second
            ));
        }
        Ok(())
    }
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The owner.
    pub project: ProjectId,
    /// Its id within the project.
    pub id: ChannelId,
    /// Who may subscribe.
    pub kind: ChannelType,
    /// Who may write.
    pub capabilities: Capabilities,
    /// What it keeps and tells.
    pub settings: ChannelSettings,
    /// Its state.
    pub state: JsonObject,
    /// Counts the changes of state, from 1.
    pub version: u64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// The order of creation within the server; also tells a channel from an earlier one with the same id.
    pub sequence: u64,
    /// How often its durable history was begun. Given by the store.
    pub run: u32,
    /// The offset of the last message of its durable history, 0 without one. Given by the store.
    pub offset: u64,
}

impl Channel {
    /// The epoch of its durable history, if it has one. Of the epochs of histories in memory none has the highest bit.
    #[must_use]
    pub const fn durable_epoch(&self) -> Option<u64> {
        if self.settings.history.durable { Some(durable_epoch(self.sequence, self.run)) } else { None }
    }
}

/// Most runs of one channel: how often its durable history can be begun.
pub const DURABLE_RUNS_MAX: u32 = 0xf_ffff;

/// The epoch of the durable history of the channel with this sequence, begun for the `run`-th time.
#[must_use]
pub const fn durable_epoch(sequence: u64, run: u32) -> u64 {
    1 << 63 | (sequence & 0x7ff_ffff_ffff) << 20 | (run & DURABLE_RUNS_MAX) as u64
}

/// A durable subscription of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The owner of both.
    pub project: ProjectId,
    /// The subscriber.
    pub token: TokenId,
    /// The channel.
    pub channel: ChannelId,
    /// Ends with the token's session.
    pub ephemeral: bool,
}
