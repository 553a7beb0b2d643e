//! Users: the people of the customer's system, who own tokens. A user is known by the customer's own id, and comes to be when it is named
//! first, or when it is created.
//!
//! Making a user in a session, or by itself, holds a lock of its name, so that requests for one user follow each other. That no user is made
//! twice is the store's word: the number of a user is made from its name.

use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::{RowKind, fingerprint, number_of};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId, UserId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{DISPLAY_NAME_CHARS_MAX, METADATA_BYTES_MAX, USER_ID_CHARS_DEFAULT, USER_ID_CHARS_MAX};
use tollgate_core::ports::store::{RowName, StoreError, Subject, Write};
use tollgate_core::records::{Revocation, UserRecord};

use super::refusal;
use crate::Node;
use crate::directory::{ProjectEntry, Records, UserEntry};

/// How many names share a lock. More would only cost memory: a lock is held for one commit.
const NAME_LOCKS: usize = 256;
/// Ids that begin so are not for customers (source: social.plus's OpenAPI).
const RESERVED: [&str; 2] = ["ADMIN_", "DELETED_"];
/// Rows of one unit of work; a user with more tokens is deleted in several.
const ROWS_MAX: usize = 4_000;
/// How often a deletion that lost a race is made again.
const TRIES_MAX: usize = 16;

/// Locks of users' names.
#[derive(Debug)]
pub(crate) struct UserNames(Vec<tokio::sync::Mutex<()>>);

impl Default for UserNames {
    fn default() -> Self {
        Self(std::iter::repeat_with(tokio::sync::Mutex::default).take(NAME_LOCKS).collect())
    }
}

/// A user.
#[derive(Clone, Debug)]
pub struct UserView {
    /// Our number of it.
    pub id: UserId,
    /// The project.
    pub project: ProjectId,
    /// The customer's own id.
    pub user_id: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// The backend's own notes.
    pub attributes: Option<JsonObject>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// Since when it may not get in.
    pub banned_at: Option<UnixMillis>,
    /// How many of its tokens work.
    pub tokens: usize,
    /// Whether one of them has a live connection.
    pub is_online: bool,
    /// When one of them last had one: now, while one has.
    pub last_seen_at: Option<UnixMillis>,
}

/// A user to create.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// The customer's own id.
    pub user_id: String,
    /// What people call it, at most 100 characters.
    pub display_name: Option<String>,
    /// The backend's own notes, at most 8 KiB.
    pub attributes: Option<JsonObject>,
}

/// What to change of a user; the outer `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// The new name (`Some(None)`: none).
    pub display_name: Option<Option<String>>,
    /// The new notes, in place of the old ones.
    pub attributes: Option<Option<JsonObject>>,
}

/// What ending a user's tokens came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokensEnded {
    /// Tokens that worked and do not any more.
    pub tokens: u64,
    /// Live connections that were closed, all before the answer.
    pub connections_closed: u64,
}

/// Whom a message to a user reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserReached {
    /// Live connections of its tokens.
    pub connections: u32,
    /// Mailboxes that keep it until it is acknowledged, with those of tokens that are connected.
    pub mailboxes: u64,
}

