//! Why a JWT is refused, in words for whoever sent it. Never holds any of the token's text: it goes into answers and logs.

use super::algorithm::Algorithm;
use super::compact::{HEADER_BYTES_MAX, TOKEN_BYTES_MAX};
use std::fmt;

/// A part of a token's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first: algorithm and key id.
    Header,
    /// The second: the claims.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a JWT is refused. Times are seconds since 1970. Names of claims are those of the rules, never of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtRefusal {
    /// Longer than any token we read.
    #[error("the token has {0} characters; at most {TOKEN_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Not three parts.
    #[error(
        "this is not a signed JWT: it has {0} parts separated by dots, where three are needed (header.payload.signature)"
    )]
    Segments(usize),
    /// The header alone is too long.
    #[error("the token's header has {0} bytes; at most {HEADER_BYTES_MAX} are allowed")]
    HeaderTooLong(usize),
    /// A part has other characters than base64url's, padding, or bits left over.
    #[error("the token's {0} is not base64url without padding; copy the whole token and nothing else")]
    Encoding(Part),
    /// A part is not one JSON object in UTF-8.
    #[error("the token's {0} is not a JSON object")]
    Json(Part),
    /// A part names a key twice, so that two readers could see two tokens.
    #[error("the token's {0} names the same key twice")]
    DuplicateKey(Part),
    /// A header parameter is missing or has another JSON type.
    #[error("the token's header needs `{0}` as a string")]
    HeaderField(&'static str),
    /// `alg` is `none`.
    #[error("the token is not signed (its `alg` is `none`); only signed tokens are accepted")]
    Unsigned,
    /// `alg` is a name that we do not know.
    #[error(
        "the token's `alg` is not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, ES256, ES384 and EdDSA, spelled so"
    )]
    UnsupportedAlgorithm,
    /// The header has `crit`: extensions that must be understood, and we understand none.
    #[error("the token's header has `crit`; extensions are not supported")]
    Critical,
    /// `typ` is of another kind of token.
    #[error("the token's `typ` says that it is no access token; it may be absent, `JWT` or `at+jwt`")]
    WrongType,
    /// No key of the issuer has the token's `kid`. A caller may fetch the issuer's registered key set anew, and only that one.
    #[error(
        "no key of the issuer fits the token's `kid`; if the key is new, publish it in the issuer's key set before signing with it"
    )]
    UnknownKid,
    /// No `kid`, and several keys could be meant.
    #[error("the token has no `kid` and the issuer has several keys for its algorithm; name the key in the header")]
    KidNeeded,
    /// The key is for another algorithm.
    #[error("the token's `alg` is {token}, but the key is for {key} only")]
    AlgorithmOfKey {
        /// What the token says.
        token: Algorithm,
        /// What the key is for.
        key: Algorithm,
    },
    /// The signature does not fit: changed on the way, or signed with another key.
    #[error("the token's signature does not fit; it was changed, or signed with another key than the registered one")]
    Signature,
    /// A claim that is needed is absent.
    #[error("the token has no claim `{0}`, which is needed")]
    MissingClaim(Box<str>),
    /// A claim has another JSON type than it must.
    #[error("the token's claim `{claim}` must be {needed}")]
    ClaimType {
        /// Which claim.
        claim: Box<str>,
        /// What it must be.
        needed: &'static str,
    },
    /// A time outside 1970 to 9999.
    #[error("the token's claim `{0}` is no time between 1970 and 9999 in seconds; are these milliseconds?")]
    TimeRange(&'static str),
    /// `iss` is another one.
    #[error("the token's `iss` is not the registered issuer; they must be equal to the letter, a final slash included")]
    WrongIssuer,
    /// `aud` names nobody whom we answer for.
    #[error("the token's `aud` does not name this audience; it was made for somebody else")]
    WrongAudience,
    /// Our own token of another project.
    #[error("the token belongs to another project")]
    WrongProject,
    /// `exp` has passed.
    #[error("the token has expired: its `exp` is {exp}, now it is {now} ({} s later)", now.saturating_sub(*exp))]
    Expired {
        /// When it ended, rounded down.
        exp: u64,
        /// Our time.
        now: u64,
    },
    /// `nbf` is still to come.
    #[error("the token is not valid yet: its `nbf` is {nbf}, now it is {now} ({} s earlier)", nbf.saturating_sub(*now))]
    NotYetValid {
        /// When it begins, rounded up.
        nbf: u64,
        /// Our time.
        now: u64,
    },
    /// `iat` is still to come: the signer's clock is ahead.
    #[error("the token comes from the future: its `iat` is {iat}, now it is {now}; check the signer's clock")]
    IssuedInFuture {
        /// When it says it was made.
        iat: u64,
        /// Our time.
        now: u64,
    },
    /// It lives longer than the rules of its issuer allow.
    #[error("the token lives for {lifetime_s} s from `iat` to `exp`; at most {lifetime_s_max} s are allowed")]
    LivesTooLong {
        /// How long, in seconds.
        lifetime_s: u64,
        /// What is allowed, in seconds.
        lifetime_s_max: u64,
    },
}

impl JwtRefusal {
    /// A stable word for counters and audit entries.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLong(_)
            | Self::Segments(_)
            | Self::HeaderTooLong(_)
            | Self::Encoding(_)
            | Self::Json(_)
            | Self::DuplicateKey(_)
            | Self::HeaderField(_) => "malformed",
            Self::Unsigned | Self::UnsupportedAlgorithm | Self::AlgorithmOfKey { .. } => "wrong_algorithm",
            Self::Critical => "critical_header",
            Self::WrongType => "wrong_type",
            Self::UnknownKid | Self::KidNeeded => "unknown_key",
            Self::Signature => "wrong_signature",
            Self::MissingClaim(_) | Self::ClaimType { .. } | Self::TimeRange(_) => "wrong_claim",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::WrongProject => "wrong_project",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } | Self::IssuedInFuture { .. } => "not_yet_valid",
            Self::LivesTooLong { .. } => "lives_too_long",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
