//! Pushes: what the server says unasked; and messages and members, which replies show too.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Connected, PositionText, Subscribed, WireError};

/// From whom a message is, as far as the sender has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender<'a> {
    /// The user.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// The token's public id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Cow<'a, str>>,
}

/// A message without its channel, as `history` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageBody<'a> {
    /// Its offset in the channel.
    pub offset: u64,
    /// The event's name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Any JSON value.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// When it was published, in milliseconds since 1970.
    pub at: u64,
    /// Who sent it; absent when a backend did.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender<'a>>,
    /// The connection whose application does not want to see it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Cow<'a, str>>,
    /// The publisher's id of it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
}

/// A page of history: the reply to `history`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History<'a> {
    /// The messages, in the order that was asked for.
    #[serde(borrow)]
    pub messages: Vec<MessageBody<'a>>,
    /// Where the channel is now.
    pub position: PositionText,
    /// Goes on as `after`, or as `before` when the latest come first; absent when there is nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<PositionText>,
}

/// Push `message`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Its offset in the channel.
    pub offset: u64,
    /// The event's name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Any JSON value.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// When it was published, in milliseconds since 1970.
    pub at: u64,
    /// Who sent it; absent when a backend did.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender<'a>>,
    /// The connection whose application does not want to see it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Cow<'a, str>>,
    /// The publisher's id of it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
}

/// Push `state`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// The whole new state.
    #[serde(borrow)]
    pub state: &'a RawValue,
    /// Its version.
    pub version: u64,
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsubscribedReason {
    /// The channel is gone.
    Deleted,
    /// Somebody ended it. A word that this version does not know is read as this.
    #[serde(other)]
    Ended,
}

/// Push `unsubscribed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unsubscribed<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Why.
    pub reason: UnsubscribedReason,
}

/// Push `position`: the channel goes on from here in a new epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moved<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// From where.
    pub position: PositionText,
}

/// Push `direct`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Direct<'a> {
    /// Its offset among the token's direct messages; absent when it was sent to this connection alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The event's name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Any JSON value.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// When it was sent, in milliseconds since 1970.
    pub at: u64,
}

/// A member of a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member<'a> {
    /// Who it is.
    #[serde(borrow)]
    pub member: Cow<'a, str>,
    /// What it shows of itself.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
    /// Since when, in milliseconds since 1970.
    pub since_at: u64,
}

/// Push `presence`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Presence<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// How many members there are.
    pub count: u64,
    /// Who came, or changed what it shows; absent in large channels.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Vec<Member<'a>>>,
    /// Who left; absent in large channels.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Vec<Cow<'a, str>>>,
}

/// Push `expiring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// Milliseconds until the token ends.
    pub in_ms: u64,
}

/// Push `refused`, of event streams: what was asked for in the address was not done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused<'a> {
    /// The channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Why.
    #[serde(borrow)]
    pub error: WireError<'a>,
}

/// A push.
#[derive(Clone, Debug)]
pub enum Push<'a> {
    /// `connected`: the first event where there is no `connect` to reply to (SSE).
    Connected(Connected<'a>),
    /// `message`.
    Message(Message<'a>),
    /// `state`.
    State(State<'a>),
    /// `subscribed`.
    Subscribed(Subscribed<'a>),
    /// `unsubscribed`.
    Unsubscribed(Unsubscribed<'a>),
    /// `position`.
    Position(Moved<'a>),
    /// `direct`.
    Direct(Direct<'a>),
    /// `presence`.
    Presence(Presence<'a>),
    /// `expiring`.
    Expiring(Expiring),
    /// `refused`.
    Refused(Refused<'a>),
    /// A kind that this version does not know: to be ignored.
    Unknown,
}

impl<'a> Push<'a> {
    /// Reads the fields of a push of this kind out of its whole text.
    ///
    /// # Errors
    /// When a push of a known kind lacks a field of the page.
    pub fn parse(kind: &str, text: &'a str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            "connected" => Self::Connected(serde_json::from_str(text)?),
            "message" => Self::Message(serde_json::from_str(text)?),
            "state" => Self::State(serde_json::from_str(text)?),
            "subscribed" => Self::Subscribed(serde_json::from_str(text)?),
            "unsubscribed" => Self::Unsubscribed(serde_json::from_str(text)?),
            "position" => Self::Position(serde_json::from_str(text)?),
            "direct" => Self::Direct(serde_json::from_str(text)?),
            "presence" => Self::Presence(serde_json::from_str(text)?),
            "refused" => Self::Refused(serde_json::from_str(text)?),
            "expiring" => Self::Expiring(serde_json::from_str(text)?),
            _ => Self::Unknown,
        })
    }
}