impl Node {
    /// Creates a user.
    ///
    /// # Errors
    /// `already_exists`, `invalid_input` for the id or the name, `payload_too_large`, `forbidden`, `unavailable`.
    pub async fn create_user(&self, caller: &Caller, new: NewUser) -> Result<UserView> {
        let entry = self.authorize(caller, Action::ManageUsers)?;
        check_user_id(&entry, &new.user_id)?;
        check_profile(new.display_name.as_deref(), new.attributes.as_ref())?;
        let _name = self.hold_user(&entry, &new.user_id).await;
        if entry.read().user_named(&new.user_id).is_some() {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                "A user with this id exists already; change it instead, or choose another id.",
            ));
        }
        let (id, write) = self.new_user(&entry, &entry.read(), &new);
        let audit = self.entry_of(caller, Some(entry.project.id), "user.create", &new.user_id);
        self.commit(vec![write], vec![audit]).await.map_err(|error| refusal(error, &new.user_id))?;
        self.view_user(&entry, id)
    }

    /// One user.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn user(&self, caller: &Caller, user_id: &str) -> Result<UserView> {
        let entry = self.authorize(caller, Action::ReadUsers)?;
        let id = named(&entry.read(), user_id)?.0;
        self.view_user(&entry, id)
    }

    /// Makes sure that there is such a user, for whoever may read its tokens.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn know_user(&self, caller: &Caller, user_id: &str) -> Result<()> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        named(&entry.read(), user_id).map(drop)
    }

    /// Users in the order of their numbers, at most `limit`, those after the one with the number `after`.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn users(&self, caller: &Caller, after: Option<u64>, limit: usize) -> Result<Vec<UserView>> {
        let entry = self.authorize(caller, Action::ReadUsers)?;
        let records = entry.read();
        let first = UserId::new(after.map_or(0, |after| after.saturating_add(1)));
        let found = records.users().range(first..).take(limit);
        Ok(found.map(|(id, user)| self.show_user(&entry, &records, *id, user)).collect())
    }

    /// At most `limit` users whose ids of the customer's begin so, in the order of these ids: those behind `after`.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn users_named(
        &self,
        caller: &Caller,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UserView>> {
        let entry = self.authorize(caller, Action::ReadUsers)?;
        let records = entry.read();
        let found = records.users_named(prefix, after).take(limit);
        Ok(found.map(|(id, user)| self.show_user(&entry, &records, id, user)).collect())
    }

    /// The user whose token calls.
    ///
    /// # Errors
    /// `forbidden` for every other caller, `not_found` for a token of nobody.
    pub fn own_user(&self, caller: &Caller) -> Result<UserView> {
        let (project, token) = authorize::as_token(caller)?;
        let entry = self.project(project)?;
        let user = entry.read().token(token).and_then(|found| found.user);
        let user = user.ok_or_else(|| Error::new(ErrorKind::NotFound, "This token belongs to no user."))?;
        self.view_user(&entry, user)
    }

    /// Changes a user's name or notes.
    ///
    /// # Errors
    /// `not_found`, `invalid_input`, `payload_too_large`, `forbidden`, `unavailable`.
    pub async fn change_user(&self, caller: &Caller, user_id: &str, update: UserUpdate) -> Result<UserView> {
        let entry = self.authorize(caller, Action::ManageUsers)?;
        check_profile(
            update.display_name.as_ref().and_then(Option::as_deref),
            update.attributes.as_ref().and_then(Option::as_ref),
        )?;
        let audit = self.entry_of(caller, Some(entry.project.id), "user.change", &user_id);
        let id = named(&entry.read(), user_id)?.0;
        let now = self.now();
        self.change_kept(
            &entry,
            (RowKind::User, id.get()),
            audit,
            |records| named(records, user_id).map(|(_, user)| user.kept.clone()),
            |record: &mut UserRecord| {
                if let Some(name) = &update.display_name {
                    record.display_name.clone_from(name);
                }
                if let Some(attributes) = &update.attributes {
                    record.attributes.clone_from(attributes);
                }
                record.updated_at = now;
                Ok(())
            },
        )
        .await?;
        self.view_user(&entry, id)
    }

    /// Bans a user: its tokens are revoked and their connections closed before the answer, and it gets no new ones. Banning twice keeps the first
    /// time.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn ban_user(&self, caller: &Caller, user_id: &str) -> Result<(UserView, TokensEnded)> {
        let entry = self.authorize(caller, Action::ManageUsers)?;
        let (minting, now) = (entry.minting.write().await, self.now());
        let mut audit = self.entry_of(caller, Some(entry.project.id), "user.ban", &user_id);
        let (id, ended) = self
            .change(&user_id, || {
                let records = entry.read();
                let (id, user) = named(&records, user_id)?;
                let mut record = UserRecord::clone(&user.kept.record);
                record.banned_at = record.banned_at.or(Some(now));
                record.updated_at = now;
                let mut writes = vec![self.update(&entry, RowKind::User, id.get(), user.kept.revision, &record)];
                let (revoked, ended) = self.revoke_all(&entry, &records, &user.tokens, "the user was banned");
                writes.extend(revoked);
                audit.detail = Some(format!("{} tokens revoked", ended.tokens));
                Ok((writes, vec![audit.clone()], (id, ended)))
            })
            .await?;
        drop(minting);
        self.settled_everywhere().await;
        Ok((self.view_user(&entry, id)?, ended))
    }

    /// Lifts a ban. The tokens that it revoked stay revoked: the user signs in again.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn unban_user(&self, caller: &Caller, user_id: &str) -> Result<UserView> {
        let entry = self.authorize(caller, Action::ManageUsers)?;
        let audit = self.entry_of(caller, Some(entry.project.id), "user.unban", &user_id);
        let (id, now) = (named(&entry.read(), user_id)?.0, self.now());
        self.change_kept(
            &entry,
            (RowKind::User, id.get()),
            audit,
            |records| named(records, user_id).map(|(_, user)| user.kept.clone()),
            |record: &mut UserRecord| {
                (record.banned_at, record.updated_at) = (None, now);
                Ok(())
            },
        )
        .await?;
        self.view_user(&entry, id)
    }

    /// Deletes a user with all its tokens, whose connections are closed before the answer. Who is created with the same id later is another
    /// user: no token or auth token of this one comes back.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn delete_user(&self, caller: &Caller, user_id: &str) -> Result<TokensEnded> {
        let entry = self.authorize(caller, Action::ManageUsers)?;
        let _name = self.hold_user(&entry, user_id).await;
        let minting = entry.minting.write().await;
        let mut audit = self.entry_of(caller, Some(entry.project.id), "user.delete", &user_id);
        audit.count = named(&entry.read(), user_id)?.1.tokens.len() as u64;
        let at_work = self.revoking.begin(entry.project.id, audit.count);
        audit.detail = Some(format!("with {} tokens", audit.count));
        // With the first unit, so that no token ever goes without it.
        let mut audit = Some(audit);
        let mut ended = TokensEnded { tokens: 0, connections_closed: 0 };
        let mut tries = 0;
        while tries < TRIES_MAX {
            let (writes, now_ended, is_last) = self.deletion(&entry, user_id)?;
            match self.commit(writes, audit.iter().cloned().collect()).await {
                Ok(()) => {
                    audit = None;
                    at_work.did(now_ended.tokens);
                    ended.tokens += now_ended.tokens;
                    ended.connections_closed += now_ended.connections_closed;
                    if is_last {
                        drop((at_work, minting));
                        self.settled_everywhere().await;
                        return Ok(ended);
                    }
                }
                // A token was deleted by somebody else meanwhile: again from what is left.
                Err(StoreError::NotFound(Subject::Row(_)) | StoreError::Conflict(_)) => tries += 1,
                Err(error) => return Err(refusal(error, &user_id)),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "This user is being changed by too many at once. Try again."))
    }

    /// Revokes every token of a user that works, and closes their connections before the answer.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn end_user_sessions(&self, caller: &Caller, user_id: &str) -> Result<TokensEnded> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        let minting = entry.minting.write().await;
        let mut audit = self.entry_of(caller, Some(entry.project.id), "user.revoke_tokens", &user_id);
        let ended = self
            .change(&user_id, || {
                let records = entry.read();
                let (_, user) = named(&records, user_id)?;
                let (writes, ended) = self.revoke_all(&entry, &records, &user.tokens, "the user's sessions were ended");
                audit.count = ended.tokens;
                Ok((writes, vec![audit.clone()], ended))
            })
            .await?;
        drop(minting);
        self.settled_everywhere().await;
        Ok(ended)
    }

    /// Sends a direct message to all connections of all tokens of a user; answers how many there are, and in how many mailboxes it is. Without mailboxes
    /// it is kept for those whose session goes on.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_body` for a bad event name, `payload_too_large`.
    pub async fn message_user(
        &self,
        caller: &Caller,
        user_id: &str,
        event: &str,
        data: JsonValue,
    ) -> Result<UserReached> {
        let entry = self.authorize(caller, Action::MessageToken)?;
        let publication = self.checked_message(event, data)?;
        let tokens = {
            let records = entry.read();
            named(&records, user_id)?.1.tokens.clone()
        };
        if Self::keeps_mailboxes(&entry) {
            return self.mail(&entry, &tokens, &publication).await;
        }
        let mut reached = UserReached::default();
        for token in tokens {
            reached.connections += self.send_direct(entry.project.id, token, publication.clone()).await;
        }
        Ok(reached)
    }

    // ---- for other operations ----

    /// Holds the name of a user: nobody else makes or deletes the user, or makes sessions of it, meanwhile.
    pub(super) async fn hold_user(&self, entry: &ProjectEntry, user_id: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let name = self.buckets.name_of(user_id) ^ entry.project.id.get();
        let place = usize::try_from(name % NAME_LOCKS as u64).unwrap_or(0);
        self.user_names.0[place].lock().await
    }

    /// A new user, as a step of a unit of work. Its number is made from its name, so that of two who make it at the same time the store refuses
    /// one, which then finds it.
    pub(super) fn new_user(&self, entry: &ProjectEntry, records: &Records, new: &NewUser) -> (UserId, Write) {
        let now = self.now();
        let record = UserRecord {
            user_id: new.user_id.clone(),
            display_name: new.display_name.clone(),
            attributes: new.attributes.clone(),
            created_at: now,
            updated_at: now,
            banned_at: None,
        };
        let id = free_number(entry.project.id, &new.user_id, |id| records.user(id).is_some());
        (id, self.insert(entry, RowKind::User, id.get(), &record))
    }

    /// Steps that revoke those of the tokens that work.
    pub(super) fn revoke_all(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        tokens: &[TokenId],
        reason: &str,
    ) -> (Vec<Write>, TokensEnded) {
        let now = self.now();
        let mut ended = TokensEnded { tokens: 0, connections_closed: 0 };
        let mut writes = Vec::new();
        for (id, found) in tokens.iter().filter_map(|token| Some((*token, records.token(*token)?))) {
            let is_over = found.expires_at.is_some_and(|end| end <= now)
                || found.revoked().is_some_and(|revoked| revoked.effective_at <= now);
            if is_over {
                continue;
            }
            let mut record = found.record();
            record.revoked = Some(Revocation { decided_at: now, effective_at: now, reason: Some(reason.to_owned()) });
            writes.push(self.update(entry, RowKind::Token, id.get(), found.revision, &record));
            ended.tokens += 1;
            ended.connections_closed += found.live_connections().len() as u64;
        }
        (writes, ended)
    }

    pub(super) fn view_user(&self, entry: &ProjectEntry, id: UserId) -> Result<UserView> {
        let records = entry.read();
        let user = records.user(id).ok_or_else(no_such_user)?;
        Ok(self.show_user(entry, &records, id, user))
    }

    fn show_user(&self, entry: &ProjectEntry, records: &Records, id: UserId, user: &UserEntry) -> UserView {
        let (record, now) = (&user.kept.record, self.now());
        let tokens = || user.tokens.iter().filter_map(|token| records.token(*token));
        let online = self.user_online(entry.project.id, records, id);
        UserView {
            id,
            project: entry.project.id,
            user_id: record.user_id.clone(),
            display_name: record.display_name.clone(),
            attributes: record.attributes.clone(),
            created_at: record.created_at,
            updated_at: record.updated_at,
            banned_at: record.banned_at,
            tokens: tokens().filter(|token| token.end(token.generation, now).is_none()).count(),
            is_online: online.is_online(),
            last_seen_at: online.last_seen_at,
        }
    }

    /// Steps that delete a user's tokens and then the user, as many as one unit takes; whether they are the last.
    fn deletion(&self, entry: &ProjectEntry, user_id: &str) -> Result<(Vec<Write>, TokensEnded, bool)> {
        let records = entry.read();
        let (user, found) = named(&records, user_id)?;
        let row = |kind, id| Write::Delete(RowName { kind, project: entry.project.id, id });
        let mut writes = Vec::new();
        let mut ended = TokensEnded { tokens: 0, connections_closed: 0 };
        for token in &found.tokens {
            if writes.len() >= ROWS_MAX {
                return Ok((writes, ended, false));
            }
            writes.push(row(RowKind::Token, token.get()));
            if records.token_usage.contains_key(&token.get()) {
                writes.push(row(RowKind::TokenUsage, token.get()));
            }
            ended.tokens += 1;
            ended.connections_closed += records.token(*token).map_or(0, |token| token.live_connections().len() as u64);
        }
        let vouched = records.auth_tokens.iter().filter(|(_, kept)| kept.record.user_id == user_id);
        for (id, _) in vouched {
            if writes.len() >= ROWS_MAX {
                return Ok((writes, ended, false));
            }
            writes.push(row(RowKind::AuthToken, *id));
        }
        if records.user_usage.contains_key(&user.get()) {
            writes.push(row(RowKind::UserUsage, user.get()));
        }
        writes.push(row(RowKind::User, user.get()));
        Ok((writes, ended, true))
    }
}

