//! Many tokens in one request: create, revoke, rotate or introspect up to 1,000, each with its own outcome. Jobs do their parts by the same means.
//!
//! What is done of one request is one unit of work. A bad entry is told so in its place; whether the others are done all the same is the caller's
//! choice ([`BatchRequest::atomic`]).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tollgate_core::audit::AuditDraft;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{RowKind, TokenSecret};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::limits::{BATCH_MAX, ROTATION_GRACE_MS_DEFAULT};
use tollgate_core::ports::store::{StoreError, Write};
use tollgate_core::records::{Revocation, TokenRecord};

use super::minting::Mint;
use super::presented::refused_by;
use super::refusal;
use super::revoke::{check as check_revocation, merged};
use super::tokens::no_such_token;
use super::views::NewToken;
use crate::Node;
use crate::directory::ProjectEntry;

/// Most steps of one unit of work that entries may take together: a token with its default channels takes one more for each.
const WRITES_MAX: usize = 9_000;
/// How often a unit that lost a race is made again.
const TRIES_MAX: usize = 16;

/// What is done with each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchAction {
    /// Make tokens.
    Create,
    /// End tokens.
    Revoke,
    /// Give tokens a new secret.
    Rotate,
    /// Tell whether tokens work.
    Introspect,
}

impl BatchAction {
    /// The action with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Create, Self::Revoke, Self::Rotate, Self::Introspect].into_iter().find(|action| action.word() == word)
    }

    /// The word in requests and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Revoke => "revoke",
            Self::Rotate => "rotate",
            Self::Introspect => "introspect",
        }
    }

    /// The name in the audit log; nothing for what changes nothing.
    pub(super) const fn audited(self) -> Option<&'static str> {
        match self {
            Self::Create => Some("token.create"),
            Self::Revoke => Some("token.revoke"),
            Self::Rotate => Some("token.rotate"),
            Self::Introspect => None,
        }
    }
}

/// One entry.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchEntry {
    /// A token to make.
    Create(Box<NewToken>),
    /// A token by its public id or its secret, and how it is revoked or rotated.
    Token {
        /// Which.
        token: String,
        /// The grace, in milliseconds; a rotation without one has a minute, a revocation none.
        grace_ms: Option<u64>,
        /// Why it is revoked.
        reason: Option<String>,
    },
    /// Not what the action takes: the code and the sentence that say so.
    Unreadable(String, String),
}

/// Entries may hold secrets.
impl std::fmt::Debug for BatchEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create(_) => "Create(…)",
            Self::Token { .. } => "Token(…)",
            Self::Unreadable(..) => "Unreadable(…)",
        })
    }
}

impl BatchEntry {
    /// The entry that stands for one that could not be read.
    #[must_use]
    pub fn unreadable(error: &Error) -> Self {
        Self::Unreadable(error.kind.code().to_owned(), error.detail.clone())
    }
}

/// A batch.
#[derive(Clone, Debug)]
pub struct BatchRequest {
    /// What to do with each entry.
    pub action: BatchAction,
    /// Whether all is left undone when one entry is refused.
    pub atomic: bool,
    /// At most 1,000.
    pub entries: Vec<BatchEntry>,
}

/// What came of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryOutcome {
    /// Made or rotated: this generation of the token is new.
    Secret {
        /// The token.
        token: TokenId,
        /// Its generation.
        generation: u32,
    },
    /// Revoked, or known and in working order.
    Done {
        /// The token.
        token: TokenId,
    },
    /// Introspected, and does not work.
    Inactive {
        /// Why, as a code.
        code: String,
    },
    /// Refused.
    Refused {
        /// The stable code.
        code: String,
        /// One sentence for the caller.
        detail: String,
    },
}

impl EntryOutcome {
    fn refused(error: Error) -> Self {
        Self::Refused { code: error.kind.code().to_owned(), detail: error.detail }
    }

