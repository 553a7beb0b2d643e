//! What the server says, from text to words, for clients. Lenient: fields and kinds that this version does not know are passed over.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Push, WireError};

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// Of the request that had this id.
    pub id: u32,
    /// The body, whose type follows from the request; or why it was not done.
    pub outcome: Result<&'a RawValue, WireError<'a>>,
}

/// A frame of the server.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// `{}`, to be answered with the same at once.
    Ping,
    /// A reply.
    Reply(Reply<'a>),
    /// A push.
    Push(Push<'a>),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    /// A number in replies; a message's push has a text of this name.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    ok: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<WireError<'a>>,
    #[serde(borrow)]
    push: Option<Cow<'a, str>>,
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// When it is no JSON object, or neither ping nor reply nor push, or lacks a field of the page.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        if text == super::PING {
            return Ok(Self::Ping);
        }
        if !super::is_object(text) {
            return Err(serde::de::Error::custom("a frame is a JSON object"));
        }
        let envelope: Envelope<'a> = serde_json::from_str(text)?;
        if let Some(kind) = envelope.push {
            return Push::parse(&kind, text).map(Self::Push);
        }
        let reply = |id: &RawValue, outcome| Ok(Self::Reply(Reply { id: serde_json::from_str(id.get())?, outcome }));
        match (envelope.id, envelope.ok, envelope.error) {
            (Some(id), _, Some(error)) => reply(id, Err(error)),
            (Some(id), Some(ok), None) => reply(id, Ok(ok)),
            (None, None, None) => Ok(Self::Ping),
            _ => Err(serde::de::Error::custom("a frame is `{}`, a reply with `id` and `ok` or `error`, or a push")),
        }
    }
}
