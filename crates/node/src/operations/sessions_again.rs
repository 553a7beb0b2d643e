//! Session requests that come again: a browser that sends one twice, an SDK that loses the answer, a program that tries once more. They get the
//! token of the first time.
//!
//! The same request within ten seconds is known from memory; one with an idempotency key for 24 hours, from the store (`idempotency`). Not here:
//! how a session is made.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::Monotonic;
use tollgate_core::credentials::{AuthTokenSecret, fingerprint};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::limits::{DUPLICATE_MS, IDEMPOTENCY_KEY_BYTES_MAX};

use super::auth_tokens::banned;
use super::idempotency::Once;
use super::sessions::{SessionRequest, SessionView, Wanted};
use super::signing::AccessToken;
use crate::Node;
use crate::directory::ProjectEntry;

/// Most requests that are remembered for their duplicates; with more, the oldest are forgotten.
const DUPLICATES_MAX: usize = 10_000;

/// What recent requests came to.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<HashMap<[u8; 32], (Monotonic, TokenId, AccessToken)>>);

impl Node {
    /// What the same request came to a moment ago, if its token still works.
    pub(super) fn again(&self, entry: &ProjectEntry, wanted: &Wanted) -> Option<SessionView> {
        let (token, access_token) = self.recent.get(&wanted.fingerprint, self.clock.monotonic())?;
        let user = {
            let records = entry.read();
            let found = records.token(token)?;
            let works = found.generation == 1 && found.end(found.generation, self.now()).is_none();
            found.user.filter(|_| works)?
        };
        self.view_session(entry, token, access_token, user).ok().filter(|session| session.user.banned_at.is_none())
    }

    /// What an earlier request with the same idempotency key made: the same token, with a JWT of now. An auth token is part of what has to be
    /// the same, so that the key alone opens nothing.
    pub(super) async fn made_before(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        wanted: &Wanted,
    ) -> Result<Option<SessionView>> {
        let Some(once) = &wanted.once else { return Ok(None) };
        let Some(made) = self.remembered(entry, caller, once)? else { return Ok(None) };
        let working = made.first().and_then(|(token, generation)| {
            let records = entry.read();
            let found = records.token(*token)?;
            let works = found.generation == *generation && found.end(*generation, self.now()).is_none();
            found.user.filter(|_| works).map(|user| (*token, user))
        });
        let Some((token, user)) = working else {
            let why =
                "The token that this idempotencyKey made has ended or changed since; use a new key for a new token.";
            return Err(Error::new(ErrorKind::IdempotencyMismatch, why));
        };
        let access_token = self.access_token(entry, token).await?;
        let session = self.view_session(entry, token, access_token, user)?;
        if session.user.banned_at.is_some() { Err(banned()) } else { Ok(Some(session)) }
    }
}

/// The idempotency key of a wish, with all of the wish but the device: in Node the SDKs make a new one for each call.
pub(super) fn once_of(request: &SessionRequest, auth_token: Option<&AuthTokenSecret>) -> Result<Option<Once>> {
    let Some(key) = &request.idempotency_key else { return Ok(None) };
    let wish = SessionRequest { auth_token: None, device_id: None, device_model: None, ..request.clone() };
    let (about, hash) = (format!("{wish:?}"), auth_token.map(AuthTokenSecret::hash));
    let parts: [&[u8]; 3] = [b"session", about.as_bytes(), hash.as_ref().map_or(&[][..], |hash| hash)];
    Once::new(key, &parts).map(Some).map_err(|error| {
        Error::new(
            error.kind,
            format!("`idempotencyKey` must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters."),
        )
    })
}

/// What tells a repeated request from another one.
pub(super) fn fingerprint_of(
    caller: &Caller,
    request: &SessionRequest,
    auth_token: Option<&AuthTokenSecret>,
) -> [u8; 32] {
    let hash = auth_token.map(AuthTokenSecret::hash);
    // All but the secret is printable, and the secret prints nothing; its hash stands for it.
    let about = format!("{caller:?} {:?}", SessionRequest { auth_token: None, ..request.clone() });
    fingerprint(&[about.as_bytes(), hash.as_ref().map_or(&[][..], |hash| hash)])
}

impl Recent {
    fn get(&self, request: &[u8; 32], now: Monotonic) -> Option<(TokenId, AccessToken)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, token, access_token) = kept.get(request)?;
        (now.since(*at) < DUPLICATE_MS).then(|| (*token, access_token.clone()))
    }

    pub(super) fn put(&self, request: [u8; 32], now: Monotonic, token: TokenId, access_token: AccessToken) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= DUPLICATES_MAX {
            kept.retain(|_, (at, ..)| now.since(*at) < DUPLICATE_MS);
        }
        if kept.len() >= DUPLICATES_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, (at, ..))| *at).map(|(request, _)| *request)
        {
            kept.remove(&oldest);
        }
        kept.insert(request, (now, token, access_token));
    }
}
