//! Tickets, which stand for a token once and for seconds where a token cannot be sent: `tkt_` + 32 random base62 characters + checksum.
//!
//! Not here: for which token one is good, and until when: the node remembers that, under the hash.

use super::random_spelling::{PREFIX_CHARS, RandomSpelling};
use crate::clock::Entropy;
use std::fmt;
use zeroize::Zeroizing;

const PREFIX: &[u8; PREFIX_CHARS] = b"tkt_";

/// A ticket in clear, in memory. Zeroed on drop; `Debug` prints only its kind.
#[derive(Clone)]
pub struct Ticket(RandomSpelling);

impl Ticket {
    /// Draws a new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(RandomSpelling::draw(PREFIX, entropy))
    }

    /// Whether a text has the beginning of a ticket, so that it is nothing else.
    #[must_use]
    pub fn begins(text: &str) -> bool {
        text.as_bytes().starts_with(PREFIX)
    }

    /// Reads one as a caller sent it; nothing if its form or checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        RandomSpelling::read(PREFIX, text).ok().map(Self)
    }

    /// SHA-256 of the whole spelling: what is remembered and looked up in its place.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.0.hash()
    }

    /// The ticket in clear, for the one answer that hands it out. Never log or store what this returns.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        self.0.expose()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(tkt_…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test_entropy::TestEntropy;
    use super::*;

    #[test]
    fn a_ticket_reads_back_and_a_changed_one_does_not() {
        let ticket = Ticket::generate(&TestEntropy::new(1));
        let text = ticket.expose();
        assert!(Ticket::begins(&text) && text.len() == 42);
        assert_eq!(Ticket::parse(&text).unwrap().hash(), ticket.hash());
        assert!(Ticket::parse(&text[..41]).is_none());
        assert!(Ticket::parse(&text.replace("tkt_", "tga_")).is_none());
        let last = if text.ends_with('a') { 'b' } else { 'a' };
        assert!(Ticket::parse(&format!("{}{last}", &text[..41])).is_none());
        assert_eq!(format!("{ticket:?}"), "Ticket(tkt_…)");
    }
}
