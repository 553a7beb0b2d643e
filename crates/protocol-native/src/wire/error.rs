//! The table of error codes: what each means to a client that thinks of trying again. Not which failure of an operation gets which code,
//! which is the dialect's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::PositionText;

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Later, unchanged.
    Later,
    /// With another token.
    Auth,
    /// Not. A word that this version does not know is read as this.
    #[serde(other)]
    Never,
}

impl Retry {
    /// The word of the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Later => "later",
            Self::Auth => "auth",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident => $word:literal, $retry:ident;)*) => {
        /// The codes that this version of the protocol knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[doc = $doc])* $code,)* }

        impl ErrorCode {
            /// Every code, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The word of the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$code => $word,)* }
            }

            /// Whether the same request may succeed later.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$code => Retry::$retry,)* }
            }
        }
    };
}

codes! {
    /// The body of the request is not what the page says.
    InvalidBody => "invalid_body", Never;
    /// A value is out of its range.
    InvalidInput => "invalid_input", Never;
    /// There is no request of this name.
    UnknownRequest => "unknown_request", Never;
    /// No such channel, or none that this client may know of.
    NotFound => "not_found", Never;
    /// The channel refuses this: by its settings, by what the token may do there, or by the project's access hook.
    NotGranted => "not_granted", Auth;
    /// The token is good, and does not allow this whatever the channel.
    Forbidden => "forbidden", Auth;
    /// Subscribe first.
    NotSubscribed => "not_subscribed", Never;
    /// The state is at another version.
    VersionMismatch => "version_mismatch", Never;
    /// What lies behind the position is not kept any more.
    PositionLost => "position_lost", Never;
    /// More bytes than the limit.
    PayloadTooLarge => "payload_too_large", Never;
    /// More things than the limit.
    LimitReached => "limit_reached", Never;
    /// Too many at once.
    RateLimited => "rate_limited", Later;
    /// The project's backend, which decides on this, did not answer.
    HookUnavailable => "hook_unavailable", Later;
    /// Nothing was done, or it is not known.
    Unavailable => "unavailable", Later;
    /// A defect of the server.
    InternalError => "internal_error", Later;
    /// No credential, or a bad one.
    InvalidAuth => "invalid_auth", Auth;
    /// The token has ended by itself.
    TokenExpired => "token_expired", Auth;
    /// The token was revoked.
    TokenRevoked => "token_revoked", Auth;
    /// The token was replaced by a newer secret of its own.
    TokenRotated => "token_rotated", Auth;
    /// The token begins to work later.
    TokenNotYetValid => "token_not_yet_valid", Auth;
    /// The user may not get in.
    UserBanned => "user_banned", Auth;
    /// The token may not be used from this address or page.
    WrongPlace => "wrong_place", Auth;
}

impl ErrorCode {
    /// The code that a word spells, if this version knows it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }
}

/// Why a request was not done, as it stands in a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError<'a> {
    /// What went wrong: an [`ErrorCode`]'s word, or one of a newer server.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// One sentence for a person.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// Whether trying again helps.
    pub retry: Retry,
    /// After how long it may, in milliseconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Of `version_mismatch`: the version at which the state is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of `position_lost`: where the channel is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionText>,
}
