//! The writer: owns the connection, commits units of work in groups, hands the changes over, then answers.
//!
//! It does not know what a unit does. Invariants, each held by a test: changes reach the observer in commit order, after they
//! are durable and before their answer; a unit that fails leaves the others of its group alone, and the books as they were before it;
//! every unit gets an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tollgate_core::audit::LedgerKey;
use tollgate_core::clock::Clock;
use tollgate_core::histogram::Histogram;
use tollgate_core::ports::store::{Change, Changes, StoreError, StoreResult};

use crate::books::Books;
use crate::copying::Order;
use crate::log::Room;
use crate::replay::replay;
use crate::units::Failure;

/// Units of work that one commit makes durable, at most.
const GROUP_UNITS_MAX: usize = 256;

/// Steps of units after which a group takes no more of them, so that large units do not pile up in one transaction.
const GROUP_STEPS_MAX: usize = 10_000;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<StoreResult<T>>;

/// What the writer takes from its queue.
pub(crate) enum Job {
    /// Do this and make it durable.
    Unit(Box<dyn Unit>),
    /// Prove these books, replay everything to this observer, then tell it of every change.
    Attach(Arc<dyn Changes>, Box<Books>, Reply<()>),
    /// Copy everything into another file, between the groups.
    Copy(Order),
    /// Take no more, finish, close the file.
    Close(Reply<()>),
}

/// The writer's queue, and what it has taken from it.
pub(crate) struct Desk {
    queue: mpsc::Receiver<Job>,
    jobs: Vec<Job>,
    group: Vec<Box<dyn Unit>>,
    copies: Vec<Order>,
    closing: Vec<Reply<()>>,
}

impl Desk {
    fn new(queue: mpsc::Receiver<Job>) -> Self {
        let (jobs, group) = (Vec::with_capacity(GROUP_UNITS_MAX), Vec::with_capacity(GROUP_UNITS_MAX));
        Self { queue, jobs, group, copies: Vec::new(), closing: Vec::new() }
    }

    /// Takes what waits. Gives false when there is nothing and never will be.
    fn wait(&mut self) -> bool {
        self.queue.blocking_recv_many(&mut self.jobs, GROUP_UNITS_MAX) > 0
    }

    /// Takes what waits, without waiting. Gives false when the store is to be closed.
    pub(crate) fn look(&mut self) -> bool {
        use mpsc::error::TryRecvError::{Disconnected, Empty};
        while self.jobs.len() < GROUP_UNITS_MAX {
            match self.queue.try_recv() {
                Ok(job) => self.jobs.push(job),
                Err(Empty) => break,
                Err(Disconnected) => return false,
            }
        }
        self.closing.is_empty()
    }
}

/// What a unit of work works with.
pub(crate) struct Work<'a> {
    /// Inside the group's transaction.
    pub(crate) db: &'a Connection,
    /// What is to be handed over, in order.
    pub(crate) changes: &'a mut Vec<Change>,
    books: &'a mut Option<Books>,
}

impl Work<'_> {
    /// The books, which every record that comes or goes is entered in.
    ///
    /// # Errors
    /// `Unavailable` before the store is attached.
    pub(crate) fn books(&mut self) -> Result<&mut Books, Failure> {
        let early = || StoreError::Unavailable("the store is not attached yet".into());
        self.books.as_mut().ok_or_else(|| early().into())
    }
}

/// A unit of work with its answer's type hidden, so that the queue can hold any.
pub(crate) trait Unit: Send {
    /// Does the work inside the group's transaction, noting its changes. Called at most once.
    fn run(&mut self, work: &mut Work<'_>) -> Result<(), Failure>;
    /// How many steps it takes, about.
    fn steps(&self) -> usize;
    /// Answers: with this failure, or with what `run` gave.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

/// The one implementation of [`Unit`]: a closure and where its answer goes.
pub(crate) struct Task<T, W> {
    work: Option<W>,
    result: Option<T>,
    steps: usize,
    reply: Reply<T>,
}

impl<T, W> Task<T, W> {
    pub(crate) fn new(work: W, steps: usize, reply: Reply<T>) -> Self {
        Self { work: Some(work), result: None, steps, reply }
    }
}

impl<T, W> Unit for Task<T, W>
where
    T: Send,
    W: FnOnce(&mut Work<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, work: &mut Work<'_>) -> Result<(), Failure> {
        let todo = self.work.take().expect("invariant: a unit is run once");
        self.result = Some(todo(work)?);
        Ok(())
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let answer = match failure {
            Some(failure) => Err(failure),
            None => Ok(self.result.expect("invariant: a unit without failure was run")),
        };
        // Whoever asked may have gone; the work is done all the same and its change handed over.
        let _ = self.reply.send(answer);
    }
}

/// What the store tells about itself.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) units: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// How long groups took, from the first unit to the end of the commit.
    pub(crate) groups: Histogram,
    /// How long the commits themselves took: writing the log, and waiting for the disk.
    pub(crate) syncs: Histogram,
    /// Without one nothing is measured.
    pub(crate) clock: OnceLock<Arc<dyn Clock>>,
    /// When something was last made durable, in microseconds of that clock; 0 is never.
    pub(crate) committed_us: AtomicU64,
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counters")
    }
}

