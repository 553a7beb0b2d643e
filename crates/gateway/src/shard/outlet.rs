//! What the hub writes and speaks through: sockets directly, everything else as work for the engine to do right after.

use std::collections::VecDeque;

use bytes::Bytes;
use tollgate_core::clock::{Clock, Monotonic};
use tollgate_core::command::{Connected, Notice, Renewed, Reply};
use tollgate_core::{CloseReason, Result};
use tollgate_node::hub::{ConnectionKey, Outlet, Written};
use tollgate_protocol::{Effect, RequestNumber};

use super::table::Table;

/// Something to do for a connection. Done in the order in which it came up, before the hub is called for anything else.
pub(super) enum Work {
    Effect(Effect),
    Notice(Notice),
    /// Write these frames.
    Bytes(Bytes),
    Connected(Box<Connected>),
    Renewed(Box<Renewed>),
    Answer(RequestNumber, Result<Reply>),
    /// Begin the next command.
    Next,
    Close(CloseReason),
    /// The socket is broken.
    Gone,
    /// The socket is full.
    Watch,
}

/// The hub's outlet on one shard.
pub(super) struct Sockets<'a> {
    pub(super) table: &'a mut Table,
    pub(super) work: &'a mut VecDeque<(ConnectionKey, Work)>,
    pub(super) clock: &'a dyn Clock,
    /// Counts what the sockets take.
    pub(super) bytes_sent: &'a mut u64,
}

impl Outlet for Sockets<'_> {
    fn now(&self) -> Monotonic {
        self.clock.monotonic()
    }

    fn now_us(&self) -> u64 {
        self.clock.micros()
    }

    fn bring_near(&self, key: ConnectionKey) {
        std::hint::black_box(self.table.get(key).map(|connection| connection.socket.descriptor()));
    }

    fn write(&mut self, key: ConnectionKey, bytes: &[u8]) -> Written {
        let Some(connection) = self.table.get_mut(key) else { return Written::Gone };
        let mut taken = 0;
        while taken < bytes.len() {
            match connection.socket.try_write(&bytes[taken..]) {
                Ok(0) => {
                    self.work.push_back((key, Work::Watch));
                    return Written::Part(taken);
                }
                Ok(wrote) => {
                    taken += wrote;
                    *self.bytes_sent += wrote as u64;
                }
                Err(_) => {
                    self.work.push_back((key, Work::Gone));
                    return Written::Gone;
                }
            }
        }
        if connection.socket.holds_back() {
            self.work.push_back((key, Work::Watch));
        }
        Written::All
    }

    fn send_after(&mut self, key: ConnectionKey, bytes: Bytes) {
        self.work.push_back((key, Work::Bytes(bytes)));
    }

    fn notify(&mut self, key: ConnectionKey, notice: Notice) {
        self.work.push_back((key, Work::Notice(notice)));
    }

    fn connected(&mut self, key: ConnectionKey, connected: Connected) {
        self.work.push_back((key, Work::Connected(Box::new(connected))));
    }

    fn renewed(&mut self, key: ConnectionKey, renewed: Box<Renewed>) {
        self.work.push_back((key, Work::Renewed(renewed)));
    }

    fn close(&mut self, key: ConnectionKey, reason: CloseReason) {
        if let Some(connection) = self.table.get_mut(key) {
            connection.is_ended_by_hub = true;
        }
        self.work.push_back((key, Work::Close(reason)));
    }
}
