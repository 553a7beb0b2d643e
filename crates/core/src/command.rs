//! The words between a dialect and the operations: what a client asks for (commands), what it gets back (replies), and what
//! reaches its connection unasked (notices). No wire format is here.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::delivery::Publication;
use crate::ids::{ChannelId, ConnectionId, ProjectId};
use crate::json::{JsonObject, JsonValue};
use crate::model::{Capabilities, ChannelType};

/// A credential as a client typed it, not yet verified. Cannot be printed, and is wiped from memory after use.
#[derive(Clone)]
pub struct PresentedSecret(Zeroizing<String>);

impl PresentedSecret {
    /// Takes over the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for verifying and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedSecret(…)")
    }
}

/// What a client asks for. Channel ids are unchecked text: the operation checks them.
#[derive(Clone, Debug)]
pub enum Command {
    /// Identify this connection. Without a token the client is anonymous. Only ever performed once per connection.
    Connect {
        /// The project's id as the client spelled it.
        project: String,
        /// The token, if the client has one.
        token: Option<PresentedSecret>,
    },
    /// Go on with this token in place of the one that the connection came with: its later generation, the same one anew, or another of the same
    /// user. Whether it succeeds or fails, the connection stays.
    Renew {
        /// The token.
        token: PresentedSecret,
    },
    /// Subscribe to a channel.
    Subscribe {
        /// The channel's id.
        channel: String,
    },
    /// End a subscription (for a token: durably).
    Unsubscribe {
        /// The channel's id.
        channel: String,
    },
    /// Publish into a channel that the client is subscribed to.
    Publish {
        /// The channel's id.
        channel: String,
        /// The event name.
        event: String,
        /// The data.
        data: JsonValue,
    },
    /// Replace the state of a channel that the client is subscribed to.
    SetState {
        /// The channel's id.
        channel: String,
        /// The new state.
        state: JsonObject,
    },
}

/// What a performed command came to, when it succeeded.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The connection is identified. Nothing of its channels is sent before the dialect has had this reply.
    Connected(Box<Connected>),
    /// Done; what follows from it arrives as notices and deliveries. A subscribe that succeeded is always told by
    /// [`Notice::Subscribed`], never by its reply, so that the snapshot and the first delivery cannot swap places.
    Done,
    /// The connection goes on with the token of its [`Command::Renew`], until then, or without an end.
    Renewed(Option<Expiry>),
    /// The caller is subscribed, but the channel's settings do not let it write. Nothing was done.
    NotAllowed,
    /// The caller is not subscribed to the channel. Nothing was done.
    NotSubscribed,
}

/// Who the connection turned out to be, and all that it is subscribed to.
#[derive(Clone, Debug)]
pub struct Connected {
    /// This connection's id.
    pub connection: ConnectionId,
    /// The project.
    pub project: ProjectId,
    /// `None` for an anonymous client.
    pub token: Option<ConnectedToken>,
    /// Live connections of this session, this one included.
    pub connection_count: u32,
    /// Every subscription, with the current state of its channel.
    pub channels: Vec<ChannelSnapshot>,
}

/// What a connected client may know of its token.
#[derive(Clone, Debug)]
pub struct ConnectedToken {
    /// The token's state.
    pub state: Option<JsonObject>,
    /// When the token ends, if it does.
    pub expiry: Option<Expiry>,
}

/// The end of a credential, as seen at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Milliseconds from that moment until the end.
    pub left_ms: u64,
    /// Milliseconds from its making to its end.
    pub life_ms: u64,
}

/// Longest time by which a client is told ahead that its token ends.
pub const EXPIRY_WARNING_MS_MAX: u64 = 60_000;

impl Expiry {
    /// How long before the end the client is told: when 80 % of the life or all but 60 seconds of it is over, whichever is later.
    #[must_use]
    pub const fn warning_ms(self) -> u64 {
        let fifth = self.life_ms / 5;
        if fifth < EXPIRY_WARNING_MS_MAX { fifth } else { EXPIRY_WARNING_MS_MAX }
    }
}

/// A channel as a subscriber sees it at one moment. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSnapshot {
    /// The owner.
    pub project: ProjectId,
    /// Its id.
    pub channel: ChannelId,
    /// Who may subscribe.
    pub kind: ChannelType,
    /// Its settings.
    pub capabilities: Capabilities,
    /// Its state.
    pub state: JsonObject,
    /// The version of that state.
    pub version: u64,
    /// Tells this channel from an earlier one with the same id: its place in the server's order of creation.
    pub sequence: u64,
}

/// What reaches one connection unasked, or as the outcome of a subscribe.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The connection is now subscribed (or asked again, and still is). Deliveries of the channel follow, none came before.
    Subscribed(Arc<ChannelSnapshot>),
    /// The subscription has ended; nothing of the channel follows.
    Unsubscribed(ChannelId),
    /// A direct message. Usually broadcast already encoded; this is for what waited until the connection was identified.
    Direct(Publication),
    /// The end of the connection's token was moved, or taken away.
    ExpiryChanged(Option<Expiry>),
    /// The token will end soon, and the connection with it, unless its expiry is moved. Told once for each end; a dialect tells it by itself when the
    /// time of [`Expiry::warning_ms`] has come.
    Expiring {
        /// Milliseconds from now.
        left_ms: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_warned_after_80_percent_or_a_minute_ahead_whichever_is_later() {
        for (life_ms, warned_after_ms) in [
            (0, 0),
            (4, 4),
            (1_000, 800),
            (100_000, 80_000),
            (300_000, 240_000),
            (300_005, 240_005),
            (3_600_000, 3_540_000),
        ] {
            let expiry = Expiry { left_ms: life_ms, life_ms };
            assert_eq!(life_ms - expiry.warning_ms(), warned_after_ms, "of {life_ms}");
        }
    }
}
