//! One key with its one algorithm: does this signature fit? The only place that calls the verifying half of aws-lc.

use super::algorithm::{Algorithm, Scheme};
use super::der::{self, KeyKind};
use super::issuer_key::IssuerKeyError;
use super::jwk::PublicNumbers;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use aws_lc_rs::{encoding::PublicKeyX509Der, hmac};
use std::sync::Arc;

/// Bits of the shortest RSA modulus (RFC 7518 section 3.3).
const RSA_BITS_MIN: u32 = 2048;
const RSA_BITS_MAX: u32 = 8192;

#[derive(Clone)]
pub(super) struct Verifier {
    algorithm: Algorithm,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Arc<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Verifier {
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is one of `signed` under this key. Macs are compared in constant time.
    pub(super) fn fits(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
            Material::Public(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }

    /// A shared secret, whose length the caller has checked.
    pub(super) fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, IssuerKeyError> {
        match algorithm.scheme() {
            Scheme::Hmac(digest) => {
                Ok(Self { algorithm, material: Material::Secret(hmac::Key::new(digest, secret).into()) })
            }
            Scheme::Rsa(_) | Scheme::Ecdsa(_) | Scheme::Ed25519 => Err(IssuerKeyError::AlgorithmOfKind(algorithm)),
        }
    }

    /// A SubjectPublicKeyInfo.
    pub(super) fn from_spki(algorithm: Algorithm, der: &[u8]) -> Result<Self, IssuerKeyError> {
        let kind = der::spki_kind(der).ok_or(IssuerKeyError::Unsupported("kind of public key"))?;
        let key = match (algorithm.scheme(), kind) {
            (Scheme::Rsa(parameters), KeyKind::Rsa) => rsa_key(parameters, der)?,
            (Scheme::Ecdsa(parameters), KeyKind::P256 | KeyKind::P384) if curve_of(algorithm) == Some(kind) => {
                ParsedPublicKey::new(parameters, der).map_err(|_| IssuerKeyError::Rejected)?
            }
            (Scheme::Ed25519, KeyKind::Ed25519) => {
                ParsedPublicKey::new(&ED25519, der).map_err(|_| IssuerKeyError::Rejected)?
            }
            _ => return Err(IssuerKeyError::AlgorithmOfKind(algorithm)),
        };
        Ok(Self { algorithm, material: Material::Public(key) })
    }

    /// The numbers of a JWK.
    pub(super) fn from_numbers(algorithm: Algorithm, numbers: &PublicNumbers) -> Result<Self, IssuerKeyError> {
        let key = match (algorithm.scheme(), numbers) {
            (Scheme::Rsa(parameters), PublicNumbers::Rsa { n, e }) => {
                let components = RsaPublicKeyComponents { n, e };
                let der: PublicKeyX509Der<'_> = components.as_der().map_err(|_| IssuerKeyError::Rejected)?;
                rsa_key(parameters, der.as_ref())?
            }
            (Scheme::Ecdsa(parameters), PublicNumbers::Ec { curve, x, y }) if curve_of(algorithm) == Some(*curve) => {
                const UNCOMPRESSED: u8 = 4;
                let point = [&[UNCOMPRESSED], x.as_slice(), y].concat();
                ParsedPublicKey::new(parameters, point).map_err(|_| IssuerKeyError::Rejected)?
            }
            (Scheme::Ed25519, PublicNumbers::Ed25519 { x }) => {
                ParsedPublicKey::new(&ED25519, x).map_err(|_| IssuerKeyError::Rejected)?
            }
            _ => return Err(IssuerKeyError::AlgorithmOfKind(algorithm)),
        };
        Ok(Self { algorithm, material: Material::Public(key) })
    }
}

fn curve_of(algorithm: Algorithm) -> Option<KeyKind> {
    match algorithm {
        Algorithm::Es256 => Some(KeyKind::P256),
        Algorithm::Es384 => Some(KeyKind::P384),
        _ => None,
    }
}

/// aws-lc would refuse a key outside its range only when it verifies; an operator should hear of it at once.
fn rsa_key(parameters: &'static RsaParameters, spki: &[u8]) -> Result<ParsedPublicKey, IssuerKeyError> {
    let key = rsa::PublicKey::from_der(spki).map_err(|_| IssuerKeyError::Rejected)?;
    let bits = RsaParameters::public_modulus_len(key.as_ref()).map_err(|_| IssuerKeyError::Rejected)?;
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(IssuerKeyError::RsaBits(bits));
    }
    ParsedPublicKey::new(parameters, key.as_ref()).map_err(|_| IssuerKeyError::Rejected)
}
