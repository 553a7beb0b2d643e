//! What clients send, from text to words. Borrows from the text; builds no trees; decides nothing.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::CloseReason;
use tollgate_core::command::{Command, NewMessage, PresentedSecret};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{CHANNEL_STATE_BYTES_MAX, MESSAGE_BYTES_MAX};
use tollgate_core::ports::store::StateChange;
use tollgate_protocol::Frame;

/// Longest tag of a heartbeat, in bytes. We keep it until the ack leaves.
const TAG_BYTES_MAX: usize = 255;

/// Why a frame cannot be taken: the connection is closed with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, which decides the close code.
    pub reason: CloseReason,
    /// What was wrong with the frame, for the client; at most 123 bytes. `None` where the reason says it all.
    pub text: Option<&'static str>,
}

const fn invalid(text: &'static str) -> Refusal {
    Refusal { reason: CloseReason::InvalidPayload, text: Some(text) }
}

/// A client's frame.
#[derive(Debug)]
pub enum ClientFrame<'a> {
    /// Op 0 with its `d`, an object that nobody has looked into yet: whether somebody may depends on the connection.
    Event(&'a str),
    /// Op 2.
    Identify {
        /// The project's id as the client spelled it.
        project: String,
        /// The token; nothing when it is absent, null or empty.
        token: Option<PresentedSecret>,
    },
    /// Op 10, of Tollgate's own.
    Renew {
        /// The new token.
        token: PresentedSecret,
    },
    /// Op 3.
    Heartbeat {
        /// The tag, if there is one and it is a string. The empty string is a tag.
        tag: Option<Cow<'a, str>>,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    op: i64,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Identify<'a> {
    #[serde(borrow)]
    project_id: Cow<'a, str>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Renew {
    token: String,
}

#[derive(Deserialize)]
struct Heartbeat<'a> {
    #[serde(borrow)]
    tag: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    e: Cow<'a, str>,
    #[serde(borrow)]
    c: Option<&'a RawValue>,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    e: Cow<'a, str>,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct JoinRoom<'a> {
    #[serde(borrow)]
    join_token: Cow<'a, str>,
}

/// What is said of an op 0 that is not even of the right shape.
const NO_EVENT: Refusal = invalid("Invalid payload: op 0 needs d {e: string, c, d}");

fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// A JSON object as `T`. Serde would take an array for a struct too; the protocol does not.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    is_object(text).then(|| serde_json::from_str(text).ok())?
}

/// A JSON string.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Borrowed<'_>>(raw.get()).ok().map(|text| text.0)
}

impl<'a> ClientFrame<'a> {
    /// Reads a frame. A binary frame may hold JSON text.
    ///
    /// # Errors
    /// A refusal when the frame is not a JSON object with an `op` that clients may send, or an identify without a project.
    pub fn parse(frame: Frame<'a>) -> Result<Self, Refusal> {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| invalid("Invalid payload: a binary frame must hold JSON text"))?,
        };
        let envelope: Envelope<'a> =
            object(text).ok_or(invalid("Invalid payload: a frame is a JSON object with an integer op"))?;
        match envelope.op {
            0 => envelope.d.map(RawValue::get).filter(|d| is_object(d)).map(Self::Event).ok_or(NO_EVENT),
            2 => identify(envelope.d),
            3 => heartbeat(envelope.d),
            10 => renew(envelope.d),
            _ => Err(Refusal { reason: CloseReason::UnknownOperation, text: None }),
        }
    }
}

fn identify(d: Option<&RawValue>) -> Result<ClientFrame<'_>, Refusal> {
    let identify: Identify<'_> = d
        .and_then(|d| object(d.get()))
        .ok_or(invalid("Invalid payload: identify needs d {project_id: string, token?: string}"))?;
    let token = identify.token.filter(|token| !token.is_empty()).map(PresentedSecret::new);
    Ok(ClientFrame::Identify { project: identify.project_id.into_owned(), token })
}

