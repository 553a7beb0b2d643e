//! Sealed rows on their way into memory: opened, read, and put where their kind belongs.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tollgate_core::CloseReason;
use tollgate_core::clock::Monotonic;
use tollgate_core::credentials::{DataKeys, RowBinding, RowKind};
use tollgate_core::ids::{IssuerId, KeyId, TokenId, UserId};
use tollgate_core::ports::store::{Row, RowName};
use tollgate_core::records::{self, TokenRecord};

use super::records::Table;
use super::{Directory, Kept, KeyEntry, ProjectEntry, SignedBy, TokenEntry};
use crate::hub::Request;

impl Directory {
    pub(super) fn put_row(&self, row: &Row) {
        let Some(entry) = self.owner(row.name.project) else { return };
        if self.place_row(&entry, row).is_none() {
            self.unreadable(&format_args!(
                "the {} with number {} of project {}",
                row.name.kind.word(),
                row.name.id,
                row.name.project
            ));
        }
    }

    /// Nothing if the row does not open, or holds something else.
    fn place_row(&self, entry: &ProjectEntry, row: &Row) -> Option<()> {
        let id = row.name.id;
        match row.name.kind {
            RowKind::Settings => entry.write_kept(row, |records, kept| records.settings = Some(kept)),
            RowKind::Key => {
                let kept = entry.open_kept(row)?;
                self.insert_key(KeyEntry {
                    id: KeyId::new(id),
                    project: row.name.project,
                    revision: row.revision,
                    sealed_under: kept.sealed_under,
                    record: kept.record,
                });
                Some(())
            }
            RowKind::User => self.put_user(entry, row),
            RowKind::Token => self.put_token(entry, row),
            RowKind::AuthToken => entry.write_kept(row, |records, kept: Kept<records::AuthTokenRecord>| {
                records.auth_tokens_by_hash.insert(kept.record.hash, id);
                records.auth_tokens.insert(id, kept);
            }),
            RowKind::Idempotency => entry.write_kept(row, |records, kept: Kept<records::IdempotencyRecord>| {
                records.idempotency_by_key.insert(kept.record.key, id);
                records.idempotency.insert(id, kept);
            }),
            RowKind::Issuer => {
                entry.fill(row, |records| &mut records.issuers)?;
                let is_out = |kept: &Kept<records::IssuerRecord>| kept.record.disabled_at.is_some();
                if entry.read().issuers.get(&id).is_some_and(is_out) {
                    self.close_signed_by(entry, SignedBy::Issuer(IssuerId::new(id)));
                }
                Some(())
            }
            RowKind::SigningKey => {
                entry.fill(row, |records| &mut records.signing_keys)?;
                if entry.read().signing_keys.get(&id).is_some_and(|kept| kept.record.retired_at.is_some()) {
                    self.close_signed_by(entry, SignedBy::Key(id));
                }
                Some(())
            }
            RowKind::Webhook => entry.fill(row, |records| &mut records.webhooks),
            RowKind::Delivery => entry.write_kept(row, |records, kept| records.deliveries.put(id, kept)),
            RowKind::Job => entry.fill(row, |records| &mut records.jobs),
            RowKind::TokenUsage => entry.fill(row, |records| &mut records.token_usage),
            RowKind::UserUsage => entry.fill(row, |records| &mut records.user_usage),
            RowKind::ProjectUsage => entry.write_kept(row, |records, kept| records.project_usage = Some(kept)),
            RowKind::OnlineToken => entry.fill(row, |records| &mut records.online_told),
            RowKind::OccupiedChannel => entry.fill(row, |records| &mut records.occupied_told),
            RowKind::Mailbox => entry.write_kept(row, |records, kept| self.put_mailbox(records, id, kept)),
            RowKind::DirectMessage => {
                let kept = entry.open_kept(row)?;
                let told = self.put_direct(entry.project.id, &mut entry.write(), id, kept);
                // Without the records in hand: a home that is busy may be about to read them.
                if let (Some((token, told)), Some(hub)) = (told, self.hub.get()) {
                    hub.tell(hub.home_of_token(token), told);
                }
                Some(())
            }
            RowKind::Operator => entry.fill(row, |records| &mut records.operators),
            RowKind::Invitation => entry.fill(row, |records| &mut records.invitations),
            // Not kept in memory: a store does not hand it over.
            RowKind::JobPart => Some(()),
        }
    }

