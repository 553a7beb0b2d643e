//! One function for each suite: what it runs.

use std::time::Duration;

use super::ground::{CANNOT_RUN_HERE, Finding, Ground};
use crate::builds;
use crate::machine::Tool;
use crate::report::Result as Verdict;
use crate::run::{Call, How, Tally};
use crate::tidy;

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
    ground.run_programs(&programs, None, limit)
}

pub(super) fn acceptance(ground: &Ground, limit: Duration) -> Finding {
    if let Some(why) = ground.machine.lacks(Tool::Pebble) {
        println!("SKIPPED: certificates by ACME: {why}");
    }
    let programs = ground
        .programs(|program| program.of == "testkit" || (program.of == "acceptance" && program.name != DURABILITY));
    ground.run_programs(&programs, Some(&builds::tollgate(&ground.root)), limit)
}

pub(super) fn durability(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| program.of == "acceptance" && program.name == DURABILITY);
    ground.run_programs(&programs, Some(&builds::tollgate(&ground.root)), limit)
}

pub(super) fn ledger(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| program.of == "bench");
    ground.run_programs(&programs, Some(&builds::tollgate(&ground.root)), limit)
}

/// A script that finds out by itself whether it can run here.
fn script(ground: &Ground, path: &str) -> Call {
    ground.machine.equip(Call::new("bash", &[path], &ground.root))
}

/// Somebody's published packages, or a browser: the script of their folder, against the product.
fn packages(ground: &Ground, script: &str, limit: Duration) -> Finding {
    let binary = builds::tollgate(&ground.root);
    let mut call = Call::new("bash", &[script, &binary.to_string_lossy()], &ground.root);
    if let Some(why) = ground.machine.lacks(Tool::Chromium) {
        println!("SKIPPED: the browser suites: {why}");
        call = call.with("ALLOW_SKIP", "1");
    }
    Finding::of(&ground.machine.equip(call).run(limit))
}

pub(super) fn hop(ground: &Ground, limit: Duration) -> Finding {
    packages(ground, "conformance/hop/run.sh", limit)
}

pub(super) fn socialplus(ground: &Ground, limit: Duration) -> Finding {
    packages(ground, "conformance/socialplus/run.sh", limit)
}

pub(super) fn console(ground: &Ground, limit: Duration) -> Finding {
    packages(ground, "conformance/console/run.sh", limit)
}

pub(super) fn sdk(ground: &Ground, limit: Duration) -> Finding {
    packages(ground, "sdks/typescript/run.sh", limit)
}

pub(super) fn schemathesis(ground: &Ground, limit: Duration) -> Finding {
    let call = script(ground, "conformance/schemathesis/run.sh");
    Finding::of(&call.with("TOLLGATE_BIN", builds::tollgate(&ground.root)).run(limit))
}

pub(super) fn autobahn(ground: &Ground, limit: Duration) -> Finding {
    let echo = builds::target(&ground.root).join("debug/examples/echo");
    Finding::of(&script(ground, "conformance/autobahn/run.sh").with("ECHO_SERVER", echo).run(limit))
}

pub(super) fn fuzz(ground: &Ground, limit: Duration) -> Finding {
    Finding::of(&script(ground, "fuzz/run.sh").run(limit))
}

/// The bench, which says in a table what it found, and in its last lines why it could not.
fn bench_with(ground: &Ground, arguments: &[&str], limit: Duration) -> Finding {
    let program = builds::bench(&ground.root);
    let ended = Call::new(program, arguments, &ground.root).run(limit);
    let mut finding = Finding::whole(&ended, None);
    if ended.how == How::Code(CANNOT_RUN_HERE) {
        let why = ended.said.lines().find_map(|line| line.strip_prefix("SKIPPED: ")).unwrap_or("it did not say why");
        return Finding::silent(Verdict::Skipped(why.to_owned()));
    }
    finding.summaries = ended.said.lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    finding
}

pub(super) fn bench(ground: &Ground, limit: Duration) -> Finding {
    // The guard measures the others.
    bench_with(ground, &["run", "--quick", "--without", "F1,F3,C1,M1"], limit)
}

/// Test machines are shared: only what is far below counts. `cargo xtask bench-guard` is stricter.
pub(super) fn guard(ground: &Ground, limit: Duration) -> Finding {
    bench_with(ground, &["guard", "--rounds", "2", "--margin", "0.6"], limit)
}

/// Compilers and processors differ a little.
pub(super) fn instructions(ground: &Ground, limit: Duration) -> Finding {
    bench_with(ground, &["instructions", "--margin", "0.25"], limit)
}
