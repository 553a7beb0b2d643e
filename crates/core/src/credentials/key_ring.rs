//! The token key ring: spells token secrets and proves them.
//!
//! Not here: where the ring is kept (sealed under the [`MasterKey`](super::MasterKey)), and whether a proven token
//! may still be used (its record says). Decision: `docs/adr/0001-credentials-derived-token-secrets.md`.

use super::token_secret::{MAC_BYTES, TokenClaims, TokenRefusal, TokenSecret, UnverifiedToken};
use crate::clock::Entropy;
use crate::ids::{ProjectId, TokenId};
use aws_lc_rs::{constant_time, hmac};
use std::fmt;
use zeroize::Zeroizing;

/// Most keys a ring holds. Each is a rotation whose old secrets still work; more means nobody retires them.
pub const RING_KEYS_MAX: usize = 16;

/// One key of the ring, 32 bytes, before it joins. Zeroed on drop, unprintable.
pub struct RingKey(Zeroizing<[u8; 32]>);

impl RingKey {
    /// Draws a new key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut());
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingKey(…)")
    }
}

/// Why a ring refused to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The number is in use; a number never stands for two keys.
    #[error("token key {0} exists already; give the new key an unused number")]
    NumberTaken(u16),
    /// No such key.
    #[error("there is no token key {0}")]
    Unknown(u16),
    /// The active key cannot be retired.
    #[error("token key {0} is the active one; make another key active before retiring it")]
    Active(u16),
    /// [`RING_KEYS_MAX`] reached.
    #[error("the ring holds {RING_KEYS_MAX} token keys, its most; retire one first")]
    Full,
}

/// Numbered keys of which one is active: that one spells, all verify.
///
/// Cloning copies the keys; the usual holder keeps one ring behind an `Arc` and replaces it whole.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<(u16, hmac::Key)>,
    active: u16,
    active_key: hmac::Key,
}

impl KeyRing {
    /// A ring of one key, which is active.
    #[must_use]
    pub fn new(number: u16, key: &RingKey) -> Self {
        let key = hmac_key(key);
        Self { keys: vec![(number, key.clone())], active: number, active_key: key }
    }

    /// Adds a key that verifies but does not spell yet.
    ///
    /// # Errors
    /// [`RingError::NumberTaken`], [`RingError::Full`].
    pub fn add(&mut self, number: u16, key: &RingKey) -> Result<(), RingError> {
        if self.key(number).is_some() {
            return Err(RingError::NumberTaken(number));
        }
        if self.keys.len() >= RING_KEYS_MAX {
            return Err(RingError::Full);
        }
        self.keys.push((number, hmac_key(key)));
        Ok(())
    }

    /// Makes a key of the ring the one that spells from now on.
    ///
    /// # Errors
    /// [`RingError::Unknown`].
    pub fn activate(&mut self, number: u16) -> Result<(), RingError> {
        self.active_key = self.key(number).ok_or(RingError::Unknown(number))?.clone();
        self.active = number;
        Ok(())
    }

    /// Removes a key: every secret spelled under it is refused from now on.
    ///
    /// # Errors
    /// [`RingError::Active`], [`RingError::Unknown`].
    pub fn retire(&mut self, number: u16) -> Result<(), RingError> {
        if number == self.active {
            return Err(RingError::Active(number));
        }
        let before = self.keys.len();
        self.keys.retain(|(have, _)| *have != number);
        if self.keys.len() == before { Err(RingError::Unknown(number)) } else { Ok(()) }
    }

    /// The number of the key that spells.
    #[must_use]
    pub fn active(&self) -> u16 {
        self.active
    }

    /// The numbers of all keys, in the order they joined.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.keys.iter().map(|(number, _)| *number)
    }

    /// The secret of one generation of a token, under the active key. The same input gives the same secret.
    #[must_use]
    pub fn spell(&self, project: ProjectId, token: TokenId, generation: u32) -> TokenSecret {
        let claims = TokenClaims { key_number: self.active, token, generation };
        TokenSecret::assemble(claims, &token_mac(&self.active_key, project, claims))
    }

    /// Proves that `text`, in either spelling, was issued by this ring for `project`.
    ///
    /// Refuses by length, alphabet, checksum, key number and MAC, in this order and before anyone looks at a
    /// record. The MAC is compared in constant time. At most one HMAC, on the stack.
    ///
    /// # Errors
    /// The [`TokenRefusal`] of the first check that failed.
    pub fn verify(&self, project: ProjectId, text: &str) -> Result<TokenClaims, TokenRefusal> {
        let token = UnverifiedToken::parse(text)?;
        let claims = token.unproven_claims();
        let key = self.key(claims.key_number).ok_or(TokenRefusal::UnknownKey)?;
        let expected = token_mac(key, project, claims);
        constant_time::verify_slices_are_equal(expected.as_slice(), token.mac()).map_err(|_| TokenRefusal::Forged)?;
        Ok(claims)
    }

    fn key(&self, number: u16) -> Option<&hmac::Key> {
        self.keys.iter().find(|(have, _)| *have == number).map(|(_, key)| key)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u16> = self.numbers().collect();
        f.debug_struct("KeyRing").field("numbers", &numbers).field("active", &self.active).finish()
    }
}

fn hmac_key(key: &RingKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.bytes())
}

/// HMAC-SHA256 (RFC 2104) of project ‖ token id ‖ generation, big-endian, cut to its leftmost 16 bytes.
fn token_mac(key: &hmac::Key, project: ProjectId, claims: TokenClaims) -> Zeroizing<[u8; MAC_BYTES]> {
    let mut input = [0; 20];
    input[..8].copy_from_slice(&project.get().to_be_bytes());
    input[8..16].copy_from_slice(&claims.token.get().to_be_bytes());
    input[16..].copy_from_slice(&claims.generation.to_be_bytes());
    let tag = hmac::sign(key, &input);
    let mut mac = Zeroizing::new([0; MAC_BYTES]);
    mac.copy_from_slice(&tag.as_ref()[..MAC_BYTES]);
    mac
}
