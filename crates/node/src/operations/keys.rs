//! Project keys as their own project manages them: several at once, with names, ends and policies, rotated with an overlap.

use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::{ProjectKeySecret, RowKind};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants;
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::limits::{DISPLAY_NAME_CHARS_MAX, GRACE_MS_MAX, PROJECT_KEYS_MAX, TOKEN_LIFE_MS_MAX};
use tollgate_core::permissions::Permissions;
use tollgate_core::records::{KeyRecord, MintPolicy};

use crate::Node;
use crate::directory::KeyEntry;

/// A key to create.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// A name for people, at most 100 characters.
    pub name: Option<String>,
    /// What it may do: no more than its maker.
    pub permissions: Permissions,
    /// What it lets those ask for who come with it.
    pub policy: MintPolicy,
    /// When it ends by itself; in the future.
    pub expires_at: Option<UnixMillis>,
}

/// What to change of a key; the outer `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyUpdate {
    /// The name.
    pub name: Option<Option<String>>,
    /// The policy.
    pub policy: Option<MintPolicy>,
    /// When it ends by itself.
    pub expires_at: Option<Option<UnixMillis>>,
}

impl Node {
    /// The keys of the caller's project, revoked ones too, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn project_keys(&self, caller: &Caller) -> Result<Vec<KeyEntry>> {
        let project = self.authorize(caller, Action::SeeKeys)?.project.id;
        Ok(self.directory.keys().into_iter().filter(|key| key.project == project).collect())
    }

    /// One key of the caller's project.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn project_key(&self, caller: &Caller, key: KeyId) -> Result<KeyEntry> {
        let project = self.authorize(caller, Action::SeeKeys)?.project.id;
        self.key_within(project, key)
    }

    fn key_within(&self, project: ProjectId, key: KeyId) -> Result<KeyEntry> {
        let found = self.directory.key(key).filter(|found| found.project == project);
        found.ok_or_else(|| Error::not_found("project key", &key))
    }

    /// Creates a key with a policy; it may do no more than its maker.
    ///
    /// # Errors
    /// `forbidden`, also for permissions that the caller's own key lacks; `invalid_input`, `limit_reached`, `unavailable`.
    pub async fn create_project_key(&self, caller: &Caller, new: NewKey) -> Result<(KeyEntry, ProjectKeySecret)> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let project = entry.project.id;
        within_own(caller, new.permissions)?;
        self.check_key(new.name.as_deref(), &new.policy, new.expires_at)?;
        let now = self.now();
        let working = |key: &KeyEntry| key.project == project && key.record.works(now);
        if self.directory.keys().iter().filter(|key| working(key)).count() >= PROJECT_KEYS_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("A project has at most {PROJECT_KEYS_MAX} keys in use; revoke one first."),
            ));
        }
        let (id, mut record, secret) = self.new_key(new.permissions);
        (record.name, record.policy, record.expires_at) = (new.name, new.policy, new.expires_at);
        let audit = self.entry_of(caller, Some(project), "key.create", &id);
        let write = self.insert(&entry, RowKind::Key, id.get(), &record);
        self.commit(vec![write], vec![audit]).await.map_err(|error| super::refusal(error, &id))?;
        Ok((
            KeyEntry { id, project, revision: 1, sealed_under: entry.data_keys().newest(), record: Arc::new(record) },
            secret,
        ))
    }

    /// Changes a key's name, policy or end.
    ///
    /// # Errors
    /// As [`Node::create_project_key`], and `not_found`.
    pub async fn change_project_key(&self, caller: &Caller, key: KeyId, update: KeyUpdate) -> Result<KeyEntry> {
        self.change_key(caller, key, "key.change", |record| {
            if let Some(name) = &update.name {
                record.name.clone_from(name);
            }
            if let Some(policy) = &update.policy {
                record.policy.clone_from(policy);
            }
            if let Some(expires_at) = update.expires_at {
                record.expires_at = expires_at;
            }
            let new_end = update.expires_at.flatten();
            self.check_key(record.name.as_deref(), &record.policy, new_end)
        })
        .await
    }

    /// Revokes a key of the caller's project, at once and for good. Revoking twice keeps the first time.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn revoke_project_key(&self, caller: &Caller, key: KeyId) -> Result<KeyEntry> {
        let now = self.now();
        self.change_key(caller, key, "key.revoke", |record| {
            record.revoked_at = Some(record.revoked_at.map_or(now, |at| at.min(now)));
            Ok(())
        })
        .await
    }

    /// Makes a successor with the same permissions, policy and name; the old key works until its grace ends. Both are changed in one unit of
    /// work.
    ///
    /// # Errors
    /// `not_found`, `wrong_state` for a key that is revoked already, `invalid_input` for the grace, `forbidden`, `unavailable`.
    pub async fn rotate_project_key(
        &self,
        caller: &Caller,
        key: KeyId,
        grace_ms: u64,
    ) -> Result<(KeyEntry, ProjectKeySecret)> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let project = entry.project.id;
        if grace_ms > GRACE_MS_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("`grace_s` is at most {} seconds (seven days).", GRACE_MS_MAX / 1_000),
            ));
        }
        let now = self.now();
        let mut audit = self.entry_of(caller, Some(project), "key.rotate", &key);
        self.change(&key, || {
            let old = self.key_within(project, key)?;
            within_own(caller, old.record.permissions)?;
            if !old.record.works(now) || old.record.revoked_at.is_some() {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    "This key has been revoked or rotated already; rotate its successor, or create a new key.",
                ));
            }
            let (id, mut record, secret) = self.new_key(old.record.permissions);
            (record.name, record.policy) = (old.record.name.clone(), old.record.policy.clone());
            let mut ending = KeyRecord::clone(&old.record);
            ending.revoked_at = Some(now.plus(grace_ms));
            audit.detail = Some(format!("successor {id}"));
            let writes = vec![
                self.update(&entry, RowKind::Key, key.get(), old.revision, &ending),
                self.insert(&entry, RowKind::Key, id.get(), &record),
            ];
            let made = KeyEntry {
                id,
                project,
                revision: 1,
                sealed_under: entry.data_keys().newest(),
                record: Arc::new(record),
            };
            Ok((writes, vec![audit.clone()], (made, secret)))
        })
        .await
    }

    async fn change_key(
        &self,
        caller: &Caller,
        key: KeyId,
        action: &str,
        edit: impl Fn(&mut KeyRecord) -> Result<()>,
    ) -> Result<KeyEntry> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let project = entry.project.id;
        let audit = self.entry_of(caller, Some(project), action, &key);
        self.change(&key, || {
            let old = self.key_within(project, key)?;
            let mut record = KeyRecord::clone(&old.record);
            edit(&mut record)?;
            let write = self.update(&entry, RowKind::Key, key.get(), old.revision, &record);
            Ok((vec![write], vec![audit.clone()], ()))
        })
        .await?;
        self.key_within(project, key)
    }

    fn check_key(&self, name: Option<&str>, policy: &MintPolicy, expires_at: Option<UnixMillis>) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
        if name.is_some_and(|name| name.is_empty() || name.chars().count() > DISPLAY_NAME_CHARS_MAX) {
            return refuse(format!("`name` has 1 to {DISPLAY_NAME_CHARS_MAX} characters, or is null."));
        }
        if policy.life_ms_max.is_some_and(|life| life == 0 || life > TOKEN_LIFE_MS_MAX) {
            return refuse(format!("`policy.ttl_s_max` is between 1 and {} seconds.", TOKEN_LIFE_MS_MAX / 1_000));
        }
        if expires_at.is_some_and(|end| end <= self.now()) {
            return refuse("`expires_at` is in the past; give a time in the future, or null for never.".into());
        }
        if policy.channels.as_ref().is_some_and(|channels| channels.len() > tollgate_core::limits::GRANTS_PER_TOKEN_MAX)
        {
            return refuse("`policy.channels` has at most 32 patterns.".into());
        }
        policy.ceiling.as_deref().map_or(Ok(()), grants::check)
    }
}

/// A key gives away no more than it has.
fn within_own(caller: &Caller, wanted: Permissions) -> Result<()> {
    match caller {
        Caller::ProjectKey { permissions, .. } if !permissions.contains(wanted) => Err(Error::new(
            ErrorKind::Forbidden,
            "A key can give no permission that it lacks itself; ask an operator, or use a key that has them.",
        )),
        _ => Ok(()),
    }
}
