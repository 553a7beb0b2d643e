//! The directory: every record of the store, in memory. Reads never touch the store.
//!
//! It is filled and kept by the store's change feed alone ([`tollgate_core::ports::store::Changes`]), in commit order; nothing else writes
//! records here. What it adds of its own lives only as long as the process: live connections, and how many anonymous clients a channel has.
//!
//! Locks are short (a few look-ups), never held across an await or while another is taken (but those of the moments and of presence, the last ones), and every critical section leaves the
//! records whole.

mod deliveries;
mod departures;
mod feed;
mod mailboxes;
mod moments;
mod numbers;
mod order;
mod presence;
mod records;
mod rows;
mod tokens;
mod usage;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tollgate_core::CloseReason;
use tollgate_core::clock::{Clock, Monotonic, UnixMillis};
use tollgate_core::command::{ChannelSnapshot, Expiry};
use tollgate_core::credentials::{DataKeys, KeyRing, MasterKey};
use tollgate_core::ids::{ChannelId, ChannelKey, ConnectionId, KeyId, ProjectId, TokenId};
use tollgate_core::model::Project;
use tollgate_core::records::{KeyRecord, SettingsRecord};

pub(crate) use deliveries::is_waiting;
pub(crate) use departures::{Departure, Parting};
pub(crate) use feed::{expiry, open_ring};
pub(crate) use mailboxes::Mailbox;
pub(crate) use moments::MomentKind;
pub use numbers::NumberMap;
pub(crate) use presence::{OF_CHANNELS, OF_TOKENS, Wanted};
pub(crate) use records::{ChannelEntry, Records, Table, UserEntry};
pub(crate) use tokens::{JwtProof, Kept, LiveConnection, SignedBy, TokenEnd, TokenEntry};
pub use usage::{USAGE_ADDRESSES_MAX, USAGE_TOKENS_MAX, UsageDelta, UsageKey};

use usage::UsageSums;

use crate::counters::Counters;
use crate::hub::{ConnectionRef, Hub};

/// What never changes of a project.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Founded {
    pub(crate) id: ProjectId,
    pub(crate) created_at: UnixMillis,
}

/// A project and all that it owns.
pub(crate) struct ProjectEntry {
    pub(crate) project: Founded,
    name: RwLock<Arc<str>>,
    data_keys: RwLock<Arc<DataKeys>>,
    /// The same, wrapped, as they are stored.
    wrapped_data_keys: RwLock<Vec<(u16, Vec<u8>)>>,
    /// Held shared by what makes or changes tokens, until it is committed, and exclusively by what revokes by a rule: so that a rule hits
    /// every token made before it and none made after.
    pub(crate) minting: tokio::sync::RwLock<()>,
    records: RwLock<Records>,
}

