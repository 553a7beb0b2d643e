//! The two wire formats, and the sockets. Both spell positions, which Leap does not, so that what it hears can be checked as well.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::clock::{Clock, Monotonic};
use tollgate_core::command::{Connected, Expiry, Notice, Renewed};
use tollgate_core::delivery::{Delivery, Encoder, Publication};
use tollgate_node::{ConnectionKey, Outlet, ShardParts, WireFormat, Written};

use super::super::outside::{SimClock, number_of};
use super::client::{Conn, News};
use super::planted::Plant;

/// As Leap hears it, or as the native protocol does.
struct Words {
    native: bool,
}

impl Encoder for Words {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        let line = match delivery {
            Delivery::Message { channel, position, publication } => {
                format!("m {channel} {position} {} {}", publication.data.as_str(), publication.at.0)
            }
            Delivery::State { channel, state, version } => {
                format!("state {channel} {version} {}", number_of(state.as_str()))
            }
            Delivery::Deleted { channel } => format!("deleted {channel}"),
            Delivery::Direct { position, publication } => {
                let position = position.map_or("-".into(), |position| position.to_string());
                format!("direct - {position} {}", publication.data.as_str())
            }
            Delivery::Restarted { .. } | Delivery::Presence { .. } if !self.native => return false,
            Delivery::Restarted { channel, position } => format!("restarted {channel} {position}"),
            Delivery::Presence { channel, count, changes } => {
                let (joined, left) = changes.clone().unwrap_or_default();
                let joined: Vec<_> = joined.iter().map(|member| &*member.name).collect();
                format!("presence {channel} {count} +{} -{}", joined.join(","), left.join(","))
            }
        };
        out.extend_from_slice(line.as_bytes());
        true
    }
}

/// Number 0 is Leap's, 1 the native one's.
pub(super) fn formats() -> Vec<WireFormat> {
    let format = |name, native| WireFormat {
        name,
        encoder: Arc::new(Words { native }),
        frame: |payload, out| out.extend(payload.iter().chain(b"\n")),
        frame_bytes: |bytes| bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1),
    };
    vec![format("leap", false), format("native", true)]
}

enum Told {
    News(ConnectionKey, Box<News>),
    Renewed(ConnectionKey, Box<Renewed>),
    Bytes(ConnectionKey, Bytes),
    Close(ConnectionKey, CloseReason),
}

pub(super) struct SimOutlet {
    told: Vec<Told>,
    pub(super) conns: Rc<RefCell<Vec<Conn>>>,
    pub(super) clock: Arc<SimClock>,
    pub(super) plant: Plant,
    pub(super) chance: Rc<Cell<u64>>,
}

impl SimOutlet {
    pub(super) fn new(
        conns: Rc<RefCell<Vec<Conn>>>,
        clock: Arc<SimClock>,
        plant: Plant,
        chance: Rc<Cell<u64>>,
    ) -> Self {
        Self { told: Vec::new(), conns, clock, plant, chance }
    }

    fn one_in(&self, n: u64) -> bool {
        let next = self.chance.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.chance.set(next);
        (next >> 33) % n == 0
    }

    fn told_end(&self, connection: ConnectionKey, expiry: Option<Expiry>) {
        let mut conns = self.conns.borrow_mut();
        conns[connection.slot as usize].ends_at =
            expiry.map_or(Monotonic(u64::MAX), |expiry| self.clock.monotonic().plus(expiry.left_ms));
    }
}

impl Outlet for SimOutlet {
    fn now(&self) -> Monotonic {
        self.clock.monotonic()
    }
    fn write(&mut self, connection: ConnectionKey, bytes: &[u8]) -> Written {
        let breaks_off = self.one_in(16);
        let mut conns = self.conns.borrow_mut();
        let conn = &mut conns[connection.slot as usize];
        if conn.gone {
            return Written::Gone;
        }
        if conn.blocked {
            return Written::Part(0);
        }
        let now = self.clock.monotonic();
        if breaks_off && bytes.len() > 1 {
            conn.receive(now, &bytes[..bytes.len() / 2]);
            return Written::Part(bytes.len() / 2);
        }
        conn.receive(now, bytes);
        Written::All
    }
    fn send_after(&mut self, connection: ConnectionKey, bytes: Bytes) {
        let bytes = match self.plant {
            Plant::HoleInWhatWasMissed if self.one_in(4) => {
                let first = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                bytes.slice(first..)
            }
            _ => bytes,
        };
        let at = match (self.plant, self.told.last()) {
            (Plant::MissedBeforeItsAnswer, Some(Told::News(..))) => self.told.len() - 1,
            _ => self.told.len(),
        };
        self.told.insert(at, Told::Bytes(connection, bytes));
    }
    fn notify(&mut self, connection: ConnectionKey, notice: Notice) {
        let notice = match (self.plant, notice) {
            (Plant::LostIsSaidToBeWhole, Notice::Subscribed(mut begun)) if begun.recovered == Some(false) => {
                begun.recovered = Some(true);
                Notice::Subscribed(begun)
            }
            (_, notice) => notice,
        };
        self.told.push(Told::News(connection, Box::new(News::Notice(notice))));
    }
    fn connected(&mut self, connection: ConnectionKey, connected: Connected) {
        self.told.push(Told::News(connection, Box::new(News::Connected(connected))));
    }
    fn renewed(&mut self, connection: ConnectionKey, renewed: Box<Renewed>) {
        // Whose it is was noted when the hub began it; in a call of its own, behind this one.
        self.told.push(Told::Renewed(connection, renewed));
    }
    fn close(&mut self, connection: ConnectionKey, reason: CloseReason) {
        self.told.push(Told::Close(connection, reason));
    }
}

