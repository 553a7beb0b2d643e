//! Event streams (`text/event-stream`): what one is opened with, and the form of its events. Not the address they are asked for at, nor HTTP.

use tollgate_core::command::{PresentedSecret, StartFrom};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;

/// Most channels of one stream's address.
pub const SSE_CHANNELS_MAX: usize = 16;

/// What a stream's address and headers ask for, parsed. Nothing is checked but its size.
#[derive(Debug, Default)]
pub struct SseStart {
    /// The project's id.
    pub project: String,
    /// The token or ticket; without one the client is anonymous.
    pub token: Option<PresentedSecret>,
    /// The channels to subscribe to, at most [`SSE_CHANNELS_MAX`].
    pub channels: Vec<SseChannel>,
}

/// A channel of a stream's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseChannel {
    /// Its id.
    pub channel: String,
    /// Where to begin; without one, now.
    pub from: Option<StartFrom>,
}

/// A comment, which keeps the line open: what a ping is here.
pub(crate) const PING: &[u8] = b":\n\n";

/// Appends one event. An id is given to what a client may resume from.
pub(crate) fn event(out: &mut Vec<u8>, id: Option<(&ChannelId, Position)>, kind: &str, data: &[u8]) {
    out.reserve(data.len() + kind.len() + 64);
    if let Some((channel, position)) = id {
        // No id of a channel has a control character, so the line ends where it should.
        out.extend_from_slice(format!("id: {channel}@{position}\n").as_bytes());
    }
    out.extend_from_slice(format!("event: {kind}\ndata: ").as_bytes());
    // Payloads are passed on as they came, with line ends between their words; here a line end would end the data. Inside of JSON's strings
    // there are none.
    out.extend(data.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    out.extend_from_slice(b"\n\n");
}