    /// Whether the entry was done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// What came of one entry, with the secret that it made.
#[derive(Clone, Debug)]
pub struct EntryResult {
    /// What came of it.
    pub outcome: EntryOutcome,
    /// The new secret, where one was made.
    pub secret: Option<TokenSecret>,
}

/// A unit of work on its way, and what it will have come to.
#[derive(Default)]
pub(super) struct Making {
    pub(super) writes: Vec<Write>,
    pub(super) audit: Vec<AuditDraft>,
    pub(super) outcomes: Vec<EntryOutcome>,
    /// The first refusal, with the place of its entry.
    refused: Option<(usize, Error)>,
    /// Tokens that an entry before names: one row changes once in a unit of work.
    touched: HashSet<TokenId>,
    /// Whether live connections may end by it.
    pub(super) closes: bool,
}

impl Node {
    /// Does the same with many tokens. Each entry that is done leaves one audit entry; introspection leaves none.
    ///
    /// # Errors
    /// `forbidden`; `limit_reached` for too many entries; with `atomic`, what the first bad entry is refused with; `rate_limited`
    /// (each entry that makes a token counts); `unavailable`.
    pub async fn batch(&self, caller: &Caller, request: &BatchRequest) -> Result<Vec<EntryResult>> {
        let entry = self.authorize_batch(caller, request.action)?;
        check_count(request.entries.len())?;
        if request.action == BatchAction::Create {
            self.admit_create(&entry, caller, None, u32::try_from(request.entries.len()).unwrap_or(u32::MAX))?;
        }
        let minting = entry.minting.read().await;
        for _ in 0..TRIES_MAX {
            let mut making = self.make(caller, &entry, request.action, &request.entries);
            if let Some((place, error)) = making.refused.take().filter(|_| request.atomic) {
                let detail = format!("Entry {place}: {} Nothing was done.", error.detail);
                return Err(Error::new(error.kind, detail));
            }
            if !making.writes.is_empty() {
                match self.commit(making.writes, making.audit).await {
                    Ok(()) => {}
                    Err(error) if is_race(&error) => continue,
                    Err(error) => return Err(refusal(error, &"the tokens")),
                }
            }
            drop(minting);
            if making.closes {
                self.settled_everywhere().await;
            }
            return Ok(self.with_secrets(&entry, making.outcomes));
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "These tokens are being changed by too many at once; nothing was changed. Try again.",
        ))
    }

