//! Projects and their keys.

use rusqlite::Connection;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::model::{Project, ProjectKey};
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, ProjectStore, StoreError, StoreResult, Subject};

use super::{Failure, execute, find};
use crate::SqliteStore;
use crate::rows::{self, signed, time};

impl ProjectStore for SqliteStore {
    fn insert_project(&self, project: Project, key: ProjectKey) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            execute(
                db,
                "INSERT INTO projects (id, name, created_at, wrapped_data_key) VALUES (?1, ?2, ?3, ?4)",
                (signed(project.id.get()), &project.name, signed(project.created_at.0), &project.wrapped_data_key),
            )
            .map_err(|error| Failure::insert(&error, Subject::Project, Subject::Project))?;
            insert_key(db, &key)?;
            changes.push(Change::Project(project));
            changes.push(Change::Key(key));
            Ok(())
        })
    }

    fn insert_key(&self, key: ProjectKey) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            insert_key(db, &key)?;
            changes.push(Change::Key(key));
            Ok(())
        })
    }

    fn revoke_key(&self, project: ProjectId, key: KeyId, at: UnixMillis) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            let mut key = find_key(db, project, key)?.ok_or(StoreError::NotFound(Subject::Key))?;
            if key.revoked_at.is_none() {
                key.revoked_at = Some(at);
                changes.push(update_key(db, key)?);
            }
            Ok(())
        })
    }

    fn touch_keys(&self, used: Vec<(ProjectId, KeyId, UnixMillis)>) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            for (project, key, at) in used {
                let Some(mut key) = find_key(db, project, key)? else { continue };
                // A wall clock that was set back does not make a key look unused.
                if key.last_used_at < Some(at) {
                    key.last_used_at = Some(at);
                    changes.push(update_key(db, key)?);
                }
            }
            Ok(())
        })
    }
}

fn insert_key(db: &Connection, key: &ProjectKey) -> Result<(), Failure> {
    execute(
        db,
        "INSERT INTO project_keys (id, project, hash, hint, permissions, created_at, last_used_at, revoked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            signed(key.id.get()),
            signed(key.project.get()),
            key.hash,
            &key.hint,
            signed(key.permissions.bits()),
            signed(key.created_at.0),
            time(key.last_used_at),
            time(key.revoked_at),
        ),
    )
    .map_err(|error| Failure::insert(&error, Subject::Key, Subject::Project))?;
    Ok(())
}

fn find_key(db: &Connection, project: ProjectId, key: KeyId) -> rusqlite::Result<Option<ProjectKey>> {
    let sql = "SELECT id, project, hash, hint, permissions, created_at, last_used_at, revoked_at FROM project_keys WHERE id = ?1 AND project = ?2";
    find(db, sql, (signed(key.get()), signed(project.get())), rows::key)
}

fn update_key(db: &Connection, key: ProjectKey) -> rusqlite::Result<Change> {
    let values = (time(key.last_used_at), time(key.revoked_at), signed(key.id.get()));
    execute(db, "UPDATE project_keys SET last_used_at = ?1, revoked_at = ?2 WHERE id = ?3", values)?;
    Ok(Change::Key(key))
}
