//! The simulated world: a real node over the store in memory, its shards driven by hand, and clients at the ends of the outlets.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, UnixMillis};
use tollgate_core::command::{Command, PresentedSecret, Reply};
use tollgate_core::credentials::{MasterKey, TokenSpelling};
use tollgate_core::error::Result;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_node::{
    ConnectionKey, FormatIndex, NewChannel, NewToken, Node, NodeParts, SessionRequest, ShardParts, TokenUpdate,
    WireFormat,
};

use super::clients::{News, SimClient};
use super::outside::{
    Lines, Rng, SimClock, SimEntropy, SimOutlet, answered, bring, carry_out, let_go_if_closed, number_of, told_end,
};

type SimShard = (Rc<RefCell<ShardParts>>, Rc<RefCell<SimOutlet>>);
type Task = Pin<Box<dyn Future<Output = ()>>>;

pub(crate) struct World {
    pub(crate) node: Arc<Node>,
    pub(crate) key: Caller,
    clock: Arc<SimClock>,
    project: ProjectId,
    tokens: Vec<String>,
    /// How often the token of each place was replaced.
    generations: Vec<u32>,
    shards: Vec<SimShard>,
    clients: Rc<RefCell<Vec<SimClient>>>,
    tasks: Vec<Task>,
    next_slot: u32,
    numbers: HashMap<String, u64>,
    state_numbers: u64,
    devices: u64,
}

impl World {
    pub(crate) fn new(shards: usize, channels: &[&str]) -> Self {
        let entropy = Arc::new(SimEntropy(AtomicU64::new(7)));
        let clock = Arc::new(SimClock::default());
        let parts = NodeParts {
            store: Arc::new(MemoryStore::default()),
            master_key: MasterKey::generate(entropy.as_ref()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy,
            hook: Arc::new(NoHook),
            outbound: Arc::new(NoOutbound),
            formats: vec![WireFormat {
                name: "lines",
                encoder: Arc::new(Lines),
                frame: |payload, out| out.extend(payload.iter().chain(b"\n")),
                frame_bytes: |bytes| bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1),
            }],
            shards,
        };
        let (node, parts) = block_on(tollgate_node::start(parts)).unwrap();
        let (project, secret) = block_on(node.create_project(&Caller::Operator, "simulated")).unwrap();
        let key = node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap();
        let clients = Rc::<RefCell<Vec<SimClient>>>::default();
        let shards = parts.into_iter().enumerate().map(|(shard, parts)| {
            let clock = Arc::clone(&clock);
            let outlet = SimOutlet { clients: Rc::clone(&clients), shard, clock, ..SimOutlet::default() };
            (Rc::new(RefCell::new(parts)), Rc::new(RefCell::new(outlet)))
        });
        let shards = shards.collect();
        let project = project.id;
        let mut world = Self {
            node,
            key,
            clock: Arc::clone(&clock),
            project,
            tokens: Vec::new(),
            generations: vec![0; 4],
            shards,
            clients,
            tasks: Vec::new(),
            next_slot: 0,
            numbers: HashMap::new(),
            state_numbers: 0,
            devices: 0,
        };
        for channel in channels {
            block_on(world.node.create_channel(&key, new_channel(channel))).unwrap();
        }
        for at in 0..4 {
            let token = world.new_token(at);
            world.tokens.push(token);
        }
        world
    }

    /// A token for this place. Those of the first two places are one user's.
    fn new_token(&mut self, at: usize) -> String {
        if at >= 2 {
            let token = block_on(self.node.create_token(&self.key, NewToken::default())).unwrap();
            return token.secret.expose(TokenSpelling::Leap).to_string();
        }
        self.devices += 1;
        let device_id = Some(format!("device-{}", self.devices));
        let request = SessionRequest { user_id: "user".into(), device_id, ..SessionRequest::default() };
        let session = block_on(self.node.create_session(&self.key, request)).unwrap();
        session.refresh_token.expose(TokenSpelling::Leap).to_string()
    }

    fn population(&self) -> usize {
        self.clients.borrow().len()
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        block_on(future)
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = Result<()>> + 'static) {
        // Refusals (deleted meanwhile, not subscribed) are part of life here.
        self.tasks.push(Box::pin(async move { drop(task.await) }));
    }

