//! The store ports: durable records, by subject. Each method is one unit of work named after what happened.
//!
//! Contract of every store:
//! - A method's answer comes after its change is durable (it survives `kill -9` and a power cut), or with an error, and then
//!   nothing was changed.
//! - Changes have one order. Each committed change is handed to the observer ([`Changes`]) in that order, once, after it is
//!   durable and before its answer. A change that altered nothing (subscribing twice, deleting what is not there) is not handed over.
//! - [`Store::attach`] replays everything that exists as changes (parents before children), then the later ones follow without a gap.
//! - Every method that names a channel, token or key does so with its project; another project's records are not found.
//! - Deleting a channel or a token deletes its subscriptions with it; the observer is told of the deletion alone.
//! - Ids that the server makes (of projects, keys and tokens) are unique in the whole store, those of channels in their project.
//! - Limits on sizes were checked by the caller, but for the merged state, which only the store sees.

use std::sync::Arc;

use super::Pending;
use crate::clock::UnixMillis;
use crate::ids::{ChannelId, KeyId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::model::{Capabilities, Channel, Project, ProjectKey, Subscription, Token};

/// What a store answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why a unit of work was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The named thing does not exist in this project.
    #[error("no such {0}")]
    NotFound(Subject),
    /// The id is taken.
    #[error("this {0} exists already")]
    AlreadyExists(Subject),
    /// The state is at another version than the one expected.
    #[error("the state is at version {current}")]
    VersionMismatch {
        /// The current version.
        current: u64,
    },
    /// The merged state would be larger than the limit, or the token would have too many subscriptions.
    #[error("over the limit: {0}")]
    LimitReached(&'static str),
    /// The store cannot work now: disk full, file gone, shutting down. For the log; never shown to callers.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// What a store error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A project.
    Project,
    /// A project key.
    Key,
    /// A channel.
    Channel,
    /// A token.
    Token,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Project => "project",
            Self::Key => "project key",
            Self::Channel => "channel",
            Self::Token => "token",
        })
    }
}

/// One committed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A project was created.
    Project(Project),
    /// A key was created, revoked or used: its record now.
    Key(ProjectKey),
    /// A channel was created.
    ChannelCreated(Channel),
    /// A channel's state changed: the whole new state.
    ChannelState {
        /// The owner.
        project: ProjectId,
        /// The channel.
        channel: ChannelId,
        /// The whole new state.
        state: JsonObject,
        /// Its version.
        version: u64,
    },
    /// A channel's settings changed.
    ChannelCapabilities {
        /// The owner.
        project: ProjectId,
        /// The channel.
        channel: ChannelId,
        /// The new settings.
        capabilities: Capabilities,
    },
    /// A channel was deleted, and its subscriptions with it.
    ChannelDeleted {
        /// The owner.
        project: ProjectId,
        /// The channel.
        channel: ChannelId,
    },
    /// A token was created. Its default subscriptions follow as changes of their own in the same unit of work.
    TokenCreated(Token),
    /// A token's state or expiry changed: its record now.
    TokenChanged(Token),
    /// A token was deleted, and its subscriptions with it.
    TokenDeleted {
        /// The owner.
        project: ProjectId,
        /// The token.
        token: TokenId,
    },
    /// A token was subscribed to a channel (or an ephemeral subscription became a lasting one).
    Subscribed(Subscription),
    /// A token's subscription ended.
    Unsubscribed {
        /// The owner.
        project: ProjectId,
        /// The subscriber.
        token: TokenId,
        /// The channel.
        channel: ChannelId,
    },
}

/// Sees every committed change, in commit order. Called on the store's own thread: must be quick and must not wait for the store.
pub trait Changes: Send + Sync {
    /// One change has become durable.
    fn committed(&self, change: Change);
}

/// How a channel's state is to change.
#[derive(Clone, Debug)]
pub enum StateChange {
    /// Put this in place of the whole state.
    Replace(JsonObject),
    /// Put these top-level keys in place of those of the state ([`JsonObject::merge`]).
    Merge(JsonObject),
}

/// What a token's owner may change; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct TokenChange {
    /// The new sealed state (`Some(None)`: `null`).
    pub sealed_state: Option<Option<Vec<u8>>>,
    /// The new expiry (`Some(None)`: never).
    pub expires_at: Option<Option<UnixMillis>>,
}

/// One key of the ring that token secrets are derived from, wrapped under the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedRingKey {
    /// Its number.
    pub number: u16,
    /// The wrapped 32 bytes: opaque to the store.
    pub wrapped: Vec<u8>,
    /// Whether new secrets are derived from it.
    pub active: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// The server's own secrets, sealed: what tells a right master key from a wrong one, and the key ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// A sealed known value.
    pub key_check: Vec<u8>,
    /// The key ring.
    pub ring: Vec<WrappedRingKey>,
}

