//! The bodies of replies: what stands behind `ok`. Which of them a reply has follows from its request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Member, PositionText, WireError};

/// The reply that says nothing but that it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Of `connect`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connected<'a> {
    /// This connection's id.
    #[serde(borrow)]
    pub connection: Cow<'a, str>,
    /// The session, to be named when coming back; absent for anonymous clients.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// Whether the session is the one that was asked for.
    #[serde(default)]
    pub resumed: bool,
    /// How often the server pings, in milliseconds.
    pub ping_ms: u64,
    /// How long beyond it either side waits, in milliseconds.
    pub timeout_ms: u64,
    /// The token; absent for anonymous clients.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token<'a>>,
    /// What is bounded.
    pub limits: Limits,
    /// Where the token's direct messages stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<PositionText>,
    /// Whether direct messages behind the position that was asked for are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct_lost: bool,
    /// Every subscription of the token.
    #[serde(borrow)]
    pub channels: Vec<ConnectedChannel<'a>>,
}

/// The token of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token<'a> {
    /// Its public id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Its user, if it has one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// Its state, if it has one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub state: Option<&'a RawValue>,
    /// Milliseconds until it ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// What a connection may not go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of one message of the client, the whole frame.
    pub message_bytes: u64,
    /// Requests without an answer.
    pub requests: u32,
    /// Subscriptions.
    pub subscriptions: u32,
}

/// A subscription in the reply to `connect`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectedChannel<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Who may subscribe.
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    /// Its state.
    #[serde(borrow)]
    pub state: &'a RawValue,
    /// The version of that state.
    pub version: u64,
    /// Where it is.
    pub position: PositionText,
    /// Whether its own `subscribed` follows before anything else of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resuming: bool,
}

/// Of `subscribe`, and the push `subscribed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscribed<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Who may subscribe.
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    /// Its state.
    #[serde(borrow)]
    pub state: &'a RawValue,
    /// The version of that state.
    pub version: u64,
    /// The first message has the offset that follows this one's.
    pub position: PositionText,
    /// Where something was asked for: whether all of it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
}

/// Of `renew`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renewed<'a> {
    /// The token with which the connection goes on.
    #[serde(borrow)]
    pub token: Token<'a>,
    /// Where it is another token: the session to which the connection belongs from now on.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// And where the direct messages begin that it hears from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<PositionText>,
    /// And whether messages of its mailbox before them are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct_lost: bool,
}

/// Of `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    /// The version of the new state.
    pub version: u64,
}

/// Of `publish`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The message's place; absent when it is conflated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionText>,
    /// Whether this is the place of an earlier one with the same id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// Whether it waits to be the latest of its key, or was replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflated: bool,
}

/// Of `batch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchResults<'a> {
    /// One for each message, in order.
    #[serde(borrow)]
    pub results: Vec<BatchResult<'a>>,
}

/// What one message of a batch came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchResult<'a> {
    /// What it came to, where it was published.
    #[serde(flatten)]
    pub published: Published,
    /// Why it was not.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError<'a>>,
}

/// Of `presence`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembersPage<'a> {
    /// How many members there are.
    pub count: u64,
    /// Those of this page; absent when only the count was asked for.
    #[serde(borrow, default)]
    pub members: Vec<Member<'a>>,
    /// Goes on as `after`; absent when there is nothing more.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cow<'a, str>>,
}
