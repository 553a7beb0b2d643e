//! What a call can come to other than its answer: one enum, each kind with its code, its sentence and whether trying again helps.

use std::fmt;

use tollgate_protocol_native::wire::{Retry, WireError};

use crate::Position;

/// Why something was not done. No error holds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server said no.
    Refused(Refusal),
    /// More calls wait for the connection than the limit (this many).
    QueueFull(usize),
    /// The call with this name was not answered before its deadline. It may have been done.
    Timeout(&'static str),
    /// The connection ended: by this close code (1006: it broke), before the answer if this is of a call, which may have been done.
    ConnectionLost(u16),
    /// The client was closed.
    Closed,
    /// The token provider gave no token: in its own words, which must not hold the token; and whether asking again helps.
    TokenProvider {
        /// The provider's words.
        message: String,
        /// `Later` or `Never`.
        retry: Retry,
    },
    /// The stream was not read: so many events waited. What follows is in no event of it; subscribe again from the last message's position.
    ReaderTooSlow(usize),
    /// Another subscription of this client took the place of this one.
    Replaced,
    /// What was asked for cannot be: in words.
    InvalidInput(String),
    /// The server answered with what is not of the protocol.
    BadAnswer,
}

/// A server's no, as docs/protocol/native.md lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For instance `not_granted`.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retry: Retry,
    /// After how many milliseconds, where that is known.
    pub retry_after_ms: Option<u64>,
    /// Of `version_mismatch`: the version at which the state is.
    pub version: Option<u64>,
    /// Of `position_lost`: where the channel is.
    pub position: Option<Position>,
}

impl Error {
    /// The code: the server's, or one of the SDK itself.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::QueueFull(_) => "queue_full",
            Self::Timeout(_) => "timeout",
            // What another try by itself does not mend is named, as in the protocol's table of closes.
            Self::ConnectionLost(4100) => "invalid_credential",
            Self::ConnectionLost(4101) => "token_expired",
            Self::ConnectionLost(4102) => "token_revoked",
            Self::ConnectionLost(4200) => "protocol",
            Self::ConnectionLost(4201) => "message_too_big",
            Self::ConnectionLost(4202) => "refused",
            Self::ConnectionLost(_) => "connection_lost",
            Self::Closed => "closed",
            Self::TokenProvider { .. } => "token_provider_failed",
            Self::ReaderTooSlow(_) => "reader_too_slow",
            Self::Replaced => "replaced",
            Self::InvalidInput(_) => "invalid_input",
            Self::BadAnswer => "bad_answer",
        }
    }

    /// Whether the same may succeed later.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Refused(Refusal { retry, .. }) | Self::TokenProvider { retry, .. } => *retry,
            Self::QueueFull(_) | Self::Timeout(_) => Retry::Later,
            Self::ConnectionLost(4100..=4199) => Retry::Auth,
            Self::ConnectionLost(4200..=4299) => Retry::Never,
            Self::ConnectionLost(_) => Retry::Later,
            Self::Closed | Self::ReaderTooSlow(_) | Self::Replaced | Self::InvalidInput(_) | Self::BadAnswer => {
                Retry::Never
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{} ({})", refusal.message, refusal.code),
            Self::QueueFull(most) => write!(f, "{most} calls wait already (queue_limit): wait for some of them"),
            Self::Timeout(name) => write!(f, "`{name}` was not answered in time"),
            Self::ConnectionLost(code) => write!(f, "the connection ended ({code}) before an answer"),
            Self::Closed => f.write_str("the client is closed"),
            Self::TokenProvider { message, .. } => write!(f, "the token provider gave no token: {message}"),
            Self::ReaderTooSlow(most) => {
                write!(f, "{most} events waited to be read; subscribe again from the last message's position")
            }
            Self::Replaced => f.write_str("another subscription of this client took the place of this one"),
            Self::InvalidInput(words) => f.write_str(words),
            Self::BadAnswer => f.write_str("the server answered with what is not of the protocol"),
        }
    }
}

impl std::error::Error for Error {}

impl From<WireError<'_>> for Error {
    fn from(error: WireError<'_>) -> Self {
        Self::Refused(Refusal {
            code: error.code.into_owned(),
            message: error.message.into_owned(),
            retry: error.retry,
            retry_after_ms: error.retry_after_ms,
            version: error.version,
            position: error.position.map(Position),
        })
    }
}