fn renew(d: Option<&RawValue>) -> Result<ClientFrame<'_>, Refusal> {
    let renew: Renew =
        d.and_then(|d| object(d.get())).ok_or(invalid("Invalid payload: op 10 needs d {token: string}"))?;
    Ok(ClientFrame::Renew { token: PresentedSecret::new(renew.token) })
}

/// Clients send anything from no `d` to a null tag here; whatever is not a string tag is a heartbeat without one.
fn heartbeat(d: Option<&RawValue>) -> Result<ClientFrame<'_>, Refusal> {
    let tag = d.and_then(|d| object::<Heartbeat<'_>>(d.get())).and_then(|heartbeat| heartbeat.tag).and_then(string);
    if tag.as_ref().is_some_and(|tag| tag.len() > TAG_BYTES_MAX) {
        return Err(invalid("Invalid payload: a heartbeat's tag has at most 255 bytes"));
    }
    Ok(ClientFrame::Heartbeat { tag })
}

/// What an event of a client comes to.
#[derive(Debug)]
pub(crate) enum Asked {
    /// This is to be performed.
    Perform(Command),
    /// A video room is wanted, which we do not have.
    PipeRoom(String),
    /// Nothing has to be done.
    Nothing,
    /// The event is none of the protocol's.
    UnknownEvent,
    /// The event's data has the wrong shape, or is too large or too deep.
    Malformed,
}

/// Reads the `d` of op 0.
pub(crate) fn event(d: &str) -> Result<Asked, Refusal> {
    let event: Event<'_> = object(d).ok_or(NO_EVENT)?;
    let names_a_channel = matches!(&*event.e, "SUBSCRIBE" | "UNSUBSCRIBE" | "MESSAGE" | "SET_CHANNEL_STATE");
    if names_a_channel && event.c.is_none_or(|c| matches!(c.get(), "null" | "\"\"")) {
        // An application's slip, such as a room's name that is not there yet. A close would have its client come back and repeat it for ever.
        return Ok(Asked::Malformed);
    }
    let channel = || {
        let channel = event.c.and_then(string).map(Cow::into_owned);
        channel.ok_or(invalid("Invalid payload: this event needs c, the channel's id, as a string"))
    };
    Ok(match &*event.e {
        "SUBSCRIBE" => Asked::Perform(Command::Subscribe { channel: channel()?, wish: None }),
        "UNSUBSCRIBE" => Asked::Perform(Command::Unsubscribe { channel: channel()? }),
        "MESSAGE" => message(channel()?, event.d),
        "SET_CHANNEL_STATE" => set_state(channel()?, event.d),
        "PIPE_ROOM_SUBSCRIBE" => match event.d.and_then(|d| object::<JoinRoom<'_>>(d.get())) {
            Some(join) => Asked::PipeRoom(join.join_token.into_owned()),
            None => Asked::Malformed,
        },
        "PIPE_ROOM_UNSUBSCRIBE" => Asked::Nothing,
        _ => Asked::UnknownEvent,
    })
}

fn message(channel: String, d: Option<&RawValue>) -> Asked {
    let Some(message) = d.and_then(|d| object::<Message<'_>>(d.get())).filter(|message| !message.e.is_empty()) else {
        return Asked::Malformed;
    };
    match message.d.map_or(Ok(JsonValue::null()), |data| JsonValue::from_raw(data, MESSAGE_BYTES_MAX)) {
        Ok(data) => {
            let event = message.e.into_owned();
            Asked::Perform(Command::Publish(NewMessage { channel, event, data, options: None }))
        }
        Err(_) => Asked::Malformed,
    }
}

fn set_state(channel: String, d: Option<&RawValue>) -> Asked {
    match d.map(|state| JsonObject::from_raw(state, CHANNEL_STATE_BYTES_MAX)) {
        Some(Ok(state)) => {
            let change = StateChange::Replace(state);
            Asked::Perform(Command::SetState { channel, change, if_version: None })
        }
        Some(Err(_)) | None => Asked::Malformed,
    }
}
