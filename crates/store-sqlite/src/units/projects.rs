//! Projects with their data keys, and the server's vault: few records, read and replaced whole.

use rusqlite::Connection;
use tollgate_core::ids::ProjectId;
use tollgate_core::model::Project;
use tollgate_core::ports::store::{Change, Vault};

use super::{Failure, execute, find};
use crate::books::Record;
use crate::columns::{self, RING_KEY_COLUMNS, signed};
use crate::writer::Work;

pub(super) fn put(work: &mut Work<'_>, mut project: Project) -> Result<(), Failure> {
    // As it will be read again, so that the books prove the same record.
    project.wrapped_data_keys.sort_by_key(|(number, _)| *number);
    let (db, id) = (work.db, signed(project.id.get()));
    let old = read_project(db, project.id)?;
    if old.as_ref() == Some(&project) {
        return Ok(());
    }
    if let Some(old) = &old {
        work.books()?.remove(Record::Project(old));
    }
    let all = "INSERT INTO projects (id, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET name = ?2, created_at = ?3";
    execute(db, all, (id, &project.name, signed(project.created_at.0)))?;
    execute(db, "DELETE FROM data_keys WHERE project = ?1", (id,))?;
    for (number, wrapped) in &project.wrapped_data_keys {
        let insert = "INSERT INTO data_keys (project, number, wrapped) VALUES (?1, ?2, ?3)";
        execute(db, insert, (id, number, wrapped))?;
    }
    work.books()?.add(Record::Project(&project));
    work.changes.push(Change::Project(project));
    Ok(())
}

/// A project with its data keys in the order of their numbers.
pub(crate) fn read_project(db: &Connection, id: ProjectId) -> Result<Option<Project>, Failure> {
    let key = signed(id.get());
    let found = find(db, "SELECT name, created_at FROM projects WHERE id = ?1", (key,), |columns| {
        Ok((columns.get(0)?, columns::time(columns, 1)?))
    })?;
    let Some((name, created_at)) = found else { return Ok(None) };
    let mut keys = db.prepare_cached("SELECT number, wrapped FROM data_keys WHERE project = ?1 ORDER BY number")?;
    let keys = keys.query_map((key,), |columns| Ok((columns.get(0)?, columns.get(1)?)))?;
    Ok(Some(Project { id, name, created_at, wrapped_data_keys: keys.collect::<Result<_, _>>()? }))
}

pub(super) fn put_vault(work: &mut Work<'_>, mut vault: Vault) -> Result<(), Failure> {
    vault.ring.sort_by_key(|key| key.number);
    let db = work.db;
    if let Some(old) = read_vault(db)? {
        work.books()?.remove(Record::Vault(&old));
    }
    let all = "INSERT OR REPLACE INTO vault (only_row, key_check, ledger_key, last_number) VALUES (1, ?1, ?2, ?3)";
    execute(db, all, (&vault.key_check, &vault.ledger_key, vault.last_number))?;
    execute(db, "DELETE FROM ring_keys", [])?;
    for key in &vault.ring {
        let values = (key.number, &key.wrapped, key.active, signed(key.created_at.0));
        execute(db, &format!("INSERT INTO ring_keys ({RING_KEY_COLUMNS}) VALUES (?1, ?2, ?3, ?4)"), values)?;
    }
    work.books()?.add(Record::Vault(&vault));
    work.changes.push(Change::Vault(vault));
    Ok(())
}

/// The vault with its ring in the order of its numbers.
pub(crate) fn read_vault(db: &Connection) -> rusqlite::Result<Option<Vault>> {
    let sql = "SELECT key_check, ledger_key, last_number FROM vault";
    let found = find(db, sql, [], |columns| {
        let (key_check, ledger_key, last_number) = (columns.get(0)?, columns.get(1)?, columns.get(2)?);
        Ok(Vault { key_check, ledger_key, ring: Vec::new(), last_number })
    })?;
    let Some(mut vault) = found else { return Ok(None) };
    let mut ring = db.prepare(&format!("SELECT {RING_KEY_COLUMNS} FROM ring_keys ORDER BY number"))?;
    vault.ring = ring.query_map([], columns::ring_key)?.collect::<Result<_, _>>()?;
    Ok(Some(vault))
}
