//! The notation of transcripts: lines to what they tell, effects to lines. Not the replaying, which is the bench's.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{
    ChannelSnapshot, Command, Connected, ConnectedToken, Expiry, NewMessage, Notice, Reply, Subscribed,
};
use tollgate_core::delivery::{Delivery, Position, Publication};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::MESSAGE_BYTES_MAX;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::store::StateChange;
use tollgate_core::{CloseReason, Error, ErrorKind};

use crate::{Effect, Frame, RequestNumber};

/// One line of a script.
pub(super) enum Line<'a> {
    /// An effect that is to come next, as [`effect`] spells it.
    Expected(&'a str),
    /// Something for the dialect.
    Told(Told<'a>),
}

/// What a line tells the dialect.
pub(super) enum Told<'a> {
    Frame(Message<'a>),
    Answer(RequestNumber, Result<Reply, Error>),
    Notice(Notice),
    Delivery(Delivery),
    End(CloseReason),
    Passed(u64),
}

/// A subscription that begins now.
fn begun(channel: ChannelSnapshot) -> Subscribed {
    Subscribed {
        channel: Arc::new(channel),
        position: Position { epoch: 1, offset: 0 },
        recovered: None,
        is_resuming: false,
    }
}

/// A client's message; a binary one was decoded from its notation.
pub(super) enum Message<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
}

impl Message<'_> {
    pub(super) fn borrow(&self) -> Frame<'_> {
        match self {
            Message::Text(text) => Frame::Text(text),
            Message::Binary(bytes) => Frame::Binary(bytes),
        }
    }
}

/// Spells an effect.
pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Send(payload) => match std::str::from_utf8(payload) {
            Ok(text) => format!("> {text}"),
            Err(_) => format!("> (not UTF-8) {payload:?}"),
        },
        Effect::SendBinary(payload) => format!("> (binary) {payload:?}"),
        Effect::Perform(number, command) => format!("= {} {}", number.0, spell(command)),
        Effect::Close { code, text, reason } => format!("close {code} {text} ({})", reason.word()),
    }
}

fn spell(command: &Command) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match command {
        Command::Connect { project, token: None, .. } => format!("connect {} anonymous", quoted(project)),
        Command::Connect { project, token: Some(token), .. } => {
            format!("connect {} {}", quoted(project), quoted(token.expose()))
        }
        Command::Renew { token } => format!("renew {}", quoted(token.expose())),
        Command::Subscribe { channel, .. } => format!("subscribe {}", quoted(channel)),
        Command::Unsubscribe { channel } => format!("unsubscribe {}", quoted(channel)),
        Command::Publish(NewMessage { channel, event, data, .. }) => {
            format!("publish {} {} {}", quoted(channel), quoted(event), data.as_str())
        }
        Command::SetState { channel, change: StateChange::Replace(state), .. } => {
            format!("set_state {} {}", quoted(channel), state.as_str())
        }
        other => format!("{other:?}"),
    }
}

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Line<'_>, String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(Line::Told(match word {
        ">" | "=" | "close" => return Ok(Line::Expected(line)),
        "<" => Told::Frame(Message::Text(rest)),
        "<x" => Told::Frame(Message::Binary(hexadecimal(rest)?)),
        "answer" => answer(rest)?,
        "notice" => Told::Notice(notice(rest)?),
        "deliver" => Told::Delivery(delivery(rest)?),
        "end" => Told::End(close_reason(rest)?),
        _ => Told::Passed(duration(word).filter(|_| rest.is_empty()).ok_or_else(|| format!("cannot read `{line}`"))?),
    }))
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text.chars().map_while(|digit| digit.to_digit(16)).collect();
    if digits.len() != text.chars().count() || digits.len() % 2 == 1 {
        return Err(format!("`{text}` is not hexadecimal"));
    }
    Ok(digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// Milliseconds of a duration like `+10s`.
fn duration(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+')?;
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit_ms)
}

fn answer(rest: &str) -> Result<Told<'_>, String> {
    let mut words = rest.splitn(3, ' ');
    let number = words.next().and_then(|word| word.parse().ok()).ok_or("an answer begins with the command's number")?;
    let (word, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let result = match word {
        "done" => Ok(Reply::Done),
        "renewed" if rest == "never" => Ok(Reply::Renewed(None)),
        "renewed" => Ok(Reply::Renewed(Some(expiry(rest)?))),
        "not_allowed" => Ok(Reply::NotAllowed),
        "not_subscribed" => Ok(Reply::NotSubscribed),
        "connected" => Ok(Reply::Connected(Box::new(json::<ConnectedText>(rest)?.read()?))),
        "error" => {
            let kind = ErrorKind::ALL.iter().find(|kind| kind.code() == rest);
            Err(Error::new(*kind.ok_or_else(|| format!("there is no error `{rest}`"))?, "As the transcript says."))
        }
        _ => return Err(format!("there is no answer `{word}`")),
    };
    Ok(Told::Answer(RequestNumber(number), result))
}