    pub(crate) fn next_data(&mut self, channel: &str) -> JsonValue {
        let number = self.numbers.entry(channel.into()).or_default();
        *number += 1;
        JsonValue::parse(number.to_string().as_bytes(), 100).unwrap()
    }

    pub(crate) fn next_state(&mut self, _channel: &str) -> JsonObject {
        self.state_numbers += 1;
        JsonObject::parse(format!("{{\"n\":{}}}", self.state_numbers).as_bytes(), 100).unwrap()
    }

    pub(crate) fn any_token(&self, rng: &mut Rng) -> PresentedSecret {
        PresentedSecret::new(self.tokens[rng.below(self.tokens.len())].clone())
    }

    pub(crate) fn token_at(&self, at: usize) -> PresentedSecret {
        PresentedSecret::new(self.tokens[at].clone())
    }

    /// How many messages were published into a channel.
    pub(crate) fn published(&self, channel: &str) -> u64 {
        self.numbers.get(channel).copied().unwrap_or(0)
    }

    /// Runs an operation to its end while everything goes on.
    pub(crate) fn block_on_turning<F: Future<Output = Result<()>> + 'static>(
        &mut self,
        rng: &mut Rng,
        operation: impl FnOnce(Arc<Node>, Caller) -> F,
    ) {
        let work = operation(Arc::clone(&self.node), self.key);
        self.spawn(async move {
            work.await.unwrap();
            Ok(())
        });
        self.come_to_rest(rng);
    }

    pub(crate) fn token_of_client(&self, client: usize) -> PresentedSecret {
        PresentedSecret::new(self.tokens[self.clients.borrow()[client].token.unwrap()].clone())
    }

    pub(crate) fn heard_by_client(&self, client: usize) -> Vec<String> {
        self.clients.borrow()[client].heard.clone()
    }

    /// What a client was last told that a channel allows.
    pub(crate) fn capabilities_by_client(&self, client: usize, channel: &str) -> Option<Capabilities> {
        let clients = self.clients.borrow();
        let told = clients[client].intervals.iter().rev().find(|interval| interval.channel == channel);
        told.map(|interval| interval.snapshot_capabilities)
    }

    /// Opens a connection and identifies it.
    pub(crate) fn open(&mut self, with_token: bool, rng: &mut Rng) {
        let token = with_token.then(|| rng.below(self.tokens.len()));
        self.open_as(token, rng);
    }

    /// Opens a connection with the token of this place.
    pub(crate) fn open_with(&mut self, token: usize, rng: &mut Rng) {
        self.open_as(Some(token), rng);
    }

    fn open_as(&mut self, token: Option<usize>, rng: &mut Rng) {
        let shard = rng.below(self.shards.len());
        let connection = ConnectionKey { slot: self.next_slot, generation: 1 };
        self.next_slot += 1;
        let generation = token.map_or(0, |token| self.generations[token]);
        self.clients.borrow_mut().push(SimClient::new(shard, connection, token, generation));
        self.shards[shard].0.borrow_mut().shard.open(connection, FormatIndex(0));
        let token = token.map(|token| PresentedSecret::new(self.tokens[token].clone()));
        self.perform(shard, connection, Command::Connect { project: self.project.to_string(), token, resume: None });
    }

    /// A connected client asks for something.
    pub(crate) fn command(&mut self, rng: &mut Rng, command: Command) {
        let asks = |client: &SimClient| client.connected && !client.gone && !client.closing;
        let connected: Vec<_> = (0..self.population()).filter(|client| asks(&self.clients.borrow()[*client])).collect();
        if let Some(client) = connected.get(rng.below(connected.len().max(1))) {
            self.ask(*client, command);
        }
    }

    /// This client asks for something.
    pub(crate) fn ask(&mut self, client: usize, command: Command) {
        let (shard, connection) = {
            let client = &self.clients.borrow()[client];
            (client.shard, client.connection)
        };
        self.perform(shard, connection, command);
    }

    fn perform(&mut self, shard: usize, connection: ConnectionKey, command: Command) {
        let (parts, outlet) = self.shards[shard].clone();
        let node = Arc::clone(&self.node);
        let leaves = if let Command::Unsubscribe { channel } = &command { Some(channel.clone()) } else { None };
        parts.borrow_mut().shard.set_now(self.clock.monotonic());
        let clock = Arc::clone(&self.clock);
        let Some(client) = parts.borrow_mut().shard.prepare(connection, &command, &mut *outlet.borrow_mut()) else {
            return;
        };
        if let Some(channel) = leaves {
            bring(&mut parts.borrow_mut(), &mut outlet.borrow_mut(), connection, News::Left(channel));
        }
        carry_out(&mut parts.borrow_mut(), &mut outlet.borrow_mut());
        // If it is renewed, the connection is the other token's from then on.
        let renewed = if let Command::Renew { token } = &command {
            let at = self.tokens.iter().position(|one| one == token.expose()).unwrap();
            let generation = self.generations[at];
            Some(move |outlet: &mut SimOutlet| {
                let mut clients = outlet.clients.borrow_mut();
                let is_meant = |client: &&mut SimClient| client.shard == shard && client.connection == connection;
                let client = clients.iter_mut().find(is_meant).unwrap();
                (client.token, client.token_generation) = (Some(at), generation);
            })
        } else {
            None
        };
        let work = async move {
            let outcome = node.perform(client, command).await;
            if let Ok(outcome) = outcome {
                parts.borrow_mut().shard.set_now(clock.monotonic());
                let reply = parts.borrow_mut().shard.settle(connection, outcome, &mut *outlet.borrow_mut());
                match reply {
                    Some(Reply::Connected(_)) => panic!("connected comes through the outlet"),
                    Some(Reply::Renewed(told)) => {
                        told_end(&outlet.borrow(), connection, told.token.expiry);
                        renewed.expect("only a renewal is answered so")(&mut outlet.borrow_mut());
                    }
                    Some(reply) => answered(&outlet.borrow(), connection, &reply),
                    None => {}
                }
                carry_out(&mut parts.borrow_mut(), &mut outlet.borrow_mut());
            }
        };
        let mut work: Task = Box::pin(work);
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.tasks.push(work);
        }
    }

    pub(crate) fn disconnect(&mut self, rng: &mut Rng) {
        let live: Vec<_> = (0..self.clients.borrow().len()).filter(|at| !self.clients.borrow()[*at].gone).collect();
        if !live.is_empty() {
            self.disconnect_client(live[rng.below(live.len())]);
        }
    }

    fn disconnect_client(&mut self, client: usize) {
        let (shard, connection) = {
            let mut clients = self.clients.borrow_mut();
            let client = &mut clients[client];
            client.gone = true;
            (client.shard, client.connection)
        };
        let (parts, outlet) = &self.shards[shard];
        parts.borrow_mut().shard.gone(connection, &mut *outlet.borrow_mut());
        carry_out(&mut parts.borrow_mut(), &mut outlet.borrow_mut());
    }

    pub(crate) fn delete_and_create_again(&mut self, channel: &str) {
        let (node, caller, new) = (self.node.clone(), self.key, new_channel(channel));
        self.spawn(async move {
            node.delete_channel(&caller, new.id.as_ref().unwrap()).await?;
            node.create_channel(&caller, new).await.map(drop)
        });
    }

    /// Deletes or revokes a token and puts a new one in its place. After the answer, nothing may reach the old one's connections.
    pub(crate) fn replace_a_token(&mut self, rng: &mut Rng) {
        let at = rng.below(self.tokens.len());
        let new = self.new_token(at);
        let old = std::mem::replace(&mut self.tokens[at], new);
        let (node, caller, clients) = (self.node.clone(), self.key, Rc::clone(&self.clients));
        let doomed = self.generations[at];
        self.generations[at] += 1;
        let revokes = rng.below(2) == 0;
        self.spawn(async move {
            let old = PresentedSecret::new(old);
            if revokes {
                let selector = tollgate_node::Selector::token(old);
                node.revoke(&caller, tollgate_node::RevokeRequest { selector, ..Default::default() }).await?;
            } else {
                node.delete_token(&caller, &old).await?;
            }
            let is_doomed = |client: &&mut SimClient| client.token == Some(at) && client.token_generation == doomed;
            for client in clients.borrow_mut().iter_mut().filter(is_doomed) {
                client.dead = true;
            }
            Ok(())
        });
    }

    /// Gives a token an end, moves it, or takes it away.
    pub(crate) fn move_an_end(&mut self, rng: &mut Rng) {
        let end = (rng.below(4) > 0).then(|| UnixMillis(self.clock.unix().0 + 1 + rng.below(1_000) as u64));
        let (node, caller, token) = (self.node.clone(), self.key, self.any_token(rng));
        let update = TokenUpdate { expires_at: Some(end), ..TokenUpdate::default() };
        self.spawn(async move { node.change_token(&caller, &token, update).await.map(drop) });
    }

    /// A connected client goes on with a secret: its own, or one that is refused.
    pub(crate) fn renew(&mut self, rng: &mut Rng) {
        let token = self.any_token(rng);
        self.command(rng, Command::Renew { token });
    }

    /// Time goes by. The timers of connections fire, or are late.
    pub(crate) fn pass_time(&mut self, rng: &mut Rng) {
        self.clock.pass(1 + rng.below(200) as u64);
        for at in 0..self.population() {
            let (shard, connection) = (self.clients.borrow()[at].shard, self.clients.borrow()[at].connection);
            if rng.below(2) == 0 {
                let (parts, outlet) = &self.shards[shard];
                parts.borrow_mut().shard.set_now(self.clock.monotonic());
                parts.borrow_mut().shard.expire(connection, &mut *outlet.borrow_mut());
                carry_out(&mut parts.borrow_mut(), &mut outlet.borrow_mut());
            }
        }
    }

    pub(crate) fn toggle_block(&mut self, rng: &mut Rng) {
        let count = self.clients.borrow().len();
        if count > 0 {
            let at = rng.below(count);
            let blocked = self.clients.borrow()[at].blocked;
            self.set_blocked(at, !blocked);
        }
    }

    fn set_blocked(&mut self, at: usize, blocked: bool) {
        let (shard, connection) = {
            let client = &mut self.clients.borrow_mut()[at];
            client.blocked = blocked;
            (client.shard, client.connection)
        };
        let (parts, outlet) = &self.shards[shard];
        let mut parts = parts.borrow_mut();
        parts.shard.set_now(self.clock.monotonic());
        // As readiness does, until the socket says no more or all is written.
        for _ in 0..1_000 {
            if !parts.shard.is_flushed(connection) && !blocked {
                parts.shard.writable(connection, &mut *outlet.borrow_mut());
                let_go_if_closed(&mut parts, &mut outlet.borrow_mut(), connection);
                carry_out(&mut parts, &mut outlet.borrow_mut());
            }
        }
    }

    /// One random turn: a task is polled, or a shard does a little.
    pub(crate) fn turn(&mut self, rng: &mut Rng) {
        if !self.tasks.is_empty() && rng.below(2) == 0 {
            let at = rng.below(self.tasks.len());
            if self.tasks[at].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                drop(self.tasks.swap_remove(at));
            }
            return;
        }
        let (parts, outlet) = &self.shards[rng.below(self.shards.len())];
        let mut parts = parts.borrow_mut();
        let ShardParts { shard, requests, peers, .. } = &mut *parts;
        shard.set_now(self.clock.monotonic());
        shard.retry();
        match rng.below(3) {
            0 => {
                if let Ok(word) = peers.try_recv() {
                    shard.peer_word(word, &mut *outlet.borrow_mut());
                }
            }
            1 if shard.accepts_requests() => {
                if let Ok(request) = requests.try_recv() {
                    shard.request(request, &mut *outlet.borrow_mut());
                }
            }
            _ => shard.pass(&mut *outlet.borrow_mut()),
        }
        carry_out(&mut parts, &mut outlet.borrow_mut());
    }

    /// Goes on until a client has heard so many lines that begin so.
    pub(crate) fn run_until_heard(&mut self, client: usize, (line, count): (&str, usize), rng: &mut Rng) {
        for _ in 0..10_000 {
            if self.heard_by_client(client).iter().filter(|heard| heard.starts_with(line)).count() >= count {
                return;
            }
            self.turn(rng);
            self.set_blocked(client, false);
        }
        panic!("{line:?} was not heard: {:?}", self.heard_by_client(client));
    }

    /// Runs until an operation is answered, and no further.
    pub(crate) fn run_until_answered(&mut self, rng: &mut Rng, work: impl Future<Output = Result<()>> + 'static) {
        let answered = Rc::new(Cell::new(false));
        let answer = Rc::clone(&answered);
        self.spawn(async move {
            work.await.unwrap();
            answer.set(true);
            Ok(())
        });
        while !answered.get() {
            self.turn(rng);
        }
    }

    pub(crate) fn run_a_while(&mut self, rng: &mut Rng) {
        (0..50).for_each(|_| self.turn(rng));
    }

    /// Until nothing moves: all operations answered, all inboxes and passes empty, all sockets open.
    pub(crate) fn come_to_rest(&mut self, rng: &mut Rng) {
        for at in 0..self.population() {
            self.set_blocked(at, false);
        }
        for _ in 0..200_000 {
            self.turn(rng);
            let idle = |parts: &ShardParts| {
                parts.requests.is_empty()
                    && parts.peers.is_empty()
                    && !parts.shard.has_work()
                    && parts.shard.accepts_requests()
            };
            if self.tasks.is_empty() && self.shards.iter().all(|(parts, _)| idle(&parts.borrow())) {
                for at in 0..self.population() {
                    self.set_blocked(at, false);
                }
                return;
            }
        }
        panic!("the world did not come to rest: {} tasks", self.tasks.len());
    }

    /// What every client heard of each channel, in one order, without holes.
    pub(crate) fn check_at_rest(&self) {
        let clients = self.clients.borrow();
        let mut orders: HashMap<(&str, bool), Vec<&[u64]>> = HashMap::new();
        for interval in clients.iter().flat_map(|client| &client.intervals) {
            orders.entry((&interval.channel, true)).or_default().push(&interval.messages);
            orders.entry((&interval.channel, false)).or_default().push(&interval.states);
        }
        for ((channel, messages), heard) in orders {
            check_one_order(channel, messages, &heard);
        }
        for interval in clients
            .iter()
            .filter(|client| !client.gone)
            .flat_map(|client| &client.intervals)
            .filter(|interval| interval.open)
        {
            let (state, version) =
                self.node.channel_state(&self.key, &ChannelId::new(&interval.channel).unwrap()).unwrap();
            let last = interval.states.last().copied().unwrap_or_else(|| number_of(&interval.snapshot_state));
            assert_eq!(last, number_of(state.as_str()), "{interval:?} ends on the final state (version {version})");
            assert_eq!(
                interval.snapshot_version + interval.states.len() as u64,
                version,
                "every change was heard once: {interval:?}"
            );
        }
    }

    pub(crate) fn everybody_leaves(&mut self, rng: &mut Rng) {
        for at in 0..self.population() {
            if !self.clients.borrow()[at].gone {
                self.disconnect_client(at);
            }
        }
        self.come_to_rest(rng);
    }

    pub(crate) fn check_empty(&self) {
        for (parts, _) in &self.shards {
            assert_eq!(parts.borrow().shard.waiting(), tollgate_node::hub::Waiting::default());
        }
        for channel in self.node.channels(&self.key, tollgate_node::Page::ALL).unwrap().entries {
            assert_eq!(self.node.online_count(&self.key, &channel.id).unwrap(), 0);
        }
        assert!(
            self.node.tokens(&self.key, tollgate_node::Page::ALL).unwrap().entries.iter().all(|token| !token.is_online)
        );
    }
}

