//! The world: a real node over the store in memory, its shards driven by hand, devices, and their connections.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::Clock;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{MasterKey, TokenSpelling};
use tollgate_core::error::Result;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType, HistorySettings};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_node::{ConnectionKey, NewChannel, NewToken, Node, NodeParts, PeerWord, SessionRequest, ShardParts};

use super::super::outside::{Rng, SimClock, SimEntropy};
use super::client::Conn;
use super::device::Device;
use super::planted::{self, Plant};
use super::truth::Truth;
use super::wire::{SimOutlet, carry_out, formats, let_go_if_closed};
use super::{CHANNELS, Coverage};

pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// How many places for tokens there are; those of the first two are one user's.
pub(super) const TOKENS: usize = 5;

pub(super) struct SimShard {
    pub(super) parts: Rc<RefCell<ShardParts>>,
    pub(super) outlet: Rc<RefCell<SimOutlet>>,
    /// A word that a planted bug holds back.
    held: Option<PeerWord>,
}

pub(super) struct World {
    pub(super) node: Arc<Node>,
    pub(super) key: Caller,
    pub(super) clock: Arc<SimClock>,
    pub(super) project: ProjectId,
    pub(super) tokens: Vec<String>,
    /// How often the token of each place was replaced.
    pub(super) generations: Vec<u32>,
    pub(super) shards: Vec<SimShard>,
    pub(super) conns: Rc<RefCell<Vec<Conn>>>,
    pub(super) devices: Rc<RefCell<Vec<Device>>>,
    pub(super) truth: Rc<RefCell<Truth>>,
    pub(super) duplicates: Rc<Cell<u64>>,
    pub(super) tasks: Vec<Task>,
    pub(super) plant: Plant,
    chance: Rc<Cell<u64>>,
    numbers: u64,
    made: u64,
}

