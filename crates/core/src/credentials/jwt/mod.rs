//! JSON Web Tokens, as pure functions: our own access tokens, and those of issuers that a project has registered.
//!
//! * **Our own** ([`SigningKey`], [`AccessClaims`], [`verify_access`]): a second spelling of a token's record. The signature
//!   proves which record and generation is meant; whether that may still be used is the record's word.
//! * **Of others** ([`IssuerRules`], [`IssuerKey`], [`Jwks`]): what a customer's own backend or identity provider signs.
//!
//! What is *not* here: fetching key sets, storing keys, a clock, and who may do what. Nothing of a token is followed: its
//! `jku`, `x5u`, `x5c` and `jwk` headers are never read. A key has one algorithm, fixed when it is made, and a token that
//! names another is refused; so a public key can never serve as a shared secret. Keys are looked up among those of one
//! issuer only. A text is bounded before anything of it is decoded, and a claim of the wrong JSON type is refused, never
//! skipped. A token's text is not its identity (an ECDSA signature has two spellings): use `jti`.
//!
//! Sources: RFC 7515 (JWS), 7517 (JWK), 7518 (algorithms), 7519 (JWT), 7638 (thumbprints), 8037 (Ed25519), 8725 (best practice).

mod access;
mod algorithm;
mod claims;
mod compact;
mod der;
mod issuer;
mod issuer_key;
mod jwk;
mod jwks;
mod refusal;
mod signing_key;
mod strict_json;
mod verifier;

#[cfg(test)]
mod tests;

pub use access::{AccessClaims, AccessExpectations, AccessUser, verify_access};
pub use algorithm::{Algorithm, SigningAlgorithm};
pub use claims::CLAIM_PATH_BYTES_MAX;
pub use compact::{HEADER_BYTES_MAX, TOKEN_BYTES_MAX, Unverified};
pub use issuer::{ISSUER_BYTES_MAX, IssuerRules, IssuerSettings, IssuerSettingsError, LEEWAY_S_MAX, VerifiedClaims};
pub use issuer_key::{IssuerKey, IssuerKeyError, SECRET_BYTES_MAX, SECRET_BYTES_MIN};
pub use jwks::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, Jwks, JwksError};
pub use refusal::{JwtRefusal, Part};
pub use signing_key::{SigningKey, SigningKeyError, VerifyingKey};