/// All that clients heard must be stretches of one sequence: whoever heard `a` and then `b` next agrees with all who heard both.
fn check_one_order(channel: &str, messages: bool, heard: &[&[u64]]) {
    let (mut next, mut previous) = (HashMap::new(), HashMap::new());
    for stretch in heard {
        for pair in stretch.windows(2) {
            assert_eq!(
                *next.entry(pair[0]).or_insert(pair[1]),
                pair[1],
                "after {} in {channel} (messages: {messages}): {heard:?}",
                pair[0]
            );
            assert_eq!(
                *previous.entry(pair[1]).or_insert(pair[0]),
                pair[0],
                "before {} in {channel} (messages: {messages}): {heard:?}",
                pair[1]
            );
        }
        let mut sorted = stretch.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), stretch.len(), "nothing twice in {channel}: {stretch:?}");
    }
}

pub(crate) fn new_channel(id: &str) -> NewChannel {
    let kind = if id.starts_with("private") {
        ChannelType::Private
    } else if id.starts_with("public") {
        ChannelType::Public
    } else {
        ChannelType::Unprotected
    };
    let capabilities = Capabilities::from_bits(2 | 4).unwrap();
    NewChannel {
        id: Some(ChannelId::new(id).unwrap()),
        kind,
        state: JsonObject::empty(),
        capabilities,
        settings: ChannelSettings::default(),
    }
}

/// Polls to the end; for what needs no shard.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it waits for a shard")
}
