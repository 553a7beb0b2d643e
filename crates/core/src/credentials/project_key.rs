//! Project keys, a backend's secret: `ptk_` + 32 random base62 characters + checksum, 42 characters in all.
//!
//! Not here: what a key may do, and its record. The only road into storage is [`ProjectKeySecret::hash`]; the
//! plain text cannot be got back. Decision: `docs/adr/0002-secrets-at-rest.md`.

use super::random_spelling::{Flaw, PREFIX_CHARS, RandomSpelling, SPELLED_CHARS};
use crate::clock::Entropy;
use std::fmt;
use zeroize::Zeroizing;

const PREFIX: &[u8; PREFIX_CHARS] = b"ptk_";
/// Characters of the random part that the display form shows; 166 bits stay unknown.
const HINT_CHARS: usize = 4;

/// Length of a project key in characters, which are all ASCII.
pub const PROJECT_KEY_CHARS: usize = SPELLED_CHARS;

/// Why a text is not a project key. Checked before any hashing or look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectKeyRefusal {
    /// Prefix, length or alphabet is wrong.
    #[error("this is not a project key: a project key is `ptk_` followed by 38 letters and digits")]
    Malformed,
    /// The last six characters do not fit the rest: a typing or copying error.
    #[error("the project key's checksum does not fit: a character is missing or changed; copy the whole key again")]
    Checksum,
}

/// A project key in clear, in memory. Zeroed on drop; `Debug` prints only its kind.
#[derive(Clone)]
pub struct ProjectKeySecret(RandomSpelling);

impl ProjectKeySecret {
    /// Draws a new key (256 bytes of entropy, so that each character is even to 2⁻⁵⁸).
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(RandomSpelling::draw(PREFIX, entropy))
    }

    /// Reads a key as a caller sent it.
    ///
    /// # Errors
    /// [`ProjectKeyRefusal`]. A text that parses has a right form, no more; only its hash's record proves it.
    pub fn parse(text: &str) -> Result<Self, ProjectKeyRefusal> {
        RandomSpelling::read(PREFIX, text).map(Self).map_err(|flaw| match flaw {
            Flaw::Form => ProjectKeyRefusal::Malformed,
            Flaw::Checksum => ProjectKeyRefusal::Checksum,
        })
    }

    /// What is stored and looked up in its place.
    #[must_use]
    pub fn hash(&self) -> ProjectKeyHash {
        ProjectKeyHash(self.0.hash())
    }

    /// The half obfuscated form for listings, `ptk_abcd…`. Store it when the key is made: the hash cannot tell it.
    #[must_use]
    pub fn hint(&self) -> String {
        self.0.beginning(PREFIX_CHARS + HINT_CHARS) + "…"
    }

    /// The key in clear, for the one answer that hands it out. Never log or store what this returns.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        self.0.expose()
    }
}

impl fmt::Debug for ProjectKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectKeySecret(ptk_…)")
    }
}

/// SHA-256 (FIPS 180-4) of a project key's whole spelling: what the store keeps and look-ups use.
///
/// Plain equality is safe here: to learn anything from its timing one would have to choose hashes, not keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectKeyHash(pub [u8; 32]);

impl fmt::Debug for ProjectKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectKeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::base62;
    use super::super::test_entropy::TestEntropy;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A fixed key, so that the spelling and the hash cannot drift unnoticed.
    const SAMPLE: &str = "ptk_0123456789ABCDEFGHIJKLMNOPQRSTUV";

    fn sample() -> String {
        let body = SAMPLE.strip_prefix("ptk_").unwrap();
        format!("{SAMPLE}{}", std::str::from_utf8(&base62::checksum(body.as_bytes())).unwrap())
    }

    #[test]
    fn a_key_has_the_promised_form_and_reads_back() {
        let entropy = TestEntropy::new(1);
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let key = ProjectKeySecret::generate(&entropy);
            let text = key.expose();
            assert_eq!(text.len(), PROJECT_KEY_CHARS);
            assert!(text.starts_with("ptk_") && base62::is_base62(&text.as_bytes()[4..]), "wrong form");
            assert_eq!(ProjectKeySecret::parse(&text).unwrap().hash(), key.hash());
            assert!(seen.insert(key.hash()), "two keys alike");
        }
    }

    #[test]
    fn the_spelling_and_the_hash_stay_as_they_are() {
        assert_eq!(sample(), "ptk_0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL");
        let hash = ProjectKeySecret::parse(&sample()).unwrap().hash();
        let hex: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "f0859bcdf729dc95e53536d7f144b42ee8e3ce825ffd075c8633c43467b0a7a1");
    }

    #[test]
    fn refuses_by_form_then_by_checksum() {
        use ProjectKeyRefusal::{Checksum, Malformed};
        let good = sample();
        for (text, refusal) in [
            (String::new(), Malformed),
            ("ptk".into(), Malformed),
            ("ptk_".into(), Malformed),
            ("ptk_test".into(), Malformed),
            (good.replace("ptk_", "pat_"), Malformed),
            (good.replace("ptk_", "PTK_"), Malformed),
            (format!("{good}0"), Malformed),
            (format!(" {good}"), Malformed),
            (format!("{good}\n"), Malformed),
            (good[..41].into(), Malformed),
            (good.replace('A', "-"), Malformed),
            (good.replace("AB", "é"), Malformed),
            (good.replace('A', "a"), Checksum),
            (good.replace("AB", "BA"), Checksum),
            (format!("{SAMPLE}000000"), Checksum),
        ] {
            assert_eq!(ProjectKeySecret::parse(&text).err(), Some(refusal), "{text}");
        }
    }

    #[test]
    fn shows_four_characters_in_listings_and_none_in_debug() {
        let key = ProjectKeySecret::parse(&sample()).unwrap();
        assert_eq!(key.hint(), "ptk_0123…");
        assert_eq!(format!("{key:?} {:?}", key.hash()), "ProjectKeySecret(ptk_…) ProjectKeyHash(…)");
    }

    proptest! {
        #[test]
        fn any_single_character_change_is_refused(seed: u64, at in 0..PROJECT_KEY_CHARS, to in 0x20u8..0x7f) {
            let text = ProjectKeySecret::generate(&TestEntropy::new(seed)).expose();
            let mut bytes = text.as_bytes().to_vec();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(ProjectKeySecret::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }

        #[test]
        fn junk_is_refused(text in ".{0,80}") {
            prop_assert!(ProjectKeySecret::parse(&text).is_err());
        }

        #[test]
        fn junk_of_the_right_length_is_refused(text in "ptk_[0-9A-Za-z]{38}") {
            prop_assert_eq!(ProjectKeySecret::parse(&text).err(), Some(ProjectKeyRefusal::Checksum));
        }
    }
}
