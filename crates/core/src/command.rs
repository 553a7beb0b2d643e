//! The words between a dialect and the operations: what a client asks for (commands), what it gets back (replies), and what
//! reaches its connection unasked (notices). No wire format is here.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::clock::UnixMillis;
use crate::delivery::{Member, Position, Publication};
use crate::error::Result;
use crate::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use crate::json::{JsonObject, JsonValue};
use crate::model::{Capabilities, ChannelSettings, ChannelType};
use crate::ports::store::StateChange;

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
        /// The token, or a ticket for one, if the client has one.
        token: Option<PresentedSecret>,
        /// What it goes on with, and what is seen of it.
        resume: Option<Box<Resume>>,
    },
    /// Go on with this token in place of the one that the connection came with: its later generation, the same one anew, or another of the same
    /// user. Whether it succeeds or fails, the connection stays.
    Renew {
        /// The token, or a ticket for one.
        token: PresentedSecret,
    },
    /// Subscribe to a channel.
    Subscribe {
        /// The channel's id.
        channel: String,
        /// From where on, and how it takes part.
        wish: Option<Box<SubscribeWish>>,
    },
    /// End a subscription (for a token: durably).
    Unsubscribe {
        /// The channel's id.
        channel: String,
    },
    /// Publish into a channel.
    Publish(NewMessage),
    /// Publish these, one after another; each has an outcome of its own.
    Batch(Vec<NewMessage>),
    /// Change the state of a channel.
    SetState {
        /// The channel's id.
        channel: String,
        /// How.
        change: StateChange,
        /// Only if it is at this version.
        if_version: Option<u64>,
    },
    /// Read a channel's past.
    History {
        /// The channel's id.
        channel: String,
        /// Which part.
        query: HistoryQuery,
    },
    /// Read who is in a channel.
    Members {
        /// The channel's id.
        channel: String,
        /// Which.
        query: MembersQuery,
    },
    /// Change what members of a channel see of this client.
    SetMember {
        /// The channel's id.
        channel: String,
        /// What they see.
        data: Option<JsonObject>,
    },
    /// Direct messages up to this one need not be kept any more.
    Acknowledge {
        /// Its position.
        direct: Position,
    },
}

/// What a client that comes back goes on with.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The session that an earlier connection was given.
    pub session: Option<String>,
    /// By channel id, up to where the client has everything. At most 1,024.
    pub positions: Vec<(String, Position)>,
    /// The same for direct messages.
    pub direct: Option<Position>,
    /// What members see of the client.
    pub data: Option<JsonObject>,
    /// Channels, by id, in which it wants to be told who comes and goes. At most 1,024.
    pub watches: Vec<String>,
}

/// How a client takes part in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeWish {
    /// Where to begin; without one, now.
    pub from: Option<StartFrom>,
    /// Whether it wants to be told who comes and goes.
    pub watches: bool,
    /// What members of this channel see of it, in place of what it said when it connected.
    pub data: Option<JsonObject>,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// Behind this position.
    Position(Position),
    /// With the last so many messages.
    Last(u32),
    /// With the first message accepted at this moment or later.
    Since(UnixMillis),
}

/// A message that a client publishes.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The channel's id.
    pub channel: String,
    /// The event name.
    pub event: String,
    /// The data.
    pub data: JsonValue,
    /// What is rarely there.
    pub options: Option<Box<PublishOptions>>,
}

impl NewMessage {
    /// A message without anything rare.
    #[must_use]
    pub fn new(channel: &str, event: &str, data: JsonValue) -> Self {
        Self { channel: channel.to_owned(), event: event.to_owned(), data, options: None }
    }
}

/// How a message is to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishOptions {
    /// The publisher's id for it, 1 to 64 bytes: the same again within two minutes is not published again.
    pub id: Option<String>,
    /// Whether it comes back to its sender; without it as the channel says.
    pub echo: Option<bool>,
    /// Its conflation key, 1 to 64 bytes.
    pub key: Option<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It has this position.
    At(Position),
    /// It was published before, and has this position.
    Duplicate(Position),
    /// It waits for its turn among those with its key, or was replaced by a later one.
    Conflated,
}

