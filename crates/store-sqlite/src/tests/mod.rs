//! The store's own tests: the conformance suite, and what a disk, a queue and a crash add to the contract.
#![allow(clippy::unwrap_used)]

mod copying;
mod crash;
mod disk;
mod files;
mod group;
mod history;
mod log;
mod tamper;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tempfile::TempDir;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{
    Capabilities, Channel, ChannelSettings, ChannelType, HistorySettings, Project, Subscription,
};
use tollgate_core::ports::Pending;
use tollgate_core::ports::conformance::{self, Made, Recorder, block_on, ledger};
use tollgate_core::ports::store::{Change, Changes, ChannelStore as _, Row, RowName, Store, StoreResult, Unit, Write};

use crate::SqliteStore;

const ONE: ProjectId = ProjectId::new(1);

#[test]
fn conforms() {
    conformance::run(&|| {
        let (folder, store) = fresh();
        let opened = Mutex::new(Arc::new(store));
        let store = Arc::clone(&opened.lock().unwrap()) as Arc<dyn Store>;
        let reopen = move || {
            let mut opened = opened.lock().unwrap();
            block_on(opened.close()).unwrap();
            *opened = Arc::new(SqliteStore::open(&file(&folder)).unwrap());
            Arc::clone(&opened) as Arc<dyn Store>
        };
        Made { store, reopen: Box::new(reopen) }
    });
}

/// A new store in a folder of its own.
fn fresh() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&file(&folder)).unwrap();
    (folder, store)
}

/// A new store with an observer, that holds project 1 and its channel `room`.
fn furnished() -> (TempDir, SqliteStore, Arc<Recorder>) {
    let (folder, store) = fresh();
    let seen = furnish(&store);
    (folder, store, seen)
}

/// Attaches an observer, and puts in project 1 and its channel `room`.
fn furnish(store: &SqliteStore) -> Arc<Recorder> {
    let (seen, _) = observe(store);
    let project =
        Project { id: ONE, name: "One".into(), created_at: UnixMillis(1), wrapped_data_keys: vec![(1, vec![1])] };
    block_on(store.commit(Unit { writes: vec![Write::Project(project)], audit: vec![] })).unwrap();
    block_on(store.insert_channel(channel("room", "{}"), None)).unwrap();
    seen.take();
    seen
}

/// Attaches an observer; gives it and what was replayed.
fn observe(store: &SqliteStore) -> (Arc<Recorder>, Vec<Change>) {
    let seen = Arc::<Recorder>::default();
    block_on(store.attach(Arc::clone(&seen) as Arc<dyn Changes>, ledger())).unwrap();
    let replayed = seen.take();
    (seen, replayed)
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("tollgate.db")
}

fn room() -> ChannelId {
    ChannelId::new("room").unwrap()
}

fn channel(id: &str, state: &str) -> Channel {
    Channel {
        project: ONE,
        id: ChannelId::new(id).unwrap(),
        kind: ChannelType::Public,
        capabilities: Capabilities::default(),
        state: object(state),
        version: 1,
        created_at: UnixMillis(1),
        settings: ChannelSettings::default(),
        sequence: 0,
        run: 0,
        offset: 0,
    }
}

/// Settings of a channel that keeps so many messages on the disk for a second.
fn durable(size: u32) -> ChannelSettings {
    ChannelSettings { history: HistorySettings { size, ttl_ms: 1_000, durable: true }, ..ChannelSettings::default() }
}

fn token(number: u64) -> Row {
    let name = RowName { kind: RowKind::Token, project: ONE, id: number };
    Row { name, revision: 1, sealed: vec![7; 100] }
}

/// Inserts a token and subscribes it, as one unit.
fn insert_token<'a>(store: &'a SqliteStore, token: Row, channels: &[ChannelId]) -> Pending<'a, StoreResult<()>> {
    let subscriber = TokenId::new(token.name.id);
    let mut writes = vec![Write::Insert(token)];
    writes.extend(channels.iter().map(|channel| {
        let channel = channel.clone();
        Write::Subscribe(Subscription { project: ONE, token: subscriber, channel, ephemeral: false })
    }));
    store.commit(Unit { writes, audit: vec![] })
}

fn object(text: &str) -> JsonObject {
    JsonObject::parse(text.as_bytes(), usize::MAX).unwrap()
}

/// The tokens that these changes create, in order.
fn tokens(changes: &[Change]) -> Vec<u64> {
    let number = |change: &Change| match change {
        Change::Row(Row { name: RowName { kind: RowKind::Token, id, .. }, .. }) => Some(*id),
        _ => None,
    };
    changes.iter().filter_map(number).collect()
}

/// An answer under way: boxed futures of the store.
type Answer<'a, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'a>>;

/// Puts a unit into the writer's queue without waiting for its answer.
fn queue<T>(answer: &mut Answer<'_, T>) {
    let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "the writer is held, so nothing is answered yet");
}

/// Holds the writer inside a unit of work until the sender is used or dropped. What is queued meanwhile becomes one group.
fn hold(store: &SqliteStore) -> (SyncSender<()>, Answer<'_, ()>) {
    let ((release, released), (enter, entered)) = (sync_channel(1), sync_channel(1));
    let mut held = store.unit(move |_| {
        enter.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    });
    // The writer may be quick enough to have entered, but not to have left.
    queue(&mut held);
    entered.recv().unwrap();
    (release, held)
}
