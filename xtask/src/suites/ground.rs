//! What suites stand on (the machine, the two builds) and what they come to. Which suites there are is not decided here.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Build, Suite, announce, row};
use crate::builds::{self, TestProgram};
use crate::machine::{Machine, Tool};
use crate::report::{Result as Verdict, Row};
use crate::run::{Ended, How, Tally};

/// The exit code of a script that cannot run on this machine.
pub(super) const CANNOT_RUN_HERE: i32 = 77;

/// What a suite came to.
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) tally: Tally,
    pub(super) summaries: Vec<String>,
    pub(super) skips: Vec<String>,
}

/// What the suites stand on.
pub(super) struct Ground {
    pub(super) root: PathBuf,
    pub(super) machine: Machine,
    pub(super) tests: OnceCell<Result<Vec<TestProgram>, String>>,
    pub(super) release: OnceCell<Result<(), String>>,
}

impl Ground {
    /// Builds what is not built yet, and gives its row.
    pub(super) fn build(&self, build: Build, left: Duration) -> Option<Row> {
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
    pub(super) fn obstacle(&self, suite: &Suite, left: Duration) -> Option<Finding> {
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
        // Without these the rest of a suite still runs.
        let essential = suite.tools.iter().filter(|tool| !matches!(**tool, Tool::Chromium | Tool::Pebble));
        let why = essential.filter_map(|tool| self.machine.lacks(*tool)).next()?;
        Some(Finding::silent(Verdict::Skipped(why.to_owned())))
    }

    pub(super) fn programs(&self, wanted: impl Fn(&TestProgram) -> bool) -> Vec<TestProgram> {
        let all = self.tests.get().and_then(|built| built.as_ref().ok());
        all.into_iter().flatten().filter(|program| wanted(program)).cloned().collect()
    }

    /// Runs test programs one after the other within the limit; black-box ones against this binary.
    pub(super) fn run_programs(&self, programs: &[TestProgram], binary: Option<&Path>, limit: Duration) -> Finding {
        let since = Instant::now();
        let mut sum = Finding::silent(Verdict::Passed);
        if programs.is_empty() {
            sum.verdict = Verdict::Failed("there is no such test program".to_owned());
        }
        let mut failed = Vec::new();
        for program in programs {
            let name = format!("{}/{}", program.of, program.name);
            println!("-- {name}");
            let mut call = self.machine.equip(program.call());
            if let Some(binary) = binary {
                call = call.with("TOLLGATE_BIN", binary);
            }
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
    pub(super) const fn silent(verdict: Verdict) -> Self {
        Self { verdict, tally: Tally { passed: 0, failed: 0, skipped: 0 }, summaries: Vec::new(), skips: Vec::new() }
    }

    /// Of a program that counts its own tests.
    pub(super) fn of(ended: &Ended) -> Self {
        let (mut tally, summaries) = Tally::read(&ended.said).unwrap_or_default();
        // Tests that another test runs in a process of its own are not skipped, whatever libtest calls them.
        let ignored = ended.said.lines().filter(|line| line.starts_with("test ") && line.contains("... ignored"));
        let (elsewhere, left_out): (Vec<&str>, Vec<&str>) = ignored.partition(|line| line.contains("ignored, run by"));
        tally.skipped = tally.skipped.saturating_sub(elsewhere.len() as u64);
        let said_so = ended.said.lines().filter(|line| line.starts_with("SKIPPED"));
        let skips: Vec<String> =
            said_so.chain(left_out).map(|line| line.trim_start_matches("SKIPPED: ").to_owned()).collect();
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
    pub(super) fn whole(ended: &Ended, summary: Option<&str>) -> Self {
        let verdict = if ended.is_good() { Verdict::Passed } else { Verdict::Failed(ended.reason()) };
        let summaries = summary.map(|line| line.trim().to_owned()).into_iter().collect();
        Self { verdict, tally: Tally::one(ended.is_good()), summaries, skips: Vec::new() }
    }
}
