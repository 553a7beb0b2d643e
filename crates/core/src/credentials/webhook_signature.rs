//! Signatures of webhooks after the Standard Webhooks specification (standardwebhooks.com, version 1), so that receivers can verify
//! them with its ready-made libraries.
//!
//! Not here: sending, retries, and where the secret is kept. For calls to the access hook see `sign_hook`.

use crate::clock::Entropy;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use zeroize::Zeroizing;

/// The header with the message's id. The same at every retry, so that a receiver can drop what it has had.
pub const WEBHOOK_ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt, in whole seconds since 1970. Receivers refuse what is minutes old.
pub const WEBHOOK_TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const WEBHOOK_SIGNATURE_HEADER: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const GENERATED_BYTES: usize = 32;
/// Padding is read with or without, as other implementations do; it is always written.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is not a webhook secret. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSecretError {
    /// No prefix, or not base64.
    #[error("a webhook secret is `whsec_` followed by base64, like `openssl rand -base64 32` makes it")]
    Malformed,
    /// Too short to be safe, or longer than the specification allows.
    #[error("the webhook secret has {0} bytes; 24 to 64 are allowed")]
    Length(usize),
}

/// The secret that one endpoint shares with us. Zeroed on drop, unprintable.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// Draws a new secret of 32 bytes.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new(vec![0; GENERATED_BYTES]);
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Reads `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`WebhookSecretError`].
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let base64 = text.strip_prefix(PREFIX).ok_or(WebhookSecretError::Malformed)?;
        let bytes = Zeroizing::new(LENIENT.decode(base64).map_err(|_| WebhookSecretError::Malformed)?);
        if SECRET_BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(WebhookSecretError::Length(bytes.len())) }
    }

    /// The secret in clear, for the one answer that hands it out and for sealing. Never log or store it otherwise.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        // All at once: a growing text would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + self.0.len().div_ceil(3) * 4));
        text.push_str(PREFIX);
        STANDARD.encode_string(&*self.0, &mut text);
        text
    }

    fn context(&self, id: &str, unix_seconds: u64, body: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(id.as_bytes());
        context.update(format!(".{unix_seconds}.").as_bytes());
        context.update(body);
        context
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(whsec_…)")
    }
}

/// Signs one attempt: the value of the header `webhook-signature`, `v1,` and base64 of HMAC-SHA256 over `{id}.{unix_seconds}.{body}`.
///
/// While a secret is being replaced, `previous` adds a second signature behind a space, and a receiver that knows either is content.
/// `id` must have no dot; the body is signed byte for byte as sent.
#[must_use]
pub fn sign_webhook(
    secret: &WebhookSecret,
    previous: Option<&WebhookSecret>,
    id: &str,
    unix_seconds: u64,
    body: &[u8],
) -> String {
    debug_assert!(!id.contains('.'), "a dot in the id would blur where the time begins");
    let mut text = String::new();
    for secret in std::iter::once(secret).chain(previous) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(VERSION);
        STANDARD.encode_string(secret.context(id, unix_seconds, body).sign(), &mut text);
    }
    text
}

/// What a receiver does, in constant time for each signature: whether any of `signatures` is that of this attempt under `secret`. Other
/// versions are passed over. The age of `unix_seconds` is the receiver's to judge.
#[must_use]
pub fn verify_webhook(secret: &WebhookSecret, id: &str, unix_seconds: u64, body: &[u8], signatures: &str) -> bool {
    let expected = secret.context(id, unix_seconds, body).sign();
    let fits =
        |signature: Vec<u8>| aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), &signature).is_ok();
    let signatures = signatures.split(' ').filter_map(|signature| signature.strip_prefix(VERSION));
    signatures.filter_map(|base64| STANDARD.decode(base64).ok()).any(fits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test_entropy::TestEntropy;
    use super::*;
    use proptest::prelude::*;

    /// The example of the specification and of its libraries' tests.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> WebhookSecret {
        WebhookSecret::parse(SECRET).unwrap()
    }

    #[test]
    fn signs_the_example_of_the_specification() {
        assert_eq!(sign_webhook(&secret(), None, ID, TIME, BODY), SIGNATURE);
        assert!(verify_webhook(&secret(), ID, TIME, BODY, SIGNATURE));
    }

    /// Worked out with Node's crypto module: secrets of 32 times 7 and 64 times 8, a body that is no UTF-8, and an empty one.
    #[test]
    fn signs_any_bytes_with_one_secret_or_two() {
        let seven = WebhookSecret::parse("whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
        let eight = WebhookSecret(Zeroizing::new(vec![8; 64]));
        let empty = sign_webhook(&seven, None, "msg_1", 1_700_000_000, b"");
        assert_eq!(empty, "v1,oYiGLolNNvEQsbcD/EPSi4IzHH2NFA0Mepx2kpNEGNY=");
        let both = sign_webhook(&seven, Some(&eight), "msg_1", 1_700_000_000, b"\xff\0.");
        let expected =
            "v1,xcBfixy3hvK9dKQEV0bXXcgGaCQ8psA8cL+D1t1oi0Y= v1,ewwIZ/MDzbZm1pIWfSDrJlwmt/9O2MKQgo3KLavspq8=";
        assert_eq!(both, expected);
        for secret in [&seven, &eight] {
            assert!(verify_webhook(secret, "msg_1", 1_700_000_000, b"\xff\0.", &both));
        }
        assert!(!verify_webhook(&secret(), "msg_1", 1_700_000_000, b"\xff\0.", &both));
    }

    #[test]
    fn anything_changed_does_not_verify() {
        let flipped = SIGNATURE.replace("v1,g", "v1,h");
        let lower = SIGNATURE.to_lowercase();
        for (id, time, body, signatures) in [
            ("msg_p5jXN8AQM9LWM0D4loKWxJeK", TIME, BODY, SIGNATURE),
            (ID, TIME + 1, BODY, SIGNATURE),
            (ID, TIME, &BODY[1..], SIGNATURE),
            (ID, TIME, BODY, ""),
            (ID, TIME, BODY, "v1,"),
            (ID, TIME, BODY, "v1"),
            (ID, TIME, BODY, &SIGNATURE[3..]),
            (ID, TIME, BODY, &SIGNATURE[..SIGNATURE.len() - 1]),
            (ID, TIME, BODY, &flipped),
            (ID, TIME, BODY, &lower),
            (ID, TIME, BODY, &SIGNATURE.replace("v1,", "v2,")),
            (ID, TIME, BODY, &SIGNATURE.replace("v1,", "v1a,")),
        ] {
            assert!(!verify_webhook(&secret(), id, time, body, signatures), "{id} {time} {signatures}");
        }
        let among_others = format!("v1a,xyz v2,{} {flipped} {SIGNATURE}", &SIGNATURE[3..]);
        assert!(verify_webhook(&secret(), ID, TIME, BODY, &among_others));
    }

    #[test]
    fn secrets_are_read_and_written_and_never_shown() {
        use WebhookSecretError::{Length, Malformed};
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![1; bytes]));
        for (text, error) in [
            (String::new(), Malformed),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), Malformed),
            ("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), Malformed),
            ("whsec_not base64!".into(), Malformed),
            (format!("{SECRET}\n"), Malformed),
            ("whsec_".into(), Length(0)),
            (of(23), Length(23)),
            (of(65), Length(65)),
        ] {
            assert_eq!(WebhookSecret::parse(&text).err(), Some(error), "{text}");
        }
        for text in [SECRET.to_owned(), of(24), of(25), of(26), of(64)] {
            assert_eq!(*WebhookSecret::parse(&text).unwrap().expose(), text);
            assert_eq!(
                *WebhookSecret::parse(text.trim_end_matches('=')).unwrap().expose(),
                text,
                "padding may be absent"
            );
        }
        let drawn = WebhookSecret::generate(&TestEntropy::new(1));
        assert_eq!(drawn.expose().len(), 6 + 44);
        assert_ne!(*drawn.expose(), *WebhookSecret::generate(&TestEntropy::new(2)).expose());
        assert_eq!(format!("{drawn:?}"), "WebhookSecret(whsec_…)");
    }

    proptest! {
        #[test]
        fn junk_never_verifies_nor_panics(text in ".{0,200}", body in any::<Vec<u8>>()) {
            let _ = WebhookSecret::parse(&text);
            prop_assert!(!verify_webhook(&secret(), ID, TIME, &body, &text));
            prop_assert!(verify_webhook(&secret(), ID, TIME, &body, &sign_webhook(&secret(), None, ID, TIME, &body)));
        }
    }
}