impl Counters {
    /// Does something that `into` counts the time of, if it succeeds.
    fn timed<T, E>(&self, into: impl Fn(&Self) -> &Histogram, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Some(clock) = self.clock.get() else { return work() };
        let begun_us = clock.micros();
        let done = work();
        if done.is_ok() {
            into(self).observe(clock.micros().saturating_sub(begun_us));
        }
        done
    }

    fn note_committed(&self) {
        if let Some(clock) = self.clock.get() {
            self.committed_us.store(clock.micros().max(1), Ordering::Relaxed);
        }
    }
}

/// The thread's own data.
pub(crate) struct Writer {
    /// Shared with a copy that is being made, on this thread.
    db: Rc<Connection>,
    room: Room,
    /// Both from the moment the store is attached.
    observer: Option<Arc<dyn Changes>>,
    books: Option<Books>,
    counters: Arc<Counters>,
    /// Why nothing is written any more: the observer failed, so the records in memory are no longer those on disk.
    stopped: Option<StoreError>,
    /// Whether the last group failed, so that a full disk is logged once and not for every group.
    failing: bool,
}

impl Writer {
    pub(crate) fn new(db: Connection, room: Room, counters: Arc<Counters>) -> Self {
        Self { db: Rc::new(db), room, observer: None, books: None, counters, stopped: None, failing: false }
    }

    /// Works until the store is closed or dropped.
    pub(crate) fn run(mut self, queue: mpsc::Receiver<Job>) {
        let mut desk = Desk::new(queue);
        while desk.wait() {
            self.work(&mut desk);
            while let Some(order) = desk.copies.pop() {
                let copied = self.copy(&order, &mut desk);
                order.answer(copied);
            }
        }
        let closed = self.close();
        for reply in desk.closing {
            let _ = reply.send(closed.clone());
        }
    }

    /// Does what was taken from the queue. Copies are only noted.
    pub(crate) fn work(&mut self, desk: &mut Desk) {
        let Desk { queue, jobs, group, copies, closing } = desk;
        let mut steps = 0;
        for job in jobs.drain(..) {
            match job {
                Job::Unit(unit) => {
                    steps += unit.steps();
                    group.push(unit);
                    if steps >= GROUP_STEPS_MAX {
                        self.commit(group);
                        steps = 0;
                    }
                }
                Job::Attach(observer, books, reply) => {
                    self.commit(group);
                    let _ = reply.send(self.attach(observer, books));
                }
                Job::Copy(order) => copies.push(order),
                Job::Close(reply) => {
                    queue.close();
                    closing.push(reply);
                }
            }
        }
        self.commit(group);
    }

    /// The file, and the key of its books once the store is attached.
    pub(crate) fn source(&self) -> (Rc<Connection>, Option<LedgerKey>) {
        (Rc::clone(&self.db), self.books.as_ref().map(|books| books.key().clone()))
    }

    /// Makes a group durable, hands its changes over and answers each unit.
    fn commit(&mut self, group: &mut Vec<Box<dyn Unit>>) {
        if group.is_empty() {
            return;
        }
        let (mut changes, mut failures) = (Vec::new(), Vec::with_capacity(group.len()));
        let counters = Arc::clone(&self.counters);
        let written = counters.timed(|own| &own.groups, || self.write(group, &mut changes, &mut failures));
        let done = written.and_then(|()| {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            self.counters.note_committed();
            self.hand_over(changes)
        });
        self.note(group.len(), &done, &failures);
        match done {
            Ok(()) => group.drain(..).zip(failures).for_each(|(unit, failure)| unit.answer(failure)),
            Err(reason) => group.drain(..).for_each(|unit| unit.answer(Some(reason.clone()))),
        }
        // When everybody has an answer: nobody of this group waits for the next one's room.
        self.room.prepare();
    }

