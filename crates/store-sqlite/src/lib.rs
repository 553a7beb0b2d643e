//! The store ports on SQLite: one file in the data folder, one writer thread, group commit, a feed of changes.
//!
//! What is *not* here: reads for operations (they are served from the records that the observer keeps in memory), decisions
//! about who may do what, and encryption (sealed values come and go as bytes). See ADR 0003 for why it is built like this.

mod books;
mod columns;
mod copying;
mod log;
mod open;
mod replay;
mod units;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tollgate_core::clock::Clock;
use tollgate_core::histogram::Observed;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{StoreError, StoreResult};

pub use crate::copying::{Copied, CopyProgress};
use crate::log::Room;
pub use crate::open::{OpenError, Schema};
use crate::units::Failure;
use crate::writer::{Counters, Job, Task, Work, Writer};

/// Units of work that may wait for the writer; whoever comes later waits for a place.
const QUEUE_UNITS_MAX: usize = 256;

/// What a store tells of itself, since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Groups of units committed.
    pub commits: u64,
    /// Units of work answered, whatever the answer.
    pub units: u64,
    /// Units of work that failed because the store could not work.
    pub failures: u64,
    /// Units of work that wait for the writer now.
    pub waiting: usize,
    /// How long groups took, from the first unit to the end of the commit; of those that were committed. This and what follows only with
    /// [`SqliteStore::measure_by`].
    pub groups: Observed,
    /// How long the commits themselves took.
    pub syncs: Observed,
    /// Microseconds since something was made durable; nothing if nothing was yet.
    pub last_commit_age_us: Option<u64>,
}

/// A store in one SQLite file. It belongs to one process at a time, which holds the file locked.
///
/// Its methods may be awaited on any runtime, or none. A unit of work that was handed to the writer is carried out even when
/// nobody waits for its answer any more.
///
/// Dropping the store finishes what is queued, writes everything into the main file and closes it; it waits for that.
#[derive(Debug)]
pub struct SqliteStore {
    // Before `writer`, so that it is dropped first: the end of the queue is what ends the writer.
    jobs: mpsc::Sender<Job>,
    counters: Arc<Counters>,
    #[expect(dead_code, reason = "held for its drop, which waits for the writer")]
    writer: JoinOnDrop,
}

impl SqliteStore {
    /// Opens the store at `path`, creating it (readable by its owner alone) or bringing its schema up to date.
    ///
    /// # Errors
    /// Says why it cannot be used: taken by another process, no database, of another program, of a newer version, or an I/O error.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open::open(path)?;
        let counters = Arc::<Counters>::default();
        let counted = Arc::clone(&counters);
        let room = Room::beside(path);
        let (jobs, queue) = mpsc::channel(QUEUE_UNITS_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || Writer::new(connection, room, counted).run(queue))
            .map_err(|error| OpenError::Io { path: path.into(), error })?;
        Ok(Self { jobs, counters, writer: JoinOnDrop(Some(thread)) })
    }

    /// Measures how long its work takes, by this clock. Once is enough; a second call changes nothing.
    pub fn measure_by(&self, clock: Arc<dyn Clock>) {
        let _only_once = self.counters.clock.set(clock);
    }

    /// What it tells of itself.
    #[must_use]
    pub fn figures(&self) -> StoreFigures {
        let counters = &self.counters;
        let age_us = |at_us: u64| counters.clock.get().map(|clock| clock.micros().saturating_sub(at_us));
        StoreFigures {
            commits: self.commits(),
            units: self.units(),
            failures: self.failures(),
            waiting: self.jobs.max_capacity() - self.jobs.capacity(),
            groups: counters.groups.read(),
            syncs: counters.syncs.read(),
            last_commit_age_us: Some(counters.committed_us.load(Ordering::Relaxed))
                .filter(|at| *at > 0)
                .and_then(age_us),
        }
    }

    /// Finishes what is queued, writes everything into the main file and closes it. Later calls answer `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` when the file could not be closed in order (nothing acknowledged is lost by that), or was closed before.
    pub async fn close(&self) -> StoreResult<()> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Close(reply), answer).await
    }

    /// How many groups of units were committed since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.counters.commits.load(Ordering::Relaxed)
    }

    /// How many units of work were answered since the store was opened, whatever the answer.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.counters.units.load(Ordering::Relaxed)
    }

    /// How many units of work failed because the store could not work (`Unavailable`), since it was opened.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counters.failures.load(Ordering::Relaxed)
    }

    /// Has `work` done on the writer thread, as one unit: all of it durable, or none.
    fn unit<T, W>(&self, work: W) -> Pending<'_, StoreResult<T>>
    where
        T: Send + 'static,
        W: FnOnce(&mut Work<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.unit_of(1, work)
    }

    /// The same for work of about so many steps.
    fn unit_of<T, W>(&self, steps: usize, work: W) -> Pending<'_, StoreResult<T>>
    where
        T: Send + 'static,
        W: FnOnce(&mut Work<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        Box::pin(self.ask(Job::Unit(Box::new(Task::new(work, steps, reply))), answer))
    }

    async fn ask<T>(&self, job: Job, answer: oneshot::Receiver<StoreResult<T>>) -> StoreResult<T> {
        if self.jobs.send(job).await.is_err() {
            return Err(StoreError::Unavailable("the store is closed".into()));
        }
        // The writer answers every job it takes; a missing answer means that its thread has died.
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store's writer has stopped".into())))
    }
}

/// Waits for the writer when the store is dropped, so that the file is closed when the drop returns.
#[derive(Debug)]
struct JoinOnDrop(Option<JoinHandle<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        let Some(thread) = self.0.take() else { return };
        // An observer that holds the store makes the writer drop it: a thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("The store's writer thread died of a panic.");
        }
    }
}
