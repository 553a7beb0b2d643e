//! A node over the store in memory, with a clock that tests own, and a store that takes its time so that operations overtake each other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tollgate_core::audit::{AuditDraft, AuditEntry, ChainBreak, ChainHead, LedgerKey, Proof};
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::PresentedSecret;
use tollgate_core::command::Published;
use tollgate_core::credentials::{MasterKey, RowKind, TokenSpelling};
use tollgate_core::delivery::Publication;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, Subscription};
use tollgate_core::ports::Pending;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::ports::store::{
    AuditFound, AuditQuery, AuditStore, Changes, ChannelStore, HistoryStore, Row, RowName, StateChange, Store,
    StoreResult, SubscriptionStore, Unit, Vault, Write,
};
use tollgate_node::{BatchAction, BatchEntry, BatchRequest, EntryOutcome, NewToken, Node, NodeParts};

pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

/// Milliseconds that tests set.
pub(crate) struct TestClock(pub(crate) AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }
    fn unix(&self) -> UnixMillis {
        UnixMillis(1_800_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 56) as u8;
        }
    }
}

/// What was committed, in order: which tokens' rows were inserted and which were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    Made(TokenId),
    Changed(TokenId),
}

/// The store in memory, behind pauses of random length before and after each commit.
pub(crate) struct SlowStore {
    inner: MemoryStore,
    pauses: Option<Mutex<Rng>>,
    log: Mutex<Vec<Committed>>,
}

impl SlowStore {
    async fn pause(&self) {
        let Some(rng) = &self.pauses else { return };
        let mut turns = rng.lock().unwrap().below(6);
        poll_fn(|cx| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn log(&self) -> Vec<Committed> {
        self.log.lock().unwrap().clone()
    }
}

fn noted(unit: &Unit) -> Vec<Committed> {
    let token = |row: &Row| (row.name.kind == RowKind::Token).then(|| TokenId::new(row.name.id));
    let one = |write: &Write| match write {
        Write::Insert(row) => token(row).map(Committed::Made),
        Write::Update(row) => token(row).map(Committed::Changed),
        _ => None,
    };
    unit.writes.iter().filter_map(one).collect()
}

impl ChannelStore for SlowStore {
    fn insert_channel(&self, channel: Channel, audit: Option<AuditDraft>) -> Pending<'_, StoreResult<Channel>> {
        self.inner.insert_channel(channel, audit)
    }
    fn delete_channel(
        &self,
        project: ProjectId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>> {
        self.inner.delete_channel(project, channel, audit)
    }
    fn change_state(
        &self,
        project: ProjectId,
        channel: ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Pending<'_, StoreResult<(JsonObject, u64)>> {
        self.inner.change_state(project, channel, change, if_version)
    }
    fn change_settings(
        &self,
        project: ProjectId,
        channel: ChannelId,
        capabilities: Capabilities,
        settings: ChannelSettings,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<()>> {
        self.inner.change_settings(project, channel, capabilities, settings, audit)
    }
}

impl HistoryStore for SlowStore {
    fn append(
        &self,
        project: ProjectId,
        channel: ChannelId,
        publication: Publication,
        once: Option<[u8; 16]>,
    ) -> Pending<'_, StoreResult<Published>> {
        self.inner.append(project, channel, publication, once)
    }
    fn messages(
        &self,
        project: ProjectId,
        channel: ChannelId,
        offsets: std::ops::RangeInclusive<u64>,
        newest: bool,
        limit: usize,
    ) -> Pending<'_, StoreResult<Vec<(u64, Publication)>>> {
        self.inner.messages(project, channel, offsets, newest, limit)
    }
    fn prune_history(&self, now: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>> {
        self.inner.prune_history(now, limit)
    }
}

impl SubscriptionStore for SlowStore {
    fn insert_subscription(&self, one: Subscription, audit: Option<AuditDraft>) -> Pending<'_, StoreResult<bool>> {
        self.inner.insert_subscription(one, audit)
    }
    fn delete_subscription(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: ChannelId,
        audit: Option<AuditDraft>,
    ) -> Pending<'_, StoreResult<bool>> {
        self.inner.delete_subscription(project, token, channel, audit)
    }
}

impl AuditStore for SlowStore {
    fn audit_entries(&self, query: AuditQuery) -> Pending<'_, StoreResult<Vec<AuditEntry>>> {
        self.inner.audit_entries(query)
    }
    fn search_audit(&self, query: AuditQuery, looks_max: u64) -> Pending<'_, StoreResult<AuditFound>> {
        self.inner.search_audit(query, looks_max)
    }

    fn prove_audit(&self, at: ChainHead) -> Pending<'_, StoreResult<Result<Proof, ChainBreak>>> {
        self.inner.prove_audit(at)
    }
    fn prune_audit(&self, before: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>> {
        self.inner.prune_audit(before, limit)
    }
}

