//! Server-sent events (the `text/event-stream` of the HTML standard, section 9.2) as a transport: the answer that begins a stream, the event
//! that ends it, and the shape of what is between, for the hub.
//!
//! Pure. What the events say is the dialect's; only the last one, `closed`, is spelled here, for it stands for a close frame.

use http::StatusCode;

use crate::door::{ErrorForm, Refused};
use crate::envelope;

/// The head of the answer. It has no length and is in no chunks: it ends with the connection, which every version of HTTP/1 and every proxy
/// understands. The proxies that hold answers back are told not to.
pub(crate) const HEAD: &str = "HTTP/1.1 200 OK\r\n\
     content-type: text/event-stream\r\n\
     cache-control: no-store\r\n\
     x-accel-buffering: no\r\n\
     x-content-type-options: nosniff\r\n\
     access-control-allow-origin: *\r\n\
     connection: close\r\n\r\n";

/// Over how long clients that were told to come back are spread.
const RETURN_SPREAD_MS: u32 = 5_000;

/// The frame of a text message that is a whole event already, in the shape that a wire format of the hub takes.
pub fn frame(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(payload);
}

/// The bytes of the whole event or comment that begins `bytes`: up to the first empty line, and with it. The head of the answer has none.
pub fn frame_bytes(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|pair| pair == b"\n\n").map_or(bytes.len(), |at| at + 2)
}

/// The event that ends a stream, in place of a close frame. `spread` is any number that differs from client to client.
pub(crate) fn closed(code: Option<u16>, reason: &str, spread: u32) -> Vec<u8> {
    let mut event = String::from("event: closed\n");
    if code.is_some_and(may_return) {
        // Knuth's multiplicative hash: neighbours come back at different times.
        let wait_ms = spread.wrapping_mul(2_654_435_761) % RETURN_SPREAD_MS;
        event.push_str(&format!("retry: {wait_ms}\n"));
    }
    event.push_str("data: {");
    if let Some(code) = code {
        event.push_str(&format!("\"code\":{code},"));
    }
    event.push_str("\"reason\":\"");
    envelope::escape(reason, &mut event);
    event.push_str("\"}\n\n");
    event.into_bytes()
}

/// The whole answer in place of a stream whose dialect closed before it said anything; `None` where the client should come back as it is: a
/// browser does so by itself, but only if a stream began.
pub(crate) fn refusal(code: u16, reason: &str) -> Option<Vec<u8>> {
    let (status, kind, text) = match code {
        4100..=4199 => (
            StatusCode::UNAUTHORIZED,
            match code {
                4101 => "token_expired",
                4102 => "token_revoked",
                _ => "invalid_auth",
            },
            "Get another token, or another ticket, and open the stream with that.",
        ),
        4200 => (StatusCode::BAD_REQUEST, "invalid_input", "The stream cannot be opened like this."),
        4201..=4299 => (StatusCode::FORBIDDEN, "forbidden", "This client may not open a stream."),
        _ => return None,
    };
    let refused = Refused { status, code: kind, text: format!("{text} ({reason})"), errors: ErrorForm::Problem };
    Some(envelope::whole(&refused).into_bytes())
}

/// Whether the ranges of close codes (see docs/protocol/native.md, section 9) say to come back.
fn may_return(code: u16) -> bool {
    !(4100..=4299).contains(&code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_frame_ends_with_its_empty_line() {
        for (bytes, expected) in [
            ("", 0),
            (":\n\n", 3),
            (":\n\n:\n\n", 3),
            ("event: a\ndata: {}\n\ndata: b\n\n", 19),
            ("data: cut", 9),
            ("data: cut\n", 10),
            (&format!("{HEAD}data: a\n\n:\n\n"), HEAD.len() + 9),
        ] {
            assert_eq!(frame_bytes(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_last_event_says_why_and_whether_to_come_back() {
        let event = text(closed(Some(4000), "draining", 0));
        assert_eq!(event, "event: closed\nretry: 0\ndata: {\"code\":4000,\"reason\":\"draining\"}\n\n");
        let event = text(closed(Some(4102), "token_revoked", 7));
        assert_eq!(event, "event: closed\ndata: {\"code\":4102,\"reason\":\"token_revoked\"}\n\n");
        let event = text(closed(Some(4200), "a \"b\"\nc\n\nd", 7));
        assert_eq!(frame_bytes(event.as_bytes()), event.len(), "one event, whatever the reason says: {event}");
    }

    #[test]
    fn clients_that_are_told_to_come_back_are_spread() {
        let waits = |event: String| -> u32 {
            event.split("retry: ").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap()
        };
        let waits: Vec<u32> = (0..1_000).map(|client| waits(text(closed(Some(4000), "draining", client)))).collect();
        for second in 0..5 {
            let come = waits.iter().filter(|wait| **wait / 1_000 == second).count();
            assert!((150..250).contains(&come), "{come} of 1000 in second {second}");
        }
    }

    #[test]
    fn a_client_that_cannot_come_back_as_it_is_gets_an_error_in_place_of_a_stream() {
        for (code, status, kind) in [
            (4100, "401", "invalid_auth"),
            (4101, "401", "token_expired"),
            (4102, "401", "token_revoked"),
            (4200, "400", "invalid_input"),
            (4202, "403", "forbidden"),
        ] {
            let answer = text(refusal(code, "as it is").unwrap());
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
            assert!(head.contains("application/problem+json") && body.contains("as it is"), "{answer}");
            assert!(body.contains(&format!("\"code\":\"{kind}\"")), "{answer}");
        }
        for code in [4000, 4002, 4004, 1011, 1006] {
            assert_eq!(refusal(code, ""), None, "{code}");
        }
    }
}
