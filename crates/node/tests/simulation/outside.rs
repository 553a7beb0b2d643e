//! What stands in for the world outside of the hub: chance, time, a wire format of plain lines, and sockets that block when they like.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::{Connected, Expiry, Notice, Renewed, Reply};
use tollgate_core::delivery::{Delivery, Encoder};
use tollgate_node::{ConnectionKey, Outlet, ShardParts, Written};

use super::clients::{News, SimClient};

/// What a client was answered, among what it heard: `done`, or `members` and what each of them shows.
pub(crate) fn answered(outlet: &SimOutlet, connection: ConnectionKey, reply: &Reply) {
    let line = match reply {
        Reply::Done => "done".to_owned(),
        Reply::StateChanged(_) => "changed".to_owned(),
        Reply::Members(page) => page.members.iter().fold("members".to_owned(), |line, member| {
            format!("{line} {}", member.data.as_ref().map_or("nothing", |data| data.as_str()))
        }),
        _ => return,
    };
    let mut clients = outlet.clients.borrow_mut();
    let is_meant = |client: &&mut SimClient| client.shard == outlet.shard && client.connection == connection;
    if let Some(client) = clients.iter_mut().find(is_meant) {
        client.heard.push(line);
    }
}

/// xorshift: enough chance for schedules.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct SimClock(AtomicU64);

impl SimClock {
    pub(crate) fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }
    fn unix(&self) -> UnixMillis {
        UnixMillis(1_800_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct SimEntropy(pub(crate) AtomicU64);

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 56) as u8;
        }
    }
}

/// Lines of words: `m CHANNEL NUMBER`, `state CHANNEL NUMBER`, `deleted CHANNEL`, `direct - DATA`.
pub(crate) struct Lines;

impl Encoder for Lines {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        let line = match delivery {
            Delivery::Message { channel, publication, .. } => {
                format!("{} {channel} {}", publication.event, publication.data.as_str())
            }
            Delivery::State { channel, state, .. } => format!("state {channel} {}", number_of(state.as_str())),
            Delivery::Deleted { channel } => format!("deleted {channel}"),
            Delivery::Direct { publication, .. } => format!("direct - {}", publication.data.as_str()),
            Delivery::Restarted { .. } | Delivery::Presence { .. } => return false,
        };
        out.extend_from_slice(line.as_bytes());
        true
    }
}

pub(crate) fn number_of(state: &str) -> u64 {
    state.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap_or(0)
}

/// What an outlet was told, to be carried out after the call.
pub(crate) enum Told {
    Notice(ConnectionKey, Notice),
    Connected(ConnectionKey, Connected),
    Bytes(ConnectionKey, Bytes),
    Close(ConnectionKey, CloseReason),
}

#[derive(Default)]
pub(crate) struct SimOutlet {
    pub(crate) told: Vec<Told>,
    pub(crate) clients: Rc<RefCell<Vec<SimClient>>>,
    pub(crate) shard: usize,
    pub(crate) chance: u64,
    pub(crate) clock: Arc<SimClock>,
}

impl Outlet for SimOutlet {
    fn now(&self) -> Monotonic {
        self.clock.monotonic()
    }
    fn write(&mut self, connection: ConnectionKey, bytes: &[u8]) -> Written {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients
            .iter_mut()
            .find(|client| client.shard == self.shard && client.connection == connection && !client.gone)
        else {
            return Written::Gone;
        };
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let now = self.clock.monotonic();
        if client.blocked {
            return Written::Part(0);
        }
        if self.chance >> 60 == 0 && bytes.len() > 1 {
            let taken = bytes.len() / 2;
            client.receive(now, &bytes[..taken]);
            return Written::Part(taken);
        }
        client.receive(now, bytes);
        Written::All
    }
    fn send_after(&mut self, connection: ConnectionKey, bytes: Bytes) {
        self.told.push(Told::Bytes(connection, bytes));
    }
    fn notify(&mut self, connection: ConnectionKey, notice: Notice) {
        self.told.push(Told::Notice(connection, notice));
    }
    fn connected(&mut self, connection: ConnectionKey, connected: Connected) {
        self.told.push(Told::Connected(connection, connected));
    }
    fn renewed(&mut self, _: ConnectionKey, renewed: Box<Renewed>) {
        panic!("these clients know no sessions: {renewed:?}")
    }
    fn close(&mut self, connection: ConnectionKey, reason: CloseReason) {
        self.told.push(Told::Close(connection, reason));
    }
}

