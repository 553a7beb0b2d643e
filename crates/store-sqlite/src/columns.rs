//! Between columns and records: numbers that SQLite keeps signed, and the columns of each record. No statement that changes anything.
//!
//! A value is read strictly: one that we would never have written is damage, even where it could be understood.

use rusqlite::Row as Columns;
use rusqlite::types::Type;
use tollgate_core::audit::{AuditDraft, AuditEntry, AuditOutcome};
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, ChannelType};
use tollgate_core::ports::store::WrappedRingKey;

pub(crate) const CHANNEL_COLUMNS: &str = "sequence, project, id, kind, capabilities, version, created_at, state";
pub(crate) const RING_KEY_COLUMNS: &str = "number, wrapped, active, created_at";
pub(crate) const AUDIT_COLUMNS: &str =
    "sequence, at, project, actor, action, subject, outcome, count, detail, request_id, address, mac";

/// The signed number with the same bits: what SQLite keeps for an unsigned one.
pub(crate) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(crate) fn number(columns: &Columns<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(columns.get::<_, i64>(at)?.cast_unsigned())
}

pub(crate) fn project_id(columns: &Columns<'_>, at: usize) -> rusqlite::Result<ProjectId> {
    number(columns, at).map(ProjectId::new)
}

pub(crate) fn time(columns: &Columns<'_>, at: usize) -> rusqlite::Result<UnixMillis> {
    number(columns, at).map(UnixMillis)
}

pub(crate) fn flag(columns: &Columns<'_>, at: usize) -> rusqlite::Result<bool> {
    match columns.get::<_, i64>(at)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(damaged(at, Type::Integer, format!("{other} is neither 0 nor 1"))),
    }
}

/// A value that the columns' types allow and the records do not: somebody else wrote into our file.
fn damaged(at: usize, kind: Type, what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, kind, what.into())
}

pub(crate) fn channel(columns: &Columns<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        sequence: number(columns, 0)?,
        project: project_id(columns, 1)?,
        id: channel_id(columns, 2)?,
        kind: kind(columns, 3)?,
        capabilities: capabilities(columns, 4)?,
        version: number(columns, 5)?,
        created_at: time(columns, 6)?,
        state: state(columns, 7)?,
        settings: ChannelSettings::default(),
        run: 0,
        offset: 0,
    })
}

/// A state, read as strictly as one that comes from outside: the books do not prove it.
fn state(columns: &Columns<'_>, at: usize) -> rusqlite::Result<JsonObject> {
    let text = columns.get_ref(at)?.as_str()?;
    JsonObject::parse(text.as_bytes(), CHANNEL_STATE_BYTES_MAX).map_err(|error| damaged(at, Type::Text, error.detail))
}

pub(crate) fn channel_id(columns: &Columns<'_>, at: usize) -> rusqlite::Result<ChannelId> {
    let text = columns.get_ref(at)?.as_str()?;
    ChannelId::new(text).map_err(|error| damaged(at, Type::Text, error.detail))
}

pub(crate) fn kind(columns: &Columns<'_>, at: usize) -> rusqlite::Result<ChannelType> {
    let word = columns.get_ref(at)?.as_str()?;
    ChannelType::from_word(word).ok_or_else(|| damaged(at, Type::Text, format!("`{word}` is no channel type")))
}

pub(crate) fn capabilities(columns: &Columns<'_>, at: usize) -> rusqlite::Result<Capabilities> {
    let bits = number(columns, at)?;
    Capabilities::from_bits(bits).ok_or_else(|| damaged(at, Type::Integer, format!("{bits} are no channel settings")))
}

pub(crate) fn ring_key(columns: &Columns<'_>) -> rusqlite::Result<WrappedRingKey> {
    Ok(WrappedRingKey {
        number: columns.get(0)?,
        wrapped: columns.get(1)?,
        active: flag(columns, 2)?,
        created_at: time(columns, 3)?,
    })
}

pub(crate) const fn outcome_word(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Done => "done",
        AuditOutcome::Refused => "refused",
    }
}

fn outcome(columns: &Columns<'_>, at: usize) -> rusqlite::Result<AuditOutcome> {
    let word = columns.get_ref(at)?.as_str()?;
    [AuditOutcome::Done, AuditOutcome::Refused]
        .into_iter()
        .find(|outcome| outcome_word(*outcome) == word)
        .ok_or_else(|| damaged(at, Type::Text, format!("`{word}` is no outcome")))
}

pub(crate) fn audit_entry(columns: &Columns<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        sequence: number(columns, 0)?,
        draft: AuditDraft {
            at: time(columns, 1)?,
            project: columns.get::<_, Option<i64>>(2)?.map(|id| ProjectId::new(id.cast_unsigned())),
            actor: columns.get(3)?,
            action: columns.get(4)?,
            subject: columns.get(5)?,
            outcome: outcome(columns, 6)?,
            count: number(columns, 7)?,
            detail: columns.get(8)?,
            request_id: columns.get(9)?,
            address: columns.get(10)?,
        },
        mac: columns.get(11)?,
    })
}
