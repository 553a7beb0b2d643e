//! Projects and their keys; authentication of backends.

use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{DataKey, DataKeys, ProjectKeySecret, RowBinding, RowKind};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::limits::PROJECT_NAME_BYTES_MAX;
use tollgate_core::model::Project;
use tollgate_core::permissions::Permissions;
use tollgate_core::ports::store::{Row, RowName, Write};
use tollgate_core::records::{self, KeyRecord, MintPolicy};

use super::channels::project_view;
use super::refusal;
use super::views::ProjectView;
use crate::Node;
use crate::directory::{KeyEntry, NumberMap};

/// How coarse a key's last use is kept.
const KEY_USE_MS: u64 = 60_000;

/// Uses of keys that are not in the store yet; written together by the upkeep.
#[derive(Debug, Default)]
pub(crate) struct KeyUses(Mutex<NumberMap<KeyId, (ProjectId, UnixMillis)>>);

impl KeyUses {
    fn note(&self, key: &KeyEntry, now: UnixMillis) {
        if key.record.last_used_at.is_none_or(|last| now.0.saturating_sub(last.0) >= KEY_USE_MS) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, (key.project, now));
        }
    }

    pub(super) fn take(&self) -> Vec<(ProjectId, KeyId, UnixMillis)> {
        let uses = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        uses.into_iter().map(|(key, (project, at))| (project, key, at)).collect()
    }
}

/// Whether a project may be called so.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.len() > PROJECT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("A project's name has 1 to {PROJECT_NAME_BYTES_MAX} bytes and no control characters."),
        ));
    }
    Ok(())
}

impl Node {
    /// Who a presented project key is. Junk is refused by its checksum before any hash or look-up.
    ///
    /// # Errors
    /// `invalid_auth`, the same for unknown, malformed and revoked keys.
    pub fn authenticate(&self, secret: &PresentedSecret) -> Result<Caller> {
        let found = ProjectKeySecret::parse(secret.expose())
            .ok()
            .and_then(|secret| self.directory.key_by_hash(&secret.hash().0));
        let now = self.now();
        let Some(key) = found.filter(|key| key.record.works(now)) else {
            let error = Error::new(
                ErrorKind::InvalidAuth,
                "This is not a valid project key. Send a key that starts with `ptk_` in the Authorization header.",
            );
            return Err(self.failed_authentication(None, "unknown_key", error));
        };
        self.key_uses.note(&key, now);
        self.note_request(key.project, None, now);
        Ok(Caller::ProjectKey { project: key.project, key: key.id, permissions: key.record.permissions })
    }

    /// Creates a project with a first key that may do everything.
    ///
    /// # Errors
    /// `invalid_input` for the name, `forbidden`, `unavailable`.
    pub async fn create_project(&self, caller: &Caller, name: &str) -> Result<(ProjectView, ProjectKeySecret)> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        check_name(name)?;
        let (id, created_at) = (ProjectId::new(self.next_number()), self.now());
        let _turning = self.keyring_turns.read().await;
        let data_key = DataKey::generate(self.entropy.as_ref());
        let wrapped = self.directory.master_key().wrap_data_key(id, 1, &data_key, self.entropy.as_ref());
        let project = Project { id, name: name.to_owned(), created_at, wrapped_data_keys: vec![(1, wrapped)] };
        let (key, record, secret) = self.new_key(Permissions::all());
        // The project is not in memory yet, so that its first row is sealed here.
        let binding = RowBinding { kind: RowKind::Key, project: id, id: key.get(), revision: 1 };
        let data_keys = DataKeys::new(vec![(1, data_key)])
            .ok_or_else(|| Error::new(ErrorKind::Internal, "A new project has no data key; this is a defect."))?;
        let sealed = data_keys.seal(binding, &records::to_bytes(&record), self.entropy.as_ref());
        let name_of_key = RowName { kind: RowKind::Key, project: id, id: key.get() };
        let writes = vec![Write::Project(project), Write::Insert(Row { name: name_of_key, revision: 1, sealed })];
        let audit = self.entry_of(caller, Some(id), "project.create", &id);
        self.commit(writes, vec![audit]).await.map_err(|error| refusal(error, &id))?;
        Ok((ProjectView { id, name: name.to_owned(), created_at }, secret))
    }

    /// All projects, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn projects(&self, caller: &Caller) -> Result<Vec<ProjectView>> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        Ok(self.directory.projects().iter().map(|entry| project_view(entry)).collect())
    }

    /// The project of a key.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn this_project(&self, caller: &Caller) -> Result<ProjectView> {
        self.authorize(caller, Action::ReadProject).map(|entry| project_view(&entry))
    }

    /// Creates a key.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn create_key(
        &self,
        caller: &Caller,
        project: ProjectId,
        permissions: Permissions,
    ) -> Result<(KeyEntry, ProjectKeySecret)> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let entry = self.project(project)?;
        let (id, record, secret) = self.new_key(permissions);
        let write = self.insert(&entry, RowKind::Key, id.get(), &record);
        let audit = self.entry_of(caller, Some(project), "key.create", &id);
        self.commit(vec![write], vec![audit]).await.map_err(|error| refusal(error, &id))?;
        Ok((
            KeyEntry { id, project, revision: 1, sealed_under: entry.data_keys().newest(), record: Arc::new(record) },
            secret,
        ))
    }

    /// All keys, or those of one project, revoked ones among them, oldest first.
    ///
    /// # Errors
    /// `not_found` for the project, `forbidden`.
    pub fn keys(&self, caller: &Caller, project: Option<ProjectId>) -> Result<Vec<KeyEntry>> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        if let Some(project) = project {
            self.project(project)?;
        }
        Ok(self
            .directory
            .keys()
            .into_iter()
            .filter(|key| project.is_none_or(|project| key.project == project))
            .collect())
    }

    /// Revokes a key, at once and for good.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn revoke_key(&self, caller: &Caller, key: KeyId) -> Result<()> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let missing = || Error::new(ErrorKind::NotFound, format!("There is no project key {key}."));
        let project = self.directory.key(key).ok_or_else(missing)?.project;
        let entry = self.project(project)?;
        let (audit, now) = (self.entry_of(caller, Some(project), "key.revoke", &key), self.now());
        self.change(&key, || {
            let found = self.directory.key(key).ok_or_else(missing)?;
            let mut record = KeyRecord::clone(&found.record);
            // Revoking twice keeps the first time; an end in the future is brought forward.
            record.revoked_at = Some(record.revoked_at.map_or(now, |at| at.min(now)));
            let write = self.update(&entry, RowKind::Key, key.get(), found.revision, &record);
            Ok((vec![write], vec![audit.clone()], ()))
        })
        .await
    }

    pub(super) fn new_key(&self, permissions: Permissions) -> (KeyId, KeyRecord, ProjectKeySecret) {
        let secret = ProjectKeySecret::generate(self.entropy.as_ref());
        let record = KeyRecord {
            hash: secret.hash().0,
            hint: secret.hint(),
            name: None,
            permissions,
            policy: MintPolicy::default(),
            created_at: self.now(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        (KeyId::new(self.next_number()), record, secret)
    }
}
