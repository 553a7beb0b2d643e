//! Event streams (`text/event-stream`): what one is opened with, and the form of its events. Not the address they are asked for at, nor HTTP.

use tollgate_core::Result;
use tollgate_core::command::{PresentedSecret, Resume, SubscribeWish};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;

use crate::read;
use crate::wire::REQUESTS_MAX;

/// Most channels of one stream's address.
pub const SSE_CHANNELS_MAX: usize = 16;

/// Most channels that the body of a `POST` subscribes to: each is a request of the connection.
pub const SSE_SUBSCRIBES_MAX: usize = REQUESTS_MAX;
/// Most bytes of such a body: those of a `connect`.
pub const SSE_BODY_BYTES_MAX: usize = 64 * 1024;

/// What a stream's address, headers and body ask for, parsed. Nothing is checked but its size.
#[derive(Debug, Default)]
pub struct SseStart {
    /// The project's id.
    pub project: String,
    /// The token or ticket; without one the client is anonymous.
    pub token: Option<PresentedSecret>,
    /// What it goes on with. The positions of `channels` need not be in it.
    pub resume: Resume,
    /// The channels to subscribe to, at most [`SSE_SUBSCRIBES_MAX`].
    pub channels: Vec<SseChannel>,
}

impl SseStart {
    /// What the body of a `POST` asks for.
    ///
    /// # Errors
    /// `invalid_body` and what a `connect` or a `subscribe` is refused with, in the caller's words.
    pub fn read(body: &str) -> Result<Self> {
        read::stream(body)
    }
}

/// A channel to begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseChannel {
    /// Its id.
    pub channel: String,
    /// From where on, and how the client takes part.
    pub wish: SubscribeWish,
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
