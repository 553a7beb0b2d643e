//! The notation of transcripts: lines to what they tell. The JSON within them is `texts`, effects are spelled by `spell`, and the bench replays.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tollgate_core::command::{Expiry, Notice, Published, Reply};
use tollgate_core::delivery::{Delivery, Position};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::MESSAGE_BYTES_MAX;
use tollgate_core::{CloseReason, Error, ErrorKind};

use super::texts::{
    BatchText, ChannelText, ConnectedText, HistoryText, MembersText, PresenceText, PublicationText, RenewedText,
};
use crate::{Frame, RequestNumber};

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
        "renewed" if rest == "never" => Ok(Reply::Renewed(RenewedText::until(None))),
        "renewed" if rest.starts_with('{') => Ok(Reply::Renewed(json::<RenewedText>(rest)?.read()?)),
        "renewed" => Ok(Reply::Renewed(RenewedText::until(Some(expiry(rest)?)))),
        "not_allowed" => Ok(Reply::NotAllowed),
        "not_subscribed" => Ok(Reply::NotSubscribed),
        "connected" => Ok(Reply::Connected(Box::new(json::<ConnectedText>(rest)?.read()?))),
        "published" => Ok(Reply::Published(published(rest)?)),
        "batch" => Ok(Reply::Batch(json::<BatchText>(rest)?.read()?)),
        "state_changed" => Ok(Reply::StateChanged(json(rest)?)),
        "version_mismatch" => Ok(Reply::VersionMismatch(json(rest)?)),
        "history" => Ok(Reply::History(json::<HistoryText>(rest)?.read()?)),
        "position_lost" => Ok(Reply::PositionLost(position(rest)?)),
        "members" => Ok(Reply::Members(json::<MembersText>(rest)?.read()?)),
        "error" => Err(error(rest)?),
        _ => return Err(format!("there is no answer `{word}`")),
    };
    Ok(Told::Answer(RequestNumber(number), result))
}

/// An error by its code, and after how many milliseconds trying again can help where that is said.
pub(super) fn error(text: &str) -> Result<Error, String> {
    let (code, after) = text.split_once(' ').map_or((text, None), |(code, after)| (code, Some(after)));
    let kind = ErrorKind::ALL.iter().find(|kind| kind.code() == code);
    let kind = *kind.ok_or_else(|| format!("there is no error `{code}`"))?;
    let retry_after_ms = after.map(json).transpose()?;
    Ok(Error { retry_after_ms, ..Error::new(kind, "As the transcript says.") })
}

pub(super) fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// What became of a message: `18c3f-41`, `duplicate 18c3f-41` or `conflated`.
pub(super) fn published(text: &str) -> Result<Published, String> {
    Ok(match text.split_once(' ') {
        None if text == "conflated" => Published::Conflated,
        None => Published::At(position(text)?),
        Some(("duplicate", at)) => Published::Duplicate(position(at)?),
        Some(_) => return Err(format!("cannot read `{text}`")),
    })
}

fn notice(rest: &str) -> Result<Notice, String> {
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "subscribed" => Notice::Subscribed(Box::new(json::<ChannelText>(rest)?.read()?)),
        "unsubscribed" => Notice::Unsubscribed(channel_id(&json::<String>(rest)?)?),
        "direct" => {
            let (at, publication) = json::<PublicationText>(rest)?.read()?;
            Notice::Direct(at, publication)
        }
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
        let (position, publication) = json::<PublicationText>(rest)?.read()?;
        return Ok(Delivery::Direct { position, publication });
    }
    // The channel's id is a JSON string without spaces here; that is enough for transcripts.
    let (channel, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let channel = channel_id(&json::<String>(channel)?)?;
    Ok(match word {
        "message" => {
            let (at, publication) = json::<PublicationText>(rest)?.read()?;
            Delivery::Message { channel, position: at.unwrap_or(Position { epoch: 1, offset: 1 }), publication }
        }
        "state" => {
            let (version, state) =
                rest.split_once(' ').filter(|(version, _)| version.parse::<u64>().is_ok()).unwrap_or(("1", rest));
            Delivery::State { channel, state: object(&json::<Box<RawValue>>(state)?)?, version: json(version)? }
        }
        "restarted" => Delivery::Restarted { channel, position: position(rest)? },
        "presence" => json::<PresenceText>(rest)?.read(channel)?,
        "deleted" => Delivery::Deleted { channel },
        _ => return Err(format!("there is no delivery `{word}`")),
    })
}

fn close_reason(word: &str) -> Result<CloseReason, String> {
    CloseReason::ALL
        .into_iter()
        .find(|reason| reason.word() == word)
        .ok_or_else(|| format!("there is no close reason `{word}`"))
}

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("cannot read `{text}`: {error}"))
}

pub(super) fn object(raw: &RawValue) -> Result<JsonObject, String> {
    JsonObject::from_raw(raw, MESSAGE_BYTES_MAX).map_err(|error| error.to_string())
}

pub(super) fn channel_id(text: &str) -> Result<ChannelId, String> {
    ChannelId::new(text).map_err(|error| error.to_string())
}
