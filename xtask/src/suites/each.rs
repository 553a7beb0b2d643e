//! One function for each suite: what it runs.

use std::time::{Duration, Instant};

use super::ground::{Finding, Ground};
use crate::builds;
use crate::machine::Tool;
use crate::report::Result as Verdict;
use crate::run::{Call, Tally};
use crate::tidy;

/// Each fuzz target runs this long, in seconds.
const FUZZ_SECONDS: u32 = 10;
/// Crates whose tests start the real binary, and so are not unit tests.
const BLACK_BOX: [&str; 3] = ["acceptance", "testkit", "bench"];
/// The acceptance test that is a suite of its own.
const DURABILITY: &str = "durability";

pub(super) fn fmt(ground: &Ground, limit: Duration) -> Finding {
    Finding::whole(&Call::cargo(&["fmt", "--all", "--check"], &ground.root).run(limit), None)
}

pub(super) fn house(ground: &Ground, _limit: Duration) -> Finding {
    let good = tidy::run(&ground.root);
    let verdict = if good { Verdict::Passed } else { Verdict::Failed("see its complaints above".to_owned()) };
    Finding { tally: Tally::one(good), ..Finding::silent(verdict) }
}

pub(super) fn clippy(ground: &Ground, limit: Duration) -> Finding {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    Finding::whole(&Call::cargo(&arguments, &ground.root).run(limit), None)
}

pub(super) fn unit(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| !BLACK_BOX.contains(&program.of.as_str()));
    ground.run_programs(&programs, limit)
}

pub(super) fn acceptance(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground
        .programs(|program| program.of == "testkit" || (program.of == "acceptance" && program.name != DURABILITY));
    ground.run_programs(&programs, limit)
}

pub(super) fn durability(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| program.of == "acceptance" && program.name == DURABILITY);
    ground.run_programs(&programs, limit)
}

pub(super) fn ledger(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| program.of == "bench");
    ground.run_programs(&programs, limit)
}

/// A script of `conformance/`.
fn script(ground: &Ground, path: &str) -> Call {
    ground.machine.equip(Call::new("bash", &[path], &ground.root))
}

pub(super) fn hop(ground: &Ground, limit: Duration) -> Finding {
    let binary = builds::tollgate(&ground.root);
    let mut call = Call::new("bash", &["conformance/hop/run.sh", &binary.to_string_lossy()], &ground.root);
    if let Some(why) = ground.machine.lacks(Tool::Chromium) {
        println!("SKIPPED: the browser suites: {why}");
        call = call.with("ALLOW_SKIP", "1");
    }
    Finding::of(&ground.machine.equip(call).run(limit))
}

pub(super) fn autobahn(ground: &Ground, limit: Duration) -> Finding {
    let echo = builds::target(&ground.root).join("debug/examples/echo");
    Finding::of(&script(ground, "conformance/autobahn/run.sh").with("ECHO_SERVER", echo).run(limit))
}

pub(super) fn fuzz(ground: &Ground, limit: Duration) -> Finding {
    let since = Instant::now();
    // The nightly-only flags of coverage, without a nightly and without a sanitizer.
    let cargo = |arguments: &[&str]| {
        let call = Call::cargo(&[&["fuzz"], arguments].concat(), &ground.root).with("RUSTC_BOOTSTRAP", "1");
        ground.machine.equip(call)
    };
    let list = cargo(&["list"]).quietly().run(limit);
    if !list.is_good() {
        return Finding::whole(&list, list.said.lines().last());
    }
    let built = cargo(&["build", "-s", "none"]).run(limit);
    if !built.is_good() {
        return Finding::whole(&built, Some("the fuzz targets do not build"));
    }
    let mut sum = Finding::silent(Verdict::Passed);
    for target in list.said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // What is found goes into a folder of its own; the corpus that is kept with the sources is only read.
        let found = builds::target(&ground.root).join("xtask/fuzz").join(target);
        let seed = ground.root.join("fuzz/corpus").join(target);
        for folder in [&found, &seed] {
            if let Err(why) = std::fs::create_dir_all(folder) {
                return Finding::silent(Verdict::Failed(format!("{}: {why}", folder.display())));
            }
        }
        let (found, seed) = (found.to_string_lossy(), seed.to_string_lossy());
        let seconds = format!("-max_total_time={FUZZ_SECONDS}");
        let arguments = ["run", target, &found, &seed, "-s", "none", "--", &seconds, "-timeout=10"];
        let ended = cargo(&arguments).run(limit.saturating_sub(since.elapsed()));
        let last = ended.said.lines().rev().find(|line| line.starts_with("Done") || line.starts_with("SUMMARY"));
        let finding = Finding::whole(&ended, Some(&format!("{target}: {}", last.unwrap_or("said nothing at its end"))));
        sum.tally += finding.tally;
        sum.summaries.extend(finding.summaries);
        if finding.verdict != Verdict::Passed {
            sum.verdict = Verdict::Failed(format!("{target}: {}", ended.reason()));
        }
    }
    sum
}

pub(super) fn bench(ground: &Ground, limit: Duration) -> Finding {
    let program = builds::target(&ground.root).join("release/tollgate-bench");
    let ended = Call::new(program, &["run", "--quick"], &ground.root).run(limit);
    let mut finding = Finding::whole(&ended, None);
    finding.summaries = ended.said.lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    finding
}
