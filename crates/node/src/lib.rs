//! One process's runtime: the operations that every door calls, and the hub that delivers.
//!
//! Not here: sockets, HTTP, SQL and wire formats. An operation takes a caller, is refused by default, and answers only after its change is
//! durable. See ARCHITECTURE.md.

pub mod counters;
pub mod directory;
pub mod hub;
pub mod limits;
pub mod operations;

mod broker;
mod figures;
mod hooks;
mod start;
mod verified;

use std::sync::Arc;

use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::ids::{ConnectionId, SnowflakeSource};
use tollgate_core::ports::broker::Broker;
use tollgate_core::ports::hook::AccessHook;
use tollgate_core::ports::outbound::Outbound;
use tollgate_core::ports::store::Store;

pub use directory::{KeyEntry, UsageDelta, UsageKey};
pub use figures::{Held, Readiness, Room, ShardFigures};
pub use hub::{
    ConnectionKey, ConnectionRef, FormatIndex, Only as ConnectionsOnly, Outlet, PeerWord, Request, Shard, ShardIndex,
    ShardParts, WireFormat, Written,
};
pub use operations::alerts::AlertView;
pub use operations::audit::AUDIT_PAGE_MAX;
pub use operations::auth_tokens::NewAuthToken;
pub use operations::batch::{BatchAction, BatchEntry, BatchRequest, EntryOutcome, EntryResult};
pub use operations::clients::{Client, Outcome};
pub use operations::connections::{ConnectionFilter, ConnectionPage, ConnectionRow};
pub use operations::deliveries::{DeliveryStatus, DeliveryView};
pub use operations::explain::{
    ExplainHeld, ExplainQuestion, ExplainStep, ExplainVerdict, ExplainWish, ExplainedStep, Explanation,
};
pub use operations::fates::{FateStep, FateStepKind, MessageFate, MessageTold};
pub use operations::find::{Found, FoundKind};
pub use operations::history::{HistoryView, WAIT_MS_MAX};
pub use operations::hook_test::{HookSaid, HookTest};
pub use operations::idempotency::Once;
pub use operations::issuers::{IssuerKeyView, IssuerUpdate, IssuerView, KeySource, NewIssuer};
pub use operations::jobs::JobView;
pub use operations::keyring::{DataKeyStatus, KeyringStatus, TokenKeyStatus};
pub use operations::keys::{KeyUpdate, NewKey};
pub use operations::online::OnlineView;
pub use operations::operators::{InvitationView, NewOperator, OperatorUpdate, OperatorView};
pub use operations::presented::{Place, TokenRefused};
pub use operations::revoke::{RevokeRequest, Revoked};
pub use operations::selector::{Selector, kind_word};
pub use operations::sessions::{SessionRequest, SessionView, VisitorProof};
pub use operations::settings::{LIVES, Life};
pub use operations::signing::{AccessToken, AccessWish};
pub use operations::signing_in::SignedIn;
pub use operations::signing_keys::{SigningKeyStatus, SigningKeyView};
pub use operations::tickets::TICKET_MS;
pub use operations::token_views::{
    ConnectionView, Introspection, IssuedToken, PreviousSecret, SubscriptionView, TokenDetail, TokenFilter, TokenPage,
    TokenStatus,
};
pub use operations::tokens_change::TokenStateChange;
pub use operations::traced::Trace;
pub use operations::usage::{SERIES_MINUTES_MAX, UsageView};
pub use operations::users::{NewUser, TokensEnded, UserReached, UserUpdate, UserView};
pub use operations::views::{
    ChannelUpdate, ChannelView, Listed, MetadataChange, NewChannel, NewToken, Page, ProjectView, SettingsUpdate,
    TokenLoss, TokenUpdate, TokenView, UserOfToken,
};
pub use operations::webhooks::{NewWebhook, WebhookUpdate, WebhookView};
pub use operations::writing::{Origin, actor, origin, with_origin};
pub use start::{NodeParts, StartError, start};

use counters::Counters;
use directory::Directory;
use hub::Hub;

/// One node: share it as `Arc`. Every operation is a method, one file per group in `operations`.
pub struct Node {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    hub: Arc<Hub>,
    broker: Arc<dyn Broker>,
    hook: Arc<dyn AccessHook>,
    hooks: hooks::Hooks,
    pub(crate) outbound: Arc<dyn Outbound>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ids: SnowflakeSource,
    counters: Arc<Counters>,
    key_uses: operations::projects::KeyUses,
    /// Held shared by who makes keys that the master key wraps, exclusively by who turns the keyring over.
    keyring_turns: tokio::sync::RwLock<()>,
    jobs: operations::jobs::Jobs,
    revoking: operations::revoke::Revoking,
    courier: operations::deliveries::Courier,
    presence: operations::presence::Presence,
    minutes: operations::usage::Minutes,
    buckets: limits::Buckets,
    refusals: operations::refusals::Refusals,
    signing: operations::signing::SigningKeys,
    operators: operations::signing_in::Operators,
    issuers: operations::issuer_keys::Issuers,
    fetches: operations::history::Fetches,
    mailboxes: operations::mailbox::MailboxLocks,
    channel_changes: operations::channels::ChannelLocks,
    tickets: operations::tickets::Tickets,
    /// Held while an issuer is registered.
    registering: tokio::sync::Mutex<()>,
    verified: verified::VerifiedJwts,
    user_names: operations::users::UserNames,
    recent: operations::sessions_again::Recent,
    previous_uses: operations::tokens_rotate::PreviousUses,
    /// When store and shards were last tried, and what came of it. Held while they are tried: who asks meanwhile waits for that answer.
    probed: tokio::sync::Mutex<Option<(Monotonic, figures::Readiness)>>,
    /// Whether there is room on the disk, where somebody looks.
    room: std::sync::OnceLock<figures::Room>,
    /// Who collects what is done later, if anybody does.
    tracer: std::sync::OnceLock<Arc<dyn tollgate_core::ports::trace::Tracer>>,
    causes: operations::traced::Causes,
    is_new: bool,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Node")
    }
}

impl Node {
    /// Whether the store was empty at the start, so that a first project is due.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// What this process has counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The time, as it is stored and shown.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.unix()
    }

    fn next_number(&self) -> u64 {
        self.ids.next(self.now())
    }

    fn next_connection(&self) -> ConnectionId {
        ConnectionId::new(self.next_number())
    }
}
