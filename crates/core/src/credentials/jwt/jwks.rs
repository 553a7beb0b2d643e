//! A key set (RFC 7517 section 5) as an issuer publishes it at its URL. Not here: fetching it.

use super::issuer_key::{IssuerKey, IssuerKeyError};
use super::strict_json::{self, NotStrict};
use serde_json::Value;

/// Longest key set, in bytes of JSON text.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;
/// Most keys of a set.
pub const JWKS_KEYS_MAX: usize = 64;

/// Why a text is no key set to use. The keys known so far should stay in use then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Too many bytes.
    #[error("the key set has {0} bytes; at most {JWKS_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Not JSON of the right shape.
    #[error("this is not a key set: a JSON object with `keys`, a list of objects, is needed")]
    Json,
    /// A name is there twice.
    #[error("the key set names the same member twice in one object")]
    DuplicateMember,
    /// Too many keys.
    #[error("the key set has {0} keys; at most {JWKS_KEYS_MAX} are allowed")]
    TooManyKeys(usize),
    /// A private key or a shared secret is published for everybody to sign with.
    #[error(
        "the key set publishes a private key or a shared secret; none of its keys is trusted until the issuer removes and replaces it"
    )]
    Private,
    /// Nothing in it that we can verify with.
    #[error(
        "none of the {0} keys of the set can be used; RSA of 2048 bits and more, EC on P-256 and P-384 and Ed25519 can"
    )]
    NoUsableKey(usize),
}

/// The keys of a set that we can verify with.
#[derive(Clone, Debug)]
pub struct Jwks {
    keys: Vec<IssuerKey>,
    passed_over: usize,
}

impl Jwks {
    /// Reads a key set. Keys of unknown kinds, curves, algorithms and uses are passed over, as are broken ones (RFC 7517 section 5).
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn parse(text: &[u8]) -> Result<Self, JwksError> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLong(text.len()));
        }
        let set = strict_json::parse_object(text).map_err(|error| match error {
            NotStrict::Json => JwksError::Json,
            NotStrict::DuplicateKey => JwksError::DuplicateMember,
        })?;
        let Some(Value::Array(entries)) = set.get("keys") else { return Err(JwksError::Json) };
        if entries.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooManyKeys(entries.len()));
        }
        let mut keys = Vec::with_capacity(entries.len());
        for entry in entries {
            let Value::Object(members) = entry else { return Err(JwksError::Json) };
            if members.get("kty").is_some_and(|kty| kty == "oct") {
                return Err(JwksError::Private);
            }
            match IssuerKey::from_members(members) {
                Ok(key) => keys.push(key),
                Err(IssuerKeyError::Private) => return Err(JwksError::Private),
                Err(_) => {}
            }
        }
        match keys.len() {
            0 => Err(JwksError::NoUsableKey(entries.len())),
            usable => Ok(Self { keys, passed_over: entries.len() - usable }),
        }
    }

    /// How many keys of the set were passed over.
    #[must_use]
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// The usable keys, at least one.
    #[must_use]
    pub fn keys(&self) -> &[IssuerKey] {
        &self.keys
    }

    /// The usable keys, at least one.
    #[must_use]
    pub fn into_keys(self) -> Vec<IssuerKey> {
        self.keys
    }
}
