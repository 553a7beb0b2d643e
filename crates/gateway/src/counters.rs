//! What the gateway counts: plain totals since the start of the process. No drop and no refusal is silent.

use tollgate_core::CloseReason;
use tollgate_core::counter::Counter;

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
        /// Bytes received on realtime connections, before TLS.
        bytes_received,
        /// Bytes written to realtime connections, before TLS.
        bytes_sent,
        /// Messages received on realtime connections.
        messages_received,
        /// Realtime connections ended as `invalid_credential`.
        closed_invalid_credential,
        /// Realtime connections ended as `token_expired`.
        closed_token_expired,
        /// Realtime connections ended as `token_revoked`.
        closed_token_revoked,
        /// Realtime connections ended as `identify_timeout`.
        closed_identify_timeout,
        /// Realtime connections ended as `not_identified`.
        closed_not_identified,
        /// Realtime connections ended as `unknown_operation`.
        closed_unknown_operation,
        /// Realtime connections ended as `invalid_payload`.
        closed_invalid_payload,
        /// Realtime connections ended as `idle`.
        closed_idle,
        /// Realtime connections ended as `slow_consumer`.
        closed_slow_consumer,
        /// Realtime connections ended as `message_too_big`.
        closed_message_too_big,
        /// Realtime connections ended as `protocol_error`.
        closed_protocol_error,
        /// Realtime connections ended as `invalid_utf8`.
        closed_invalid_utf8,
        /// Realtime connections ended as `rate_limited`.
        closed_rate_limited,
        /// Realtime connections ended as `draining`.
        closed_draining,
        /// Realtime connections ended as `dismissed`.
        closed_dismissed,
        /// Realtime connections ended as `client_gone`.
        closed_client_gone,
        /// Realtime connections ended as `internal`.
        closed_internal,
    }
}

impl Counters {
    /// The counter of connections that ended for this reason. Every realtime connection that was opened ends in one of them.
    #[must_use]
    pub const fn closed(&self, reason: CloseReason) -> &Counter {
        match reason {
            CloseReason::InvalidCredential => &self.closed_invalid_credential,
            CloseReason::TokenExpired => &self.closed_token_expired,
            CloseReason::TokenRevoked => &self.closed_token_revoked,
            CloseReason::IdentifyTimeout => &self.closed_identify_timeout,
            CloseReason::NotIdentified => &self.closed_not_identified,
            CloseReason::UnknownOperation => &self.closed_unknown_operation,
            CloseReason::InvalidPayload => &self.closed_invalid_payload,
            CloseReason::Idle => &self.closed_idle,
            CloseReason::SlowConsumer => &self.closed_slow_consumer,
            CloseReason::MessageTooBig => &self.closed_message_too_big,
            CloseReason::ProtocolError => &self.closed_protocol_error,
            CloseReason::InvalidUtf8 => &self.closed_invalid_utf8,
            CloseReason::RateLimited => &self.closed_rate_limited,
            CloseReason::Draining => &self.closed_draining,
            CloseReason::Dismissed => &self.closed_dismissed,
            CloseReason::ClientGone => &self.closed_client_gone,
            CloseReason::Internal => &self.closed_internal,
        }
    }
}
