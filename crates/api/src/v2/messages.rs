//! Messages: into one channel, into many at once, to a token and to one of its connections. To users: `users.rs`.

use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::command::{NewMessage, PublishOptions, Published};
use tollgate_core::digits::{decimal, hexadecimal};
use tollgate_core::json::JsonValue;
use tollgate_core::limits::MESSAGE_BYTES_MAX;
use tollgate_core::{Error, ErrorKind, Result};

use crate::answer::Answer;
use crate::call::Call;
use crate::json::{Object, array};
use crate::refusal::{Door, Refusal};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A direct message: an event's name and its data, any JSON value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direct<'a> {
    event: String,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// A message for a channel; `channel` where the path does not say which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    channel: Option<String>,
    event: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    id: Option<String>,
    echo: Option<bool>,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Vec<super::Map<Message<'a>>>,
}

/// An entry of a batch that was refused.
#[derive(Serialize)]
struct Failed {
    error: Refused,
}

/// The part of a problem that an entry of a batch can have.
#[derive(Serialize)]
struct Refused {
    status: u16,
    code: &'static str,
    detail: String,
    retryable: bool,
}

#[derive(Serialize)]
struct Reached {
    connections: u32,
}

/// `POST /v2/channels/:channel/messages`: answered when the message has its place, and is as durable as the channel promises.
pub(crate) async fn publish(call: &Call) -> Result<Answer> {
    let mut message: Message = call.object()?;
    let channel = call.channel_text()?;
    if message.channel.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            "The path says which channel; leave `channel` out of the body.",
        ));
    }
    message.id = once(call, message.id)?;
    let done = call.node.publish(&call.caller, message.into_new(channel)?).await?;
    Ok(Answer::plain(StatusCode::OK, published(done)))
}

/// `POST /v2/publish`: up to 100 messages, one after another, each with an outcome of its own.
pub(crate) async fn publish_batch(call: &Call) -> Result<Answer> {
    let Batch { messages } = call.object()?;
    let messages = messages.into_iter().enumerate().map(|(place, mut message)| {
        let channel = message
            .0
            .channel
            .take()
            .ok_or_else(|| Error::new(ErrorKind::InvalidBody, format!("`messages[{place}]` needs a `channel`.")))?;
        let in_place = |error: Error| Error { detail: format!("`messages[{place}]`: {}", error.detail), ..error };
        message.0.into_new(channel).map_err(in_place)
    });
    let outcomes = call.node.publish_batch(&call.caller, messages.collect::<Result<_>>()?).await?;
    let results = array(outcomes.into_iter().map(|outcome| outcome.map_or_else(refused, published)));
    Ok(Answer::plain(StatusCode::OK, Object::new().raw("results", &results).close()))
}

/// `POST /v2/tokens/:token/messages`: says how many connections it reached.
pub(crate) async fn to_token(call: &Call) -> Result<Answer> {
    let (event, data) = call.message()?;
    let connections = call.node.direct_message(&call.caller, &call.token()?, &event, data).await?;
    Ok(Answer::json(StatusCode::OK, &Reached { connections }))
}

/// `POST /v2/tokens/:token/connections/:connection/messages`: says whether it was still there, as 1 or 0.
pub(crate) async fn to_connection(call: &Call) -> Result<Answer> {
    let (event, data) = call.message()?;
    let (token, connection) = (call.token()?, call.id("connection")?);
    let reached = call.node.direct_message_to_connection(&call.caller, &token, connection, &event, data).await?;
    Ok(Answer::json(StatusCode::OK, &Reached { connections: reached.into() }))
}

/// The message's id: that of the body, or the `Idempotency-Key`, which say the same.
fn once(call: &Call, id: Option<String>) -> Result<Option<String>> {
    // What is no text is no key either, and must not pass for none.
    let key = call.headers(IDEMPOTENCY_KEY).next().map(|value| value.to_str().unwrap_or_default().to_owned());
    match (id, key) {
        (Some(id), Some(key)) if id != key => Err(Error::new(
            ErrorKind::InvalidInput,
            "`id` and the header Idempotency-Key say the same of a message; give one of them, or the same in both.",
        )),
        (id, key) => Ok(id.or(key)),
    }
}

impl Message<'_> {
    fn into_new(self, channel: String) -> Result<NewMessage> {
        let data = self.data.map_or(Ok(JsonValue::null()), |raw| JsonValue::from_raw(raw, MESSAGE_BYTES_MAX))?;
        let options = PublishOptions { id: self.id, echo: self.echo, key: self.key };
        let options = (options != PublishOptions::default()).then(|| Box::new(options));
        Ok(NewMessage { channel, event: self.event, data, options })
    }
}

/// What became of a message, as JSON. Its epoch and offset say the same as its position: the run of offsets, and the place in it.
fn published(published: Published) -> String {
    let (position, is_duplicate) = match published {
        Published::At(position) => (position, false),
        Published::Duplicate(position) => (position, true),
        Published::Conflated => return Object::new().flag("conflated", true).close(),
    };
    let (mut spelled, mut epoch, mut offset) = ([0; 16], [0; 20], [0; 20]);
    let (spelled, epoch) = (hexadecimal(position.epoch, &mut spelled), decimal(position.epoch, &mut epoch));
    let offset = decimal(position.offset, &mut offset);
    let end: &[u8] = if is_duplicate { b",\"duplicate\":true}" } else { b"}" };
    // In one piece: each publication is answered so.
    let mut text = Vec::with_capacity(128);
    for part in [b"{\"position\":\"", spelled, b"-", offset, b"\",\"epoch\":\"", epoch, b"\",\"offset\":", offset, end]
    {
        text.extend_from_slice(part);
    }
    String::from_utf8(text).expect("invariant: digits and words of ours")
}

fn refused(error: Error) -> String {
    let refusal = Refusal::from(error).through(Door::V2);
    let retryable = refusal.retry_after_s().is_some();
    let (status, code) = (refusal.status().as_u16(), refusal.code());
    let failed = Failed { error: Refused { status, code, detail: refusal.message().to_owned(), retryable } };
    serde_json::to_string(&failed).expect("invariant: our answers are maps with text keys")
}

impl Call {
    /// The body as a direct message.
    pub(super) fn message(&self) -> Result<(String, JsonValue)> {
        let Direct { event, data } = self.object()?;
        if event.is_empty() {
            return Err(Error::new(ErrorKind::InvalidBody, "`event` must be a string of 1 to 255 bytes."));
        }
        let data = data.map_or(Ok(JsonValue::null()), |raw| JsonValue::from_raw(raw, MESSAGE_BYTES_MAX))?;
        Ok((event, data))
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::delivery::Position;

    use super::*;

    #[test]
    fn an_answer_says_the_place_three_times() {
        let position = Position { epoch: 26, offset: 10 };
        for (outcome, expected) in [
            (Published::At(position), r#"{"position":"1a-10","epoch":"26","offset":10}"#),
            (Published::Duplicate(position), r#"{"position":"1a-10","epoch":"26","offset":10,"duplicate":true}"#),
            (Published::At(Position::default()), r#"{"position":"0-0","epoch":"0","offset":0}"#),
            (Published::Conflated, r#"{"conflated":true}"#),
        ] {
            assert_eq!(published(outcome), expected);
        }
    }
}
