//! A link: what the hub keeps of one connection. An idle one is small; what is rare is boxed.

use std::collections::VecDeque;

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
    /// Direct messages that came meanwhile.
    pub(super) held: Vec<Publication>,
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
