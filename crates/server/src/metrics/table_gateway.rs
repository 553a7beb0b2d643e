//! The rows of the table that are about connections as the network knows them. See [`super::table`].

use tollgate_core::CloseReason;

use super::table::{Family, Kind, each, total};
use super::text::number;

pub(super) const GATEWAY: &[Family] = &[
    total("tollgate_connections_accepted_total", "Connections taken.", |reading| {
        number(reading.gateway.accepted.get())
    }),
    each(
        "tollgate_connections_refused_total",
        Kind::Counter,
        &["reason"],
        "Connections turned away at the door: the node is full, too many have not shown who they are, or their address holds too many.",
        |reading, samples| {
            samples.with(&["node_full"], number(reading.gateway.refused_node_full.get()));
            samples.with(&["unauthenticated"], number(reading.gateway.refused_unauthenticated.get()));
            samples.with(&["address"], number(reading.gateway.refused_address.get()));
        },
    ),
    total(
        "tollgate_accept_pauses_total",
        "Times that accepting paused for want of descriptors or memory.",
        |reading| number(reading.gateway.accept_paused.get()),
    ),
    total("tollgate_tls_handshakes_failed_total", "TLS handshakes that failed or took too long.", |reading| {
        number(reading.gateway.tls_handshakes_failed.get())
    }),
    each(
        "tollgate_tls_certificate_end_time_seconds",
        Kind::Gauge,
        &[],
        "When the certificate that is shown ends, in seconds since 1970; absent without TLS, and until there is one.",
        |reading, samples| {
            let ends = reading.certificate.and_then(|certificate| certificate.ends());
            if let Some(ends) = ends {
                samples.with(&[], number(ends.0 / 1_000));
            }
        },
    ),
    each(
        "tollgate_tls_certificates_total",
        Kind::Counter,
        &["outcome"],
        "Certificates read from files or had by ACME: taken, or not had or of no use (failed), in which case the one before stays.",
        |reading, samples| {
            if let Some(certificate) = reading.certificate {
                samples.with(&["taken"], number(certificate.counters.taken.get()));
                samples.with(&["failed"], number(certificate.counters.failed.get()));
            }
        },
    ),
    total(
        "tollgate_http_connections_failed_total",
        "HTTP connections that ended with broken, oversized or overdue input.",
        |reading| number(reading.gateway.http_failed.get()),
    ),
    total("tollgate_http_requests_overdue_total", "HTTP requests that were not answered in time.", |reading| {
        number(reading.gateway.http_overdue.get())
    }),
    total("tollgate_upgrades_refused_total", "Realtime connections refused before they were opened.", |reading| {
        number(reading.gateway.upgrades_refused.get())
    }),
    each(
        "tollgate_realtime_connections_opened_total",
        Kind::Counter,
        &["transport"],
        "Realtime connections opened.",
        |reading, samples| {
            samples.with(&["websocket"], number(reading.gateway.websockets_opened.get()));
            samples.with(&["events"], number(reading.gateway.event_streams_opened.get()));
        },
    ),
    each(
        "tollgate_realtime_connections_closed_total",
        Kind::Counter,
        &["reason"],
        "Realtime connections that ended, by why; client_gone is a client that left by itself or broke off.",
        |reading, samples| {
            for reason in CloseReason::ALL {
                samples.with(&[reason.word()], number(reading.gateway.closed(reason).get()));
            }
        },
    ),
    total(
        "tollgate_realtime_received_bytes_total",
        "Bytes received on realtime connections, without TLS.",
        |reading| number(reading.gateway.bytes_received.get()),
    ),
    total("tollgate_realtime_sent_bytes_total", "Bytes written to realtime connections, without TLS.", |reading| {
        number(reading.gateway.bytes_sent.get())
    }),
    total(
        "tollgate_realtime_received_messages_total",
        "Messages received on realtime connections, heartbeats too.",
        |reading| number(reading.gateway.messages_received.get()),
    ),
    total("tollgate_invalid_frames_total", "WebSocket connections that broke the rules of framing.", |reading| {
        number(reading.gateway.frames_invalid.get())
    }),
    total(
        "tollgate_misused_event_streams_total",
        "Event streams ended because their client went on sending.",
        |reading| number(reading.gateway.event_streams_sent_to.get()),
    ),
    total("tollgate_rate_limited_total", "Realtime connections closed because they sent too much.", |reading| {
        number(reading.gateway.rate_limited.get())
    }),
    total(
        "tollgate_overdue_closes_total",
        "Realtime connections dropped because their socket took nothing more, or their close was not answered in time.",
        |reading| number(reading.gateway.dropped_overdue.get()),
    ),
    total(
        "tollgate_panics_total",
        "Defects that ended one connection or one request; each is in the log.",
        |reading| number(reading.gateway.panics.get()),
    ),
    each(
        "tollgate_leap_irregular_total",
        Kind::Counter,
        &["what"],
        "What Leap clients sent that was dropped, refused or answered otherwise, without the protocol having a word for it.",
        |reading, samples| {
            reading.leap.all().into_iter().for_each(|(what, count)| samples.with(&[what], number(count)))
        },
    ),
    each(
        "tollgate_native_irregular_total",
        Kind::Counter,
        &["what"],
        "What clients of our own protocol sent that was refused before any operation saw it.",
        |reading, samples| {
            reading.native.all().into_iter().for_each(|(what, count)| samples.with(&[what], number(count)));
        },
    ),
];
