//! The store port: durable records. Each method is one unit of work: all of it or nothing.
//!
//! Contract of every store:
//! - A method's answer comes after its change is durable (it survives `kill -9` and a power cut), or with an error, and then
//!   nothing was changed.
//! - Changes have one order. Each committed change is handed to the observer ([`Changes`]) in that order, once, after it is
//!   durable and before its answer. A change that altered nothing (subscribing twice, deleting what is not there) is not handed over.
//! - [`Store::attach`] replays everything that exists as changes (parents before children), then the later ones follow without a gap.
//! - The store reads nothing of what is sealed. It knows of a [`Row`] its kind, project, number and revision; channels and subscriptions
//!   it knows wholly.
//! - A row is only ever replaced by its next revision ([`Write::Update`]): of two changes that began from the same one, the second is
//!   refused as `Conflict`, and its maker reads again.
//! - Audit entries are chained in commit order ([`crate::audit::LedgerKey`]) and durable in the transaction of what they are about.
//! - The store keeps books of all its records under the ledger key. [`Store::attach`] refuses, as `Damaged`, records that are not exactly
//!   those that were committed last: changed, exchanged, put back from earlier, added or removed behind its back.
//! - What names a channel, row or subscription does so with its project; another project's records are not found.
//! - Deleting a channel or a token's row deletes its subscriptions with it; the observer is told of the deletion alone.
//! - Numbers of rows are unique among those of their kind in the whole store, channel ids in their project.
//! - Limits on sizes were checked by the caller, but for the merged state, which only the store sees, and for the number of a token's
//!   subscriptions.

use std::sync::Arc;

use super::Pending;
use crate::audit::{AuditDraft, AuditEntry, AuditOutcome, ChainBreak, ChainHead, LedgerKey, Proof};
use crate::clock::UnixMillis;
use crate::command::Published;
use crate::credentials::RowKind;
use crate::delivery::{Position, Publication};
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::model::{Capabilities, Channel, ChannelSettings, Project, Subscription};

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
    /// The row is at another revision than the one that the change began from: read again and repeat.
    #[error("the {} was changed meanwhile", .0.word())]
    Conflict(RowKind),
    /// The state is at another version than the one expected.
    #[error("the state is at version {current}")]
    VersionMismatch {
        /// The current version.
        current: u64,
    },
    /// The channel has no durable history (any more).
    #[error("the channel has no durable history")]
    NotDurable,
    /// The merged state would be larger than the limit, or the token would have too many subscriptions.
    #[error("over the limit: {0}")]
    LimitReached(&'static str),
    /// Records or audit entries are not those that were committed. For the log.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The store cannot work now: disk full, file gone, shutting down. For the log; never shown to callers.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// What a store error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A project.
    Project,
    /// A channel.
    Channel,
    /// A row of this kind.
    Row(RowKind),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Project => "project",
            Self::Channel => "channel",
            Self::Row(kind) => kind.word(),
        })
    }
}

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowName {
    /// What it holds.
    pub kind: RowKind,
    /// The owner.
    pub project: ProjectId,
    /// Its number among those of its kind.
    pub id: u64,
}

/// A sealed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub name: RowName,
    /// Counts its changes, from 1. What is sealed is bound to it.
    pub revision: u32,
    /// The sealed record: opaque to the store.
    pub sealed: Vec<u8>,
}

/// One step of a unit of work.
#[derive(Clone, Debug)]
pub enum Write {
    /// Creates a project, or replaces the record of one that exists. Its data keys are kept, and told, in the order of their numbers.
    Project(Project),
    /// Puts this in place of the server's vault. The ring is kept, and told, in the order of its numbers.
    Vault(Vault),
    /// Adds a row, which is at revision 1 (`Conflict` if not). `AlreadyExists(Row)`, `NotFound(Project)`.
    Insert(Row),
    /// Puts this in place of the row, which must be at the revision before. `NotFound(Row)`, `Conflict`.
    Update(Row),
    /// Removes a row, at whatever revision; a token's subscriptions with it. `NotFound(Row)`.
    Delete(RowName),
    /// Subscribes a token; as [`SubscriptionStore::insert_subscription`].
    Subscribe(Subscription),
}

