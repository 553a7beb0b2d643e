//! Creating a token with everything it may have, once for each idempotency key.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;

use super::idempotency::Once;
use super::token_views::IssuedToken;
use super::views::NewToken;
use crate::Node;
use crate::directory::ProjectEntry;

impl Node {
    /// Creates a token, and its user if there is none with that id; subscribed to its default channels from the start. With `once`, a request that
    /// was done before is answered from what it made.
    ///
    /// # Errors
    /// `forbidden` for the caller or beyond its key's policy, `invalid_input`, `payload_too_large`, `limit_reached`, `not_found` for a default
    /// channel (or when what the key made was deleted since), `idempotency_mismatch`, `rate_limited`, `unavailable`.
    pub async fn issue_token(&self, caller: &Caller, new: NewToken, once: Option<&Once>) -> Result<IssuedToken> {
        let entry = self.authorize(caller, Action::CreateToken)?;
        let is_repeated = match once {
            Some(once) => self.remembered(&entry, caller, once)?.is_some(),
            None => false,
        };
        if !is_repeated {
            self.admit_create(&entry, caller, new.user.as_ref().map(|user| user.user_id.as_str()), 1)?;
        }
        let _minting = entry.minting.read().await;
        let (made, repeated) = self
            .change(&"token", || {
                if let Some(once) = once
                    && let Some(made) = self.remembered(&entry, caller, once)?
                {
                    return Ok((Vec::new(), Vec::new(), (made, true)));
                }
                let mut mint = self.mint(&entry, caller);
                mint.token(&new)?;
                let made = mint.tokens.clone();
                if let Some(once) = once {
                    mint.writes.push(self.remember(&entry, caller, once, made.clone()));
                }
                Ok((mint.writes, mint.audit, (made, false)))
            })
            .await?;
        self.issued(&entry, made.first().copied(), repeated)
    }

    /// The answer with the secret of a token that was just made or rotated, or was by an earlier request.
    pub(super) fn issued(
        &self,
        entry: &ProjectEntry,
        made: Option<(TokenId, u32)>,
        repeated: bool,
    ) -> Result<IssuedToken> {
        let records = entry.read();
        let found = made.and_then(|(id, generation)| Some((id, generation, records.token(id)?)));
        let Some((id, generation, token)) = found else {
            return Err(Error::new(
                ErrorKind::NotFound,
                "What this Idempotency-Key made has been deleted since; use a new key to make another.",
            ));
        };
        let secret = self.directory.ring().spell(entry.project.id, id, generation);
        Ok(IssuedToken { token: self.detail(entry, &records, id, token), secret, repeated })
    }
}
