//! Making tokens: checks a wish, and turns it into the steps of one unit of work, one token after another. Single creates, sessions, batches
//! and jobs all make their tokens here.
//!
//! Not here: who may ask, and the commit. What is prepared belongs to the records as they were; after a lost race it is prepared again.

use std::collections::HashMap;
use std::sync::Arc;

use tollgate_core::audit::AuditDraft;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{KeyId, TokenId, UserId};
use tollgate_core::limits::{GRACE_MS_MAX, SUBSCRIPTIONS_PER_TOKEN_MAX, TOKENS_PER_USER_MAX};
use tollgate_core::model::Subscription;
use tollgate_core::policy::Asked;
use tollgate_core::ports::store::Write;
use tollgate_core::records::{KeyRecord, PreviousGeneration, TokenRecord, UserRecord};

use super::auth_tokens::banned;
use super::terms::{check_end, check_state, check_terms, end_of};
use super::users::{check_profile, check_user_id, free_number};
use super::views::{NewToken, UserOfToken};
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};

/// One unit of work that makes or rotates tokens: to be filled, then committed.
pub(super) struct Mint<'a> {
    node: &'a Node,
    pub(super) entry: &'a ProjectEntry,
    pub(super) caller: &'a Caller,
    key: Option<Arc<KeyRecord>>,
    now: UnixMillis,
    users: HashMap<String, MintedUser>,
    /// The steps so far, in order.
    pub(super) writes: Vec<Write>,
    /// What the audit log says of them: one entry for each token.
    pub(super) audit: Vec<AuditDraft>,
    /// The tokens so far, each with its generation.
    pub(super) tokens: Vec<(TokenId, u32)>,
}

/// A user that this unit has to do with.
#[derive(Clone)]
struct MintedUser {
    id: UserId,
    /// Of its row as this unit leaves it.
    revision: u32,
    record: UserRecord,
    /// Its live tokens, those of this unit among them.
    tokens: usize,
}

