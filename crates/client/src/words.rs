//! What an application hears: messages, states, who comes and goes, and ends; and what it may count. Plain data, no behaviour.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tollgate_protocol_native::wire;

use crate::{Error, Position};

/// JSON as it came, not yet read.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Box<str>);

impl Payload {
    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads it as a value of the application's.
    ///
    /// # Errors
    /// `invalid_input` with the place where it is not one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.0).map_err(|error| Error::InvalidInput(format!("this payload is another: {error}")))
    }

    /// Spells a value of the application's.
    ///
    /// # Errors
    /// `invalid_input` when it is not JSON, for instance a map whose keys are no texts.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let text = serde_json::to_string(value);
        text.map(|text| Self(text.into())).map_err(|error| Error::InvalidInput(format!("this is no JSON: {error}")))
    }

    pub(crate) fn raw(&self) -> &RawValue {
        serde_json::from_str(&self.0).expect("invariant: a payload was JSON when it was made")
    }
}

impl From<&RawValue> for Payload {
    fn from(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From whom a message is, as far as the sender has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The user.
    pub user: Option<String>,
    /// The token's public id.
    pub token: Option<String>,
}

/// A message of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place.
    pub position: Position,
    /// The event's name.
    pub event: String,
    /// What it says.
    pub data: Payload,
    /// When the server took it, in milliseconds since 1970.
    pub at: u64,
    /// Who sent it; `None`: a backend did.
    pub sender: Option<Sender>,
    /// The publisher's id of it, if it gave one.
    pub id: Option<String>,
}

impl Message {
    pub(crate) fn of(message: &wire::Message<'_>, position: Position) -> Self {
        Self {
            position,
            event: message.event.to_string(),
            data: message.data.into(),
            at: message.at,
            sender: message.sender.as_ref().map(Sender::of),
            id: message.id.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn of_page(message: &wire::MessageBody<'_>, position: Position) -> Self {
        Self {
            position,
            event: message.event.to_string(),
            data: message.data.into(),
            at: message.at,
            sender: message.sender.as_ref().map(Sender::of),
            id: message.id.as_deref().map(str::to_owned),
        }
    }
}

impl Sender {
    fn of(sender: &wire::Sender<'_>) -> Self {
        Self { user: sender.user.as_deref().map(str::to_owned), token: sender.token.as_deref().map(str::to_owned) }
    }
}

/// Who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user's id, or what stands for a token or connection without one.
    pub member: String,
    /// What it shows of itself.
    pub data: Option<Payload>,
    /// Since when, in milliseconds since 1970.
    pub since_at: u64,
}

impl Member {
    pub(crate) fn of(member: &wire::Member<'_>) -> Self {
        Self { member: member.member.to_string(), data: member.data.map(Payload::from), since_at: member.since_at }
    }
}

/// Who came and went within half a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// How many members there are now.
    pub count: u64,
    /// Who came, or shows something else; `None` in a channel so large that it is not told one by one.
    pub joined: Option<Vec<Member>>,
    /// Who left; `None` likewise.
    pub left: Option<Vec<String>>,
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The backend, or another connection of the token, ended it.
    Ended,
    /// The channel is gone.
    Deleted,
    /// The server does not let us in; the error says why.
    Refused,
    /// We left.
    Left,
    /// Another subscription of this client took its place.
    Replaced,
    /// The stream was not read for too long.
    TooSlow,
    /// The client was closed.
    Closed,
}

/// What a subscription's stream brings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The channel was entered, or entered again: messages follow behind this position.
    Subscribed {
        /// Everything up to here was handed out or is not asked for.
        position: Option<Position>,
    },
    /// A message: in order, once, none left out but those of a [`Event::Gap`].
    Message(Message),
    /// The channel's whole state, when it is entered and whenever it changed.
    State {
        /// The state, an object.
        state: Payload,
        /// Its version.
        version: u64,
    },
    /// Who came and went; if the subscription asked for it.
    Presence(PresenceChange),
    /// What lies between is lost to this stream; `history` shows what the channel still keeps of it.
    Gap {
        /// Everything up to here was handed out; `None`: nothing is known of before.
        from: Option<Position>,
        /// What lies behind this follows.
        to: Position,
    },
    /// The last event.
    Ended {
        /// Why.
        reason: EndReason,
        /// More about it.
        error: Option<Error>,
    },
}

/// A message to this token or user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectMessage {
    /// Its place among the token's direct messages; acknowledged by it. `None`: it is kept nowhere.
    pub position: Option<Position>,
    /// The event's name.
    pub event: String,
    /// What it says.
    pub data: Payload,
    /// When it was sent, in milliseconds since 1970.
    pub at: u64,
}

/// What the stream of direct messages brings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Direct {
    /// A message.
    Message(DirectMessage),
    /// Messages were lost before the next one.
    Lost,
    /// The last event: the client was closed, or the stream not read.
    Ended(Error),
}

/// Where a client is. docs/sdk/rust.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not begun.
    Idle,
    /// The token provider is being asked.
    NeedsToken,
    /// A connection is being made.
    Connecting,
    /// Requests are sent, messages come.
    Connected,
    /// Until the next try.
    Waiting,
    /// No more tries.
    Closed,
}

/// Where a client is, and what brought it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why it is waiting or closed, if by an error.
    pub error: Option<Error>,
}

/// What was left out, or went wrong without an error that anybody hears. Counted since the client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages that had come before.
    pub duplicates: u64,
    /// Messages that came too early: the channel was entered again.
    pub holes: u64,
    /// Messages left out while a channel is entered again, which brings them again.
    pub deferred: u64,
    /// Messages of this client's own, published without echo.
    pub echoes: u64,
    /// Pushes of channels that are not subscribed, replies that nobody waits for, states older than the known one.
    pub strays: u64,
    /// Messages of channels, and direct ones, that the application has no stream for.
    pub unheard: u64,
    /// Frames that are none of the protocol.
    pub nonsense: u64,
    /// Connections that ended or could not be made.
    pub losses: u64,
    /// Gaps that were told.
    pub gaps: u64,
}

/// Where a client stood, for another one to go on from: [`Builder::resume`](crate::Builder::resume).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The session.
    pub session: Option<String>,
    /// By channel, up to where it had everything.
    pub positions: std::collections::BTreeMap<String, Position>,
    /// The same for direct messages.
    pub direct: Option<Position>,
}

/// Where to begin in a channel's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewind {
    /// With this many of its latest messages, 1 to 1,000.
    Last(u32),
    /// With the first message of this moment or later, in milliseconds since 1970.
    SinceAt(u64),
}
