//! Rotation: a new secret for a token, with the old one working until its grace is over, and uses of the old one counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::TokenClaims;
use tollgate_core::error::Result;
use tollgate_core::ids::TokenId;
use tollgate_core::limits::ROTATION_GRACE_MS_DEFAULT;

use super::idempotency::Once;
use super::token_views::IssuedToken;
use super::tokens::no_such_token;
use super::tokens_change::expect_revision;
use crate::Node;
use crate::directory::{Directory, TokenEntry};

/// Uses of secrets that were replaced and still work: kept as long as the process and the grace last.
#[derive(Debug, Default)]
pub(crate) struct PreviousUses(Mutex<HashMap<TokenId, (u32, u64)>>);

impl PreviousUses {
    fn note(&self, token: TokenId, generation: u32) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = uses.entry(token).or_insert((generation, 0));
        *kept = if kept.0 == generation { (generation, kept.1 + 1) } else { (generation, 1) };
    }

    pub(super) fn of(&self, token: TokenId, generation: u32) -> u64 {
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.get(&token).filter(|kept| kept.0 == generation).map_or(0, |kept| kept.1)
    }

    /// Drops the counts of tokens whose grace is over.
    pub(super) fn forget(&self, directory: &Directory, now: UnixMillis) {
        let counted: Vec<TokenId> = self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        for token in counted {
            let in_grace = directory.project_of(token).is_some_and(|entry| {
                entry.read().token(token).and_then(TokenEntry::previous).is_some_and(|previous| now < previous.until)
            });
            if !in_grace {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
            }
        }
    }
}

impl Node {
    /// Gives a token a new secret. The old one works for `grace_ms` more (60 seconds unless said), and one before that no longer: there are
    /// never more than two. Live connections of the old one are told, and end with its grace. With `once`, a request that was done before
    /// is answered with the secret that it made.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_input` for the grace, `wrong_state` for a token that has ended or is about to, `version_mismatch`,
    /// `idempotency_mismatch`, `unavailable`.
    pub async fn rotate_token(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        grace_ms: Option<u64>,
        if_revision: Option<u32>,
        once: Option<&Once>,
    ) -> Result<IssuedToken> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        let grace_ms = grace_ms.unwrap_or(ROTATION_GRACE_MS_DEFAULT);
        let _minting = entry.minting.read().await;
        let (made, repeated) = self
            .change(&"token", || {
                // First of all: the token may have been named by the secret that the first request replaced.
                if let Some(once) = once
                    && let Some(made) = self.remembered(&entry, caller, once)?
                {
                    return Ok((Vec::new(), Vec::new(), (made, true)));
                }
                let token = self.resolve_token(&entry, token)?;
                let records = entry.read();
                let found = records.token(token).ok_or_else(no_such_token)?;
                expect_revision(found, if_revision)?;
                let mut mint = self.mint(&entry, caller);
                mint.rotation(token, found, grace_ms)?;
                drop(records);
                let made = mint.tokens.clone();
                if let Some(once) = once {
                    mint.writes.push(self.remember(&entry, caller, once, made.clone()));
                }
                Ok((mint.writes, mint.audit, (made, false)))
            })
            .await?;
        if let Some((token, _)) = made.first() {
            self.settled_if_live(&entry, *token).await;
        }
        self.issued(&entry, made.first().copied(), repeated)
    }

    /// A presented secret was good; if it is the one before the last rotation, that is counted.
    pub(super) fn note_generation(&self, claims: TokenClaims, token: &TokenEntry) {
        if claims.generation != token.generation {
            self.counters.previous_secrets_used.add(1);
            self.previous_uses.note(claims.token, claims.generation);
        }
    }
}
