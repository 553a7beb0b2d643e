//! The spelling of a token secret: what is in it, how it is written, how it is read without a key.
//!
//! Not here: proof. [`UnverifiedToken`] is what the text claims; only [`KeyRing::verify`](super::KeyRing::verify)
//! turns it into [`TokenClaims`]. Decision: `docs/adr/0001-credentials-derived-token-secrets.md`.

use super::base62::{self, CHECKSUM_CHARS};
use crate::ids::TokenId;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes kept of the HMAC: 128 bits, the least that RFC 2104 §5 allows for SHA-256.
pub(super) const MAC_BYTES: usize = 16;
/// Key number (2) ‖ token id (8) ‖ generation (4) ‖ MAC.
const BODY_BYTES: usize = 14 + MAC_BYTES;
const BODY_CHARS: usize = 41;
/// Body and checksum: what follows the prefix.
const TAIL_CHARS: usize = BODY_CHARS + CHECKSUM_CHARS;

/// The two names of one credential. Body and checksum are the same under both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSpelling {
    /// `tgt_…`, 51 characters.
    Native,
    /// `leap_token_…`, 58 characters, as Hop's clients know it.
    Leap,
}

impl TokenSpelling {
    /// Every spelling, for whoever has to try each.
    pub const ALL: [Self; 2] = [Self::Native, Self::Leap];

    /// The characters before the body.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Native => "tgt_",
            Self::Leap => "leap_token_",
        }
    }
}

/// What a verified secret proves: this server issued this generation of this token. Whether the token still exists,
/// has expired or still accepts that generation is its record's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// Number of the ring key the secret was spelled under.
    pub key_number: u16,
    /// Which token.
    pub token: TokenId,
    /// Which generation of it; rotation raises the record's.
    pub generation: u32,
}

/// Why a text is not a token of ours. In order of the checks; each is made before any look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// Prefix, length or alphabet is wrong.
    #[error("this is not a token: a token is `tgt_` or `leap_token_` followed by 47 letters and digits")]
    Malformed,
    /// The last six characters do not fit the rest: a typing or copying error.
    #[error("the token's checksum does not fit: a character is missing or changed; copy the whole token again")]
    Checksum,
    /// Its key number is not in the ring: spelled under a retired key, or by another server.
    #[error("the token was issued under a key that is no longer in use; ask for a new token")]
    UnknownKey,
    /// Well-formed, but not issued by this server for this project.
    #[error("the token was not issued for this project by this server; check the project id and the address")]
    Forged,
}

/// A token secret in memory. Zeroed on drop; `Debug` prints only its kind and public id.
#[derive(Clone)]
pub struct TokenSecret {
    token: TokenId,
    tail: Zeroizing<[u8; TAIL_CHARS]>,
}

impl TokenSecret {
    pub(super) fn assemble(claims: TokenClaims, mac: &[u8; MAC_BYTES]) -> Self {
        let mut body = Zeroizing::new([0; BODY_BYTES]);
        body[..2].copy_from_slice(&claims.key_number.to_be_bytes());
        body[2..10].copy_from_slice(&claims.token.get().to_be_bytes());
        body[10..14].copy_from_slice(&claims.generation.to_be_bytes());
        body[14..].copy_from_slice(mac);
        let mut tail = Zeroizing::new([0; TAIL_CHARS]);
        let (text, checksum) = tail.split_at_mut(BODY_CHARS);
        text.copy_from_slice(&*Zeroizing::new(base62::encode::<BODY_BYTES, BODY_CHARS>(&body)));
        checksum.copy_from_slice(&base62::checksum(text));
        Self { token: claims.token, tail }
    }

    /// The secret in clear, for the one answer that hands it out. Never log or store what this returns.
    #[must_use]
    pub fn expose(&self, spelling: TokenSpelling) -> Zeroizing<String> {
        let prefix = spelling.prefix();
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + TAIL_CHARS));
        text.push_str(prefix);
        text.extend(self.tail.iter().map(|digit| char::from(*digit)));
        text
    }

    /// The token it opens.
    #[must_use]
    pub fn token(&self) -> TokenId {
        self.token
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSecret({})", self.token)
    }
}

/// What a text that looks like a token says of itself. **No proof of anything**: for showing and finding only.
pub struct UnverifiedToken {
    claims: TokenClaims,
    mac: Zeroizing<[u8; MAC_BYTES]>,
}

impl UnverifiedToken {
    /// Reads a token in either spelling, without a key.
    ///
    /// # Errors
    /// [`TokenRefusal::Malformed`] by prefix, length, alphabet or a body out of range, [`TokenRefusal::Checksum`] by
    /// checksum; never the other two. Costs no allocation, and nothing beyond the length check for a text of a
    /// wrong length.
    pub fn parse(text: &str) -> Result<Self, TokenRefusal> {
        let tail = TokenSpelling::ALL
            .iter()
            .find_map(|spelling| text.strip_prefix(spelling.prefix()))
            .ok_or(TokenRefusal::Malformed)?;
        let tail: &[u8; TAIL_CHARS] = tail.as_bytes().try_into().map_err(|_| TokenRefusal::Malformed)?;
        if !base62::is_base62(tail) {
            return Err(TokenRefusal::Malformed);
        }
        let (body, checksum) = tail.split_first_chunk::<BODY_CHARS>().ok_or(TokenRefusal::Malformed)?;
        if checksum != base62::checksum(body) {
            return Err(TokenRefusal::Checksum);
        }
        let bytes: Zeroizing<[u8; BODY_BYTES]> = Zeroizing::new(base62::decode(body).ok_or(TokenRefusal::Malformed)?);
        Ok(Self::split(&bytes))
    }

    fn split(bytes: &[u8; BODY_BYTES]) -> Self {
        fn part<const N: usize>(bytes: &[u8; BODY_BYTES], from: usize) -> [u8; N] {
            std::array::from_fn(|at| bytes[from + at])
        }
        Self {
            claims: TokenClaims {
                key_number: u16::from_be_bytes(part(bytes, 0)),
                token: TokenId::new(u64::from_be_bytes(part(bytes, 2))),
                generation: u32::from_be_bytes(part(bytes, 10)),
            },
            mac: Zeroizing::new(part(bytes, 14)),
        }
    }

    /// The claims as written, **unproven**: for `token inspect` and for logs, never for a decision.
    #[must_use]
    pub fn unproven_claims(&self) -> TokenClaims {
        self.claims
    }

    pub(super) fn mac(&self) -> &[u8; MAC_BYTES] {
        &self.mac
    }
}

impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({})", self.claims.token)
    }
}
