//! The store in memory: the plainest reading of the store's contract, for tests. Nothing here is durable.
//!
//! One lock stands for the one writer: a unit of work holds it from its first look to the last word to the observer, which
//! gives changes their order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Pending;
use super::store::{
    Change, Changes, ChannelStore, ProjectStore, StateChange, Store, StoreError, StoreResult, Subject,
    SubscriptionStore, TokenChange, TokenStore, Vault, VaultStore,
};
use crate::clock::UnixMillis;
use crate::ids::{ChannelId, KeyId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::limits::{CHANNEL_STATE_BYTES_MAX, SUBSCRIPTIONS_PER_TOKEN_MAX};
use crate::model::{Capabilities, Channel, Project, ProjectKey, Subscription, Token};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    vault: Option<Vault>,
    projects: BTreeMap<ProjectId, Project>,
    keys: BTreeMap<KeyId, ProjectKey>,
    channels: BTreeMap<(ProjectId, ChannelId), Channel>,
    sequence: u64,
    tokens: BTreeMap<TokenId, Token>,
    /// By token and channel; the value says whether it is ephemeral. Token and channel are of one project.
    subscriptions: BTreeMap<(TokenId, ChannelId), bool>,
    observer: Option<Arc<dyn Changes>>,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("channels", &self.channels.len())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

impl Records {
    fn tell(&self, change: Change) {
        if let Some(observer) = &self.observer {
            observer.committed(change);
        }
    }

    fn add_key(&mut self, key: ProjectKey) -> StoreResult<()> {
        if !self.projects.contains_key(&key.project) {
            return Err(StoreError::NotFound(Subject::Project));
        }
        if self.keys.contains_key(&key.id) {
            return Err(StoreError::AlreadyExists(Subject::Key));
        }
        self.keys.insert(key.id, key.clone());
        self.tell(Change::Key(key));
        Ok(())
    }

    fn key(&mut self, project: ProjectId, key: KeyId) -> Option<&mut ProjectKey> {
        self.keys.get_mut(&key).filter(|key| key.project == project)
    }

    fn channel(&mut self, project: ProjectId, channel: &ChannelId) -> StoreResult<&mut Channel> {
        self.channels.get_mut(&(project, channel.clone())).ok_or(StoreError::NotFound(Subject::Channel))
    }

    fn token(&mut self, project: ProjectId, token: TokenId) -> StoreResult<&mut Token> {
        self.tokens.get_mut(&token).filter(|token| token.project == project).ok_or(StoreError::NotFound(Subject::Token))
    }

    fn subscription_count(&self, token: TokenId) -> usize {
        self.subscriptions.keys().filter(|(subscriber, _)| *subscriber == token).count()
    }

    fn replay(&self, observer: &dyn Changes) {
        self.projects.values().cloned().map(Change::Project).for_each(|change| observer.committed(change));
        self.keys.values().cloned().map(Change::Key).for_each(|change| observer.committed(change));
        let mut channels: Vec<_> = self.channels.values().cloned().collect();
        channels.sort_by_key(|channel| channel.sequence);
        channels.into_iter().map(Change::ChannelCreated).for_each(|change| observer.committed(change));
        self.tokens.values().cloned().map(Change::TokenCreated).for_each(|change| observer.committed(change));
        for ((token, channel), &ephemeral) in &self.subscriptions {
            let project = self.tokens[token].project;
            observer.committed(Change::Subscribed(Subscription {
                project,
                token: *token,
                channel: channel.clone(),
                ephemeral,
            }));
        }
    }
}

impl MemoryStore {
    /// Does `work` as one unit: under the lock, when the answer is awaited. Work must refuse before it changes anything.
    fn unit<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut Records) -> StoreResult<T> + Send + 'a,
    ) -> Pending<'a, StoreResult<T>> {
        Box::pin(async move { work(&mut *self.lock()?) })
    }

    fn lock(&self) -> StoreResult<MutexGuard<'_, Records>> {
        self.records.lock().map_err(|_| StoreError::Unavailable("the observer of changes panicked".into()))
    }
}

impl VaultStore for MemoryStore {
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>> {
        self.unit(|records| Ok(records.vault.clone()))
    }

    fn insert_vault(&self, vault: Vault) -> Pending<'_, StoreResult<()>> {
        self.unit(|records| match records.vault {
            Some(_) => Err(StoreError::Unavailable("there is a vault already".into())),
            None => {
                records.vault = Some(vault);
                Ok(())
            }
        })
    }
}

impl ProjectStore for MemoryStore {
    fn insert_project(&self, project: Project, key: ProjectKey) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            if records.projects.contains_key(&project.id) {
                return Err(StoreError::AlreadyExists(Subject::Project));
            }
            if records.keys.contains_key(&key.id) {
                return Err(StoreError::AlreadyExists(Subject::Key));
            }
            records.projects.insert(project.id, project.clone());
            records.tell(Change::Project(project));
            records.add_key(key)
        })
    }

    fn insert_key(&self, key: ProjectKey) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| records.add_key(key))
    }

    fn revoke_key(&self, project: ProjectId, key: KeyId, at: UnixMillis) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            let key = records.key(project, key).ok_or(StoreError::NotFound(Subject::Key))?;
            if key.revoked_at.is_none() {
                key.revoked_at = Some(at);
                let change = Change::Key(key.clone());
                records.tell(change);
            }
            Ok(())
        })
    }

    fn touch_keys(&self, used: Vec<(ProjectId, KeyId, UnixMillis)>) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            for (project, key, at) in used {
                let Some(key) = records.key(project, key).filter(|key| key.last_used_at < Some(at)) else { continue };
                key.last_used_at = Some(at);
                let change = Change::Key(key.clone());
                records.tell(change);
            }
            Ok(())
        })
    }
}

