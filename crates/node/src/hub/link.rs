//! A link: what the hub keeps of one connection. An idle one is small; what is rare is boxed.

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::Connected;
use tollgate_core::delivery::Publication;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::limits::{OUTBOX_BYTES_MAX, OUTBOX_WRITES_MAX};

use super::FormatIndex;

/// An identified connection on its way in.
#[derive(Debug)]
pub struct Admission {
    pub(crate) project: ProjectId,
    pub(crate) token: Option<TokenId>,
    /// Where it comes from, when the transport knows it.
    pub(crate) address: Option<IpAddr>,
    /// Its durable subscriptions at the moment it was registered.
    pub(crate) channels: Vec<ChannelId>,
    /// What the client will be told, channels aside.
    pub(crate) connected: Connected,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The socket took everything.
    All,
    /// The socket took this many bytes and no more for now; the shard is told through [`super::Shard::writable`] when it can take more.
    Part(usize),
    /// The socket is gone.
    Gone,
}

/// One subscription of a connection: which channel (its place in the shard's table) and where in its lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) channel: u32,
    pub(super) place: u32,
}

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not identified.
    Fresh,
    /// Identified; the states of its channels are still being fetched from their homes.
    Gathering(Box<Gathering>),
    /// Its client has been told that it is connected.
    Connected,
    /// To be closed: gets no deliveries any more, only what its dialect sends last.
    Ending,
}

/// A connection on its way to being connected.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) admission: Admission,
    /// Channels (places in the table) asked for; all become subscriptions in the same instant.
    pub(super) wanted: Vec<u32>,
    /// How many of them are not live yet.
    pub(super) outstanding: usize,
    /// Whether channels are still being asked for; until then nothing is finished.
    pub(super) asking: bool,
    /// Direct messages that came meanwhile, and the bytes of their data.
    pub(super) held: Vec<Publication>,
    pub(super) held_bytes: usize,
}

impl Gathering {
    /// Keeps a direct message until the connection is told that it is connected; false when as much waits as an outbox takes.
    pub(super) fn hold(&mut self, publication: &Publication) -> bool {
        let bytes = publication.data.as_str().len();
        if !self.held.is_empty() && (self.held_bytes + bytes > OUTBOX_BYTES_MAX || self.held.len() >= OUTBOX_WRITES_MAX)
        {
            return false;
        }
        self.held_bytes += bytes;
        self.held.push(publication.clone());
        true
    }
}

/// The link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) generation: u32,
    pub(super) format: FormatIndex,
    pub(super) phase: Phase,
    /// The project and token, once identified.
    pub(super) project: Option<ProjectId>,
    pub(super) token: Option<TokenId>,
    /// Where it comes from, once identified.
    pub(super) address: Option<IpAddr>,
    pub(super) subscriptions: Vec<Held>,
    pub(super) outbox: Option<Box<Outbox>>,
}

impl Link {
    pub(super) const fn new(generation: u32, format: FormatIndex) -> Self {
        Self {
            generation,
            format,
            phase: Phase::Fresh,
            project: None,
            token: None,
            address: None,
            subscriptions: Vec::new(),
            outbox: None,
        }
    }

    /// Whether the client has been told that it is connected, and may be sent to.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }
}

/// Writes that wait until the socket takes more, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    writes: VecDeque<Bytes>,
    bytes: usize,
    /// When the socket last took something.
    pub(super) moved_at: Monotonic,
}

impl Outbox {
    pub(super) const fn new(now: Monotonic) -> Self {
        Self { writes: VecDeque::new(), bytes: 0, moved_at: now }
    }

    /// Adds a write; false, and nothing added, when the outbox is full. One write always fits.
    pub(super) fn push(&mut self, write: Bytes) -> bool {
        if self.bytes > 0 && (self.bytes + write.len() > OUTBOX_BYTES_MAX || self.writes.len() >= OUTBOX_WRITES_MAX) {
            return false;
        }
        self.bytes += write.len();
        self.writes.push_back(write);
        true
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Gives up all writes but the one that the socket has perhaps taken a part of, so that what follows starts at a frame.
    pub(super) fn give_up(&mut self) {
        self.writes.truncate(1);
        self.bytes = self.writes.front().map_or(0, Bytes::len);
    }

    /// Writes through `write` until it takes no more. `Written::All` says that the outbox is empty.
    pub(super) fn flush(&mut self, now: Monotonic, mut write: impl FnMut(&[u8]) -> Written) -> Written {
        while let Some(front) = self.writes.front_mut() {
            match write(front) {
                Written::All => {
                    self.bytes -= front.len();
                    self.writes.pop_front();
                    self.moved_at = now;
                }
                Written::Part(taken) => {
                    self.bytes -= taken;
                    *front = front.slice(taken..);
                    if taken > 0 {
                        self.moved_at = now;
                    }
                    return Written::Part(taken);
                }
                Written::Gone => return Written::Gone,
            }
        }
        Written::All
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::json::JsonValue;

    use super::*;
    use crate::hub::link::Written::{All, Part};

    #[test]
    fn an_outbox_is_bounded_in_bytes_and_writes_and_keeps_its_order() {
        let mut outbox = Outbox::new(Monotonic(0));
        assert!(outbox.push(Bytes::from(vec![0; 2 * OUTBOX_BYTES_MAX])), "one write always fits");
        assert!(!outbox.push(Bytes::from_static(b"x")));
        let mut outbox = Outbox::new(Monotonic(0));
        let pushed = (0..).take_while(|_| outbox.push(Bytes::from_static(b"ab"))).count();
        assert_eq!(pushed, OUTBOX_WRITES_MAX);
        let mut taken = 0;
        assert_eq!(
            outbox.flush(Monotonic(5), |bytes| if taken < 3 {
                taken += 1;
                All
            } else {
                Part(bytes.len() / 2)
            }),
            Part(1)
        );
        outbox.give_up();
        let mut rest = Vec::new();
        assert_eq!(
            outbox.flush(Monotonic(6), |bytes| {
                rest.extend_from_slice(bytes);
                All
            }),
            All
        );
        assert_eq!(
            (rest.as_slice(), outbox.is_empty(), outbox.moved_at),
            (b"b".as_slice(), true, Monotonic(6)),
            "the write begun is ended, the rest given up"
        );
    }

    #[test]
    fn a_gathering_connection_holds_no_more_than_an_outbox() {
        let connected = Connected {
            connection: tollgate_core::ids::ConnectionId::new(1),
            project: ProjectId::new(1),
            token: None,
            connection_count: 1,
            channels: Vec::new(),
        };
        let admission =
            Admission { project: ProjectId::new(1), token: None, address: None, channels: Vec::new(), connected };
        let mut gathering =
            Gathering { admission, wanted: Vec::new(), outstanding: 1, asking: false, held: Vec::new(), held_bytes: 0 };
        let publication = Publication { event: "e".into(), data: JsonValue::null() };
        assert_eq!((0..).take_while(|_| gathering.hold(&publication)).count(), OUTBOX_WRITES_MAX);
    }
}
