//! The shard's own task: takes words from the inboxes, walks the passes chunk by chunk, keeps the time, and drains.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tollgate_core::CloseReason;
use tollgate_core::clock::Monotonic;
use tollgate_node::hub::{Hub, Resident, reside};
use tollgate_node::{ConnectionKey, PeerWord, Request, ShardIndex};

use super::engine::Engine;
use super::outlet::Work;
use crate::admission::Admission;
use crate::contain::{Panicked, contain};

/// Words taken from each inbox before passes get their turn: as many as subscribers are written to in one, so that intake does not run away from delivery.
const WORDS_PER_TURN: usize = 64;
/// How often stalled sockets are looked for.
const STALLS_EVERY_MS: u64 = 1_000;
/// How soon words are offered again to a shard whose inbox was full, and how finely a drain spreads its closes.
const SOON_MS: u64 = 2;

/// How the runner is told that there is work before the time it sleeps until.
#[derive(Default)]
pub(super) struct Runner {
    woken: Rc<Notify>,
    sleeps_until: Option<Monotonic>,
    /// Requests that may be taken at once before it has its turn: as many as it takes in one, for the same reason.
    at_once: usize,
}

/// A drain under way.
struct Drain {
    began: Monotonic,
    /// Connections still to be told, last first.
    to_close: Vec<ConnectionKey>,
    at_start: usize,
}

/// The two inboxes of a shard.
pub(crate) struct Inboxes {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) peers: mpsc::Receiver<PeerWord>,
}

impl Inboxes {
    /// Nobody takes anything from them any more; whoever waits for an answer is told.
    fn end(&mut self) {
        self.requests.close();
        self.peers.close();
        while self.requests.try_recv().is_ok() {}
        while self.peers.try_recv().is_ok() {}
    }
}

/// What an inbox had while the runner slept.
enum Came {
    Request(Request),
    Peer(PeerWord),
}

/// Operations on the shard's own thread ask it here.
struct Here(Weak<RefCell<Engine>>);

impl Resident for Here {
    fn take(&self, hub: &Hub, shard: ShardIndex, request: Request) -> Option<Request> {
        let Some(engine) = self.0.upgrade() else { return Some(request) };
        match engine.try_borrow_mut() {
            Ok(mut engine) => engine.take_at_once(hub, shard, request),
            // An operation that the shard itself began, at work.
            Err(_) => Some(request),
        }
    }
}

/// Runs until the gateway has drained.
pub(crate) async fn run(engine: Rc<RefCell<Engine>>, mut draining: watch::Receiver<bool>, node: Arc<Admission>) {
    reside(Rc::new(Here(Rc::downgrade(&engine))));
    let woken = Rc::clone(&engine.borrow().runner.woken);
    let mut stalls_at = engine.borrow().now.plus(STALLS_EVERY_MS);
    let mut drain: Option<Drain> = None;
    let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
    let mut alarm_at = engine.borrow().now;
    // What ended a sleep: taken as soon as the time is known again, so that what it began is not measured from before the sleep.
    let mut came = None;
    loop {
        let (until, sleep_ms, takes_requests, takes_peers) = {
            let mut engine = engine.borrow_mut();
            engine.runner.sleeps_until = None;
            engine.tick();
            engine.runner.at_once = WORDS_PER_TURN;
            match came.take() {
                Some(Came::Request(request)) => engine.take_request(request),
                Some(Came::Peer(word)) => engine.take_peer_word(word),
                None => {}
            }
            engine.take_words();
            engine.pass();
            engine.wake_hub();
            if engine.now >= stalls_at {
                stalls_at = engine.now.plus(STALLS_EVERY_MS);
                engine.end_stalled();
                engine.report();
                engine.shard.report_usage();
                engine.shard.forget_old();
            }
            // A gateway that was dropped without a word drains, too.
            if *draining.borrow() || draining.has_changed().is_err() {
                let drain = drain.get_or_insert_with(|| engine.begin_drain());
                if engine.drain(drain, &node) {
                    engine.report();
                    engine.inboxes.end();
                    return;
                }
            }
            let until = engine.next_turn(stalls_at, drain.is_some());
            engine.runner.sleeps_until = Some(until);
            (until, until.since(engine.now), engine.shard.accepts_requests(), engine.shard.accepts_peer_words())
        };
        if sleep_ms == 0 {
            // Lets the sockets and the other tasks have their turn: this wakes only after the reactor was looked at.
            tokio::task::yield_now().await;
            continue;
        }
        // One that goes off too early is looked at then; setting it for every word costs more.
        if until < alarm_at || alarm.is_elapsed() {
            alarm.set(tokio::time::sleep(Duration::from_millis(sleep_ms)));
            alarm_at = until;
        }
        tokio::select! {
            () = woken.notified() => {}
            _drain = draining.changed(), if drain.is_none() => {}
            () = alarm.as_mut() => {}
            Some(request) = poll_fn(|context| engine.borrow_mut().inboxes.requests.poll_recv(context)), if takes_requests => {
                came = Some(Came::Request(request));
            }
            Some(word) = poll_fn(|context| engine.borrow_mut().inboxes.peers.poll_recv(context)), if takes_peers => {
                came = Some(Came::Peer(word));
            }
        }
    }
}

