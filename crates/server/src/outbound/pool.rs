//! Connections, and those that wait for the next call to the same host: few, and not for long.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tollgate_core::clock::Monotonic;
use tollgate_core::ports::outbound::{Host, Target};

/// A connection. It ends when this is dropped, at once: one that only ended when everything was written would never end if the other side
/// reads no more.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// What reads and writes.
    pub(super) task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Kept in all, and for one host.
pub(super) const IDLE_MAX: usize = 64;
const IDLE_PER_HOST_MAX: usize = 16;
/// For how long.
pub(super) const IDLE_MS: u64 = 30_000;

/// Scheme, host and port: whoever has the same was checked by the same rules and shown the same certificate.
type Key = (bool, Host, u16);

fn key(target: &Target) -> Key {
    (target.https, target.host.clone(), target.port)
}

struct Idle {
    key: Key,
    connection: Connection,
    since: Monotonic,
}

#[derive(Default)]
pub(super) struct Pool {
    /// The longest idle first.
    idle: Mutex<VecDeque<Idle>>,
}

impl Pool {
    /// The connection to this target that was used last, if there is one.
    pub(super) fn take(&self, target: &Target, now: Monotonic) -> Option<Connection> {
        let mut idle = self.swept(now);
        let key = key(target);
        let place = idle.iter().rposition(|idle| idle.key == key)?;
        idle.remove(place).map(|idle| idle.connection)
    }

    /// Keeps a connection on which another request can be sent at once.
    pub(super) fn put(&self, target: &Target, connection: Connection, now: Monotonic) {
        let mut idle = self.swept(now);
        let key = key(target);
        let mut of_host = idle.iter().enumerate().filter(|(_, idle)| idle.key == key).map(|(place, _)| place);
        let oldest = of_host.next();
        match oldest.filter(|_| 1 + of_host.count() >= IDLE_PER_HOST_MAX) {
            Some(oldest) => drop(idle.remove(oldest)),
            None if idle.len() >= IDLE_MAX => drop(idle.pop_front()),
            None => {}
        }
        idle.push_back(Idle { key, connection, since: now });
    }

    /// Closes what has waited too long. Whether there is something left.
    pub(super) fn sweep(&self, now: Monotonic) -> bool {
        !self.swept(now).is_empty()
    }

    fn swept(&self, now: Monotonic) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        let mut idle = self.idle.lock().expect("invariant: nobody panics with the lock");
        idle.retain(|idle| now.since(idle.since) < IDLE_MS && idle.connection.sender.is_ready());
        idle
    }
}
