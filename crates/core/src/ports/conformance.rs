//! The store's conformance suite: the contract of [`super::store`] as cases that every implementation must pass. Test code, never
//! part of the product. What is not here: durability, which each store tests with its own disk.
//!
//! Each case says what a unit of work answers *and* exactly which changes the observer has seen when the answer arrives, so the
//! order law (in commit order, before the answer, once, none for what altered nothing) is checked at every step.

#![allow(clippy::unwrap_used)]

mod audit;
mod channels;
mod history;
mod order;
mod retention;
mod rows;
mod subscriptions;
mod units;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Pending;
use super::store::{Change, Changes, Row, RowName, Store, StoreResult, Unit, Write};
use crate::audit::{AuditDraft, AuditOutcome, LedgerKey};
use crate::clock::UnixMillis;
use crate::credentials::RowKind;
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::model::{Capabilities, Channel, ChannelSettings, ChannelType, Project, Subscription};

/// How long an answer may take before the suite calls it lost.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// A store to try, and what a restart makes of it.
pub struct Made {
    /// The store: empty, without an observer.
    pub store: Arc<dyn Store>,
    /// Ends the store and opens it again, without an observer.
    pub reopen: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Made")
    }
}

/// Makes a store.
type Make<'a> = dyn Fn() -> Made + Sync + 'a;

/// A case: its name, and what it does on a bench of its own.
type Case = (&'static str, fn(&mut Bench));

/// Runs every case, each against a store of its own that `make` gives, empty and without an observer.
///
/// # Panics
/// When cases fail, naming them; what failed in each is printed as it happens.
pub fn run(make: &Make<'_>) {
    let cases = [
        rows::CASES,
        units::CASES,
        channels::CASES,
        history::CASES,
        retention::CASES,
        subscriptions::CASES,
        audit::CASES,
        order::CASES,
    ]
    .concat();
    let failed: Vec<&str> = cases
        .iter()
        .filter(|(_, case)| catch_unwind(AssertUnwindSafe(|| case(&mut Bench::new(make)))).is_err())
        .map(|(name, _)| *name)
        .collect();
    assert!(failed.is_empty(), "{} of {} store cases failed: {}", failed.len(), cases.len(), failed.join(", "));
}

/// Waits for an answer on this thread, without a runtime.
///
/// # Panics
/// When nothing comes within a minute: an answer that is lost must fail a test, not hang it.
pub fn block_on<T>(answer: impl Future<Output = T>) -> T {
    struct Bell(SyncSender<()>);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            // A bell that has rung already needs no second ring.
            let _ = self.0.try_send(());
        }
    }
    let (bell, rings) = sync_channel(1);
    let waker = Waker::from(Arc::new(Bell(bell)));
    let mut answer = pin!(answer);
    loop {
        if let Poll::Ready(value) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        rings.recv_timeout(ANSWER_WAIT).expect("invariant: every unit of work is answered");
    }
}

/// An observer that notes what it sees.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Change>>);

