//! How a backend vouches for the device of a visitor: a signature over device id and time (source: social.plus's documentation).

use aws_lc_rs::{constant_time, hmac};

/// Whether `signature` is the lowercase hexadecimal HMAC-SHA256 of `deviceId=<device>&authSignatureExpiresAt=<expires_at>` under the secret.
/// Compared in constant time. `expires_at` is the text that was signed; whether it has passed is the caller's to ask.
#[must_use]
pub fn verify_visitor(secret: &str, device: &str, expires_at: &str, signature: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("deviceId={device}&authSignatureExpiresAt={expires_at}").as_bytes());
    let expected: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::verify_visitor;

    #[test]
    fn the_signature_is_over_device_and_time() {
        // Computed with another implementation: printf 'deviceId=d&authSignatureExpiresAt=t' | openssl dgst -sha256 -hmac s
        let good = "02e01238756cc49f92be7a372b54cc763e9744df670d2153cf6185151d922fa8";
        assert!(verify_visitor("s", "d", "t", good));
        for (secret, device, time, signature) in [
            ("x", "d", "t", good),
            ("s", "e", "t", good),
            ("s", "d", "u", good),
            ("s", "d", "t", ""),
            ("s", "d", "t", "9a"),
        ] {
            assert!(!verify_visitor(secret, device, time, signature));
        }
    }
}
