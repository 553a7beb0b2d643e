//! A key that a project has registered for an issuer: a JWK, a PEM public key or a shared secret, with one algorithm for good.

use super::algorithm::Algorithm;
use super::jwk::{Jwk, Numbers};
use super::strict_json::{self, NotStrict};
use super::verifier::Verifier;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::fmt;

/// Shortest shared secret, in bytes: 256 bits, so that it cannot be guessed offline from one token (RFC 8725 section 3.5).
pub const SECRET_BYTES_MIN: usize = 32;
/// Longest shared secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 1024;
/// Longest `kid`, in bytes. One that did not fit a header could never be named.
pub(super) const KID_BYTES_MAX: usize = 512;
/// Longest text of one key, JWK or PEM, in bytes: 8,192 bits of RSA and much air.
const KEY_TEXT_BYTES_MAX: usize = 16 * 1024;

/// Why something is not a key that can be registered. Never holds any of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerKeyError {
    /// Longer than any key.
    #[error("the key's text has {0} bytes; at most {KEY_TEXT_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Not a JWK.
    #[error(
        "the key is not a JSON object; a JWK looks like {{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"…\",\"y\":\"…\"}}"
    )]
    Json,
    /// A member is there twice.
    #[error("the key names the same member twice")]
    DuplicateMember,
    /// It has the private half.
    #[error("this is a private key; register its public half only, and replace the key if others may have seen it")]
    Private,
    /// A kind, curve or algorithm that we do not verify.
    #[error(
        "the key's {0} is not supported; supported are RSA, EC on P-256 and P-384, Ed25519, and secrets for HS256, HS384 and HS512"
    )]
    Unsupported(&'static str),
    /// Its `use` or `key_ops` are for something else.
    #[error(
        "the key is not for verifying signatures; its `use` must be `sig` or absent, its `key_ops` have `verify` or be absent"
    )]
    OtherUse,
    /// A member is missing, of the wrong type or length, or not base64url.
    #[error("the key's member `{0}` is missing, or not what this kind of key has there")]
    Member(&'static str),
    /// An empty or long key id.
    #[error("the key's `kid` must have 1 to {KID_BYTES_MAX} bytes")]
    Kid,
    /// The algorithm needs another kind of key.
    #[error("a key of this kind cannot verify {0}")]
    AlgorithmOfKind(Algorithm),
    /// No point of the curve, an even modulus and the like.
    #[error("the key's numbers make no valid public key")]
    Rejected,
    /// Too short to be safe, or too long to be cheap.
    #[error("the RSA key has {0} bits; 2048 to 8192 are allowed")]
    RsaBits(u32),
    /// Too short to be safe.
    #[error("the secret has {0} bytes; {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} are allowed, best made at random")]
    SecretBytes(usize),
    /// A public key where a secret must be: everybody could sign.
    #[error("this is a PEM or JSON key, not a secret; register it as such, with its own algorithm")]
    SecretIsKey,
    /// The PEM is of another kind or broken.
    #[error("this is not a PEM public key: {0}")]
    Pem(&'static str),
}

/// One key of an issuer. Its algorithm is fixed; `Debug` shows that and the `kid`. Cheap to clone.
#[derive(Clone)]
pub struct IssuerKey {
    kid: Option<String>,
    pub(super) verifier: Verifier,
}

impl IssuerKey {
    /// Reads one JWK as text: a public key, or a secret (`"kty":"oct"`). Without `alg`, RSA means RS256, P-256 ES256, P-384 ES384,
    /// Ed25519 EdDSA and a secret HS256.
    ///
    /// # Errors
    /// [`IssuerKeyError`]; private members (`d` and the like) are refused.
    pub fn from_jwk(text: &[u8]) -> Result<Self, IssuerKeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(IssuerKeyError::TooLong(text.len()));
        }
        let members = strict_json::parse_object(text).map_err(|error| match error {
            NotStrict::Json => IssuerKeyError::Json,
            NotStrict::DuplicateKey => IssuerKeyError::DuplicateMember,
        })?;
        Self::from_members(&members)
    }

    pub(super) fn from_members(members: &Map<String, Value>) -> Result<Self, IssuerKeyError> {
        let Jwk { kid, algorithm, numbers } = Jwk::read(members)?;
        match numbers {
            Numbers::Public(numbers) => Ok(Self { kid, verifier: Verifier::from_numbers(algorithm, &numbers)? }),
            Numbers::Secret(secret) => Self::from_secret(algorithm, kid, &secret),
        }
    }

    /// Reads a public key as PEM (`-----BEGIN PUBLIC KEY-----`, SubjectPublicKeyInfo) for one algorithm.
    ///
    /// # Errors
    /// [`IssuerKeyError`].
    pub fn from_pem(algorithm: Algorithm, kid: Option<String>, pem: &str) -> Result<Self, IssuerKeyError> {
        check_kid(kid.as_deref())?;
        if pem.len() > KEY_TEXT_BYTES_MAX {
            return Err(IssuerKeyError::TooLong(pem.len()));
        }
        Ok(Self { kid, verifier: Verifier::from_spki(algorithm, &read_pem(pem)?)? })
    }

    /// Takes a shared secret of 32 to 1,024 bytes for HS256, HS384 or HS512. The bytes are used as they are: decode base64 before,
    /// if the issuer does.
    ///
    /// # Errors
    /// [`IssuerKeyError`]; a PEM or JSON text is refused, because whoever passes a public key here opens the door to everybody.
    pub fn from_secret(algorithm: Algorithm, kid: Option<String>, secret: &[u8]) -> Result<Self, IssuerKeyError> {
        check_kid(kid.as_deref())?;
        let text = secret.trim_ascii_start();
        if text.starts_with(b"-----BEGIN") || text.starts_with(b"{") && strict_json::parse_object(secret).is_ok() {
            return Err(IssuerKeyError::SecretIsKey);
        }
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(IssuerKeyError::SecretBytes(secret.len()));
        }
        Ok(Self { kid, verifier: Verifier::from_secret(algorithm, secret)? })
    }

    /// Its one algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.verifier.algorithm()
    }

    /// Its id within its issuer.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerKey({}, kid {:?})", self.algorithm(), self.kid)
    }
}

