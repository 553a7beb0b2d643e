//! Everything that exists, added up for the books and told as changes: owners before what they own, row by row. Not the live feed; the
//! writer is that.

use rusqlite::{Connection, Row as Columns};
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::TokenId;
use tollgate_core::model::{Project, Subscription};
use tollgate_core::ports::store::{Change, Changes, Row, RowName};

use crate::books::{Books, Record, damaged};
use crate::columns::{self, CHANNEL_COLUMNS, signed};
use crate::units::{Failure, find, read_vault};

/// Adds every record to `books`, proves them, and tells `observer` of the records that memory keeps.
///
/// # Errors
/// `Damaged`; the observer has been told of records that may not be genuine.
pub(crate) fn replay(db: &Connection, books: &mut Books, observer: &dyn Changes) -> Result<(), Failure> {
    if let Some(vault) = read_vault(db)? {
        books.add(Record::Vault(&vault));
    }
    projects(db, books, observer)?;
    no_other_kinds(db)?;
    for kind in RowKind::ALL {
        rows(db, kind, books, observer)?;
    }
    each(db, &format!("SELECT {CHANNEL_COLUMNS} FROM channels ORDER BY sequence"), |columns| {
        let mut channel = columns::channel(columns)?;
        books.add(Record::from(&channel));
        if channel.settings.history.durable {
            channel.offset = last_offset(db, channel.sequence, channel.run)?;
        }
        observer.committed(Change::ChannelCreated(channel));
        Ok(())
    })?;
    let strays = subscriptions(db, books, observer)?;
    // Records that do not fit each other come last: what the books have to say is more to the point.
    books.prove(db)?;
    if strays {
        return Err(damaged("it has subscriptions without their channel or token"));
    }
    Ok(())
}

/// Where a durable history ends.
fn last_offset(db: &Connection, sequence: u64, run: u32) -> Result<u64, Failure> {
    // The books do not prove it; but offsets that were given out must not be given out again.
    let sql = "SELECT last_offset, (SELECT max(m.offset) FROM messages m WHERE m.channel = ?1 AND m.run = ?2) \
               FROM histories WHERE channel = ?1 AND run = ?2";
    let ends = find(db, sql, (signed(sequence), run), |columns| {
        Ok((columns::number(columns, 0)?, columns.get::<_, Option<i64>>(1)?))
    })?;
    match ends {
        Some((last, kept)) if kept.is_none_or(|kept| kept.cast_unsigned() <= last) => Ok(last),
        Some(_) => Err(damaged("a channel's history has messages that were never written")),
        None => Err(damaged("a channel's history is gone")),
    }
}

fn each(db: &Connection, sql: &str, mut read: impl FnMut(&Columns<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(columns) = rows.next()? {
        read(columns)?;
    }
    Ok(())
}

fn projects(db: &Connection, books: &mut Books, observer: &dyn Changes) -> Result<(), Failure> {
    let (mut projects, mut data_keys) = (Vec::new(), 0);
    each(db, "SELECT id FROM projects ORDER BY id", |columns| {
        projects.push(columns::project_id(columns, 0)?);
        Ok(())
    })?;
    for id in projects {
        let project: Option<Project> = crate::units::read_project(db, id)?;
        let project = project.ok_or_else(|| damaged("a project that was listed is gone"))?;
        data_keys += project.wrapped_data_keys.len();
        books.add(Record::Project(&project));
        observer.committed(Change::Project(project));
    }
    let kept = find(db, "SELECT count(*) FROM data_keys", [], |columns| columns::number(columns, 0))?;
    if kept != Some(data_keys as u64) {
        return Err(damaged("it has data keys of projects that do not exist"));
    }
    Ok(())
}

/// Refuses rows of kinds that this version does not know, which no other look at the table would come upon.
fn no_other_kinds(db: &Connection) -> Result<(), Failure> {
    let mut last = i64::MIN;
    let next = "SELECT kind FROM rows WHERE kind > ?1 ORDER BY kind LIMIT 1";
    while let Some(kind) = find(db, next, (last,), |columns| columns.get::<_, i64>(0))? {
        match u8::try_from(kind).ok().and_then(RowKind::from_number) {
            Some(RowKind::Token) => return Err(damaged("it has rows of the kind `token` among those of other kinds")),
            Some(_) => {}
            None => return Err(damaged(&format!("it has rows of kind {kind}, which does not exist"))),
        }
        last = kind;
    }
    Ok(())
}

fn rows(db: &Connection, kind: RowKind, books: &mut Books, observer: &dyn Changes) -> Result<(), Failure> {
    let from = if kind == RowKind::Token { "tokens WHERE ?1 IS NOT NULL" } else { "rows WHERE kind = ?1" };
    let mut statement = db.prepare(&format!("SELECT id, project, revision, sealed FROM {from} ORDER BY id"))?;
    let mut rows = statement.query((kind.number(),))?;
    while let Some(columns) = rows.next()? {
        let (id, project) = (columns::number(columns, 0)?, columns::project_id(columns, 1)?);
        let (name, revision) = (RowName { kind, project, id }, columns.get(2)?);
        let sealed = columns.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        books.add(Record::Row { name, revision, sealed });
        if kind.is_kept_in_memory() {
            observer.committed(Change::Row(Row { name, revision, sealed: sealed.to_vec() }));
        }
    }
    Ok(())
}

/// Gives whether there are subscriptions of nobody or to nothing.
fn subscriptions(db: &Connection, books: &mut Books, observer: &dyn Changes) -> Result<bool, Failure> {
    let all = "SELECT s.token, s.channel, s.ephemeral, c.project, c.id FROM subscriptions s \
               LEFT JOIN tokens t ON t.id = s.token \
               LEFT JOIN channels c ON c.sequence = s.channel AND c.project = t.project ORDER BY s.token, s.channel";
    let mut strays = false;
    each(db, all, |columns| {
        let (token, channel) = (columns::number(columns, 0)?, columns::number(columns, 1)?);
        let ephemeral = columns::flag(columns, 2)?;
        books.add(Record::Subscription { token, channel, ephemeral });
        if columns.get::<_, Option<i64>>(3)?.is_none() {
            strays = true;
            return Ok(());
        }
        let (project, channel) = (columns::project_id(columns, 3)?, columns::channel_id(columns, 4)?);
        observer.committed(Change::Subscribed(Subscription {
            project,
            token: TokenId::new(token),
            channel,
            ephemeral,
        }));
        Ok(())
    })?;
    Ok(strays)
}
