//! Whose a presented token is, in whichever spelling: a secret of ours, or a JWT signed by the project.
//!
//! A signature is checked before any look-up but that of the project whose keys it is checked against. What fails is counted; what is
//! genuine and has ended is told how.

use std::sync::Arc;

use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{TokenClaims, UnverifiedToken};
use tollgate_core::credentials::jwt::JwtRefusal;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;

use super::writing::origin;
use crate::Node;
use crate::directory::{ProjectEntry, TokenEnd};

/// A genuine token: which one, and what it was presented with. Whether it works is still to be asked.
pub(crate) struct Presented {
    pub(crate) entry: Arc<ProjectEntry>,
    pub(crate) token: TokenId,
    pub(crate) generation: u32,
    /// The number of the ring key of a secret; 0 for a JWT.
    pub(crate) key_number: u16,
}

impl Node {
    /// Who a presented token is, whatever its spelling and project.
    ///
    /// # Errors
    /// `invalid_auth` for what is no token of ours; `token_expired`, `token_revoked`, `token_not_yet_valid`, `token_rotated` and
    /// `user_banned` for a genuine one that does not work now; `rate_limited` when too many failed from the same address.
    pub fn authenticate_token(&self, secret: &PresentedSecret) -> Result<Caller> {
        let presented = self.genuine(None, secret)?;
        self.works(&presented)?;
        Ok(Caller::Token { project: presented.entry.project.id, token: presented.token })
    }

    /// The token that a text proves to be, in this project if one is given.
    ///
    /// # Errors
    /// `invalid_auth`, `rate_limited`.
    pub(crate) fn genuine(&self, project: Option<&Arc<ProjectEntry>>, secret: &PresentedSecret) -> Result<Presented> {
        let text = secret.expose();
        let known = project.map(|entry| entry.project.id);
        let refuse = |reason: &'static str, why: String| {
            Err(self.failed_authentication(known, reason, Error::new(ErrorKind::InvalidAuth, why)))
        };
        if Self::is_jwt(text) {
            let Some(entry) = project.cloned().or_else(|| self.claimed_project(text)) else {
                return refuse("unknown_issuer", "This JWT was not issued by this server; its `iss` names no project here.".into());
            };
            return match self.verify_access_token(&entry, text) {
                Ok((token, generation)) => Ok(Presented { entry, token, generation, key_number: 0 }),
                // Genuine, and over or still to come: no guess.
                Err(refusal @ JwtRefusal::Expired { .. }) => Err(Error::new(ErrorKind::TokenExpired, sentence(&refusal))),
                Err(refusal @ JwtRefusal::NotYetValid { .. }) => {
                    Err(Error::new(ErrorKind::TokenNotYetValid, sentence(&refusal)))
                }
                Err(refusal) => refuse(refusal.reason(), sentence(&refusal)),
            };
        }
        let unproven = match UnverifiedToken::parse(text) {
            Ok(unproven) => unproven.unproven_claims(),
            Err(refusal) => return refuse("malformed", sentence(&refusal)),
        };
        let Some(entry) = project.cloned().or_else(|| self.directory.project_of(unproven.token)) else {
            return refuse("unknown_token", "There is no such token: it was deleted, or never made by this server.".into());
        };
        match self.directory.ring().verify(entry.project.id, text) {
            Ok(claims) => {
                let (token, generation, key_number) = (claims.token, claims.generation, claims.key_number);
                Ok(Presented { entry, token, generation, key_number })
            }
            Err(refusal) => refuse("forged", sentence(&refusal)),
        }
    }

    /// What a text proves to be a token of the project, in whichever spelling; nothing is counted. The number of a JWT's ring key is 0.
    pub(crate) fn claims_of(&self, entry: &ProjectEntry, text: &str) -> Option<TokenClaims> {
        if Self::is_jwt(text) {
            let (token, generation) = self.verify_access_token(entry, text).ok()?;
            return Some(TokenClaims { key_number: 0, token, generation });
        }
        self.directory.ring().verify(entry.project.id, text).ok()
    }

    /// Whether a genuine token works now.
    ///
    /// # Errors
    /// As [`Node::authenticate_token`].
    pub(crate) fn works(&self, presented: &Presented) -> Result<()> {
        self.end_of_presented(presented).inspect_err(|error| {
            self.refusals.note(Some(presented.entry.project.id), error.kind.code(), origin().address);
        })
    }

    fn end_of_presented(&self, presented: &Presented) -> Result<()> {
        let (records, now) = (presented.entry.read(), self.now());
        let Some(found) = records.token(presented.token) else {
            return Err(Error::new(ErrorKind::TokenRevoked, "This token was deleted; get a new one."));
        };
        let user = found.user.and_then(|user| records.user(user));
        if user.is_some_and(|user| user.kept.record.banned_at.is_some()) {
            return Err(super::auth_tokens::banned());
        }
        let Some(end) = found.end(presented.generation, now) else { return Ok(()) };
        Err(match end {
            TokenEnd::Expired(at) => {
                Error::new(ErrorKind::TokenExpired, format!("This token expired at {at}; now it is {now}. Get a new one."))
            }
            TokenEnd::NotYet(at) => {
                Error::new(ErrorKind::TokenNotYetValid, format!("This token works from {at} on; now it is {now}."))
            }
            TokenEnd::Revoked(at) => {
                Error::new(ErrorKind::TokenRevoked, format!("This token was revoked at {at}. Get a new one."))
            }
            TokenEnd::Rotated => {
                Error::new(ErrorKind::TokenRotated, "This token was rotated; use the newer secret, or get a new token.")
            }
        })
    }
}

/// A refusal of `core` as a sentence.
fn sentence(refusal: &dyn std::fmt::Display) -> String {
    let text = refusal.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
