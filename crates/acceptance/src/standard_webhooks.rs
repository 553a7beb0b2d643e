//! A receiver's side of Standard Webhooks, by hand: what our own signing is judged by. Test code.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::missing_panics_doc, clippy::must_use_candidate)]

use aws_lc_rs::hmac;
use serde_json::Value;
use tollgate_testkit::receiver::Received;

/// What the Standard Webhooks specification asks of a receiver, done by hand.
#[track_caller]
pub fn check(request: &Received, secret: &str) -> Value {
    let (id, seconds) = (&request.headers["webhook-id"], &request.headers["webhook-timestamp"]);
    let key = decoded(secret.strip_prefix("whsec_").unwrap());
    let signed = [id.as_bytes(), b".", seconds.as_bytes(), b".", &request.body].concat();
    let given: Vec<Vec<u8>> = request.headers["webhook-signature"]
        .split(' ')
        .map(|signature| decoded(signature.strip_prefix("v1,").unwrap()))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    assert!(given.iter().any(|signature| hmac::verify(&key, &signed, signature).is_ok()), "no signature fits");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(seconds.parse().unwrap()) < 60, "{seconds} is not now");
    assert!(!String::from_utf8_lossy(&request.body).contains(secret));
    serde_json::from_slice(&request.body).unwrap()
}

/// Base64 with padding.
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = ALPHABET.iter().position(|one| *one == letter).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}
