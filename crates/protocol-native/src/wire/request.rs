//! Requests: what a client says. Read strictly, borrowed from the text, without a tree; written by the same types.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{PositionText, Secret, is_object};

/// The first request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect<'a> {
    /// The project's id.
    #[serde(borrow)]
    pub project: Cow<'a, str>,
    /// The token, in any of its spellings.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret<'a>>,
    /// Instead of a token: a one-time ticket.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Secret<'a>>,
    /// Name and version of the client.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<Cow<'a, str>>,
    /// The session to go on with.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// By channel, up to where the client has everything.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub positions: BTreeMap<Cow<'a, str>, PositionText>,
    /// Channels in which it wants to be told who comes and goes.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<Cow<'a, str>>,
    /// The same for direct messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<PositionText>,
    /// What other members see of this client: an object.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
}

/// Go on with another token.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew<'a> {
    /// The token.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret<'a>>,
    /// Instead of it: a one-time ticket.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Secret<'a>>,
}

/// Where to begin in a channel's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rewind {
    /// With this many of its latest messages.
    Last(u32),
    /// With the first message of this moment or later, in milliseconds since 1970.
    SinceAt(u64),
}

/// Subscribe to a channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Deliver everything after this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionText>,
    /// Instead: begin with messages of the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<Rewind>,
    /// Whether to be told who joins and leaves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub presence: bool,
    /// What members of this channel see of this client: an object.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
}

/// End a subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
}

/// Publish a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// The event's name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Any JSON value; absent is null.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
    /// The publisher's id of the message, for publishing it again.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// Whether the sender's application wants to see it; absent is as the channel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// In a channel that conflates: what it is the latest of.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
}

/// Publish many messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch<'a> {
    /// The messages, in order.
    #[serde(borrow, deserialize_with = "objects")]
    pub messages: Vec<Publish<'a>>,
}

/// Change a channel's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetState<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// The whole new state: an object.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub set: Option<&'a RawValue>,
    /// Instead: the top-level keys to put in place: an object.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<&'a RawValue>,
    /// Only if the state is at this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// Which end of a channel's history comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryOrder {
    /// The oldest.
    #[default]
    Oldest,
    /// The latest.
    Newest,
}

/// Read messages of the past.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRequest<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Those after this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<PositionText>,
    /// Instead: those before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<PositionText>,
    /// Instead: those of this moment and later, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_at: Option<u64>,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Which end comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<HistoryOrder>,
}

/// Ask who is there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceRequest<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// At most this many members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Those behind this member.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cow<'a, str>>,
    /// Instead: members at random.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sample: bool,
}

/// Change what members see of this client.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceSet<'a> {
    /// The channel's id.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// The data: an object.
    #[serde(borrow)]
    pub data: &'a RawValue,
}

/// Acknowledge direct messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// All up to this one.
    pub direct: PositionText,
}

macro_rules! requests {
    ($($(#[doc = $doc:literal])* $name:ident($body:ty) => $word:literal;)*) => {
        /// A request's name and body.
        // One at a time lives on the stack, and `connect` comes once.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug)]
        pub enum Request<'a> { $($(#[doc = $doc])* $name($body),)* }

        impl<'a> Request<'a> {
            /// Every name, in the order of the page.
            pub const NAMES: &'static [&'static str] = &[$($word,)*];

            /// The request's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)* }
            }

            fn read(name: &str, body: &'a RawValue) -> Result<Self, Malformed> {
                match name {
                    $($word => object(body).map(Self::$name).map_err(|error| Malformed::Body(error.to_string())),)*
                    _ => Err(Malformed::Unknown),
                }
            }

            fn body(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$name(body) => serde_json::to_string(body),)* }
            }
        }
    };
}

requests! {
    /// `connect`.
    Connect(Connect<'a>) => "connect";
    /// `renew`.
    Renew(Renew<'a>) => "renew";
    /// `subscribe`.
    Subscribe(Subscribe<'a>) => "subscribe";
    /// `unsubscribe`.
    Unsubscribe(Unsubscribe<'a>) => "unsubscribe";
    /// `state`.
    State(SetState<'a>) => "state";
    /// `publish`.
    Publish(Publish<'a>) => "publish";
    /// `batch`.
    Batch(Batch<'a>) => "batch";
    /// `history`.
    History(HistoryRequest<'a>) => "history";
    /// `presence`.
    Presence(PresenceRequest<'a>) => "presence";
    /// `presence_set`.
    PresenceSet(PresenceSet<'a>) => "presence_set";
    /// `ack`.
    Ack(Ack) => "ack";
}

/// Why a request whose frame is in order cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// There is no request of this name.
    Unknown,
    /// The body is not what the page says: where and how.
    Body(String),
}

/// A frame of a client.
// As above.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum ClientFrame<'a> {
    /// `{}`: the answer to a ping.
    Pong,
    /// A request with its id.
    Request(u32, Result<Request<'a>, Malformed>),
}

impl<'a> ClientFrame<'a> {
    /// Reads a frame. `None` when it is none of the protocol: not a JSON object, no `id` from 1 to 4,294,967,295, or not exactly one name.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let envelope: Envelope<'a> = serde_json::from_str(text).ok()?;
        match (envelope.id, envelope.request) {
            (None, None) => Some(Self::Pong),
            (Some(id), Some((name, body))) => Some(Self::Request(id, Request::read(&name, body))),
            (Some(_), None) | (None, Some(_)) => None,
        }
    }
}

/// Spells a request with its id.
#[must_use]
pub fn write_request(id: u32, request: &Request<'_>) -> String {
    let body = request.body().expect("invariant: bodies are structs with keys of text");
    format!(r#"{{"id":{id},"{}":{body}}}"#, request.name())
}

struct Envelope<'a> {
    id: Option<u32>,
    request: Option<(Cow<'a, str>, &'a RawValue)>,
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `id` and one request")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope { id: None, request: None };
                while let Some(Key(key)) = map.next_key()? {
                    let is_repeated = if key == "id" {
                        let id: u32 = map.next_value()?;
                        if id == 0 {
                            return Err(de::Error::custom("ids begin with 1"));
                        }
                        envelope.id.replace(id).is_some()
                    } else {
                        envelope.request.replace((key, map.next_value()?)).is_some()
                    };
                    if is_repeated {
                        return Err(de::Error::custom("one id and one request"));
                    }
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A JSON object as `T`.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, serde_json::Error> {
    if !is_object(raw.get()) {
        return Err(de::Error::custom("an object is needed here"));
    }
    serde_json::from_str(raw.get())
}

fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    named("messages", deserializer)
}

/// JSON objects in a list of this name, none of them spelled as an array.
pub(super) fn named<'de, D, T>(name: &str, deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = Vec::<&'de RawValue>::deserialize(deserializer)?;
    let read = |(index, raw): (usize, &&'de RawValue)| {
        object(raw).map_err(|error| de::Error::custom(format_args!("{name}[{index}]: {error}")))
    };
    raw.iter().enumerate().map(read).collect()
}
