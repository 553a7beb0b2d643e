//! What an operation asks of the shard on its own thread: done at once, and yet behind what waits.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, UnixMillis};
use tollgate_core::command::{Command, NewMessage, Published};
use tollgate_core::credentials::MasterKey;
use tollgate_core::delivery::{Delivery, Encoder};
use tollgate_core::histogram::Observed;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::{ErrorKind, Result};
use tollgate_node::{FormatIndex, NewChannel, Node, NodeParts, ShardParts, WireFormat};

use super::*;

const NOON: u64 = 1_795_000_000_000;

struct Noon;

impl Clock for Noon {
    fn monotonic(&self) -> Monotonic {
        Monotonic(1)
    }

    fn unix(&self) -> UnixMillis {
        UnixMillis(NOON)
    }
}

/// Goes as the runtime's clock does, which a test stops and sets.
struct Runtimes(tokio::time::Instant);

impl Clock for Runtimes {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.micros() / 1_000)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }

    fn unix(&self) -> UnixMillis {
        UnixMillis(NOON + self.monotonic().0)
    }
}

struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

/// Writes a message's event, and nothing else.
struct Events;

impl Encoder for Events {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        let Delivery::Message { publication, .. } = delivery else { return false };
        out.extend(publication.event.as_bytes());
        true
    }
}

/// Has no shard at hand: what this thread asks goes by the inbox, as another's does.
struct Nobody;

impl Resident for Nobody {
    fn take(&self, _: &Hub, _: ShardIndex, request: Request) -> Option<Request> {
        Some(request)
    }
}

type Publishing<'a> = Pin<Box<dyn Future<Output = Result<Published>> + 'a>>;

/// A node of so many shards with some channels, and the engine of the first, which this thread runs.
struct Bench {
    node: Arc<Node>,
    engine: Rc<RefCell<Engine>>,
    caller: Caller,
    /// Nobody runs these.
    others: Vec<ShardParts>,
}

impl Bench {
    fn new(shards: usize) -> Self {
        Self::with(shards, Arc::new(Noon))
    }

    fn with(shards: usize, clock: Arc<dyn Clock>) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(Counting(0.into()));
        let parts = NodeParts {
            store: Arc::new(MemoryStore::default()),
            master_key: MasterKey::generate(&*entropy),
            clock: Arc::clone(&clock),
            entropy,
            hook: Arc::new(NoHook),
            outbound: Arc::new(NoOutbound),
            formats: vec![WireFormat {
                name: "event",
                encoder: Arc::new(Events),
                frame: |payload, out| out.extend(payload),
                frame_bytes: <[u8]>::len,
            }],
            shards,
        };
        let (node, shards) = block_on(tollgate_node::start(parts)).unwrap();
        let (project, _key) = block_on(node.create_project(&Caller::Operator, "p")).unwrap();
        let caller = Caller::ProjectOperator { project: project.id };
        for channel in 0..8 {
            let new = NewChannel {
                id: Some(ChannelId::new(&format!("c{channel}")).unwrap()),
                kind: ChannelType::Unprotected,
                state: JsonObject::empty(),
                capabilities: Capabilities::default(),
                settings: ChannelSettings::default(),
            };
            block_on(node.create_channel(&caller, new)).unwrap();
        }
        let mut shards = shards.into_iter();
        let first = shards.next().unwrap();
        let inboxes = Inboxes { requests: first.requests, peers: first.peers };
        let (limits, counters) = (Arc::default(), Arc::default());
        let engine = Engine::new(first.shard, inboxes, Arc::clone(&node), clock, limits, counters);
        Self { node, engine, caller, others: shards.collect() }
    }

    /// How long passes took.
    fn passes(&self) -> Observed {
        self.engine.borrow().shard.gauges().passes.read()
    }

    fn reside(&self) {
        reside(Rc::new(Here(Rc::downgrade(&self.engine))));
    }

    /// A connection without a token (and without a socket) that is subscribed to this channel.
    fn subscriber(&self, channel: &str) {
        let key = ConnectionKey { slot: 0, generation: 1 };
        self.engine.borrow_mut().shard.open(key, FormatIndex(0));
        let Caller::ProjectOperator { project } = self.caller else { panic!("it is the project's") };
        for command in [
            Command::Connect { project: project.to_string(), token: None, resume: None },
            Command::Subscribe { channel: channel.to_owned(), wish: None },
        ] {
            let client = {
                let mut engine = self.engine.borrow_mut();
                let (shard, mut sockets) = engine.split();
                shard.prepare(key, &command, &mut sockets).unwrap()
            };
            let outcome = block_on(self.node.perform(client, command)).unwrap();
            let mut engine = self.engine.borrow_mut();
            let (shard, mut sockets) = engine.split();
            shard.settle(key, outcome, &mut sockets);
        }
    }

    fn publish(&self, channel: &str) -> Publishing<'_> {
        let message = NewMessage::new(channel, "e", JsonValue::null());
        Box::pin(async move { self.node.publish(&self.caller, message).await })
    }
}

