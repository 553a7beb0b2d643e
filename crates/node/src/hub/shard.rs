//! A shard: one core's slice of connections and channels, as plain data. It is driven by calls; it owns no thread, socket or clock.
//!
//! After every call the caller carries out what the [`Outlet`] was told (notices, connected, close) before the next call: then nothing of a
//! channel can overtake the news of its subscription.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Connected, NewMessage, Notice, Renewed, Reply, SubscribeWish};
use tollgate_core::ids::{ChannelId, ChannelKey};
use tollgate_core::peer::Peer;

use super::attendance::Directs;
use super::home::HomeChannels;
use super::link::{Link, Phase};
use super::local::LocalChannels;
use super::origins::Origins;
use super::outbox::{Outbox, Written};
use super::{ConnectionKey, ConnectionRef, FormatIndex, Hub, PeerWord, ShardIndex, WireFormat};
use crate::counters::Counters;
use crate::directory::Directory;
use crate::operations::clients::{Client, Outcome};

/// Bytes pending on a shard above which it takes no more words from others until its passes have caught up.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a shard writes through. Implemented by whoever owns the sockets.
pub trait Outlet {
    /// What time it is now, to the millisecond.
    fn now(&self) -> Monotonic;
    /// The same in microseconds, for measuring.
    fn now_us(&self) -> u64 {
        self.now().0.saturating_mul(1_000)
    }
    /// A write to this connection follows soon: what it needs may be read from memory now.
    fn bring_near(&self, connection: ConnectionKey) {
        let _nothing_to_read = connection;
    }
    /// Writes as much of `bytes` as the socket takes now, without waiting.
    fn write(&mut self, connection: ConnectionKey, bytes: &[u8]) -> Written;
    /// Write these bytes (whole frames) to the connection once its dialect has been told what it was to be told before.
    fn send_after(&mut self, connection: ConnectionKey, bytes: Bytes);
    /// Tell the connection's dialect, after this call.
    fn notify(&mut self, connection: ConnectionKey, notice: Notice);
    /// Answer the connection's connect command, after this call.
    fn connected(&mut self, connection: ConnectionKey, connected: Connected);
    /// Answer the connection's renewal, after this call.
    fn renewed(&mut self, connection: ConnectionKey, renewed: Box<Renewed>);
    /// Close the connection through its dialect, after this call.
    fn close(&mut self, connection: ConnectionKey, reason: CloseReason);
}

/// What a shard holds; all zero when everybody is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Connections.
    pub connections: usize,
    /// Channels with subscribers, or about to have some.
    pub channels: usize,
    /// Bytes appended to channels and not yet in a pass.
    pub pending_bytes: usize,
    /// Interest of shards in channels that this one orders.
    pub interests: usize,
    /// Members of those channels, with those who may still come back.
    pub members: usize,
    /// Tokens whose direct messages are kept.
    pub directs: usize,
}

/// The shard.
pub struct Shard {
    pub(super) index: ShardIndex,
    pub(super) hub: Arc<Hub>,
    pub(super) directory: Arc<Directory>,
    pub(super) counters: Arc<Counters>,
    pub(super) now: Monotonic,
    /// The same in microseconds, for measuring.
    pub(super) now_us: u64,
    pub(super) links: Vec<Option<Link>>,
    pub(super) locals: LocalChannels,
    pub(super) homes: HomeChannels,
    /// Channels with something to write, in turn.
    pub(super) queue: VecDeque<u32>,
    pub(super) pending_bytes: usize,
    /// Places in lanes that are taken.
    pub(super) subscriptions: usize,
    /// Connections that had an outbox lately.
    pub(super) blocked: Vec<ConnectionKey>,
    /// Words that another shard's inbox had no room for, in order.
    pub(super) overflow: VecDeque<(ShardIndex, PeerWord)>,
    /// Up to where the use of connections was reported in this round.
    pub(super) reported: usize,
    pub(super) origins: Origins,
    pub(super) directs: Directs,
    /// When a connection was last closed that may not come back.
    pub(super) last_cut_at: Option<Monotonic>,
    /// Nobody is kept waiting for a message any more.
    pub(super) ends_waits: bool,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shard({}, {:?})", self.index.0, self.waiting())
    }
}

