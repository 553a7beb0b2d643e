//! Durable histories: appending inside the group commit, and reading in steps that let other units of work through. What takes old messages away again
//! is `pruning.rs`.
//!
//! A run is in `histories` until pruning has taken the last of its messages off the disk. Its `due_at` is kept, so that pruning finds the runs
//! that have something old by an index, and appending to a run that is due at some time touches no index.

use std::ops::RangeInclusive;

use rusqlite::Connection;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::Published;
use tollgate_core::delivery::{Extra, Position, Publication};
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::limits::PUBLICATION_ID_MS;
use tollgate_core::model::{ChannelSettings, durable_epoch};
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, HistoryStore, StoreError, StoreResult, Subject};

use super::{Failure, execute, find, pruning};
use crate::SqliteStore;
use crate::books::damaged;
use crate::columns::{self, MESSAGE_COLUMNS, SETTINGS_COLUMNS, signed};
use crate::writer::Work;

/// Every how many messages of a run those beyond its size are deleted, so that a message does not cost a deletion.
const TRIM_STEP: u64 = 16;

/// Messages, and bytes of them, after which a step of reading ends: some milliseconds of the writer's time.
const STEP_MESSAGES_MAX: usize = 250;
const STEP_BYTES_MAX: usize = 1024 * 1024;

impl HistoryStore for SqliteStore {
    fn append(
        &self,
        project: ProjectId,
        channel: ChannelId,
        publication: Publication,
        once: Option<[u8; 16]>,
    ) -> Pending<'_, StoreResult<Published>> {
        self.unit(move |work| append(work, project, channel, publication, once))
    }

    fn messages(
        &self,
        project: ProjectId,
        channel: ChannelId,
        offsets: RangeInclusive<u64>,
        newest: bool,
        limit: usize,
    ) -> Pending<'_, StoreResult<Vec<(u64, Publication)>>> {
        Box::pin(async move {
            let mut page = Page { epoch: 0, messages: Vec::new(), newest };
            while let Some(rest) = page.rest(&offsets, limit) {
                let (channel, left) = (channel.clone(), limit - page.messages.len());
                let step = self.unit(move |work| read_step(work, project, &channel, rest, newest, left)).await?;
                if !page.take(step) {
                    break;
                }
            }
            Ok(page.messages)
        })
    }

    fn prune_history(&self, now: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>> {
        self.unit_of(limit, move |work| {
            work.books()?;
            pruning::prune(work.db, now, limit as u64)
        })
    }
}

/// A channel's current run.
struct Run {
    sequence: i64,
    run: u32,
    settings: ChannelSettings,
    last: u64,
    due_at: Option<i64>,
}

impl Run {
    fn epoch(&self) -> u64 {
        durable_epoch(self.sequence.cast_unsigned(), self.run)
    }
}

/// The offset up to which messages are beyond the size.
pub(super) fn behind(settings: &ChannelSettings, last: u64) -> u64 {
    last.saturating_sub(u64::from(settings.history.size).max(u64::from(settings.retain)))
}

fn find_run(db: &Connection, project: ProjectId, channel: &ChannelId) -> Result<Run, Failure> {
    let sql = format!(
        "SELECT c.sequence, c.run, h.last_offset, h.due_at, {SETTINGS_COLUMNS} FROM channels c \
         LEFT JOIN histories h ON h.channel = c.sequence AND h.run = c.run WHERE c.project = ?1 AND c.id = ?2"
    );
    let found = find(db, &sql, (signed(project.get()), channel.as_str()), |columns| {
        let last: Option<i64> = columns.get(2)?;
        let (sequence, run, due_at) = (columns.get(0)?, columns.get(1)?, columns.get(3)?);
        let settings = columns::settings(columns, 4)?;
        Ok((last, Run { sequence, run, settings, last: last.unwrap_or(0).cast_unsigned(), due_at }))
    })?;
    let (last, run) = found.ok_or(StoreError::NotFound(Subject::Channel))?;
    if !run.settings.history.durable {
        return Err(StoreError::NotDurable.into());
    }
    last.ok_or_else(|| damaged("a channel's history is gone"))?;
    Ok(run)
}

