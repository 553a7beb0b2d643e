//! The records of one project, with the indexes that keep both directions of a subscription in step.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::command::ChannelSnapshot;
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::SESSION_GRACE_MS;
use tollgate_core::model::Capabilities;

use crate::hub::ConnectionRef;

/// A channel.
#[derive(Debug)]
pub(crate) struct ChannelEntry {
    /// What subscribers see; shared with the shards.
    pub(crate) snapshot: Arc<ChannelSnapshot>,
    pub(crate) created_at: UnixMillis,
    /// Tokens subscribed to it.
    pub(crate) tokens: BTreeSet<TokenId>,
    /// Anonymous connections subscribed to it.
    pub(crate) anonymous: usize,
    /// When its last subscriber went.
    pub(super) deserted_at: Monotonic,
}

/// A token.
#[derive(Debug)]
pub(crate) struct TokenEntry {
    pub(crate) generation: u32,
    pub(crate) state: Option<JsonObject>,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: Option<UnixMillis>,
    /// Channels that it is subscribed to, and whether each subscription ends with the session.
    pub(crate) subscriptions: Vec<(ChannelId, bool)>,
    /// Its live connections.
    pub(crate) connections: Vec<ConnectionRef>,
    /// When its last connection went.
    pub(super) offline_at: Monotonic,
}

impl TokenEntry {
    pub(crate) fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// What will have ended after the grace time, unless somebody came back.
#[derive(Clone, Debug)]
enum Ending {
    /// The token's session: its last connection went.
    Session(TokenId),
    /// An ephemeral channel: its last subscriber went.
    Channel(ChannelId),
}

/// The records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    channels: HashMap<ChannelId, ChannelEntry>,
    tokens: HashMap<TokenId, TokenEntry>,
    /// In order of time: the grace is the same for all.
    endings: VecDeque<(Monotonic, Ending)>,
}

impl Records {
    pub(crate) fn channel(&self, channel: &ChannelId) -> Option<&ChannelEntry> {
        self.channels.get(channel)
    }

    pub(crate) fn token(&self, token: TokenId) -> Option<&TokenEntry> {
        self.tokens.get(&token)
    }

    pub(crate) fn token_mut(&mut self, token: TokenId) -> Option<&mut TokenEntry> {
        self.tokens.get_mut(&token)
    }