    pub(super) fn remove_row(&self, name: RowName, now: Monotonic) {
        let Some(entry) = self.owner(name.project) else { return };
        let mut records = entry.write();
        let id = name.id;
        match name.kind {
            RowKind::Settings => records.settings = None,
            RowKind::Key => {
                drop(records);
                self.remove_key(KeyId::new(id));
            }
            RowKind::User => records.remove_user(UserId::new(id)),
            RowKind::Token => {
                self.note_presence(&records, name.project, TokenId::new(id));
                let connections = records.remove_token(TokenId::new(id), now);
                drop(records);
                self.tell(Some(connections), |one| Request::Close(one.key, CloseReason::TokenRevoked));
            }
            RowKind::AuthToken => {
                if let Some(old) = records.auth_tokens.remove(&id) {
                    records.auth_tokens_by_hash.remove(&old.record.hash);
                }
            }
            RowKind::Idempotency => {
                if let Some(old) = records.idempotency.remove(&id) {
                    records.idempotency_by_key.remove(&old.record.key);
                }
            }
            RowKind::Issuer => {
                records.issuers.remove(&id);
                drop(records);
                self.close_signed_by(&entry, SignedBy::Issuer(IssuerId::new(id)));
            }
            RowKind::SigningKey => {
                records.signing_keys.remove(&id);
                drop(records);
                self.close_signed_by(&entry, SignedBy::Key(id));
            }
            RowKind::Webhook => drop(records.webhooks.remove(&id)),
            RowKind::Delivery => records.deliveries.remove(id),
            RowKind::Job => drop(records.jobs.remove(&id)),
            RowKind::TokenUsage => drop(records.token_usage.remove(&id)),
            RowKind::UserUsage => drop(records.user_usage.remove(&id)),
            RowKind::ProjectUsage => records.project_usage = None,
            RowKind::OnlineToken => drop(records.online_told.remove(&id)),
            RowKind::OccupiedChannel => drop(records.occupied_told.remove(&id)),
            RowKind::Mailbox => records.mailboxes.remove_head(TokenId::new(id)),
            RowKind::DirectMessage => records.mailboxes.remove_message(id),
            RowKind::Operator => drop(records.operators.remove(&id)),
            RowKind::Invitation => drop(records.invitations.remove(&id)),
            RowKind::JobPart => {}
        }
    }

    /// Puts a token's record in place, and tells its connections what concerns them.
    fn put_token(&self, entry: &ProjectEntry, row: &Row) -> Option<()> {
        let record: TokenRecord = entry.open(row)?;
        let now = self.clock.unix();
        let mut records = entry.write();
        let id = TokenId::new(row.name.id);
        let ends = |token: &TokenEntry| -> Vec<_> {
            token.live_connections().iter().map(|live| (live.connection, token.live_until(live))).collect()
        };
        let before = records.token(id).map(ends).unwrap_or_default();
        let token = records.put_token(id, record, row.revision, sealed_under(row));
        let out: Vec<_> = token.live_connections().iter().map(|live| token.must_go(live, now)).collect();
        let after = ends(token);
        drop(records);
        let Some(hub) = self.hub.get() else { return Some(()) };
        for (((connection, end), (_, end_before)), reason) in after.into_iter().zip(before).zip(out) {
            if let Some(reason) = reason {
                hub.tell(connection.shard, Request::Close(connection.key, reason));
            } else if end != end_before {
                hub.tell(connection.shard, Request::ExpiryChanged(connection.key));
            }
        }
        Some(())
    }

    /// Closes what came in by a JWT that this key or issuer signed: nothing that it signed is believed any more.
    fn close_signed_by(&self, entry: &ProjectEntry, by: SignedBy) {
        // Nobody is connected while the records are read at the start.
        if self.hub.get().is_none() {
            return;
        }
        let records = entry.read();
        let live = records.tokens().flat_map(|(_, token)| token.live_connections());
        let came_by_it =
            live.filter(|live| live.jwt.as_ref().is_some_and(|jwt| jwt.by == by)).map(|live| live.connection);
        let connections: Vec<_> = came_by_it.collect();
        drop(records);
        self.tell(Some(connections), |one| Request::Close(one.key, CloseReason::TokenRevoked));
    }

    /// Puts a user's record in place. Who is banned by it is out at once.
    fn put_user(&self, entry: &ProjectEntry, row: &Row) -> Option<()> {
        let kept: Kept<records::UserRecord> = entry.open_kept(row)?;
        let (user, is_banned) = (UserId::new(row.name.id), kept.record.banned_at.is_some());
        let mut records = entry.write();
        records.put_user(user, kept);
        let tokens = records.user(user).filter(|_| is_banned).map(|user| user.tokens.clone()).unwrap_or_default();
        let connections = tokens.iter().filter_map(|token| records.token(*token)).flat_map(TokenEntry::connections);
        let connections: Vec<_> = connections.collect();
        drop(records);
        self.tell(Some(connections), |one| Request::Close(one.key, CloseReason::TokenRevoked));
        Some(())
    }