/// The offset that it got, if it was answered.
fn offset(publishing: &mut Publishing<'_>) -> Option<u64> {
    match publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Published::At(position))) => Some(position.offset),
        Poll::Ready(other) => panic!("{other:?}"),
        Poll::Pending => None,
    }
}

#[test]
fn it_is_done_at_once_behind_what_waits_and_so_often_in_a_turn() {
    let bench = Bench::new(1);
    let mut first = bench.publish("c0");
    assert_eq!(offset(&mut first), None, "nobody runs the shard here yet");
    bench.reside();
    let mut refused = bench.publish("c0");
    assert_eq!(offset(&mut refused), None, "the shard has had no turn");
    bench.engine.borrow_mut().runner.at_once = 2;
    assert_eq!(offset(&mut bench.publish("c0")), Some(3));
    assert_eq!((offset(&mut first), offset(&mut refused)), (Some(1), Some(2)));
    assert_eq!(offset(&mut bench.publish("c1")), Some(1));
    let mut later = bench.publish("c0");
    assert_eq!(offset(&mut later), None, "that were two");
    bench.engine.borrow_mut().take_words();
    assert_eq!(offset(&mut later), Some(4));
}

#[test]
fn a_shard_at_work_gets_it_by_its_inbox() {
    let bench = Bench::new(1);
    bench.reside();
    bench.engine.borrow_mut().runner.at_once = WORDS_PER_TURN;
    let mut publishing = bench.publish("c0");
    {
        let _at_work = bench.engine.borrow_mut();
        assert_eq!(offset(&mut publishing), None);
    }
    assert_eq!(offset(&mut bench.publish("c0")), Some(2));
    assert_eq!(offset(&mut publishing), Some(1));
}

#[test]
fn what_another_shard_orders_goes_to_that_one() {
    let bench = Bench::new(2);
    bench.reside();
    bench.engine.borrow_mut().runner.at_once = WORDS_PER_TURN;
    let mut publishing: Vec<_> = (0..8).map(|channel| bench.publish(&format!("c{channel}"))).collect();
    let here = publishing.iter_mut().filter_map(offset).count();
    assert!((1..8).contains(&here), "{here} of 8 channels are ordered here");
    assert_eq!(bench.others[0].requests.len(), 8 - here);
}

#[tokio::test(start_paused = true)]
async fn what_ends_a_sleep_is_timed_from_then_and_not_from_before() {
    let bench = Bench::with(1, Arc::new(Runtimes(tokio::time::Instant::now())));
    bench.subscriber("c0");
    let (drain, draining) = watch::channel(false);
    let node = Arc::new(Admission::new(&bench.engine.borrow().limits.clone()));
    let tasks = tokio::task::LocalSet::new();
    let engine = Rc::clone(&bench.engine);
    tasks.spawn_local(run(engine, draining, node));
    let published = async {
        tokio::task::yield_now().await;
        reside(Rc::new(Nobody));
        for offset in 1..=3 {
            let asleep = bench.engine.borrow().runner.sleeps_until.unwrap();
            // Long enough to be seen, and not so long that the shard looks by itself.
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(bench.engine.borrow().runner.sleeps_until, Some(asleep), "it slept all the while");
            let published = bench.publish("c0").await.unwrap();
            assert!(matches!(published, Published::At(position) if position.offset == offset), "{published:?}");
            while bench.passes().count() < offset {
                tokio::task::yield_now().await;
            }
        }
    };
    tasks.run_until(tokio::time::timeout(Duration::from_secs(60), published)).await.unwrap();
    assert_eq!((bench.passes().count(), bench.passes().sum_us), (3, 0), "no time goes by while the shard is awake");
    drain.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(600), tasks).await.unwrap();
}

#[test]
fn a_shard_that_has_ended_takes_nothing() {
    let bench = Bench::new(1);
    bench.reside();
    let mut waiting = bench.publish("c0");
    assert_eq!(offset(&mut waiting), None);
    bench.engine.borrow_mut().runner.at_once = WORDS_PER_TURN;
    bench.engine.borrow_mut().inboxes.end();
    for mut publishing in [waiting, bench.publish("c0")] {
        let Poll::Ready(Err(error)) = publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it was not refused");
        };
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }
}