impl Recorder {
    /// What was seen since the last call.
    pub fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Changes for Recorder {
    fn committed(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

/// A store with an observer, holding the projects 1 and 2.
struct Bench {
    made: Made,
    store: Arc<dyn Store>,
    seen: Arc<Recorder>,
}

impl Bench {
    fn new(make: &Make<'_>) -> Self {
        let made = make();
        let bench = Self { store: Arc::clone(&made.store), made, seen: Arc::default() };
        block_on(bench.attach()).unwrap();
        assert_eq!(bench.seen.take(), [], "a new store has nothing to replay");
        let writes = [1, 2].map(|number| Write::Project(project(number))).into();
        block_on(bench.commit(writes)).unwrap();
        bench.seen.take();
        bench
    }

    fn attach(&self) -> Pending<'_, StoreResult<()>> {
        self.store.attach(Arc::clone(&self.seen) as Arc<dyn Changes>, ledger())
    }

    /// A unit without audit entries.
    fn commit(&self, writes: Vec<Write>) -> Pending<'_, StoreResult<()>> {
        self.store.commit(Unit { writes, audit: vec![] })
    }

    /// Restarts the store; gives what is replayed.
    fn restart(&mut self) -> Vec<Change> {
        self.store = (self.made.reopen)();
        self.seen = Arc::default();
        block_on(self.attach()).unwrap();
        self.seen.take()
    }

    /// Checks the answer, and what the observer has seen by then.
    fn step<T: PartialEq + Debug>(
        &self,
        answer: Pending<'_, StoreResult<T>>,
        expected: &StoreResult<T>,
        changes: &[Change],
    ) {
        assert_eq!(&block_on(answer), expected, "the answer");
        assert_eq!(self.seen.take(), changes, "the changes seen when the answer came");
    }

    /// Does something that is not what the case is about.
    fn given<T>(&self, answer: Pending<'_, StoreResult<T>>) -> T {
        let value = block_on(answer).unwrap();
        self.seen.take();
        value
    }
}

fn project(number: u64) -> Project {
    Project {
        id: ProjectId::new(number),
        name: format!("Project n° {number}"),
        created_at: UnixMillis(1_700_000_000_000 + number),
        wrapped_data_keys: vec![(1, vec![0, 255, number as u8])],
    }
}

/// The key that the suite attaches stores with.
#[must_use]
pub fn ledger() -> LedgerKey {
    LedgerKey::new(&[42; 32])
}

fn name(kind: RowKind, project: u64, id: u64) -> RowName {
    RowName { kind, project: ProjectId::new(project), id }
}

fn row(kind: RowKind, project: u64, id: u64, revision: u32) -> Row {
    Row { name: name(kind, project, id), revision, sealed: vec![0, 159, revision as u8, id as u8] }
}

fn token(project: u64, id: u64) -> Row {
    row(RowKind::Token, project, id, 1)
}

/// A unit's steps that insert a token and subscribe it.
fn token_with(project: u64, id: u64, channels: &[&str]) -> Vec<Write> {
    let subscribe = |channel: &&str| Write::Subscribe(subscription(project, id, channel, false));
    std::iter::once(Write::Insert(token(project, id))).chain(channels.iter().map(subscribe)).collect()
}

fn draft(action: &str, at: u64) -> AuditDraft {
    AuditDraft {
        at: UnixMillis(at),
        project: Some(ProjectId::new(1)),
        actor: "ptkid_1".into(),
        action: action.into(),
        subject: "tok_1".into(),
        outcome: AuditOutcome::Done,
        count: 1,
        detail: None,
        request_id: None,
        address: None,
    }
}

fn channel(project: u64, id: &str) -> Channel {
    Channel {
        project: ProjectId::new(project),
        id: ChannelId::new(id).unwrap(),
        kind: ChannelType::Private,
        capabilities: Capabilities::default(),
        state: object(r#"{"topic":"é"}"#),
        version: 1,
        created_at: UnixMillis(1_700_000_000_001),
        sequence: 0,
        settings: ChannelSettings::default(),
        run: 0,
        offset: 0,
    }
}

fn subscription(project: u64, token: u64, channel: &str, ephemeral: bool) -> Subscription {
    Subscription { project: ProjectId::new(project), token: TokenId::new(token), channel: id(channel), ephemeral }
}

fn id(channel: &str) -> ChannelId {
    ChannelId::new(channel).unwrap()
}

fn object(text: &str) -> JsonObject {
    JsonObject::parse(text.as_bytes(), usize::MAX).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::memory::MemoryStore;

    #[test]
    fn the_memory_store_conforms() {
        run(&|| {
            let store = Arc::new(MemoryStore::default());
            let opened = Mutex::new(Arc::clone(&store));
            let reopen = move || {
                let mut opened = opened.lock().unwrap();
                *opened = Arc::new(opened.reopen());
                Arc::clone(&opened) as Arc<dyn Store>
            };
            Made { store, reopen: Box::new(reopen) }
        });
    }
}