fn append(
    work: &mut Work<'_>,
    project: ProjectId,
    channel: ChannelId,
    publication: Publication,
    once: Option<[u8; 16]>,
) -> Result<Published, Failure> {
    work.books()?;
    let db = work.db;
    let run = find_run(db, project, &channel)?;
    let epoch = run.epoch();
    if let Some(once) = once
        && let Some(offset) = find_once(db, &run, once, publication.at)?
    {
        return Ok(Published::Duplicate(Position { epoch, offset }));
    }
    let offset = run.last + 1;
    let key = (run.sequence, run.run, signed(offset));
    match run.due_at {
        Some(_) => execute(db, "UPDATE histories SET last_offset = ?3 WHERE channel = ?1 AND run = ?2", key)?,
        None => {
            let sql = "UPDATE histories SET last_offset = ?3, due_at = ?4 WHERE channel = ?1 AND run = ?2";
            execute(db, sql, (key.0, key.1, key.2, due_at(publication.at, &run.settings)))?
        }
    };
    insert_message(db, key, &publication)?;
    if let Some(once) = once {
        let sql = "INSERT OR REPLACE INTO onces (channel, run, once, offset, at) VALUES (?1, ?2, ?3, ?4, ?5)";
        execute(db, sql, (key.0, key.1, once, key.2, signed(publication.at.0)))?;
    }
    if offset.is_multiple_of(TRIM_STEP) {
        trim(db, &run, offset)?;
    }
    let position = Position { epoch, offset };
    work.changes.push(Change::Published { project, channel, position, publication });
    Ok(Published::At(position))
}

fn find_once(db: &Connection, run: &Run, once: [u8; 16], now: UnixMillis) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT offset, at FROM onces WHERE channel = ?1 AND run = ?2 AND once = ?3";
    let found = find(db, sql, (run.sequence, run.run, once), |columns| {
        Ok((columns::number(columns, 0)?, columns::time(columns, 1)?))
    })?;
    Ok(found.filter(|(_, at)| now <= at.plus(PUBLICATION_ID_MS)).map(|(offset, _)| offset))
}

