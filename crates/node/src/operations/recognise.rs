//! What a presented text proves, in whichever spelling: a secret of ours, a JWT of ours, a JWT of a registered issuer; told apart by their form
//! and tried in this order.
//!
//! Not here: whether the token works (`presented`). A signature is checked before anything is looked up but the project whose keys check it.

use std::sync::Arc;

use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::TokenClaims;
use tollgate_core::credentials::jwt::{JwtRefusal, Unverified};
use tollgate_core::error::ErrorKind;

use super::foreign::Due;
use super::identity::sentence;
use super::presented::TokenRefused;
use super::signing::{is_ours, verifies};
use crate::Node;
use crate::directory::{JwtProof, ProjectEntry, Records, SignedBy};

/// How often something may be due for one JWT: its key, and then its record.
const STEPS_MAX: usize = 3;

/// A genuine credential: for which token it speaks. Whether that works is still to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// The key number is 0 for a JWT.
    pub(crate) claims: TokenClaims,
    /// What a JWT proves; nothing for a secret.
    pub(crate) jwt: Option<JwtProof>,
}

/// A JWT that needs something first: keys that are fetched, or a record that is made. To be given to [`Node::prepare`].
pub(crate) struct Unprepared(Due);

impl Node {
    /// What a text proves in this project.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub(crate) async fn recognise(&self, entry: &Arc<ProjectEntry>, text: &str) -> Result<Recognised, TokenRefused> {
        for _ in 0..STEPS_MAX {
            match self.recognise_now(entry, text)? {
                Ok(recognised) => return Ok(recognised),
                Err(unprepared) => self.prepare(entry, unprepared).await?,
            }
        }
        Err(TokenRefused::of(
            ErrorKind::Unavailable,
            "The record of this JWT's user is being changed by too many at once. Try again.",
            None,
        ))
    }

    /// As [`Node::recognise`], without waiting; or what must be waited for.
    pub(crate) fn recognise_now(
        &self,
        entry: &ProjectEntry,
        text: &str,
    ) -> Result<Result<Recognised, Unprepared>, TokenRefused> {
        if !Self::is_jwt(text) {
            let claims = self.directory.ring().verify(entry.project.id, text)?;
            return Ok(Ok(Recognised { claims, jwt: None }));
        }
        if Unverified::parse(text)?.issuer.as_deref().is_some_and(is_ours) {
            let proof = self.verify_access_token(entry, text)?;
            let jwt = JwtProof { by: SignedBy::Key(proof.signing_key), ends_at: proof.ends_at };
            let claims = TokenClaims { key_number: 0, token: proof.token, generation: proof.generation };
            return Ok(Ok(Recognised { claims, jwt: Some(jwt) }));
        }
        Ok(match self.seat_of(entry, text)? {
            Ok((token, generation, issuer, ends_at)) => {
                let jwt = JwtProof { by: SignedBy::Issuer(issuer), ends_at };
                Ok(Recognised { claims: TokenClaims { key_number: 0, token, generation }, jwt: Some(jwt) })
            }
            Err(due) => Err(Unprepared(due)),
        })
    }

    /// Does what a JWT needs before it is recognised.
    pub(crate) async fn prepare(&self, entry: &ProjectEntry, unprepared: Unprepared) -> Result<(), TokenRefused> {
        self.welcome(entry, unprepared.0).await
    }
}

impl Unprepared {
    /// The refusal, where nothing may be fetched or made.
    pub(crate) fn refused(self) -> TokenRefused {
        match self.0 {
            Due::Keys(.., refused) => refused,
            Due::Record(_) => TokenRefused::unknown("unknown", "The user of this JWT has not come in with it yet."),
        }
    }
}

impl Recognised {
    /// Why what it was recognised by stands no more: its key was retired meanwhile, its issuer disabled, or the JWT has ended. To be asked
    /// under the lock under which a connection is registered.
    pub(crate) fn refused_by(&self, records: &Records, now: UnixMillis) -> Option<TokenRefused> {
        let jwt = self.jwt.as_ref()?;
        if jwt.ends_at <= now {
            return Some(JwtRefusal::Expired { exp: jwt.ends_at.0 / 1_000, now: now.0 / 1_000 }.into());
        }
        let stands = match jwt.by {
            SignedBy::Key(number) => records.signing_keys.get(&number).is_some_and(|kept| verifies(&kept.record, now)),
            SignedBy::Issuer(issuer) => {
                records.issuers.get(&issuer.get()).is_some_and(|kept| kept.record.disabled_at.is_none())
            }
        };
        (!stands).then(|| JwtRefusal::UnknownKid.into())
    }
}

impl From<JwtRefusal> for TokenRefused {
    fn from(refusal: JwtRefusal) -> Self {
        let reason = sentence(&refusal);
        let at = |seconds: u64| Some(UnixMillis(seconds.saturating_mul(1_000)));
        match refusal {
            JwtRefusal::Expired { exp, .. } => Self::of(ErrorKind::TokenExpired, reason, at(exp)),
            JwtRefusal::NotYetValid { nbf, .. } => Self::of(ErrorKind::TokenNotYetValid, reason, at(nbf)),
            JwtRefusal::IssuedInFuture { iat, .. } => Self::of(ErrorKind::TokenNotYetValid, reason, at(iat)),
            other => Self::unknown(other.reason(), reason),
        }
    }
}
