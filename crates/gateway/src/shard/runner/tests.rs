//! What an operation asks of the shard on its own thread: done at once, and yet behind what waits.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, UnixMillis};
use tollgate_core::command::{NewMessage, Published};
use tollgate_core::credentials::MasterKey;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::{ErrorKind, Result};
use tollgate_node::{NewChannel, Node, NodeParts, ShardParts};

use super::*;

struct Noon;

impl Clock for Noon {
    fn monotonic(&self) -> Monotonic {
        Monotonic(1)
    }

    fn unix(&self) -> UnixMillis {
        UnixMillis(1_795_000_000_000)
    }
}

struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
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
        let clock: Arc<dyn Clock> = Arc::new(Noon);
        let entropy: Arc<dyn Entropy> = Arc::new(Counting(0.into()));
        let parts = NodeParts {
            store: Arc::new(MemoryStore::default()),
            master_key: MasterKey::generate(&*entropy),
            clock: Arc::clone(&clock),
            entropy,
            hook: Arc::new(NoHook),
            outbound: Arc::new(NoOutbound),
            formats: Vec::new(),
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

    fn reside(&self) {
        reside(Rc::new(Here(Rc::downgrade(&self.engine))));
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
