//! Taking off the disk what durable histories need not keep: messages beyond their size or time, whole runs that are over, and ids whose time is over.

use rusqlite::Connection;
use tollgate_core::clock::UnixMillis;
use tollgate_core::limits::PUBLICATION_ID_MS;
use tollgate_core::model::ChannelSettings;

use super::history::{behind, delete, due_at};
use super::{Failure, execute, find};
use crate::columns::{self, SETTINGS_COLUMNS, signed};

/// Bytes of messages after which a pruning ends: some milliseconds of the writer's time.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Deletes and forgets at most `limit`; gives how many it were.
pub(super) fn prune(db: &Connection, now: UnixMillis, limit: u64) -> Result<u64, Failure> {
    let mut left = Budget { messages: limit, bytes: BYTES_MAX };
    // Those that turn out to have nothing to prune cost something, too.
    for _ in 0..limit {
        if left.is_spent() || !prune_next(db, now, &mut left)? {
            break;
        }
    }
    left.messages -= forget(db, now, left.messages)?;
    Ok(limit - left.messages)
}

/// What a pruning may still delete.
struct Budget {
    messages: u64,
    bytes: u64,
}

impl Budget {
    const fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }
}

/// Prunes the run that is due first, if one is, as far as the budget goes.
fn prune_next(db: &Connection, now: UnixMillis, left: &mut Budget) -> Result<bool, Failure> {
    let sql = "SELECT channel, run, last_offset FROM histories WHERE due_at <= ?1 ORDER BY due_at LIMIT 1";
    let due = find(db, sql, (i64::try_from(now.0).unwrap_or(i64::MAX),), |columns| {
        Ok((columns.get(0)?, columns.get(1)?, columns::number(columns, 2)?))
    })?;
    let Some((sequence, run, last)) = due else { return Ok(false) };
    let settings = live_settings(db, sequence, run)?;
    let mut statement = db.prepare_cached(
        "SELECT offset, at, octet_length(data) FROM messages WHERE channel = ?1 AND run = ?2 ORDER BY offset",
    )?;
    let mut rows = statement.query((sequence, run))?;
    let mut gone = None::<(u64, u64)>;
    let next = loop {
        if left.is_spent() {
            break Next::At(0);
        }
        let Some(columns) = rows.next()? else { break Next::Never };
        let (offset, at) = (columns::number(columns, 0)?, columns::time(columns, 1)?);
        if let Some(settings) = &settings {
            let is_surplus = offset <= behind(settings, last) || at.plus(settings.history.ttl_ms) < now;
            match settings.retain && offset == last {
                true => break Next::Never,
                false if !is_surplus => break Next::At(due_at(at, settings)),
                false => {}
            }
        }
        gone = Some((gone.map_or(offset, |(first, _)| first), offset));
        left.messages -= 1;
        left.bytes = left.bytes.saturating_sub(columns::number(columns, 2)?);
    };
    drop(rows);
    if let Some((first, last)) = gone {
        delete(db, sequence, run, first, last)?;
    }
    match next {
        Next::Never if settings.is_none() => {
            execute(db, "DELETE FROM histories WHERE channel = ?1 AND run = ?2", (sequence, run))?
        }
        next => {
            let at = if let Next::At(at) = next { Some(at) } else { None };
            execute(db, "UPDATE histories SET due_at = ?3 WHERE channel = ?1 AND run = ?2", (sequence, run, at))?
        }
    };
    Ok(true)
}

/// When a run is to be looked at again.
enum Next {
    /// When it is this late.
    At(i64),
    /// When it gets a message.
    Never,
}

/// The settings of the channel, if it is in this run.
fn live_settings(db: &Connection, sequence: i64, run: u32) -> rusqlite::Result<Option<ChannelSettings>> {
    let sql = format!("SELECT {SETTINGS_COLUMNS} FROM channels WHERE sequence = ?1 AND run = ?2");
    let found = find(db, &sql, (sequence, run), |columns| columns::settings(columns, 0))?;
    Ok(found.filter(|settings| settings.history.durable))
}

/// Forgets ids of messages that are older than two minutes; gives how many.
fn forget(db: &Connection, now: UnixMillis, limit: u64) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM onces WHERE (channel, run, once) IN \
               (SELECT channel, run, once FROM onces WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let before = now.0.saturating_sub(PUBLICATION_ID_MS);
    execute(db, sql, (signed(before), signed(limit))).map(|count| count as u64)
}
