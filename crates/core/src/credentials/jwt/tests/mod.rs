//! Tests of the module as a whole: published vectors, tables of refusals, our own tokens, junk.
#![allow(clippy::unwrap_used)]

mod access;
mod junk;
mod keys;
mod refusals;
mod samples;
mod vectors;

use super::{Algorithm, IssuerKey, IssuerRules, IssuerSettings};
use crate::clock::UnixMillis;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const ISSUER: &str = "https://issuer.example";
/// Within the life of every sample.
const NOW: UnixMillis = at(1_700_000_100);

const fn at(seconds: u64) -> UnixMillis {
    UnixMillis(seconds * 1000)
}

fn rules(keys: Vec<IssuerKey>) -> IssuerRules {
    IssuerRules::new(IssuerSettings::new(ISSUER), keys).unwrap()
}

fn secret_key() -> IssuerKey {
    IssuerKey::from_secret(Algorithm::Hs256, None, samples::SECRET).unwrap()
}

/// The JWK with more members put in front.
fn jwk(members: &str, jwk: &str) -> IssuerKey {
    IssuerKey::from_jwk(jwk_text(members, jwk).as_bytes()).unwrap()
}

fn jwk_text(members: &str, jwk: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{{members}{comma}{}", &jwk[1..])
}

/// Any header and payload, truly signed with HS256 under the sample secret.
fn hs256(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, samples::SECRET), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// A good payload with more members.
fn payload(more: &str) -> String {
    format!(r#"{{"iss":"{ISSUER}"{}{more}}}"#, if more.is_empty() { "" } else { "," })
}