    /// Runs the units in one transaction and commits it. Gives each unit's own failure; fails when nothing of it is durable.
    fn write(
        &mut self,
        group: &mut [Box<dyn Unit>],
        changes: &mut Vec<Change>,
        failures: &mut Vec<Option<StoreError>>,
    ) -> StoreResult<()> {
        if let Some(reason) = &self.stopped {
            return Err(reason.clone());
        }
        let before = self.books.as_ref().map(|books| books.totals);
        let done = self.transact(group, changes, failures);
        if done.is_err() {
            if let (Some(books), Some(before)) = (&mut self.books, before) {
                books.totals = before;
            }
            // A commit that failed leaves its transaction open; go back, so that the next group can begin.
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "A failed group of units could not be rolled back.");
            }
        }
        done.map_err(StoreError::from)
    }

    fn transact(
        &mut self,
        group: &mut [Box<dyn Unit>],
        changes: &mut Vec<Change>,
        failures: &mut Vec<Option<StoreError>>,
    ) -> Result<(), Failure> {
        let (db, books) = (&self.db, &mut self.books);
        let step = |sql: &str| db.prepare_cached(sql)?.execute([]).map(drop);
        let totals = |books: &Option<Books>| books.as_ref().map(|books| books.totals);
        let written = totals(books);
        // Who is alone is taken back with the whole transaction: no need for a copy of each page that is to change.
        let alone = group.len() == 1;
        step("BEGIN IMMEDIATE")?;
        for unit in group {
            if !alone {
                step("SAVEPOINT unit")?;
            }
            let (changes_before, totals_before) = (changes.len(), totals(books));
            let failure = catch_unwind(AssertUnwindSafe(|| unit.run(&mut Work { db, changes, books })))
                .unwrap_or_else(|panic| Err(Failure::panic(&*panic)))
                .err();
            if let Some(failure) = &failure {
                changes.truncate(changes_before);
                if let (Some(books), Some(before)) = (books.as_mut(), totals_before) {
                    books.totals = before;
                }
                if db.is_autocommit() {
                    // SQLite has given up the whole transaction (disk full, I/O error): no unit of this group is kept.
                    return Err(failure.clone());
                }
                step(if alone { "ROLLBACK" } else { "ROLLBACK TO unit" })?;
            }
            if !alone {
                step("RELEASE unit")?;
            }
            failures.push(failure.map(StoreError::from));
        }
        if let Some(books) = books
            && Some(books.totals) != written
        {
            books.write(db)?;
        }
        if !db.is_autocommit() {
            self.counters.timed(|own| &own.syncs, || step("COMMIT"))?;
        }
        Ok(())
    }

    /// Tells the observer. Should it panic, the records in memory are not those on disk: the store stops, and a restart replays.
    fn hand_over(&mut self, changes: Vec<Change>) -> StoreResult<()> {
        let Some(observer) = &self.observer else { return Ok(()) };
        let told = catch_unwind(AssertUnwindSafe(|| changes.into_iter().for_each(|change| observer.committed(change))));
        told.map_err(|panic| {
            let reason = StoreError::Unavailable(format!(
                "the observer of changes failed ({}); restart the server",
                Failure::panic(&*panic)
            ));
            tracing::error!(%reason, "The store has stopped: its observer panicked.");
            self.stopped = Some(reason.clone());
            reason
        })
    }

    fn attach(&mut self, observer: Arc<dyn Changes>, mut books: Box<Books>) -> StoreResult<()> {
        if self.observer.is_some() {
            return Err(StoreError::Unavailable("an observer is attached already".into()));
        }
        let replayed = catch_unwind(AssertUnwindSafe(|| replay(&self.db, &mut books, &*observer)));
        replayed.unwrap_or_else(|panic| Err(Failure::panic(&*panic))).map_err(StoreError::from)?;
        (self.observer, self.books) = (Some(observer), Some(*books));
        Ok(())
    }

    /// Counts, and logs when the store stops working and when it works again.
    fn note(&mut self, units: usize, done: &StoreResult<()>, failures: &[Option<StoreError>]) {
        let unavailable = |failure: &&StoreError| matches!(failure, StoreError::Unavailable(_));
        let (failed, reason) = match done {
            Err(reason) => (units, Some(reason)),
            Ok(()) => {
                let mut own = failures.iter().flatten().filter(unavailable);
                let reason = own.next();
                (reason.map_or(0, |_| 1 + own.count()), reason)
            }
        };
        self.counters.units.fetch_add(units as u64, Ordering::Relaxed);
        self.counters.failures.fetch_add(failed as u64, Ordering::Relaxed);
        match reason {
            Some(reason) if !self.failing => {
                tracing::error!(units = failed, %reason, "The store cannot make changes durable.")
            }
            None if self.failing => tracing::info!("The store makes changes durable again."),
            Some(_) | None => {}
        }
        self.failing = reason.is_some();
    }

    fn close(self) -> StoreResult<()> {
        // Also done by SQLite at the close; here its failure is seen.
        let checkpoint = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        let db = Rc::into_inner(self.db).expect("invariant: no copy is being made any more");
        let closed = db.close().map_err(|(_, error)| error);
        match checkpoint.and(closed) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "The store could not be closed in order; nothing acknowledged is lost.");
                Err(Failure::from(error).into())
            }
        }
    }
}
