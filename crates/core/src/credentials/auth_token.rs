//! Auth tokens, a backend's word for one user: `tga_` + 32 random base62 characters + checksum, 42 characters in all (social.plus's
//! clients take at most 100).
//!
//! Not here: for whom one is good and until when, which is its record's word. Only the hash is ever stored.

use super::random_spelling::{Flaw, PREFIX_CHARS, RandomSpelling, SPELLED_CHARS};
use crate::clock::Entropy;
use std::fmt;
use zeroize::Zeroizing;

const PREFIX: &[u8; PREFIX_CHARS] = b"tga_";

/// Length of an auth token in characters, which are all ASCII.
pub const AUTH_TOKEN_CHARS: usize = SPELLED_CHARS;

/// Why a text is not an auth token. Checked before any hashing or look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthTokenRefusal {
    /// Prefix, length or alphabet is wrong.
    #[error("this is not an auth token: an auth token is `tga_` followed by 38 letters and digits")]
    Malformed,
    /// The last six characters do not fit the rest: a typing or copying error.
    #[error("the auth token's checksum does not fit: a character is missing or changed; pass it on whole")]
    Checksum,
}

/// An auth token in clear, in memory. Zeroed on drop; `Debug` prints only its kind.
#[derive(Clone)]
pub struct AuthTokenSecret(RandomSpelling);

impl AuthTokenSecret {
    /// Draws a new one (256 bytes of entropy, so that each character is even to 2⁻⁵⁸).
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(RandomSpelling::draw(PREFIX, entropy))
    }

    /// Reads one as a caller sent it.
    ///
    /// # Errors
    /// [`AuthTokenRefusal`]. A text that parses has a right form, no more; only its hash's record proves it.
    pub fn parse(text: &str) -> Result<Self, AuthTokenRefusal> {
        RandomSpelling::read(PREFIX, text).map(Self).map_err(|flaw| match flaw {
            Flaw::Form => AuthTokenRefusal::Malformed,
            Flaw::Checksum => AuthTokenRefusal::Checksum,
        })
    }

    /// SHA-256 of the whole spelling: what is stored and looked up in its place. To learn anything from how long a look-up takes one
    /// would have to choose hashes, not tokens.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.0.hash()
    }

    /// The token in clear, for the one answer that hands it out. Never log or store what this returns.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        self.0.expose()
    }
}

impl fmt::Debug for AuthTokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthTokenSecret(tga_…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::base62;
    use super::super::test_entropy::TestEntropy;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_auth_token_has_the_promised_form_and_reads_back() {
        let entropy = TestEntropy::new(1);
        let (one, other) = (AuthTokenSecret::generate(&entropy), AuthTokenSecret::generate(&entropy));
        let text = one.expose();
        assert!(text.len() == 42 && text.starts_with("tga_") && base62::is_base62(&text.as_bytes()[4..]));
        assert_eq!(AuthTokenSecret::parse(&text).unwrap().hash(), one.hash());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(format!("{one:?}"), "AuthTokenSecret(tga_…)");
    }

    #[test]
    fn refuses_by_form_then_by_checksum() {
        use AuthTokenRefusal::{Checksum, Malformed};
        let good = AuthTokenSecret::generate(&TestEntropy::new(2)).expose();
        for (text, refusal) in [
            (String::new(), Malformed),
            ("tga_".into(), Malformed),
            (good.replace("tga_", "ptk_"), Malformed),
            (good[..41].into(), Malformed),
            (format!("{}0", *good), Malformed),
            (format!("{}-", &good[..41]), Malformed),
            (format!("{}000000", &good[..36]), Checksum),
        ] {
            assert_eq!(AuthTokenSecret::parse(&text).err(), Some(refusal), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_single_character_change_is_refused(seed: u64, at in 0..AUTH_TOKEN_CHARS, to in 0x20u8..0x7f) {
            let text = AuthTokenSecret::generate(&TestEntropy::new(seed)).expose();
            let mut bytes = text.as_bytes().to_vec();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(AuthTokenSecret::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }
    }
}