/// The server's vault.
pub trait VaultStore: Send + Sync {
    /// The vault, or `None` in a new store.
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>>;
    /// Keeps the vault of a new store. `AlreadyExists` is reported as `Unavailable`: two servers must not share a folder.
    fn insert_vault(&self, vault: Vault) -> Pending<'_, StoreResult<()>>;
}

/// Projects and their keys.
pub trait ProjectStore: Send + Sync {
    /// Creates a project together with its first key. `AlreadyExists(Project)` or `AlreadyExists(Key)` if an id is taken.
    fn insert_project(&self, project: Project, key: ProjectKey) -> Pending<'_, StoreResult<()>>;
    /// Adds a key. `NotFound(Project)` if there is none, `AlreadyExists(Key)` if the id is taken.
    fn insert_key(&self, key: ProjectKey) -> Pending<'_, StoreResult<()>>;
    /// Revokes a key; revoking twice is no change and keeps the first time. `NotFound(Key)`.
    fn revoke_key(&self, project: ProjectId, key: KeyId, at: UnixMillis) -> Pending<'_, StoreResult<()>>;
    /// Notes when keys were last used; an earlier time than the one kept is no change. Unknown keys are passed over.
    fn touch_keys(&self, used: Vec<(ProjectId, KeyId, UnixMillis)>) -> Pending<'_, StoreResult<()>>;
}

/// Channels and their state.
pub trait ChannelStore: Send + Sync {
    /// Creates a channel; `sequence` and `version` are given by the store (the version of a new state is 1). Answers the record as kept.
    /// `AlreadyExists(Channel)`, `NotFound(Project)`.
    fn insert_channel(&self, channel: Channel) -> Pending<'_, StoreResult<Channel>>;
    /// Deletes a channel with its subscriptions. `NotFound(Channel)`.
    fn delete_channel(&self, project: ProjectId, channel: ChannelId) -> Pending<'_, StoreResult<()>>;
    /// Changes the state, if it is at version `if_version` where one is given; answers the whole new state and its version (one more than
    /// before). Concurrent merges lose nothing. `NotFound(Channel)`, `VersionMismatch`, `LimitReached("channel state")`.
    fn change_state(
        &self,
        project: ProjectId,
        channel: ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Pending<'_, StoreResult<(JsonObject, u64)>>;
    /// Changes the settings. `NotFound(Channel)`.
    fn change_capabilities(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
    ) -> Pending<'_, StoreResult<()>>;
}

/// Tokens.
pub trait TokenStore: Send + Sync {
    /// Creates a token, subscribed to `channels` from the start: all or nothing. `AlreadyExists(Token)`, `NotFound(Project)`,
    /// `NotFound(Channel)`, `LimitReached("subscriptions")`.
    fn insert_token(&self, token: Token, channels: Vec<ChannelId>) -> Pending<'_, StoreResult<()>>;
    /// Changes a token; answers the record now. `NotFound(Token)`.
    fn change_token(&self, project: ProjectId, token: TokenId, change: TokenChange) -> Pending<'_, StoreResult<Token>>;
    /// Deletes a token with its subscriptions. `NotFound(Token)`.
    fn delete_token(&self, project: ProjectId, token: TokenId) -> Pending<'_, StoreResult<()>>;
}

/// Subscriptions of tokens.
pub trait SubscriptionStore: Send + Sync {
    /// Subscribes a token; idempotent. A lasting subscription stays lasting when asked for again as ephemeral; an ephemeral one becomes lasting
    /// when asked for as lasting. Answers whether anything changed. `NotFound(Token)`, `NotFound(Channel)`, `LimitReached("subscriptions")`.
    fn insert_subscription(&self, subscription: Subscription) -> Pending<'_, StoreResult<bool>>;
    /// Ends a subscription; idempotent. Answers whether there was one.
    fn delete_subscription(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: ChannelId,
    ) -> Pending<'_, StoreResult<bool>>;
}

/// The whole of a store.
pub trait Store: VaultStore + ProjectStore + ChannelStore + TokenStore + SubscriptionStore {
    /// Replays what exists to `changes`, then hands it every later change. Called once (again it is `Unavailable`), before the first
    /// unit of work on projects: what was changed before is seen in the replay alone.
    fn attach(&self, changes: Arc<dyn Changes>) -> Pending<'_, StoreResult<()>>;
    /// A cheap unit of work that proves the store can still make something durable. For readiness.
    fn probe(&self) -> Pending<'_, StoreResult<()>>;
}
