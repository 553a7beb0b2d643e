//! The store in memory: the plainest reading of the store's contract, for tests. Nothing here is durable, and it keeps no books: whom
//! would they protect from?
//!
//! One lock stands for the one writer: a unit of work holds it from its first look to the last word to the observer, which
//! gives changes their order.

mod history;
mod records;

use std::sync::{Arc, Mutex, MutexGuard};

use self::records::Records;
use super::Pending;
use super::store::{
    AuditFound, AuditQuery, AuditStore, Change, Changes, ChannelStore, Row, RowName, StateChange, Store, StoreError,
    StoreResult, Subject, SubscriptionStore, Unit, Vault, Write,
};
use crate::audit::{AuditDraft, AuditEntry, ChainBreak, ChainHead, LedgerKey, Proof};
use crate::clock::UnixMillis;
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::limits::CHANNEL_STATE_BYTES_MAX;
use crate::model::{Capabilities, Channel, ChannelSettings, DURABLE_RUNS_MAX, Subscription};

/// Entries of the audit log that one step of a proof takes.
const PROOF_STEP: usize = 100;

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<Records>,
}

impl MemoryStore {
    /// The store as a restart finds it: all its records, and no observer. This one is left empty.
    ///
    /// # Panics
    /// If the observer panicked.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut records = std::mem::take(&mut *self.lock().expect("invariant: the observer did not panic"));
        records.attached = None;
        Self { records: Mutex::new(records) }
    }

    /// Changes an entry of the audit log, as somebody could who has the file: for tests of what finds it. Answers whether there is one.
    ///
    /// # Panics
    /// If the observer panicked.
    pub fn tamper_with_audit(&self, sequence: u64) -> bool {
        let mut records = self.lock().expect("invariant: the observer did not panic");
        let found = records.audit.iter_mut().find(|entry| entry.sequence == sequence);
        found.map(|entry| entry.draft.actor.push('x')).is_some()
    }

    /// Does `work` as one unit: under the lock, when the answer is awaited. Work must refuse before it changes anything.
    fn unit<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut Records) -> StoreResult<T> + Send + 'a,
    ) -> Pending<'a, StoreResult<T>> {
        Box::pin(async move {
            let mut records = self.lock()?;
            if records.attached.is_none() {
                return Err(StoreError::Unavailable("the store is not attached yet".into()));
            }
            work(&mut records)
        })
    }

    fn lock(&self) -> StoreResult<MutexGuard<'_, Records>> {
        self.records.lock().map_err(|_| StoreError::Unavailable("the observer of changes panicked".into()))
    }
}

impl ChannelStore for MemoryStore {
    fn insert_channel(&self, mut channel: Channel, audit: Option<AuditDraft>) -> Pending<'_, StoreResult<Channel>> {
        self.unit(move |records| {
            if !records.projects.contains_key(&channel.project) {
                return Err(StoreError::NotFound(Subject::Project));
            }
            let key = (channel.project, channel.id.clone());
            if records.channels.contains_key(&key) {
                return Err(StoreError::AlreadyExists(Subject::Channel));
            }
            records.sequence += 1;
            (channel.sequence, channel.version) = (records.sequence, 1);
            (channel.run, channel.offset) = (u32::from(channel.settings.history.durable), 0);
            records.channels.insert(key, channel.clone());
            records.finish([Change::ChannelCreated(channel.clone())], audit);
            Ok(channel)
        })
    }

    fn delete_channel(
        &self,
        project: ProjectId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            let sequence = records.channel(project, &channel)?.sequence;
            records.histories.remove(&sequence);
            records.subscriptions.retain(|_, one| one.project != project || one.channel != channel);
            records.channels.remove(&(project, channel.clone()));
            records.finish([Change::ChannelDeleted { project, channel }], audit);
            Ok(())
        })
    }

    fn change_state(
        &self,
        project: ProjectId,
        channel: ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Pending<'_, StoreResult<(JsonObject, u64)>> {
        self.unit(move |records| {
            let record = records.channel(project, &channel)?;
            if if_version.is_some_and(|expected| expected != record.version) {
                return Err(StoreError::VersionMismatch { current: record.version });
            }
            record.state = match change {
                StateChange::Replace(state) => state,
                StateChange::Merge(patch) => {
                    let merged = record.state.merge(&patch, CHANNEL_STATE_BYTES_MAX);
                    merged.map_err(|_| StoreError::LimitReached("channel state"))?
                }
            };
            record.version += 1;
            let (state, version) = (record.state.clone(), record.version);
            records.finish([Change::ChannelState { project, channel, state: state.clone(), version }], None);
            Ok((state, version))
        })
    }

    fn change_settings(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
        settings: ChannelSettings,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            let record = records.channel(project, &channel)?;
            let is_new = (record.capabilities, record.settings) != (capabilities, settings);
            let begins = settings.history.durable && !record.settings.history.durable;
            if begins && record.run == DURABLE_RUNS_MAX {
                return Err(StoreError::LimitReached("runs of durable history"));
            }
            (record.capabilities, record.settings) = (capabilities, settings);
            record.run += u32::from(begins);
            let (sequence, run) = (record.sequence, record.run);
            if begins || !settings.history.durable {
                record.offset = 0;
                records.histories.remove(&sequence);
            }
            let told = is_new.then_some(Change::ChannelSettings { project, channel, capabilities, settings, run });
            records.finish(told, audit);
            Ok(())
        })
    }
}

