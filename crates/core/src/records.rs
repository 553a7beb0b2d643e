//! What sealed rows hold: the records of everything that is not a channel or a subscription, as serde values.
//!
//! The store sees none of this: a record is written as JSON, sealed for its row ([`crate::credentials::DataKeys`]), and opened by the
//! directory alone. A field that arrives later gets a default, so that older rows still open. What a record must obey is checked by
//! the operation that makes it.

mod mailbox;
mod operator;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::grants::Grant;
use crate::ids::{DeliveryId, IssuerId, KeyId, TokenId, UserId, WebhookId};
use crate::json::{JsonObject, stored_object};
use crate::permissions::Permissions;

pub use mailbox::{DirectMessageRecord, MailboxRecord, MailboxSettings, mailbox_epoch};
pub use operator::{InvitationRecord, OperatorRecord};

/// A record as the bytes to seal.
///
/// # Panics
/// Never: records are maps with text keys.
#[must_use]
pub fn to_bytes<T: Serialize>(record: &T) -> zeroize::Zeroizing<Vec<u8>> {
    zeroize::Zeroizing::new(serde_json::to_vec(record).expect("invariant: records are maps with text keys"))
}

/// A record from what was sealed; nothing if it is of another shape.
#[must_use]
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// How a token came to be: each kind is replaced by its own kind only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Made by a backend, over `/v1` or `/v2`.
    #[default]
    Plain,
    /// Made by `createUserToken` of social.plus's SDKs.
    UserToken,
    /// A login session of social.plus's SDKs.
    Session,
    /// Made for a user of a registered issuer, when its JWT was first seen.
    Issued,
}

/// A generation that still works for a while after its rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousGeneration {
    /// Which.
    pub generation: u32,
    /// Until when.
    pub until: UnixMillis,
}

/// Why and since when a token is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When it was decided.
    pub decided_at: UnixMillis,
    /// From when the token is refused: later than `decided_at` if it was given a grace.
    pub effective_at: UnixMillis,
    /// What the revoker said, at most 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How the reason of a revocation begins that is never taken back: the secret is in strangers' hands.
pub const LEAKED: &str = "leaked";

impl Revocation {
    /// Whether the token is refused at `now`. A revocation without a grace holds whatever the wall clock does afterwards.
    #[must_use]
    pub fn is_in_force(&self, now: UnixMillis) -> bool {
        self.effective_at <= self.decided_at || self.effective_at <= now
    }

    /// Whether the secret was reported to be in strangers' hands.
    #[must_use]
    pub fn is_leak(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.starts_with(LEAKED))
    }
}

/// Terms that few tokens have. Shared in memory by tokens with the same ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    /// What it may do; `None` follows the channels' types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<Grant>>,
    /// Most live connections, 1 to 1,024; `None` is the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u32>,
    /// Networks it may come from, as `address/bits`; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Origins of web pages it may come from, as `https://host[:port]`; empty is all, pages and programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// The backend's own notes; matched by bulk operations.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_object")]
    pub metadata: Option<JsonObject>,
    /// The device that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the JWT was issued that the grants come from, for a token that stands for an issuer's user: an older JWT does not take them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<UnixMillis>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Raised by rotation; part of what the secret is derived from. From 1.
    pub generation: u32,
    /// The generation before, while its grace lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousGeneration>,
    /// How it came to be.
    #[serde(default)]
    pub kind: TokenKind,
    /// Whose it is, if anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Its state; `None` is `null`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_object")]
    pub state: Option<JsonObject>,
    /// Counts the changes of state, from 1.
    pub state_version: u64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// From when it works; `None` is from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMillis>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
    /// The project key that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<KeyId>,
    /// The number of the ring key under which its newest generation was first spelled; 0 in records from before that was kept.
    #[serde(default)]
    pub key_number: u16,
    /// The registered issuer whose JWT it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// Set when it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
    /// What few tokens have.
    #[serde(default)]
    pub terms: TokenTerms,
}

/// A user of the customer's system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The customer's own id, unique in the project.
    pub user_id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The backend's own notes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_object")]
    pub attributes: Option<JsonObject>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When its record was last changed.
    pub updated_at: UnixMillis,
    /// Since when it may not get in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_at: Option<UnixMillis>,
}