impl Node {
    /// An empty unit of work for this caller.
    pub(super) fn mint<'a>(&'a self, entry: &'a ProjectEntry, caller: &'a Caller) -> Mint<'a> {
        let key = made_by(caller).and_then(|key| self.directory.key(key)).map(|key| key.record);
        Mint {
            node: self,
            entry,
            caller,
            key,
            now: self.now(),
            users: HashMap::new(),
            writes: Vec::new(),
            audit: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

impl Mint<'_> {
    /// Adds a token. A refusal leaves the unit as it was.
    ///
    /// # Errors
    /// `invalid_input`, `payload_too_large`, `limit_reached`, `not_found` for a default channel, `forbidden` for what is beyond the key's policy.
    pub(super) fn token(&mut self, new: &NewToken) -> Result<TokenId> {
        let checked = self.check(new)?;
        let user = match &new.user {
            Some(user) => Some(self.user_for_a_token(user)?),
            None => None,
        };
        let (project, id) = (self.entry.project.id, TokenId::new(self.node.next_number()));
        let record = TokenRecord {
            generation: 1,
            previous: None,
            kind: new.kind,
            user,
            state: new.state.clone(),
            state_version: 1,
            created_at: self.now,
            not_before: new.not_before,
            expires_at: checked.asked.expires_at,
            made_by: made_by(self.caller),
            key_number: self.node.directory.ring().active(),
            issuer: new.issuer,
            revoked: None,
            terms: checked.terms,
        };
        self.writes.push(self.node.insert(self.entry, RowKind::Token, id.get(), &record));
        self.writes.extend(
            checked
                .asked
                .channels
                .into_iter()
                .map(|channel| Write::Subscribe(Subscription { project, token: id, channel, ephemeral: false })),
        );
        let mut audit = self.node.entry_of(self.caller, Some(project), "token.create", &id);
        audit.detail = user.map(|user| user.to_string());
        self.audit.push(audit);
        self.tokens.push((id, 1));
        Ok(id)
    }

    /// Adds a rotation: a new generation, with the one before working for `grace_ms` more. A generation before that ends at once.
    /// Do not add two of one token.
    ///
    /// # Errors
    /// `wrong_state` for a token that has ended or will not begin anew; `invalid_input` for the grace.
    pub(super) fn rotation(&mut self, id: TokenId, token: &TokenEntry, grace_ms: u64) -> Result<u32> {
        if grace_ms > GRACE_MS_MAX {
            let most = GRACE_MS_MAX / 1_000;
            return Err(Error::new(ErrorKind::InvalidInput, format!("The grace may be at most {most} seconds.")));
        }
        let has_ended = token.revoked().is_some() || token.expires_at.is_some_and(|end| end <= self.now);
        let mut record = token.record();
        let next = record.generation.checked_add(1).filter(|_| !has_ended);
        let generation = next.ok_or_else(|| {
            Error::new(ErrorKind::WrongState, "This token has ended, or is about to; make a new one.")
        })?;
        let previous = PreviousGeneration { generation: record.generation, until: self.now.plus(grace_ms) };
        record.previous = (grace_ms > 0).then_some(previous);
        record.generation = generation;
        record.key_number = self.node.directory.ring().active();
        self.writes.push(self.node.update(self.entry, RowKind::Token, id.get(), token.revision, &record));
        let mut audit = self.node.entry_of(self.caller, Some(self.entry.project.id), "token.rotate", &id);
        audit.detail = Some(format!("generation {generation}, grace {} s", grace_ms / 1_000));
        self.audit.push(audit);
        self.tokens.push((id, generation));
        Ok(generation)
    }

    /// The user, made or renamed in this unit if need be.
    ///
    /// # Errors
    /// `invalid_input` for the id or the name, `user_banned`.
    pub(super) fn user(&mut self, wanted: &UserOfToken) -> Result<UserId> {
        let user = self.prepared(wanted)?;
        let id = user.id;
        self.users.insert(wanted.user_id.clone(), user);
        Ok(id)
    }

    fn user_for_a_token(&mut self, wanted: &UserOfToken) -> Result<UserId> {
        let before = self.writes.len();
        let mut user = self.prepared(wanted)?;
        if user.tokens >= TOKENS_PER_USER_MAX {
            self.writes.truncate(before);
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!(
                    "A user has at most {TOKENS_PER_USER_MAX} tokens that are neither expired nor revoked; revoke some first."
                ),
            ));
        }
        user.tokens += 1;
        let id = user.id;
        self.users.insert(wanted.user_id.clone(), user);
        Ok(id)
    }

    fn prepared(&mut self, wanted: &UserOfToken) -> Result<MintedUser> {
        check_user_id(self.entry, &wanted.user_id)?;
        check_profile(wanted.display_name.as_deref(), None)?;
        let UserOfToken { user_id, display_name } = wanted;
        let known = self.users.get(user_id).cloned().or_else(|| self.kept_user(user_id));
        let Some(mut user) = known else {
            let record = UserRecord {
                user_id: user_id.clone(),
                display_name: display_name.clone(),
                attributes: None,
                created_at: self.now,
                updated_at: self.now,
                banned_at: None,
            };
            let id = self.free_number(user_id);
            self.writes.push(self.node.insert(self.entry, RowKind::User, id.get(), &record));
            return Ok(MintedUser { id, revision: 1, record, tokens: 0 });
        };
        if user.record.banned_at.is_some() {
            return Err(banned());
        }
        if display_name.is_some() && *display_name != user.record.display_name {
            user.record.display_name.clone_from(display_name);
            user.record.updated_at = self.now;
            self.writes.push(self.node.update(self.entry, RowKind::User, user.id.get(), user.revision, &user.record));
            user.revision += 1;
        }
        Ok(user)
    }

    fn kept_user(&self, user_id: &str) -> Option<MintedUser> {
        let records = self.entry.read();
        let (id, user) = records.user_named(user_id)?;
        let is_live = |token: &&TokenId| {
            let found = records.token(**token);
            found.is_some_and(|found| found.revoked().is_none() && found.expires_at.is_none_or(|end| end > self.now))
        };
        // Counted only where it could matter.
        let tokens = match user.tokens.len() {
            few if few < TOKENS_PER_USER_MAX => few,
            _ => user.tokens.iter().filter(is_live).count(),
        };
        Some(MintedUser { id, revision: user.kept.revision, record: UserRecord::clone(&user.kept.record), tokens })
    }

    fn free_number(&self, user_id: &str) -> UserId {
        let records = self.entry.read();
        let in_unit = |id: UserId| self.users.values().any(|user| user.id == id);
        free_number(self.entry.project.id, user_id, |id| records.user(id).is_some() || in_unit(id))
    }

    fn check(&self, new: &NewToken) -> Result<Checked> {
        check_state(new.state.as_ref())?;
        let terms = check_terms(new.terms.clone())?;
        if new.channels.len() > SUBSCRIPTIONS_PER_TOKEN_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("A token may be subscribed to at most {SUBSCRIPTIONS_PER_TOKEN_MAX} channels."),
            ));
        }
        let mut channels = new.channels.clone();
        channels.sort_unstable();
        channels.dedup();
        let expires_at = end_of(new.expires_at, new.life_ms, self.now)?;
        let asked = Asked { grants: terms.grants, channels, expires_at };
        let asked = self.bounded(asked)?;
        check_end(asked.expires_at, new.not_before, self.now)?;
        let records = self.entry.read();
        if let Some(missing) = asked.channels.iter().find(|channel| records.channel(channel).is_none()) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("The default channel {missing} does not exist; create it first."),
            ));
        }
        let terms = tollgate_core::records::TokenTerms { grants: asked.grants.clone(), ..terms };
        Ok(Checked { asked, terms })
    }

    /// A wish within the policy of the key it comes with.
    pub(super) fn bounded(&self, asked: Asked) -> Result<Asked> {
        match &self.key {
            Some(key) => key.policy.bound(asked, key.permissions.is_publishable(), self.now),
            None => Ok(asked),
        }
    }
}

struct Checked {
    asked: Asked,
    terms: tollgate_core::records::TokenTerms,
}

/// The project key that a caller came with.
pub(super) fn made_by(caller: &Caller) -> Option<KeyId> {
    if let Caller::ProjectKey { key, .. } = caller { Some(*key) } else { None }
}
