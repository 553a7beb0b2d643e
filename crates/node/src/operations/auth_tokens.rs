//! Auth tokens: a backend's word that a client may have a session of one user. Short-lived, good for one session unless the project says
//! otherwise, bound to the user id, and kept only as a hash.

use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::{AuthTokenSecret, RowKind};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::limits::{AUTH_TOKEN_LIFE_MS_DEFAULT, AUTH_TOKEN_REMEMBERED_MS, AUTH_TOKENS_MAX};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::AuthTokenRecord;

use super::refusal;
use super::users::check_user_id;
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records};

/// Longest life of an auth token, in milliseconds.
const LIFE_MS_MAX: u64 = 3_600_000;

/// An auth token, to be handed out.
#[derive(Debug)]
pub struct NewAuthToken {
    /// The token itself, shown once.
    pub secret: AuthTokenSecret,
    /// For whom.
    pub user_id: String,
    /// Until when it may be used.
    pub expires_at: UnixMillis,
}

impl Node {
    /// Makes an auth token for a user, who need not exist yet. `life_ms`: how long, at most an hour; the project's setting without it.
    ///
    /// # Errors
    /// `invalid_input` for the user id or the life, `user_banned`, `rate_limited`, `limit_reached`, `forbidden`, `unavailable`.
    pub async fn create_auth_token(
        &self,
        caller: &Caller,
        user_id: &str,
        life_ms: Option<u64>,
    ) -> Result<NewAuthToken> {
        let entry = self.authorize(caller, Action::CreateAuthToken)?;
        check_user_id(&entry, user_id)?;
        if life_ms.is_some_and(|life| life == 0 || life > LIFE_MS_MAX) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("An auth token lasts 1 to {} seconds.", LIFE_MS_MAX / 1_000),
            ));
        }
        let life_ms = life_ms.or(entry.settings().auth_token_life_ms).unwrap_or(AUTH_TOKEN_LIFE_MS_DEFAULT);
        self.admit_auth_token(&entry, caller)?;
        {
            let records = entry.read();
            if records.user_named(user_id).is_some_and(|(_, user)| user.kept.record.banned_at.is_some()) {
                return Err(banned());
            }
            if records.auth_tokens.len() >= AUTH_TOKENS_MAX {
                return Err(Error::new(
                    ErrorKind::LimitReached,
                    format!(
                        "There are {AUTH_TOKENS_MAX} auth tokens already; they end by themselves, or give them shorter lives."
                    ),
                ));
            }
        }
        let (secret, now) = (AuthTokenSecret::generate(self.entropy.as_ref()), self.now());
        let expires_at = now.plus(life_ms);
        let record = AuthTokenRecord {
            hash: secret.hash(),
            user_id: user_id.to_owned(),
            created_at: now,
            expires_at,
            used_at: None,
        };
        let write = self.insert(&entry, RowKind::AuthToken, self.next_number(), &record);
        let audit = self.entry_of(caller, Some(entry.project.id), "auth_token.create", &user_id);
        let _minting = entry.minting.read().await;
        self.commit(vec![write], vec![audit]).await.map_err(|error| refusal(error, &user_id))?;
        Ok(NewAuthToken { secret, user_id: user_id.to_owned(), expires_at })
    }

    /// The step that uses an auth token up for a session of this user; none where it may be used again.
    ///
    /// # Errors
    /// `forbidden`, saying what is wrong with it: unknown, expired (with both clocks' times), used, or of another user, of whom nothing is said.
    pub(super) fn use_auth_token(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        secret: &AuthTokenSecret,
        user_id: &str,
        is_reusable: bool,
    ) -> Result<Option<Write>> {
        let refuse = |why: String| Err(Error::new(ErrorKind::Forbidden, why));
        let Some((id, Kept { revision, record, .. })) = find(records, secret) else {
            return refuse("The authToken is unknown: it was not made by this project, or it ended more than an hour ago. Have your backend make a new one for this user.".into());
        };
        let now = self.now();
        if record.user_id != user_id {
            return refuse("The authToken was made for another userId than this session's. Have your backend make one for exactly this userId.".into());
        }
        if record.expires_at <= now {
            return refuse(format!(
                "The authToken expired at {} by the server's clock, which now shows {} (no tolerance). Have your backend make a new one.",
                record.expires_at, now
            ));
        }
        if is_reusable {
            return Ok(None);
        }
        if let Some(used_at) = record.used_at {
            return refuse(format!(
                "The authToken was used already, at {}; each is good for one session. Have your backend make a new one.",
                used_at
            ));
        }
        let used = AuthTokenRecord { used_at: Some(now), ..AuthTokenRecord::clone(&record) };
        Ok(Some(self.update(entry, RowKind::AuthToken, id, revision, &used)))
    }

    /// Forgets auth tokens that ended an hour ago.
    pub(super) async fn forget_auth_tokens(&self, entry: &Arc<ProjectEntry>) {
        let now = self.now();
        let over: Vec<Write> = entry
            .read()
            .auth_tokens
            .iter()
            .filter(|(_, kept)| kept.record.expires_at.plus(AUTH_TOKEN_REMEMBERED_MS) <= now)
            .take(super::ended::ROWS_MAX)
            .map(|(id, _)| Write::Delete(RowName { kind: RowKind::AuthToken, project: entry.project.id, id: *id }))
            .collect();
        if !over.is_empty() {
            super::upkeep::report(self.commit(over, Vec::new()).await);
        }
    }
}

fn find(records: &Records, secret: &AuthTokenSecret) -> Option<(u64, Kept<AuthTokenRecord>)> {
    let id = *records.auth_tokens_by_hash.get(&secret.hash())?;
    Some((id, records.auth_tokens.get(&id)?.clone()))
}

pub(super) fn banned() -> Error {
    Error::new(ErrorKind::UserBanned, "This user is banned and gets no session; its backend can lift the ban.")
}