impl Shard {
    pub(crate) fn new(
        index: ShardIndex,
        hub: Arc<Hub>,
        directory: Arc<Directory>,
        counters: Arc<Counters>,
        first_epoch: u64,
    ) -> Self {
        Self {
            index,
            hub,
            directory,
            counters,
            now: Monotonic(0),
            now_us: 0,
            links: Vec::new(),
            locals: LocalChannels::default(),
            homes: HomeChannels::new(first_epoch),
            directs: Directs::default(),
            queue: VecDeque::new(),
            pending_bytes: 0,
            subscriptions: 0,
            blocked: Vec::new(),
            overflow: VecDeque::new(),
            reported: 0,
            origins: Origins::default(),
            last_cut_at: None,
            ends_waits: false,
        }
    }

    /// Whether it is this one of this hub.
    #[must_use]
    pub fn is_at(&self, hub: &Hub, index: ShardIndex) -> bool {
        self.index == index && std::ptr::eq(&raw const *self.hub, hub)
    }

    /// Tells the time; to be called before the other calls of a turn.
    pub const fn set_now(&mut self, now: Monotonic) {
        self.now = now;
        self.now_us = now.0.saturating_mul(1_000);
    }

    /// The same, in microseconds.
    pub const fn set_now_us(&mut self, now_us: u64) {
        self.now = Monotonic(now_us / 1_000);
        self.now_us = now_us;
    }

