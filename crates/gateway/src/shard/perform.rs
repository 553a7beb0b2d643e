//! Commands of clients: one after another on each connection, answered in order.
//!
//! Most are done at once, from memory, without a task; one that waits for the store or a hook gets a task until it is done.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tollgate_core::Result;
use tollgate_core::command::{Command, Reply};
use tollgate_node::hub::ConnectionKey;
use tollgate_node::{Node, Outcome};
use tollgate_protocol::RequestNumber;

use super::engine::Engine;
use super::outlet::Work;
use crate::contain::{Contained, Panicked};

/// An operation under way.
type Performing = Contained<dyn Future<Output = Result<Outcome>>>;

impl Engine {
    /// A dialect asks for a command; it begins when those before it are answered.
    pub(super) fn perform(&mut self, key: ConnectionKey, number: RequestNumber, command: Command) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.rare_mut().commands.push_back((number, command));
        self.perform_next(key);
    }

    /// Begins the next command, if one waits and none is under way.
    pub(super) fn perform_next(&mut self, key: ConnectionKey) {
        let (waiting_max, now_us) = (self.limits.commands_waiting_max, self.shard.now_us());
        let Some(connection) = self.table.get_mut(key) else { return };
        let rare = connection.rare_mut();
        if rare.performing.is_some() {
            return;
        }
        if rare.commands.len() <= waiting_max
            && let Some(paused) = rare.paused.take()
        {
            paused.wake();
        }
        let Some((number, command)) = rare.commands.pop_front() else { return connection.trim() };
        rare.performing = Some(number);
        let peer = rare.peer.take_if(|_| matches!(command, Command::Connect { .. }));
        if peer.is_some() {
            rare.connect_begun_us = now_us;
        }
        let (shard, mut sockets) = self.split();
        let Some(client) = shard.prepare(key, &command, &mut sockets) else { return };
        let client = if peer.is_some() { client.with_peer(peer) } else { client };
        let node: Arc<Node> = Arc::clone(&self.node);
        let mut performing: Performing = Contained(Box::pin(async move { node.perform(client, command).await }));
        match Pin::new(&mut performing).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => self.settle(key, outcome),
            Poll::Pending => {
                let Some(engine) = self.me.upgrade() else { return };
                // The connection may end meanwhile; what was asked for is done all the same.
                drop(tokio::task::spawn_local(finish(engine, key, performing)));
            }
        }
    }

    /// What the operation came to takes effect on the connection. Also for one that is gone: the hub undoes what must not stay.
    fn settle(&mut self, key: ConnectionKey, outcome: std::result::Result<Result<Outcome>, Panicked>) {
        let result = match outcome {
            Ok(Ok(outcome)) => {
                let (shard, mut sockets) = self.split();
                match shard.settle(key, outcome, &mut sockets) {
                    Some(reply) => Ok(reply),
                    None => return,
                }
            }
            Ok(Err(error)) => Err(error),
            Err(Panicked(message)) => {
                self.counters.panics.one();
                tracing::error!(panic = message, "an operation panicked; its connection is closed");
                return self.close(
                    key,
                    1011,
                    "The server failed on this connection.",
                    tollgate_core::CloseReason::Internal,
                );
            }
        };
        self.performed(key, result);
    }

    /// Answers the command under way and begins the next.
    pub(super) fn performed(&mut self, key: ConnectionKey, result: Result<Reply>) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if let Some(number) = connection.rare_mut().performing.take() {
            self.work.push_back((key, Work::Answer(number, result)));
            self.work.push_back((key, Work::Next));
        }
    }
}

async fn finish(engine: Rc<RefCell<Engine>>, key: ConnectionKey, performing: Performing) {
    let outcome = performing.await;
    let mut engine = engine.borrow_mut();
    engine.tick();
    engine.guarded(key, |engine, key| engine.settle(key, outcome));
}
