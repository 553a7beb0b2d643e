//! The spelling that project keys and auth tokens share: a prefix of four characters, 32 random base62 characters, a checksum. In memory it is
//! zeroed on drop; what it opens, and for whom, is the business of the two.

use super::base62::{self, CHECKSUM_CHARS};
use crate::clock::Entropy;
use aws_lc_rs::digest;
use zeroize::Zeroizing;

/// Characters of a prefix.
pub(super) const PREFIX_CHARS: usize = 4;
/// 62³² is 190 bits.
const RANDOM_CHARS: usize = 32;
/// Characters of the whole, which are all ASCII.
pub(super) const SPELLED_CHARS: usize = PREFIX_CHARS + RANDOM_CHARS + CHECKSUM_CHARS;

/// What keeps a text from being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Prefix, length or alphabet is wrong.
    Form,
    /// The last six characters do not fit the rest.
    Checksum,
}

/// A spelling in clear.
#[derive(Clone)]
pub(super) struct RandomSpelling(Zeroizing<[u8; SPELLED_CHARS]>);

impl RandomSpelling {
    /// Draws a new one (256 bytes of entropy, so that each character is even to 2⁻⁵⁸).
    pub(super) fn draw(prefix: &[u8; PREFIX_CHARS], entropy: &dyn Entropy) -> Self {
        let mut random = Zeroizing::new([0; RANDOM_CHARS * 8]);
        entropy.fill(random.as_mut());
        let mut text = Zeroizing::new([0; SPELLED_CHARS]);
        let (head, tail) = text.split_at_mut(PREFIX_CHARS);
        let (body, checksum) = tail.split_at_mut(RANDOM_CHARS);
        head.copy_from_slice(prefix);
        for (digit, draw) in body.iter_mut().zip(random.as_chunks::<8>().0) {
            *digit = base62::random_digit(u64::from_be_bytes(*draw));
        }
        checksum.copy_from_slice(&base62::checksum(body));
        Self(text)
    }

    /// Reads one as a caller sent it. What parses has the right form, no more.
    pub(super) fn read(prefix: &[u8; PREFIX_CHARS], text: &str) -> Result<Self, Flaw> {
        let whole: &[u8; SPELLED_CHARS] = text.as_bytes().try_into().map_err(|_| Flaw::Form)?;
        let tail = whole.strip_prefix(prefix.as_slice()).ok_or(Flaw::Form)?;
        if !base62::is_base62(tail) {
            return Err(Flaw::Form);
        }
        let (body, checksum) = tail.split_at(RANDOM_CHARS);
        if checksum != base62::checksum(body) {
            return Err(Flaw::Checksum);
        }
        Ok(Self(Zeroizing::new(*whole)))
    }

    /// SHA-256 (FIPS 180-4) of the whole: what is stored and looked up in its place.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_slice()).as_ref());
        hash
    }

    /// The first characters of it.
    pub(super) fn beginning(&self, chars: usize) -> String {
        self.0.iter().take(chars).map(|digit| char::from(*digit)).collect()
    }

    /// The whole in clear.
    pub(super) fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SPELLED_CHARS));
        text.extend(self.0.iter().map(|digit| char::from(*digit)));
        text
    }
}
