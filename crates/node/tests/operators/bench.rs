//! A node over the store in memory, with a clock that tests own, and people.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{InvitationSecret, MasterKey};
use tollgate_core::error::{ErrorKind, Result};
use tollgate_core::ids::{OperatorId, ProjectId};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::ports::store::{AuditQuery, AuditStore as _, Store};
use tollgate_core::roles::Role;
use tollgate_node::{NewOperator, Node, NodeParts, Origin, SignedIn, with_origin};

pub(crate) use tollgate_core::ports::conformance::block_on;

pub(crate) const PASSWORD: &str = "four words of no use";

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
    pub(crate) store: Arc<MemoryStore>,
    /// Of the first project, and of another.
    pub(crate) projects: [ProjectId; 2],
    pub(crate) keys: [Caller; 2],
    master_key: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(0)));
        let (node, store) = start(MemoryStore::default(), 7, &clock);
        let made = ["a", "b"].map(|name| block_on(node.create_project(&Caller::Operator, name)).unwrap());
        let keys = [0, 1].map(|at| node.authenticate(&secret(&made[at].1.expose())).unwrap());
        let projects = made.map(|(project, _)| project.id);
        Self { node, clock, store, projects, keys, master_key: 7 }
    }

    /// As after a `kill -9`: what was committed is there, and nothing else.
    pub(crate) fn restart(&mut self) {
        (self.node, self.store) = start(self.store.reopen(), self.master_key, &self.clock);
    }

    /// The same under a new master key.
    pub(crate) fn rotate_master_key(&mut self) {
        self.master_key += 1;
        block_on(self.node.rotate_master_key(&Caller::Operator, master_key(self.master_key))).unwrap();
    }

    /// The first owner.
    pub(crate) fn owner(&self) -> OperatorId {
        let link = block_on(self.node.invite_first()).unwrap().unwrap();
        self.accept(&link, Some("owner")).unwrap().operator
    }

    /// An operator with a password.
    pub(crate) fn operator(&self, name: &str, role: Role) -> OperatorId {
        let new = NewOperator { name: name.into(), role };
        let (view, link) = block_on(self.node.invite_operator(&Caller::Operator, new)).unwrap();
        assert_eq!(self.accept(&link, None).unwrap().operator, view.id);
        view.id
    }

    pub(crate) fn accept(&self, link: &InvitationSecret, name: Option<&str>) -> Result<SignedIn> {
        block_on(self.node.accept_invitation(&secret(&link.expose()), name, &secret(PASSWORD)))
    }

    pub(crate) fn person(&self, operator: OperatorId, project: Option<usize>) -> Caller {
        self.node.person(operator, project.map(|at| self.projects[at])).unwrap()
    }

    /// Signs in from this address.
    pub(crate) fn sign_in(&self, name: &str, password: &str, address: &str) -> Result<SignedIn> {
        let address: IpAddr = address.parse().unwrap();
        let origin = Origin { address: Some(address), ..Origin::default() };
        block_on(with_origin(origin, self.node.sign_in(name, &secret(password))))
    }

    /// `action actor subject` of all entries of the whole server whose action begins so, oldest first.
    pub(crate) fn audit(&self, action: &str) -> Vec<String> {
        let query = AuditQuery { action: Some(action.into()), limit: 1_000, ..AuditQuery::default() };
        let entries = block_on(self.store.audit_entries(query)).unwrap();
        assert!(entries.iter().all(|entry| entry.draft.project.is_none()), "{entries:?}");
        let told = entries.into_iter().map(|entry| entry.draft);
        told.map(|draft| format!("{} {} {}", draft.action, draft.actor, draft.subject)).collect()
    }
}

pub(crate) fn secret(text: &str) -> PresentedSecret {
    PresentedSecret::new(text.into())
}

pub(crate) fn kind<T: std::fmt::Debug>(refused: Result<T>) -> ErrorKind {
    refused.unwrap_err().kind
}

fn master_key(number: u64) -> MasterKey {
    MasterKey::generate(&TestEntropy(AtomicU64::new(number)))
}

fn start(store: MemoryStore, key: u64, clock: &Arc<TestClock>) -> (Arc<Node>, Arc<MemoryStore>) {
    let store = Arc::new(store);
    let parts = NodeParts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        master_key: master_key(key),
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
