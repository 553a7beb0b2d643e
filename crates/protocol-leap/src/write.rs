//! The frames that we send, concatenated by hand. Clients crash on frames that lack a key (Hop behaviour 43), so every frame of the protocol
//! is spelled in this file and nowhere else.

use std::io::Write as _;

use bytes::Bytes;
use tollgate_core::Result;
use tollgate_core::command::{ChannelSnapshot, Connected, Expiry};
use tollgate_core::delivery::Publication;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;

/// Why a channel is not available to the client. Hop's clients know exactly these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// No right to subscribe.
    NotGranted,
    /// No such channel, or not subscribed.
    Unknown,
}

impl ErrorCode {
    const fn word(self) -> &'static str {
        match self {
            Self::NotGranted => "NOT_GRANTED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A JSON string with its quotes.
fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("invariant: writing a string to memory cannot fail");
}

/// Op 0 up to its data: `unicast` says that the frame is for this connection alone. `event` is a word of the protocol.
fn dispatch(out: &mut Vec<u8>, channel: Option<&str>, unicast: bool, event: &'static str) {
    out.extend_from_slice(br#"{"op":0,"d":{"c":"#);
    match channel {
        Some(channel) => string(out, channel),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(if unicast { br#","u":true,"e":""# } else { br#","u":false,"e":""# });
    out.extend_from_slice(event.as_bytes());
    out.extend_from_slice(br#"","d":"#);
}

/// The end of op 0.
const END: &[u8] = b"}}";

/// Op 1.
pub(crate) fn hello(heartbeat_interval_ms: u32) -> Bytes {
    format!(r#"{{"op":1,"d":{{"heartbeat_interval":{heartbeat_interval_ms}}}}}"#).into()
}

/// Op 3 from us.
pub(crate) fn heartbeat(tag: &str) -> Bytes {
    let mut out = Vec::with_capacity(32 + tag.len());
    out.extend_from_slice(br#"{"op":3,"d":{"tag":"#);
    string(&mut out, tag);
    out.extend_from_slice(END);
    out.into()
}

/// Op 4: with neither tag nor `d`, or with both tag and latency.
pub(crate) fn ack(tag: Option<(&str, u64)>) -> Bytes {
    let Some((tag, latency_ms)) = tag else { return Bytes::from_static(br#"{"op":4}"#) };
    let mut out = Vec::with_capacity(48 + tag.len());
    out.extend_from_slice(br#"{"op":4,"d":{"tag":"#);
    string(&mut out, tag);
    out.extend_from_slice(format!(r#","latency":{latency_ms}}}}}"#).as_bytes());
    out.into()
}

/// Op 11: what a renewal came to. Only who sent op 10 gets it.
pub(crate) fn renewed(outcome: &Result<Option<Expiry>>) -> Bytes {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(br#"{"op":11,"d":{"#);
    match outcome {
        Ok(Some(expiry)) => {
            out.extend_from_slice(format!(r#""success":true,"expires_in_ms":{}"#, expiry.left_ms).as_bytes())
        }
        Ok(None) => out.extend_from_slice(br#""success":true,"expires_in_ms":null"#),
        Err(error) => {
            out.extend_from_slice(
                format!(r#""success":false,"error":{{"code":"{}","message":"#, error.kind.code()).as_bytes(),
            );
            string(&mut out, &error.detail);
            out.push(b'}');
        }
    }
    out.extend_from_slice(END);
    out.into()
}

/// `INIT`, the first word after a good identify.
pub(crate) fn init(connected: &Connected) -> Bytes {
    let mut out = Vec::with_capacity(
        256 + connected.channels.iter().map(|one| 160 + one.channel.state.as_str().len()).sum::<usize>(),
    );
    dispatch(&mut out, None, true, "INIT");
    let (metadata, scope) = match &connected.token {
        Some(token) => (token.state.as_ref().map_or("null", JsonObject::as_str), "token"),
        None => ("null", "noauth"),
    };
    write!(out, r#"{{"cid":"{}","connection_count":{}"#, connected.connection, connected.connection_count)
        .expect("invariant: writing to memory cannot fail");
    for part in [r#","metadata":"#, metadata, r#","scope":""#, scope, r#"","channels":["#] {
        out.extend_from_slice(part.as_bytes());
    }
    for (index, subscribed) in connected.channels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        channel(&mut out, &subscribed.channel);
    }
    out.extend_from_slice(b"]}");
    out.extend_from_slice(END);
    out.into()
}

/// A channel as Leap shows it.
fn channel(out: &mut Vec<u8>, snapshot: &ChannelSnapshot) {
    out.extend_from_slice(br#"{"id":"#);
    string(out, snapshot.channel.as_str());
    let (state, kind, bits) = (snapshot.state.as_str(), snapshot.kind.word(), snapshot.capabilities.bits());
    write!(out, r#","project_id":"{}","state":"#, snapshot.project).expect("invariant: writing to memory cannot fail");
    for part in [state, r#","type":""#, kind] {
        out.extend_from_slice(part.as_bytes());
    }
    write!(out, r#"","capabilities":{bits}}}"#).expect("invariant: writing to memory cannot fail");
}

/// `AVAILABLE`: the answer to a subscribe, or the news of one made elsewhere.
pub(crate) fn available(snapshot: &ChannelSnapshot) -> Bytes {
    let mut out = Vec::with_capacity(256 + snapshot.state.as_str().len());
    dispatch(&mut out, Some(snapshot.channel.as_str()), true, "AVAILABLE");
    out.extend_from_slice(br#"{"channel":"#);
    channel(&mut out, snapshot);
    out.push(b'}');
    out.extend_from_slice(END);
    out.into()
}

/// `UNAVAILABLE` for a refusal. The channel is whatever the client asked for.
pub(crate) fn refused(channel: &str, code: ErrorCode) -> Bytes {
    let mut out = Vec::with_capacity(128 + channel.len());
    dispatch(&mut out, Some(channel), true, "UNAVAILABLE");
    out.extend_from_slice(br#"{"graceful":false,"error_code":""#);
    out.extend_from_slice(code.word().as_bytes());
    out.extend_from_slice(br#""}"#);
    out.extend_from_slice(END);
    out.into()
}

/// `UNAVAILABLE` for a subscription that ended in order.
pub(crate) fn ended(out: &mut Vec<u8>, channel: &ChannelId, unicast: bool) {
    dispatch(out, Some(channel.as_str()), unicast, "UNAVAILABLE");
    out.extend_from_slice(br#"{"graceful":true}"#);
    out.extend_from_slice(END);
}

/// `PIPE_ROOM_UNAVAILABLE`: we have no video rooms.
pub(crate) fn pipe_room_refused(join_token: &str) -> Bytes {
    let mut out = Vec::with_capacity(128 + join_token.len());
    dispatch(&mut out, None, true, "PIPE_ROOM_UNAVAILABLE");
    out.extend_from_slice(br#"{"join_token":"#);
    string(&mut out, join_token);
    out.extend_from_slice(br#","graceful":false,"error_code":"UNKNOWN"}"#);
    out.extend_from_slice(END);
    out.into()
}

/// `MESSAGE` with a channel, `DIRECT_MESSAGE` without one.
pub(crate) fn message(out: &mut Vec<u8>, channel: Option<&ChannelId>, publication: &Publication) {
    out.reserve(128 + publication.event.len() + publication.data.as_str().len());
    dispatch(out, channel.map(ChannelId::as_str), false, if channel.is_some() { "MESSAGE" } else { "DIRECT_MESSAGE" });
    out.extend_from_slice(br#"{"e":"#);
    string(out, &publication.event);
    out.extend_from_slice(br#","d":"#);
    out.extend_from_slice(publication.data.as_str().as_bytes());
    out.push(b'}');
    out.extend_from_slice(END);
}

/// `TOKEN_EXPIRING`: of Tollgate's own. Hop's clients have no use for it and go on.
pub(crate) fn expiring(out: &mut Vec<u8>, left_ms: u64) {
    dispatch(out, None, true, "TOKEN_EXPIRING");
    out.extend_from_slice(format!(r#"{{"expires_in_ms":{left_ms}}}"#).as_bytes());
    out.extend_from_slice(END);
}

/// `STATE_UPDATE`.
pub(crate) fn state_update(out: &mut Vec<u8>, channel: &ChannelId, state: &JsonObject) {
    out.reserve(96 + channel.as_str().len() + state.as_str().len());
    dispatch(out, Some(channel.as_str()), false, "STATE_UPDATE");
    out.extend_from_slice(br#"{"state":"#);
    out.extend_from_slice(state.as_str().as_bytes());
    out.push(b'}');
    out.extend_from_slice(END);
}