/// Which part of a channel's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Where the page begins.
    pub from: HistoryFrom,
    /// The latest first.
    pub newest_first: bool,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
}

/// Where a page of history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryFrom {
    /// At the oldest message that is kept, or at the latest when the order is turned.
    End,
    /// Only messages behind this one.
    After(Position),
    /// Only messages before this one.
    Before(Position),
    /// Only messages accepted at this moment or later.
    Since(UnixMillis),
}

/// A page of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// Offsets and messages, in the order asked for.
    pub messages: Vec<(u64, Publication)>,
    /// Where the channel is.
    pub position: Position,
    /// Whether there is more behind the last one.
    pub more: bool,
}

/// Which members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersQuery {
    /// Those behind this name.
    pub after: Option<String>,
    /// At most so many, 0 to 1,000.
    pub limit: usize,
    /// So many at random instead.
    pub sample: bool,
}

/// Members of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersPage {
    /// How many there are.
    pub count: u64,
    /// Those asked for, in the order of their names.
    pub members: Vec<Member>,
    /// Whether there are more.
    pub more: bool,
}

/// What a performed command came to, when it succeeded.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The connection is identified. Nothing of its channels is sent before the dialect has had this reply.
    Connected(Box<Connected>),
    /// Done; what follows from it arrives as notices and deliveries. A subscribe that succeeded is always told by
    /// [`Notice::Subscribed`], never by its reply, so that the snapshot and the first delivery cannot swap places.
    Done,
    /// The connection goes on with the token of its [`Command::Renew`].
    Renewed(Box<Renewed>),
    /// The message was taken.
    Published(Published),
    /// What became of each message of a batch, in order.
    /// Each is what it would be alone: [`Reply::Published`], [`Reply::NotAllowed`], [`Reply::NotSubscribed`] or an error.
    Batch(Vec<Result<Reply>>),
    /// The state is changed, and at this version.
    StateChanged(u64),
    /// The state is at this version, and not at the one expected. Nothing was done.
    VersionMismatch(u64),
    /// A part of the channel's past.
    History(HistoryPage),
    /// What lies behind the position is not kept any more; the channel is here.
    PositionLost(Position),
    /// Members of the channel.
    Members(MembersPage),
    /// Neither the channel's settings nor the token's rights let the caller write: `not_granted` wherever that has a code. Nothing was done.
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
    /// The token's session; `None` for an anonymous client.
    pub session: Option<Arc<str>>,
    /// Whether it is the one that the client named.
    pub resumed: bool,
    /// Where the token's direct messages are.
    pub direct: Option<Position>,
    /// Whether direct messages behind the position that the client named are not kept any more.
    pub direct_lost: bool,
    /// Every subscription, with the current state of its channel.
    pub channels: Vec<Subscribed>,
}

/// With what a connection goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The token.
    pub token: ConnectedToken,
    /// The session that the connection belongs to from now on, if the token is another one and its protocol knows sessions.
    pub session: Option<Arc<str>>,
    /// Then also where the direct messages begin that it hears from now on.
    pub direct: Option<Position>,
    /// And whether there was something before them that it is not sent.
    pub direct_lost: bool,
}

/// A subscription, as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The channel.
    pub channel: Arc<ChannelSnapshot>,
    /// The message that comes next is the one behind this position.
    pub position: Position,
    /// When something of the past was asked for: whether it follows whole.
    pub recovered: Option<bool>,
    /// It only begins with a notice of its own, which follows.
    pub is_resuming: bool,
}

/// What a connected client may know of its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedToken {
    /// Its public id.
    pub id: TokenId,
    /// The customer's id of its user.
    pub user: Option<Arc<str>>,
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
    /// Who may write.
    pub capabilities: Capabilities,
    /// What it keeps and tells.
    pub settings: ChannelSettings,
    /// The epoch of its durable history, if it has one.
    pub durable_epoch: Option<u64>,
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
    Subscribed(Box<Subscribed>),
    /// The subscription has ended; nothing of the channel follows.
    Unsubscribed(ChannelId),
    /// A direct message. Usually broadcast already encoded; this is for what waited until the connection was identified.
    Direct(Option<Position>, Publication),
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
