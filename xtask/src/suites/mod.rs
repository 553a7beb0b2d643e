//! The suites: what each runs, what it needs, and how long it may take. Running them one after the other, and no judgement but theirs.

mod each;
mod ground;

use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::builds;
use crate::machine::{self, Tool};
use crate::report::{self, Result as Verdict, Row};
use ground::{Finding, Ground};

/// The whole run, builds from nothing on two cores among it, ends before this is over.
const BUDGET: Duration = Duration::from_secs(45 * 60);
/// What the suites' own limits are made for: a run on a quiet machine.
const QUIET: Duration = Duration::from_secs(24 * 60 + 30);

/// What has to be compiled before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    Tests,
    Release,
}

/// One suite.
pub(crate) struct Suite {
    name: &'static str,
    holds: &'static str,
    limit_s: u64,
    builds: &'static [Build],
    tools: &'static [Tool],
    run: fn(&Ground, Duration) -> Finding,
}

impl Suite {
    /// How long it may take: longer where the whole run may.
    fn limit(&self, budget: Duration) -> Duration {
        Duration::from_secs(self.limit_s).mul_f64(budget.div_duration_f64(QUIET).max(1.0))
    }
}

const NO_BUILD: &[Build] = &[];
const NO_TOOL: &[Tool] = &[];

/// In the order of running: what answers soonest comes first.
static SUITES: [Suite; 17] = [
    Suite {
        name: "fmt",
        holds: "the sources are formatted",
        limit_s: 60,
        builds: NO_BUILD,
        tools: NO_TOOL,
        run: each::fmt,
    },
    Suite { name: "tidy", holds: "the house's rules", limit_s: 60, builds: NO_BUILD, tools: NO_TOOL, run: each::house },
    Suite {
        name: "clippy",
        holds: "no lint complains",
        limit_s: 480,
        builds: NO_BUILD,
        tools: NO_TOOL,
        run: each::clippy,
    },
    Suite {
        name: "unit",
        holds: "each crate by itself",
        limit_s: 300,
        builds: &[Build::Tests],
        tools: NO_TOOL,
        run: each::unit,
    },
    Suite {
        name: "acceptance",
        holds: "the real binary, black-box: API, Leap, bad input, command line, hook, secrets",
        limit_s: 600,
        builds: &[Build::Tests, Build::Release],
        tools: &[Tool::Pebble],
        run: each::acceptance,
    },
    Suite {
        name: "durability",
        holds: "kill -9 at random points loses nothing acknowledged",
        limit_s: 240,
        builds: &[Build::Tests, Build::Release],
        tools: NO_TOOL,
        run: each::durability,
    },
    Suite {
        name: "hop",
        holds: "Hop's published packages, unmodified, in Node and Chromium",
        limit_s: 480,
        builds: &[Build::Release],
        tools: &[Tool::Node, Tool::Chromium],
        run: each::hop,
    },
    Suite {
        name: "socialplus",
        holds: "social.plus's published packages, unmodified, in Node and Chromium",
        limit_s: 240,
        builds: &[Build::Release],
        tools: &[Tool::Node, Tool::Chromium],
        run: each::socialplus,
    },
    Suite {
        name: "console",
        holds: "the console in Chromium: the first run with a real client, both themes, phone width, axe, hostile text",
        limit_s: 300,
        builds: &[Build::Release],
        tools: &[Tool::Node, Tool::Chromium],
        run: each::console,
    },
    Suite {
        name: "sdk",
        holds: "the TypeScript SDK: types, virtual time, and the real server from Node and Chromium",
        limit_s: 300,
        builds: &[Build::Release],
        tools: &[Tool::Node, Tool::Chromium],
        run: each::sdk,
    },
    Suite {
        name: "schemathesis",
        holds: "what the description of /v2 promises, by generated requests of two projects",
        limit_s: 300,
        builds: &[Build::Release],
        tools: NO_TOOL,
        run: each::schemathesis,
    },
    Suite {
        name: "autobahn",
        holds: "the WebSocket conformance suite, 301 cases, strict",
        limit_s: 420,
        builds: &[Build::Tests],
        tools: &[Tool::Python],
        run: each::autobahn,
    },
    Suite {
        name: "fuzz",
        holds: "a short run of each fuzz target",
        limit_s: 900,
        builds: NO_BUILD,
        tools: &[Tool::CargoFuzz],
        run: each::fuzz,
    },
    Suite {
        name: "ledger",
        holds: "the bench finds planted bugs",
        limit_s: 120,
        builds: &[Build::Tests],
        tools: NO_TOOL,
        run: each::ledger,
    },
    Suite {
        name: "bench",
        holds: "every workload, a small run: every message right, no figure absurd",
        limit_s: 240,
        builds: &[Build::Release],
        tools: NO_TOOL,
        run: each::bench,
    },
    Suite {
        name: "guard",
        holds: "fan-out, memory and connecting beside the floor: not far below what is recorded",
        limit_s: 180,
        builds: &[Build::Release],
        tools: NO_TOOL,
        run: each::guard,
    },
    Suite {
        name: "instructions",
        holds: "instructions of the hot operations: not far above what is recorded",
        limit_s: 180,
        builds: &[Build::Release],
        tools: &[Tool::Valgrind],
        run: each::instructions,
    },
];

/// What is asked for.
pub(crate) struct Wish {
    pub(crate) suites: Vec<&'static Suite>,
    pub(crate) budget: Duration,
    pub(crate) install: bool,
}

impl Wish {
    pub(crate) fn everything() -> Self {
        Self { suites: SUITES.iter().collect(), budget: BUDGET, install: true }
    }

    pub(crate) fn check() -> Self {
        let quick = ["fmt", "tidy", "clippy", "unit"];
        Self { suites: quick.iter().filter_map(|name| find(name)).collect(), budget: BUDGET, install: false }
    }
}

pub(crate) fn find(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}

pub(crate) fn list() {
    for suite in &SUITES {
        println!("{:<12} {} (at most {} s)", suite.name, suite.holds, suite.limit_s);
    }
}

/// Runs what is asked for, and prints the report; true if nothing failed.
pub(crate) fn run(root: &Path, wish: &Wish) -> bool {
    let started = Instant::now();
    let left = || wish.budget.saturating_sub(started.elapsed());
    let mut rows = Vec::new();
    let mut tools: Vec<Tool> = wish.suites.iter().flat_map(|suite| suite.tools).copied().collect();
    if wish.install {
        announce("machine", "what this machine lacks");
        machine::components(root);
        tools.push(Tool::Compilers);
    }
    let machine = machine::prepare(root, &builds::target(root), &tools, wish.install);
    rows.push(row("machine", started.elapsed(), Finding::silent(Verdict::Passed)));
    let ground = Ground { root: root.to_path_buf(), machine, tests: OnceCell::new(), release: OnceCell::new() };
    for suite in &wish.suites {
        for &build in suite.builds {
            rows.extend(ground.build(build, left()));
        }
        announce(suite.name, suite.holds);
        let since = Instant::now();
        let finding = ground
            .obstacle(suite, left())
            .unwrap_or_else(|| (suite.run)(&ground, suite.limit(wish.budget).min(left())));
        rows.push(row(suite.name, since.elapsed(), finding));
    }
    report::print(&rows, started.elapsed())
}

fn announce(name: &str, holds: &str) {
    println!("\n==== {name}: {holds}");
}

fn row(name: &'static str, took: Duration, finding: Finding) -> Row {
    let Finding { verdict, tally, summaries, skips } = finding;
    Row { name, took, result: verdict, tally, summaries, skips }
}
