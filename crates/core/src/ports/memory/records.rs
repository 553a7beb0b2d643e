//! The records of the store in memory, and the steps of a unit of work on them, each with how to take it back. No lock and no port.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::history::History;
use crate::audit::{AuditDraft, AuditEntry, ChainHead, LedgerKey};
use crate::credentials::RowKind;
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::limits::SUBSCRIPTIONS_PER_TOKEN_MAX;
use crate::model::{Channel, Project, Subscription};
use crate::ports::store::{Change, Changes, Row, RowName, StoreError, StoreResult, Subject, Vault, Write};

/// Takes a step back.
pub(super) type Undo = Box<dyn FnOnce(&mut Records)>;

pub(super) struct Records {
    pub(super) vault: Option<Vault>,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    /// By kind and number, which are unique in the whole store.
    pub(super) rows: BTreeMap<(RowKind, u64), Row>,
    pub(super) channels: BTreeMap<(ProjectId, ChannelId), Channel>,
    pub(super) sequence: u64,
    /// By the channel's sequence. Only of runs that go on.
    pub(super) histories: BTreeMap<u64, History>,
    /// By token and channel, which are of one project.
    pub(super) subscriptions: BTreeMap<(TokenId, ChannelId), Subscription>,
    pub(super) audit: VecDeque<AuditEntry>,
    /// The entry before the first that is kept.
    pub(super) base: ChainHead,
    head: ChainHead,
    pub(super) attached: Option<(Arc<dyn Changes>, LedgerKey)>,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            vault: None,
            projects: BTreeMap::new(),
            rows: BTreeMap::new(),
            channels: BTreeMap::new(),
            sequence: 0,
            histories: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            audit: VecDeque::new(),
            base: ChainHead::START,
            head: ChainHead::START,
            attached: None,
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("channels", &self.channels.len())
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl Records {
    pub(super) fn key(&self) -> &LedgerKey {
        &self.attached.as_ref().expect("invariant: no unit of work before the store is attached").1
    }

    /// Ends a unit of work: its audit entries join the log, and the observer is told.
    pub(super) fn finish(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
        audit: impl IntoIterator<Item = AuditDraft>,
    ) {
        for draft in audit {
            let entry = self.key().entry(self.head, draft);
            self.head = ChainHead { sequence: entry.sequence, mac: entry.mac };
            self.audit.push_back(entry);
        }
        if let Some((observer, _)) = &self.attached {
            changes.into_iter().for_each(|change| observer.committed(change));
        }
    }

    pub(super) fn channel(&mut self, project: ProjectId, channel: &ChannelId) -> StoreResult<&mut Channel> {
        self.channels.get_mut(&(project, channel.clone())).ok_or(StoreError::NotFound(Subject::Channel))
    }

    /// Does one step of a unit; refuses before it changes anything.
    pub(super) fn step(&mut self, write: Write, undo: &mut Vec<Undo>, changes: &mut Vec<Change>) -> StoreResult<()> {
        match write {
            Write::Project(mut project) => {
                project.wrapped_data_keys.sort_by_key(|(number, _)| *number);
                let old = self.projects.insert(project.id, project.clone());
                if old.as_ref() != Some(&project) {
                    changes.push(Change::Project(project.clone()));
                }
                undo.push(Box::new(move |records| put(&mut records.projects, project.id, old)));
            }
            Write::Vault(mut vault) => {
                vault.ring.sort_by_key(|key| key.number);
                let old = self.vault.replace(vault.clone());
                changes.push(Change::Vault(vault));
                undo.push(Box::new(move |records| records.vault = old));
            }
            Write::Insert(row) => {
                if !self.projects.contains_key(&row.name.project) {
                    return Err(StoreError::NotFound(Subject::Project));
                }
                let key = (row.name.kind, row.name.id);
                if self.rows.contains_key(&key) {
                    return Err(StoreError::AlreadyExists(Subject::Row(key.0)));
                }
                if row.revision != 1 {
                    return Err(StoreError::Conflict(key.0));
                }
                self.put_row(row, undo, changes);
            }
            Write::Update(row) => {
                let old = self.row(row.name)?;
                if old.revision.checked_add(1) != Some(row.revision) {
                    return Err(StoreError::Conflict(row.name.kind));
                }
                self.put_row(row, undo, changes);
            }
            Write::Delete(name) => self.delete_row(name, undo, changes)?,
            Write::Subscribe(subscription) => self.subscribe(subscription, undo, changes)?,
        }
        Ok(())
    }

    fn row(&self, name: RowName) -> StoreResult<&Row> {
        let row = self.rows.get(&(name.kind, name.id)).filter(|row| row.name == name);
        row.ok_or(StoreError::NotFound(Subject::Row(name.kind)))
    }

    fn put_row(&mut self, row: Row, undo: &mut Vec<Undo>, changes: &mut Vec<Change>) {
        let key = (row.name.kind, row.name.id);
        let old = self.rows.insert(key, row.clone());
        undo.push(Box::new(move |records| put(&mut records.rows, key, old)));
        if key.0.is_kept_in_memory() {
            changes.push(Change::Row(row));
        }
    }

    fn delete_row(&mut self, name: RowName, undo: &mut Vec<Undo>, changes: &mut Vec<Change>) -> StoreResult<()> {
        let row = self.row(name)?.clone();
        self.rows.remove(&(name.kind, name.id));
        let mut gone = Vec::new();
        if name.kind == RowKind::Token {
            gone.extend(self.subscriptions.values().filter(|one| one.token.get() == name.id).cloned());
            self.subscriptions.retain(|(token, _), _| token.get() != name.id);
        }
        undo.push(Box::new(move |records| {
            records.rows.insert((name.kind, name.id), row);
            records.subscriptions.extend(gone.into_iter().map(|one| ((one.token, one.channel.clone()), one)));
        }));
        if name.kind.is_kept_in_memory() {
            changes.push(Change::RowDeleted(name));
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        subscription: Subscription,
        undo: &mut Vec<Undo>,
        changes: &mut Vec<Change>,
    ) -> StoreResult<()> {
        let (project, token) = (subscription.project, subscription.token);
        self.row(RowName { kind: RowKind::Token, project, id: token.get() })?;
        self.channel(project, &subscription.channel)?;
        let key = (token, subscription.channel.clone());
        let old = self.subscriptions.get(&key).cloned();
        match &old {
            Some(old) if !old.ephemeral || subscription.ephemeral => return Ok(()),
            None if self.subscriptions.keys().filter(|(of, _)| *of == token).count() >= SUBSCRIPTIONS_PER_TOKEN_MAX => {
                return Err(StoreError::LimitReached("subscriptions"));
            }
            Some(_) | None => self.subscriptions.insert(key.clone(), subscription.clone()),
        };
        undo.push(Box::new(move |records| put(&mut records.subscriptions, key, old)));
        changes.push(Change::Subscribed(subscription));
        Ok(())
    }

    pub(super) fn replay(&self, observer: &dyn Changes) {
        let tell = |change| observer.committed(change);
        self.projects.values().cloned().map(Change::Project).for_each(tell);
        for kind in RowKind::ALL.into_iter().filter(|kind| kind.is_kept_in_memory()) {
            self.rows.range((kind, 0)..=(kind, u64::MAX)).map(|(_, row)| Change::Row(row.clone())).for_each(tell);
        }
        let mut channels: Vec<_> = self.channels.values().cloned().collect();
        channels.sort_by_key(|channel| channel.sequence);
        channels.into_iter().map(Change::ChannelCreated).for_each(tell);
        self.subscriptions.values().cloned().map(Change::Subscribed).for_each(tell);
    }
}

/// Puts back what was there.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, old: Option<V>) {
    match old {
        Some(old) => drop(map.insert(key, old)),
        None => drop(map.remove(&key)),
    }
}