/// The user with the customer's own id.
pub(super) fn named<'a>(records: &'a Records, user_id: &str) -> Result<(UserId, &'a UserEntry)> {
    records.user_named(user_id).ok_or_else(no_such_user)
}

fn no_such_user() -> Error {
    Error::new(ErrorKind::NotFound, "There is no such user in this project.")
}

/// The number of a new user: that of its name, or the next that is free.
pub(super) fn free_number(project: ProjectId, user_id: &str, is_taken: impl Fn(UserId) -> bool) -> UserId {
    let mut number = number_of(&fingerprint(&[b"user", &project.get().to_be_bytes(), user_id.as_bytes()]));
    while is_taken(UserId::new(number)) {
        number = (number + 1) & (u64::MAX >> 1);
    }
    UserId::new(number)
}

/// Checks a customer's id of a user.
///
/// # Errors
/// `invalid_input`, naming the limit.
pub(super) fn check_user_id(entry: &ProjectEntry, user_id: &str) -> Result<()> {
    let most =
        entry.settings().user_id_chars_max.map_or(USER_ID_CHARS_DEFAULT, |most| most as usize).min(USER_ID_CHARS_MAX);
    let chars = user_id.chars().count();
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, format!("The user id {why}.")));
    if chars == 0 || chars > most {
        return refuse(format!("has {chars} characters; it must have 1 to {most}"));
    }
    if let Some(prefix) = RESERVED.iter().find(|prefix| user_id.starts_with(**prefix)) {
        return refuse(format!("begins with `{prefix}`, which is reserved; choose another"));
    }
    if user_id.chars().any(char::is_control) {
        return refuse("contains a control character, which is not allowed".into());
    }
    Ok(())
}

/// Checks what people read of a user, and what its backend notes.
///
/// # Errors
/// `invalid_input`, `payload_too_large`, naming the limit.
pub(super) fn check_profile(display_name: Option<&str>, attributes: Option<&JsonObject>) -> Result<()> {
    let chars = display_name.map_or(0, |name| name.chars().count());
    if chars > DISPLAY_NAME_CHARS_MAX {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("The display name has {chars} characters; at most {DISPLAY_NAME_CHARS_MAX} are allowed."),
        ));
    }
    let bytes = attributes.map_or(0, |attributes| attributes.as_str().len());
    if bytes > METADATA_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("The attributes have {bytes} bytes; at most {METADATA_BYTES_MAX} are allowed."),
        ));
    }
    Ok(())
}