impl Engine {
    /// Wakes the runner if there is something to do before it would look by itself.
    pub(super) fn wake_runner(&mut self) {
        let Some(until) = self.runner.sleeps_until else { return };
        let is_due = self.wheel.next_ms().is_some_and(|next| next < until.0)
            || self.shard.wakes_at().is_some_and(|at| at < until);
        // The last: words that another shard had no room for must be offered again soon.
        if is_due || self.shard.has_work() || !self.shard.accepts_requests() {
            self.runner.sleeps_until = None;
            self.runner.woken.notify_one();
        }
    }

    /// When the runner must look again at the latest; now if there is work.
    fn next_turn(&self, stalls_at: Monotonic, is_draining: bool) -> Monotonic {
        if self.shard.has_work() {
            return self.now;
        }
        let timer = self.wheel.next_ms().map_or(stalls_at, |next| stalls_at.min(Monotonic(next)));
        let timer = self.shard.wakes_at().map_or(timer, |at| timer.min(at));
        if is_draining || !self.shard.accepts_requests() { timer.min(self.now.plus(SOON_MS)) } else { timer }
    }

    fn take_words(&mut self) {
        self.shard.retry();
        for _ in 0..WORDS_PER_TURN {
            let Some(word) = self.shard.accepts_peer_words().then(|| self.inboxes.peers.try_recv().ok()).flatten()
            else {
                break;
            };
            self.take_peer_word(word);
        }
        for _ in 0..WORDS_PER_TURN {
            let Some(request) = self.shard.accepts_requests().then(|| self.inboxes.requests.try_recv().ok()).flatten()
            else {
                break;
            };
            self.take_request(request);
        }
    }

    /// A request of an operation on this thread: behind all that waits in the inbox, or given back.
    fn take_at_once(&mut self, hub: &Hub, shard: ShardIndex, request: Request) -> Option<Request> {
        if self.runner.at_once == 0 || self.inboxes.requests.is_closed() || !self.shard.is_at(hub, shard) {
            return Some(request);
        }
        self.runner.at_once -= 1;
        self.tick();
        self.take_words();
        let takes = self.shard.accepts_requests() && self.inboxes.requests.is_empty();
        let given_back = if takes {
            self.take_request(request);
            None
        } else {
            Some(request)
        };
        self.wake_runner();
        given_back
    }

    fn take_request(&mut self, request: Request) {
        self.hub_turn(|engine| {
            let (shard, mut sockets) = engine.split();
            shard.request(request, &mut sockets);
        });
    }

    fn take_peer_word(&mut self, word: PeerWord) {
        self.hub_turn(|engine| {
            let (shard, mut sockets) = engine.split();
            shard.peer_word(word, &mut sockets);
        });
    }

    /// One chunk of the passes.
    fn pass(&mut self) {
        if self.shard.has_work() {
            self.hub_turn(|engine| {
                let (shard, mut sockets) = engine.split();
                shard.pass(&mut sockets);
            });
        }
    }

    /// Does what the hub has to do at this time.
    fn wake_hub(&mut self) {
        if self.shard.wakes_at().is_some_and(|at| at <= self.now) {
            self.hub_turn(|engine| {
                let (shard, mut sockets) = engine.split();
                shard.wake(&mut sockets);
            });
        }
    }

    fn end_stalled(&mut self) {
        let stall_ms = self.limits.write_stall_ms;
        self.hub_turn(|engine| {
            let (shard, mut sockets) = engine.split();
            shard.end_stalled(stall_ms, &mut sockets);
        });
    }

    /// Calls the hub and does what follows. A panic there is a defect that no connection is guilty of; the shard goes on.
    fn hub_turn(&mut self, act: impl FnOnce(&mut Self)) {
        let done = contain(|| {
            act(self);
            self.work_off();
        });
        if let Err(Panicked(message)) = done {
            self.counters.panics.one();
            tracing::error!(panic = message, "the hub panicked on one word; it was dropped");
        }
    }

    fn begin_drain(&mut self) -> Drain {
        self.is_draining = true;
        self.shard.end_waits();
        let to_close = self.table.keys();
        tracing::info!(connections = to_close.len(), "a shard begins to drain");
        Drain { began: self.now, at_start: to_close.len(), to_close }
    }

    /// Tells those whose time has come; true when nothing is left, or the deadline has passed.
    fn drain(&mut self, drain: &mut Drain, node: &Admission) -> bool {
        let elapsed_ms = self.now.since(drain.began);
        if elapsed_ms >= self.limits.drain_deadline_ms {
            tracing::warn!(connections = self.table.len(), "the drain's deadline has passed; what is left is dropped");
            return true;
        }
        let told_by_now = self.closes_due(drain.at_start, elapsed_ms);
        while drain.to_close.len() > drain.at_start - told_by_now {
            let Some(key) = drain.to_close.pop() else { break };
            self.work.push_back((key, Work::Close(CloseReason::Draining)));
        }
        self.hub_turn(|_| {});
        // All shards end together: until then, any of them may be the home of another's channel.
        node.connections() == 0
    }

    /// How many of `connections` should have been told `elapsed_ms` after the drain began.
    fn closes_due(&self, connections: usize, elapsed_ms: u64) -> usize {
        let per_second_min = u64::from(self.limits.drain_closes_per_second_min);
        let spread_ms = self.limits.drain_spread_ms.max(1);
        let evenly = connections as u64 * elapsed_ms / spread_ms;
        let at_least = per_second_min * (elapsed_ms + SOON_MS) / 1_000;
        usize::try_from(evenly.max(at_least)).unwrap_or(usize::MAX).min(connections)
    }
}

#[cfg(test)]
mod tests;