    fn insert_key(&self, key: KeyEntry) {
        let mut keys = self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.by_hash.insert(key.record.hash, key.id);
        keys.by_id.insert(key.id, key);
    }

    fn remove_key(&self, key: KeyId) {
        let mut keys = self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(old) = keys.by_id.remove(&key) {
            keys.by_hash.remove(&old.record.hash);
        }
    }
}

impl ProjectEntry {
    /// The record that a row holds; nothing if it does not open or is of another shape.
    pub(crate) fn open<T: DeserializeOwned>(&self, row: &Row) -> Option<T> {
        let RowName { kind, project, id } = row.name;
        let binding = RowBinding { kind, project, id, revision: row.revision };
        records::from_bytes(&self.data_keys().open(binding, &row.sealed).ok()?)
    }

    fn open_kept<T: DeserializeOwned>(&self, row: &Row) -> Option<Kept<T>> {
        Some(Kept { revision: row.revision, sealed_under: sealed_under(row), record: Arc::new(self.open(row)?) })
    }

    fn write_kept<T: DeserializeOwned>(
        &self,
        row: &Row,
        place: impl FnOnce(&mut super::Records, Kept<T>),
    ) -> Option<()> {
        let kept = self.open_kept(row)?;
        place(&mut self.write(), kept);
        Some(())
    }

    fn fill<T: DeserializeOwned>(
        &self,
        row: &Row,
        table: impl FnOnce(&mut super::Records) -> &mut Table<T>,
    ) -> Option<()> {
        self.write_kept(row, |records, kept| {
            table(records).insert(row.name.id, kept);
        })
    }
}

fn sealed_under(row: &Row) -> u16 {
    DataKeys::number_of(&row.sealed).unwrap_or(0)
}

impl super::Records {
    /// Rows of the project that are sealed under another data key than the newest, keys apart.
    pub(crate) fn sealed_under_older(&self, newest: u16) -> Vec<(RowKind, u64)> {
        fn older<T>(kind: RowKind, table: &Table<T>, newest: u16) -> impl Iterator<Item = (RowKind, u64)> {
            table.iter().filter(move |(_, kept)| kept.sealed_under != newest).map(move |(id, _)| (kind, *id))
        }
        let settings = self.settings.iter().filter(|kept| kept.sealed_under != newest);
        let usage = self.project_usage.iter().filter(|kept| kept.sealed_under != newest);
        let tokens = self.tokens().filter(|(_, token)| token.sealed_under != newest);
        let (mailboxes, messages) = self.mailboxes.sealed_under_older(newest);
        let users = self.users().iter().filter(|(_, user)| user.kept.sealed_under != newest);
        settings
            .map(|_| (RowKind::Settings, 0))
            .chain(usage.map(|_| (RowKind::ProjectUsage, 0)))
            .chain(users.map(|(id, _)| (RowKind::User, id.get())))
            .chain(tokens.map(|(id, _)| (RowKind::Token, id.get())))
            .chain(older(RowKind::AuthToken, &self.auth_tokens, newest))
            .chain(older(RowKind::Issuer, &self.issuers, newest))
            .chain(older(RowKind::SigningKey, &self.signing_keys, newest))
            .chain(older(RowKind::Webhook, &self.webhooks, newest))
            .chain(older(RowKind::Delivery, self.deliveries.table(), newest))
            .chain(older(RowKind::Job, &self.jobs, newest))
            .chain(older(RowKind::TokenUsage, &self.token_usage, newest))
            .chain(older(RowKind::UserUsage, &self.user_usage, newest))
            .chain(older(RowKind::OnlineToken, &self.online_told, newest))
            .chain(older(RowKind::OccupiedChannel, &self.occupied_told, newest))
            .chain(older(RowKind::Idempotency, &self.idempotency, newest))
            .chain(older(RowKind::Operator, &self.operators, newest))
            .chain(older(RowKind::Invitation, &self.invitations, newest))
            .chain(mailboxes.into_iter().map(|token| (RowKind::Mailbox, token)))
            .chain(messages.into_iter().map(|row| (RowKind::DirectMessage, row)))
            .collect()
    }
}
