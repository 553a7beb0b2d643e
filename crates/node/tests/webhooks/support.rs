//! A node over the store in memory, with a clock that tests own and a network that records what was called.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{MasterKey, RowKind, TokenSpelling, WebhookSecret};
use tollgate_core::ids::{TokenId, WebhookId};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::memory::RecordingOutbound;
use tollgate_core::ports::outbound::{NoOutbound, Outbound, OutboundCall};
use tollgate_core::ports::store::{AuditQuery, AuditStore, Row, RowName, Store};
use tollgate_node::{BatchAction, BatchEntry, BatchRequest, DeliveryStatus, NewToken, NewWebhook, Node, NodeParts};

pub(crate) const DAY_MS: u64 = 86_400_000;

pub(crate) struct TestClock(AtomicU64);

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

pub(crate) struct Bench {
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) outbound: Arc<RecordingOutbound>,
    pub(crate) key: Caller,
    store: Arc<MemoryStore>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(0)));
        let outbound = Arc::new(RecordingOutbound::default());
        let store = Arc::new(MemoryStore::default());
        let node = start(Arc::clone(&store), &clock, Arc::clone(&outbound) as _).await;
        let key = key(&node).await;
        Self { node, clock, outbound, key, store }
    }

    /// As after a `kill -9`: what was committed is there, and nothing else.
    pub(crate) async fn restart(&mut self) {
        self.reopen(Arc::clone(&self.outbound) as _).await;
    }

    /// Started again under settings by which no address may be called.
    pub(crate) async fn refuse_everything(&mut self) {
        self.reopen(Arc::new(Refusing)).await;
    }

    async fn reopen(&mut self, outbound: Arc<dyn Outbound>) {
        self.store = Arc::new(self.store.reopen());
        self.node = start(Arc::clone(&self.store), &self.clock, outbound).await;
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.unix().0
    }

    /// A key of another project.
    pub(crate) async fn stranger(&self) -> Caller {
        key(&self.node).await
    }

    pub(crate) async fn hook(&self, events: &[&str]) -> (WebhookId, WebhookSecret) {
        let events = events.iter().map(|one| (*one).to_owned()).collect();
        let new = NewWebhook { url: "https://hooks.example.com/in".into(), events, disabled: false };
        let (view, secret) = self.node.create_webhook(&self.key, new).await.unwrap();
        (view.id, secret)
    }

    /// A new token: its id and its secret.
    pub(crate) async fn token(&self) -> (String, String) {
        let made = self.node.create_token(&self.key, NewToken::default()).await.unwrap();
        (made.id.to_string(), made.secret.expose(TokenSpelling::Native).to_string())
    }

    pub(crate) async fn revoke(&self, token: &str) {
        let named = BatchEntry::Token { token: token.into(), grace_ms: None, reason: None };
        let request = BatchRequest { action: BatchAction::Revoke, atomic: true, entries: vec![named] };
        self.node.batch(&self.key, &request).await.unwrap();
    }

    /// The row with what is counted of a token, as it is stored.
    pub(crate) async fn usage_row(&self, token: TokenId) -> Option<Row> {
        let Caller::ProjectKey { project, .. } = self.key else { panic!("a key") };
        self.store.row(RowName { kind: RowKind::TokenUsage, project, id: token.get() }).await.unwrap()
    }

    pub(crate) async fn batch(&self, tokens: usize) {
        let entries = (0..tokens).map(|_| BatchEntry::Create(Box::default())).collect();
        let request = BatchRequest { action: BatchAction::Create, atomic: true, entries };
        self.node.batch(&self.key, &request).await.unwrap();
    }

    pub(crate) fn status(&self, hook: WebhookId) -> Vec<DeliveryStatus> {
        let all = self.node.deliveries(&self.key, hook, None, (None, 1_000)).unwrap();
        all.iter().map(|one| one.status).collect()
    }

    /// The subjects of the entries of this action.
    pub(crate) async fn audit(&self, action: &str) -> Vec<String> {
        let query = AuditQuery { action: Some(action.into()), limit: 1_000, ..AuditQuery::default() };
        let entries = self.store.audit_entries(query).await.unwrap();
        entries.into_iter().map(|entry| entry.draft.subject).collect()
    }
}

struct Refusing;

impl Outbound for Refusing {
    fn check(&self, _url: &str) -> Result<(), tollgate_core::ports::outbound::OutboundFailure> {
        Err(tollgate_core::ports::outbound::OutboundFailure::BadUrl("nothing may be called"))
    }
    fn call(
        &self,
        call: OutboundCall,
    ) -> tollgate_core::ports::Pending<
        '_,
        Result<tollgate_core::ports::outbound::OutboundAnswer, tollgate_core::ports::outbound::OutboundFailure>,
    > {
        drop(NoOutbound.call(call));
        panic!("it was called although the check refused")
    }
}

async fn key(node: &Arc<Node>) -> Caller {
    let (_, secret) = node.create_project(&Caller::Operator, "hooks").await.unwrap();
    node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap()
}

async fn start(store: Arc<MemoryStore>, clock: &Arc<TestClock>, outbound: Arc<dyn Outbound>) -> Arc<Node> {
    let parts = NodeParts {
        store: store as Arc<dyn Store>,
        master_key: MasterKey::generate(&TestEntropy(AtomicU64::new(7))),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::new(TestEntropy(AtomicU64::new(clock.0.load(Ordering::Relaxed) | 1))),
        hook: Arc::new(NoHook),
        outbound,
        formats: Vec::new(),
        shards: 1,
    };
    // Nobody is connected here, so nobody waits for the shards.
    tollgate_node::start(parts).await.unwrap().0
}

/// What the receiver sees as the message's id.
pub(crate) fn id_of(call: &OutboundCall) -> String {
    call.headers.iter().find(|(name, _)| name == "webhook-id").unwrap().1.clone()
}
