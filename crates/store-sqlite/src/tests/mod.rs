//! The store's own tests: the conformance suite, and what a disk, a queue and a crash add to the contract.
#![allow(clippy::unwrap_used)]

mod crash;
mod disk;
mod files;
mod group;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tempfile::TempDir;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ChannelId, KeyId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, Channel, ChannelType, Project, ProjectKey, Token};
use tollgate_core::permissions::Permissions;
use tollgate_core::ports::conformance::{self, Recorder, block_on};
use tollgate_core::ports::store::{Change, Changes, ChannelStore as _, ProjectStore as _, Store as _, StoreResult};

use crate::SqliteStore;

const ONE: ProjectId = ProjectId::new(1);

#[test]
fn conforms() {
    let folders = Mutex::new(Vec::new());
    conformance::run(&|| {
        let (folder, store) = fresh();
        folders.lock().unwrap().push(folder);
        Arc::new(store)
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
    furnish(&store);
    let (seen, _) = observe(&store);
    (folder, store, seen)
}

fn furnish(store: &SqliteStore) {
    let project = Project { id: ONE, name: "One".into(), created_at: UnixMillis(1), wrapped_data_key: vec![1] };
    let key = ProjectKey {
        id: KeyId::new(101),
        project: ONE,
        hash: [7; 32],
        hint: "ptk_".into(),
        permissions: Permissions::all(),
        created_at: UnixMillis(1),
        last_used_at: None,
        revoked_at: None,
    };
    block_on(store.insert_project(project, key)).unwrap();
    block_on(store.insert_channel(channel("room", "{}"))).unwrap();
}

/// Attaches an observer; gives it and what was replayed.
fn observe(store: &SqliteStore) -> (Arc<Recorder>, Vec<Change>) {
    let seen = Arc::<Recorder>::default();
    block_on(store.attach(Arc::clone(&seen) as Arc<dyn Changes>)).unwrap();
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
        sequence: 0,
    }
}

fn token(number: u64) -> Token {
    Token {
        project: ONE,
        id: TokenId::new(number),
        generation: 1,
        sealed_state: None,
        created_at: UnixMillis(1),
        expires_at: None,
    }
}

fn object(text: &str) -> JsonObject {
    JsonObject::parse(text.as_bytes(), usize::MAX).unwrap()
}

/// The tokens that these changes create, in order.
fn tokens(changes: &[Change]) -> Vec<u64> {
    let number = |change: &Change| if let Change::TokenCreated(token) = change { Some(token.id.get()) } else { None };
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
    let mut held = store.unit(move |_, _| {
        enter.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    });
    // The writer may be quick enough to have entered, but not to have left.
    queue(&mut held);
    entered.recv().unwrap();
    (release, held)
}
