//! The suites: what each runs, what it needs, and how long it may take. Running them one after the other, and no judgement but theirs.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::builds::{self, TestProgram};
use crate::machine::{self, Machine, Tool};
use crate::report::{self, Result as Verdict, Row};
use crate::run::{Call, Ended, How, Tally};
use crate::tidy;

/// The whole run ends before 25 minutes are over.
const BUDGET: Duration = Duration::from_secs(24 * 60 + 30);
/// Each fuzz target runs this long, in seconds.
const FUZZ_SECONDS: u32 = 10;
/// The exit code of a script that cannot run on this machine.
const CANNOT_RUN_HERE: i32 = 77;

/// Crates whose tests start the real binary, and so are not unit tests.
const BLACK_BOX: [&str; 3] = ["acceptance", "testkit", "bench"];
/// The acceptance test that is a suite of its own.
const DURABILITY: &str = "durability";

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

const NO_BUILD: &[Build] = &[];
const NO_TOOL: &[Tool] = &[];

/// In the order of running: what answers soonest comes first.
static SUITES: [Suite; 11] = [
    Suite { name: "fmt", holds: "the sources are formatted", limit_s: 60, builds: NO_BUILD, tools: NO_TOOL, run: fmt },
    Suite { name: "tidy", holds: "the house's rules", limit_s: 60, builds: NO_BUILD, tools: NO_TOOL, run: house },
    Suite { name: "clippy", holds: "no lint complains", limit_s: 480, builds: NO_BUILD, tools: NO_TOOL, run: clippy },
    Suite {
        name: "unit",
        holds: "each crate by itself",
        limit_s: 300,
        builds: &[Build::Tests],
        tools: NO_TOOL,
        run: unit,
    },
    Suite {
        name: "acceptance",
        holds: "the real binary, black-box: API, Leap, bad input, command line, hook, secrets",
        limit_s: 420,
        builds: &[Build::Tests, Build::Release],
        tools: NO_TOOL,
        run: acceptance,
    },
    Suite {
        name: "durability",
        holds: "kill -9 at random points loses nothing acknowledged",
        limit_s: 240,
        builds: &[Build::Tests, Build::Release],
        tools: NO_TOOL,
        run: durability,
    },
    Suite {
        name: "hop",
        holds: "Hop's published packages, unmodified, in Node and Chromium",
        limit_s: 480,
        builds: &[Build::Release],
        tools: &[Tool::Node, Tool::Chromium],
        run: hop,
    },
    Suite {
        name: "autobahn",
        holds: "the WebSocket conformance suite, 301 cases, strict",
        limit_s: 420,
        builds: &[Build::Tests],
        tools: &[Tool::Python],
        run: autobahn,
    },
    Suite {
        name: "fuzz",
        holds: "a short run of each fuzz target",
        limit_s: 480,
        builds: NO_BUILD,
        tools: &[Tool::CargoFuzz],
        run: fuzz,
    },
    Suite {
        name: "ledger",
        holds: "the bench finds planted bugs",
        limit_s: 120,
        builds: &[Build::Tests],
        tools: NO_TOOL,
        run: ledger,
    },
    Suite {
        name: "bench",
        holds: "F1, F3 and M1, a small run: every message right, no figure absurd",
        limit_s: 180,
        builds: &[Build::Release],
        tools: NO_TOOL,
        run: bench,
    },
];

/// What a suite came to.
struct Finding {
    verdict: Verdict,
    tally: Tally,
    summaries: Vec<String>,
    skips: Vec<String>,
}

/// What the suites stand on.
struct Ground {
    root: PathBuf,
    machine: Machine,
    tests: OnceCell<Result<Vec<TestProgram>, String>>,
    release: OnceCell<Result<(), String>>,
}

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
            .unwrap_or_else(|| (suite.run)(&ground, Duration::from_secs(suite.limit_s).min(left())));
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

