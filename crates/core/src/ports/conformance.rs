//! The store's conformance suite: the contract of [`super::store`] as cases that every implementation must pass. Test code, never
//! part of the product. What is not here: durability, which each store tests with its own disk.
//!
//! Each case says what a unit of work answers *and* exactly which changes the observer has seen when the answer arrives, so the
//! order law (in commit order, before the answer, once, none for what altered nothing) is checked at every step.

#![allow(clippy::unwrap_used)]

mod channels;
mod order;
mod projects;
mod tokens;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Pending;
use super::store::{Change, Changes, Store, StoreResult};
use crate::clock::UnixMillis;
use crate::ids::{ChannelId, KeyId, ProjectId, TokenId};
use crate::json::JsonObject;
use crate::model::{Capabilities, Channel, ChannelType, Project, ProjectKey, Subscription, Token};
use crate::permissions::Permissions;

/// How long an answer may take before the suite calls it lost.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Makes a store.
type Make<'a> = dyn Fn() -> Arc<dyn Store> + Sync + 'a;

/// A case: its name, and what it does on a bench of its own.
type Case = (&'static str, fn(&Bench<'_>));

/// Runs every case, each against a store of its own that `make` gives, empty and without an observer.
///
/// # Panics
/// When cases fail, naming them; what failed in each is printed as it happens.
pub fn run(make: &Make<'_>) {
    let cases = [projects::CASES, channels::CASES, tokens::CASES, order::CASES].concat();
    let failed: Vec<&str> = cases
        .iter()
        .filter(|(_, case)| catch_unwind(AssertUnwindSafe(|| case(&Bench::new(make)))).is_err())
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

/// A store with an observer, holding the projects 1 and 2 with one key each (101, 102).
struct Bench<'a> {
    make: &'a Make<'a>,
    store: Arc<dyn Store>,
    seen: Arc<Recorder>,
}

impl<'a> Bench<'a> {
    fn new(make: &'a Make<'a>) -> Self {
        let bench = Self { make, store: make(), seen: Arc::default() };
        block_on(bench.store.attach(Arc::clone(&bench.seen) as Arc<dyn Changes>)).unwrap();
        assert_eq!(bench.seen.take(), [], "a new store has nothing to replay");
        bench.holding_projects()
    }

    fn holding_projects(self) -> Self {
        for number in [1, 2] {
            block_on(self.store.insert_project(project(number), key(number, 100 + number))).unwrap();
        }
        self.seen.take();
        self
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
        wrapped_data_key: vec![0, 255, number as u8],
    }
}

fn key(project: u64, number: u64) -> ProjectKey {
    ProjectKey {
        id: KeyId::new(number),
        project: ProjectId::new(project),
        hash: [number as u8; 32],
        hint: "ptk_abc".into(),
        permissions: Permissions::READ_CHANNELS,
        created_at: UnixMillis(1_700_000_000_000),
        last_used_at: None,
        revoked_at: None,
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
    }
}

fn token(project: u64, number: u64) -> Token {
    Token {
        project: ProjectId::new(project),
        id: TokenId::new(number),
        generation: 1,
        sealed_state: Some(vec![0, 159, 146, 150]),
        created_at: UnixMillis(1_700_000_000_002),
        expires_at: None,
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
        run(&|| Arc::new(MemoryStore::default()));
    }
}
