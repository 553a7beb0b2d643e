//! Why a genuine token is refused: one answer for sockets, REST and introspection.
//!
//! Not here: what a text proves to be (`identity`), and what an accepted token may then do (`core::authorize`).

use std::net::IpAddr;

use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::TokenRefusal;
use tollgate_core::error::{ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::peer::Network;

use super::identity::sentence;
use crate::Node;
use crate::directory::{Records, TokenEnd, TokenEntry};

/// From where a token is presented.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// The origin of the web page, as its browser says; programs have none.
    pub origin: Option<&'a str>,
}

/// Why a token is refused. Codes are stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRefused {
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub reason: String,
    /// Since when (or, for `token_not_yet_valid`, until when), if that is known.
    pub since: Option<UnixMillis>,
    /// What an operation answers.
    pub(crate) kind: ErrorKind,
}

impl TokenRefused {
    pub(super) fn of(kind: ErrorKind, reason: impl Into<String>, since: Option<UnixMillis>) -> Self {
        Self { code: kind.code(), reason: reason.into(), since, kind }
    }

    /// A text that names no token here, with a word for what is wrong with it.
    pub(super) fn unknown(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), since: None, kind: ErrorKind::InvalidAuth }
    }

    /// There is no such token anywhere: forged, of another project or deleted, for whoever presents it.
    pub(super) fn nowhere() -> Self {
        Self::unknown("unknown", "There is no such token: it was deleted, or never made by this server. Get a new one.")
    }

    /// There was such a token.
    pub(super) fn deleted() -> Self {
        Self::unknown("deleted", "The token was made here and has been deleted since; ask for a new one.")
    }
}

impl From<TokenRefusal> for TokenRefused {
    fn from(refusal: TokenRefusal) -> Self {
        let code = match refusal {
            TokenRefusal::Malformed => "malformed",
            TokenRefusal::Checksum => "checksum",
            TokenRefusal::UnknownKey => "unknown_key",
            // A forged token, and one of another project: nobody is told which.
            TokenRefusal::Forged => return Self::nowhere(),
        };
        Self::unknown(code, sentence(&refusal))
    }
}

/// Why this generation of a token does not get in at `now`; nothing if it does.
pub(super) fn refused_by(
    records: &Records,
    token: &TokenEntry,
    generation: u32,
    place: Option<Place<'_>>,
    now: UnixMillis,
) -> Option<TokenRefused> {
    // First, for it is why the user's tokens were revoked.
    if let Some(at) = banned_at(records, token) {
        return Some(TokenRefused::of(ErrorKind::UserBanned, "This user may not get in.", Some(at)));
    }
    match token.end(generation, now) {
        Some(TokenEnd::Revoked(at)) => {
            let said = token.revoked().and_then(|revoked| revoked.reason.as_deref());
            let reason = match said {
                Some(said) => format!("The token was revoked: {said}. Ask for a new one."),
                None => "The token was revoked. Ask for a new one.".into(),
            };
            return Some(TokenRefused::of(ErrorKind::TokenRevoked, reason, Some(at)));
        }
        Some(TokenEnd::Expired(at)) => {
            let reason = "The token has expired. Ask for a new one.";
            return Some(TokenRefused::of(ErrorKind::TokenExpired, reason, Some(at)));
        }
        Some(TokenEnd::NotYet(start)) => {
            let reason = "The token does not work yet; wait for its `not_before`.";
            return Some(TokenRefused::of(ErrorKind::TokenNotYetValid, reason, Some(start)));
        }
        Some(TokenEnd::Rotated) => {
            let grace = token.previous().filter(|previous| previous.generation == generation);
            let reason = "The token was rotated, and this older secret works no longer. Use the newer one.";
            return Some(TokenRefused::of(ErrorKind::TokenRotated, reason, grace.map(|previous| previous.until)));
        }
        None => {}
    }
    let place = place?;
    if !address_fits(token, place.address) {
        return Some(TokenRefused::of(ErrorKind::WrongPlace, "The token may not be used from this address.", None));
    }
    (!origin_fits(token, place.origin))
        .then(|| TokenRefused::of(ErrorKind::WrongPlace, "The token may not be used from a page of this origin.", None))
}

fn banned_at(records: &Records, token: &TokenEntry) -> Option<UnixMillis> {
    token.user.and_then(|user| records.user(user)).and_then(|user| user.kept.record.banned_at)
}

/// Whether a token may come from this address. Where it may not come from everywhere, one that nobody knows is none.
pub(crate) fn address_fits(token: &TokenEntry, address: Option<IpAddr>) -> bool {
    let networks = token.terms().map(|terms| terms.networks.as_slice()).unwrap_or_default();
    let holds = |network: &String, address| network.parse::<Network>().is_ok_and(|network| network.contains(address));
    networks.is_empty() || address.is_some_and(|address| networks.iter().any(|network| holds(network, address)))
}

/// Whether a token may come from a page of this origin.
pub(crate) fn origin_fits(token: &TokenEntry, origin: Option<&str>) -> bool {
    let origins = token.terms().map(|terms| terms.origins.as_slice()).unwrap_or_default();
    origins.is_empty() || origin.is_some_and(|origin| origins.iter().any(|one| one.eq_ignore_ascii_case(origin)))
}

impl Node {
    /// The token of a caller, which was authenticated a while ago: as it is now.
    pub(super) fn still_in<'a>(&self, records: &'a Records, token: TokenId) -> Result<&'a TokenEntry> {
        let found = records.token(token).ok_or_else(TokenRefused::deleted)?;
        // Whichever generation it came with, what holds for the newest holds for it.
        match refused_by(records, found, found.generation, None, self.now()) {
            Some(refused) => Err(refused.into()),
            None => Ok(found),
        }
    }
}