    pub(crate) fn channels(&self) -> impl Iterator<Item = &ChannelEntry> {
        self.channels.values()
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = (TokenId, &TokenEntry)> {
        self.tokens.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn is_subscribed(&self, token: TokenId, channel: &ChannelId) -> bool {
        self.tokens.get(&token).is_some_and(|entry| entry.subscriptions.iter().any(|(one, _)| one == channel))
    }

    /// How many sessions are in a channel now: a token counts once however many connections it has.
    pub(crate) fn online_count(&self, channel: &ChannelEntry) -> u64 {
        let is_online = |token: &&TokenId| self.tokens.get(token).is_some_and(|entry| !entry.connections.is_empty());
        (channel.tokens.iter().filter(is_online).count() + channel.anonymous) as u64
    }

    fn is_deserted(&self, channel: &ChannelId) -> bool {
        let deserted = |entry: &ChannelEntry| {
            entry.snapshot.capabilities.has(Capabilities::EPHEMERAL) && self.online_count(entry) == 0
        };
        self.channels.get(channel).is_some_and(deserted)
    }

    // ---- what the feed does ----

    pub(super) fn insert_channel(&mut self, entry: ChannelEntry) {
        self.channels.insert(entry.snapshot.channel.clone(), entry);
    }

    /// Puts a changed snapshot in place of the old one; answers it.
    pub(super) fn change_channel(
        &mut self,
        channel: &ChannelId,
        change: impl FnOnce(&mut ChannelSnapshot),
    ) -> Option<Arc<ChannelSnapshot>> {
        let entry = self.channels.get_mut(channel)?;
        let mut snapshot = ChannelSnapshot::clone(&entry.snapshot);
        change(&mut snapshot);
        entry.snapshot = Arc::new(snapshot);
        Some(Arc::clone(&entry.snapshot))
    }

    /// Removes a channel; answers its number.
    pub(super) fn remove_channel(&mut self, channel: &ChannelId) -> Option<u64> {
        let entry = self.channels.remove(channel)?;
        for token in entry.tokens {
            if let Some(token) = self.tokens.get_mut(&token) {
                token.subscriptions.retain(|(one, _)| one != channel);
            }
        }
        Some(entry.snapshot.sequence)
    }

    pub(super) fn insert_token(&mut self, token: TokenId, entry: TokenEntry) {
        self.tokens.insert(token, entry);
    }

    /// Removes a token; answers the connections that it had.
    pub(super) fn remove_token(&mut self, token: TokenId, now: Monotonic) -> Vec<ConnectionRef> {
        let Some(entry) = self.tokens.remove(&token) else { return Vec::new() };
        for (channel, _) in &entry.subscriptions {
            self.unindex(token, channel, now);
        }
        entry.connections
    }

    /// Adds a subscription, or changes whether it is ephemeral; answers the token's connections if it is new.
    pub(super) fn subscribe(
        &mut self,
        token: TokenId,
        channel: &ChannelId,
        ephemeral: bool,
        now: Monotonic,
    ) -> Vec<ConnectionRef> {
        let (Some(entry), Some(indexed)) = (self.tokens.get_mut(&token), self.channels.get_mut(channel)) else {
            return Vec::new();
        };
        if ephemeral && entry.connections.is_empty() {
            entry.offline_at = now;
            self.endings.push_back((now.plus(SESSION_GRACE_MS), Ending::Session(token)));
        }
        if let Some(known) = entry.subscriptions.iter_mut().find(|(one, _)| one == channel) {
            known.1 = ephemeral;
            return Vec::new();
        }
        // The channel's own copy of its id: one allocation for all subscribers.
        entry.subscriptions.push((indexed.snapshot.channel.clone(), ephemeral));
        indexed.tokens.insert(token);
        entry.connections.clone()
    }

    /// Removes a subscription; answers the token's connections if there was one.
    pub(super) fn unsubscribe(&mut self, token: TokenId, channel: &ChannelId, now: Monotonic) -> Vec<ConnectionRef> {
        let Some(entry) = self.tokens.get_mut(&token) else { return Vec::new() };
        let before = entry.subscriptions.len();
        entry.subscriptions.retain(|(one, _)| one != channel);
        if entry.subscriptions.len() == before {
            return Vec::new();
        }
        let connections = entry.connections.clone();
        self.unindex(token, channel, now);
        connections
    }

    fn unindex(&mut self, token: TokenId, channel: &ChannelId, now: Monotonic) {
        if let Some(entry) = self.channels.get_mut(channel) {
            entry.tokens.remove(&token);
        }
        self.note_deserted(channel, now);
    }

    // ---- what connections do ----

    /// `sequence` names the channel that was joined: one with the same id may have taken its place since.
    pub(super) fn anonymous_joined(&mut self, channel: &ChannelId, sequence: u64) {
        if let Some(entry) = self.channels.get_mut(channel).filter(|entry| entry.snapshot.sequence == sequence) {
            entry.anonymous += 1;
        }
    }

    pub(super) fn anonymous_left(&mut self, channel: &ChannelId, sequence: u64, now: Monotonic) {
        if let Some(entry) = self.channels.get_mut(channel).filter(|entry| entry.snapshot.sequence == sequence) {
            entry.anonymous -= 1;
            self.note_deserted(channel, now);
        }
    }

    /// An ephemeral channel without anybody in it will end, unless somebody comes within the grace time.
    pub(super) fn note_deserted(&mut self, channel: &ChannelId, now: Monotonic) {
        if self.is_deserted(channel)
            && let Some(entry) = self.channels.get_mut(channel)
        {
            entry.deserted_at = now;
            self.endings.push_back((now.plus(SESSION_GRACE_MS), Ending::Channel(channel.clone())));
        }
    }

    pub(super) fn disconnect(&mut self, token: TokenId, connection: ConnectionRef, now: Monotonic) {
        let Some(entry) = self.tokens.get_mut(&token) else { return };
        entry.connections.retain(|one| *one != connection);
        if !entry.connections.is_empty() {
            return;
        }
        entry.offline_at = now;
        if entry.subscriptions.iter().any(|(_, ephemeral)| *ephemeral) {
            self.endings.push_back((now.plus(SESSION_GRACE_MS), Ending::Session(token)));
        }
        let channels: Vec<_> = entry.subscriptions.iter().map(|(channel, _)| channel.clone()).collect();
        for channel in channels {
            self.note_deserted(&channel, now);
        }
    }

    /// What has ended by now and to which nobody came back: ephemeral subscriptions, and ephemeral channels. Answered once. Who came back and went
    /// again meanwhile has a later ending of its own.
    pub(crate) fn ended(&mut self, now: Monotonic) -> (Vec<(TokenId, ChannelId)>, Vec<ChannelId>) {
        let (mut subscriptions, mut channels) = (Vec::new(), Vec::new());
        while self.endings.front().is_some_and(|(at, _)| *at <= now) {
            match self.endings.pop_front() {
                Some((_, Ending::Session(token))) => {
                    let Some(entry) = self.tokens.get(&token).filter(|entry| {
                        entry.connections.is_empty() && now.since(entry.offline_at) >= SESSION_GRACE_MS
                    }) else {
                        continue;
                    };
                    subscriptions.extend(
                        entry
                            .subscriptions
                            .iter()
                            .filter(|(_, ephemeral)| *ephemeral)
                            .map(|(channel, _)| (token, channel.clone())),
                    );
                }
                Some((_, Ending::Channel(channel))) => {
                    let is_over = |entry: &ChannelEntry| now.since(entry.deserted_at) >= SESSION_GRACE_MS;
                    if self.is_deserted(&channel) && self.channels.get(&channel).is_some_and(is_over) {
                        channels.push(channel);
                    }
                }
                None => {}
            }
        }
        (subscriptions, channels)
    }
}
