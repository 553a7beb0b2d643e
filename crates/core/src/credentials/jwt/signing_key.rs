//! The keys that sign our own access tokens, and the public halves that verify them.
//!
//! Not here: which key of a project is in use, when it rotates, and how its PKCS #8 form is sealed.

use super::algorithm::SigningAlgorithm;
use super::der::{self, KeyKind};
use super::issuer_key::IssuerKeyError;
use super::jwk::{Jwk, Numbers, PublicNumbers};
use super::verifier::Verifier;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Map, Value};
use std::fmt;
use zeroize::Zeroizing;

const COORDINATE_BYTES: usize = 32;

/// Why there is no signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The system gave no randomness or memory.
    #[error("no signing key could be generated: the cryptographic library failed")]
    Generation,
    /// Not a private key of this algorithm.
    #[error("the bytes are no PKCS #8 private key for {}", .0.word())]
    Rejected(SigningAlgorithm),
}

/// A private key with its public half. Unprintable; aws-lc zeroes its memory when it is dropped.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// Draws a new key from aws-lc's own generator, which its key types insist on. RS256 takes some tenths of a second of
    /// computing: do not call that on a thread that must not wait.
    ///
    /// # Errors
    /// [`SigningKeyError::Generation`].
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, SigningKeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Es256),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::EdDsa),
            SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rs256),
        };
        let pair = pair.map_err(|_| SigningKeyError::Generation)?;
        Self::new(algorithm, pair).ok_or(SigningKeyError::Generation)
    }

    /// Reads what [`to_pkcs8`](Self::to_pkcs8) wrote.
    ///
    /// # Errors
    /// [`SigningKeyError::Rejected`] for other bytes, another algorithm's key and RSA keys outside 2,048 to 8,192 bits.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, SigningKeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Pair::Es256)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Pair::EdDsa),
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rs256),
        };
        pair.ok().and_then(|pair| Self::new(algorithm, pair)).ok_or(SigningKeyError::Rejected(algorithm))
    }

    fn new(algorithm: SigningAlgorithm, pair: Pair) -> Option<Self> {
        let numbers = match &pair {
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(COORDINATE_BYTES)?;
                PublicNumbers::Ec { curve: KeyKind::P256, x: x.to_vec(), y: y.to_vec() }
            }
            Pair::EdDsa(pair) => PublicNumbers::Ed25519 { x: pair.public_key().as_ref().to_vec() },
            Pair::Rs256(pair) => {
                let (n, e) = der::rsa_numbers(pair.public_key().as_ref())?;
                PublicNumbers::Rsa { n: n.to_vec(), e: e.to_vec() }
            }
        };
        Some(Self { pair, public: VerifyingKey::new(algorithm, numbers).ok()? })
    }

    /// The private key as PKCS #8 (RFC 5208), to be sealed and stored. Never log or store it otherwise.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        const WRITES: &str = "invariant: a key that was made or read can be written";
        let bytes = match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1().expect(WRITES).as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.to_pkcs8v1().expect(WRITES).as_ref().to_vec(),
            Pair::Rs256(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).expect(WRITES).as_ref().to_vec(),
        };
        Zeroizing::new(bytes)
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.public.algorithm
    }

    /// Its id: the RFC 7638 thumbprint of its public half, 43 characters.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// Its public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Its public half as a JWK; see [`VerifyingKey::public_jwk`].
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        self.public.public_jwk()
    }

    pub(super) fn signature(&self, message: &[u8]) -> Vec<u8> {
        const SIGNS: &str = "invariant: a valid key signs any message";
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message).expect(SIGNS).as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect(SIGNS);
                signature
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, kid {})", self.algorithm().word(), self.kid())
    }
}

/// The public half of a [`SigningKey`]. Nothing of it is secret.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: SigningAlgorithm,
    kid: String,
    numbers: PublicNumbers,
    pub(super) verifier: Verifier,
}

impl VerifyingKey {
    fn new(algorithm: SigningAlgorithm, numbers: PublicNumbers) -> Result<Self, IssuerKeyError> {
        let verifier = Verifier::from_numbers(algorithm.algorithm(), &numbers)?;
        Ok(Self { algorithm, kid: numbers.thumbprint(), numbers, verifier })
    }

    /// Reads what [`public_jwk`](Self::public_jwk) gave, for a key whose private half is gone. The `kid` is computed anew.
    ///
    /// # Errors
    /// [`IssuerKeyError`] for what is no such JWK.
    pub fn from_jwk(jwk: &Value) -> Result<Self, IssuerKeyError> {
        let Jwk { algorithm, numbers, .. } = Jwk::read(jwk.as_object().ok_or(IssuerKeyError::Json)?)?;
        let Numbers::Public(numbers) = numbers else { return Err(IssuerKeyError::AlgorithmOfKind(algorithm)) };
        let algorithm =
            SigningAlgorithm::from_word(algorithm.word()).ok_or(IssuerKeyError::AlgorithmOfKind(algorithm))?;
        Self::new(algorithm, numbers)
    }

    /// What it verifies.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its id: the RFC 7638 thumbprint, 43 characters.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The JWK for the key set at the project's public address: `kty`, `crv`, `x`, `y` or `n`, `e`, and `kid`, `alg`, `use`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let about = [("kid", self.kid.clone()), ("alg", self.algorithm.word().into()), ("use", "sig".into())];
        let members = self.numbers.members().into_iter().chain(about);
        Value::Object(members.map(|(name, value)| (name.to_owned(), Value::String(value))).collect::<Map<_, _>>())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, kid {})", self.algorithm.word(), self.kid)
    }
}
