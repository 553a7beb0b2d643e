//! What all connections of the protocol share: the settings, and the counters of what was refused or dropped. Not the limits, which are
//! constants of [`crate::wire`] and of the queues they bound.

use crate::wire::CONNECT_TIMEOUT_MS;

/// The settings of the dialect. One value, shared by all connections.
#[derive(Debug)]
pub struct NativeConfig {
    /// How often the server pings, in milliseconds.
    pub ping_ms: u32,
    /// How long beyond that a client may be silent, in milliseconds.
    pub timeout_ms: u32,
    /// How long a client may take to send `connect`, in milliseconds.
    pub connect_timeout_ms: u32,
    /// Bytes of a client's message, as the gateway bounds them: only told to clients here.
    pub message_bytes: usize,
    /// What was refused or dropped so far.
    pub counters: NativeCounters,
}

impl Default for NativeConfig {
    fn default() -> Self {
        Self {
            ping_ms: 25_000,
            timeout_ms: 10_000,
            connect_timeout_ms: CONNECT_TIMEOUT_MS as u32,
            message_bytes: 64 * 1024,
            counters: NativeCounters::default(),
        }
    }
}

impl NativeConfig {
    /// The time between pings. At least 1, so that time always moves on.
    pub(crate) fn ping_ms(&self) -> u64 {
        u64::from(self.ping_ms.max(1))
    }

    /// After how much silence a connection is dead.
    pub(crate) fn silence_ms(&self) -> u64 {
        self.ping_ms() + u64::from(self.timeout_ms)
    }
}

tollgate_core::counters! {
    /// What was refused or dropped before any operation saw it. Counted over all connections since the start.
    pub struct NativeCounters {
        /// Requests of a name that the protocol does not have.
        unknown_requests,
        /// Requests whose body is not what the page says.
        malformed_requests,
        /// Requests over the limit of those that wait for an answer.
        refused_requests,
        /// Answers and notices that came when none could: a defect of the caller.
        strays,
    }
}
