//! The change feed's end in this process: each committed change enters the records, and the shards that it concerns are told.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{ChannelSnapshot, Expiry};
use tollgate_core::credentials::{DataKeys, KeyRing, MasterKey, SealRefusal};
use tollgate_core::ids::{ChannelKey, ProjectId};
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, Project, durable_epoch};
use tollgate_core::ports::store::{Change, Changes, Vault};

use super::{ChannelEntry, Directory, Founded, ProjectEntry, Records};
use crate::hub::{ConnectionRef, Request};

impl Changes for Directory {
    fn committed(&self, change: Change) {
        let now = self.clock.monotonic();
        match change {
            Change::Project(project) => self.put_project(project),
            Change::Vault(vault) => self.put_vault(&vault),
            Change::Row(row) => self.put_row(&row),
            Change::RowDeleted(name) => self.remove_row(name, now),
            Change::ChannelCreated(channel) => self.insert_channel(channel),
            Change::ChannelState { project, channel, state, version } => {
                let word = |snapshot, _| Request::StateChanged(snapshot);
                self.change_channel(&ChannelKey { project, channel }, word, |snapshot| {
                    (snapshot.state, snapshot.version) = (state, version)
                });
            }
            Change::ChannelSettings { project, channel, capabilities, settings, run } => {
                let key = ChannelKey { project, channel: channel.clone() };
                self.change_settings(&key, capabilities, settings, run);
                self.with(project, |records| records.note_deserted(&channel, now));
            }
            Change::Published { project, channel, position, publication } => {
                self.with(project, |records| records.note_offset(&channel, position.offset));
                let key = ChannelKey { project, channel };
                if let Some(hub) = self.hub.get() {
                    hub.tell(hub.home(&key), Request::Stored(key, position, publication));
                }
            }
            Change::ChannelDeleted { project, channel } => {
                let sequence = self.with(project, |records| {
                    self.note_channel(records, project, &channel);
                    records.remove_channel(&channel)
                });
                let sequence = sequence.flatten();
                let key = ChannelKey { project, channel };
                if let (Some(sequence), Some(hub)) = (sequence, self.hub.get()) {
                    hub.tell(hub.home(&key), Request::Deleted(key, sequence));
                }
            }
            Change::Subscribed(new) => {
                let connections = self.with(new.project, |records| {
                    let connections = records.subscribe(new.token, &new.channel, new.ephemeral, now);
                    self.note_channel(records, new.project, &new.channel);
                    connections
                });
                let key = ChannelKey { project: new.project, channel: new.channel };
                self.tell_through_home(connections, &key, Request::Join);
            }
            Change::Unsubscribed { project, token, channel } => {
                let connections = self.with(project, |records| {
                    let connections = records.unsubscribe(token, &channel, now);
                    self.note_channel(records, project, &channel);
                    connections
                });
                let key = ChannelKey { project, channel };
                self.tell_through_home(connections, &key, |connection, key| Request::Leave(connection, key, token));
            }
        }
    }
}

impl Directory {
    pub(super) fn with<T>(&self, project: ProjectId, work: impl FnOnce(&mut Records) -> T) -> Option<T> {
        self.project(project).map(|entry| work(&mut entry.write()))
    }

    pub(super) fn tell(&self, connections: Option<Vec<ConnectionRef>>, word: impl Fn(ConnectionRef) -> Request) {
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
        word: impl Fn(ConnectionRef, ChannelKey) -> Request,
    ) {
        let Some(hub) = self.hub.get() else { return };
        for connection in connections.unwrap_or_default() {
            hub.tell(hub.home(key), word(connection, key.clone()));
        }
    }

