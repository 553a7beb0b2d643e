//! Projects and their keys; authentication of backends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{DataKey, ProjectKeySecret};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::limits::PROJECT_NAME_BYTES_MAX;
use tollgate_core::model::{Project, ProjectKey};
use tollgate_core::permissions::Permissions;

use super::channels::project_view;
use super::refusal;
use super::views::ProjectView;
use crate::Node;

/// How coarse a key's last use is kept.
const KEY_USE_MS: u64 = 60_000;

/// Uses of keys that are not in the store yet; written together by the upkeep.
#[derive(Debug, Default)]
pub(crate) struct KeyUses(Mutex<HashMap<KeyId, (ProjectId, UnixMillis)>>);

impl KeyUses {
    fn note(&self, key: &ProjectKey, now: UnixMillis) {
        if key.last_used_at.is_none_or(|last| now.0.saturating_sub(last.0) >= KEY_USE_MS) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, (key.project, now));
        }
    }

    pub(super) fn take(&self) -> Vec<(ProjectId, KeyId, UnixMillis)> {
        let uses = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        uses.into_iter().map(|(key, (project, at))| (project, key, at)).collect()
    }
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
        let Some(key) = found.filter(|key| key.revoked_at.is_none()) else {
            self.counters.authentications_failed.add(1);
            return Err(Error::new(
                ErrorKind::InvalidAuth,
                "This is not a valid project key. Send a key that starts with `ptk_` in the Authorization header.",
            ));
        };
        self.key_uses.note(&key, self.now());
        Ok(Caller::ProjectKey { project: key.project, key: key.id, permissions: key.permissions })
    }

    /// Creates a project with a first key that may do everything.
    ///
    /// # Errors
    /// `invalid_input` for the name, `forbidden`, `unavailable`.
    pub async fn create_project(&self, caller: &Caller, name: &str) -> Result<(ProjectView, ProjectKeySecret)> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        if name.trim().is_empty() || name.len() > PROJECT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("A project's name has 1 to {PROJECT_NAME_BYTES_MAX} bytes and no control characters."),
            ));
        }
        let (id, created_at) = (ProjectId::new(self.next_number()), self.now());
        let data_key = DataKey::generate(self.entropy.as_ref());
        let wrapped_data_key = self.master_key.wrap_data_key(id, &data_key, self.entropy.as_ref());
        let project = Project { id, name: name.to_owned(), created_at, wrapped_data_key };
        let (key, secret) = self.new_key(id, Permissions::all());
        self.store.insert_project(project, key).await.map_err(|error| refusal(error, &id))?;
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
    ) -> Result<(ProjectKey, ProjectKeySecret)> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        self.project(project)?;
        let (key, secret) = self.new_key(project, permissions);
        self.store.insert_key(key.clone()).await.map_err(|error| refusal(error, &key.id))?;
        Ok((key, secret))
    }

    /// All keys, or those of one project, revoked ones among them, oldest first.
    ///
    /// # Errors
    /// `not_found` for the project, `forbidden`.
    pub fn keys(&self, caller: &Caller, project: Option<ProjectId>) -> Result<Vec<ProjectKey>> {
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
        let found = self
            .directory
            .key(key)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("There is no project key {key}.")))?;
        self.store.revoke_key(found.project, key, self.now()).await.map_err(|error| refusal(error, &key))
    }

    fn new_key(&self, project: ProjectId, permissions: Permissions) -> (ProjectKey, ProjectKeySecret) {
        let secret = ProjectKeySecret::generate(self.entropy.as_ref());
        let key = ProjectKey {
            id: KeyId::new(self.next_number()),
            project,
            hash: secret.hash().0,
            hint: secret.hint(),
            permissions,
            created_at: self.now(),
            last_used_at: None,
            revoked_at: None,
        };
        (key, secret)
    }
}
