//! Tokens.

use rusqlite::Connection;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::model::{Subscription, Token};
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Change, StoreError, StoreResult, Subject, TokenChange, TokenStore};

use super::subscriptions::subscribe;
use super::{Failure, execute, find};
use crate::SqliteStore;
use crate::rows::{self, signed, time};

impl TokenStore for SqliteStore {
    fn insert_token(&self, token: Token, channels: Vec<ChannelId>) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            let (project, id) = (token.project, token.id);
            execute(
                db,
                "INSERT INTO tokens (id, project, generation, created_at, expires_at, sealed_state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (
                    signed(id.get()),
                    signed(project.get()),
                    token.generation,
                    signed(token.created_at.0),
                    time(token.expires_at),
                    token.sealed_state.as_deref(),
                ),
            )
            .map_err(|error| Failure::insert(&error, Subject::Token, Subject::Project))?;
            changes.push(Change::TokenCreated(token));
            for channel in channels {
                subscribe(db, changes, Subscription { project, token: id, channel, ephemeral: false })?;
            }
            Ok(())
        })
    }

    fn change_token(&self, project: ProjectId, token: TokenId, change: TokenChange) -> Pending<'_, StoreResult<Token>> {
        self.unit(move |db, changes| {
            let key = (signed(token.get()), signed(project.get()));
            let old = find(
                db,
                "SELECT id, project, generation, created_at, expires_at, sealed_state FROM tokens WHERE id = ?1 AND project = ?2",
                key,
                rows::token,
            )?;
            let old = old.ok_or(StoreError::NotFound(Subject::Token))?;
            let mut new = old.clone();
            if let Some(sealed_state) = change.sealed_state {
                new.sealed_state = sealed_state;
            }
            if let Some(expires_at) = change.expires_at {
                new.expires_at = expires_at;
            }
            if new != old {
                let values = (time(new.expires_at), new.sealed_state.as_deref(), key.0);
                execute(db, "UPDATE tokens SET expires_at = ?1, sealed_state = ?2 WHERE id = ?3", values)?;
                changes.push(Change::TokenChanged(new.clone()));
            }
            Ok(new)
        })
    }

    fn delete_token(&self, project: ProjectId, token: TokenId) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, changes| {
            let key = (signed(token.get()), signed(project.get()));
            if execute(db, "DELETE FROM tokens WHERE id = ?1 AND project = ?2", key)? == 0 {
                return Err(StoreError::NotFound(Subject::Token).into());
            }
            changes.push(Change::TokenDeleted { project, token });
            Ok(())
        })
    }
}

/// Whether the project has this token.
pub(super) fn has_token(db: &Connection, project: ProjectId, token: TokenId) -> rusqlite::Result<bool> {
    let key = (signed(token.get()), signed(project.get()));
    Ok(find(db, "SELECT 1 FROM tokens WHERE id = ?1 AND project = ?2", key, |_| Ok(()))?.is_some())
}
