//! Between columns and records: numbers that SQLite keeps signed, and the columns of each record. No statement that changes anything.
//!
//! A value is read strictly: one that we would never have written is damage, even where it could be understood.

use std::sync::Arc;

use rusqlite::Row as Columns;
use rusqlite::types::Type;
use tollgate_core::audit::{AuditDraft, AuditEntry, AuditOutcome};
use tollgate_core::clock::UnixMillis;
use tollgate_core::delivery::{Extra, Publication};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{
    CHANNEL_STATE_BYTES_MAX, EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, PUBLICATION_ID_BYTES_MAX, USER_ID_CHARS_MAX,
};
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, ChannelType, HistorySettings};
use tollgate_core::ports::store::WrappedRingKey;

pub(crate) const CHANNEL_COLUMNS: &str = "sequence, project, id, kind, capabilities, version, created_at, history_size, history_ttl_ms, flags, conflate_per_second, run, state";
/// What [`settings`] reads.
pub(crate) const SETTINGS_COLUMNS: &str = "history_size, history_ttl_ms, flags, conflate_per_second";
pub(crate) const MESSAGE_COLUMNS: &str = "offset, at, token, user, connection, id, event, data";
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
        settings: settings(columns, 7)?,
        run: columns.get(11)?,
        offset: 0,
        state: state(columns, 12)?,
    })
}

/// The bits of `flags`, in the order of [`flags`].
pub(crate) const DURABLE: u32 = 1;
const PRESENCE: u32 = 2;
const ECHO: u32 = 4;
const RETAIN: u32 = 8;

/// The settings that are on or off.
pub(crate) fn flags(settings: &ChannelSettings) -> u32 {
    let bit = |is_on: bool, bit| if is_on { bit } else { 0 };
    bit(settings.history.durable, DURABLE)
        | bit(settings.presence, PRESENCE)
        | bit(settings.echo, ECHO)
        | bit(settings.retain, RETAIN)
}

/// Settings out of [`SETTINGS_COLUMNS`], the first of which stands at `at`.
pub(crate) fn settings(columns: &Columns<'_>, at: usize) -> rusqlite::Result<ChannelSettings> {
    let flags: u32 = columns.get(at + 2)?;
    if flags & !(DURABLE | PRESENCE | ECHO | RETAIN) != 0 {
        return Err(damaged(at + 2, Type::Integer, format!("{flags} are no flags of a channel")));
    }
    let has = |bit| flags & bit != 0;
    Ok(ChannelSettings {
        history: HistorySettings { size: columns.get(at)?, ttl_ms: number(columns, at + 1)?, durable: has(DURABLE) },
        presence: has(PRESENCE),
        echo: has(ECHO),
        retain: has(RETAIN),
        conflate_per_second: columns.get(at + 3)?,
    })
}

/// A message with its offset, read almost as strictly as one that comes from outside: the books do not prove it.
pub(crate) fn message(columns: &Columns<'_>) -> rusqlite::Result<(u64, Publication)> {
    let extra = Extra {
        token: columns.get::<_, Option<i64>>(2)?.map(|id| TokenId::new(id.cast_unsigned())),
        user: short_text(columns, 3, 4 * USER_ID_CHARS_MAX)?,
        connection: columns.get::<_, Option<i64>>(4)?.map(|id| ConnectionId::new(id.cast_unsigned())),
        id: short_text(columns, 5, PUBLICATION_ID_BYTES_MAX)?,
    };
    let event = short_text(columns, 6, EVENT_BYTES_MAX)?;
    let event = event.ok_or_else(|| damaged(6, Type::Null, "a message has no event".into()))?;
    let data = columns.get_ref(7)?.as_str()?;
    let data = JsonValue::parse_stored(data, MESSAGE_BYTES_MAX);
    let data = data.map_err(|error| damaged(7, Type::Text, error.detail))?;
    let extra = (extra != Extra::default()).then(|| Arc::new(extra));
    Ok((number(columns, 0)?, Publication { event, data, at: time(columns, 1)?, extra }))
}

fn short_text(columns: &Columns<'_>, at: usize, bytes_max: usize) -> rusqlite::Result<Option<Arc<str>>> {
    let Some(text) = columns.get_ref(at)?.as_str_or_null()? else { return Ok(None) };
    if text.len() > bytes_max {
        return Err(damaged(at, Type::Text, format!("a text of {} bytes is too long", text.len())));
    }
    Ok(Some(text.into()))
}

/// A state, read almost as strictly as one that comes from outside: the books do not prove it.
fn state(columns: &Columns<'_>, at: usize) -> rusqlite::Result<JsonObject> {
    let text = columns.get_ref(at)?.as_str()?;
    JsonObject::parse_stored(text, CHANNEL_STATE_BYTES_MAX).map_err(|error| damaged(at, Type::Text, error.detail))
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