impl SubscriptionStore for MemoryStore {
    fn insert_subscription(
        &self,
        subscription: Subscription,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |records| {
            let mut changes = Vec::new();
            records.step(Write::Subscribe(subscription), &mut Vec::new(), &mut changes)?;
            let is_new = !changes.is_empty();
            records.finish(changes, audit);
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
        self.unit(move |records| {
            let key = (token, channel.clone());
            let was = records.subscriptions.get(&key).is_some_and(|kept| kept.project == project);
            let told = was.then(|| {
                records.subscriptions.remove(&key);
                Change::Unsubscribed { project, token, channel }
            });
            records.finish(told, audit);
            Ok(was)
        })
    }
}

impl AuditStore for MemoryStore {
    fn audit_entries(&self, query: AuditQuery) -> Pending<'_, StoreResult<Vec<AuditEntry>>> {
        self.unit(move |records| {
            let fitting = |entry: &&AuditEntry| query.admits(entry);
            let entries = records.audit.iter();
            Ok(if query.newest_first {
                entries.rev().filter(fitting).take(query.limit()).cloned().collect()
            } else {
                entries.filter(fitting).take(query.limit()).cloned().collect()
            })
        })
    }

    fn search_audit(&self, query: AuditQuery, looks_max: u64) -> Pending<'_, StoreResult<AuditFound>> {
        self.unit(move |records| {
            let is_beyond = |entry: &&AuditEntry| match query.after {
                Some(after) if query.newest_first => entry.sequence < after,
                Some(after) => entry.sequence > after,
                None => true,
            };
            let forward = (!query.newest_first).then(|| records.audit.iter());
            let backward = query.newest_first.then(|| records.audit.iter().rev());
            let all = forward.into_iter().flatten().chain(backward.into_iter().flatten());
            let mut rest = all.filter(is_beyond).peekable();
            let mut found = AuditFound::default();
            let mut looks = 0;
            while let Some(entry) = rest.next() {
                looks += 1;
                if query.admits(entry) {
                    found.entries.push(entry.clone());
                }
                if found.entries.len() == query.limit() {
                    break;
                }
                if looks >= looks_max && rest.peek().is_some() {
                    found.stopped = Some((entry.sequence, entry.draft.at));
                    break;
                }
            }
            Ok(found)
        })
    }

    fn prove_audit(&self, at: ChainHead) -> Pending<'_, StoreResult<Result<Proof, ChainBreak>>> {
        self.unit(move |records| {
            let (key, base) = (records.key(), records.base);
            let from = if at.sequence < base.sequence { base } else { at };
            let mut rest = records.audit.iter().filter(|entry| entry.sequence > from.sequence);
            let on = rest.by_ref().take(PROOF_STEP).try_fold(from, |head, entry| key.follow(head, entry));
            let last = records.audit.back().map_or(base.sequence, |last| last.sequence);
            Ok(on.map(|on| match rest.next() {
                Some(_) => Proof::On { at: on, base: base.sequence, head: last },
                None => Proof::End(base, on),
            }))
        })
    }

    fn prune_audit(&self, before: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>> {
        self.unit(move |records| {
            let old = records.audit.iter().take(limit).take_while(|entry| entry.draft.at < before).count();
            if let Some(last) = records.audit.drain(..old).next_back() {
                records.base = ChainHead { sequence: last.sequence, mac: last.mac };
            }
            Ok(old as u64)
        })
    }
}

impl Store for MemoryStore {
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>> {
        Box::pin(async move { Ok(self.lock()?.vault.clone()) })
    }

    fn attach(&self, changes: Arc<dyn Changes>, ledger: LedgerKey) -> Pending<'_, StoreResult<()>> {
        Box::pin(async move {
            let mut records = self.lock()?;
            if records.attached.is_some() {
                return Err(StoreError::Unavailable("an observer is attached already".into()));
            }
            records.replay(&*changes);
            records.attached = Some((changes, ledger));
            Ok(())
        })
    }

    fn commit(&self, unit: Unit) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            unit.check()?;
            let (mut undo, mut changes) = (Vec::new(), Vec::new());
            for write in unit.writes {
                if let Err(refused) = records.step(write, &mut undo, &mut changes) {
                    undo.into_iter().rev().for_each(|step| step(records));
                    return Err(refused);
                }
            }
            records.finish(changes, unit.audit);
            Ok(())
        })
    }

    fn row(&self, name: RowName) -> Pending<'_, StoreResult<Option<Row>>> {
        self.unit(move |records| Ok(records.rows.get(&(name.kind, name.id)).filter(|row| row.name == name).cloned()))
    }

    fn probe(&self) -> Pending<'_, StoreResult<()>> {
        Box::pin(async move { self.lock().map(drop) })
    }
}
