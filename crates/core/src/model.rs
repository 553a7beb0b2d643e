//! What the stores keep in the open: projects, channels and subscriptions. Everything else is a sealed row ([`crate::records`]).

use crate::clock::UnixMillis;
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::json::JsonObject;

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

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The owner.
    pub project: ProjectId,
    /// Its id within the project.
    pub id: ChannelId,
    /// Who may subscribe.
    pub kind: ChannelType,
    /// Its settings.
    pub capabilities: Capabilities,
    /// Its state.
    pub state: JsonObject,
    /// Counts the changes of state, from 1.
    pub version: u64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// The order of creation within the server; also tells a channel from an earlier one with the same id.
    pub sequence: u64,
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
