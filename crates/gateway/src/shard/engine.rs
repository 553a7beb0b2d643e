//! A shard's connections in motion: bytes become frames, frames are told to dialects, and what follows is done in order.
//!
//! Plain data behind one `RefCell`; nothing is awaited while it is borrowed. Every entry (bytes, a timer, an answer, a word of the
//! hub) ends by working off what came up, so that nothing of a channel overtakes the news of its subscription.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::clock::{Clock, Monotonic};
use tollgate_core::command::Reply;
use tollgate_node::{ConnectionKey, Node, Shard};
use tollgate_protocol::{Dialect, Effect, Frame};

use super::outlet::{Sockets, Work};
use super::runner::{Inboxes, Runner};
use super::table::{Connection, Table};
use super::traffic::Traffic;
use super::{reader, watcher};
use crate::bucket::Bucket;
use crate::contain::{Panicked, contain};
use crate::counters::Counters;
use crate::door::Transport;
use crate::events;
use crate::frame::{self, Event, Opcode};
use crate::http1::Upgraded;
use crate::limits::Limits;
use crate::wheel::{Key, Wheel};

/// Bytes read at once; one buffer for all connections of the shard.
const SCRATCH_BYTES: usize = 64 * 1024;

/// One shard's engine.
pub(crate) struct Engine {
    pub(super) now: Monotonic,
    pub(super) shard: Shard,
    pub(super) table: Table,
    pub(super) wheel: Wheel,
    pub(super) work: VecDeque<(ConnectionKey, Work)>,
    pub(super) limits: Arc<Limits>,
    pub(super) counters: Arc<Counters>,
    pub(super) node: Arc<Node>,
    pub(super) inboxes: Inboxes,
    pub(super) runner: Runner,
    pub(super) me: Weak<RefCell<Engine>>,
    pub(super) is_draining: bool,
    pub(super) traffic: Traffic,
    clock: Arc<dyn Clock>,
    effects: Vec<Effect>,
    due: Vec<Key>,
    scratch: Box<[u8]>,
}

impl Engine {
    pub(crate) fn new(
        shard: Shard,
        inboxes: Inboxes,
        node: Arc<Node>,
        clock: Arc<dyn Clock>,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
    ) -> Rc<RefCell<Self>> {
        let now = clock.monotonic();
        Rc::new_cyclic(|me| {
            RefCell::new(Engine {
                now,
                shard,
                table: Table::default(),
                wheel: Wheel::new(now.0),
                work: VecDeque::new(),
                limits,
                counters,
                node,
                inboxes,
                runner: Runner::default(),
                me: Weak::clone(me),
                is_draining: false,
                traffic: Traffic::default(),
                clock,
                effects: Vec::new(),
                due: Vec::new(),
                scratch: Box::default(),
            })
        })
    }

