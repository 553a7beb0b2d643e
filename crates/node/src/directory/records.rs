//! The records of one project, with the indexes that keep both directions of a subscription in step.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::command::ChannelSnapshot;
use tollgate_core::ids::{ChannelId, ConnectionId, TokenId, UserId};
use tollgate_core::limits::{JOB_PARTS_MAX, NATIVE_SESSION_MS, SESSION_GRACE_MS};
use tollgate_core::model::{Capabilities, ChannelType};
use tollgate_core::records::{
    AuthTokenRecord, IdempotencyRecord, InvitationRecord, IssuerRecord, JobRecord, OperatorRecord, ProjectUsageRecord,
    SettingsRecord, SigningKeyRecord, TokenRecord, ToldRecord, UsageRecord, UserRecord, WebhookRecord,
};

use super::deliveries::Deliveries;
use super::mailboxes::Mailboxes;
use super::numbers::NumberMap;
use super::order::TokenOrder;
use super::tokens::{Kept, LiveConnection, TokenEntry};
use crate::hub::ConnectionRef;

/// A channel.
#[derive(Debug)]
pub(crate) struct ChannelEntry {
    /// What subscribers see; shared with the shards.
    pub(crate) snapshot: Arc<ChannelSnapshot>,
    pub(crate) created_at: UnixMillis,
    /// The offset of the last message of its durable history.
    pub(crate) offset: u64,
    /// Counts the changes of its snapshot: a home that knows it as it is now passes over the words of earlier ones.
    pub(crate) revision: u64,
    /// Tokens subscribed to it.
    pub(crate) tokens: BTreeSet<TokenId>,
    /// How many of them have a live connection.
    pub(crate) online: usize,
    /// Anonymous connections subscribed to it.
    pub(crate) anonymous: usize,
    /// When its last subscriber went.
    pub(super) deserted_at: Monotonic,
}

/// What will have ended after the grace time, unless somebody came back.
#[derive(Clone, Debug)]
enum Ending {
    /// The token's session: its last connection went.
    Session(TokenId),
    /// An ephemeral channel: its last subscriber went.
    Channel(ChannelId),
}

/// Records of one kind, by number.
pub(crate) type Table<T> = BTreeMap<u64, Kept<T>>;

/// A user, and the tokens it has.
#[derive(Debug)]
pub(crate) struct UserEntry {
    pub(crate) kept: Kept<UserRecord>,
    /// The customer's id, to be shared.
    pub(crate) name: Arc<str>,
    /// In order of creation.
    pub(crate) tokens: Vec<TokenId>,
}

/// The records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    channels: HashMap<ChannelId, ChannelEntry>,
    /// By their places in the order of creation, for reading them page by page.
    channel_order: BTreeMap<u64, ChannelId>,
    /// By their ids, for finding those that begin with some text: those of each type apart, which never changes.
    channel_names: [BTreeSet<ChannelId>; 3],
    /// Boxed: the table keeps room for twice as many.
    tokens: NumberMap<TokenId, Box<TokenEntry>>,
    token_order: TokenOrder,
    /// Those that are revoked, or that work only from some moment on: few of many, so that they are found without a look at the others.
    marked: BTreeSet<TokenId>,
    users: BTreeMap<UserId, UserEntry>,
    users_by_id: BTreeMap<Arc<str>, UserId>,
    pub(crate) settings: Option<Kept<SettingsRecord>>,
    pub(crate) auth_tokens: Table<AuthTokenRecord>,
    pub(crate) auth_tokens_by_hash: HashMap<[u8; 32], u64>,
    pub(crate) issuers: Table<IssuerRecord>,
    pub(crate) signing_keys: Table<SigningKeyRecord>,
    pub(crate) webhooks: Table<WebhookRecord>,
    pub(crate) deliveries: Deliveries,
    pub(crate) jobs: Table<JobRecord>,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) token_usage: Table<UsageRecord>,
    pub(crate) user_usage: Table<UsageRecord>,
    pub(crate) project_usage: Option<Kept<ProjectUsageRecord>>,
    /// Tokens of which webhook endpoints were told that they are online.
    pub(crate) online_told: Table<ToldRecord>,
    /// Channels of which webhook endpoints were told that they are occupied.
    pub(crate) occupied_told: Table<ToldRecord>,
    pub(crate) idempotency: Table<IdempotencyRecord>,
    pub(crate) idempotency_by_key: HashMap<[u8; 32], u64>,
    /// Of the house alone, as what follows. Few, so that names and hashes are looked for one by one.
    pub(crate) operators: Table<OperatorRecord>,
    pub(crate) invitations: Table<InvitationRecord>,
    /// In order of time: the grace is the same for all.
    endings: VecDeque<(Monotonic, Ending)>,
    /// Sessions without a connection, and when they are over, in order of time.
    sessions: VecDeque<(Monotonic, TokenId)>,
}

