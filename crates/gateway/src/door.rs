//! The doors: which requests become a connection of the shard, and which dialect is spoken behind each. The caller of the gateway decides.

use http::StatusCode;
use http::request::Parts;
use tollgate_node::hub::FormatIndex;
use tollgate_protocol::Dialect;

/// What a door opens to.
pub struct Opening {
    /// The machine that speaks for this connection.
    pub dialect: Box<dyn Dialect>,
    /// The wire format of its broadcasts.
    pub format: FormatIndex,
    /// What carries the dialect's messages.
    pub transport: Transport,
}

/// What carries a dialect's messages over the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket. With a subprotocol, the handshake must list it and is answered with it (RFC 6455 section 1.9); without, whatever the
    /// handshake lists is answered with none.
    WebSocket { subprotocol: Option<&'static str> },
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening({:?})", self.format)
    }
}

/// What to do with a request.
#[derive(Debug)]
pub enum Door {
    /// Not ours: the HTTP service answers.
    Elsewhere,
    /// A door, but not to be opened like this; the text says why and what to do.
    Refused { status: StatusCode, text: String },
    /// A WebSocket, if the request is a proper handshake; otherwise the gateway says what is wrong with it.
    Open(Opening),
}

/// Decides on every request, upgrade or not, by its head alone. Called on the shard's thread; must not block.
pub trait Doors: Send + Sync {
    fn knock(&self, head: &Parts) -> Door;
}

impl<F: Fn(&Parts) -> Door + Send + Sync> Doors for F {
    fn knock(&self, head: &Parts) -> Door {
        self(head)
    }
}