/// A unit of work: its steps in order, and what the audit log says of it.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// At most 10,000.
    pub writes: Vec<Write>,
    /// At most 10,000. Empty only for the server's own upkeep.
    pub audit: Vec<AuditDraft>,
}

impl Unit {
    /// Most writes, and most audit entries, of one unit.
    pub const STEPS_MAX: usize = 10_000;

    /// Refuses a unit that is too large.
    ///
    /// # Errors
    /// `LimitReached("steps of a unit")`.
    pub const fn check(&self) -> StoreResult<()> {
        if self.writes.len() > Self::STEPS_MAX || self.audit.len() > Self::STEPS_MAX {
            return Err(StoreError::LimitReached("steps of a unit"));
        }
        Ok(())
    }
}

/// Which audit entries.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only those of this project.
    pub project: Option<ProjectId>,
    /// Only those about this subject.
    pub subject: Option<String>,
    /// Only those of this actor.
    pub actor: Option<String>,
    /// Only those of this action: a whole name, or the beginning of one that ends in `.`.
    pub action: Option<String>,
    /// Only those of this outcome.
    pub outcome: Option<AuditOutcome>,
    /// Only those not before.
    pub since: Option<UnixMillis>,
    /// Only those before.
    pub until: Option<UnixMillis>,
    /// Only those after this sequence (or before it, when `newest_first`).
    pub after: Option<u64>,
    /// The latest first.
    pub newest_first: bool,
    /// At most so many, 1 to 1,001.
    pub limit: usize,
}

impl AuditQuery {
    /// Most entries of one answer: a page of 1,000, and one more to see whether it is the last.
    pub const LIMIT_MAX: usize = 1_001;

    /// Whether the entry is one of those asked for, the limit aside.
    #[must_use]
    pub fn admits(&self, entry: &AuditEntry) -> bool {
        let draft = &entry.draft;
        let is_action = |wanted: &String| match wanted.strip_suffix('.') {
            Some(_) => draft.action.starts_with(wanted),
            None => draft.action == *wanted,
        };
        let is_beyond = |after: u64| if self.newest_first { entry.sequence < after } else { entry.sequence > after };
        self.project.is_none_or(|project| draft.project == Some(project))
            && self.subject.as_ref().is_none_or(|subject| draft.subject == *subject)
            && self.actor.as_ref().is_none_or(|actor| draft.actor == *actor)
            && self.action.as_ref().is_none_or(is_action)
            && self.outcome.is_none_or(|outcome| outcome == draft.outcome)
            && self.since.is_none_or(|since| draft.at >= since)
            && self.until.is_none_or(|until| draft.at < until)
            && self.after.is_none_or(is_beyond)
    }

    /// How many entries the answer may have.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.clamp(1, Self::LIMIT_MAX)
    }
}

/// What a search of the audit log came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFound {
    /// Entries that fit, in the order that was asked for.
    pub entries: Vec<AuditEntry>,
    /// How far it came, if it stopped before there were as many as asked for and before the end: the sequence to go on behind (as
    /// [`AuditQuery::after`]), and when that entry was written.
    pub stopped: Option<(u64, UnixMillis)>,
}

