//! The doors: which requests become a connection of the shard, and which dialect is spoken behind each. The caller of the gateway decides.

use bytes::Bytes;
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
    /// How a handshake that is refused is told.
    pub errors: ErrorForm,
}

/// What carries a dialect's messages over the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket. With a subprotocol, the handshake must list it and is answered with it (RFC 6455 section 1.9); without, whatever the
    /// handshake lists is answered with none.
    WebSocket { subprotocol: Option<&'static str> },
    /// An endless answer of server-sent events. The dialect's text messages, and the frames of its format, are whole events or comments
    /// (see [`crate::events`]); binary messages it has none. It is never told of a message, for the client has no way to send one.
    ///
    /// The answer's head waits for the dialect's first message. A dialect that closes before is answered for by an HTTP error, if its close
    /// code says that coming back as it is does not help (4100 and above).
    Events,
}

/// The form of the errors that the gateway answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorForm {
    /// Hop's envelope.
    Envelope,
    /// Problem details (RFC 9457), as `/v2` has them.
    Problem,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening({:?}, {:?})", self.format, self.transport)
    }
}

/// A door that needs the request's body to decide.
pub struct Reading {
    /// Most bytes of it; more is answered with 413.
    pub bytes_max: usize,
    /// Decides, by the whole body. Must not block, and not ask for the body again.
    pub decide: Box<dyn FnOnce(&Bytes) -> Door>,
    /// How a body that is too large, or does not come in time, is told.
    pub errors: ErrorForm,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({} bytes)", self.bytes_max)
    }
}

/// What to do with a request.
#[derive(Debug)]
pub enum Door {
    /// Not ours: the HTTP service answers.
    Elsewhere,
    /// A door, but not to be opened like this.
    Refused(Refused),
    /// A connection, if the request is a proper handshake of its transport; otherwise the gateway says what is wrong with it.
    Open(Opening),
    /// To be decided by what the body says.
    Read(Reading),
}

/// Why a door is not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    /// A word for programs, of `docs/errors.md`.
    pub code: &'static str,
    /// Why, and what to do.
    pub text: String,
    pub errors: ErrorForm,
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
