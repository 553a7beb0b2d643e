//! Channels, their state and their settings.

use rusqlite::Connection;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::model::{Capabilities, Channel};
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, ChannelStore, StateChange, StoreError, StoreResult, Subject};

use super::{Failure, execute, find};
use crate::SqliteStore;
use crate::rows::{self, signed};

impl ChannelStore for SqliteStore {
    fn insert_channel(&self, mut channel: Channel) -> Pending<'_, StoreResult<Channel>> {
        self.unit(move |db, changes| {
            channel.version = 1;
            execute(
                db,
                "INSERT INTO channels (project, id, kind, capabilities, version, created_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    signed(channel.project.get()),
                    channel.id.as_str(),
                    channel.kind.word(),
                    channel.capabilities.bits(),
                    signed(channel.version),
                    signed(channel.created_at.0),
                    channel.state.as_str(),
                ),
            )
            .map_err(|error| Failure::insert(&error, Subject::Channel, Subject::Project))?;
            channel.sequence = db.last_insert_rowid().cast_unsigned();
            changes.push(Change::ChannelCreated(channel.clone()));
            Ok(channel)
        })
    }

    fn delete_channel(&self, project: ProjectId, channel: ChannelId) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            let deleted = execute(
                db,
                "DELETE FROM channels WHERE project = ?1 AND id = ?2",
                (signed(project.get()), channel.as_str()),
            )?;
            if deleted == 0 {
                return Err(StoreError::NotFound(Subject::Channel).into());
            }
            changes.push(Change::ChannelDeleted { project, channel });
            Ok(())
        })
    }

    fn change_state(
        &self,
        project: ProjectId,
        channel: ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Pending<'_, StoreResult<(JsonObject, u64)>> {
        self.unit(move |db, changes| {
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
            changes.push(Change::ChannelState { project, channel, state: state.clone(), version });
            Ok((state, version))
        })
    }

    fn change_capabilities(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
    ) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            let key = (signed(project.get()), channel.as_str());
            let found =
                find(db, "SELECT sequence, capabilities FROM channels WHERE project = ?1 AND id = ?2", key, |row| {
                    Ok((row.get::<_, i64>(0)?, rows::capabilities(row, 1)?))
                })?;
            let (sequence, old) = found.ok_or(StoreError::NotFound(Subject::Channel))?;
            if old != capabilities {
                execute(
                    db,
                    "UPDATE channels SET capabilities = ?1 WHERE sequence = ?2",
                    (capabilities.bits(), sequence),
                )?;
                changes.push(Change::ChannelCapabilities { project, channel, capabilities });
            }
            Ok(())
        })
    }
}

/// The row of a channel, which is also its sequence.
pub(super) fn find_channel(db: &Connection, project: ProjectId, channel: &ChannelId) -> rusqlite::Result<Option<i64>> {
    let key = (signed(project.get()), channel.as_str());
    find(db, "SELECT sequence FROM channels WHERE project = ?1 AND id = ?2", key, |row| row.get(0))
}

fn find_version(db: &Connection, project: ProjectId, channel: &ChannelId) -> Result<(i64, u64), Failure> {
    let key = (signed(project.get()), channel.as_str());
    let found = find(db, "SELECT sequence, version FROM channels WHERE project = ?1 AND id = ?2", key, |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    Ok(found.ok_or(StoreError::NotFound(Subject::Channel))?)
}