impl Ground {
    /// Builds what is not built yet, and gives its row.
    fn build(&self, build: Build, left: Duration) -> Option<Row> {
        let since = Instant::now();
        let (name, outcome) = match build {
            Build::Tests if self.tests.get().is_none() => {
                announce("build-tests", "every test program, in the dev profile");
                let outcome =
                    self.tests.get_or_init(|| builds::tests(&self.root, left).map_err(|ended| ended.reason()));
                ("build-tests", outcome.as_ref().map(|_| ()))
            }
            Build::Release if self.release.get().is_none() => {
                announce("build-release", "the product and its bench, as users run them");
                let ended = builds::release(&self.root, left);
                let outcome = if ended.is_good() { Ok(()) } else { Err(ended.reason()) };
                ("build-release", self.release.get_or_init(|| outcome).as_ref().copied())
            }
            Build::Tests | Build::Release => return None,
        };
        let verdict = outcome.map_or_else(|why| Verdict::Failed(why.clone()), |()| Verdict::Passed);
        Some(row(name, since.elapsed(), Finding::silent(verdict)))
    }

    /// Why the suite cannot run at all.
    fn obstacle(&self, suite: &Suite, left: Duration) -> Option<Finding> {
        if left.is_zero() {
            return Some(Finding::silent(Verdict::Failed("not run: the time of the whole run was over".to_owned())));
        }
        for build in suite.builds {
            let broken = match build {
                Build::Tests => self.tests.get().is_some_and(Result::is_err),
                Build::Release => self.release.get().is_some_and(Result::is_err),
            };
            if broken {
                return Some(Finding::silent(Verdict::Failed("not run: what it needs did not build".to_owned())));
            }
        }
        // Without Chromium the rest of a suite still runs.
        let essential = suite.tools.iter().filter(|tool| **tool != Tool::Chromium);
        let why = essential.filter_map(|tool| self.machine.lacks(*tool)).next()?;
        Some(Finding::silent(Verdict::Skipped(why.to_owned())))
    }

    fn programs(&self, wanted: impl Fn(&TestProgram) -> bool) -> Vec<TestProgram> {
        let all = self.tests.get().and_then(|built| built.as_ref().ok());
        all.into_iter().flatten().filter(|program| wanted(program)).cloned().collect()
    }

    /// Runs test programs one after the other within the limit.
    fn run_programs(&self, programs: &[TestProgram], limit: Duration) -> Finding {
        let since = Instant::now();
        let mut sum = Finding::silent(Verdict::Passed);
        if programs.is_empty() {
            sum.verdict = Verdict::Failed("there is no such test program".to_owned());
        }
        let mut failed = Vec::new();
        for program in programs {
            let name = format!("{}/{}", program.of, program.name);
            println!("-- {name}");
            let call = program.call().with("TOLLGATE_BIN", builds::tollgate(&self.root));
            let finding = Finding::of(&call.run(limit.saturating_sub(since.elapsed())));
            sum.tally += finding.tally;
            sum.summaries.extend(finding.summaries.iter().map(|line| format!("{name}: {line}")));
            sum.skips.extend(finding.skips.iter().map(|line| format!("{name}: {line}")));
            if let Verdict::Failed(why) = finding.verdict {
                failed.push(format!("{name} ({why})"));
            }
        }
        if !failed.is_empty() {
            sum.verdict = Verdict::Failed(failed.join(", "));
        }
        sum
    }
}

impl Finding {
    const fn silent(verdict: Verdict) -> Self {
        Self { verdict, tally: Tally { passed: 0, failed: 0, skipped: 0 }, summaries: Vec::new(), skips: Vec::new() }
    }