/// One committed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A project was created or its record changed: the record now.
    Project(Project),
    /// The vault was replaced. Not part of a replay.
    Vault(Vault),
    /// A row was created or changed: the row now.
    Row(Row),
    /// A row was deleted; a token's subscriptions with it.
    RowDeleted(RowName),
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
    ChannelSettings {
        /// The owner.
        project: ProjectId,
        /// The channel.
        channel: ChannelId,
        /// Who may write.
        capabilities: Capabilities,
        /// What it keeps and tells.
        settings: ChannelSettings,
        /// How often its durable history was begun: one more when it was switched on now, and then its last offset is 0.
        run: u32,
    },
    /// A message entered a channel's durable history.
    Published {
        /// The owner.
        project: ProjectId,
        /// The channel.
        channel: ChannelId,
        /// The place.
        position: Position,
        /// The message.
        publication: Publication,
    },
    /// A channel was deleted, and its subscriptions with it.
    ChannelDeleted {
        /// The owner.
        project: ProjectId,
        /// The channel.
        channel: ChannelId,
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

/// The server's own secrets, sealed: what tells a right master key from a wrong one, the key ring, and the ledger key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// A sealed known value.
    pub key_check: Vec<u8>,
    /// The wrapped ledger key.
    pub ledger_key: Vec<u8>,
    /// The key ring.
    pub ring: Vec<WrappedRingKey>,
    /// The highest number that a key of the ring ever had.
    pub last_number: u16,
}

