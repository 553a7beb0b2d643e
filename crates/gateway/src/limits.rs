//! Every limit of sockets, HTTP and WebSocket connections, in one place. Limits of the operations live in `core`.

use crate::frame::FrameLimits;

/// What one node accepts from the network. Times are in milliseconds; the defaults are sized for the internet.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of the whole node. Lowered at the start to what the process' descriptor limit leaves after
    /// [`Limits::descriptors_reserved`].
    pub connections_max: usize,
    /// Connections from one IPv4 address, or from one IPv6 /64 network.
    pub connections_per_address_max: usize,
    /// Whether this also holds for loopback addresses, where a proxy on the same machine makes all users look like one.
    pub loopback_counts: bool,
    /// Percent of `connections_max` that may be held by connections which have not shown who they are.
    pub unauthenticated_percent_max: usize,
    /// Descriptors kept back for storage, logs and the runtime itself.
    pub descriptors_reserved: usize,
    /// Pending connections that the kernel queues per listener.
    pub backlog: u32,

    /// From accept, or from the first byte of a later request, to the end of its headers.
    pub header_deadline_ms: u64,
    /// From an answer to the first byte of the next request. Longer than clients keep unused connections, so that none is
    /// closed under a request that is on its way.
    pub idle_deadline_ms: u64,
    /// Bytes of request line and headers; above it the answer is 431.
    pub header_bytes_max: usize,
    /// Number of headers; above it the answer is 431.
    pub headers_max: usize,
    /// From the end of the headers to the end of the answer's first byte: body, handler and all. Then the connection is dropped. Longer than a request
    /// may wait for a message, which is a minute; bodies have a deadline of their own.
    pub request_deadline_ms: u64,
    /// From accept to the end of the TLS handshake.
    pub tls_handshake_deadline_ms: u64,
    /// TLS handshakes at a time, per shard; more of them wait within their deadline.
    pub tls_handshakes_per_shard_max: usize,

    /// What one WebSocket client may send as one message once it has identified itself.
    pub frames: FrameLimits,
    /// The same before that: a client of our own protocol says in its first message where it stands in each of its channels.
    pub unidentified_message_bytes_max: usize,
    /// Pings, pongs and closes that a client may send in one second.
    pub control_frames_per_second_max: u32,
    /// Messages that a client may send at once. A client that comes back after an outage sends some 4 SUBSCRIBEs per second of
    /// outage and channel in one burst (`Hop behaviour 51` asks for 1,000).
    pub messages_burst: u32,
    /// Messages per second that a client may send for ever.
    pub messages_per_second: u32,
    /// Bytes that the client of an event stream may send behind its request, in all; they are dropped. A proxy's stray line break does no harm.
    pub event_stream_input_bytes_max: u32,
    /// Commands of one connection that wait for their turn; while they are more, the connection is not read.
    pub commands_waiting_max: usize,

    /// How long a socket may take no byte while bytes wait for it.
    pub write_stall_ms: u64,
    /// From our close frame to the peer's, and from then to the end of the stream.
    pub close_deadline_ms: u64,

    /// Over how long a drain spreads its closes.
    pub drain_spread_ms: u64,
    /// From the start of a drain to the moment when what is left is dropped.
    pub drain_deadline_ms: u64,
    /// Closes per second that a drain never goes below, so that few connections are not kept waiting.
    pub drain_closes_per_second_min: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 1_000_000,
            connections_per_address_max: 256,
            loopback_counts: true,
            unauthenticated_percent_max: 25,
            descriptors_reserved: 64,
            backlog: 4_096,
            header_deadline_ms: 5_000,
            idle_deadline_ms: 75_000,
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            request_deadline_ms: 75_000,
            tls_handshake_deadline_ms: 5_000,
            tls_handshakes_per_shard_max: 256,
            frames: FrameLimits::default(),
            unidentified_message_bytes_max: 64 * 1024,
            control_frames_per_second_max: 20,
            messages_burst: 10_000,
            messages_per_second: 200,
            event_stream_input_bytes_max: 1_024,
            commands_waiting_max: 64,
            write_stall_ms: 5_000,
            close_deadline_ms: 2_000,
            drain_spread_ms: 20_000,
            drain_deadline_ms: 28_000,
            drain_closes_per_second_min: 1_000,
        }
    }
}

impl Limits {
    /// What a client may send right now.
    pub(crate) fn frames_of(&self, identified: bool) -> FrameLimits {
        if identified {
            return self.frames;
        }
        let message_bytes_max = self.frames.message_bytes_max.min(self.unidentified_message_bytes_max);
        FrameLimits { message_bytes_max, ..self.frames }
    }

    /// Lowers `connections_max` to what the process may open; answers the descriptor limit if it is known.
    pub(crate) fn fit_descriptors(&mut self) -> Option<usize> {
        let text = std::fs::read_to_string("/proc/self/limits").ok()?;
        let allowed = soft_descriptor_limit(&text)?;
        self.connections_max = self.connections_max.min(allowed.saturating_sub(self.descriptors_reserved)).max(1);
        Some(allowed)
    }
}

/// The soft limit in the text of `/proc/self/limits`; `None` when there is none.
fn soft_descriptor_limit(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Limits, soft_descriptor_limit};

    #[test]
    fn the_descriptor_limit_is_read_from_the_kernels_table() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max open files            20000                20001                files     \n";
        assert_eq!(soft_descriptor_limit(table), Some(20_000));
        assert_eq!(soft_descriptor_limit("Max open files   unlimited   unlimited   files"), None);
        assert_eq!(soft_descriptor_limit(""), None);
    }

    #[test]
    fn an_unidentified_client_may_send_less() {
        let limits = Limits::default();
        let less = Limits { unidentified_message_bytes_max: 4_096, ..Limits::default() };
        assert_eq!(less.frames_of(false).message_bytes_max, 4_096);
        assert_eq!(limits.frames_of(true), limits.frames);
    }
}
