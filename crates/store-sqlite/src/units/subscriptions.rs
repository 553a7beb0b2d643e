//! Subscriptions of tokens.

use rusqlite::Connection;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::limits::SUBSCRIPTIONS_PER_TOKEN_MAX;
use tollgate_core::model::Subscription;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, StoreError, StoreResult, Subject, SubscriptionStore};

use super::channels::find_channel;
use super::tokens::has_token;
use super::{Failure, execute, find};
use crate::SqliteStore;
use crate::rows::signed;

impl SubscriptionStore for SqliteStore {
    fn insert_subscription(&self, subscription: Subscription) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |db, changes| {
            if !has_token(db, subscription.project, subscription.token)? {
                return Err(StoreError::NotFound(Subject::Token).into());
            }
            subscribe(db, changes, subscription)
        })
    }

    fn delete_subscription(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: ChannelId,
    ) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |db, changes| {
            // The channel is looked up within the project, and only a token of the same project is ever subscribed to it.
            let Some(row) = find_channel(db, project, &channel)? else { return Ok(false) };
            let deleted =
                execute(db, "DELETE FROM subscriptions WHERE token = ?1 AND channel = ?2", (signed(token.get()), row))?;
            if deleted > 0 {
                changes.push(Change::Unsubscribed { project, token, channel });
            }
            Ok(deleted > 0)
        })
    }
}

/// Subscribes a token that exists; gives whether anything changed.
pub(super) fn subscribe(
    db: &Connection,
    changes: &mut Vec<Change>,
    subscription: Subscription,
) -> Result<bool, Failure> {
    let token = signed(subscription.token.get());
    let channel =
        find_channel(db, subscription.project, &subscription.channel)?.ok_or(StoreError::NotFound(Subject::Channel))?;
    let kept =
        find(db, "SELECT ephemeral FROM subscriptions WHERE token = ?1 AND channel = ?2", (token, channel), |row| {
            row.get::<_, bool>(0)
        })?;
    match kept {
        // What is lasting stays so, and what is there already is no change.
        Some(ephemeral) if !ephemeral || subscription.ephemeral => return Ok(false),
        Some(_) => {
            execute(db, "UPDATE subscriptions SET ephemeral = 0 WHERE token = ?1 AND channel = ?2", (token, channel))?;
        }
        None => {
            // Walks through the key of this token's rows alone, which are at most as many as the limit.
            let count =
                find(db, "SELECT count(*) FROM subscriptions WHERE token = ?1", (token,), |row| row.get::<_, i64>(0))?;
            if count.unwrap_or(0) >= SUBSCRIPTIONS_PER_TOKEN_MAX as i64 {
                return Err(StoreError::LimitReached("subscriptions").into());
            }
            let values = (token, channel, subscription.ephemeral);
            execute(db, "INSERT INTO subscriptions (token, channel, ephemeral) VALUES (?1, ?2, ?3)", values)?;
        }
    }
    changes.push(Change::Subscribed(subscription));
    Ok(true)
}