    /// Reads the clock and does what is due. Called whenever something came, before it is looked at: so a flood of readable connections
    /// does not delay anybody's acknowledgements, and nothing is due earlier than it was asked for.
    pub(crate) fn tick(&mut self) {
        let now_us = self.clock.micros();
        self.now = Monotonic(now_us / 1_000);
        self.shard.set_now_us(now_us);
        if self.wheel.next_ms().is_none_or(|next| next > self.now.0) {
            return;
        }
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.now.0, &mut due);
        for key in due.drain(..) {
            self.guarded(connection_key(key), Self::fire);
        }
        self.due = due;
    }

    /// Takes over a connection from its HTTP phase.
    pub(crate) fn open(&mut self, upgraded: Upgraded) -> ConnectionKey {
        let Upgraded { stream, opening, received, permit, peer } = upgraded;
        let messages = Bucket::full(self.limits.messages_burst, self.now.0);
        let controls = Bucket::full(self.limits.control_frames_per_second_max, self.now.0);
        let (socket, switching) = stream.into_socket();
        let mut connection = Connection::new(socket, opening.dialect, permit, messages, controls);
        let rare = connection.rare_mut();
        (rare.peer, rare.switching) = (Some(peer), switching);
        if opening.transport == Transport::Events {
            connection.begin_events(self.limits.event_stream_input_bytes_max, self.now.0);
            self.counters.event_streams_opened.one();
        } else {
            self.counters.websockets_opened.one();
        }
        let key = self.table.insert(connection);
        self.shard.open(key, opening.format);
        self.guarded(key, |engine, key| {
            engine.tell(key, |dialect, now, effects| dialect.open(now, effects));
            engine.work_off();
            engine.switch(key);
        });
        if !received.is_empty() {
            let mut received = Vec::from(received);
            self.guarded(key, |engine, key| engine.receive(key, &mut received));
        }
        if self.is_draining {
            // Its upgrade was under way when the drain began.
            self.guarded(key, |engine, key| engine.work.push_back((key, Work::Close(CloseReason::Draining))));
        }
        if let (Some(connection), Some(me)) = (self.table.get_mut(key), self.me.upgrade()) {
            connection.reader = Some(reader::spawn(me, key));
        }
        key
    }

    /// Does something for one connection and works off what follows. A panic outside of a dialect, too, ends that connection only.
    pub(super) fn guarded(&mut self, key: ConnectionKey, act: impl FnOnce(&mut Self, ConnectionKey)) {
        let mut done = contain(|| {
            act(self, key);
            self.work_off();
        });
        while let Err(Panicked(message)) = done {
            self.counters.panics.one();
            tracing::error!(panic = message, "a connection ended in a panic; only this connection is closed");
            self.remove(key);
            done = contain(|| self.work_off());
        }
        self.wake_runner();
    }

    /// The shared read buffer; give it back with [`Engine::return_scratch`].
    pub(super) fn take_scratch(&mut self) -> Box<[u8]> {
        let scratch = std::mem::take(&mut self.scratch);
        if scratch.is_empty() { vec![0; SCRATCH_BYTES].into_boxed_slice() } else { scratch }
    }

    pub(super) fn return_scratch(&mut self, scratch: Box<[u8]>) {
        self.scratch = scratch;
    }

    /// Bytes from the client.
    pub(super) fn receive(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        self.traffic.bytes_received += bytes.len() as u64;
        let mut at = 0;
        while at < bytes.len() {
            let Some(connection) = self.table.get_mut(key) else { return };
            if connection.closing().is_some_and(|closing| closing.peer_closed) {
                return;
            }
            if connection.is_events {
                return self.receive_behind_request(key, bytes.len());
            }
            let limits = self.limits.frames_of(connection.is_identified);
            match connection.decoder.decode(&mut bytes[at..], &limits) {
                Ok(step) => {
                    at += step.consumed;
                    if let Some(event) = step.event {
                        self.event(key, event);
                        self.work_off();
                    }
                }
                Err(violation) => return self.refuse(key, violation),
            }
        }
    }

    /// Bytes from the client of an event stream, which has nothing to say.
    fn receive_behind_request(&mut self, key: ConnectionKey, count: usize) {
        let Some(connection) = self.table.get_mut(key).filter(|connection| connection.dialect.is_some()) else {
            return;
        };
        if !connection.messages.spend(count) {
            self.counters.event_streams_sent_to.one();
            self.work.push_back((key, Work::Close(CloseReason::ProtocolError)));
        }
    }

    fn event(&mut self, key: ConnectionKey, event: Event<'_>) {
        match event {
            Event::Text(text) => self.message(key, Frame::Text(&text)),
            Event::Binary(bytes) => self.message(key, Frame::Binary(&bytes)),
            Event::Ping(payload) => {
                if self.admit_control(key) {
                    self.send(key, Opcode::Pong, &Bytes::copy_from_slice(&payload));
                }
            }
            Event::Pong(_) => {
                self.admit_control(key);
            }
            Event::Close(close) => self.peer_closed(key, &close),
        }
    }

    fn message(&mut self, key: ConnectionKey, frame: Frame<'_>) {
        self.traffic.messages_received += 1;
        let (burst, per_second, now) = (self.limits.messages_burst, self.limits.messages_per_second, self.now.0);
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.messages.take(burst, per_second, now) {
            self.tell(key, |dialect, now, effects| dialect.receive(now, frame, effects));
        } else if connection.dialect.is_some() {
            self.counters.rate_limited.one();
            self.work.push_back((key, Work::Close(CloseReason::RateLimited)));
        }
    }

    /// Counts a control frame against its rate; false when there were too many, or when nobody listens any more.
    fn admit_control(&mut self, key: ConnectionKey) -> bool {
        let (per_second, now) = (self.limits.control_frames_per_second_max, self.now.0);
        let Some(connection) = self.table.get_mut(key).filter(|connection| connection.dialect.is_some()) else {
            return false;
        };
        if connection.controls.take(per_second, per_second, now) {
            return true;
        }
        self.counters.rate_limited.one();
        self.work.push_back((key, Work::Close(CloseReason::RateLimited)));
        false
    }

    /// Calls the dialect, unless the connection is being closed, and notes what it wants. A dialect that panics has its connection
    /// closed.
    pub(super) fn tell(&mut self, key: ConnectionKey, say: impl FnOnce(&mut dyn Dialect, Monotonic, &mut Vec<Effect>)) {
        let (now, effects) = (self.now, &mut self.effects);
        let Some(dialect) = self.table.get_mut(key).and_then(|connection| connection.dialect.as_deref_mut()) else {
            return;
        };
        let said = contain(|| {
            say(dialect, now, effects);
            dialect.wake_at()
        });
        match said {
            Ok(wake_at) => {
                // A dialect that does not care about the end of a token does not get round it.
                if let Some(at) = wake_at.into_iter().chain(self.shard.ends_at(key)).min() {
                    self.wheel.arm_no_later(wheel_key(key), at.0);
                }
                // Before whatever was to come after it: bytes that follow the news of a subscription follow what the dialect makes of that news.
                for effect in self.effects.drain(..).rev() {
                    self.work.push_front((key, Work::Effect(effect)));
                }
            }
            Err(Panicked(message)) => {
                self.effects.clear();
                self.counters.panics.one();
                tracing::error!(panic = message, "a dialect panicked; only its connection is closed");
                self.close(key, 1011, "The server failed on this connection.", CloseReason::Internal);
            }
        }
    }

    /// Does what came up, in order, until nothing is left.
    pub(super) fn work_off(&mut self) {
        while let Some((key, work)) = self.work.pop_front() {
            match work {
                Work::Effect(Effect::Send(_) | Effect::SendBinary(_)) if self.is_ended_by_hub(key) => {}
                Work::Effect(Effect::Send(payload)) => self.send(key, Opcode::Text, &payload),
                Work::Effect(Effect::SendBinary(payload)) => self.send(key, Opcode::Binary, &payload),
                Work::Effect(Effect::Perform(number, command)) => self.perform(key, number, command),
                Work::Effect(Effect::Close { code, text, reason }) => self.close(key, code, &text, reason),
                Work::Notice(notice) => {
                    self.tell(key, |dialect, now, effects| dialect.notify(now, notice, effects));
                }
                Work::Bytes(bytes) => self.send_bytes(key, &bytes),
                Work::Connected(connected) => {
                    if let Some(connection) = self.table.get_mut(key) {
                        connection.is_identified = true;
                        connection.permit.authenticated();
                        let begun_us = connection.rare().map_or(0, |rare| rare.connect_begun_us);
                        if begun_us > 0 {
                            let took_us = self.clock.micros().saturating_sub(begun_us);
                            self.shard.gauges().connects.observe(took_us);
                        }
                    }
                    self.answer_events(key);
                    self.answer(key, Reply::Connected(connected));
                }
                Work::Renewed(renewed) => self.answer(key, Reply::Renewed(renewed)),
                Work::Answer(number, result) => {
                    self.tell(key, |dialect, now, effects| dialect.answer(now, number, result, effects));
                }
                Work::Next => self.perform_next(key),
                Work::Close(reason) => {
                    if let Some(connection) = self.table.get_mut(key) {
                        connection.is_ended_by_hub = false;
                    }
                    self.tell(key, |dialect, now, effects| dialect.close(now, reason, effects));
                }
                Work::Gone => self.remove(key),
                Work::Watch => self.watch(key),
            }
        }
    }

    /// Answers the command under way, at once: what follows from it may wait behind this word already.
    fn answer(&mut self, key: ConnectionKey, reply: Reply) {
        let number = self.table.get_mut(key).and_then(|connection| connection.rare_mut().performing.take());
        if let Some(number) = number {
            self.tell(key, |dialect, now, effects| dialect.answer(now, number, Ok(reply), effects));
            self.work.push_back((key, Work::Next));
        }
    }

    fn is_ended_by_hub(&self, key: ConnectionKey) -> bool {
        self.table.get(key).is_some_and(|connection| connection.is_ended_by_hub)
    }

    /// Answers the request of an event stream, unless that was done.
    fn answer_events(&mut self, key: ConnectionKey) {
        if self.table.get_mut(key).is_some_and(Connection::take_unanswered) {
            self.send_bytes(key, &Bytes::from_static(events::HEAD.as_bytes()));
        }
    }

    /// Sends one message behind what waits for the connection.
    pub(super) fn send(&mut self, key: ConnectionKey, opcode: Opcode, payload: &Bytes) {
        if self.table.get(key).is_some_and(|connection| connection.is_events) {
            self.answer_events(key);
            return self.send_bytes(key, payload);
        }
        let mut bytes = self.table.get_mut(key).map(Connection::take_switching).unwrap_or_default();
        bytes.reserve_exact(payload.len() + frame::HEADER_BYTES_MAX);
        frame::encode(opcode, payload, &mut bytes);
        self.send_bytes(key, &bytes.into());
    }

    /// Answers the handshake of a WebSocket whose dialect had nothing to say first.
    fn switch(&mut self, key: ConnectionKey) {
        let switching = self.table.get_mut(key).map(Connection::take_switching).unwrap_or_default();
        if !switching.is_empty() {
            self.send_bytes(key, &switching.into());
        }
    }

    pub(super) fn send_bytes(&mut self, key: ConnectionKey, bytes: &Bytes) {
        let (shard, mut sockets) = self.split();
        shard.send(key, bytes, &mut sockets);
    }

    /// The hub's shard and what it writes through.
    pub(super) fn split(&mut self) -> (&mut Shard, Sockets<'_>) {
        let sockets = Sockets {
            table: &mut self.table,
            work: &mut self.work,
            clock: self.clock.as_ref(),
            bytes_sent: &mut self.traffic.bytes_sent,
        };
        (&mut self.shard, sockets)
    }

    fn watch(&mut self, key: ConnectionKey) {
        let (Some(connection), Some(me)) = (self.table.get_mut(key), self.me.upgrade()) else { return };
        let rare = connection.rare_mut();
        if rare.watcher.is_none() {
            rare.watcher = Some(watcher::spawn(me, key));
        }
    }

    /// The timer of a connection has fired: something may be due, or only its deadline has moved.
    fn fire(&mut self, key: ConnectionKey) {
        let Some(connection) = self.table.get(key) else { return };
        if let Some(closing) = connection.closing() {
            return self.closing_overdue(key, closing);
        }
        let wake_at = connection.dialect.as_deref().and_then(|dialect| dialect.wake_at());
        let (shard, mut sockets) = self.split();
        // Before the dialect says its last words: what still waits must not go out with them.
        shard.expire(key, &mut sockets);
        if wake_at.is_some_and(|at| at <= self.now) {
            self.tell(key, |dialect, now, effects| dialect.wake(now, effects));
        } else if let Some(at) = wake_at.into_iter().chain(self.shard.ends_at(key)).min() {
            self.wheel.arm_no_later(wheel_key(key), at.0);
        }
    }

    /// Forgets a connection; its socket is closed.
    pub(super) fn remove(&mut self, key: ConnectionKey) {
        self.wheel.disarm(wheel_key(key));
        let (shard, mut sockets) = self.split();
        shard.gone(key, &mut sockets);
        if let Some(connection) = self.table.remove(key)
            && connection.closing().is_none()
        {
            self.counters.closed(CloseReason::ClientGone).one();
        }
    }
}

pub(super) fn wheel_key(key: ConnectionKey) -> Key {
    Key { slot: key.slot, generation: key.generation }
}

fn connection_key(key: Key) -> ConnectionKey {
    ConnectionKey { slot: key.slot, generation: key.generation }
}
