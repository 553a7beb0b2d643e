//! Durable row inserts per second: for each shape of load, a bare SQLite loop that inserts the same values in groups of the same size,
//! beside this store. A measurement, no test.
//!
//! `cargo run --release -p tollgate-store-sqlite --example inserts [FOLDER]`: the folder decides which disk is measured.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tollgate_core::audit::{AuditDraft, AuditOutcome, LedgerKey};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::ProjectId;
use tollgate_core::model::Project;
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{Change, Changes, Row, RowName, Store as _, Unit, Write};
use tollgate_store_sqlite::SqliteStore;

const SPAN: Duration = Duration::from_secs(3);
const SEALED_BYTES: usize = 300;
const ONE: ProjectId = ProjectId::new(1);

fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let mut out = std::io::stdout().lock();
    writeln!(out, "durable rows/s ({SEALED_BYTES} bytes each)           the store     bare, same groups     ratio")
        .unwrap();
    for (writers, rows, audited) in
        [(1, 1, false), (1, 1, true), (64, 1, false), (64, 1, true), (1, 1_000, false), (1, 1_000, true)]
    {
        let folder = tempfile::tempdir_in(&parent).unwrap();
        let (store, group) = store(&folder.path().join("store.db"), writers, rows, audited);
        let bare = bare(&folder.path().join("bare.db"), group.round().max(1.0) as u64);
        let audited = if audited { "an audit entry a unit" } else { "no audit" };
        writeln!(
            out,
            "{writers:>2} writers, units of {rows:>4}, {audited:<21} {store:>9.0} {bare:>12.0} (of {group:>4.0}) {:>9.2}",
            store / bare
        )
        .unwrap();
    }
}

/// Rows per second of a loop that does nothing but insert `group` rows a transaction.
fn bare(file: &Path, group: u64) -> f64 {
    let db = Connection::open(file).unwrap();
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE rows (id INTEGER PRIMARY KEY, kind INTEGER, project INTEGER, revision INTEGER, sealed BLOB) STRICT",
    )
    .unwrap();
    let mut insert = db.prepare("INSERT INTO rows VALUES (?1, ?2, ?3, ?4, ?5)").unwrap();
    let (mut begin, mut commit) = (db.prepare("BEGIN IMMEDIATE").unwrap(), db.prepare("COMMIT").unwrap());
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < SPAN {
        begin.execute([]).unwrap();
        for _ in 0..group {
            count += 1;
            insert.execute((count, 23, 1, 1, vec![7; SEALED_BYTES])).unwrap();
        }
        commit.execute([]).unwrap();
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// An observer that forgets.
struct Nobody;

impl Changes for Nobody {
    fn committed(&self, _: Change) {}
}

fn unit(first: u64, rows: u64, audited: bool) -> Unit {
    let insert = |id| {
        let name = RowName { kind: RowKind::Token, project: ONE, id };
        Write::Insert(Row { name, revision: 1, sealed: vec![7; SEALED_BYTES] })
    };
    let draft = || AuditDraft {
        at: UnixMillis(1_800_000_000_000),
        project: Some(ONE),
        actor: "ptkid_MTIzNDU2Nzg5MDEyMzQ1Njc4OQ".into(),
        action: "token.create".into(),
        subject: format!("tok_{first:026}"),
        outcome: AuditOutcome::Done,
        count: rows,
        detail: None,
        request_id: Some("0123456789abcdef0123456789abcdef".into()),
        address: Some("203.0.113.77".into()),
    };
    Unit { writes: (first..first + rows).map(insert).collect(), audit: audited.then(draft).into_iter().collect() }
}

/// Rows per second, and rows per commit.
fn store(file: &Path, writers: u32, rows: u64, audited: bool) -> (f64, f64) {
    let store = SqliteStore::open(file).unwrap();
    block_on(store.attach(Arc::new(Nobody), LedgerKey::new(&[1; 32]))).unwrap();
    let project = Project { id: ONE, name: "bench".into(), created_at: UnixMillis(1), wrapped_data_keys: vec![] };
    block_on(store.commit(Unit { writes: vec![Write::Project(project)], audit: vec![] })).unwrap();
    let next = AtomicU64::new(1);
    let (before, start) = (store.commits(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while start.elapsed() < SPAN {
                    let first = next.fetch_add(rows, Ordering::Relaxed);
                    block_on(store.commit(unit(first, rows, audited))).unwrap();
                }
            });
        }
    });
    let count = (next.load(Ordering::Relaxed) - 1) as f64;
    (count / start.elapsed().as_secs_f64(), count / (store.commits() - before) as f64)
}