/// What a key or an issuer lets those ask for who come with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintPolicy {
    /// Longest life, in milliseconds; `None` is the project's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_ms_max: Option<u64>,
    /// The most that may be granted; `None` lets nobody ask for capabilities through a publishable key, and does not bound other keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Vec<Grant>>,
    /// Channel patterns whose channels may be default channels; as `ceiling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
}

/// A project key. The secret itself is not here: only its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// SHA-256 of the whole spelling.
    pub hash: [u8; 32],
    /// What people see of the secret: its first characters.
    pub hint: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    pub permissions: Permissions,
    /// What it lets those ask for who come with it.
    #[serde(default)]
    pub policy: MintPolicy,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<UnixMillis>,
    /// When it was or will be revoked (a rotation gives the old key an end in the future).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<UnixMillis>,
}

impl KeyRecord {
    /// Whether the key opens its project at `now`.
    #[must_use]
    pub fn works(&self, now: UnixMillis) -> bool {
        [self.revoked_at, self.expires_at].into_iter().flatten().all(|end| now < end)
    }
}

/// A backend's word for a user, good for one session. Only its hash is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthTokenRecord {
    /// SHA-256 of the spelling.
    pub hash: [u8; 32],
    /// The customer's own id of the user it vouches for.
    pub user_id: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Until when it may be used.
    pub expires_at: UnixMillis,
    /// When it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<UnixMillis>,
}

/// A key that signs access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// The private key, PKCS#8 in base64. A secret: sealed with the record, never shown.
    pub pkcs8: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when it signs; before that it is only published.
    pub signs_from: UnixMillis,
    /// No access token that it signed lasts longer. Moved on in steps of a day, before the access token is handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers_until: Option<UnixMillis>,
    /// Until when it verifies; `None` while it signs or will sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifies_until: Option<UnixMillis>,
    /// When it was retired in an emergency: nothing signed with it is accepted since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<UnixMillis>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKeys {
    /// One key for `HS256`, `HS384` or `HS512`, as base64. A secret.
    Secret {
        /// The algorithm.
        algorithm: String,
        /// The bytes, base64.
        secret: String,
    },
    /// One public key in PEM, for one algorithm.
    Pem {
        /// The algorithm.
        algorithm: String,
        /// The key.
        pem: String,
    },
    /// Keys as a JWK set, given once.
    Jwks {
        /// The set, as JSON text.
        set: String,
    },
    /// Keys as a JWK set at an address, fetched by us and kept.
    Url {
        /// The address.
        url: String,
        /// What was last fetched, as JSON text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fetched: Option<String>,
        /// When.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fetched_at: Option<UnixMillis>,
    },
}

/// A registered issuer of JWTs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerRecord {
    /// What `iss` must be, exactly.
    pub issuer: String,
    /// What `aud` must contain one of; empty asks for none.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The claim with the user id; a path with dots.
    pub user_id_claim: String,
    /// The claim with the display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name_claim: Option<String>,
    /// The claim with capabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities_claim: Option<String>,
    /// What its tokens may do and how long they may live.
    #[serde(default)]
    pub policy: MintPolicy,
    /// Seconds by which its clock may differ, 0 to 60.
    pub leeway_s: u32,
    /// Its keys.
    pub keys: IssuerKeys,
    /// When it was registered.
    pub created_at: UnixMillis,
    /// Since when it is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<UnixMillis>,
}

/// A webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRecord {
    /// Where to.
    pub url: String,
    /// Which events: exact names, `prefix.*`, or `*`.
    pub events: Vec<String>,
    /// The secret that signs, `whsec_…`. Sealed with the record, shown once.
    pub secret: String,
    /// The secret before, which signs too while a rotation lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<(String, UnixMillis)>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// Since when nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<UnixMillis>,
    /// Why the server itself disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_for: Option<String>,
    /// Since when nothing could be delivered to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<UnixMillis>,
    /// Until when it was told of what time alone brings: tokens that expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_until: Option<UnixMillis>,
}

