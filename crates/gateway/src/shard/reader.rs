//! The one light task of each connection: waits until its socket is readable and hands the bytes to the engine.
//!
//! It owns three words of state. The buffer it reads into belongs to the shard.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tollgate_node::hub::ConnectionKey;

use super::engine::Engine;

/// Full buffers read from one connection before others get their turn.
const READS_PER_TURN: usize = 4;

pub(super) fn spawn(engine: Rc<RefCell<Engine>>, key: ConnectionKey) -> JoinHandle<()> {
    tokio::task::spawn_local(Reader { engine, key })
}

struct Reader {
    engine: Rc<RefCell<Engine>>,
    key: ConnectionKey,
}

impl Future for Reader {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut engine = self.engine.borrow_mut();
        for _ in 0..READS_PER_TURN {
            match engine.poll_read(self.key, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Ready(true) => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Engine {
    /// Reads once. Ready with whether the connection goes on.
    fn poll_read(&mut self, key: ConnectionKey, context: &mut Context<'_>) -> Poll<bool> {
        let commands_max = self.limits.commands_waiting_max;
        let Some(connection) = self.table.get_mut(key) else { return Poll::Ready(false) };
        if connection.rare().is_some_and(|rare| rare.commands.len() > commands_max) {
            connection.rare_mut().paused = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut scratch = self.take_scratch();
        let read = match self.table.get_mut(key) {
            Some(connection) => connection.socket.poll_read(context, &mut scratch),
            None => Poll::Ready(Ok(0)),
        };
        if read.is_ready() {
            // Not before the read: what is read may have been sent later than that, and an ack is due so long after its heartbeat was sent.
            self.tick();
        }
        let goes_on = match read {
            Poll::Pending => {
                self.return_scratch(scratch);
                return Poll::Pending;
            }
            Poll::Ready(Ok(read @ 1..)) => {
                self.guarded(key, |engine, key| engine.receive(key, &mut scratch[..read]));
                true
            }
            Poll::Ready(Ok(0) | Err(_)) => {
                self.guarded(key, Engine::remove);
                false
            }
        };
        self.return_scratch(scratch);
        Poll::Ready(goes_on)
    }
}
