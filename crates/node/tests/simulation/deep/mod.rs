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
mod found;
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
    directs_moved: u64,
    news_read: u64,
    history_reads: u64,
    ends: u64,
}

/// Runs one seed. Answers what everybody heard.
fn simulate(seed: u64, plant: Plant, coverage: &mut Coverage) -> Vec<Vec<String>> {
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
    world.conns.borrow_mut().iter_mut().map(|conn| std::mem::take(&mut conn.heard)).collect()
}

/// The seeds to run: `TOLLGATE_SEEDS` says how many, when the tests are run, and `TOLLGATE_FIRST_SEED` from which on, to go on from there or to look at
/// one that failed.
pub(super) fn chosen_seeds(usual: u64) -> std::ops::Range<u64> {
    let said = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = said("TOLLGATE_FIRST_SEED").unwrap_or(0);
    first..first + said("TOLLGATE_SEEDS").unwrap_or(usual)
}

#[test]
fn positions_sessions_and_presence_hold_on_every_seed() {
    let seeds = chosen_seeds(300);
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        let run =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| simulate(seed, Plant::Nothing, &mut coverage)));
        if run.is_err() {
            println!("seed {seed} failed");
            failed.push(seed);
        }
    }
    println!("{coverage:?}");
    assert!(failed.is_empty(), "of the seeds {seeds:?}: {failed:?}");
    let Coverage { resumes, resumes_lost, duplicates, directs_resumed, directs_moved, news_read, history_reads, ends } =
        coverage;
    let counts = [resumes, resumes_lost, duplicates, directs_resumed, directs_moved, news_read, history_reads, ends];
    assert!(seeds.count() < 100 || counts.iter().all(|one| *one > 0), "something is never tried");
}

/// What failed once has to fail again when it is looked at, whatever ran before it in the process.
#[test]
fn a_run_depends_on_its_seed_alone() {
    for seed in 0..10 {
        let [one, another] = [(); 2].map(|()| simulate(seed, Plant::Nothing, &mut Coverage::default()));
        assert!(one.iter().map(Vec::len).sum::<usize>() > 100, "something is heard");
        assert_eq!(one, another, "seed {seed}");
    }
}