impl ChannelStore for MemoryStore {
    fn insert_channel(&self, mut channel: Channel) -> Pending<'_, StoreResult<Channel>> {
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
            records.channels.insert(key, channel.clone());
            records.tell(Change::ChannelCreated(channel.clone()));
            Ok(channel)
        })
    }

    fn delete_channel(&self, project: ProjectId, channel: ChannelId) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            records.channel(project, &channel)?;
            let tokens = &records.tokens;
            records
                .subscriptions
                .retain(|(token, subscribed), _| *subscribed != channel || tokens[token].project != project);
            records.channels.remove(&(project, channel.clone()));
            records.tell(Change::ChannelDeleted { project, channel });
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
            records.tell(Change::ChannelState { project, channel, state: state.clone(), version });
            Ok((state, version))
        })
    }

    fn change_capabilities(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
    ) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            let record = records.channel(project, &channel)?;
            if record.capabilities != capabilities {
                record.capabilities = capabilities;
                records.tell(Change::ChannelCapabilities { project, channel, capabilities });
            }
            Ok(())
        })
    }
}

impl TokenStore for MemoryStore {
    fn insert_token(&self, token: Token, mut channels: Vec<ChannelId>) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            let (project, id) = (token.project, token.id);
            if !records.projects.contains_key(&project) {
                return Err(StoreError::NotFound(Subject::Project));
            }
            if records.tokens.contains_key(&id) {
                return Err(StoreError::AlreadyExists(Subject::Token));
            }
            for channel in &channels {
                records.channel(project, channel)?;
            }
            let mut seen = std::collections::HashSet::new();
            channels.retain(|channel| seen.insert(channel.clone()));
            if channels.len() > SUBSCRIPTIONS_PER_TOKEN_MAX {
                return Err(StoreError::LimitReached("subscriptions"));
            }
            records.tokens.insert(id, token.clone());
            records.tell(Change::TokenCreated(token));
            for channel in channels {
                records.subscriptions.insert((id, channel.clone()), false);
                records.tell(Change::Subscribed(Subscription { project, token: id, channel, ephemeral: false }));
            }
            Ok(())
        })
    }

    fn change_token(&self, project: ProjectId, token: TokenId, change: TokenChange) -> Pending<'_, StoreResult<Token>> {
        self.unit(move |records| {
            let record = records.token(project, token)?;
            let old = record.clone();
            if let Some(sealed_state) = change.sealed_state {
                record.sealed_state = sealed_state;
            }
            if let Some(expires_at) = change.expires_at {
                record.expires_at = expires_at;
            }
            let new = record.clone();
            if new != old {
                records.tell(Change::TokenChanged(new.clone()));
            }
            Ok(new)
        })
    }

    fn delete_token(&self, project: ProjectId, token: TokenId) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            records.token(project, token)?;
            records.subscriptions.retain(|(subscriber, _), _| *subscriber != token);
            records.tokens.remove(&token);
            records.tell(Change::TokenDeleted { project, token });
            Ok(())
        })
    }
}

impl SubscriptionStore for MemoryStore {
    fn insert_subscription(&self, subscription: Subscription) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |records| {
            records.token(subscription.project, subscription.token)?;
            records.channel(subscription.project, &subscription.channel)?;
            let key = (subscription.token, subscription.channel.clone());
            match records.subscriptions.get(&key) {
                Some(&ephemeral) if !ephemeral || subscription.ephemeral => return Ok(false),
                None if records.subscription_count(subscription.token) >= SUBSCRIPTIONS_PER_TOKEN_MAX => {
                    return Err(StoreError::LimitReached("subscriptions"));
                }
                Some(_) | None => records.subscriptions.insert(key, subscription.ephemeral),
            };
            records.tell(Change::Subscribed(subscription));
            Ok(true)
        })
    }

    fn delete_subscription(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: ChannelId,
    ) -> Pending<'_, StoreResult<bool>> {
        self.unit(move |records| {
            if records.token(project, token).is_err()
                || records.subscriptions.remove(&(token, channel.clone())).is_none()
            {
                return Ok(false);
            }
            records.tell(Change::Unsubscribed { project, token, channel });
            Ok(true)
        })
    }
}

impl Store for MemoryStore {
    fn attach(&self, changes: Arc<dyn Changes>) -> Pending<'_, StoreResult<()>> {
        self.unit(move |records| {
            if records.observer.is_some() {
                return Err(StoreError::Unavailable("an observer is attached already".into()));
            }
            records.replay(&*changes);
            records.observer = Some(changes);
            Ok(())
        })
    }

    fn probe(&self) -> Pending<'_, StoreResult<()>> {
        self.unit(|_| Ok(()))
    }
}