impl ProjectEntry {
    /// The records, to read. A poisoned lock is taken over: each step of `records` leaves it whole.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Records> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Records> {
        self.records.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that open the project's rows; the newest seals.
    pub(crate) fn data_keys(&self) -> Arc<DataKeys> {
        Arc::clone(&self.data_keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The data keys as they are stored.
    pub(crate) fn wrapped_data_keys(&self) -> Vec<(u16, Vec<u8>)> {
        self.wrapped_data_keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The project's name for people.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The project's record as it is stored now.
    pub(crate) fn project_now(&self) -> Project {
        let Founded { id, created_at } = self.project;
        Project { id, created_at, name: self.name().to_string(), wrapped_data_keys: self.wrapped_data_keys() }
    }

    /// What the project decided for itself.
    pub(crate) fn settings(&self) -> Arc<SettingsRecord> {
        self.read().settings.as_ref().map(|kept| Arc::clone(&kept.record)).unwrap_or_default()
    }
}

/// A project key as it is kept in memory.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// Its public id.
    pub id: KeyId,
    /// The project that it opens.
    pub project: ProjectId,
    /// Of the row that it was read from.
    pub(crate) revision: u32,
    /// The number of the data key that sealed that row.
    pub(crate) sealed_under: u16,
    /// The record.
    pub record: Arc<KeyRecord>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<KeyId, KeyEntry>,
    /// By the hashes of secrets that this server made.
    by_hash: NumberMap<[u8; 32], KeyId>,
}

/// The directory. Share it as `Arc`.
pub struct Directory {
    projects: RwLock<NumberMap<ProjectId, Arc<ProjectEntry>>>,
    /// What belongs to the server itself. Beside the projects, so that no door, key, client or list finds it.
    house: OnceLock<Arc<ProjectEntry>>,
    keys: RwLock<Keys>,
    /// Set once, after the replay: while it is empty nobody is connected who would have to be told.
    hub: OnceLock<Arc<Hub>>,
    master_key: RwLock<Arc<MasterKey>>,
    /// The keys that spell and verify token secrets, as the vault has them.
    ring: RwLock<Arc<KeyRing>>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    usage: UsageSums,
    /// Connects and disconnects that webhook endpoints are still to be told of.
    moments: moments::Moments,
    /// Tokens and channels of which webhook endpoints may have to be told that somebody came or went.
    presence: presence::Touched,
    departures: departures::Departures,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

impl Directory {
    pub(crate) fn new(
        master_key: Arc<MasterKey>,
        ring: KeyRing,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Self {
        let departures = departures::Departures::since(clock.unix());
        Self {
            projects: RwLock::default(),
            house: OnceLock::new(),
            keys: RwLock::default(),
            hub: OnceLock::new(),
            master_key: RwLock::new(master_key),
            ring: RwLock::new(Arc::new(ring)),
            clock,
            counters,
            usage: UsageSums::default(),
            moments: moments::Moments::default(),
            presence: presence::Touched::default(),
            departures,
        }
    }

    /// The keys that spell and verify token secrets.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn master_key(&self) -> Arc<MasterKey> {
        Arc::clone(&self.master_key.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys of the vault are about to be wrapped under this one.
    pub(crate) fn exchange_master_key(&self, key: Arc<MasterKey>) {
        *self.master_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The project that has this token, without knowing it: one look-up for each project.
    pub(crate) fn project_of(&self, token: TokenId) -> Option<Arc<ProjectEntry>> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        projects.values().find(|entry| entry.read().token(token).is_some()).cloned()
    }

    /// From now on changes are told to the shards.
    pub(crate) fn connect(&self, hub: Arc<Hub>) {
        let _only_once = self.hub.set(hub);
    }

    pub(crate) fn project(&self, project: ProjectId) -> Option<Arc<ProjectEntry>> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(&project).cloned()
    }

    /// What belongs to the server itself, if anything does yet.
    pub(crate) fn house(&self) -> Option<Arc<ProjectEntry>> {
        self.house.get().cloned()
    }

    /// Whose rows these are: a project's or the house's. For the feed, and for those who turn keys over.
    pub(super) fn owner(&self, project: ProjectId) -> Option<Arc<ProjectEntry>> {
        if project == ProjectId::HOUSE { self.house() } else { self.project(project) }
    }

    /// All projects, oldest first, and the house behind them: for those who turn keys over.
    pub(crate) fn projects_and_house(&self) -> Vec<Arc<ProjectEntry>> {
        self.projects().into_iter().chain(self.house()).collect()
    }

    /// All projects, oldest first.
    pub(crate) fn projects(&self) -> Vec<Arc<ProjectEntry>> {
        let mut all: Vec<_> = self.projects.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by_key(|entry| entry.project.id);
        all
    }

    /// The largest number that an id has had, as far as records tell.
    pub(crate) fn last_number(&self) -> u64 {
        let records = self.projects_and_house().iter().map(|entry| entry.read().last_number()).max();
        let projects = self.projects().last().map(|entry| entry.project.id.get());
        let keys = self.keys().last().map(|key| key.id.get());
        records.max(projects).max(keys).unwrap_or(0)
    }

    pub(crate) fn key_by_hash(&self, hash: &[u8; 32]) -> Option<KeyEntry> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.by_hash.get(hash).and_then(|id| keys.by_id.get(id)).cloned()
    }

    pub(crate) fn key(&self, key: KeyId) -> Option<KeyEntry> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&key).cloned()
    }

    /// All keys of all projects, oldest first.
    pub(crate) fn keys(&self) -> Vec<KeyEntry> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_id.values().cloned().collect()
    }

    // ---- for the shards ----

    /// The channel as it is now.
    pub(crate) fn snapshot(&self, channel: &ChannelKey) -> Option<Arc<ChannelSnapshot>> {
        self.project(channel.project)?.read().channel(&channel.channel).map(|entry| Arc::clone(&entry.snapshot))
    }

    /// The channel as it is now, the offset of the last message of its durable history, and how often the snapshot was changed.
    pub(crate) fn described(&self, channel: &ChannelKey) -> Option<(Arc<ChannelSnapshot>, u64, u64)> {
        let project = self.project(channel.project)?;
        let records = project.read();
        records.channel(&channel.channel).map(|entry| (Arc::clone(&entry.snapshot), entry.offset, entry.revision))
    }

