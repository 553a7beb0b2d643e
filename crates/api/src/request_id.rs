//! Request ids: the caller's own where it is harmless, else one of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tollgate_core::digits::hexadecimal;

use crate::answer::REQUEST_ID;

/// Longest id that is taken over.
const CHARS_MAX: usize = 64;

/// Makes ids that no other request of this server has.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// `req-` and what differs between starts of the server.
    prefix: Vec<u8>,
    made: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(instance: u32) -> Self {
        Self { prefix: format!("req-{instance:x}-").into(), made: AtomicU64::new(0) }
    }

    /// The id of a request. A caller's `X-Request-Id` goes into logs and answers, so only plain short words are taken over.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        let given = headers.get(REQUEST_ID);
        let harmless = given.filter(|id| (1..=CHARS_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain));
        if let Some(id) = harmless {
            return id.clone();
        }
        let (mut digits, number) = ([0; 16], self.made.fetch_add(1, Ordering::Relaxed) + 1);
        let id = [&*self.prefix, hexadecimal(number, &mut digits)].concat();
        HeaderValue::from_maybe_shared(Bytes::from(id)).expect("invariant: hexadecimal digits are a header value")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        let ids = RequestIds::new(0xabc);
        let long = "x".repeat(CHARS_MAX + 1);
        let table: [(&[u8], &str); 6] = [
            (b"a-1_b.c:D", "a-1_b.c:D"),
            (b"", "req-abc-1"),
            (b"a b", "req-abc-2"),
            (b"\xff", "req-abc-3"),
            (long.as_bytes(), "req-abc-4"),
            (b"<x>", "req-abc-5"),
        ];
        for (given, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_bytes(given).unwrap());
            assert_eq!(ids.of(&headers), expected);
        }
        assert_eq!(ids.of(&HeaderMap::new()), "req-abc-6");
    }
}