    /// Of a program that counts its own tests.
    fn of(ended: &Ended) -> Self {
        let (mut tally, summaries) = Tally::read(&ended.said).unwrap_or_default();
        // Tests that another test runs in a process of its own are not skipped, whatever libtest calls them.
        let ignored = ended.said.lines().filter(|line| line.starts_with("test ") && line.contains("... ignored"));
        let (elsewhere, left_out): (Vec<&str>, Vec<&str>) = ignored.partition(|line| line.contains("ignored, run by"));
        tally.skipped = tally.skipped.saturating_sub(elsewhere.len() as u64);
        let said_so = ended.said.lines().filter(|line| line.starts_with("SKIPPED"));
        let skips: Vec<String> = said_so.chain(left_out).map(str::to_owned).collect();
        let verdict = match &ended.how {
            How::Code(0) if summaries.is_empty() => {
                Verdict::Failed("it ended well without saying what it did".to_owned())
            }
            How::Code(0) if tally.failed == 0 => Verdict::Passed,
            How::Code(CANNOT_RUN_HERE) => {
                return Self::silent(Verdict::Skipped(skips.join("; ")));
            }
            _ => Verdict::Failed(ended.reason()),
        };
        let skipped = skips.len() as u64;
        Self { verdict, tally: Tally { skipped: tally.skipped.max(skipped), ..tally }, summaries, skips }
    }

    /// Of a program that is good or not as a whole.
    fn whole(ended: &Ended, summary: Option<&str>) -> Self {
        let verdict = if ended.is_good() { Verdict::Passed } else { Verdict::Failed(ended.reason()) };
        let summaries = summary.map(|line| line.trim().to_owned()).into_iter().collect();
        Self { verdict, tally: Tally::one(ended.is_good()), summaries, skips: Vec::new() }
    }
}

fn fmt(ground: &Ground, limit: Duration) -> Finding {
    Finding::whole(&Call::cargo(&["fmt", "--all", "--check"], &ground.root).run(limit), None)
}

fn house(ground: &Ground, _limit: Duration) -> Finding {
    let good = tidy::run(&ground.root);
    let verdict = if good { Verdict::Passed } else { Verdict::Failed("see its complaints above".to_owned()) };
    Finding { tally: Tally::one(good), ..Finding::silent(verdict) }
}

fn clippy(ground: &Ground, limit: Duration) -> Finding {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    Finding::whole(&Call::cargo(&arguments, &ground.root).run(limit), None)
}

fn unit(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| !BLACK_BOX.contains(&program.of.as_str()));
    ground.run_programs(&programs, limit)
}

fn acceptance(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground
        .programs(|program| program.of == "testkit" || (program.of == "acceptance" && program.name != DURABILITY));
    ground.run_programs(&programs, limit)
}

fn durability(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| program.of == "acceptance" && program.name == DURABILITY);
    ground.run_programs(&programs, limit)
}

fn ledger(ground: &Ground, limit: Duration) -> Finding {
    let programs = ground.programs(|program| program.of == "bench");
    ground.run_programs(&programs, limit)
}

/// A script of `conformance/`.
fn script(ground: &Ground, path: &str) -> Call {
    ground.machine.equip(Call::new("bash", &[path], &ground.root))
}

fn hop(ground: &Ground, limit: Duration) -> Finding {
    let binary = builds::tollgate(&ground.root);
    let mut call = Call::new("bash", &["conformance/hop/run.sh", &binary.to_string_lossy()], &ground.root);
    if let Some(why) = ground.machine.lacks(Tool::Chromium) {
        println!("SKIPPED: the browser suites: {why}");
        call = call.with("ALLOW_SKIP", "1");
    }
    Finding::of(&ground.machine.equip(call).run(limit))
}

fn autobahn(ground: &Ground, limit: Duration) -> Finding {
    let echo = builds::target(&ground.root).join("debug/examples/echo");
    Finding::of(&script(ground, "conformance/autobahn/run.sh").with("ECHO_SERVER", echo).run(limit))
}

fn fuzz(ground: &Ground, limit: Duration) -> Finding {
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

fn bench(ground: &Ground, limit: Duration) -> Finding {
    let program = builds::target(&ground.root).join("release/tollgate-bench");
    let ended = Call::new(program, &["run", "--quick"], &ground.root).run(limit);
    let mut finding = Finding::whole(&ended, None);
    finding.summaries = ended.said.lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    finding
}
