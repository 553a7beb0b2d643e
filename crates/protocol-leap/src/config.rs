//! What all Leap connections of a server share: the settings, and the counters of what was dropped. Not the limits, which are constants
//! beside the queues they bound.

/// Longest address that fits the text of a close frame, in bytes.
pub const MOVE_TO_BYTES_MAX: usize = 123;

/// The settings of the dialect. One value, shared by all connections.
#[derive(Debug)]
pub struct LeapConfig {
    /// How often clients are told to send a heartbeat, in milliseconds.
    pub heartbeat_interval_ms: u32,
    /// How long an ack waits, in milliseconds: leap-edge-js takes an ack in the same millisecond as its heartbeat for none at all.
    pub ack_delay_ms: u32,
    /// How long a client may take to identify itself, in milliseconds.
    pub identify_timeout_ms: u32,
    /// How long a client may be silent beyond two heartbeat intervals before it is closed as idle, in milliseconds. When the two intervals
    /// are over it is asked for a sign of life, which even a browser tab in the background answers.
    pub idle_grace_ms: u32,
    /// Where clients go when this server drains: the `ws://` or `wss://` address of another node's socket, of at most
    /// [`MOVE_TO_BYTES_MAX`] bytes. They are closed with 4006 and this address as the text, which Hop's JavaScript and Go clients follow
    /// (source: Hop's documentation; its Rust client comes back to the old address). Empty, or too long: closed with 1012 instead.
    pub move_to: String,
    /// Whether clients are told with `TOKEN_EXPIRING` that their token ends soon. Hop's JavaScript clients write a warning to the console on an event
    /// they do not know.
    pub announce_expiry: bool,
    /// What was dropped so far.
    pub counters: LeapCounters,
}

impl Default for LeapConfig {
    fn default() -> Self {
        Self {
            heartbeat_interval_ms: 30_000,
            ack_delay_ms: 10,
            identify_timeout_ms: 10_000,
            idle_grace_ms: 60_000,
            move_to: String::new(),
            announce_expiry: true,
            counters: LeapCounters::default(),
        }
    }
}

impl LeapConfig {
    /// After how much silence a client is asked for a sign of life. At least 1, so that time always moves on.
    pub(crate) fn silence_ms(&self) -> u64 {
        (u64::from(self.heartbeat_interval_ms) * 2).max(1)
    }
}

tollgate_core::counters! {
    /// What was dropped without a word to the client, because the protocol has none or because closing would make it loop. Counted over all
    /// connections since the start.
    pub struct LeapCounters {
        /// Events whose name the protocol does not have.
        unknown_events,
        /// Messages and states whose shape is wrong or whose data is too large or too deep.
        malformed_events,
        /// Messages and states of subscribed clients that the channel's settings do not allow.
        refused_writes,
        /// Messages and states that failed for another reason, such as a rate limit or a store that does not answer.
        failed_writes,
        /// Subscribes that were answered together with an equal one still on its way, because the client was far ahead of us.
        merged_subscribes,
        /// Answers and notices that came when none could: a defect of the caller.
        strays,
    }
}
