//! The simulation of positions, sessions, presence, histories and settings: clients that speak as the native protocol does, and as Leap does, in the
//! same channels, that come back with what they had. Not the simulation of plain lines, which is beside it.

// What to run is said in the environment and what was tried is printed; a client's command is one table of its answers.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::manual_is_multiple_of
)]

mod acts;
mod client;
mod device;
mod planted;
mod rest;
mod truth;
mod wire;
mod world;

use super::outside::Rng;
use planted::Plant;
use world::World;

/// Channels: `stable` ones keep their settings, and are never deleted.
const CHANNELS: [&str; 6] =
    ["private-room", "public-stable", "open-stable", "open-flux", "open-fast-stable", "public-durable-stable"];

/// How often something happened that only matters if it happens at all.
#[derive(Debug, Default)]
struct Coverage {
    resumes: u64,
    resumes_lost: u64,
    duplicates: u64,
    directs_resumed: u64,
    news_read: u64,
    history_reads: u64,
    ends: u64,
}

fn simulate(seed: u64, plant: Plant, coverage: &mut Coverage) {
    let mut rng = Rng::new(seed);
    let mut world = World::new(1 + rng.below(4), plant);
    for _ in 0..300 {
        acts::act(&mut world, &mut rng);
        (0..rng.below(8)).for_each(|_| world.turn(&mut rng));
    }
    world.come_to_rest(&mut rng);
    rest::check(&world);
    rest::check_last_words(&mut world, &mut rng);
    rest::sessions_end(&mut world, &mut rng);
    rest::everybody_leaves(&mut world, &mut rng);
    world.cover(coverage);
}

/// How many seeds: `TOLLGATE_SEEDS` says, when the tests are run.
fn seeds(usual: u64) -> u64 {
    std::env::var("TOLLGATE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The first of them: `TOLLGATE_FIRST_SEED` says, to look at one that failed.
fn first_seed() -> u64 {
    std::env::var("TOLLGATE_FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[test]
fn positions_sessions_and_presence_hold_on_every_seed() {
    let mut coverage = Coverage::default();
    for seed in first_seed()..seeds(300) {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            simulate(seed, Plant::Nothing, &mut coverage);
        }));
        assert!(run.is_ok(), "seed {seed}");
    }
    println!("{coverage:?}");
    let Coverage { resumes, resumes_lost, duplicates, directs_resumed, news_read, history_reads, ends } = coverage;
    assert!(
        [resumes, resumes_lost, duplicates, directs_resumed, news_read, history_reads, ends].iter().all(|one| *one > 0),
        "something is never tried"
    );
}
