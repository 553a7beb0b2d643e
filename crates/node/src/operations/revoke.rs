//! Revocation, in every form: one operation, told by a selector which tokens it means. And its undoing.
//!
//! The order is the point: the project's minting lock is held exclusively while the selector is resolved on the records in memory and the
//! outcome is committed. What mints or changes tokens holds it shared until its commit. So a revocation hits every token that was made before it,
//! and none that is made after it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use tollgate_core::audit::AuditDraft;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::limits::GRACE_MS_MAX;
use tollgate_core::ports::store::{RowName, StoreError, Write};
use tollgate_core::records::{Revocation, TokenRecord};

use super::refusal;
use super::selector::Selector;
use super::token_views::TokenDetail;
use super::tokens::no_such_token;
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};
use crate::hub::ConnectionRef;

/// Rows of one unit of work. Between units other work of the thread and of the store gets its turn.
const ROWS_PER_UNIT: usize = 2_000;
/// How often a unit that lost a race is made again.
const TRIES_MAX: usize = 16;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 255;

/// What to revoke, and how.
#[derive(Clone, Debug, Default)]
pub struct RevokeRequest {
    /// Which tokens.
    pub selector: Selector,
    /// How long they still work, in milliseconds, at most seven days; 0 ends them at once.
    pub grace_ms: u64,
    /// Why, at most 255 bytes. One that begins with `leaked` is never taken back.
    pub reason: Option<String>,
    /// Only count what would be hit. A read: it changes nothing and leaves no audit entry.
    pub dry_run: bool,
    /// Delete the records instead of keeping them as revoked. Not with a grace.
    pub delete: bool,
}

/// How far the revocations, and deletions of users, are that are at work, by project: done, of how many tokens. One at a time in each project: they hold
/// its minting lock.
#[derive(Debug, Default)]
pub(crate) struct Revoking(Mutex<HashMap<ProjectId, (u64, u64)>>);

impl Revoking {
    fn at_work(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectId, (u64, u64)>> {
        // What is in it is whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, project: ProjectId, of: u64) -> AtWork<'_> {
        self.at_work().insert(project, (0, of));
        AtWork { all: self, project }
    }
}

/// One that is at work, until this is dropped.
pub(super) struct AtWork<'a> {
    all: &'a Revoking,
    project: ProjectId,
}

impl AtWork<'_> {
    pub(super) fn did(&self, tokens: u64) {
        if let Some((done, _)) = self.all.at_work().get_mut(&self.project) {
            *done += tokens;
        }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.all.at_work().remove(&self.project);
    }
}

/// What a revocation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Tokens that the selector means.
    pub matched: u64,
    /// Those of them that this changed (with `dry_run`: would change): not those that had ended as early already.
    pub revoked: u64,
    /// Live connections that it closed, all before the answer. Those of tokens with a grace end with it, and are not counted.
    pub connections_closed: u64,
    /// When the last of them was closed.
    pub last_closed_at: Option<UnixMillis>,
    /// From when the tokens are refused.
    pub effective_at: UnixMillis,
}

