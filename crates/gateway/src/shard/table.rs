//! The connections of one shard, by slot and generation. A connection is boxed so that an empty slot is small.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::task::JoinHandle;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::Command;
use tollgate_core::peer::Peer;
use tollgate_node::hub::ConnectionKey;
use tollgate_protocol::{Dialect, RequestNumber};

use crate::admission::Permit;
use crate::bucket::Bucket;
use crate::frame::Decoder;
use crate::socket::Socket;

/// One connection: a WebSocket, or an event stream. What few connections need, and none needs for long, is in [`Rare`].
pub(crate) struct Connection {
    pub(super) socket: Socket,
    pub(super) decoder: Decoder,
    /// `None` once the connection is being closed: nothing is said to a dialect after its close.
    pub(super) dialect: Option<Box<dyn Dialect>>,
    pub(super) permit: Rc<Permit>,
    /// Messages that the client may still send; of an event stream, bytes.
    pub(super) messages: Bucket,
    /// Control frames that it may still send.
    pub(super) controls: Bucket,
    /// The task that reads; ended with the connection.
    pub(super) reader: Option<JoinHandle<()>>,
    rare: Option<Box<Rare>>,
    pub(super) is_identified: bool,
    /// The hub has ended it, and its dialect is about to be told. What the dialect wanted to send before must not go out: something that it sent
    /// earlier may have been given up, and its last words need the room.
    pub(super) is_ended_by_hub: bool,
    /// What is written is server-sent events, and what is read means nothing.
    pub(super) is_events: bool,
}

/// What a connection has while it waits for something.
#[derive(Default)]
pub(super) struct Rare {
    /// Commands that wait for their turn.
    pub(super) commands: VecDeque<(RequestNumber, Command)>,
    /// The command that is being carried out.
    pub(super) performing: Option<RequestNumber>,
    /// The reader, while it must not read because too many commands wait.
    pub(super) paused: Option<Waker>,
    /// The task that waits for the socket to take more.
    pub(super) watcher: Option<JoinHandle<()>>,
    pub(super) closing: Option<Closing>,
    /// The request of an event stream has no answer yet: the head goes before what is sent first.
    pub(super) is_unanswered: bool,
    /// The answer to the handshake of a WebSocket, until something goes out behind it.
    pub(super) switching: Vec<u8>,
    /// Who is at the other end, until it has identified itself.
    pub(super) peer: Option<Arc<Peer>>,
    /// When the client said who it is, in microseconds of the monotonic clock.
    pub(super) connect_begun_us: u64,
}

/// A connection on its way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    /// When it is dropped, whatever it waits for.
    pub(super) deadline: Monotonic,
    /// The peer has sent its close frame.
    pub(super) peer_closed: bool,
    /// Our close frame is on the wire and the hub has let go of the connection.
    pub(super) is_sent: bool,
    /// Both sides have closed and we have ended our side of the stream.
    pub(super) is_shut: bool,
}

impl Rare {
    fn is_idle(&self) -> bool {
        self.commands.is_empty()
            && self.performing.is_none()
            && self.paused.is_none()
            && self.watcher.is_none()
            && self.closing.is_none()
            && !self.is_unanswered
            && self.switching.is_empty()
            && self.peer.is_none()
    }
}

impl Connection {
    pub(super) fn new(
        socket: Socket,
        dialect: Box<dyn Dialect>,
        permit: Rc<Permit>,
        messages: Bucket,
        controls: Bucket,
    ) -> Self {
        Connection {
            socket,
            decoder: Decoder::default(),
            dialect: Some(dialect),
            permit,
            messages,
            controls,
            reader: None,
            rare: None,
            is_identified: false,
            is_ended_by_hub: false,
            is_events: false,
        }
    }

    /// Makes it an event stream whose request has no answer yet, and whose client may send so many bytes.
    pub(super) fn begin_events(&mut self, input_bytes_max: u32, now_ms: u64) {
        self.is_events = true;
        self.messages = Bucket::full(input_bytes_max, now_ms);
        self.rare_mut().is_unanswered = true;
    }

    /// Whether the request has no answer yet; from now on it has.
    pub(super) fn take_unanswered(&mut self) -> bool {
        self.rare.as_deref_mut().is_some_and(|rare| std::mem::take(&mut rare.is_unanswered))
    }

    /// The answer to the handshake, to go out before anything else; empty once it is out.
    pub(super) fn take_switching(&mut self) -> Vec<u8> {
        self.rare.as_deref_mut().map(|rare| std::mem::take(&mut rare.switching)).unwrap_or_default()
    }

    pub(super) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn closing(&self) -> Option<Closing> {
        self.rare().and_then(|rare| rare.closing)
    }

    /// Gives memory back once nothing is waited for.
    pub(super) fn trim(&mut self) {
        if self.rare().is_some_and(Rare::is_idle) {
            self.rare = None;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
        if let Some(watcher) = self.rare.take().and_then(|rare| rare.watcher) {
            watcher.abort();
        }
    }
}

/// The table.
#[derive(Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Table {
    pub(super) fn insert(&mut self, connection: Connection) -> ConnectionKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("invariant: a node has fewer than 2^32 connections")
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.connection = Some(Box::new(connection));
        ConnectionKey { slot: index, generation: slot.generation }
    }

    pub(super) fn get(&self, key: ConnectionKey) -> Option<&Connection> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation == key.generation { slot.connection.as_deref() } else { None }
    }

    pub(super) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation == key.generation { slot.connection.as_deref_mut() } else { None }
    }

    pub(super) fn remove(&mut self, key: ConnectionKey) -> Option<Box<Connection>> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)?;
        let connection = slot.connection.take()?;
        self.free.push(key.slot);
        Some(connection)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Every connection there is now.
    pub(super) fn keys(&self) -> Vec<ConnectionKey> {
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.connection.is_some())
            .map(|(index, slot)| ConnectionKey { slot: index, generation: slot.generation })
            .collect()
    }
}
