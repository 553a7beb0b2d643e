//! The frames of `tollgate.v1` as types, for both directions: the server reads requests and writes replies and pushes, a client the other
//! way round. Borrowed from the text wherever it can be; payloads stay text. Not the order in which they may come, which is the dialect's.
//!
//! Requests are strict: a field that is not on the page is refused. What the server says is read leniently, so that an older client goes on
//! when a newer server says more.

mod close;
mod error;
mod position;
mod push;
mod reply;
mod request;
mod secret;
mod server;
mod stream;

pub use close::{CloseAdvice, CloseCode, reconnect_delay_ms};
pub use error::{ErrorCode, Retry, WireError};
pub use position::PositionText;
pub use push::{
    Direct, Expiring, History, Member, Message, MessageBody, Moved, Presence, Push, Refused, Sender, State,
    Unsubscribed, UnsubscribedReason,
};
pub use reply::{
    BatchResult, BatchResults, Connected, ConnectedChannel, Empty, Limits, MembersPage, Published, Renewed, Subscribed,
    Token, Versioned,
};
pub use request::{
    Ack, Batch, ClientFrame, Connect, HistoryOrder, HistoryRequest, Malformed, PresenceRequest, PresenceSet, Publish,
    Renew, Request, Rewind, SetState, Subscribe, Unsubscribe, write_request,
};
pub use secret::Secret;
pub use server::{Reply, ServerFrame};
pub use stream::OpenStream;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "tollgate.v1";
/// The ping, and its answer.
pub const PING: &str = "{}";
/// How long a client may take to send `connect`, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// Most requests of a connection that are not answered yet.
pub const REQUESTS_MAX: usize = 64;
/// Most positions in `connect`.
pub const POSITIONS_MAX: usize = 1_024;
/// Most messages in a `batch`.
pub const BATCH_MAX: usize = 100;
/// Most messages of a page of `history`, and of a `rewind`; most members of a page of `presence`.
pub const PAGE_MAX: u32 = 1_000;
/// How many there are on a page when nobody says.
pub const PAGE_DEFAULT: u32 = 100;
/// Most bytes of `sdk`, and of a message's `id`.
pub const NAME_BYTES_MAX: usize = 64;
/// Most bytes of what members see of a client.
pub const MEMBER_DATA_BYTES_MAX: usize = 1_024;

/// Whether this text is a JSON object, if it is JSON. Serde would take an array for a struct too; the protocol does not.
fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

#[cfg(test)]
mod tests;
