//! Channels, their state and their settings.

use rusqlite::Connection;
use tollgate_core::audit::AuditDraft;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, DURABLE_RUNS_MAX};
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, ChannelStore, StateChange, StoreError, StoreResult, Subject};

use super::subscriptions::end_all_to_channel;
use super::{Failure, audit, execute, find, history};
use crate::SqliteStore;
use crate::books::{ChannelRecord, Record};
use crate::columns::{self, CHANNEL_COLUMNS, SETTINGS_COLUMNS, signed};
use crate::writer::Work;

impl ChannelStore for SqliteStore {
    fn insert_channel(&self, mut channel: Channel, audit: Option<AuditDraft>) -> Pending<'_, StoreResult<Channel>> {
        self.unit(move |work| {
            (channel.version, channel.offset) = (1, 0);
            channel.run = u32::from(channel.settings.history.durable);
            channel.sequence = work.books()?.next_channel();
            execute(
                work.db,
                &format!(
                    "INSERT INTO channels ({CHANNEL_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
                ),
                (
                    signed(channel.sequence),
                    signed(channel.project.get()),
                    channel.id.as_str(),
                    channel.kind.word(),
                    channel.capabilities.bits(),
                    signed(channel.version),
                    signed(channel.created_at.0),
                    channel.settings.history.size,
                    signed(channel.settings.history.ttl_ms),
                    columns::flags(&channel.settings),
                    channel.settings.conflate_per_second,
                    channel.run,
                    channel.state.as_str(),
                ),
            )
            .map_err(|error| Failure::insert(error, Subject::Channel, Subject::Project))?;
            work.books()?.add(Record::from(&channel));
            if channel.settings.history.durable {
                history::begin(work.db, channel.sequence, channel.run)?;
            }
            work.changes.push(Change::ChannelCreated(channel.clone()));
            audit::write(work, audit)?;
            Ok(channel)
        })
    }

    fn delete_channel(
        &self,
        project: ProjectId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>> {
        self.unit(move |work| {
            let ChannelRecord { sequence, run, .. } = take_out(work, project, &channel)?;
            execute(work.db, "DELETE FROM channels WHERE sequence = ?1", (signed(sequence),))?;
            history::look_again(work.db, sequence, run)?;
            end_all_to_channel(work, sequence)?;
            work.changes.push(Change::ChannelDeleted { project, channel });
            audit::write(work, audit)
        })
    }

    fn change_state(
        &self,
        project: ProjectId,
        channel: ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Pending<'_, StoreResult<(JsonObject, u64)>> {
        self.unit(move |work| {
            work.books()?;
            let db = work.db;
            let (sequence, current) = find_version(db, project, &channel)?;
            if if_version.is_some_and(|expected| expected != current) {
                return Err(StoreError::VersionMismatch { current }.into());
            }
            let state = match change {
                StateChange::Replace(state) => state,
                StateChange::Merge(patch) => {
                    let text =
                        find(db, "SELECT state FROM channels WHERE sequence = ?1", (sequence,), |row| row.get(0))?;
                    let old =
                        JsonObject::from_stored(text.expect("invariant: the channel was found in this transaction"));
                    old.merge(&patch, CHANNEL_STATE_BYTES_MAX).map_err(|_| StoreError::LimitReached("channel state"))?
                }
            };
            let version = current + 1;
            let values = (state.as_str(), signed(version), sequence);
            execute(db, "UPDATE channels SET state = ?1, version = ?2 WHERE sequence = ?3", values)?;
            work.changes.push(Change::ChannelState { project, channel, state: state.clone(), version });
            Ok((state, version))
        })
    }

    fn change_settings(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
        settings: ChannelSettings,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>> {
        self.unit(move |work| {
            let old = take_out(work, project, &channel)?;
            let begins = settings.history.durable && !old.settings.history.durable;
            if begins && old.run == DURABLE_RUNS_MAX {
                return Err(StoreError::LimitReached("runs of durable history").into());
            }
            let run = old.run + u32::from(begins);
            work.books()?.add(Record::Channel(ChannelRecord { capabilities, settings, run, ..old }));
            if (old.capabilities, old.settings) != (capabilities, settings) {
                write_settings(work.db, &ChannelRecord { capabilities, settings, run, ..old })?;
                // What was kept may be too much now, or all of it: of a run that is over nothing is.
                history::look_again(work.db, old.sequence, old.run)?;
                if begins {
                    history::begin(work.db, old.sequence, run)?;
                }
                work.changes.push(Change::ChannelSettings { project, channel, capabilities, settings, run });
            }
            audit::write(work, audit)
        })
    }
}

fn write_settings(db: &Connection, channel: &ChannelRecord<'_>) -> rusqlite::Result<usize> {
    let ChannelRecord { capabilities, settings, run, sequence, .. } = *channel;
    execute(
        db,
        "UPDATE channels SET capabilities = ?1, history_size = ?2, history_ttl_ms = ?3, flags = ?4, \
         conflate_per_second = ?5, run = ?6 WHERE sequence = ?7",
        (
            capabilities.bits(),
            settings.history.size,
            signed(settings.history.ttl_ms),
            columns::flags(&settings),
            settings.conflate_per_second,
            run,
            signed(sequence),
        ),
    )
}

/// Takes a channel out of the books; gives what it was.
fn take_out<'a>(work: &mut Work<'_>, project: ProjectId, channel: &'a ChannelId) -> Result<ChannelRecord<'a>, Failure> {
    let sql = format!(
        "SELECT sequence, kind, capabilities, created_at, run, {SETTINGS_COLUMNS} FROM channels WHERE project = ?1 AND id = ?2"
    );
    let found = find(work.db, &sql, (signed(project.get()), channel.as_str()), |columns| {
        Ok(ChannelRecord {
            sequence: columns::number(columns, 0)?,
            project,
            id: channel.as_str(),
            kind: columns::kind(columns, 1)?,
            capabilities: columns::capabilities(columns, 2)?,
            created_at: columns::time(columns, 3)?,
            run: columns.get(4)?,
            settings: columns::settings(columns, 5)?,
        })
    })?;
    let record = found.ok_or(StoreError::NotFound(Subject::Channel))?;
    work.books()?.remove(Record::Channel(record));
    Ok(record)
}

/// The sequence of a channel.
pub(super) fn find_channel(db: &Connection, project: ProjectId, channel: &ChannelId) -> rusqlite::Result<Option<u64>> {
    let key = (signed(project.get()), channel.as_str());
    find(db, "SELECT sequence FROM channels WHERE project = ?1 AND id = ?2", key, |columns| columns::number(columns, 0))
}

fn find_version(db: &Connection, project: ProjectId, channel: &ChannelId) -> Result<(i64, u64), Failure> {
    let key = (signed(project.get()), channel.as_str());
    let found = find(db, "SELECT sequence, version FROM channels WHERE project = ?1 AND id = ?2", key, |columns| {
        Ok((columns.get(0)?, columns::number(columns, 1)?))
    })?;
    Ok(found.ok_or(StoreError::NotFound(Subject::Channel))?)
}