    /// What time it is.
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.unix()
    }

    /// Under which name a token is a member of channels: its user's, or its own.
    pub(crate) fn member_name(&self, project: ProjectId, token: TokenId) -> Option<Arc<str>> {
        let project = self.project(project)?;
        let records = project.read();
        Some(records.user_name_of(token).unwrap_or_else(|| token.to_string().into()))
    }

    /// A token's connections, and its session, which outlives them, if it has one. Nothing if there is no such token.
    pub(crate) fn session_of(
        &self,
        project: ProjectId,
        token: TokenId,
    ) -> Option<(Vec<ConnectionRef>, Option<ConnectionId>)> {
        let project = self.project(project)?;
        let records = project.read();
        records.token(token).map(|found| (found.connections(), found.session()))
    }

    /// Whether the token is durably subscribed to the channel.
    pub(crate) fn is_subscribed(&self, project: ProjectId, token: TokenId, channel: &ChannelId) -> bool {
        self.project(project).is_some_and(|entry| entry.read().is_subscribed(token, channel))
    }

    /// An anonymous connection was subscribed.
    pub(crate) fn anonymous_joined(&self, channel: &ChannelSnapshot) {
        if let Some(entry) = self.project(channel.project) {
            let mut records = entry.write();
            records.anonymous_joined(&channel.channel, channel.sequence);
            self.note_channel(&records, channel.project, &channel.channel);
        }
    }

    /// An anonymous connection's subscription ended.
    pub(crate) fn anonymous_left(&self, channel: &ChannelSnapshot, now: Monotonic) {
        if let Some(entry) = self.project(channel.project) {
            let mut records = entry.write();
            records.anonymous_left(&channel.channel, channel.sequence, now);
            self.note_channel(&records, channel.project, &channel.channel);
        }
    }

    /// When this connection of the token has to end, as the records say now. Nothing if it is not the token's any more.
    pub(crate) fn expiry_of(
        &self,
        project: ProjectId,
        token: TokenId,
        connection: ConnectionRef,
    ) -> Option<Option<Expiry>> {
        let entry = self.project(project)?;
        let records = entry.read();
        let token = records.token(token)?;
        let live = token.live_connections().iter().find(|live| live.connection == connection)?;
        Some(expiry(token.created_at, token.live_until(live), self.clock.unix()))
    }

    /// Adds to what tokens, and anonymous clients of projects, used. Never waits; what finds no room is counted as lost.
    pub(crate) fn used(&self, deltas: impl IntoIterator<Item = (UsageKey, UsageDelta)>) {
        let mut deltas = deltas.into_iter().peekable();
        if deltas.peek().is_some() {
            let last_at = self.clock.unix();
            let dated = |(key, delta): (UsageKey, UsageDelta)| {
                // Messages go over connections: so a crash costs the time since the last of them.
                let was_seen = delta.connects + delta.messages_in + delta.messages_out > 0;
                let seen_at = delta.seen_at.or(was_seen.then_some(last_at));
                (key, UsageDelta { last_at, seen_at, ..delta })
            };
            self.usage.add(&self.counters, deltas.map(dated));
        }
    }

    /// Counts a request that was let in now.
    pub(crate) fn requested(&self, key: UsageKey, address: Option<IpAddr>, now: UnixMillis) {
        self.usage.add_request(&self.counters, key, address, now);
    }

    /// When a token last had a connection, as far as it was not kept yet.
    pub(crate) fn seen_at(&self, project: ProjectId, token: TokenId) -> Option<UnixMillis> {
        self.usage.seen_at(project, token)
    }

    /// The connections of a token that ended not before this moment, oldest first, and since when no ending was forgotten.
    pub(crate) fn departures_of(&self, token: TokenId, from: UnixMillis) -> (Vec<Departure>, UnixMillis) {
        self.departures.of(token, from)
    }

    /// A token's connection, which it had since then, goes on with another token.
    pub(crate) fn renewed_away(&self, token: TokenId, connection: ConnectionId, since: UnixMillis) {
        let ended_at = self.clock.unix();
        self.departures.note(Departure { token, connection, since, ended_at, how: Parting::Renewed });
    }

    /// All that was used since the last call, for upkeep to keep.
    pub(crate) fn take_usage(&self) -> NumberMap<UsageKey, Box<UsageDelta>> {
        self.usage.take()
    }

    /// A token's connection ended, for this reason. If it was the last, the token's session ends after the grace time.
    pub(crate) fn disconnected(
        &self,
        project: ProjectId,
        token: TokenId,
        connection: ConnectionRef,
        now: Monotonic,
        reason: CloseReason,
    ) {
        if let Some(entry) = self.project(project) {
            let mut records = entry.write();
            let live = records.token(token).and_then(|token| token.live_connection(connection));
            let gone = live.map(|live| (live.id, live.since));
            records.disconnect(token, connection, now);
            self.note_moment(&records, project, token, false);
            drop(records);
            let ended_at = self.clock.unix();
            if let Some((connection, since)) = gone {
                self.departures.note(Departure { token, connection, since, ended_at, how: Parting::Closed(reason) });
            }
            let seen_at = Some(ended_at);
            self.used([((project, Some(token)), UsageDelta { seen_at, ..UsageDelta::default() })]);
        }
    }
}