/// One message to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The endpoint.
    pub webhook: WebhookId,
    /// The id that the receiver sees: the same in every try and every replay.
    pub message: DeliveryId,
    /// The event's name.
    pub event: String,
    /// The body, JSON text.
    pub body: String,
    /// What it is about, where messages to an endpoint about the same thing are sent one after the other, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// When it came to be.
    pub created_at: UnixMillis,
    /// When it was put in line, if that was later: for a replay. The time after which it is given up counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<UnixMillis>,
    /// When it is next tried.
    pub due_at: UnixMillis,
    /// How often it was tried.
    pub tries: u32,
    /// What the last try came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// When it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<UnixMillis>,
    /// When it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_at: Option<UnixMillis>,
}

/// That webhook endpoints were told that a token is online, or a channel occupied. Goes when they are told that it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldRecord {
    /// The token's public id, or the channel's id.
    pub subject: String,
    /// When they were told.
    pub told_at: UnixMillis,
}

/// What is counted of a token or a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// When it was first used.
    pub first_seen_at: Option<UnixMillis>,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
    /// When it last had a connection: when the last one ended, as far as that was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<UnixMillis>,
    /// Connections that it opened, or that went on with it in place of another token.
    pub connections: u64,
    /// Messages that its connections sent.
    pub messages_in: u64,
    /// Messages that its connections received.
    pub messages_out: u64,
    /// Requests over REST.
    pub requests: u64,
    /// Refusals by their code; at most 16 codes.
    #[serde(default)]
    pub refusals: Vec<(String, u64)>,
    /// The latest addresses and when each was last seen; at most 8.
    #[serde(default)]
    pub addresses: Vec<(String, UnixMillis)>,
}

/// What a project used, hour by hour, and what its alerts say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUsageRecord {
    /// The last seven days, oldest first; hours in which nothing was used are left out.
    #[serde(default)]
    pub hours: Vec<UsageBucket>,
    /// Alerts that hold, and the latest of those that are over, oldest first.
    #[serde(default)]
    pub alerts: Vec<AlertRecord>,
    /// When it was last counted which tokens nobody uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_counted_at: Option<UnixMillis>,
}

/// What a project used within a minute or an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageBucket {
    /// When it began.
    pub at: UnixMillis,
    /// Connections that were opened.
    pub connections: u64,
    /// Messages that clients sent.
    pub messages_in: u64,
    /// Messages that clients received.
    pub messages_out: u64,
    /// Requests over REST that were let in.
    pub requests: u64,
    /// Refused connections and requests by their code; at most 16 codes.
    #[serde(default)]
    pub refusals: Vec<(String, u64)>,
}

/// Something about a project that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// What kind.
    pub kind: String,
    /// What it is about: a public id.
    pub subject: String,
    /// One sentence.
    pub detail: String,
    /// Since when.
    pub raised_at: UnixMillis,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<UnixMillis>,
}

/// A request that must not be done twice, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// SHA-256 of caller and idempotency key.
    pub key: [u8; 32],
    /// SHA-256 of what was asked: another request under the same key is refused.
    pub fingerprint: [u8; 32],
    /// The tokens that it made or rotated, in order, each with the generation it then had: answers are spelled from them again.
    pub tokens: Vec<(TokenId, u32)>,
    /// When it is forgotten.
    pub expires_at: UnixMillis,
}