impl Records {
    pub(crate) fn channel(&self, channel: &ChannelId) -> Option<&ChannelEntry> {
        self.channels.get(channel)
    }

    pub(crate) fn token(&self, token: TokenId) -> Option<&TokenEntry> {
        self.tokens.get(&token).map(|entry| &**entry)
    }

    pub(crate) fn token_mut(&mut self, token: TokenId) -> Option<&mut TokenEntry> {
        self.tokens.get_mut(&token).map(|entry| &mut **entry)
    }

    pub(crate) fn user(&self, user: UserId) -> Option<&UserEntry> {
        self.users.get(&user)
    }

    /// The user with this id of the customer's.
    pub(crate) fn user_named(&self, user_id: &str) -> Option<(UserId, &UserEntry)> {
        self.users_by_id.get(user_id).and_then(|user| Some((*user, self.users.get(user)?)))
    }

    /// All users, in the order of their numbers.
    pub(crate) fn users(&self) -> &BTreeMap<UserId, UserEntry> {
        &self.users
    }

    /// The largest number of any record that has a number of our counting. Those of users and idempotency keys are made from their names.
    pub(super) fn last_number(&self) -> u64 {
        let tables = [
            self.auth_tokens.keys().last(),
            self.issuers.keys().last(),
            self.signing_keys.keys().last(),
            self.webhooks.keys().last(),
            self.deliveries.table().keys().last(),
            self.operators.keys().last(),
            self.invitations.keys().last(),
        ];
        // A job's parts have the numbers after its own.
        let jobs = self.jobs.keys().last().map(|job| job + u64::from(JOB_PARTS_MAX));
        let tokens = self.tokens.keys().max().map(|token| token.get());
        let messages = self.mailboxes.last_row();
        tables.into_iter().flatten().copied().chain(jobs).chain(tokens).chain(messages).max().unwrap_or(0)
    }

    /// How many channels there are.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// How many tokens there are.
    pub(crate) fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Channels created behind this place in the order of creation, or all, oldest first.
    pub(crate) fn channels_after(&self, after: Option<u64>) -> impl Iterator<Item = &ChannelEntry> {
        let first = after.map_or(0, |after| after.saturating_add(1));
        self.channel_order.range(first..).filter_map(|(_, channel)| self.channel(channel))
    }

