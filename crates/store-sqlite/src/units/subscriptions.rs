//! Subscriptions of tokens.

use rusqlite::Connection;
use tollgate_core::audit::AuditDraft;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::limits::SUBSCRIPTIONS_PER_TOKEN_MAX;
use tollgate_core::model::Subscription;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, StoreError, StoreResult, Subject, SubscriptionStore};

use super::channels::find_channel;
use super::rows::has_token;
use super::{Failure, audit, execute, find};
use crate::SqliteStore;
use crate::books::Record;
use crate::columns::{self, signed};
use crate::writer::Work;

impl SubscriptionStore for SqliteStore {
    fn insert_subscription(
        &self,
        subscription: Subscription,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |work| {
            let is_new = subscribe(work, subscription)?;
            audit::write(work, audit)?;
            Ok(is_new)
        })
    }

    fn delete_subscription(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |work| {
            // The channel is looked up within the project, and only a token of the same project is ever subscribed to it.
            let was = match find_channel(work.db, project, &channel)? {
                Some(row) => end(work, token.get(), row)?,
                None => false,
            };
            if was {
                work.changes.push(Change::Unsubscribed { project, token, channel });
            }
            audit::write(work, audit)?;
            Ok(was)
        })
    }
}

/// Subscribes a token; gives whether anything changed.
pub(super) fn subscribe(work: &mut Work<'_>, subscription: Subscription) -> Result<bool, Failure> {
    let (db, token) = (work.db, subscription.token.get());
    if !has_token(db, subscription.project, token)? {
        return Err(StoreError::NotFound(Subject::Row(RowKind::Token)).into());
    }
    let channel =
        find_channel(db, subscription.project, &subscription.channel)?.ok_or(StoreError::NotFound(Subject::Channel))?;
    let key = (signed(token), signed(channel));
    let record = |ephemeral| Record::Subscription { token, channel, ephemeral };
    match kept(db, token, channel)? {
        // What is lasting stays so, and what is there already is no change.
        Some(ephemeral) if !ephemeral || subscription.ephemeral => return Ok(false),
        Some(ephemeral) => {
            execute(db, "UPDATE subscriptions SET ephemeral = 0 WHERE token = ?1 AND channel = ?2", key)?;
            work.books()?.remove(record(ephemeral));
        }
        None => {
            // Walks through the key of this token's rows alone, which are at most as many as the limit.
            let count = find(db, "SELECT count(*) FROM subscriptions WHERE token = ?1", (key.0,), |columns| {
                columns::number(columns, 0)
            })?;
            if count.unwrap_or(0) >= SUBSCRIPTIONS_PER_TOKEN_MAX as u64 {
                return Err(StoreError::LimitReached("subscriptions").into());
            }
            let values = (key.0, key.1, subscription.ephemeral);
            execute(db, "INSERT INTO subscriptions (token, channel, ephemeral) VALUES (?1, ?2, ?3)", values)?;
        }
    }
    work.books()?.add(record(subscription.ephemeral));
    work.changes.push(Change::Subscribed(subscription));
    Ok(true)
}

/// Whether the subscription that there is is ephemeral.
fn kept(db: &Connection, token: u64, channel: u64) -> rusqlite::Result<Option<bool>> {
    let sql = "SELECT ephemeral FROM subscriptions WHERE token = ?1 AND channel = ?2";
    find(db, sql, (signed(token), signed(channel)), |columns| columns::flag(columns, 0))
}

fn end(work: &mut Work<'_>, token: u64, channel: u64) -> Result<bool, Failure> {
    let Some(ephemeral) = kept(work.db, token, channel)? else { return Ok(false) };
    let key = (signed(token), signed(channel));
    execute(work.db, "DELETE FROM subscriptions WHERE token = ?1 AND channel = ?2", key)?;
    work.books()?.remove(Record::Subscription { token, channel, ephemeral });
    Ok(true)
}

/// Ends all subscriptions of a token, untold.
pub(super) fn end_all_of_token(work: &mut Work<'_>, token: u64) -> Result<(), Failure> {
    end_all(work, "DELETE FROM subscriptions WHERE token = ?1 RETURNING token, channel, ephemeral", token)
}

/// Ends all subscriptions to a channel, untold.
pub(super) fn end_all_to_channel(work: &mut Work<'_>, channel: u64) -> Result<(), Failure> {
    end_all(work, "DELETE FROM subscriptions WHERE channel = ?1 RETURNING token, channel, ephemeral", channel)
}

fn end_all(work: &mut Work<'_>, sql: &str, of: u64) -> Result<(), Failure> {
    let mut statement = work.db.prepare_cached(sql)?;
    let books = work.books()?;
    let mut ended = statement.query((signed(of),))?;
    while let Some(columns) = ended.next()? {
        let (token, channel) = (columns::number(columns, 0)?, columns::number(columns, 1)?);
        books.remove(Record::Subscription { token, channel, ephemeral: columns::flag(columns, 2)? });
    }
    Ok(())
}