fn insert_message(
    db: &Connection,
    (sequence, run, offset): (i64, u32, i64),
    message: &Publication,
) -> Result<(), Failure> {
    let none = Extra::default();
    let extra = message.extra.as_deref().unwrap_or(&none);
    execute(
        db,
        &format!(
            "INSERT INTO messages (channel, run, {MESSAGE_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ),
        (
            sequence,
            run,
            offset,
            signed(message.at.0),
            extra.token.map(|id| signed(id.get())),
            extra.user.as_deref(),
            extra.connection.map(|id| signed(id.get())),
            extra.id.as_deref(),
            &*message.event,
            message.data.as_str(),
        ),
    )?;
    Ok(())
}

/// When a message of this moment need not be kept any more.
pub(super) fn due_at(at: UnixMillis, settings: &ChannelSettings) -> i64 {
    i64::try_from(at.plus(settings.history.ttl_ms).0).unwrap_or(i64::MAX).saturating_add(1)
}

/// Deletes what is beyond the size of a run that ends at `last`: at most twice as many as came since the last time.
fn trim(db: &Connection, run: &Run, last: u64) -> Result<(), Failure> {
    let behind = behind(&run.settings, last);
    let first = find(
        db,
        "SELECT offset FROM messages WHERE channel = ?1 AND run = ?2 ORDER BY offset LIMIT 1",
        (run.sequence, run.run),
        |columns| columns::number(columns, 0),
    )?;
    if let Some(first) = first.filter(|first| *first <= behind) {
        delete(db, run.sequence, run.run, first, behind.min(first + 2 * TRIM_STEP - 1))?;
    }
    Ok(())
}

pub(super) fn delete(db: &Connection, sequence: i64, run: u32, first: u64, last: u64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM messages WHERE channel = ?1 AND run = ?2 AND offset BETWEEN ?3 AND ?4";
    execute(db, sql, (sequence, run, signed(first), signed(last)))
}

/// A run begins, without a message.
pub(super) fn begin(db: &Connection, sequence: u64, run: u32) -> rusqlite::Result<()> {
    execute(db, "INSERT INTO histories (channel, run, last_offset) VALUES (?1, ?2, 0)", (signed(sequence), run))
        .map(drop)
}

/// Has the next pruning look at a run, if there is one: it is over, or its channel's settings are others.
pub(super) fn look_again(db: &Connection, sequence: u64, run: u32) -> rusqlite::Result<()> {
    execute(db, "UPDATE histories SET due_at = 0 WHERE channel = ?1 AND run = ?2", (signed(sequence), run)).map(drop)
}

/// What one step of reading gave.
struct ReadStep {
    epoch: u64,
    messages: Vec<(u64, Publication)>,
}

/// What was read so far of one run: messages that follow each other.
struct Page {
    epoch: u64,
    messages: Vec<(u64, Publication)>,
    newest: bool,
}

impl Page {
    /// The offsets that are still to be read, if any are.
    fn rest(&self, asked: &RangeInclusive<u64>, limit: usize) -> Option<RangeInclusive<u64>> {
        let (first, last) = (*asked.start(), *asked.end());
        let rest = match (self.messages.first(), self.messages.last()) {
            (Some((oldest, _)), _) if self.newest => first..=oldest.checked_sub(1)?,
            (_, Some((latest, _))) => latest.checked_add(1)?..=last,
            _ => first..=last,
        };
        (self.messages.len() < limit && !rest.is_empty()).then_some(rest)
    }

    /// Takes a step in; gives whether there may be more. Between two steps the oldest messages may have gone, or the run with them all.
    fn take(&mut self, step: ReadStep) -> bool {
        if self.epoch != step.epoch && !self.messages.is_empty() {
            // From the beginning, of the run that is there now.
            (self.epoch, self.messages) = (step.epoch, Vec::new());
            return true;
        }
        self.epoch = step.epoch;
        let Some((first, _)) = step.messages.first() else { return false };
        if self.newest {
            let earlier = std::mem::replace(&mut self.messages, step.messages);
            self.messages.extend(earlier);
        } else {
            if self.messages.last().is_some_and(|(last, _)| last + 1 != *first) {
                self.messages.clear();
            }
            self.messages.extend(step.messages);
        }
        true
    }
}

fn read_step(
    work: &mut Work<'_>,
    project: ProjectId,
    channel: &ChannelId,
    offsets: RangeInclusive<u64>,
    newest: bool,
    limit: usize,
) -> Result<ReadStep, Failure> {
    work.books()?;
    let run = find_run(work.db, project, channel)?;
    let mut step = ReadStep { epoch: run.epoch(), messages: Vec::new() };
    let (first, last) = ((*offsets.start()).max(behind(&run.settings, run.last) + 1), (*offsets.end()).min(run.last));
    if first > last {
        return Ok(step);
    }
    let order = if newest { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages WHERE channel = ?1 AND run = ?2 AND offset BETWEEN ?3 AND ?4 \
         ORDER BY offset {order} LIMIT ?5"
    );
    let mut statement = work.db.prepare_cached(&sql)?;
    let limit = i64::try_from(limit.min(STEP_MESSAGES_MAX)).expect("invariant: a small number");
    let mut rows = statement.query((run.sequence, run.run, signed(first), signed(last), limit))?;
    let mut bytes = 0;
    while bytes < STEP_BYTES_MAX
        && let Some(columns) = rows.next()?
    {
        let (offset, message) = columns::message(columns)?;
        bytes += message.bytes();
        step.messages.push((offset, message));
    }
    if newest {
        step.messages.reverse();
    }
    check_gaps(&step.messages)?;
    Ok(step)
}

fn check_gaps(messages: &[(u64, Publication)]) -> Result<(), Failure> {
    match messages.is_sorted_by(|(before, _), (after, _)| before + 1 == *after) {
        true => Ok(()),
        false => Err(damaged("a channel's history has a gap")),
    }
}
