//! Everything that exists, told as changes: parents before children, row by row. Not the live feed; the writer is that.

use rusqlite::{Connection, Row};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::model::Subscription;
use tollgate_core::ports::store::{Change, Changes};

use crate::rows::{self, CHANNEL_COLUMNS, KEY_COLUMNS, PROJECT_COLUMNS, TOKEN_COLUMNS};
use crate::units::Failure;

/// Tells `observer` of every record.
pub(crate) fn replay(db: &Connection, observer: &dyn Changes) -> Result<(), Failure> {
    let tell = |sql: &str, change: fn(&Row<'_>) -> rusqlite::Result<Change>| -> rusqlite::Result<()> {
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            observer.committed(change(row)?);
        }
        Ok(())
    };
    tell(&format!("SELECT {PROJECT_COLUMNS} FROM projects ORDER BY id"), |row| {
        rows::project(row).map(Change::Project)
    })?;
    tell(&format!("SELECT {KEY_COLUMNS} FROM project_keys ORDER BY id"), |row| rows::key(row).map(Change::Key))?;
    tell(&format!("SELECT {CHANNEL_COLUMNS} FROM channels ORDER BY sequence"), |row| {
        rows::channel(row).map(Change::ChannelCreated)
    })?;
    tell(&format!("SELECT {TOKEN_COLUMNS} FROM tokens ORDER BY id"), |row| rows::token(row).map(Change::TokenCreated))?;
    tell(
        "SELECT c.project, s.token, c.id, s.ephemeral FROM subscriptions s JOIN channels c ON c.sequence = s.channel ORDER BY s.token, s.channel",
        |row| subscription(row).map(Change::Subscribed),
    )?;
    Ok(())
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    Ok(Subscription {
        project: ProjectId::new(row.get::<_, i64>(0)?.cast_unsigned()),
        token: TokenId::new(row.get::<_, i64>(1)?.cast_unsigned()),
        channel: rows::channel_id(row, 2)?,
        ephemeral: row.get(3)?,
    })
}
