//! Sealed rows, and the steps of a unit of work.

use rusqlite::{CachedStatement, Connection};
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::ProjectId;
use tollgate_core::ports::store::{Change, Row, RowName, StoreError, Subject, Unit, Write};

use super::{Failure, audit, execute, find, projects, subscriptions};
use crate::books::Record;
use crate::columns::{self, signed};
use crate::writer::Work;

/// What is done with a row, where tokens are kept and where all others are. `?1` is the kind, which the first have no column for, and `?2` the number.
struct Statements {
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
    read: &'static str,
}

const TOKENS: Statements = Statements {
    insert: "INSERT INTO tokens (id, project, revision, sealed) VALUES (?2, ?3, 1, ?4)",
    update: "UPDATE tokens SET revision = ?3, sealed = ?4 WHERE id = ?2",
    delete: "DELETE FROM tokens WHERE id = ?2",
    read: "SELECT project, revision, sealed FROM tokens WHERE id = ?2",
};

const OTHERS: Statements = Statements {
    insert: "INSERT INTO rows (kind, id, project, revision, sealed) VALUES (?1, ?2, ?3, 1, ?4)",
    update: "UPDATE rows SET revision = ?3, sealed = ?4 WHERE kind = ?1 AND id = ?2",
    delete: "DELETE FROM rows WHERE kind = ?1 AND id = ?2",
    read: "SELECT project, revision, sealed FROM rows WHERE kind = ?1 AND id = ?2",
};

fn statements(kind: RowKind) -> &'static Statements {
    if kind == RowKind::Token { &TOKENS } else { &OTHERS }
}

/// The statements by which a unit inserts, each looked up once: of tokens, and of all other rows.
type Inserts<'a> = [Option<CachedStatement<'a>>; 2];

/// Does all of a unit; the writer takes it back if a step is refused.
pub(super) fn commit(work: &mut Work<'_>, unit: Unit) -> Result<(), Failure> {
    work.books()?;
    work.changes.reserve(unit.writes.len());
    let mut inserts = Inserts::default();
    for write in unit.writes {
        match write {
            Write::Project(project) => projects::put(work, project)?,
            Write::Vault(vault) => projects::put_vault(work, vault)?,
            Write::Insert(row) => insert(work, &mut inserts, row)?,
            Write::Update(row) => update(work, row)?,
            Write::Delete(name) => delete(work, name)?,
            Write::Subscribe(subscription) => {
                subscriptions::subscribe(work, subscription)?;
            }
        }
    }
    audit::write(work, unit.audit)
}

fn insert<'a>(work: &mut Work<'a>, inserts: &mut Inserts<'a>, row: Row) -> Result<(), Failure> {
    let kind = row.name.kind;
    if row.revision != 1 {
        return Err(StoreError::Conflict(kind).into());
    }
    let statement = &mut inserts[usize::from(kind == RowKind::Token)];
    let insert = match statement {
        Some(insert) => insert,
        None => statement.insert(work.db.prepare_cached(statements(kind).insert)?),
    };
    insert
        .execute((kind.number(), signed(row.name.id), signed(row.name.project.get()), &row.sealed))
        .map_err(|error| Failure::insert(error, Subject::Row(kind), Subject::Project))?;
    tell(work, row)
}

fn update(work: &mut Work<'_>, row: Row) -> Result<(), Failure> {
    let name = row.name;
    if remove(work, name)?.checked_add(1) != Some(row.revision) {
        return Err(StoreError::Conflict(name.kind).into());
    }
    execute(work.db, statements(name.kind).update, (name.kind.number(), signed(name.id), row.revision, &row.sealed))?;
    tell(work, row)
}

fn delete(work: &mut Work<'_>, name: RowName) -> Result<(), Failure> {
    remove(work, name)?;
    let key = (name.kind.number(), signed(name.id));
    execute(work.db, statements(name.kind).delete, key)?;
    if name.kind == RowKind::Token {
        subscriptions::end_all_of_token(work, name.id)?;
    }
    if name.kind.is_kept_in_memory() {
        work.changes.push(Change::RowDeleted(name));
    }
    Ok(())
}

fn tell(work: &mut Work<'_>, row: Row) -> Result<(), Failure> {
    work.books()?.add(Record::from(&row));
    if row.name.kind.is_kept_in_memory() {
        work.changes.push(Change::Row(row));
    }
    Ok(())
}

/// Takes a row out of the books; gives its revision.
fn remove(work: &mut Work<'_>, name: RowName) -> Result<u32, Failure> {
    let sql = statements(name.kind).read;
    let db = work.db;
    let books = work.books()?;
    let found = find(db, sql, (name.kind.number(), signed(name.id)), |columns| {
        let (project, revision) = (columns::project_id(columns, 0)?, columns.get(1)?);
        let sealed = columns.get_ref(2)?.as_blob()?;
        Ok((project, revision, books.term(Record::Row { name, revision, sealed })))
    })?;
    let (_, revision, term) =
        found.filter(|(project, ..)| *project == name.project).ok_or(StoreError::NotFound(Subject::Row(name.kind)))?;
    books.subtract(term);
    Ok(revision)
}

pub(super) fn read(db: &Connection, name: RowName) -> rusqlite::Result<Option<Row>> {
    let found = find(db, statements(name.kind).read, (name.kind.number(), signed(name.id)), |columns| {
        let row = Row { name, revision: columns.get(1)?, sealed: columns.get(2)? };
        Ok((columns::project_id(columns, 0)?, row))
    })?;
    Ok(found.filter(|(project, _)| *project == name.project).map(|(_, row)| row))
}

/// Whether the project has this token.
pub(super) fn has_token(db: &Connection, project: ProjectId, token: u64) -> rusqlite::Result<bool> {
    let key = (signed(token), signed(project.get()));
    Ok(find(db, "SELECT 1 FROM tokens WHERE id = ?1 AND project = ?2", key, |_| Ok(()))?.is_some())
}