/// What a project decided for itself. Absent fields follow the server's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsRecord {
    /// Whether sessions need an auth token.
    pub secure_mode: bool,
    /// Whether an auth token may be used more than once.
    pub auth_tokens_reusable: bool,
    /// How long an auth token lasts, in milliseconds.
    pub auth_token_life_ms: Option<u64>,
    /// How long a login session of social.plus's SDKs lasts, in milliseconds.
    pub session_life_ms: Option<u64>,
    /// How long a user token lasts unless its maker says otherwise, in milliseconds.
    pub user_token_life_ms: Option<u64>,
    /// How long a JWT access token lasts at most, in milliseconds.
    pub access_token_life_ms: Option<u64>,
    /// Web origins that may send credentials; others are answered without.
    pub allowed_origins: Vec<String>,
    /// Longest user id, in characters.
    pub user_id_chars_max: Option<u32>,
    /// Whether a new session on a device ends every other token of that device, as social.plus does.
    pub strict_devices: bool,
    /// Whether unknown keys in a session request are refused.
    pub strict_bodies: bool,
    /// `ES256` (the default), `EdDSA` or `RS256`.
    pub signing_algorithm: Option<String>,
    /// How long a signing key signs before the next takes over, in milliseconds.
    pub signing_key_life_ms: Option<u64>,
    /// How long audit entries are kept, in milliseconds; `None` is for ever.
    pub audit_life_ms: Option<u64>,
    /// What signs the devices of visitors where sessions need an auth token. A secret: sealed with the record, never shown.
    pub visitor_secret: Option<String>,
    /// How long a token is kept after its end, in milliseconds.
    pub ended_token_life_ms: Option<u64>,
    /// Buckets.
    pub limits: LimitSettings,
    /// The customer's backend, if it has a say in what clients do.
    pub hook: Option<HookRecord>,
    /// How direct messages are kept until they are acknowledged; `None` is not at all.
    pub mailbox: Option<MailboxSettings>,
    /// How often mailboxes were switched on. Given by the server: positions of an earlier run mean nothing.
    pub mailbox_run: u32,
}

/// What an access hook may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookQuestion {
    /// Whether a token may into a private channel to which nothing else lets it.
    Subscribe,
    /// Whether a client may publish a message that everything else allows.
    Publish,
    /// Whether a client may connect whose token, if it has one, is good.
    Connect,
}

impl HookQuestion {
    /// Every question.
    pub const ALL: [Self; 3] = [Self::Subscribe, Self::Publish, Self::Connect];
}

/// A project's access hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRecord {
    /// Whom to ask.
    pub url: String,
    /// The secret that signs, `whsec_…`. Sealed with the record, shown once.
    pub secret: String,
    /// The secret before, which signs too while a rotation lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<(String, UnixMillis)>,
    /// What it is asked.
    pub questions: Vec<HookQuestion>,
    /// Whether it is asked about anonymous clients, too.
    #[serde(default)]
    pub anonymous: bool,
    /// From the question to the answer, in milliseconds; `None` is the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether clients may connect and publish while it does not answer.
    #[serde(default)]
    pub allow_on_failure: bool,
}

/// How many calls a project lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitSettings {
    /// Tokens made with one key.
    pub mint_per_key: Option<Bucket>,
    /// Tokens made for one user.
    pub mint_per_user: Option<Bucket>,
    /// Tokens made from one address (IPv6: one /64).
    pub mint_per_address: Option<Bucket>,
    /// Failed authentications from one address (IPv6: one /64).
    pub failed_auth_per_address: Option<Bucket>,
}

/// A bucket of calls: so many at once, and so many a second in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// At once.
    pub burst: u32,
    /// A second, in the long run; greater than 0.
    pub per_second: f64,
}

impl Eq for Bucket {}

/// Where a background job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Its parts are still arriving.
    Receiving,
    /// Waits for its turn, or is at work.
    Running,
    /// All parts are done.
    Finished,
    /// Was cancelled; what was done stays done.
    Cancelled,
    /// Could not go on.
    Failed,
}

/// A background job. Its input and its results are rows of their own, numbered from the job's number on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// `create`, `revoke`, `rotate` or `introspect`.
    pub action: String,
    /// Where it stands.
    pub status: JobStatus,
    /// Who submitted it.
    pub submitted_by: String,
    /// How many of its parts are done, in order.
    pub parts_done: u32,
    /// How many entries it has.
    pub total: u64,
    /// How many of them succeeded.
    pub succeeded: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many entries each part has that arrived, by its place; 0 is one that has not.
    pub received: Vec<u16>,
    /// Places of parts whose result was handed out.
    #[serde(default)]
    pub handed_out: Vec<u16>,
    /// When it was submitted.
    pub created_at: UnixMillis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UnixMillis>,
    /// When it and its results are forgotten.
    pub expires_at: UnixMillis,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

#[cfg(test)]
mod tests;