impl Store for SlowStore {
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>> {
        self.inner.vault()
    }
    fn attach(&self, changes: Arc<dyn Changes>, ledger: LedgerKey) -> Pending<'_, StoreResult<()>> {
        self.inner.attach(changes, ledger)
    }
    fn commit(&self, unit: Unit) -> Pending<'_, StoreResult<()>> {
        Box::pin(async move {
            self.pause().await;
            let noted = noted(&unit);
            let done = self.inner.commit(unit).await;
            if done.is_ok() {
                self.log.lock().unwrap().extend(noted);
            }
            self.pause().await;
            done
        })
    }
    fn row(&self, name: RowName) -> Pending<'_, StoreResult<Option<Row>>> {
        self.inner.row(name)
    }
    fn probe(&self) -> Pending<'_, StoreResult<()>> {
        self.inner.probe()
    }
}

pub(crate) struct Bench {
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<SlowStore>,
    pub(crate) project: ProjectId,
    pub(crate) key: Caller,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_pauses(None)
    }

    /// With a store that pauses at random.
    pub(crate) fn with_pauses(seed: Option<u64>) -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(0)));
        let (node, store) = start(MemoryStore::default(), seed, &clock);
        let (project, secret) = block_on(node.create_project(&Caller::Operator, "bulk")).unwrap();
        let key = node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap();
        Self { node, clock, store, project: project.id, key }
    }

    /// As after a `kill -9`: what was committed is there, and nothing else.
    pub(crate) fn restart(&mut self) {
        let (node, store) = start(self.store.inner.reopen(), None, &self.clock);
        (self.node, self.store) = (node, store);
    }

    /// A new token: its id and its secret.
    pub(crate) fn token(&self) -> (TokenId, String) {
        let made = block_on(self.node.create_token(&self.key, NewToken::default())).unwrap();
        (made.id, made.secret.expose(TokenSpelling::Native).to_string())
    }

    /// The code by which a token, by id or secret, is refused; nothing if it works.
    pub(crate) fn refusal(&self, token: &str) -> Option<String> {
        match self.batch(BatchAction::Introspect, vec![named(token)]).remove(0) {
            EntryOutcome::Inactive { code } => Some(code),
            EntryOutcome::Done { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn batch(&self, action: BatchAction, entries: Vec<BatchEntry>) -> Vec<EntryOutcome> {
        let request = BatchRequest { action, atomic: false, entries };
        let results = block_on(self.node.batch(&self.key, &request)).unwrap();
        results.into_iter().map(|result| result.outcome).collect()
    }

    /// `action subject count` of the entries of these actions, oldest first.
    pub(crate) fn audit(&self, action: &str) -> Vec<(String, u64, Option<String>)> {
        let query = AuditQuery { action: Some(action.into()), limit: 1_000, ..AuditQuery::default() };
        let entries = block_on(self.store.audit_entries(query)).unwrap();
        entries.into_iter().map(|entry| (entry.draft.subject, entry.draft.count, entry.draft.detail)).collect()
    }
}

fn start(inner: MemoryStore, seed: Option<u64>, clock: &Arc<TestClock>) -> (Arc<Node>, Arc<SlowStore>) {
    let store =
        Arc::new(SlowStore { inner, pauses: seed.map(|seed| Mutex::new(Rng::new(seed))), log: Mutex::default() });
    let parts = NodeParts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        // The same each time.
        master_key: MasterKey::generate(&TestEntropy(AtomicU64::new(7))),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::new(TestEntropy(AtomicU64::new(clock.0.load(Ordering::Relaxed) | 1))),
        hook: Arc::new(NoHook),
        outbound: Arc::new(NoOutbound),
        formats: Vec::new(),
        shards: 1,
    };
    // Nobody is connected here, so nobody waits for the shards.
    let (node, _shards) = block_on(tollgate_node::start(parts)).unwrap();
    (node, store)
}

/// An entry that names a token.
pub(crate) fn named(token: &str) -> BatchEntry {
    BatchEntry::Token { token: token.into(), grace_ms: None, reason: None }
}

/// Polls to the end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it waits for what never comes")
}

/// Polls all in random turns until all are done.
pub(crate) fn run_all(rng: &mut Rng, mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    for _ in 0..1_000_000 {
        if tasks.is_empty() {
            return;
        }
        let at = rng.below(tasks.len());
        if tasks[at].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            drop(tasks.swap_remove(at));
        }
    }
    panic!("{} tasks wait for what never comes", tasks.len());
}
