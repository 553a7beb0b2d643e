//! The signature on the hook calls this server makes, so that the receiver knows who called and when.
//!
//! Not here: the call, its headers, its deadline, and the receiver's duty to refuse old timestamps.

use aws_lc_rs::hmac;
use std::fmt::Write as _;

/// Signs one call: `v1=` and 64 hex digits of HMAC-SHA256 (RFC 2104) over `{unix_seconds}.{body}`.
///
/// `unix_seconds` is the time of the call in whole seconds since 1970, sent beside the signature in decimal; the
/// receiver recomputes the signature over both, compares in constant time, and refuses a timestamp that is minutes
/// old. The body is signed byte for byte as sent. `secret` may have any length; 32 random bytes are right.
#[must_use]
pub fn sign_hook(secret: &[u8], unix_seconds: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(unix_seconds.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    context.sign().as_ref().iter().fold(String::from("v1="), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: writing to a String succeeds");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_timestamp_and_body() {
        // Worked out with Python's hmac module over b'1700000000.{"a":1}'.
        let expected = "v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789";
        assert_eq!(sign_hook(b"whsec_test", 1_700_000_000, br#"{"a":1}"#), expected);
        for (secret, seconds, body) in [
            (&b"whsec_tesT"[..], 1_700_000_000, &br#"{"a":1}"#[..]),
            (b"whsec_test", 1_700_000_001, br#"{"a":1}"#),
            (b"whsec_test", 1_700_000_000, br#"{"a":2}"#),
            (b"whsec_test", 1_700_000_000, b""),
            (b"", 1_700_000_000, br#"{"a":1}"#),
        ] {
            assert_ne!(sign_hook(secret, seconds, body), expected);
        }
    }
}
