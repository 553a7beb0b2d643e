//! The one error type of the operations, and the table of stable codes. Doors map kinds to statuses; nothing here knows HTTP.

use std::fmt;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident => $code:literal,)*) => {
        /// What went wrong, in about a dozen kinds. Every door maps all of them with one total `match`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[doc = $doc])* $kind,)* }

        impl ErrorKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable code that callers may match on.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// What the kind means, in the words of this table; for documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$kind => concat!($($doc),*),)* }
            }
        }
    };
}

kinds! {
    /// No credential, or one that is unknown, malformed, forged, revoked or of an unsupported kind.
    InvalidAuth => "invalid_auth",
    /// The token is genuine and has ended by itself; get a new one.
    TokenExpired => "token_expired",
    /// The token is genuine and was revoked; signing in again may help, trying again does not.
    TokenRevoked => "token_revoked",
    /// The token is genuine and begins to work later.
    TokenNotYetValid => "token_not_yet_valid",
    /// The token is genuine and was replaced by a newer secret of its own.
    TokenRotated => "token_rotated",
    /// The credential is good but does not allow this.
    Forbidden => "forbidden",
    /// The user whose token it is may not get in.
    UserBanned => "user_banned",
    /// The token may not be used from this address, or from a page of this origin.
    WrongPlace => "wrong_place",
    /// No such project, channel, token or route.
    NotFound => "not_found",
    /// The id is taken.
    AlreadyExists => "already_exists",
    /// The body is not what the operation takes: not JSON, not an object, a field of the wrong type.
    InvalidBody => "invalid_body",
    /// A path or query parameter, or an argument, is out of its range.
    InvalidInput => "invalid_input",
    /// The expected version is not the current one.
    VersionMismatch => "version_mismatch",
    /// What lies behind the position is not kept any more.
    PositionLost => "position_lost",
    /// The idempotency key was used for another request.
    IdempotencyMismatch => "idempotency_mismatch",
    /// The thing is in a state in which this cannot be done: finished, cancelled, handed out already.
    WrongState => "wrong_state",
    /// It was here once and is not any more.
    Gone => "gone",
    /// More bytes than the limit.
    TooLarge => "payload_too_large",
    /// More things than the limit allows to exist.
    LimitReached => "limit_reached",
    /// Too many calls; try again later.
    RateLimited => "rate_limited",
    /// The channel refuses this: by its settings, by what the token may do there, or by the project's access hook.
    NotGranted => "not_granted",
    /// The access hook of the project did not answer, so nothing was decided and nothing was done; try again later.
    HookUnavailable => "hook_unavailable",
    /// The store or another dependency does not answer; nothing was changed that was not acknowledged.
    Unavailable => "unavailable",
    /// A defect on our side.
    Internal => "internal_error",
}

/// An expected failure of an operation: a kind, and one sentence for the caller (what was wrong, the limit, what to do).
/// The sentence never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// One sentence for the caller.
    pub detail: String,
    /// After how long trying again can help, in milliseconds, where that is known.
    pub retry_after_ms: Option<u64>,
    /// With `version_mismatch`: the version that the thing is at.
    pub version: Option<u64>,
}

impl Error {
    /// An error of `kind` with a sentence for the caller.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after_ms: None, version: None }
    }

    /// `rate_limited`, with the time after which a call gets through again.
    pub fn rate_limited(detail: impl Into<String>, retry_after_ms: u64) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..Self::new(ErrorKind::RateLimited, detail) }
    }

    /// `version_mismatch`, with the version that the thing is at.
    pub fn version_mismatch(detail: impl Into<String>, version: u64) -> Self {
        Self { version: Some(version), ..Self::new(ErrorKind::VersionMismatch, detail) }
    }

    /// `not_found`, naming what was looked for: `Error::not_found("channel", &id)`.
    pub fn not_found(what: &str, id: &dyn fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no {what} {id} in this project."))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for Error {}