fn notice(rest: &str) -> Result<Notice, String> {
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "subscribed" => Notice::Subscribed(Box::new(begun(json::<ChannelText>(rest)?.read()?))),
        "unsubscribed" => Notice::Unsubscribed(channel_id(&json::<String>(rest)?)?),
        "direct" => Notice::Direct(None, json::<PublicationText>(rest)?.read()?),
        "expiry" if rest == "never" => Notice::ExpiryChanged(None),
        "expiry" => Notice::ExpiryChanged(Some(expiry(rest)?)),
        _ => return Err(format!("there is no notice `{word}`")),
    })
}

fn expiry(text: &str) -> Result<Expiry, String> {
    let (left, life) = text.split_once(" of ").unwrap_or((text, text));
    Ok(Expiry { left_ms: json(left)?, life_ms: json(life)? })
}

fn delivery(rest: &str) -> Result<Delivery, String> {
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if word == "direct" {
        return Ok(Delivery::Direct { position: None, publication: json::<PublicationText>(rest)?.read()? });
    }
    // The channel's id is a JSON string without spaces here; that is enough for transcripts.
    let (channel, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let channel = channel_id(&json::<String>(channel)?)?;
    Ok(match word {
        "message" => Delivery::Message {
            channel,
            position: Position { epoch: 1, offset: 1 },
            publication: json::<PublicationText>(rest)?.read()?,
        },
        "state" => Delivery::State { channel, state: object(&json::<Box<RawValue>>(rest)?)?, version: 1 },
        "deleted" => Delivery::Deleted { channel },
        _ => return Err(format!("there is no delivery `{word}`")),
    })
}

fn close_reason(word: &str) -> Result<CloseReason, String> {
    let all = [
        CloseReason::InvalidCredential,
        CloseReason::TokenExpired,
        CloseReason::TokenRevoked,
        CloseReason::IdentifyTimeout,
        CloseReason::NotIdentified,
        CloseReason::UnknownOperation,
        CloseReason::InvalidPayload,
        CloseReason::Idle,
        CloseReason::SlowConsumer,
        CloseReason::MessageTooBig,
        CloseReason::ProtocolError,
        CloseReason::InvalidUtf8,
        CloseReason::RateLimited,
        CloseReason::Draining,
        CloseReason::ClientGone,
        CloseReason::Internal,
    ];
    all.into_iter().find(|reason| reason.word() == word).ok_or_else(|| format!("there is no close reason `{word}`"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectedText {
    cid: String,
    count: u32,
    project: String,
    token: Option<TokenText>,
    channels: Vec<ChannelText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenText {
    state: Option<Box<RawValue>>,
    expires_in_ms: Option<u64>,
    life_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelText {
    id: String,
    project: String,
    r#type: String,
    capabilities: u64,
    state: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicationText {
    e: String,
    d: Box<RawValue>,
}

impl ConnectedText {
    fn read(self) -> Result<Connected, String> {
        let token = |token: TokenText| {
            let state = token.state.as_deref().map(object).transpose()?;
            let expiry = |left_ms: u64| Expiry { left_ms, life_ms: token.life_ms.unwrap_or(left_ms) };
            Ok::<_, String>(ConnectedToken {
                id: TokenId::new(1),
                user: None,
                state,
                expiry: token.expires_in_ms.map(expiry),
            })
        };
        Ok(Connected {
            connection: self.cid.parse::<ConnectionId>().map_err(|error| error.to_string())?,
            project: self.project.parse::<ProjectId>().map_err(|error| error.to_string())?,
            token: self.token.map(token).transpose()?,
            connection_count: self.count,
            session: None,
            resumed: false,
            direct: None,
            direct_lost: false,
            channels: self.channels.into_iter().map(|one| one.read().map(begun)).collect::<Result<_, _>>()?,
        })
    }
}

impl ChannelText {
    fn read(self) -> Result<ChannelSnapshot, String> {
        Ok(ChannelSnapshot {
            project: self.project.parse().map_err(|error: Error| error.to_string())?,
            channel: channel_id(&self.id)?,
            kind: ChannelType::from_word(&self.r#type).ok_or_else(|| format!("no channel type `{}`", self.r#type))?,
            capabilities: Capabilities::from_bits(self.capabilities).ok_or("capabilities with unknown bits")?,
            settings: ChannelSettings::default(),
            durable_epoch: None,
            state: object(&self.state)?,
            version: 1,
            sequence: 1,
        })
    }
}

impl PublicationText {
    fn read(self) -> Result<Publication, String> {
        let data = JsonValue::from_raw(&self.d, MESSAGE_BYTES_MAX).map_err(|error| error.to_string())?;
        Ok(Publication::new(&self.e, data, UnixMillis(0)))
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("cannot read `{text}`: {error}"))
}

fn object(raw: &RawValue) -> Result<JsonObject, String> {
    JsonObject::from_raw(raw, MESSAGE_BYTES_MAX).map_err(|error| error.to_string())
}

fn channel_id(text: &str) -> Result<ChannelId, String> {
    ChannelId::new(text).map_err(|error| error.to_string())
}
