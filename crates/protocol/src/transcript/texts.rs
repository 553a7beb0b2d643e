//! The JSON within transcripts: what commands came to, what is told, what is broadcast. What is left out is the plainest.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{
    ChannelSnapshot, Connected, ConnectedToken, Expiry, HistoryPage, MembersPage, Renewed, Reply, Subscribed,
};
use tollgate_core::delivery::{Delivery, Extra, Member, Position, Publication};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::JsonValue;
use tollgate_core::limits::MESSAGE_BYTES_MAX;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::{Error, Result as Outcome};

use super::notation::{channel_id, error, object, position, published};

fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn place(text: Option<&String>) -> Result<Option<Position>, String> {
    text.map(|text| position(text)).transpose()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectedText {
    cid: String,
    count: u32,
    project: String,
    token: Option<TokenText>,
    session: Option<String>,
    #[serde(default)]
    resumed: bool,
    direct: Option<String>,
    #[serde(default)]
    direct_lost: bool,
    channels: Vec<ChannelText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenText {
    id: Option<String>,
    user: Option<String>,
    state: Option<Box<RawValue>>,
    expires_in_ms: Option<u64>,
    life_ms: Option<u64>,
}

impl TokenText {
    fn read(self) -> Result<ConnectedToken, String> {
        let expiry = |left_ms: u64| Expiry { left_ms, life_ms: self.life_ms.unwrap_or(left_ms) };
        Ok(ConnectedToken {
            id: self.id.as_deref().map_or(Ok(TokenId::new(1)), id)?,
            user: self.user.as_deref().map(Into::into),
            state: self.state.as_deref().map(object).transpose()?,
            expiry: self.expires_in_ms.map(expiry),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewedText {
    token: TokenText,
    session: Option<String>,
    direct: Option<String>,
    #[serde(default)]
    direct_lost: bool,
}

impl RenewedText {
    /// The same token, of which only the end matters.
    pub(super) fn until(expiry: Option<Expiry>) -> Box<Renewed> {
        let token = ConnectedToken { id: TokenId::new(1), user: None, state: None, expiry };
        Box::new(Renewed { token, session: None, direct: None, direct_lost: false })
    }

    pub(super) fn read(self) -> Result<Box<Renewed>, String> {
        Ok(Box::new(Renewed {
            token: self.token.read()?,
            session: self.session.map(Into::into),
            direct: place(self.direct.as_ref())?,
            direct_lost: self.direct_lost,
        }))
    }
}

impl ConnectedText {
    pub(super) fn read(self) -> Result<Connected, String> {
        Ok(Connected {
            connection: id::<ConnectionId>(&self.cid)?,
            project: id::<ProjectId>(&self.project)?,
            token: self.token.map(TokenText::read).transpose()?,
            connection_count: self.count,
            session: self.session.map(Into::into),
            resumed: self.resumed,
            direct: place(self.direct.as_ref())?,
            direct_lost: self.direct_lost,
            channels: self.channels.into_iter().map(ChannelText::read).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelText {
    id: String,
    project: String,
    r#type: String,
    #[serde(default)]
    capabilities: u64,
    state: Box<RawValue>,
    version: Option<u64>,
    position: Option<String>,
    recovered: Option<bool>,
    #[serde(default)]
    resuming: bool,
}

impl ChannelText {
    pub(super) fn read(self) -> Result<Subscribed, String> {
        let channel = ChannelSnapshot {
            project: id(&self.project)?,
            channel: channel_id(&self.id)?,
            kind: ChannelType::from_word(&self.r#type).ok_or_else(|| format!("no channel type `{}`", self.r#type))?,
            capabilities: Capabilities::from_bits(self.capabilities).ok_or("capabilities with unknown bits")?,
            settings: ChannelSettings::default(),
            durable_epoch: None,
            state: object(&self.state)?,
            version: self.version.unwrap_or(1),
            sequence: 1,
        };
        Ok(Subscribed {
            channel: Arc::new(channel),
            position: place(self.position.as_ref())?.unwrap_or(Position { epoch: 1, offset: 0 }),
            recovered: self.recovered,
            is_resuming: self.resuming,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicationText {
    e: String,
    d: Box<RawValue>,
    #[serde(default)]
    at: u64,
    position: Option<String>,
    token: Option<String>,
    user: Option<String>,
    connection: Option<String>,
    id: Option<String>,
}

impl PublicationText {
    /// The message, and its place if it has one.
    pub(super) fn read(self) -> Result<(Option<Position>, Publication), String> {
        let data = JsonValue::from_raw(&self.d, MESSAGE_BYTES_MAX).map_err(|error| error.to_string())?;
        let extra = Extra {
            token: self.token.as_deref().map(id).transpose()?,
            user: self.user.map(Into::into),
            connection: self.connection.as_deref().map(id).transpose()?,
            id: self.id.map(Into::into),
        };
        let mut publication = Publication::new(&self.e, data, UnixMillis(self.at));
        publication.extra = (extra != Extra::default()).then(|| Arc::new(extra));
        Ok((place(self.position.as_ref())?, publication))
    }
}

/// Each as `answer … published` has it, or `{"error": code}`.
#[derive(Deserialize)]
pub(super) struct BatchText(Vec<BatchEntry>);

#[derive(Deserialize)]
#[serde(untagged)]
enum BatchEntry {
    /// What became of a message, or the word of a refusal.
    Done(String),
    Failed(BTreeMap<String, String>),
}

impl BatchText {
    pub(super) fn read(self) -> Result<Vec<Outcome<Reply>>, String> {
        let read = |entry| match entry {
            BatchEntry::Done(text) => Ok(Ok(match text.as_str() {
                "not_allowed" => Reply::NotAllowed,
                "not_subscribed" => Reply::NotSubscribed,
                text => Reply::Published(published(text)?),
            })),
            BatchEntry::Failed(fields) => error(fields.get("error").map_or("", String::as_str)).map(Err),
        };
        self.0.into_iter().map(read).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryText {
    messages: Vec<PublicationText>,
    position: String,
    #[serde(default)]
    more: bool,
}

impl HistoryText {
    pub(super) fn read(self) -> Result<HistoryPage, String> {
        let read = |one: PublicationText| {
            let (at, publication) = one.read()?;
            Ok::<_, String>((at.ok_or("a message of a history has a position")?.offset, publication))
        };
        let messages = self.messages.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(HistoryPage { messages, position: position(&self.position)?, more: self.more })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberText {
    name: String,
    data: Option<Box<RawValue>>,
    since: u64,
}

impl MemberText {
    fn read(self) -> Result<Member, String> {
        let data = self.data.as_deref().map(object).transpose()?;
        Ok(Member { name: self.name.into(), data, since: UnixMillis(self.since) })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MembersText {
    count: u64,
    members: Vec<MemberText>,
    #[serde(default)]
    more: bool,
}

impl MembersText {
    pub(super) fn read(self) -> Result<MembersPage, String> {
        let members = self.members.into_iter().map(MemberText::read).collect::<Result<_, _>>()?;
        Ok(MembersPage { count: self.count, members, more: self.more })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceText {
    count: u64,
    joined: Option<Vec<MemberText>>,
    left: Option<Vec<String>>,
}

impl PresenceText {
    pub(super) fn read(self, channel: ChannelId) -> Result<Delivery, String> {
        let changes = match (self.joined, self.left) {
            (None, None) => None,
            (joined, left) => {
                let joined = joined.unwrap_or_default().into_iter().map(MemberText::read).collect::<Result<_, _>>()?;
                Some((joined, left.unwrap_or_default().into_iter().map(Into::into).collect()))
            }
        };
        Ok(Delivery::Presence { channel, count: self.count, changes })
    }
}