    /// The time as it was told, in microseconds.
    #[must_use]
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// What is held.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let (interests, members) = self.homes.waiting();
        Waiting {
            interests,
            members,
            directs: self.directs.len(),
            connections: self.links.iter().flatten().count(),
            channels: self.locals.len(),
            pending_bytes: self.pending_bytes,
        }
    }

    /// Whether requests may be taken from the inbox now. Not while words wait for another shard: that is how publishers come to wait.
    #[must_use]
    pub fn accepts_requests(&self) -> bool {
        self.overflow.is_empty() && self.accepts_peer_words()
    }

    /// Whether words of other shards may be taken now. Passes make room, and depend on nobody, so this never stays false.
    #[must_use]
    pub const fn accepts_peer_words(&self) -> bool {
        self.pending_bytes < PENDING_BYTES_MAX
    }

    // ---- connections ----

    /// A connection is up; it is not identified yet.
    pub fn open(&mut self, connection: ConnectionKey, format: FormatIndex) {
        let slot = connection.slot as usize;
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(Link::new(connection.generation, format));
        self.gauges().connections_of(format).up();
    }

    /// A connection has ended, for whatever reason: everything of it is released. Later calls with its key do nothing.
    pub fn gone(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        if self.link(connection).is_none() {
            return;
        }
        let Some(mut link) = self.links[connection.slot as usize].take() else { return };
        self.gauges().connections_of(link.format).down();
        self.report_link(&mut link);
        let rare = link.rare.take().unwrap_or_default();
        // Who has no token cannot come back as the same member.
        let for_good = link.leaves_for_good || link.token.is_none();
        for held in &link.subscriptions {
            self.detach(*held, link.format, link.token.is_none());
            self.hide_face(connection, rare.name.clone(), held.channel, for_good, outlet);
        }
        for (place, ..) in rare.beginning {
            self.hold(place, -1);
            self.drop_if_unused(place, outlet);
        }
        // Whom nobody ended has gone by itself.
        let reason = match link.phase {
            Phase::Ending(reason) => reason,
            Phase::Gathering(gathering) => {
                self.stop_gathering(connection, &gathering.wanted, outlet);
                CloseReason::ClientGone
            }
            Phase::Fresh | Phase::Connected => CloseReason::ClientGone,
        };
        for held in &link.subscriptions {
            self.drop_if_unused(held.channel, outlet);
        }
        if let (Some(project), Some(token)) = (link.project, link.token) {
            self.directory.disconnected(project, token, self.reference(connection), self.now, reason);
        }
    }

    /// The client has said that it goes for good: its place in presence is not kept.
    pub fn says_goodbye(&mut self, connection: ConnectionKey) {
        if let Some(link) = link_mut(&mut self.links, connection) {
            link.leaves_for_good = true;
        }
    }

    /// Sends bytes (whole frames) to one connection, behind what waits for it. False when the connection is gone.
    pub fn send(&mut self, connection: ConnectionKey, bytes: &Bytes, outlet: &mut dyn Outlet) -> bool {
        let mut writer = Writer { now: self.now, formats: &self.hub.formats, outlet, blocked: &mut self.blocked };
        let Some(link) = link_mut(&mut self.links, connection) else { return false };
        if writer.write(link, connection, bytes, 0) {
            return true;
        }
        self.end_slow(connection, outlet);
        true
    }

    /// The socket can take more.
    pub fn writable(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        let now = self.now;
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        if link.outbox.is_some() && link.has_ended_by(now, outlet) {
            // What waited for the socket must not reach it any more.
            link.cut();
            self.end(connection, CloseReason::TokenExpired, outlet);
        }
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        let Some(outbox) = &mut link.outbox else { return };
        if outbox.flush(now, |bytes| outlet.write(connection, bytes)) != Written::Part(0) && outbox.is_empty() {
            link.outbox = None;
        }
    }

    /// Whether nothing waits for this connection's socket.
    #[must_use]
    pub fn is_flushed(&self, connection: ConnectionKey) -> bool {
        self.link(connection).is_none_or(|link| link.outbox.is_none())
    }

    /// Ends connections whose socket has taken nothing for `stall_ms` although something waits. To be called about once a second.
    pub fn end_stalled(&mut self, stall_ms: u64, outlet: &mut dyn Outlet) {
        let (now, mut blocked) = (self.now, std::mem::take(&mut self.blocked));
        blocked.retain(|&connection| {
            let Some(link) = link_mut(&mut self.links, connection) else { return false };
            let Some(outbox) = &link.outbox else { return false };
            if now.since(outbox.moved_at) >= stall_ms && link.is_connected() {
                self.end_slow(connection, outlet);
            }
            true
        });
        blocked.append(&mut self.blocked);
        self.blocked = blocked;
    }

    pub(super) fn end_slow(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        if let Some(link) = link_mut(&mut self.links, connection) {
            if matches!(link.phase, Phase::Ending(_)) {
                return;
            }
            link.give_up();
            self.counters.slow_consumers.add(1);
            self.end(connection, CloseReason::SlowConsumer, outlet);
        }
    }

    /// Stops deliveries to a connection at once and has it closed. Who may not come back is not owed what still waits, either.
    pub(super) fn end(&mut self, connection: ConnectionKey, reason: CloseReason, outlet: &mut dyn Outlet) {
        if let Some(link) = link_mut(&mut self.links, connection)
            && !reason.may_return()
            && !matches!(link.phase, Phase::Ending(_))
        {
            link.cut();
            link.leaves_for_good = true;
            self.last_cut_at = Some(outlet.now());
        }
        if self.stop(connection, reason, outlet) {
            outlet.close(connection, reason);
        }
    }

    /// Stops deliveries to a connection that its owner is closing for this reason; what waits for it, and what is sent to it, is still written.
    /// False if that has happened already, or the connection is gone: the first reason stands.
    pub fn stop(&mut self, connection: ConnectionKey, reason: CloseReason, outlet: &mut dyn Outlet) -> bool {
        let Some(link) = link_mut(&mut self.links, connection) else { return false };
        if matches!(link.phase, Phase::Ending(_)) {
            return false;
        }
        match std::mem::replace(&mut link.phase, Phase::Ending(reason)) {
            Phase::Gathering(gathering) => self.stop_gathering(connection, &gathering.wanted, outlet),
            Phase::Fresh | Phase::Connected | Phase::Ending(_) => {}
        }
        true
    }

    // ---- commands of clients: prepare, then perform (an operation), then settle ----

    /// The first step of a command: who asks, and whether it is subscribed to the channel that it names. Nothing for a connection that is gone.
    /// An unsubscribe takes effect on this connection here, so that nothing of the channel follows and the client is not told of its own wish.
    pub fn prepare(&mut self, connection: ConnectionKey, command: &Command, outlet: &mut dyn Outlet) -> Option<Client> {
        let link = self.link(connection)?;
        // Who is still on the way in has nothing to renew yet.
        let is_known = link.is_connected() || !matches!(command, Command::Renew { .. });
        let caller = link.project.filter(|_| is_known).map(|project| match link.token {
            Some(token) => Caller::Token { project, token },
            None => Caller::Anonymous { project },
        });
        let (project, subscribed) = (
            link.project,
            match command {
                Command::Publish(NewMessage { channel, .. })
                | Command::SetState { channel, .. }
                | Command::History { channel, .. }
                | Command::Members { channel, .. }
                | Command::SetMember { channel, .. } => self.holds(connection, link, channel),
                Command::Connect { .. }
                | Command::Renew { .. }
                | Command::Subscribe { .. }
                | Command::Unsubscribe { .. }
                | Command::Batch(_)
                | Command::Acknowledge { .. } => false,
            },
        );
        let subscribed_each = match command {
            Command::Batch(messages) => {
                messages.iter().map(|message| self.holds(connection, link, &message.channel)).collect()
            }
            _ => Vec::new(),
        };
        if let Command::Subscribe { channel, wish: Some(wish) } = command
            && let (Ok(channel), Some(link)) = (ChannelId::new(channel), link_mut(&mut self.links, connection))
        {
            link.put_wish(channel, SubscribeWish::clone(wish));
        }
        if let (Command::Unsubscribe { channel }, Some(project)) = (command, project)
            && let Ok(channel) = ChannelId::new(channel)
        {
            if let Some(link) = link_mut(&mut self.links, connection) {
                // If it is subscribed again by somebody else, it enters without.
                let _unwanted = link.take_wish(&channel);
            }
            self.leave(connection, &ChannelKey { project, channel }, false, outlet);
        }
        let messages = match command {
            Command::Publish(message) => std::slice::from_ref(message),
            Command::Batch(messages) => messages,
            _ => &[],
        };
        let settles = messages.iter().filter_map(|message| self.way_in(connection, &message.channel, outlet)).collect();
        let link = self.link(connection)?;
        Some(Client {
            connection: self.reference(connection),
            caller,
            id: link.id,
            subscribed,
            subscribed_each,
            subscriptions: link.subscriptions.len(),
            attends: link.attends,
            settles,
            peer: matches!(command, Command::Renew { .. }).then(|| self.peer(link)).flatten(),
        })
    }

    /// What is still known of who is at the other end.
    fn peer(&self, link: &Link) -> Option<Arc<Peer>> {
        let origin = self.origins.text(link.origin);
        link.address.map(|address| Arc::new(Peer { address, origin, user_agent: None }))
    }

    /// The last step: what the operation came to takes effect on this connection. Without a reply, the answer comes through
    /// [`Outlet::connected`] or [`Outlet::renewed`].
    pub fn settle(&mut self, connection: ConnectionKey, outcome: Outcome, outlet: &mut dyn Outlet) -> Option<Reply> {
        match outcome {
            Outcome::Reply(reply) => Some(reply),
            Outcome::Written(reply) => {
                let count = match &reply {
                    Reply::Batch(results) => {
                        results.iter().filter(|one| matches!(one, Ok(Reply::Published(_)))).count()
                    }
                    _ => 1,
                };
                if let Some(link) = link_mut(&mut self.links, connection) {
                    link.messages_in = link.messages_in.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
                }
                Some(reply)
            }
            Outcome::ShowFace(channel, data) => {
                if let Some(link) = link_mut(&mut self.links, connection) {
                    link.see_in(channel.channel.clone(), data);
                }
                // It may have left meanwhile, and then nothing would ever take its face away.
                let is_in = |place: &u32| {
                    self.link(connection)
                        .is_some_and(|link| link.subscriptions.iter().any(|held| held.channel == *place))
                };
                if let Some(place) = self.locals.find(&channel).filter(is_in) {
                    self.show_face(connection, place, outlet);
                }
                Some(Reply::Done)
            }
            Outcome::Renewed(renewal) => self.renew(connection, *renewal, outlet),
            Outcome::Join(channel) => {
                self.join(connection, channel, outlet);
                Some(Reply::Done)
            }
            Outcome::Left(channel) => {
                // A word that it was subscribed may have come since it left, and been true then.
                let token = self.link(connection).and_then(|link| link.project.zip(link.token));
                let is_in = |(project, token)| self.directory.is_subscribed(project, token, &channel.channel);
                if token.is_some_and(|token| !is_in(token)) {
                    self.leave(connection, &channel, true, outlet);
                }
                Some(Reply::Done)
            }
            Outcome::Admit(admission) => {
                self.admit(connection, *admission, outlet);
                None
            }
        }
    }

    /// Whether a connection is subscribed to a channel, or about to be.
    fn holds(&self, connection: ConnectionKey, link: &Link, channel: &str) -> bool {
        let (Some(project), Ok(channel)) = (link.project, ChannelId::new(channel)) else { return false };
        let Some(place) = self.locals.find(&ChannelKey { project, channel }) else { return false };
        link.subscriptions.iter().any(|held| held.channel == place)
            || link.is_beginning(place)
            || self.locals.get(place).is_some_and(|local| local.is_joining(connection))
    }

    /// Answers when a connection that is on its way into a channel is in, or when it is sure that it will not be; nothing if it is not on its way.
    fn way_in(
        &mut self,
        connection: ConnectionKey,
        channel: &str,
        outlet: &mut dyn Outlet,
    ) -> Option<oneshot::Receiver<()>> {
        let link = self.link(connection)?;
        let key = ChannelKey { project: link.project?, channel: ChannelId::new(channel).ok()? };
        let place = self.locals.find(&key)?;
        if !link.is_beginning(place) && !self.locals.get(place)?.is_joining(connection) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        self.settle_later(&key, reply, outlet);
        Some(answer)
    }

    // ---- look-ups ----

    pub(super) fn link(&self, connection: ConnectionKey) -> Option<&Link> {
        self.links.get(connection.slot as usize)?.as_ref().filter(|link| link.generation == connection.generation)
    }

    pub(super) const fn reference(&self, connection: ConnectionKey) -> ConnectionRef {
        ConnectionRef { shard: self.index, key: connection }
    }
}

