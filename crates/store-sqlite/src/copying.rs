//! A copy of the whole file while the store goes on working, proved by reading it back. What is done with the copy, and where it is kept, is
//! not known here.
//!
//! The writer copies some pages at a time between its groups. SQLite writes pages that change meanwhile into the copy, too, because they change
//! by way of the same connection; so the copy is the file as it is at the last step, with everything that was acknowledged before the first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use tokio::sync::oneshot;
use tollgate_core::audit::LedgerKey;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::ProjectId;
use tollgate_core::ports::store::{Change, Changes, StoreError, StoreResult};

use crate::SqliteStore;
use crate::books::{Books, damaged};
use crate::replay::replay;
use crate::units::Failure;
use crate::writer::{Desk, Job, Reply, Writer};

/// Pages that are copied at a time: a megabyte. So long a unit of work may wait for the copy.
const STEP_PAGES: i32 = 256;

/// How often the file may be copied over, in steps, before changes are taken for faster than the copy.
const ROUNDS_MAX: u64 = 16;

/// How far a copy is.
#[derive(Debug, Default)]
pub struct CopyProgress {
    pages: AtomicU64,
    left: AtomicU64,
    checking: AtomicBool,
}

impl CopyProgress {
    /// Pages copied, and pages in all; both 0 before the first step.
    #[must_use]
    pub fn pages(&self) -> (u64, u64) {
        let (pages, left) = (self.pages.load(Ordering::Relaxed), self.left.load(Ordering::Relaxed));
        (pages.saturating_sub(left), pages)
    }

    /// Whether all is copied and is being read back.
    #[must_use]
    pub fn is_checking(&self) -> bool {
        self.checking.load(Ordering::Relaxed)
    }
}

/// What a copy has, as it was read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Projects.
    pub projects: u64,
    /// Channels of all projects.
    pub channels: u64,
    /// Tokens of all projects.
    pub tokens: u64,
    /// Subscriptions of tokens.
    pub subscriptions: u64,
}

/// A copy to be made.
pub(crate) struct Order {
    path: PathBuf,
    progress: Arc<CopyProgress>,
    reply: Reply<LedgerKey>,
}

impl Order {
    pub(crate) fn answer(self, copied: Result<LedgerKey, Failure>) {
        let _ = self.reply.send(copied.map_err(StoreError::from));
    }
}

impl SqliteStore {
    /// Copies everything into `path`, an empty file, and proves the copy by reading it back: SQLite's own check, and the books. The store goes on
    /// working meanwhile. The copy has everything that was acknowledged before the call, each unit of work whole, and is on disk when this answers.
    ///
    /// The file is the caller's: made by it, and to be removed by it when this fails.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written, when the store is not attached or is closed meanwhile; `Damaged` when it does not prove.
    pub async fn copy_to(&self, path: &Path, progress: Arc<CopyProgress>) -> StoreResult<Copied> {
        let (reply, answer) = oneshot::channel();
        let order = Order { path: path.into(), progress: Arc::clone(&progress), reply };
        let key = self.ask(Job::Copy(order), answer).await?;
        progress.checking.store(true, Ordering::Relaxed);
        let (reply, proved) = oneshot::channel();
        let path = path.to_path_buf();
        let work = move || drop(reply.send(prove(&path, key).map_err(StoreError::from)));
        let stopped = |_| StoreError::Unavailable("no thread can be started to check the copy".into());
        std::thread::Builder::new().name("store-check".into()).spawn(work).map_err(stopped)?;
        proved.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the check of the copy has failed".into())))
    }
}

impl Writer {
    /// Copies, and does between two steps what waits in the queue. Gives the key that proves the copy.
    pub(crate) fn copy(&mut self, order: &Order, desk: &mut Desk) -> Result<LedgerKey, Failure> {
        let unavailable = |why: &str| Failure::from(StoreError::Unavailable(why.into()));
        let (db, key) = self.source();
        let key = key.ok_or_else(|| unavailable("the store is not attached yet"))?;
        let mut to = destination(&order.path)?;
        {
            let backup = Backup::new(&db, &mut to)?;
            for step in 1_u64.. {
                let copied = backup.step(STEP_PAGES)?;
                let (pages, left) = (backup.progress().pagecount.cast_unsigned(), backup.progress().remaining);
                order.progress.pages.store(pages.into(), Ordering::Relaxed);
                order.progress.left.store(left.cast_unsigned().into(), Ordering::Relaxed);
                match copied {
                    StepResult::Done => break,
                    StepResult::More => {}
                    _ => return Err(unavailable("the file is in use by another process")),
                }
                if order.reply.is_closed() {
                    return Err(unavailable("nobody waits for the copy any more"));
                }
                if step > ROUNDS_MAX * (1 + u64::from(pages) / u64::from(STEP_PAGES.unsigned_abs())) {
                    return Err(unavailable("the store changes faster than it can be copied"));
                }
                let goes_on = desk.look();
                self.work(desk);
                if !goes_on {
                    return Err(unavailable("the store is being closed"));
                }
            }
        }
        to.close().map_err(|(_, error)| error)?;
        Ok(key)
    }
}

/// The copy's file. Nothing in it counts before it was proved and flushed, so nothing of it is kept twice.
fn destination(path: &Path) -> Result<Connection, Failure> {
    let to = Connection::open(path)?;
    to.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    to.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    to.pragma_update(None, "synchronous", "OFF")?;
    Ok(to)
}

/// Reads a copy back, and flushes it to the disk. It becomes a plain file without a log beside it.
fn prove(path: &Path, key: LedgerKey) -> Result<Copied, Failure> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    for config in [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW] {
        db.set_db_config(config, false)?;
    }
    let found: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(damaged(&found));
    }
    let counted = Counted::default();
    replay(&db, &mut Books::new(key), &counted)?;
    db.close().map_err(|(_, error)| error)?;
    let flushed = std::fs::File::open(path).and_then(|file| file.sync_all());
    flushed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(counted.sums())
}

/// Counts what is replayed.
#[derive(Default)]
struct Counted {
    projects: AtomicU64,
    channels: AtomicU64,
    tokens: AtomicU64,
    subscriptions: AtomicU64,
}

impl Counted {
    fn sums(&self) -> Copied {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (projects, channels) = (of(&self.projects), of(&self.channels));
        Copied { projects, channels, tokens: of(&self.tokens), subscriptions: of(&self.subscriptions) }
    }
}

impl Changes for Counted {
    fn committed(&self, change: Change) {
        let count = match change {
            // The house is none that anybody made.
            Change::Project(project) if project.id != ProjectId::HOUSE => &self.projects,
            Change::ChannelCreated(_) => &self.channels,
            Change::Row(row) if row.name.kind == RowKind::Token => &self.tokens,
            Change::Subscribed(_) => &self.subscriptions,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
