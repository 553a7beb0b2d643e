//! A task that exists only while a socket is full: waits until it takes more, and has the hub write on.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;
use tollgate_node::hub::ConnectionKey;

use super::engine::Engine;

pub(super) fn spawn(engine: Rc<RefCell<Engine>>, key: ConnectionKey) -> JoinHandle<()> {
    tokio::task::spawn_local(poll_fn(move |context| engine.borrow_mut().poll_flush(key, context)))
}

impl Engine {
    /// Writes on as long as the socket takes bytes. Ready when nothing waits any more.
    fn poll_flush(&mut self, key: ConnectionKey, context: &mut Context<'_>) -> Poll<()> {
        self.tick();
        loop {
            let Some(connection) = self.table.get_mut(key) else { return Poll::Ready(()) };
            if ready!(connection.socket.poll_writable(context)).is_err() {
                self.guarded(key, Engine::remove);
                return Poll::Ready(());
            }
            self.guarded(key, Engine::write_on);
            if self.is_flushed(key) {
                break;
            }
        }
        if let Some(connection) = self.table.get_mut(key) {
            connection.rare_mut().watcher = None;
            connection.trim();
        }
        self.guarded(key, Engine::closing_goes_on);
        Poll::Ready(())
    }

    fn write_on(&mut self, key: ConnectionKey) {
        let Some(connection) = self.table.get_mut(key) else { return };
        match connection.socket.try_flush() {
            Ok(true) => {
                let (shard, mut sockets) = self.split();
                shard.writable(key, &mut sockets);
            }
            Ok(false) => {}
            Err(_) => self.remove(key),
        }
    }
}