/// Channels and their state.
pub trait ChannelStore: Send + Sync {
    /// Creates a channel; `sequence`, `version`, `run` and `offset` are given by the store (the version of a new state is 1, the run 1 where
    /// history is durable, else 0). Answers the record as kept.
    /// `AlreadyExists(Channel)`, `NotFound(Project)`.
    fn insert_channel(&self, channel: Channel, audit: Option<AuditDraft>) -> Pending<'_, StoreResult<Channel>>;
    /// Deletes a channel with its subscriptions. `NotFound(Channel)`.
    fn delete_channel(
        &self,
        project: ProjectId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>>;
    /// Changes the state, if it is at version `if_version` where one is given; answers the whole new state and its version (one more than
    /// before). Concurrent merges lose nothing. `NotFound(Channel)`, `VersionMismatch`, `LimitReached("channel state")`.
    fn change_state(
        &self,
        project: ProjectId,
        channel: ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Pending<'_, StoreResult<(JsonObject, u64)>>;
    /// Changes who may write and what the channel keeps and tells. Where durable history ends, its messages go; where it begins,
    /// offsets do, in a new run. `NotFound(Channel)`, `LimitReached("runs of durable history")`.
    fn change_settings(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
        settings: ChannelSettings,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>>;
}

/// Durable histories of channels.
///
/// Contract:
/// - Offsets of one run count from 1 without gaps, in commit order. A message is told to the observer once it is durable, before its answer.
/// - Of a run, at least the last `size` messages that are not older than `ttl_ms` are kept, and the last one always where the channel retains
///   it. The oldest go first, and may go at any time: what is kept has no gaps. Readers are given none but the last `size`.
/// - Where durable history ends, or the channel does, what is kept is out of every reader's reach at once; [`HistoryStore::prune_history`] takes
///   it off the disk, so that neither takes longer the more is kept.
/// - Moments are those of the messages (`at`), and of whoever prunes: the store has no clock.
/// - The books do not prove it: what is read is checked to be messages, and that is all.
pub trait HistoryStore: Send + Sync {
    /// Appends a message. With a `once` that an earlier one of the same run had, not longer than two minutes ago
    /// ([`crate::limits::PUBLICATION_ID_MS`]), it does nothing and answers with that one's position, as a duplicate; also when that one
    /// is not kept any more. `NotFound(Channel)`, `NotDurable`.
    fn append(
        &self,
        project: ProjectId,
        channel: ChannelId,
        publication: Publication,
        once: Option<[u8; 16]>,
    ) -> Pending<'_, StoreResult<Published>>;
    /// Messages of the channel's current run whose offsets are in `offsets`, in order of the offset, at most `limit` of them: the first ones that
    /// are kept, or the last ones when `newest`. They follow each other without a gap. `NotFound(Channel)`, `NotDurable`.
    fn messages(
        &self,
        project: ProjectId,
        channel: ChannelId,
        offsets: std::ops::RangeInclusive<u64>,
        newest: bool,
        limit: usize,
    ) -> Pending<'_, StoreResult<Vec<(u64, Publication)>>>;
    /// Deletes messages that no channel has to keep any more at `now`, and forgets each `once` whose two minutes are over: at most `limit` of both
    /// together, and fewer where they are large. Answers how many: 0 when there is nothing to do.
    fn prune_history(&self, now: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>>;
}

/// Subscriptions of tokens.
pub trait SubscriptionStore: Send + Sync {
    /// Subscribes a token; idempotent. A lasting subscription stays lasting when asked for again as ephemeral; an ephemeral one becomes lasting
    /// when asked for as lasting. Answers whether anything changed. `NotFound(Row(Token))`, `NotFound(Channel)`, `LimitReached("subscriptions")`.
    /// The audit entry is written whether anything changed or not.
    fn insert_subscription(
        &self,
        subscription: Subscription,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<bool>>;
    /// Ends a subscription; idempotent. Answers whether there was one. The audit entry is written in either case.
    fn delete_subscription(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<bool>>;
}

/// The audit log.
pub trait AuditStore: Send + Sync {
    /// Entries that fit, in order of their sequence. Read from the disk: for people and exports, not for decisions.
    fn audit_entries(&self, query: AuditQuery) -> Pending<'_, StoreResult<Vec<AuditEntry>>>;
    /// The same for somebody who waits: stops when it has looked at about `looks_max` entries, and says how far it came. It looks at some in any case, so
    /// that whoever goes on comes to the end.
    fn search_audit(&self, query: AuditQuery, looks_max: u64) -> Pending<'_, StoreResult<AuditFound>>;
    /// Proves the chain from its first kept entry to its end. `Ok(Err)` says what is wrong, `Ok(Ok)` where it begins (the entry before the first
    /// kept one) and ends. Works in steps, so that the store goes on meanwhile.
    fn verify_audit(&self) -> Pending<'_, StoreResult<Result<(ChainHead, ChainHead), ChainBreak>>> {
        Box::pin(async move {
            let mut at = ChainHead::START;
            loop {
                match self.prove_audit(at).await? {
                    Ok(Proof::On { at: on, .. }) => at = on,
                    Ok(Proof::End(base, head)) => return Ok(Ok((base, head))),
                    Err(broken) => return Ok(Err(broken)),
                }
            }
        })
    }
    /// One step of that, on from an entry that is proven; [`ChainHead::START`] begins. What is not kept any more by then needs no proof.
    fn prove_audit(&self, at: ChainHead) -> Pending<'_, StoreResult<Result<Proof, ChainBreak>>>;
    /// Forgets the oldest entries up to and without the first that is not before `before`, at most `limit` of them; answers how many.
    /// What is left stays provable from a note of where it begins. `Damaged` when what is to go cannot be proven: no evidence goes with it.
    fn prune_audit(&self, before: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>>;
}

/// The whole of a store.
pub trait Store: ChannelStore + HistoryStore + SubscriptionStore + AuditStore {
    /// The vault, or `None` in a new store.
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>>;
    /// Proves the books with the ledger key (a new store begins them), replays what exists to `changes`, then hands it every later change.
    /// Called once (again it is `Unavailable`), before any unit of work: until then all but [`Store::vault`] and [`Store::probe`] is
    /// `Unavailable`. `Damaged`; the observer may have been told of records by then, and must not be used.
    fn attach(&self, changes: Arc<dyn Changes>, ledger: LedgerKey) -> Pending<'_, StoreResult<()>>;
    /// Does a unit of work. The error of the first step that is refused; then nothing of the unit was done.
    fn commit(&self, unit: Unit) -> Pending<'_, StoreResult<()>>;
    /// One row as it is on disk: for kinds that are not kept in memory.
    fn row(&self, name: RowName) -> Pending<'_, StoreResult<Option<Row>>>;
    /// A cheap unit of work that proves the store can still make something durable. For readiness.
    fn probe(&self) -> Pending<'_, StoreResult<()>>;
}
