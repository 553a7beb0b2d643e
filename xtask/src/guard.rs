//! `cargo xtask bench-guard`: builds what users run, and holds its figures and its counts of instructions to those recorded. Judges nothing itself.

use std::path::Path;
use std::time::Duration;

use crate::builds;
use crate::machine::{self, Tool};
use crate::run::{Call, Ended, How};

/// A build, link-time optimisation included.
const BUILD: Duration = Duration::from_secs(1_800);
/// Each of the two, on a machine that disturbs every other round.
const MEASURING: Duration = Duration::from_secs(300);

/// True if everything held, or was recorded. Without valgrind instructions are not counted, which is said and does not count as a fall.
pub(crate) fn run(root: &Path, record: bool) -> bool {
    let machine = machine::prepare(root, &builds::target(root), &[Tool::Valgrind], true);
    if !builds::release(root, BUILD).is_good() {
        return false;
    }
    let bench = |command: &str| -> Ended {
        let arguments = if record { vec![command, "--record"] } else { vec![command] };
        machine.equip(Call::new(builds::bench(root), &arguments, root)).run(MEASURING)
    };
    let held = bench("guard");
    if let Some(why) = machine.lacks(Tool::Valgrind) {
        println!("SKIPPED: instructions are not counted: {why}");
        return held.is_good();
    }
    let counted = bench("instructions");
    println!("bench-guard: figures {}, instructions {}", words(&held), words(&counted));
    held.is_good() && counted.is_good()
}

fn words(ended: &Ended) -> &'static str {
    match ended.how {
        How::Code(0) => "hold",
        How::Code(1) => "do NOT hold",
        _ => "could NOT be had",
    }
}