impl Node {
    /// How far a revocation of many tokens is, or the deletion of a user, that is at work now in the caller's project: done, of how many.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn revoking(&self, caller: &Caller) -> Result<Option<(u64, u64)>> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        Ok(self.revoking.at_work().get(&entry.project.id).copied())
    }

    /// The first tokens, at most `most` in order of creation, that a revocation would change: what a `dry_run` counts, to be looked at. A read.
    ///
    /// # Errors
    /// As [`Node::revoke`].
    pub fn would_revoke(&self, caller: &Caller, request: &RevokeRequest, most: usize) -> Result<Vec<TokenDetail>> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        request.selector.check()?;
        check(request.grace_ms, request.reason.as_deref())?;
        let end = self.end_of(request);
        let matched = self.select(&entry, &request.selector);
        let doomed = matched.into_iter().filter(|token| self.would_end(&entry, *token, request, &end)).take(most);
        // One that is deleted meanwhile is left out.
        Ok(doomed.filter_map(|token| self.detail_of(&entry, token).ok()).collect())
    }

    /// Revokes tokens. When it answers, the revocation is durable, every connection that it ends is closed, and nothing more reaches them.
    ///
    /// Exactly one audit entry, `token.revoke`, with the selector and the number of tokens. It is in the first unit of work, so that no token is
    /// ever revoked without it; a server that dies, or a caller that hangs up, before the last unit has no answer, and
    /// asking again does the rest.
    ///
    /// # Errors
    /// `forbidden`, `invalid_input` and `limit_reached` for what was asked, `unavailable`.
    pub async fn revoke(&self, caller: &Caller, request: RevokeRequest) -> Result<Revoked> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        request.selector.check()?;
        check(request.grace_ms, request.reason.as_deref())?;
        if request.delete && request.grace_ms > 0 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "Deleting is at once; leave out `grace_ms`, or revoke without deleting.",
            ));
        }
        if request.dry_run {
            let (end, matched) = (self.end_of(&request), self.select(&entry, &request.selector));
            let revoked = matched.iter().filter(|token| self.would_end(&entry, **token, &request, &end)).count() as u64;
            return Ok(Revoked {
                matched: matched.len() as u64,
                revoked,
                connections_closed: 0,
                last_closed_at: None,
                effective_at: end.effective_at,
            });
        }
        let minting = entry.minting.write().await;
        let end = self.end_of(&request);
        let matched = self.select(&entry, &request.selector);
        let doomed: Vec<TokenId> =
            matched.iter().copied().filter(|token| self.would_end(&entry, *token, &request, &end)).collect();
        let at_work = self.revoking.begin(entry.project.id, doomed.len() as u64);
        let mut audit = Some(self.revocation_entry(caller, &entry, &request, &matched, doomed.len()));
        let (mut revoked, mut connections) = (0, HashSet::new());
        let mut units = doomed.chunks(ROWS_PER_UNIT);
        // One unit at least: an operation that hits nothing leaves its entry, too.
        let mut unit = Some(units.next().unwrap_or_default());
        while let Some(tokens) = unit {
            revoked += self.revoke_unit(&entry, tokens, (&request, &end), audit.take(), &mut connections).await?;
            at_work.did(tokens.len() as u64);
            unit = units.next();
            if unit.is_some() {
                tokio::task::yield_now().await;
            }
        }
        drop(at_work);
        drop(minting);
        let connections_closed = if request.grace_ms == 0 { connections.len() as u64 } else { 0 };
        // Even where none was seen: one may have been identified at this moment.
        let settled_at = if request.grace_ms == 0 && revoked > 0 { self.settled_everywhere().await } else { None };
        let last_closed_at = settled_at.filter(|_| connections_closed > 0);
        let matched = matched.len() as u64;
        Ok(Revoked { matched, revoked, connections_closed, last_closed_at, effective_at: end.effective_at })
    }

    /// Takes a token's revocation back: while its grace lasts, or afterwards. One audit entry, `token.restore`. A token that is not revoked is left
    /// as it is.
    ///
    /// # Errors
    /// `not_found`, `forbidden`; `wrong_state` for a token that was reported leaked; `unavailable`.
    pub async fn restore_token(&self, caller: &Caller, token: &PresentedSecret) -> Result<TokenId> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        let token = self.resolve_token(&entry, token)?;
        let audit = self.entry_of(caller, Some(entry.project.id), "token.restore", &token);
        let _minting = entry.minting.read().await;
        self.change(&token, || {
            let records = entry.read();
            let found = records.token(token).ok_or_else(no_such_token)?;
            if found.revoked().is_some_and(Revocation::is_leak) {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    "This token was reported leaked and is never restored; make a new one.",
                ));
            }
            let record = TokenRecord { revoked: None, ..found.record() };
            let write = self.update(&entry, RowKind::Token, token.get(), found.revision, &record);
            Ok((vec![write], vec![audit.clone()], token))
        })
        .await
    }

    /// How the tokens end.
    fn end_of(&self, request: &RevokeRequest) -> Revocation {
        let decided_at = self.now();
        Revocation { decided_at, effective_at: decided_at.plus(request.grace_ms), reason: request.reason.clone() }
    }

    fn would_end(&self, entry: &ProjectEntry, token: TokenId, request: &RevokeRequest, end: &Revocation) -> bool {
        let records = entry.read();
        records.token(token).is_some_and(|found| request.delete || merged(found.revoked(), end).is_some())
    }

    fn revocation_entry(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        request: &RevokeRequest,
        matched: &[TokenId],
        doomed: usize,
    ) -> AuditDraft {
        let subject = match (request.selector.tokens.len(), matched) {
            (1, [token]) => token.to_string(),
            _ => request.selector.subject(),
        };
        let action = if request.delete { "token.delete" } else { "token.revoke" };
        let mut audit = self.entry_of(caller, Some(entry.project.id), action, &subject);
        audit.count = doomed as u64;
        let words = [
            Some(request.selector.to_string()),
            request.reason.as_ref().map(|reason| format!("reason: {reason}")),
            (request.grace_ms > 0).then(|| format!("grace: {} ms", request.grace_ms)),
        ];
        audit.detail = Some(words.into_iter().flatten().collect::<Vec<_>>().join("; "));
        audit
    }

    /// One unit of work: answers how many tokens it ended, and adds the live connections that they had. What those were is looked at before the commit and
    /// after it: some go, and some come, in between.
    async fn revoke_unit(
        &self,
        entry: &ProjectEntry,
        tokens: &[TokenId],
        (request, end): (&RevokeRequest, &Revocation),
        audit: Option<AuditDraft>,
        connections: &mut HashSet<ConnectionRef>,
    ) -> Result<u64> {
        for _ in 0..TRIES_MAX {
            let (mut writes, mut ended) = (Vec::with_capacity(tokens.len()), Vec::with_capacity(tokens.len()));
            {
                let records = entry.read();
                for token in tokens {
                    // Deleted meanwhile, or ended earlier by itself: nothing is left to do.
                    let Some(found) = records.token(*token) else { continue };
                    if request.delete {
                        let name = RowName { kind: RowKind::Token, project: entry.project.id, id: token.get() };
                        writes.push(Write::Delete(name));
                    } else if let Some(revoked) = merged(found.revoked(), end) {
                        let record = TokenRecord { revoked: Some(revoked), ..found.record() };
                        writes.push(self.update(entry, RowKind::Token, token.get(), found.revision, &record));
                    } else {
                        continue;
                    }
                    connections.extend(found.connections());
                    ended.push(*token);
                }
            }
            let rows = writes.len() as u64;
            if writes.is_empty() && audit.is_none() {
                return Ok(0);
            }
            match self.commit(writes, audit.iter().cloned().collect()).await {
                Ok(()) => {
                    let records = entry.read();
                    connections.extend(
                        ended.iter().filter_map(|token| records.token(*token)).flat_map(TokenEntry::connections),
                    );
                    return Ok(rows);
                }
                // One of them was changed or deleted by something that does not hold the minting lock.
                Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
                Err(error) => return Err(refusal(error, &"the tokens")),
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "These tokens are being changed by too many at once. Some may be revoked already; ask again to revoke the rest.",
        ))
    }
}

/// What a token's revocation becomes by a new one; nothing if it stays as it is. A new one never gives a token more time, and a leak stays one.
pub(super) fn merged(before: Option<&Revocation>, new: &Revocation) -> Option<Revocation> {
    let Some(before) = before else { return Some(new.clone()) };
    let sooner = !before.is_in_force(before.decided_at) && new.effective_at < before.effective_at;
    let leaks = new.is_leak() && !before.is_leak();
    let times = if sooner { new } else { before };
    let reason = if before.is_leak() { before } else { new };
    (sooner || leaks).then(|| Revocation { reason: reason.reason.clone(), ..times.clone() })
}

/// Checks a grace and a reason that a caller chose.
pub(super) fn check(grace_ms: u64, reason: Option<&str>) -> Result<()> {
    if grace_ms > GRACE_MS_MAX {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("A grace has at most {GRACE_MS_MAX} milliseconds, seven days; this one has {grace_ms}."),
        ));
    }
    if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control)) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("A reason is one line of at most {REASON_BYTES_MAX} bytes."),
        ));
    }
    Ok(())
}
