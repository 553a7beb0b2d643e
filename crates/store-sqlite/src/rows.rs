//! Between rows and records: numbers that SQLite keeps signed, and the columns of each record. No statement that changes anything.

use rusqlite::Row;
use rusqlite::types::Type;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ChannelId, KeyId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, Channel, ChannelType, Project, ProjectKey, Token};
use tollgate_core::permissions::Permissions;
use tollgate_core::ports::store::WrappedRingKey;

pub(crate) const PROJECT_COLUMNS: &str = "id, name, created_at, wrapped_data_key";
pub(crate) const KEY_COLUMNS: &str = "id, project, hash, hint, permissions, created_at, last_used_at, revoked_at";
pub(crate) const CHANNEL_COLUMNS: &str = "sequence, project, id, kind, capabilities, version, created_at, state";
pub(crate) const TOKEN_COLUMNS: &str = "id, project, generation, created_at, expires_at, sealed_state";
pub(crate) const RING_KEY_COLUMNS: &str = "number, wrapped, active, created_at";

/// The signed number with the same bits: what SQLite keeps for an unsigned one.
pub(crate) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A time as SQLite keeps it.
pub(crate) fn time(at: Option<UnixMillis>) -> Option<i64> {
    at.map(|at| signed(at.0))
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn time_at(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMillis> {
    number(row, column).map(UnixMillis)
}

fn maybe_time_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|at| UnixMillis(at.cast_unsigned())))
}

/// A value that the columns' types allow and the records do not: somebody else wrote into our file.
fn damaged(column: usize, kind: Type, what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
}

pub(crate) fn project(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        id: ProjectId::new(number(row, 0)?),
        name: row.get(1)?,
        created_at: time_at(row, 2)?,
        wrapped_data_key: row.get(3)?,
    })
}

pub(crate) fn key(row: &Row<'_>) -> rusqlite::Result<ProjectKey> {
    Ok(ProjectKey {
        id: KeyId::new(number(row, 0)?),
        project: ProjectId::new(number(row, 1)?),
        hash: row.get(2)?,
        hint: row.get(3)?,
        permissions: Permissions::from_bits(number(row, 4)?),
        created_at: time_at(row, 5)?,
        last_used_at: maybe_time_at(row, 6)?,
        revoked_at: maybe_time_at(row, 7)?,
    })
}

pub(crate) fn channel(row: &Row<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        sequence: number(row, 0)?,
        project: ProjectId::new(number(row, 1)?),
        id: channel_id(row, 2)?,
        kind: kind(row, 3)?,
        capabilities: capabilities(row, 4)?,
        version: number(row, 5)?,
        created_at: time_at(row, 6)?,
        state: JsonObject::from_stored(row.get(7)?),
    })
}

pub(crate) fn channel_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ChannelId> {
    let text = row.get_ref(column)?.as_str()?;
    ChannelId::new(text).map_err(|error| damaged(column, Type::Text, error.detail))
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<ChannelType> {
    let word = row.get_ref(column)?.as_str()?;
    ChannelType::from_word(word).ok_or_else(|| damaged(column, Type::Text, format!("`{word}` is no channel type")))
}

pub(crate) fn capabilities(row: &Row<'_>, column: usize) -> rusqlite::Result<Capabilities> {
    let bits = number(row, column)?;
    Capabilities::from_bits(bits)
        .ok_or_else(|| damaged(column, Type::Integer, format!("{bits} are no channel settings")))
}

pub(crate) fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: TokenId::new(number(row, 0)?),
        project: ProjectId::new(number(row, 1)?),
        generation: row.get(2)?,
        created_at: time_at(row, 3)?,
        expires_at: maybe_time_at(row, 4)?,
        sealed_state: row.get(5)?,
    })
}

pub(crate) fn ring_key(row: &Row<'_>) -> rusqlite::Result<WrappedRingKey> {
    Ok(WrappedRingKey { number: row.get(0)?, wrapped: row.get(1)?, active: row.get(2)?, created_at: time_at(row, 3)? })
}