/// Carries out what the outlet was told. As a dialect would, the news goes through the connection's outbox: behind what waits there.
pub(super) fn carry_out(parts: &mut ShardParts, outlet: &mut SimOutlet) {
    while !outlet.told.is_empty() {
        for word in std::mem::take(&mut outlet.told) {
            match word {
                Told::News(connection, news) => {
                    match &*news {
                        News::Notice(Notice::ExpiryChanged(expiry)) => {
                            outlet.told_end(connection, *expiry);
                            continue;
                        }
                        News::Connected(connected) => {
                            outlet.told_end(connection, connected.token.as_ref().and_then(|token| token.expiry));
                        }
                        _ => {}
                    }
                    bring(parts, outlet, connection, *news);
                }
                Told::Renewed(connection, renewed) => {
                    outlet.told_end(connection, renewed.token.expiry);
                    let known = {
                        let conn = &mut outlet.conns.borrow_mut()[connection.slot as usize];
                        assert!(std::mem::take(&mut conn.is_renewing), "only a renewal is answered so");
                        conn.acting
                    };
                    bring(parts, outlet, connection, News::Renewed(known, renewed));
                }
                Told::Bytes(connection, bytes) => {
                    parts.shard.send(connection, &bytes, outlet);
                }
                Told::Close(connection, reason) => close(parts, outlet, connection, reason),
            }
        }
    }
}

fn close(parts: &mut ShardParts, outlet: &mut SimOutlet, connection: ConnectionKey, reason: CloseReason) {
    {
        let mut conns = outlet.conns.borrow_mut();
        let conn = &mut conns[connection.slot as usize];
        if conn.gone {
            return;
        }
        match reason {
            CloseReason::TokenExpired => assert!(conn.ends_at <= outlet.clock.monotonic(), "closed before its end"),
            CloseReason::TokenRevoked => {}
            CloseReason::SlowConsumer => assert!(conn.was_blocked, "nobody is slow who reads"),
            other => panic!("nobody is closed for {other:?} here"),
        }
        conn.closing = true;
    }
    // As a dialect's close does: its frame goes out behind what must.
    parts.shard.send(connection, &Bytes::from_static(b"bye\n"), outlet);
    let_go_if_closed(parts, outlet, connection);
}

/// A connection that is being closed goes once everything has left its outbox.
pub(super) fn let_go_if_closed(parts: &mut ShardParts, outlet: &mut SimOutlet, connection: ConnectionKey) {
    let is_closed = {
        let mut conns = outlet.conns.borrow_mut();
        let conn = &mut conns[connection.slot as usize];
        let is_closed = conn.closing && !conn.gone && parts.shard.is_flushed(connection);
        conn.gone |= is_closed;
        is_closed
    };
    if is_closed {
        parts.shard.gone(connection, outlet);
    }
}

pub(super) fn bring(parts: &mut ShardParts, outlet: &mut SimOutlet, connection: ConnectionKey, news: News) {
    let is_known = {
        let mut conns = outlet.conns.borrow_mut();
        let conn = &mut conns[connection.slot as usize];
        let is_known = !conn.gone && !conn.closing;
        if is_known {
            conn.news.push_back(news);
        }
        is_known
    };
    if is_known {
        parts.shard.send(connection, &Bytes::from_static(b"news\n"), outlet);
    }
}

/// The number that a message carries.
pub(super) fn number_in(publication: &Publication) -> u64 {
    publication.data.as_str().parse().expect("messages are numbers here")
}
