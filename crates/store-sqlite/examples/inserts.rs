//! Durable row inserts per second: for each shape of load, a bare SQLite loop that inserts the same values in groups of the same size,
//! beside this store. A measurement, no test.
//!
//! `cargo run --release -p tollgate-store-sqlite --example inserts [FOLDER [CASE]]`: the folder decides which disk is
//! measured, and a number from 0 picks one case.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
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
use tollgate_core::ports::store::{AuditStore as _, Change, Changes, Row, RowName, Store as _, Unit, Write};
use tollgate_store_sqlite::SqliteStore;

/// How long each of the two works at a time, and how often they take turns: what else the machine does then burdens both alike.
const SPAN: Duration = Duration::from_millis(500);
const TURNS: u32 = 8;
const SEALED_BYTES: usize = 300;
const ONE: ProjectId = ProjectId::new(1);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().unwrap_or_else(|| ".".into());
    let only: Option<usize> = arguments.next().map(|case| case.parse().unwrap());
    let mut out = std::io::stdout().lock();
    let head = format!("durable rows/s, {SEALED_BYTES} bytes each");
    writeln!(out, "{head:<52} {:>9} {:>12} {:>14} {:>8}", "the store", "a commit", "a bare loop", "ratio").unwrap();
    let cases = [(1, 1, 0), (1, 1, 1), (64, 1, 0), (64, 1, 1), (1, 1_000, 0), (1, 1_000, 1), (1, 1_000, 1_000)];
    for (case, (writers, rows, audit)) in cases.into_iter().enumerate() {
        if only.is_none_or(|only| only == case) {
            let folder = tempfile::tempdir_in(&parent).unwrap();
            let mut store = Ours::new(&folder.path().join("store.db"), writers, rows, audit);
            let mut bare = Bare::new(&folder.path().join("bare.db"));
            for _ in 0..TURNS {
                store.work();
                // In groups of the same size.
                bare.work(store.rows_a_commit());
            }
            let shape = format!("{writers} writers, units of {rows} rows, {audit} audit entries each");
            let seconds = f64::from(TURNS) * SPAN.as_secs_f64();
            let (ours, theirs) = (store.count as f64 / seconds, bare.count as f64 / seconds);
            let group = store.rows_a_commit();
            writeln!(out, "{shape:<52} {ours:>9.0} {group:>12} {theirs:>14.0} {:>8.2}", ours / theirs).unwrap();
            if audit > 1 {
                start_again(store, &mut out);
            }
        }
    }
}

/// What a start costs that proves and replays all that was written, and what proving the audit log does.
fn start_again(ours: Ours, out: &mut impl std::io::Write) {
    let (file, rows) = (ours.file.clone(), ours.count as f64);
    drop(ours);
    let store = SqliteStore::open(&file).unwrap();
    let start = Instant::now();
    block_on(store.attach(Arc::new(Nobody), LedgerKey::new(&[1; 32]))).unwrap();
    let attached = start.elapsed().as_secs_f64();
    let start = Instant::now();
    block_on(store.verify_audit()).unwrap().unwrap();
    let verified = start.elapsed().as_secs_f64();
    writeln!(
        out,
        "a start proves and replays {:.0} rows/s; proving the log takes in {:.0} entries/s",
        rows / attached,
        rows / verified
    )
    .unwrap();
}

/// A loop that does nothing but insert a group of rows a transaction.
struct Bare {
    db: Connection,
    count: u64,
}

impl Bare {
    fn new(file: &Path) -> Self {
        let db = Connection::open(file).unwrap();
        db.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE rows (id INTEGER PRIMARY KEY, kind INTEGER, project INTEGER, revision INTEGER, sealed BLOB) STRICT",
        )
        .unwrap();
        Self { db, count: 0 }
    }

    fn work(&mut self, group: u64) {
        let db = &self.db;
        let mut insert = db.prepare("INSERT INTO rows VALUES (?1, ?2, ?3, ?4, ?5)").unwrap();
        let (mut begin, mut commit) = (db.prepare("BEGIN IMMEDIATE").unwrap(), db.prepare("COMMIT").unwrap());
        let start = Instant::now();
        while start.elapsed() < SPAN {
            begin.execute([]).unwrap();
            for _ in 0..group {
                self.count += 1;
                insert.execute((self.count.cast_signed(), 23, 1, 1, vec![7; SEALED_BYTES])).unwrap();
            }
            commit.execute([]).unwrap();
        }
    }
}

/// An observer that forgets.
struct Nobody;

impl Changes for Nobody {
    fn committed(&self, _: Change) {}
}

struct Ours {
    store: SqliteStore,
    file: PathBuf,
    writers: u32,
    rows: u64,
    audit: u64,
    count: u64,
}

impl Ours {
    fn new(file: &Path, writers: u32, rows: u64, audit: u64) -> Self {
        let store = SqliteStore::open(file).unwrap();
        block_on(store.attach(Arc::new(Nobody), LedgerKey::new(&[1; 32]))).unwrap();
        let project = Project { id: ONE, name: "bench".into(), created_at: UnixMillis(1), wrapped_data_keys: vec![] };
        block_on(store.commit(Unit { writes: vec![Write::Project(project)], audit: vec![] })).unwrap();
        Self { store, file: file.into(), writers, rows, audit, count: 0 }
    }

    fn rows_a_commit(&self) -> u64 {
        // The first commit was the project's.
        (self.count / (self.store.commits() - 1)).max(1)
    }

    fn work(&mut self) {
        let (start, next) = (Instant::now(), AtomicU64::new(self.count));
        std::thread::scope(|scope| {
            for _ in 0..self.writers {
                scope.spawn(|| {
                    while start.elapsed() < SPAN {
                        let first = next.fetch_add(self.rows, Ordering::Relaxed);
                        block_on(self.store.commit(self.unit(first))).unwrap();
                    }
                });
            }
        });
        self.count = next.into_inner();
    }

    fn unit(&self, first: u64) -> Unit {
        let insert = |id| {
            let name = RowName { kind: RowKind::Token, project: ONE, id };
            Write::Insert(Row { name, revision: 1, sealed: vec![7; SEALED_BYTES] })
        };
        let draft = |place| AuditDraft {
            at: UnixMillis(1_800_000_000_000),
            project: Some(ONE),
            actor: "ptkid_MTIzNDU2Nzg5MDEyMzQ1Njc4OQ".into(),
            action: "token.create".into(),
            subject: format!("tok_{:026}", first + place),
            outcome: AuditOutcome::Done,
            count: 1,
            detail: None,
            request_id: Some("0123456789abcdef0123456789abcdef".into()),
            address: Some("203.0.113.77".into()),
        };
        Unit { writes: (first..first + self.rows).map(insert).collect(), audit: (0..self.audit).map(draft).collect() }
    }
}
