//! Durable messages per second: for each shape of load, a bare SQLite loop that inserts the same values in groups of the same size,
//! beside this store. A measurement, no test.
//!
//! `cargo run --release -p tollgate-store-sqlite --example publishes [FOLDER [CASE]]`: the folder decides which disk is
//! measured, and a number from 0 picks one case.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tollgate_core::audit::LedgerKey;
use tollgate_core::clock::UnixMillis;
use tollgate_core::delivery::Publication;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, ChannelType, HistorySettings, Project};
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{Change, Changes, ChannelStore as _, HistoryStore as _, Store as _, Unit, Write};
use tollgate_store_sqlite::SqliteStore;

/// How long each of the two works at a time, and how often they take turns: what else the machine does then burdens both alike.
const SPAN: Duration = Duration::from_millis(500);
const TURNS: u32 = 8;
const DATA_BYTES: usize = 200;
const SIZE: u32 = 1_000;
const ONE: ProjectId = ProjectId::new(1);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().unwrap_or_else(|| ".".into());
    let only: Option<usize> = arguments.next().map(|case| case.parse().unwrap());
    let mut out = std::io::stdout().lock();
    let head = format!("durable messages/s, {DATA_BYTES} bytes each");
    writeln!(out, "{head:<52} {:>9} {:>12} {:>14} {:>8}", "the store", "a commit", "a bare loop", "ratio").unwrap();
    let cases = [(1, 1, false), (1, 1, true), (64, 1, false), (64, 1, true), (64, 1_000, false), (64, 1_000, true)];
    for (case, (writers, channels, once)) in cases.into_iter().enumerate() {
        if only.is_none_or(|only| only == case) {
            let folder = tempfile::tempdir_in(&parent).unwrap();
            let mut store = Ours::new(&folder.path().join("store.db"), writers, channels, once);
            let mut bare = Bare::new(&folder.path().join("bare.db"));
            for _ in 0..TURNS {
                store.work();
                // In groups of the same size.
                bare.work(store.messages_a_commit());
            }
            let shape = format!("{writers} at a time, {channels} channels, {}", if once { "ids" } else { "no ids" });
            let seconds = f64::from(TURNS) * SPAN.as_secs_f64();
            let (ours, theirs) = (store.count as f64 / seconds, bare.count as f64 / seconds);
            let group = store.messages_a_commit();
            writeln!(out, "{shape:<52} {ours:>9.0} {group:>12} {theirs:>14.0} {:>8.2}", ours / theirs).unwrap();
        }
    }
}

/// A loop that does nothing but insert a group of messages a transaction, and keeps them all.
struct Bare {
    db: Connection,
    data: String,
    count: u64,
}

impl Bare {
    fn new(file: &Path) -> Self {
        let db = Connection::open(file).unwrap();
        db.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE messages (id INTEGER PRIMARY KEY, channel INTEGER, at INTEGER, event TEXT, data TEXT) STRICT",
        )
        .unwrap();
        Self { db, data: data(), count: 0 }
    }

    fn work(&mut self, group: u64) {
        let db = &self.db;
        let mut insert = db.prepare("INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5)").unwrap();
        let (mut begin, mut commit) = (db.prepare("BEGIN IMMEDIATE").unwrap(), db.prepare("COMMIT").unwrap());
        let start = Instant::now();
        while start.elapsed() < SPAN {
            begin.execute([]).unwrap();
            for _ in 0..group {
                self.count += 1;
                insert.execute((self.count.cast_signed(), 1, 1_800_000_000_000_i64, "said", &self.data)).unwrap();
            }
            commit.execute([]).unwrap();
        }
    }
}

fn data() -> String {
    format!("\"{}\"", "x".repeat(DATA_BYTES - 2))
}

/// An observer that forgets.
struct Nobody;

impl Changes for Nobody {
    fn committed(&self, _: Change) {}
}

struct Ours {
    store: SqliteStore,
    writers: u32,
    channels: Vec<ChannelId>,
    once: bool,
    count: u64,
    /// Before the first message.
    commits: u64,
}

impl Ours {
    fn new(file: &Path, writers: u32, channels: u32, once: bool) -> Self {
        let store = SqliteStore::open(file).unwrap();
        block_on(store.attach(Arc::new(Nobody), LedgerKey::new(&[1; 32]))).unwrap();
        let project = Project { id: ONE, name: "bench".into(), created_at: UnixMillis(1), wrapped_data_keys: vec![] };
        block_on(store.commit(Unit { writes: vec![Write::Project(project)], audit: vec![] })).unwrap();
        let channels: Vec<_> = (0..channels).map(|number| ChannelId::new(&format!("room-{number}")).unwrap()).collect();
        let history = HistorySettings { size: SIZE, ttl_ms: 86_400_000, durable: true };
        for id in &channels {
            let channel = Channel {
                project: ONE,
                id: id.clone(),
                kind: ChannelType::Public,
                capabilities: Capabilities::default(),
                settings: ChannelSettings { history, ..ChannelSettings::default() },
                state: JsonObject::empty(),
                version: 1,
                created_at: UnixMillis(1),
                sequence: 0,
                run: 0,
                offset: 0,
            };
            block_on(store.insert_channel(channel, None)).unwrap();
        }
        Self { commits: store.commits(), store, writers, channels, once, count: 0 }
    }

    fn messages_a_commit(&self) -> u64 {
        (self.count / (self.store.commits() - self.commits)).max(1)
    }

    fn work(&mut self) {
        let (start, next) = (Instant::now(), AtomicU64::new(self.count));
        let data = JsonValue::parse(data().as_bytes(), usize::MAX).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..self.writers {
                scope.spawn(|| {
                    while start.elapsed() < SPAN {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let channel = &self.channels[(number % self.channels.len() as u64) as usize];
                        // An id that is spread as a hash is.
                        let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        let once = self.once.then(|| (u128::from(id) << 64 | u128::from(number)).to_be_bytes());
                        let message = Publication::new("said", data.clone(), UnixMillis(1_800_000_000_000));
                        block_on(self.store.append(ONE, channel.clone(), message, once)).unwrap();
                    }
                });
            }
        });
        self.count = next.into_inner();
    }
}
