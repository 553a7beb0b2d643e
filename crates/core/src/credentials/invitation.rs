//! The secrets of links that make operators: `tgi_` + 32 random base62 characters + checksum.
//!
//! Not here: whom one invites, and until when; that is [`crate::records::InvitationRecord`], which has the hash.

use super::random_spelling::{PREFIX_CHARS, RandomSpelling};
use crate::clock::Entropy;
use std::fmt;
use zeroize::Zeroizing;

const PREFIX: &[u8; PREFIX_CHARS] = b"tgi_";

/// An invitation's secret in clear, in memory. Zeroed on drop; `Debug` prints only its kind.
#[derive(Clone)]
pub struct InvitationSecret(RandomSpelling);

impl InvitationSecret {
    /// Draws a new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(RandomSpelling::draw(PREFIX, entropy))
    }

    /// Reads one as somebody sent it; nothing if its form or checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        RandomSpelling::read(PREFIX, text).ok().map(Self)
    }

    /// SHA-256 of the whole spelling: what is stored and looked up in its place.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.0.hash()
    }

    /// The secret in clear, for the one link that has it. Never log or store what this returns.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        self.0.expose()
    }
}

impl fmt::Debug for InvitationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationSecret(tgi_…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test_entropy::TestEntropy;
    use super::*;

    #[test]
    fn a_link_reads_back_and_a_changed_one_does_not() {
        let secret = InvitationSecret::generate(&TestEntropy::new(1));
        let text = secret.expose();
        assert_eq!(InvitationSecret::parse(&text).unwrap().hash(), secret.hash());
        assert!(InvitationSecret::parse(&text[..41]).is_none());
        assert!(InvitationSecret::parse(&text.replace("tgi_", "tkt_")).is_none());
        assert_eq!(format!("{secret:?}"), "InvitationSecret(tgi_…)");
    }
}
