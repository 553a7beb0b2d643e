//! Making room: which tokens of a user a new session replaces, and which records of ended tokens are forgotten.
//!
//! SDKs outside browsers send a new device id with every call, so that a user collects tokens that nobody will use again. Each has an
//! end; ended ones are kept for a while, so that a refusal can say why, and then deleted; and a user has a most of both.

use std::sync::Arc;

use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{TokenId, UserId};
use tollgate_core::limits::{ENDED_TOKEN_LIFE_MS_DEFAULT, ENDED_TOKENS_PER_USER_MAX, TOKENS_PER_USER_MAX};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::{SettingsRecord, TokenKind};

use super::issuer_keys::life_ms_max;
use super::sessions::SessionRequest;
use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};

/// Rows that one unit of upkeep deletes.
pub(super) const ROWS_MAX: usize = 2_000;
/// Ended tokens that one session clears away, more than it adds.
const CLEARED_MAX: usize = 16;

impl TokenEntry {
    /// Since when the token has ended for good; nothing while it works or may begin to work.
    pub(crate) fn ended_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        [self.expires_at, self.revoked().map(|revoked| revoked.effective_at)]
            .into_iter()
            .flatten()
            .min()
            .filter(|end| *end <= now)
    }
}

impl Node {
    /// Steps that make way for a session: the tokens that it replaces are revoked, and old ended ones deleted; and what the audit log says of
    /// it.
    ///
    /// # Errors
    /// `limit_reached` when the user has too many tokens that are all in use.
    pub(super) fn make_way(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        settings: &SettingsRecord,
        request: &SessionRequest,
        user: UserId,
    ) -> Result<(Vec<Write>, String)> {
        let now = self.now();
        let tokens = records.user(user).map_or(&[][..], |user| &user.tokens);
        let found = || tokens.iter().filter_map(|id| Some((*id, records.token(*id)?)));
        let mut replaced: Vec<TokenId> = Vec::new();
        let (mut working, mut ended) = (0, Vec::new());
        for (id, token) in found() {
            if let Some(at) = token.ended_at(now) {
                if remembered_ms(records, token) == 0 {
                    ended.push((at, id));
                }
            } else if replaces(settings, request, token) {
                replaced.push(id);
            } else {
                working += 1;
            }
        }
        let mut said = String::new();
        if !replaced.is_empty() {
            said = format!(", in place of {} of the same device", replaced.len());
        }
        if working >= TOKENS_PER_USER_MAX {
            let idle = found().filter(|(id, token)| {
                token.kind == request.kind
                    && !token.is_online()
                    && token.ended_at(now).is_none()
                    && !replaced.contains(id)
            });
            let oldest = idle.min_by_key(|(id, token)| (token.created_at, *id)).map(|(id, _)| id).ok_or_else(|| {
                Error::new(
                    ErrorKind::LimitReached,
                    format!("This user has {TOKENS_PER_USER_MAX} tokens in use, the most; revoke some, or give them shorter lives."),
                )
            })?;
            said.push_str(&format!(", and of {oldest}, the oldest idle one of {TOKENS_PER_USER_MAX}"));
            replaced.push(oldest);
        }
        let (mut writes, _) = self.revoke_all(entry, records, &replaced, "replaced by a newer session");
        ended.sort_unstable();
        let surplus = (ended.len() + replaced.len()).saturating_sub(ENDED_TOKENS_PER_USER_MAX).min(CLEARED_MAX);
        for (_, id) in ended.into_iter().take(surplus) {
            writes.extend(self.token_rows(entry, records, id));
        }
        Ok((writes, said))
    }

    /// Deletes tokens that ended longer ago than the project keeps them.
    pub(super) async fn forget_ended_tokens(&self, entry: &Arc<ProjectEntry>) {
        let life_ms = entry.settings().ended_token_life_ms.unwrap_or(ENDED_TOKEN_LIFE_MS_DEFAULT);
        let now = self.now();
        let over: Vec<Write> = {
            let records = entry.read();
            let is_over = |token: &TokenEntry| {
                let kept_ms = life_ms.max(remembered_ms(&records, token));
                token.ended_at(now).is_some_and(|at| at.plus(kept_ms) <= now)
            };
            let over: Vec<TokenId> =
                records.tokens().filter(|(_, token)| is_over(token)).map(|(id, _)| id).take(ROWS_MAX / 2).collect();
            over.into_iter().flat_map(|id| self.token_rows(entry, &records, id)).collect()
        };
        if !over.is_empty() {
            super::upkeep::report(self.commit(over, Vec::new()).await);
        }
    }

    /// Steps that delete a token with what is counted of it.
    pub(super) fn token_rows(&self, entry: &ProjectEntry, records: &Records, id: TokenId) -> Vec<Write> {
        let row = |kind| Write::Delete(RowName { kind, project: entry.project.id, id: id.get() });
        let usage = records.token_usage.contains_key(&id.get()).then(|| row(RowKind::TokenUsage));
        std::iter::once(row(RowKind::Token)).chain(usage).collect()
    }
}

/// How long a revoked token of an issuer's user must be remembered: as long as a JWT from before the revocation could last.
fn remembered_ms(records: &Records, token: &TokenEntry) -> u64 {
    let issuer = token.issuer().filter(|_| token.kind == TokenKind::Issued && token.revoked().is_some());
    let kept = issuer.and_then(|issuer| records.issuers.get(&issuer.get()));
    // What an issuer let in before its bound was narrowed may last longer, and is over its bound now: it is refused by that.
    kept.map_or(0, |kept| life_ms_max(&kept.record) + u64::from(kept.record.leeway_s) * 1_000)
}

/// Whether a session takes the place of this token: on the same device the one of its own kind, or of every kind where the project wants what
/// social.plus does.
fn replaces(settings: &SettingsRecord, request: &SessionRequest, token: &TokenEntry) -> bool {
    let Some(device) = &request.device_id else { return false };
    let same_device = token.terms().is_some_and(|terms| terms.device.as_ref() == Some(device));
    same_device && (settings.strict_devices || token.kind == request.kind)
}