    fn put_project(&self, project: Project) {
        let master_key = self.master_key();
        let unwrapped = project
            .wrapped_data_keys
            .iter()
            .map(|(number, wrapped)| Ok((*number, master_key.unwrap_data_key(project.id, *number, wrapped)?)))
            .collect::<Result<Vec<_>, SealRefusal>>();
        let Some(data_keys) = unwrapped.ok().and_then(DataKeys::new).map(Arc::new) else {
            return self.unreadable(&format_args!("a data key of project {}", project.id));
        };
        if let Some(entry) = self.owner(project.id) {
            *entry.data_keys.write().unwrap_or_else(PoisonError::into_inner) = data_keys;
            *entry.wrapped_data_keys.write().unwrap_or_else(PoisonError::into_inner) = project.wrapped_data_keys;
            *entry.name.write().unwrap_or_else(PoisonError::into_inner) = project.name.into();
            return;
        }
        let entry = ProjectEntry {
            project: Founded { id: project.id, created_at: project.created_at },
            name: RwLock::new(project.name.into()),
            data_keys: RwLock::new(data_keys),
            wrapped_data_keys: RwLock::new(project.wrapped_data_keys),
            minting: tokio::sync::RwLock::default(),
            records: RwLock::default(),
        };
        let (id, entry) = (entry.project.id, Arc::new(entry));
        if id == ProjectId::HOUSE {
            let _only_once = self.house.set(entry);
        } else {
            self.projects.write().unwrap_or_else(PoisonError::into_inner).insert(id, entry);
        }
    }

    fn put_vault(&self, vault: &Vault) {
        match open_ring(&self.master_key(), vault) {
            Some(ring) => *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring),
            None => self.unreadable(&"the key ring"),
        }
    }

    /// Counts and logs what does not open: at the start it stops the start, later it is a defect.
    pub(super) fn unreadable(&self, what: &dyn std::fmt::Display) {
        self.counters.records_unreadable.add(1);
        tracing::error!("{what} does not open");
    }

    fn insert_channel(&self, channel: Channel) {
        let (project, id, now) = (channel.project, channel.id.clone(), self.clock.monotonic());
        let durable_epoch = channel.durable_epoch();
        let entry = ChannelEntry {
            created_at: channel.created_at,
            offset: channel.offset,
            revision: 0,
            tokens: BTreeSet::new(),
            online: 0,
            anonymous: 0,
            deserted_at: now,
            snapshot: Arc::new(ChannelSnapshot {
                project,
                channel: channel.id,
                kind: channel.kind,
                capabilities: channel.capabilities,
                settings: channel.settings,
                durable_epoch,
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

    fn change_settings(&self, key: &ChannelKey, capabilities: Capabilities, settings: ChannelSettings, run: u32) {
        let epoch = |sequence| settings.history.durable.then(|| durable_epoch(sequence, run));
        self.change_channel(key, Request::SettingsChanged, |snapshot| {
            (snapshot.capabilities, snapshot.settings) = (capabilities, settings);
            snapshot.durable_epoch = epoch(snapshot.sequence);
        });
    }

    fn change_channel(
        &self,
        key: &ChannelKey,
        word: fn(Arc<ChannelSnapshot>, u64) -> Request,
        change: impl FnOnce(&mut ChannelSnapshot),
    ) {
        let changed = self.with(key.project, |records| records.change_channel(&key.channel, change)).flatten();
        if let (Some((snapshot, revision)), Some(hub)) = (changed, self.hub.get()) {
            hub.tell(hub.home(key), word(snapshot, revision));
        }
    }
}

/// The key ring of a vault; nothing if a key of it does not open, or none is active.
pub(crate) fn open_ring(master_key: &MasterKey, vault: &Vault) -> Option<KeyRing> {
    let mut ring: Option<KeyRing> = None;
    // The active key first: the ring is made with it.
    let mut wrapped: Vec<_> = vault.ring.iter().collect();
    wrapped.sort_by_key(|key| !key.active);
    if wrapped.first().is_none_or(|first| !first.active) {
        return None;
    }
    for one in wrapped {
        let key = master_key.unwrap_ring_key(one.number, &one.wrapped).ok()?;
        match &mut ring {
            None => ring = Some(KeyRing::new(one.number, &key)),
            Some(ring) => ring.add(one.number, &key).ok()?,
        }
    }
    ring
}

/// How long a token still has, and had.
pub(crate) fn expiry(created_at: UnixMillis, expires_at: Option<UnixMillis>, now: UnixMillis) -> Option<Expiry> {
    let end = expires_at?;
    Some(Expiry { left_ms: end.0.saturating_sub(now.0), life_ms: end.0.saturating_sub(created_at.0) })
}
