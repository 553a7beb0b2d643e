//! Durable token inserts per second: a bare SQLite loop, then this store with 1 and with 64 writers. A measurement, no test.
//!
//! `cargo run --release -p tollgate-store-sqlite --example inserts [FOLDER]`: the folder decides which disk is measured.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{KeyId, ProjectId, TokenId};
use tollgate_core::model::{Project, ProjectKey, Token};
use tollgate_core::permissions::Permissions;
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{ProjectStore as _, TokenStore as _};
use tollgate_store_sqlite::SqliteStore;

const SPAN: Duration = Duration::from_secs(3);
const SEALED_STATE: [u8; 200] = [7; 200];

fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let folder = tempfile::tempdir_in(parent).unwrap();
    let mut out = std::io::stdout().lock();
    let bare = bare(&folder.path().join("bare.db"));
    writeln!(out, "bare SQLite, one insert a transaction: {bare:>8.0} inserts/s").unwrap();
    for writers in [1, 8, 64, 256] {
        let (inserts, commits) = store(&folder.path().join(format!("store{writers}.db")), writers);
        writeln!(
            out,
            "the store, {writers:>3} writers:               {inserts:>8.0} inserts/s ({:.1} × bare; {:.1} a commit)",
            inserts / bare,
            inserts / commits
        )
        .unwrap();
    }
}

fn bare(file: &Path) -> f64 {
    let db = Connection::open(file).unwrap();
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE tokens (id INTEGER PRIMARY KEY, project INTEGER, generation INTEGER, created_at INTEGER, expires_at INTEGER, sealed_state BLOB) STRICT",
    )
    .unwrap();
    let mut insert = db.prepare("INSERT INTO tokens VALUES (?1, 1, 1, 1, NULL, ?2)").unwrap();
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < SPAN {
        count += 1;
        insert.execute((count, SEALED_STATE.as_slice())).unwrap();
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Inserts and commits per second.
fn store(file: &Path, writers: u32) -> (f64, f64) {
    let store = SqliteStore::open(file).unwrap();
    let project = ProjectId::new(1);
    let record = Project { id: project, name: "bench".into(), created_at: UnixMillis(1), wrapped_data_key: vec![] };
    let key = ProjectKey {
        id: KeyId::new(1),
        project,
        hash: [0; 32],
        hint: String::new(),
        permissions: Permissions::all(),
        created_at: UnixMillis(1),
        last_used_at: None,
        revoked_at: None,
    };
    block_on(store.insert_project(record, key)).unwrap();
    let next = AtomicU64::new(1);
    let (before, start) = (store.commits(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while start.elapsed() < SPAN {
                    let id = TokenId::new(next.fetch_add(1, Ordering::Relaxed));
                    let sealed_state = Some(SEALED_STATE.to_vec());
                    let token =
                        Token { project, id, generation: 1, sealed_state, created_at: UnixMillis(1), expires_at: None };
                    block_on(store.insert_token(token, vec![])).unwrap();
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    ((next.load(Ordering::Relaxed) - 1) as f64 / seconds, (store.commits() - before) as f64 / seconds)
}
