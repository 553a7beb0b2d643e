//! Whose a presented token is, in whichever spelling (`recognise`).
//!
//! A signature is checked before any look-up but that of the project whose keys it is checked against. What fails is counted; what is
//! genuine and has ended is told how, and is no guess.

use std::sync::Arc;

use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{TokenClaims, UnverifiedToken};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::ProjectId;

use super::presented::{Place, TokenRefused, refused_by};
use super::recognise::Recognised;
use super::writing::origin;
use crate::Node;
use crate::directory::ProjectEntry;

/// A genuine token, and what it was presented with. Whether it works is still to be asked.
pub(crate) struct Presented {
    pub(crate) entry: Arc<ProjectEntry>,
    pub(crate) recognised: Recognised,
}

impl Node {
    /// Who a presented token is, whatever its spelling. `project` is known where the client named it; otherwise the token tells.
    ///
    /// # Errors
    /// `invalid_auth` for what is no token of ours, the same for what is unknown, forged, deleted and of another project; `token_expired`,
    /// `token_revoked`, `token_not_yet_valid`, `token_rotated`, `user_banned` and `wrong_place` for a genuine one that does not work now or from
    /// there; `rate_limited` when too many failed from the same address.
    pub async fn authenticate_token(
        &self,
        project: Option<ProjectId>,
        secret: &PresentedSecret,
        place: Place<'_>,
    ) -> Result<Caller> {
        let entry = project.map(|project| self.project(project)).transpose()?;
        let presented = self.genuine(entry.as_ref(), secret).await?;
        self.works(&presented, Some(place))?;
        self.note_request(presented.entry.project.id, Some(presented.recognised.claims.token), self.now());
        Ok(Caller::Token { project: presented.entry.project.id, token: presented.recognised.claims.token })
    }

    /// The token that a text proves to be, in this project if one is given.
    ///
    /// # Errors
    /// `invalid_auth`, `rate_limited`; `token_expired` and `token_not_yet_valid` for a JWT by its own claims.
    pub(crate) async fn genuine(
        &self,
        project: Option<&Arc<ProjectEntry>>,
        secret: &PresentedSecret,
    ) -> Result<Presented> {
        let text = secret.expose();
        let known = project.map(|entry| entry.project.id);
        let found = match project {
            Some(entry) => Ok(Arc::clone(entry)),
            None => self.project_of_presented(text),
        };
        let proven = match found {
            Ok(entry) => self.recognise(&entry, text).await.map(|recognised| Presented { entry, recognised }),
            Err(refused) => Err(refused),
        };
        proven.map_err(|refused| {
            let code = refused.code;
            match refused.kind {
                ErrorKind::InvalidAuth => self.failed_authentication(known, code, refused.into()),
                _ => refused.into(),
            }
        })
    }

    /// Whether a genuine token works now, and from there if a place is given.
    ///
    /// # Errors
    /// As [`Node::authenticate_token`].
    pub(crate) fn works(&self, presented: &Presented, place: Option<Place<'_>>) -> Result<()> {
        let Presented { entry, recognised } = presented;
        let (claims, now) = (recognised.claims, self.now());
        let records = entry.read();
        let token = records.token(claims.token);
        let refused = match token {
            Some(token) => recognised
                .refused_by(&records, now)
                .or_else(|| refused_by(&records, token, claims.generation, place, now)),
            // Its secret says nothing to those who do not know that it was one.
            None => Some(TokenRefused::nowhere()),
        };
        if let Some(refused) = refused {
            self.refusals.note(Some(entry.project.id), refused.code, origin().address);
            self.note_refusal(Some(entry.project.id), Some(claims.token), refused.code);
            return Err(refused.into());
        }
        if let Some(token) = token {
            self.note_generation(claims, token);
        }
        Ok(())
    }

    fn project_of_presented(&self, text: &str) -> std::result::Result<Arc<ProjectEntry>, TokenRefused> {
        if Self::is_jwt(text) {
            let reason = "This JWT was not issued by this server, and nobody says for which project it is: name that in the header X-Tollgate-Project.";
            return self.claimed_project(text).ok_or_else(|| TokenRefused::unknown("unknown_issuer", reason));
        }
        let claims = UnverifiedToken::parse(text)?.unproven_claims();
        self.directory.project_of(claims.token).ok_or_else(TokenRefused::nowhere)
    }

    /// What a text proves to be a token of this project, in whatever spelling, if it was seen before: nothing is fetched or made.
    pub(super) fn proven(&self, entry: &ProjectEntry, text: &str) -> std::result::Result<TokenClaims, TokenRefused> {
        match self.recognise_now(entry, text)? {
            Ok(recognised) => Ok(recognised.claims),
            Err(unprepared) => Err(unprepared.refused()),
        }
    }
}

/// A refusal of `core` as a sentence.
pub(super) fn sentence(refusal: &dyn std::fmt::Display) -> String {
    let text = refusal.to_string();
    let mut rest = text.chars();
    let first: String = rest.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", rest.as_str())
}

impl From<TokenRefused> for Error {
    fn from(refused: TokenRefused) -> Self {
        Self::new(refused.kind, refused.reason)
    }
}