fn check_kid(kid: Option<&str>) -> Result<(), IssuerKeyError> {
    if kid.is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) { Err(IssuerKeyError::Kid) } else { Ok(()) }
}

/// The bytes of a PEM public key (RFC 7468), and what to do about other PEMs.
fn read_pem(pem: &str) -> Result<Vec<u8>, IssuerKeyError> {
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    const END: &str = "-----END PUBLIC KEY-----";
    let pem = pem.trim();
    let Some(rest) = pem.strip_prefix(BEGIN) else {
        return Err(match pem {
            _ if pem.contains("PRIVATE KEY-----") => IssuerKeyError::Private,
            _ if pem.starts_with("-----BEGIN RSA PUBLIC KEY-----") => IssuerKeyError::Pem(
                "it is in the older PKCS #1 form; convert it with `openssl rsa -RSAPublicKey_in -in FILE -pubout`",
            ),
            _ if pem.starts_with("-----BEGIN CERTIFICATE-----") => IssuerKeyError::Pem(
                "it is a certificate; take the key out of it with `openssl x509 -in FILE -pubkey -noout`",
            ),
            _ => IssuerKeyError::Pem("it must begin with `-----BEGIN PUBLIC KEY-----`"),
        });
    };
    let body = rest
        .strip_suffix(END)
        .ok_or(IssuerKeyError::Pem("it must hold one key and end with `-----END PUBLIC KEY-----`"))?;
    let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| IssuerKeyError::Pem("its content is not base64"))
}
