//! How long it takes to tell whether a presented token works, among a million of them. A measurement, no test.
//!
//! `cargo run --release -p tollgate-node --example verify [TOKENS]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{MasterKey, TokenSpelling};
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_node::{BatchAction, BatchEntry, BatchRequest, NodeParts, Place, start};

const BATCH: usize = 1_000;
/// Verifications of one turn, and turns.
const VERIFICATIONS: usize = 200_000;
const TURNS: usize = 7;

struct RealClock(Instant);

impl Clock for RealClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.elapsed().as_millis() as u64)
    }
    fn unix(&self) -> UnixMillis {
        UnixMillis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64)
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

fn main() {
    let tokens: usize = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().unwrap());
    let entropy: Arc<dyn Entropy> = Arc::new(Counting(AtomicU64::new(1)));
    let parts = NodeParts {
        store: Arc::new(MemoryStore::default()),
        master_key: MasterKey::generate(entropy.as_ref()),
        clock: Arc::new(RealClock(Instant::now())),
        entropy,
        hook: Arc::new(NoHook),
        outbound: Arc::new(NoOutbound),
        formats: Vec::new(),
        shards: 1,
    };
    let (node, _shards) = block_on(start(parts)).unwrap();
    let project = block_on(node.create_project(&Caller::Operator, "measured")).unwrap().0.id;
    let caller = Caller::ProjectOperator { project };

    let entries = (0..BATCH).map(|_| BatchEntry::Create(Box::default())).collect::<Vec<_>>();
    let request = BatchRequest { action: BatchAction::Create, atomic: true, entries };
    let mut secrets = Vec::with_capacity(tokens);
    for _ in 0..tokens.div_ceil(BATCH) {
        let made = block_on(node.batch(&caller, &request)).unwrap();
        secrets
            .extend(made.into_iter().map(|one| {
                PresentedSecret::new(one.secret.unwrap().expose(TokenSpelling::Native).as_str().to_owned())
            }));
    }
    // A walk through all of them that no cache foresees.
    let mut place = 1_usize;
    let mut nanoseconds: Vec<f64> = Vec::new();
    for _ in 0..TURNS {
        let began = Instant::now();
        for _ in 0..VERIFICATIONS {
            place =
                (place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)) % secrets.len();
            block_on(node.authenticate_token(Some(project), &secrets[place], Place::default())).unwrap();
        }
        nanoseconds.push(began.elapsed().as_nanos() as f64 / VERIFICATIONS as f64);
    }
    nanoseconds.sort_by(f64::total_cmp);
    println!(
        "{} tokens: one verification takes {:.0} ns ({:.0} to {:.0}), {:.0} thousand a second on one core",
        secrets.len(),
        nanoseconds[TURNS / 2],
        nanoseconds[0],
        nanoseconds[TURNS - 1],
        1e6 / nanoseconds[TURNS / 2]
    );
}
