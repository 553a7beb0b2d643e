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
    /// Milliseconds from now until the token expires.
    pub expires_in_ms: Option<u64>,
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
    /// The token's expiry was changed: milliseconds from now, or never.
    ExpiryChanged(Option<u64>),
}