impl World {
    pub(super) fn new(shards: usize, plant: Plant) -> Self {
        let entropy = Arc::new(SimEntropy(AtomicU64::new(7)));
        let clock = Arc::new(SimClock::default());
        let parts = NodeParts {
            store: Arc::new(MemoryStore::default()),
            master_key: MasterKey::generate(entropy.as_ref()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy,
            hook: Arc::new(NoHook),
            outbound: Arc::new(NoOutbound),
            formats: formats(),
            shards,
        };
        let (node, parts) = block_on(tollgate_node::start(parts)).unwrap();
        let (project, secret) = block_on(node.create_project(&Caller::Operator, "simulated")).unwrap();
        let key = node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap();
        let (conns, chance) = (Rc::<RefCell<Vec<Conn>>>::default(), Rc::<Cell<u64>>::default());
        let shards = parts.into_iter().map(|parts| SimShard {
            parts: Rc::new(RefCell::new(parts)),
            outlet: Rc::new(RefCell::new(SimOutlet::new(conns.clone(), clock.clone(), plant, chance.clone()))),
            held: None,
        });
        let mut world = Self {
            node,
            key,
            project: project.id,
            tokens: Vec::new(),
            generations: vec![0; TOKENS],
            shards: shards.collect(),
            clock: Arc::clone(&clock),
            conns,
            devices: Rc::default(),
            truth: Rc::default(),
            duplicates: Rc::default(),
            tasks: Vec::new(),
            plant,
            chance,
            numbers: 0,
            made: 0,
        };
        for channel in CHANNELS {
            let new = new_channel(channel);
            world.truth.borrow_mut().promise(channel, &new.settings);
            block_on(world.node.create_channel(&key, new)).unwrap();
        }
        for at in 0..TOKENS {
            let token = world.new_token(at);
            world.tokens.push(token);
        }
        world
    }

    /// A token for this place.
    pub(super) fn new_token(&mut self, at: usize) -> String {
        if at >= 2 {
            let token = block_on(self.node.create_token(&self.key, NewToken::default())).unwrap();
            return token.secret.expose(TokenSpelling::Leap).to_string();
        }
        self.made += 1;
        let device_id = Some(format!("device-{}", self.made));
        let request = SessionRequest { user_id: "user".into(), device_id, ..SessionRequest::default() };
        let session = block_on(self.node.create_session(&self.key, request)).unwrap();
        session.refresh_token.expose(TokenSpelling::Leap).to_string()
    }

    pub(super) fn spawn(&mut self, task: impl Future<Output = Result<()>> + 'static) {
        // Refusals (deleted meanwhile, not subscribed) are part of life here.
        self.tasks.push(Box::pin(async move { drop(task.await) }));
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn data(number: u64) -> JsonValue {
        JsonValue::parse(number.to_string().as_bytes(), 100).unwrap()
    }

    pub(super) fn state(&mut self) -> JsonObject {
        let number = self.next_number();
        JsonObject::parse(format!("{{\"n\":{number}}}").as_bytes(), 100).unwrap()
    }

    pub(super) fn any_token(&self, rng: &mut Rng) -> PresentedSecret {
        PresentedSecret::new(self.tokens[rng.below(TOKENS)].clone())
    }

    fn one_in_four(&self) -> bool {
        let next = self.chance.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.chance.set(next);
        (next >> 33).is_multiple_of(4)
    }

    /// Works on a shard, and carries out what its outlet was told.
    pub(super) fn on<T>(&mut self, shard: usize, work: impl FnOnce(&mut ShardParts, &mut SimOutlet) -> T) -> T {
        let SimShard { parts, outlet, .. } = &self.shards[shard];
        let (mut parts, mut outlet) = (parts.borrow_mut(), outlet.borrow_mut());
        parts.shard.set_now(self.clock.monotonic());
        let done = work(&mut parts, &mut outlet);
        carry_out(&mut parts, &mut outlet);
        done
    }

    /// One random turn: a task is polled, or a shard does a little.
    pub(super) fn turn(&mut self, rng: &mut Rng) {
        if !self.tasks.is_empty() && rng.below(2) == 0 {
            let at = rng.below(self.tasks.len());
            if self.tasks[at].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                drop(self.tasks.swap_remove(at));
            }
            return;
        }
        let shard = rng.below(self.shards.len());
        match rng.below(4) {
            0 => self.hear_peer(shard),
            1 => self.hear_request(shard),
            2 => self.wake(shard),
            _ => {
                self.on(shard, |parts, outlet| {
                    parts.shard.retry();
                    parts.shard.pass(outlet);
                });
                let count = self.conns.borrow().len();
                if count > 0 {
                    self.is_ready(rng.below(count));
                }
            }
        }
    }

    /// A socket that took only a part takes more, unless it is blocked.
    fn is_ready(&mut self, at: usize) {
        let (shard, key, blocked) = {
            let conn = &self.conns.borrow()[at];
            (conn.shard, conn.key, conn.blocked)
        };
        for _ in 0..1_000 {
            let is_done = self.on(shard, |parts, outlet| {
                if blocked || parts.shard.is_flushed(key) {
                    return true;
                }
                parts.shard.writable(key, outlet);
                let_go_if_closed(parts, outlet, key);
                false
            });
            if is_done {
                break;
            }
        }
    }

    pub(super) fn all_are_ready(&mut self) {
        let count = self.conns.borrow().len();
        (0..count).for_each(|at| self.is_ready(at));
    }

    pub(super) fn hear_peer(&mut self, shard: usize) {
        let (plant, one_in_four) = (self.plant, self.one_in_four());
        let mut held = self.shards[shard].held.take();
        self.on(shard, |parts, outlet| {
            if let Ok(word) = parts.peers.try_recv() {
                for word in planted::word(plant, one_in_four, word, &mut held) {
                    parts.shard.peer_word(word, outlet);
                }
            } else if let Some(word) = held.take() {
                parts.shard.peer_word(word, outlet);
            }
        });
        self.shards[shard].held = held;
    }

    pub(super) fn hear_request(&mut self, shard: usize) {
        let (plant, one_in_four) = (self.plant, self.one_in_four());
        self.on(shard, |parts, outlet| {
            if parts.shard.accepts_requests()
                && let Ok(request) = parts.requests.try_recv()
                && let Some(request) = planted::request(plant, one_in_four, request)
            {
                parts.shard.request(request, outlet);
            }
        });
    }

    /// Does what is due on a shard.
    fn wake(&mut self, shard: usize) {
        if self.plant == Plant::NobodyWakesTheShard {
            return;
        }
        let now = self.clock.monotonic();
        self.on(shard, |parts, outlet| {
            if parts.shard.wakes_at().is_some_and(|at| at <= now) {
                parts.shard.wake(outlet);
                assert!(parts.shard.wakes_at().is_none_or(|at| at > now), "what was due is done");
            }
        });
    }

    pub(super) fn set_blocked(&mut self, at: usize, blocked: bool) {
        {
            let conn = &mut self.conns.borrow_mut()[at];
            conn.blocked = blocked;
            conn.was_blocked |= blocked;
        }
        self.is_ready(at);
    }

    /// Its TCP connection ends, for its shard.
    pub(super) fn cut(&mut self, at: usize, says_goodbye: bool) {
        let (shard, key) = {
            let conn = &mut self.conns.borrow_mut()[at];
            if conn.gone {
                return;
            }
            conn.gone = true;
            let device = &mut self.devices.borrow_mut()[conn.device];
            device.connection = device.connection.filter(|one| *one != at);
            (conn.shard, conn.key)
        };
        self.on(shard, |parts, outlet| {
            if says_goodbye {
                parts.shard.says_goodbye(key);
            }
            parts.shard.gone(key, outlet);
        });
    }

    /// Until nothing moves: all operations answered, all inboxes and passes empty, all sockets open, and nothing due.
    pub(super) fn come_to_rest(&mut self, rng: &mut Rng) {
        self.unblock_all();
        self.settle_down(rng);
        self.unblock_all();
    }

    /// The same, but sockets that are blocked stay so.
    pub(super) fn settle_down(&mut self, rng: &mut Rng) {
        for _ in 0..400_000 {
            self.turn(rng);
            let (now, plant) = (self.clock.monotonic(), self.plant);
            let idle = |shard: &SimShard| {
                let parts = shard.parts.borrow();
                parts.requests.is_empty()
                    && parts.peers.is_empty()
                    && shard.held.is_none()
                    && !parts.shard.has_work()
                    && parts.shard.accepts_requests()
                    && (plant == Plant::NobodyWakesTheShard || parts.shard.wakes_at().is_none_or(|at| at > now))
            };
            if self.tasks.is_empty() && self.shards.iter().all(idle) {
                return;
            }
        }
        panic!("the world did not come to rest: {} tasks", self.tasks.len());
    }

    fn unblock_all(&mut self) {
        let count = self.conns.borrow().len();
        (0..count).for_each(|at| self.set_blocked(at, false));
    }

    pub(super) fn key_of(slot: usize) -> ConnectionKey {
        ConnectionKey { slot: u32::try_from(slot).unwrap(), generation: 1 }
    }

    pub(super) fn cover(&self, coverage: &mut Coverage) {
        let counters = self.node.counters();
        assert_eq!(counters.history_gaps.get(), 0);
        coverage.resumes += counters.resumes.get();
        coverage.resumes_lost += counters.resumes_lost.get();
        coverage.history_reads += counters.history_reads.get();
        coverage.duplicates += self.duplicates.get();
        coverage.directs_moved += self.conns.borrow().iter().map(|conn| conn.directs_moved).sum::<u64>();
        coverage.directs_resumed += self.conns.borrow().iter().map(|conn| conn.directs_resumed).sum::<u64>();
        let views = self.conns.borrow().iter().map(|conn| conn.views.len() as u64).sum::<u64>();
        coverage.news_read += views;
        coverage.ends += self.truth.borrow().ends();
    }
}

/// A channel as its name says.
pub(super) fn new_channel(id: &str) -> NewChannel {
    let kind = match id.split('-').next() {
        Some("private") => ChannelType::Private,
        Some("public") => ChannelType::Public,
        _ => ChannelType::Unprotected,
    };
    let settings = ChannelSettings::default();
    let settings = match id {
        "public-stable" | "open-stable" => ChannelSettings { presence: true, ..settings },
        "open-fast-stable" => ChannelSettings { conflate_per_second: 10, ..settings },
        "public-durable-stable" => ChannelSettings {
            history: HistorySettings { size: 40, ttl_ms: 1_000_000, durable: true },
            retain: true,
            ..settings
        },
        _ => settings,
    };
    NewChannel {
        id: Some(ChannelId::new(id).unwrap()),
        kind,
        state: JsonObject::empty(),
        capabilities: Capabilities::from_bits(2 | 4).unwrap(),
        settings,
    }
}

/// Polls to the end; for what needs no shard.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it waits for a shard")
}
