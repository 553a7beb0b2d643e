//! Credentials as pure functions: token secrets, project keys, JSON Web Tokens, sealing, signatures of hooks and webhooks.
//!
//! Not here: who may do what (that is the record's word), files, clocks, a random source of its own. Randomness
//! comes in as `&dyn Entropy` (but for the keys that sign JWTs, which aws-lc only draws by itself), keys as values. Decisions: `docs/adr/0001-credentials-derived-token-secrets.md` and
//! `docs/adr/0002-secrets-at-rest.md`. All cryptography is aws-lc-rs, but for
//! Argon2, which it does not have.

mod auth_token;
pub mod base62;
mod fingerprint;
mod hook_signature;
mod invitation;
pub mod jwt;
mod key_ring;
mod master_key;
mod password;
mod project_key;
mod random_spelling;
mod sealing;
mod ticket;
mod token_secret;
mod visitor;
mod webhook_signature;

#[cfg(test)]
mod test_entropy;
#[cfg(test)]
mod token_tests;

pub use auth_token::{AUTH_TOKEN_CHARS, AuthTokenRefusal, AuthTokenSecret};
pub use fingerprint::{fingerprint, number_of};
pub use hook_signature::sign_hook;
pub use invitation::InvitationSecret;
pub use key_ring::{KeyRing, RING_KEYS_MAX, RingError, RingKey};
pub use master_key::{MasterKey, MasterKeyError, WrongMasterKey};
pub use password::{PasswordHash, check_password};
pub use project_key::{PROJECT_KEY_CHARS, ProjectKeyHash, ProjectKeyRefusal, ProjectKeySecret};
pub use sealing::{DataKey, DataKeys, RowBinding, RowKind, SEAL_OVERHEAD_BYTES, SealRefusal};
pub use ticket::Ticket;
pub use token_secret::{TokenClaims, TokenRefusal, TokenSecret, TokenSpelling, UnverifiedToken};
pub use visitor::verify_visitor;
pub use webhook_signature::{
    WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER, WebhookSecret, WebhookSecretError,
    sign_webhook, verify_webhook,
};
