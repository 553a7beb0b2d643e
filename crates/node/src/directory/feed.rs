//! The change feed's end in this process: each committed change enters the records, and the shards that it concerns are told.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{ChannelSnapshot, Expiry};
use tollgate_core::credentials::{RowBinding, RowKind};
use tollgate_core::ids::{ChannelKey, ProjectId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Channel, Project, ProjectKey, Token};
use tollgate_core::ports::store::{Change, Changes};

use super::{ChannelEntry, Directory, ProjectEntry, Records, TokenEntry};
use crate::hub::{ConnectionRef, Request};

impl Changes for Directory {
    fn committed(&self, change: Change) {
        let now = self.clock.monotonic();
        match change {
            Change::Project(project) => self.insert_project(project),
            Change::Key(key) => self.insert_key(key),
            Change::ChannelCreated(channel) => self.insert_channel(channel),
            Change::ChannelState { project, channel, state, version } => {
                self.change_channel(&ChannelKey { project, channel }, Request::StateChanged, |snapshot| {
                    (snapshot.state, snapshot.version) = (state, version)
                });
            }
            Change::ChannelCapabilities { project, channel, capabilities } => {
                self.change_channel(
                    &ChannelKey { project, channel: channel.clone() },
                    Request::SettingsChanged,
                    |snapshot| snapshot.capabilities = capabilities,
                );
                self.with(project, |records| records.note_deserted(&channel, now));
            }
            Change::ChannelDeleted { project, channel } => {
                let sequence = self.with(project, |records| records.remove_channel(&channel)).flatten();
                let key = ChannelKey { project, channel };
                if let (Some(sequence), Some(hub)) = (sequence, self.hub.get()) {
                    hub.tell(hub.home(&key), Request::Deleted(key, sequence));
                }
            }
            Change::TokenCreated(token) => self.insert_token(&token),
            Change::TokenChanged(token) => self.change_token(&token),
            Change::TokenDeleted { project, token } => {
                let connections = self.with(project, |records| records.remove_token(token, now));
                self.tell(connections, |connection| Request::Close(connection.key, CloseReason::TokenRevoked));
            }
            Change::Subscribed(new) => {
                let connections =
                    self.with(new.project, |records| records.subscribe(new.token, &new.channel, new.ephemeral, now));
                let key = ChannelKey { project: new.project, channel: new.channel };
                self.tell_through_home(connections, &key, Request::Join);
            }
            Change::Unsubscribed { project, token, channel } => {
                let connections = self.with(project, |records| records.unsubscribe(token, &channel, now));
                let key = ChannelKey { project, channel };
                self.tell_through_home(connections, &key, Request::Leave);
            }
        }
    }
}

impl Directory {
    fn with<T>(&self, project: ProjectId, work: impl FnOnce(&mut Records) -> T) -> Option<T> {
        self.project(project).map(|entry| work(&mut entry.write()))
    }

    fn tell(&self, connections: Option<Vec<ConnectionRef>>, word: impl Fn(ConnectionRef) -> Request) {
        let Some(hub) = self.hub.get() else { return };
        for connection in connections.unwrap_or_default() {
            hub.tell(connection.shard, word(connection));
        }
    }

    /// Through the channel's home, so that it comes after what was published before.
    fn tell_through_home(
        &self,
        connections: Option<Vec<ConnectionRef>>,
        key: &ChannelKey,
        word: fn(ConnectionRef, ChannelKey) -> Request,
    ) {
        let Some(hub) = self.hub.get() else { return };
        for connection in connections.unwrap_or_default() {
            hub.tell(hub.home(key), word(connection, key.clone()));
        }
    }

    fn insert_project(&self, project: Project) {
        match self.master_key.unwrap_data_key(project.id, &project.wrapped_data_key) {
            Ok(data_key) => {
                let entry = ProjectEntry { data_key, records: RwLock::default(), project };
                self.projects.write().unwrap_or_else(PoisonError::into_inner).insert(entry.project.id, Arc::new(entry));
            }
            Err(refusal) => {
                self.counters.records_unreadable.add(1);
                tracing::error!(project = %project.id, %refusal, "the project's data key does not open");
            }
        }
    }

    fn insert_key(&self, key: ProjectKey) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.by_hash.insert(key.hash, key.id);
        keys.by_id.insert(key.id, key);
    }

    fn insert_channel(&self, channel: Channel) {
        let (project, id, now) = (channel.project, channel.id.clone(), self.clock.monotonic());
        let entry = ChannelEntry {
            created_at: channel.created_at,
            tokens: BTreeSet::new(),
            anonymous: 0,
            deserted_at: now,
            snapshot: Arc::new(ChannelSnapshot {
                project,
                channel: channel.id,
                kind: channel.kind,
                capabilities: channel.capabilities,
                state: channel.state,
                version: channel.version,
                sequence: channel.sequence,
            }),
        };
        self.with(project, |records| {
            records.insert_channel(entry);
            records.note_deserted(&id, now);
        });
    }

    fn change_channel(
        &self,
        key: &ChannelKey,
        word: fn(Arc<ChannelSnapshot>) -> Request,
        change: impl FnOnce(&mut ChannelSnapshot),
    ) {
        let snapshot = self.with(key.project, |records| records.change_channel(&key.channel, change)).flatten();
        if let (Some(snapshot), Some(hub)) = (snapshot, self.hub.get()) {
            hub.tell(hub.home(key), word(snapshot));
        }
    }

    /// A token's state in clear; nothing if it does not open, which is counted.
    fn open_state(&self, entry: &ProjectEntry, token: &Token) -> Option<JsonObject> {
        let row = RowBinding {
            kind: RowKind::TokenState,
            project: token.project,
            id: token.id.get(),
            generation: token.generation,
        };
        let opened = entry.data_key.open(row, token.sealed_state.as_deref()?);
        let Ok(Ok(text)) = opened.map(|text| String::from_utf8(text.to_vec())) else {
            self.counters.records_unreadable.add(1);
            tracing::error!(token = %token.id, "the token's sealed state does not open");
            return None;
        };
        Some(JsonObject::from_stored(text))
    }

    fn insert_token(&self, token: &Token) {
        let Some(entry) = self.project(token.project) else { return };
        let record = TokenEntry {
            generation: token.generation,
            state: self.open_state(&entry, token),
            created_at: token.created_at,
            expires_at: token.expires_at,
            subscriptions: Vec::new(),
            connections: Vec::new(),
            offline_at: self.clock.monotonic(),
        };
        entry.write().insert_token(token.id, record);
    }

    fn change_token(&self, token: &Token) {
        let Some(entry) = self.project(token.project) else { return };
        let state = self.open_state(&entry, token);
        let mut records = entry.write();
        let Some(record) = records.token_mut(token.id) else { return };
        let expiry_changed = record.expires_at != token.expires_at;
        (record.generation, record.state, record.expires_at) = (token.generation, state, token.expires_at);
        let connections = record.connections.clone();
        drop(records);
        if expiry_changed {
            let expiry = expiry(token.created_at, token.expires_at, self.clock.unix());
            self.tell(Some(connections), |connection| Request::ExpiryChanged(connection.key, expiry));
        }
    }
}

/// How long a token still has, and had.
pub(crate) fn expiry(created_at: UnixMillis, expires_at: Option<UnixMillis>, now: UnixMillis) -> Option<Expiry> {
    let end = expires_at?;
    Some(Expiry { left_ms: end.0.saturating_sub(now.0), life_ms: end.0.saturating_sub(created_at.0) })
}