pub(super) fn link_mut(links: &mut [Option<Link>], connection: ConnectionKey) -> Option<&mut Link> {
    links.get_mut(connection.slot as usize)?.as_mut().filter(|link| link.generation == connection.generation)
}

/// What a write needs beside the link, borrowed for a turn.
pub(super) struct Writer<'a> {
    pub(super) now: Monotonic,
    pub(super) formats: &'a [WireFormat],
    pub(super) outlet: &'a mut dyn Outlet,
    pub(super) blocked: &'a mut Vec<ConnectionKey>,
}

impl Writer<'_> {
    /// Writes `bytes[start..]` to a connection, or puts it in its outbox. False when the outbox is full.
    pub(super) fn write(&mut self, link: &mut Link, connection: ConnectionKey, bytes: &Bytes, start: usize) -> bool {
        if let Some(outbox) = &mut link.outbox {
            return outbox.push(bytes.slice(start..));
        }
        match self.outlet.write(connection, &bytes[start..]) {
            Written::All | Written::Gone => true,
            Written::Part(taken) => {
                let frame_bytes = self.formats[usize::from(link.format.0)].frame_bytes;
                let outbox = Outbox::with_rest(self.now, frame_bytes, bytes.slice(start..), taken);
                link.outbox = Some(Box::new(outbox));
                self.blocked.push(connection);
                true
            }
        }
    }
}