    /// Channels whose ids begin so, of one type or of any, in the order of their ids, those behind this one.
    pub(crate) fn channels_named<'r>(
        &'r self,
        prefix: &'r str,
        kind: Option<ChannelType>,
        after: Option<&'r str>,
    ) -> impl Iterator<Item = &'r ChannelEntry> {
        let wanted = self.channel_names.iter().enumerate();
        let wanted = wanted.filter(move |(place, _)| kind.is_none_or(|kind| place_of(kind) == *place));
        let mut names: Vec<_> = wanted
            .map(|(_, names)| names.range::<str, _>((first_of(prefix, after), Bound::Unbounded)).peekable())
            .collect();
        let sorted = std::iter::from_fn(move || {
            let heads = names.iter_mut().filter_map(|names| names.peek().copied());
            let first = heads.min()?;
            names.iter_mut().find_map(|names| names.next_if(|name| *name == first))
        });
        let sorted = sorted.take_while(move |channel| channel.as_str().starts_with(prefix));
        sorted.filter_map(|channel| self.channel(channel))
    }

    /// Users whose ids begin so, in the order of their ids, those behind this one.
    pub(crate) fn users_named<'r>(
        &'r self,
        prefix: &'r str,
        after: Option<&'r str>,
    ) -> impl Iterator<Item = (UserId, &'r UserEntry)> {
        let names = self.users_by_id.range::<str, _>((first_of(prefix, after), Bound::Unbounded));
        let names = names.take_while(move |(name, _)| name.starts_with(prefix));
        names.filter_map(|(_, user)| Some((*user, self.users.get(user)?)))
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = (TokenId, &TokenEntry)> {
        self.tokens.iter().map(|(id, entry)| (*id, &**entry))
    }

    /// Tokens behind this one, or from the first, in order of creation.
    pub(crate) fn tokens_after(
        &self,
        after: Option<TokenId>,
    ) -> impl DoubleEndedIterator<Item = (TokenId, &TokenEntry)> {
        self.token_order.after(after).iter().filter_map(|id| Some((*id, self.token(*id)?)))
    }

    /// Tokens before this one, or from the last, the newest first.
    pub(crate) fn tokens_before(&self, before: Option<TokenId>) -> impl Iterator<Item = (TokenId, &TokenEntry)> {
        self.token_order.before(before).iter().rev().filter_map(|id| Some((*id, self.token(*id)?)))
    }

    /// The tokens that are revoked, or work only from some moment on.
    pub(crate) const fn marked(&self) -> &BTreeSet<TokenId> {
        &self.marked
    }

    /// The customer's id of a token's user.
    pub(crate) fn user_name_of(&self, token: TokenId) -> Option<Arc<str>> {
        self.users.get(&self.token(token)?.user?).map(|user| Arc::clone(&user.name))
    }

    /// Notes how far a channel's durable history is.
    pub(super) fn note_offset(&mut self, channel: &ChannelId, offset: u64) {
        if let Some(entry) = self.channels.get_mut(channel) {
            entry.offset = offset;
        }
    }

    pub(crate) fn is_subscribed(&self, token: TokenId, channel: &ChannelId) -> bool {
        self.tokens.get(&token).is_some_and(|entry| entry.subscriptions().iter().any(|(one, _)| one == channel))
    }

    /// How many sessions are in a channel now: a token counts once however many connections it has.
    pub(crate) fn online_count(&self, channel: &ChannelEntry) -> u64 {
        debug_assert!(channel.tokens.len() > 64 || channel.online == self.online_by_looking(channel));
        (channel.online + channel.anonymous) as u64
    }

    /// What `online` counts, looked at one by one.
    fn online_by_looking(&self, channel: &ChannelEntry) -> usize {
        let is_online = |token: &&TokenId| self.tokens.get(token).is_some_and(|entry| entry.is_online());
        channel.tokens.iter().filter(is_online).count()
    }

    /// Whether any session is in a channel now.
    pub(crate) fn is_occupied(&self, channel: &ChannelEntry) -> bool {
        self.online_count(channel) > 0
    }

    /// When the last session in a channel without live connections will be over, as far as this process saw them end.
    pub(crate) fn last_session_over(&self, channel: &ChannelEntry) -> Option<Monotonic> {
        let over = |token: &TokenId| {
            let entry = self.tokens.get(token).filter(|entry| entry.offline_at() > Monotonic(0))?;
            Some(entry.offline_at().plus(entry.session_grace_ms()))
        };
        channel.tokens.iter().filter_map(over).max()
    }

    fn is_deserted(&self, channel: &ChannelId) -> bool {
        let deserted = |entry: &ChannelEntry| {
            entry.snapshot.capabilities.has(Capabilities::EPHEMERAL) && self.online_count(entry) == 0
        };
        self.channels.get(channel).is_some_and(deserted)
    }

    // ---- what the feed does ----

    pub(super) fn insert_channel(&mut self, entry: ChannelEntry) {
        self.channel_order.insert(entry.snapshot.sequence, entry.snapshot.channel.clone());
        self.channel_names[place_of(entry.snapshot.kind)].insert(entry.snapshot.channel.clone());
        self.channels.insert(entry.snapshot.channel.clone(), entry);
    }

    /// Puts a changed snapshot in place of the old one; answers it.
    pub(super) fn change_channel(
        &mut self,
        channel: &ChannelId,
        change: impl FnOnce(&mut ChannelSnapshot),
    ) -> Option<(Arc<ChannelSnapshot>, u64)> {
        let entry = self.channels.get_mut(channel)?;
        let mut snapshot = ChannelSnapshot::clone(&entry.snapshot);
        change(&mut snapshot);
        if snapshot.durable_epoch != entry.snapshot.durable_epoch {
            // A durable history that begins anew begins at offset 0; one that goes on, where it is.
            entry.offset = 0;
        }
        entry.snapshot = Arc::new(snapshot);
        entry.revision += 1;
        Some((Arc::clone(&entry.snapshot), entry.revision))
    }

    /// Removes a channel; answers its number.
    pub(super) fn remove_channel(&mut self, channel: &ChannelId) -> Option<u64> {
        let entry = self.channels.remove(channel)?;
        self.channel_order.remove(&entry.snapshot.sequence);
        self.channel_names[place_of(entry.snapshot.kind)].remove(channel);
        for token in entry.tokens {
            if let Some(token) = self.tokens.get_mut(&token) {
                token.live_mut().subscriptions.retain(|(one, _)| one != channel);
                token.rest();
            }
        }
        Some(entry.snapshot.sequence)
    }

    /// Puts a token's record in place; what is live of it stays. Answers the entry.
    pub(super) fn put_token(
        &mut self,
        token: TokenId,
        record: TokenRecord,
        revision: u32,
        sealed_under: u16,
    ) -> &mut TokenEntry {
        let mut entry = Box::new(TokenEntry::new(record, revision, sealed_under));
        let old = self.tokens.remove(&token);
        if is_marked(&entry) {
            self.marked.insert(token);
        } else if old.as_ref().is_some_and(|old| is_marked(old)) {
            self.marked.remove(&token);
        }
        let old_user = old.as_ref().and_then(|old| old.user);
        match old {
            Some(mut old) => entry.inherit(&mut old),
            None => self.token_order.add(token),
        }
        if old_user != entry.user {
            self.disown(token, old_user);
            if let Some(user) = entry.user.and_then(|user| self.users.get_mut(&user)) {
                user.tokens.push(token);
            }
        }
        self.tokens.entry(token).or_insert(entry)
    }

    fn disown(&mut self, token: TokenId, user: Option<UserId>) {
        if let Some(user) = user.and_then(|user| self.users.get_mut(&user)) {
            user.tokens.retain(|one| *one != token);
        }
    }

    /// Removes a token; answers the connections that it had.
    pub(super) fn remove_token(&mut self, token: TokenId, now: Monotonic) -> Vec<ConnectionRef> {
        let Some(entry) = self.tokens.remove(&token) else { return Vec::new() };
        if is_marked(&entry) {
            self.marked.remove(&token);
        }
        self.token_order.removed(|id| self.tokens.contains_key(&id));
        self.disown(token, entry.user);
        self.mailboxes.token_removed(token);
        for (channel, _) in entry.subscriptions() {
            self.unindex(token, channel, entry.is_online(), now);
        }
        entry.connections()
    }

    pub(super) fn put_user(&mut self, user: UserId, kept: Kept<UserRecord>) {
        let name = Arc::<str>::from(kept.record.user_id.as_str());
        match self.users.get_mut(&user) {
            Some(entry) => {
                self.users_by_id.remove(&entry.name);
                (entry.kept, entry.name) = (kept, Arc::clone(&name));
            }
            None => {
                self.users.insert(user, UserEntry { kept, name: Arc::clone(&name), tokens: Vec::new() });
            }
        }
        self.users_by_id.insert(name, user);
    }

    pub(super) fn remove_user(&mut self, user: UserId) {
        if let Some(entry) = self.users.remove(&user) {
            self.users_by_id.remove(&entry.name);
        }
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
        if ephemeral && !entry.is_online() {
            entry.live_mut().offline_at = now;
            // A session that waits for its token goes on waiting from here, and ends with what is subscribed now.
            if entry.session().is_some() {
                self.sessions.push_back((now.plus(NATIVE_SESSION_MS), token));
            } else {
                self.endings.push_back((now.plus(SESSION_GRACE_MS), Ending::Session(token)));
            }
        }
        let live = entry.live_mut();
        if let Some(known) = live.subscriptions.iter_mut().find(|(one, _)| one == channel) {
            known.1 = ephemeral;
            return Vec::new();
        }
        if live.subscriptions.is_empty() {
            live.subscriptions.reserve_exact(1);
        }
        // The channel's own copy of its id: one allocation for all subscribers.
        live.subscriptions.push((indexed.snapshot.channel.clone(), ephemeral));
        indexed.tokens.insert(token);
        indexed.online += usize::from(entry.is_online());
        entry.connections()
    }

    /// Removes a subscription; answers the token's connections if there was one.
    pub(super) fn unsubscribe(&mut self, token: TokenId, channel: &ChannelId, now: Monotonic) -> Vec<ConnectionRef> {
        let Some(entry) = self.tokens.get_mut(&token) else { return Vec::new() };
        let before = entry.subscriptions().len();
        entry.live_mut().subscriptions.retain(|(one, _)| one != channel);
        let connections = (entry.subscriptions().len() < before).then(|| entry.connections());
        entry.rest();
        let Some(connections) = connections else { return Vec::new() };
        self.unindex(token, channel, !connections.is_empty(), now);
        connections
    }

    fn unindex(&mut self, token: TokenId, channel: &ChannelId, was_online: bool, now: Monotonic) {
        if let Some(entry) = self.channels.get_mut(channel) {
            entry.tokens.remove(&token);
            entry.online -= usize::from(was_online);
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

    /// An identified connection of a token.
    pub(crate) fn connect(&mut self, token: TokenId, connection: LiveConnection) {
        let Some(entry) = self.tokens.get_mut(&token) else { return };
        if !entry.is_online() {
            for (channel, _) in entry.subscriptions() {
                if let Some(channel) = self.channels.get_mut(channel) {
                    channel.online += 1;
                }
            }
        }
        entry.connect(connection);
    }

    pub(super) fn disconnect(&mut self, token: TokenId, connection: ConnectionRef, now: Monotonic) {
        let Some(entry) = self.tokens.get_mut(&token) else { return };
        let was_online = entry.is_online();
        let live = entry.live_mut();
        live.connections.retain(|one| one.connection != connection);
        if !live.connections.is_empty() {
            return;
        }
        live.offline_at = now;
        if live.session.is_some() {
            self.sessions.push_back((now.plus(NATIVE_SESSION_MS), token));
        } else if live.subscriptions.iter().any(|(_, ephemeral)| *ephemeral) {
            self.endings.push_back((now.plus(SESSION_GRACE_MS), Ending::Session(token)));
        }
        let channels: Vec<_> = live.subscriptions.iter().map(|(channel, _)| channel.clone()).collect();
        entry.rest();
        for channel in channels {
            if let Some(channel) = self.channels.get_mut(&channel).filter(|_| was_online) {
                channel.online -= 1;
            }
            self.note_deserted(&channel, now);
        }
    }

    /// A live connection goes on with another secret: of the same token, or of another one, and then for that one, which has it from now on. Answers its
    /// id, and since when it was the old one's. Nothing if it is not there.
    pub(crate) fn reconnect(
        &mut self,
        old: TokenId,
        new: TokenId,
        live: LiveConnection,
        now: Monotonic,
    ) -> Option<(ConnectionId, UnixMillis)> {
        let connections = &mut self.tokens.get_mut(&old)?.live_mut().connections;
        let known = connections.iter_mut().find(|one| one.connection == live.connection)?;
        let (id, since) = (known.id, known.since);
        let live = LiveConnection { id, ..live };
        if old == new {
            *known = LiveConnection { since, ..live };
        } else {
            let connection = live.connection;
            self.token(new)?;
            self.connect(new, live);
            self.disconnect(old, connection, now);
        }
        Some((id, since))
    }

    /// What has ended by now and to which nobody came back: ephemeral subscriptions, and ephemeral channels. Answered once. Who came back and went
    /// again meanwhile has a later ending of its own.
    pub(crate) fn ended(&mut self, now: Monotonic) -> (Vec<(TokenId, ChannelId)>, Vec<ChannelId>) {
        let (mut subscriptions, mut channels) = (Vec::new(), Vec::new());
        while self.sessions.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, token)) = self.sessions.pop_front() else { break };
            let Some(entry) = self.tokens.get_mut(&token) else { continue };
            if entry.is_online() || now.since(entry.offline_at()) < NATIVE_SESSION_MS {
                continue;
            }
            entry.live_mut().session = None;
            subscriptions.extend(ephemeral_of(token, entry));
            entry.rest();
        }
        while self.endings.front().is_some_and(|(at, _)| *at <= now) {
            match self.endings.pop_front() {
                Some((_, Ending::Session(token))) => {
                    let Some(entry) = self
                        .tokens
                        .get(&token)
                        .filter(|entry| !entry.is_online() && now.since(entry.offline_at()) >= SESSION_GRACE_MS)
                        .filter(|entry| entry.session().is_none())
                    else {
                        continue;
                    };
                    subscriptions.extend(ephemeral_of(token, entry));
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

/// Where the names of a type's channels are.
const fn place_of(kind: ChannelType) -> usize {
    match kind {
        ChannelType::Private => 0,
        ChannelType::Public => 1,
        ChannelType::Unprotected => 2,
    }
}

/// Whether a token is among those that are found by their status.
fn is_marked(token: &TokenEntry) -> bool {
    token.revoked().is_some() || token.not_before().is_some()
}

/// Where names begin that begin so and are behind this one.
fn first_of<'r>(prefix: &'r str, after: Option<&'r str>) -> Bound<&'r str> {
    match after.filter(|after| *after >= prefix) {
        Some(after) => Bound::Excluded(after),
        None => Bound::Included(prefix),
    }
}

/// A token's subscriptions that end with its session.
fn ephemeral_of(token: TokenId, entry: &TokenEntry) -> impl Iterator<Item = (TokenId, ChannelId)> {
    let ephemeral = entry.subscriptions().iter().filter(|(_, ephemeral)| *ephemeral);
    ephemeral.map(move |(channel, _)| (token, channel.clone()))
}
