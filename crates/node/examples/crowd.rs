//! What a channel with a crowd of members costs: coming, asking who is there, hearing a message, going. A measurement, no test; in one process, no sockets.
//!
//! `cargo run --release -p tollgate-node --example crowd [MEMBERS]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::{Command, Connected, MembersQuery, Notice, Renewed, Reply, SubscribeWish};
use tollgate_core::credentials::MasterKey;
use tollgate_core::delivery::{Delivery, Encoder};
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::MEMBERS_PAGE_MAX;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_node::{
    ConnectionKey, FormatIndex, NewChannel, Node, NodeParts, Outlet, ShardParts, WireFormat, Written, start,
};

/// A clock that the measurement moves: gathering takes no real time.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }
    fn unix(&self) -> UnixMillis {
        UnixMillis(1_800_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 56) as u8;
        }
    }
}

/// Writes a byte for every delivery, of presence two.
#[derive(Debug)]
struct Byte;

impl Encoder for Byte {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(if matches!(delivery, Delivery::Presence { .. }) { b"pp" } else { b"m" });
        true
    }
}

/// Counts what it is given.
#[derive(Default)]
struct Counter {
    writes: u64,
    bytes: u64,
}

impl Outlet for Counter {
    fn write(&mut self, _: ConnectionKey, bytes: &[u8]) -> Written {
        self.writes += 1;
        self.bytes += bytes.len() as u64;
        Written::All
    }
    fn send_after(&mut self, connection: ConnectionKey, bytes: Bytes) {
        self.write(connection, &bytes);
    }
    fn now(&self) -> Monotonic {
        Monotonic(0)
    }
    fn notify(&mut self, _: ConnectionKey, _: Notice) {}
    fn connected(&mut self, _: ConnectionKey, _: Connected) {}
    fn renewed(&mut self, _: ConnectionKey, _: Box<Renewed>) {}
    fn close(&mut self, _: ConnectionKey, _: CloseReason) {}
}

struct Crowd {
    node: Arc<Node>,
    clock: Arc<Hand>,
    shard: ShardParts,
    outlet: Counter,
    project: ProjectId,
}

impl Crowd {
    fn turn(&mut self) {
        self.shard.shard.set_now(self.clock.monotonic());
        while let Ok(request) = self.shard.requests.try_recv() {
            self.shard.shard.request(request, &mut self.outlet);
        }
        while let Ok(word) = self.shard.peers.try_recv() {
            self.shard.shard.peer_word(word, &mut self.outlet);
        }
    }

    fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        loop {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            self.turn();
            if let Poll::Ready(value) = polled {
                return value;
            }
        }
    }

    fn command(&mut self, connection: ConnectionKey, command: Command) -> Option<Reply> {
        let client = self.shard.shard.prepare(connection, &command, &mut self.outlet).unwrap();
        let node = Arc::clone(&self.node);
        let outcome = self.run(node.perform(client, command)).unwrap();
        self.shard.shard.settle(connection, outcome, &mut self.outlet)
    }

    fn come(&mut self, slot: u32) {
        let connection = key(slot);
        self.shard.shard.open(connection, FormatIndex(0));
        let project = self.project.to_string();
        self.command(connection, Command::Connect { project, token: None, resume: Some(Box::default()) });
        let wish = Some(Box::new(SubscribeWish { from: None, watches: true, data: None }));
        self.command(connection, Command::Subscribe { channel: "stadium".into(), wish });
    }

    /// Tells all that is due, and passes it on to everybody.
    fn tell(&mut self, after_ms: u64) {
        self.clock.0.fetch_add(after_ms, Ordering::Relaxed);
        self.turn();
        self.shard.shard.wake(&mut self.outlet);
        while self.shard.shard.has_work() {
            self.shard.shard.pass(&mut self.outlet);
        }
        self.turn();
    }

    fn ask(&mut self, query: MembersQuery) -> u64 {
        match self.command(key(0), Command::Members { channel: "stadium".into(), query }) {
            Some(Reply::Members(page)) => page.count,
            other => panic!("no members: {other:?}"),
        }
    }
}

fn key(slot: u32) -> ConnectionKey {
    ConnectionKey { slot, generation: 1 }
}

/// The time of one of so many, in microseconds.
fn each(began: Instant, count: u32) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

fn main() {
    let members: u32 = std::env::args().nth(1).map_or(100_000, |text| text.parse().unwrap());
    let clock = Arc::new(Hand::default());
    let entropy: Arc<dyn Entropy> = Arc::new(Counting(AtomicU64::new(1)));
    let parts = NodeParts {
        store: Arc::new(MemoryStore::default()),
        master_key: MasterKey::generate(entropy.as_ref()),
        clock: clock.clone(),
        entropy,
        hook: Arc::new(NoHook),
        outbound: Arc::new(NoOutbound),
        formats: vec![WireFormat {
            name: "byte",
            encoder: Arc::new(Byte),
            frame: |payload, out| out.extend(payload),
            frame_bytes: <[u8]>::len,
        }],
        shards: 1,
    };
    let (node, mut shards) = tollgate_core::ports::conformance::block_on(start(parts)).unwrap();
    let project = tollgate_core::ports::conformance::block_on(node.create_project(&Caller::Operator, "measured"));
    let project = project.unwrap().0.id;
    let mut crowd = Crowd { node, clock, shard: shards.remove(0), outlet: Counter::default(), project };
    let (node, caller) = (Arc::clone(&crowd.node), Caller::ProjectOperator { project });
    let channel = NewChannel {
        id: Some(ChannelId::new("stadium").unwrap()),
        kind: ChannelType::Unprotected,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings: ChannelSettings { presence: true, ..ChannelSettings::default() },
    };
    crowd.run(node.create_channel(&caller, channel)).unwrap();

    println!("| members | coming, each | told, each | page of {MEMBERS_PAGE_MAX} | count | sample of 100 |");
    println!("|---|---|---|---|---|---|");
    let mut here = 0;
    for target in [members / 100, members / 10, members] {
        let (began, coming) = (Instant::now(), target - here);
        while here < target {
            crowd.come(here);
            here += 1;
        }
        let coming_us = each(began, coming);
        let (began, before) = (Instant::now(), crowd.outlet.writes);
        crowd.tell(60_000);
        let (told_us, told) = (each(began, target), crowd.outlet.writes - before);
        assert!(told >= u64::from(target), "{told} of {target} were told");
        let query = |limit, sample| MembersQuery { after: None, limit, sample };
        let mut times = [0.0; 3];
        for (time, query) in times.iter_mut().zip([query(MEMBERS_PAGE_MAX, false), query(0, false), query(100, true)]) {
            let began = Instant::now();
            for _ in 0..20 {
                assert_eq!(crowd.ask(query.clone()), u64::from(target));
            }
            *time = each(began, 20);
        }
        let [page, count, sample] = times;
        println!("| {target} | {coming_us:.1} µs | {told_us:.2} µs | {page:.0} µs | {count:.1} µs | {sample:.0} µs |");
    }
    let began = Instant::now();
    for slot in 1..here {
        crowd.shard.shard.gone(key(slot), &mut crowd.outlet);
    }
    crowd.tell(600_000);
    println!(
        "going: {:.1} µs each; {} is left",
        each(began, here - 1),
        crowd.ask(MembersQuery { after: None, limit: 0, sample: false })
    );
}
