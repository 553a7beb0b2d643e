//! What the gateway counts: plain totals since the start of the process. No drop and no refusal is silent.

tollgate_core::counters! {
    /// The totals.
    pub struct Counters {
        /// Connections accepted by the kernel and taken by us.
        accepted,
        /// Connections turned away because the node is full.
        refused_node_full,
        /// Connections turned away because too many have not identified themselves.
        refused_unauthenticated,
        /// Connections turned away because their address holds too many.
        refused_address,
        /// Times that accepting failed for want of descriptors or memory, and paused.
        accept_paused,
        /// TLS handshakes that failed or took too long.
        tls_handshakes_failed,
        /// HTTP connections that ended with broken, oversized or overdue input.
        http_failed,
        /// HTTP requests that were not answered within their deadline.
        http_overdue,
        /// Requests at a door that was not opened.
        upgrades_refused,
        /// WebSocket connections opened.
        websockets_opened,
        /// Event streams opened.
        event_streams_opened,
        /// Event streams ended because their client went on sending.
        event_streams_sent_to,
        /// WebSocket connections that broke the rules of framing.
        frames_invalid,
        /// WebSocket connections closed because they sent too many messages or control frames.
        rate_limited,
        /// WebSocket connections dropped because their socket took no bytes, or their close was not answered in time.
        dropped_overdue,
        /// Panics that ended one connection or one request.
        panics,
    }
}