/// A connection is told when its token ends.
pub(crate) fn told_end(outlet: &SimOutlet, connection: ConnectionKey, expiry: Option<Expiry>) {
    let mut clients = outlet.clients.borrow_mut();
    let is_meant = |client: &&mut SimClient| client.shard == outlet.shard && client.connection == connection;
    if let Some(client) = clients.iter_mut().find(is_meant) {
        client.ends_at = expiry.map_or(Monotonic(u64::MAX), |expiry| outlet.now().plus(expiry.left_ms));
    }
}

/// Carries out what the outlet was told. As a dialect would, the news goes through the connection's outbox: behind what waits there.
pub(crate) fn carry_out(parts: &mut ShardParts, outlet: &mut SimOutlet) {
    for word in std::mem::take(&mut outlet.told) {
        match &word {
            Told::Notice(connection, Notice::ExpiryChanged(expiry)) => {
                // A dialect says nothing about it.
                told_end(outlet, *connection, *expiry);
                continue;
            }
            Told::Connected(connection, connected) => {
                told_end(outlet, *connection, connected.token.as_ref().and_then(|token| token.expiry));
            }
            Told::Notice(..) | Told::Close(..) | Told::Bytes(..) => {}
        }
        let (connection, news) = match word {
            Told::Notice(connection, notice) => (connection, News::Notice(notice)),
            Told::Connected(connection, connected) => (connection, News::Connected(connected)),
            Told::Bytes(connection, bytes) => {
                parts.shard.send(connection, &bytes, outlet);
                continue;
            }
            Told::Close(connection, reason) => {
                let expired = reason == CloseReason::TokenExpired;
                assert!(expired || reason == CloseReason::TokenRevoked, "nobody is slow or refused here: {reason:?}");
                let (shard, now) = (outlet.shard, outlet.now());
                let mut clients = outlet.clients.borrow_mut();
                let is_meant =
                    |client: &&mut SimClient| client.shard == shard && client.connection == connection && !client.gone;
                for client in clients.iter_mut().filter(is_meant) {
                    assert!(!expired || client.ends_at <= now, "closed before its end");
                    client.closing = true;
                }
                drop(clients);
                // As a dialect's close does: its frame goes out behind what must.
                parts.shard.send(connection, &Bytes::from_static(b"bye\n"), outlet);
                let_go_if_closed(parts, outlet, connection);
                continue;
            }
        };
        bring(parts, outlet, connection, news);
    }
}

/// A connection that is being closed goes once everything has left its outbox.
pub(crate) fn let_go_if_closed(parts: &mut ShardParts, outlet: &mut SimOutlet, connection: ConnectionKey) {
    let shard = outlet.shard;
    let is_meant = |client: &&mut SimClient| client.shard == shard && client.connection == connection;
    let is_closed = match outlet.clients.borrow_mut().iter_mut().find(is_meant) {
        Some(client) if client.closing && !client.gone && parts.shard.is_flushed(connection) => {
            client.gone = true;
            true
        }
        Some(_) | None => false,
    };
    if is_closed {
        parts.shard.gone(connection, outlet);
    }
}

pub(crate) fn bring(parts: &mut ShardParts, outlet: &mut SimOutlet, connection: ConnectionKey, news: News) {
    let shard = outlet.shard;
    let known = match outlet
        .clients
        .borrow_mut()
        .iter_mut()
        .find(|client| client.shard == shard && client.connection == connection && !client.gone && !client.closing)
    {
        Some(client) => {
            client.news.push_back(news);
            true
        }
        None => false,
    };
    if known {
        assert!(parts.shard.send(connection, &Bytes::from_static(b"news\n"), outlet));
    }
}