    /// The right to do this with many tokens at once.
    pub(super) fn authorize_batch(&self, caller: &Caller, action: BatchAction) -> Result<std::sync::Arc<ProjectEntry>> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        if action == BatchAction::Create {
            self.authorize(caller, Action::CreateToken)?;
        }
        Ok(entry)
    }

    /// Outcomes with the secrets of the generations that they made.
    pub(super) fn with_secrets(&self, entry: &ProjectEntry, outcomes: Vec<EntryOutcome>) -> Vec<EntryResult> {
        let ring = self.directory.ring();
        let secret = |outcome: &EntryOutcome| match outcome {
            EntryOutcome::Secret { token, generation } => Some(ring.spell(entry.project.id, *token, *generation)),
            _ => None,
        };
        outcomes.into_iter().map(|outcome| EntryResult { secret: secret(&outcome), outcome }).collect()
    }

    /// Makes the unit of work for entries, from the records in memory. The caller holds the minting lock, and commits.
    pub(super) fn make(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        action: BatchAction,
        entries: &[BatchEntry],
    ) -> Making {
        let (mut making, mut mint) = (Making::default(), self.mint(entry, caller));
        for (place, one) in entries.iter().enumerate() {
            let outcome = self.make_one(action, one, &mut making, &mut mint).unwrap_or_else(|error| {
                making.refused.get_or_insert((place, error.clone()));
                EntryOutcome::refused(error)
            });
            making.writes.append(&mut mint.writes);
            making.audit.append(&mut mint.audit);
            making.outcomes.push(outcome);
        }
        making
    }

    fn make_one(
        &self,
        action: BatchAction,
        one: &BatchEntry,
        making: &mut Making,
        mint: &mut Mint<'_>,
    ) -> Result<EntryOutcome> {
        let (caller, entry) = (mint.caller, mint.entry);
        if making.writes.len() >= WRITES_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!(
                    "All entries of one request may come to at most {WRITES_MAX} changes; send this one with another."
                ),
            ));
        }
        let (outcome, writes) = match (action, one) {
            (_, BatchEntry::Unreadable(code, detail)) => {
                let kind = ErrorKind::ALL.iter().find(|kind| kind.code() == code);
                return Err(Error::new(kind.copied().unwrap_or(ErrorKind::InvalidBody), detail.clone()));
            }
            (BatchAction::Create, BatchEntry::Create(new)) => {
                return Ok(EntryOutcome::Secret { token: mint.token(new)?, generation: 1 });
            }
            (BatchAction::Introspect, BatchEntry::Token { token, .. }) => {
                return Ok(self.look_at(entry, &PresentedSecret::new(token.clone())));
            }
            (BatchAction::Revoke | BatchAction::Rotate, BatchEntry::Token { token, grace_ms, reason }) => {
                let token = self.resolve_token(entry, &PresentedSecret::new(token.clone()))?;
                if !making.touched.insert(token) {
                    return Err(Error::new(ErrorKind::InvalidInput, "An entry before this one names the same token."));
                }
                if action == BatchAction::Rotate {
                    let records = entry.read();
                    let found = records.token(token).ok_or_else(no_such_token)?;
                    let generation = mint.rotation(token, found, grace_ms.unwrap_or(ROTATION_GRACE_MS_DEFAULT))?;
                    making.closes |= found.is_online();
                    return Ok(EntryOutcome::Secret { token, generation });
                }
                self.make_revocation(entry, token, grace_ms.unwrap_or(0), reason.clone(), &mut making.closes)?
            }
            _ => return Err(Error::new(ErrorKind::InvalidBody, "This is not what the action takes.")),
        };
        if let (Some(action), EntryOutcome::Secret { token, .. } | EntryOutcome::Done { token }) =
            (action.audited(), &outcome)
        {
            making.audit.push(self.entry_of(caller, Some(entry.project.id), action, token));
        }
        making.writes.extend(writes);
        Ok(outcome)
    }

    fn make_revocation(
        &self,
        entry: &ProjectEntry,
        token: TokenId,
        grace_ms: u64,
        reason: Option<String>,
        closes: &mut bool,
    ) -> Result<(EntryOutcome, Vec<Write>)> {
        check_revocation(grace_ms, reason.as_deref())?;
        let decided_at = self.now();
        let end = Revocation { decided_at, effective_at: decided_at.plus(grace_ms), reason };
        let records = entry.read();
        let found = records.token(token).ok_or_else(no_such_token)?;
        *closes |= grace_ms == 0;
        let write = merged(found.revoked(), &end).map(|revoked| {
            let record = TokenRecord { revoked: Some(revoked), ..found.record() };
            self.update(entry, RowKind::Token, token.get(), found.revision, &record)
        });
        Ok((EntryOutcome::Done { token }, write.into_iter().collect()))
    }

    /// Whether a secret opens now; a public id is asked about its newest generation.
    fn look_at(&self, entry: &ProjectEntry, presented: &PresentedSecret) -> EntryOutcome {
        let inactive = |kind: ErrorKind| EntryOutcome::Inactive { code: kind.code().to_owned() };
        let text = presented.expose();
        let claims = self.proven(entry, text).ok().map(|one| (one.token, Some(one.generation)));
        let Some((token, generation)) = claims.or_else(|| Some((text.parse::<TokenId>().ok()?, None))) else {
            return inactive(ErrorKind::InvalidAuth);
        };
        let records = entry.read();
        let Some(found) = records.token(token) else { return inactive(ErrorKind::InvalidAuth) };
        match refused_by(&records, found, generation.unwrap_or(found.generation), None, self.now()) {
            None => EntryOutcome::Done { token },
            Some(refused) => inactive(refused.kind),
        }
    }
}

/// Whether a commit lost a race that making it again from memory settles.
pub(super) const fn is_race(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict(_) | StoreError::NotFound(_) | StoreError::AlreadyExists(_))
}

/// Checks how many entries come at once.
pub(super) fn check_count(entries: usize) -> Result<()> {
    if entries == 0 {
        return Err(Error::new(ErrorKind::InvalidInput, "There is no entry; send 1 to 1,000."));
    }
    if entries > BATCH_MAX {
        return Err(Error::new(
            ErrorKind::LimitReached,
            format!("At most {BATCH_MAX} entries come at once; these are {entries}. Send them in parts, or as a job."),
        ));
    }
    Ok(())
}
