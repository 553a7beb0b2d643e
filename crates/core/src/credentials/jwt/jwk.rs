//! One JSON Web Key (RFC 7517, 7518 section 6, RFC 8037): from its members to numbers, and its thumbprint (RFC 7638).

use super::algorithm::Algorithm;
use super::der::{KeyKind, without_leading_zeros};
use super::issuer_key::{IssuerKeyError, KID_BYTES_MAX};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Members that hold the private half of a key.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// What a JWK says.
pub(super) struct Jwk {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) numbers: Numbers,
}

pub(super) enum Numbers {
    Public(PublicNumbers),
    Secret(Zeroizing<Vec<u8>>),
}

/// The numbers of a public key, big-endian: coordinates in their full width, RSA's without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicNumbers {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: KeyKind, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

impl Jwk {
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, IssuerKeyError> {
        // Before all else: a private key in a public place must be heard of, whatever is wrong with it besides.
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(IssuerKeyError::Private);
        }
        let kid = optional(members, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
            return Err(IssuerKeyError::Kid);
        }
        if !is_for_verifying(members) {
            return Err(IssuerKeyError::OtherUse);
        }
        let (numbers, default) = read_numbers(members)?;
        let algorithm = match optional(members, "alg")? {
            None => default,
            Some(word) => Algorithm::from_word(word).ok_or(IssuerKeyError::Unsupported("`alg`"))?,
        };
        Ok(Self { kid, algorithm, numbers })
    }
}

impl PublicNumbers {
    /// The members that RFC 7638 section 3.2 requires, in its order.
    pub(super) fn members(&self) -> Vec<(&'static str, String)> {
        let spell = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => vec![("e", spell(e)), ("kty", "RSA".into()), ("n", spell(n))],
            Self::Ec { curve, x, y } => {
                let name = if *curve == KeyKind::P384 { "P-384" } else { "P-256" };
                vec![("crv", name.into()), ("kty", "EC".into()), ("x", spell(x)), ("y", spell(y))]
            }
            Self::Ed25519 { x } => vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", spell(x))],
        }
    }

    /// SHA-256 of the required members as base64url: 43 characters.
    pub(super) fn thumbprint(&self) -> String {
        // None of these values has a character that JSON would escape.
        let members: Vec<String> =
            self.members().iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let text = format!("{{{}}}", members.join(","));
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }
}

/// `use` and `key_ops` may be absent; if present, they must be for verifying signatures (RFC 7517 sections 4.2 and 4.3).
fn is_for_verifying(members: &Map<String, Value>) -> bool {
    let use_fits = members.get("use").is_none_or(|value| value == "sig");
    let operations_fit = members
        .get("key_ops")
        .is_none_or(|value| value.as_array().is_some_and(|operations| operations.iter().any(|one| one == "verify")));
    use_fits && operations_fit
}

/// The numbers, and the algorithm of a key that names none.
fn read_numbers(members: &Map<String, Value>) -> Result<(Numbers, Algorithm), IssuerKeyError> {
    let curve = |known: &[&str]| {
        let curve = optional(members, "crv")?.ok_or(IssuerKeyError::Member("crv"))?;
        known.iter().position(|name| *name == curve).ok_or(IssuerKeyError::Unsupported("`crv`"))
    };
    match optional(members, "kty")?.ok_or(IssuerKeyError::Member("kty"))? {
        "RSA" => {
            // RFC 7518 section 6.3.1.1: leading zeros are wrong, and found in the wild.
            let number = |name| bytes(members, name).map(|bytes| without_leading_zeros(&bytes).to_vec());
            Ok((Numbers::Public(PublicNumbers::Rsa { n: number("n")?, e: number("e")? }), Algorithm::Rs256))
        }
        "EC" => {
            let kinds = [(KeyKind::P256, 32, Algorithm::Es256), (KeyKind::P384, 48, Algorithm::Es384)];
            let (curve, width, algorithm) = kinds[curve(&["P-256", "P-384"])?];
            let numbers =
                PublicNumbers::Ec { curve, x: exactly(members, "x", width)?, y: exactly(members, "y", width)? };
            Ok((Numbers::Public(numbers), algorithm))
        }
        "OKP" => {
            curve(&["Ed25519"])?;
            Ok((Numbers::Public(PublicNumbers::Ed25519 { x: exactly(members, "x", 32)? }), Algorithm::EdDsa))
        }
        "oct" => Ok((Numbers::Secret(Zeroizing::new(bytes(members, "k")?)), Algorithm::Hs256)),
        _ => Err(IssuerKeyError::Unsupported("`kty`")),
    }
}

fn optional<'m>(members: &'m Map<String, Value>, name: &'static str) -> Result<Option<&'m str>, IssuerKeyError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(IssuerKeyError::Member(name)),
    }
}

fn bytes(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, IssuerKeyError> {
    optional(members, name)?.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(IssuerKeyError::Member(name))
}

fn exactly(members: &Map<String, Value>, name: &'static str, width: usize) -> Result<Vec<u8>, IssuerKeyError> {
    let bytes = bytes(members, name)?;
    if bytes.len() == width { Ok(bytes) } else { Err(IssuerKeyError::Member(name)) }
}
