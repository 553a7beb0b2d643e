//! WebSocket frames (RFC 6455): what a client sends, taken apart; what we send, put together.
//!
//! Pure: bytes in, events out, no socket, no clock. It knows nothing of dialects, and nothing of extensions: a reserved bit
//! is an error until an extension is negotiated.
//!
//! The decoder works in place on a buffer that the caller shares among many connections. It keeps bytes only while a frame or
//! a message is incomplete; between messages a [`Decoder`] is one null pointer.

mod close;
mod decode;
mod encode;
mod header;
mod mask;
mod utf8;

pub use close::{CloseFrame, code_is_sendable};
pub use decode::{Decoder, Step};
pub use encode::{HEADER_BYTES_MAX, encode, encode_close, encode_masked, encode_text, frame_bytes, header};
pub use header::Opcode;

use std::borrow::Cow;

/// What the decoder hands out. Payloads borrow from the read buffer; only a message that arrived in pieces is owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Ping(Cow<'a, [u8]>),
    Pong(Cow<'a, [u8]>),
    Close(CloseFrame<'a>),
}

impl Event<'_> {
    /// The same event, owning its bytes.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Event::Text(text) => Event::Text(Cow::Owned(text.into_owned())),
            Event::Binary(bytes) => Event::Binary(Cow::Owned(bytes.into_owned())),
            Event::Ping(bytes) => Event::Ping(Cow::Owned(bytes.into_owned())),
            Event::Pong(bytes) => Event::Pong(Cow::Owned(bytes.into_owned())),
            Event::Close(close) => Event::Close(close.into_owned()),
        }
    }
}

/// How much one client may send as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes of payload of one message, all fragments together.
    pub message_bytes_max: usize,
    /// Frames that one message may be cut into.
    pub fragments_max: u32,
}

impl Default for FrameLimits {
    /// 64 KiB in at most 64 fragments.
    fn default() -> Self {
        FrameLimits { message_bytes_max: 64 * 1024, fragments_max: 64 }
    }
}

/// Why a peer's bytes cannot be accepted. The connection ends with [`Violation::close_code`]; the text is the close reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    ReservedBits,
    ReservedOpcode(u8),
    Unmasked,
    ControlFragmented,
    ControlTooLong,
    LengthNotMinimal,
    LengthTooLarge,
    MessageTooLong { bytes_max: usize },
    TooManyFragments { fragments_max: u32 },
    ContinuationWithoutStart,
    StartInsideMessage,
    TextNotUtf8,
    CloseTooShort,
    CloseCode(u16),
    CloseReasonNotUtf8,
}

impl Violation {
    /// The close code of RFC 6455 section 7.4.1 for this violation.
    pub fn close_code(self) -> u16 {
        match self {
            Violation::TextNotUtf8 | Violation::CloseReasonNotUtf8 => 1007,
            Violation::MessageTooLong { .. } => 1009,
            Violation::TooManyFragments { .. } => 1008,
            Violation::ReservedBits
            | Violation::ReservedOpcode(_)
            | Violation::Unmasked
            | Violation::ControlFragmented
            | Violation::ControlTooLong
            | Violation::LengthNotMinimal
            | Violation::LengthTooLarge
            | Violation::ContinuationWithoutStart
            | Violation::StartInsideMessage
            | Violation::CloseTooShort
            | Violation::CloseCode(_) => 1002,
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Violation::ReservedBits => f.write_str("a reserved bit is set, but no extension was negotiated"),
            Violation::ReservedOpcode(opcode) => write!(f, "opcode {opcode} is reserved"),
            Violation::Unmasked => f.write_str("frames from a client must be masked"),
            Violation::ControlFragmented => f.write_str("a control frame must not be fragmented"),
            Violation::ControlTooLong => f.write_str("a control frame carries at most 125 bytes"),
            Violation::LengthNotMinimal => f.write_str("a length must use its shortest form"),
            Violation::LengthTooLarge => f.write_str("a length must be below 2^63"),
            Violation::MessageTooLong { bytes_max } => write!(f, "a message may have at most {bytes_max} bytes"),
            Violation::TooManyFragments { fragments_max } => {
                write!(f, "a message may have at most {fragments_max} fragments")
            }
            Violation::ContinuationWithoutStart => f.write_str("a continuation frame without a message to continue"),
            Violation::StartInsideMessage => f.write_str("a new message began before the last fragment of another"),
            Violation::TextNotUtf8 => f.write_str("a text message must be UTF-8"),
            Violation::CloseTooShort => f.write_str("a close frame has either no payload or a code of two bytes"),
            Violation::CloseCode(code) => write!(f, "close code {code} must not be sent"),
            Violation::CloseReasonNotUtf8 => f.write_str("a close reason must be UTF-8"),
        }
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests;
