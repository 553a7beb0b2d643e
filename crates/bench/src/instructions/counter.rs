//! Counting the instructions that a running server executes, by callgrind and its `vgdb`. The kernel's are not among them. Knows no workload.
use crate::child::{Cores, Measured};
use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::kernel;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The start of the names of files with counts.
const COUNTS: &str = "counts";
/// How long it is watched doing nothing.
const IDLE: Duration = Duration::from_secs(1);
/// How long callgrind may take to do as it is told.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server within callgrind.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) server: Measured,
    /// How many counts it has written.
    written: u32,
    /// Instructions of a second in which nothing is asked of it: timers.
    idle: f64,
}

impl Counter {
    /// # Errors
    /// [`Failure::Unfit`] without valgrind.
    pub(super) fn start(server: &Path, cores: Cores) -> Outcome<Counter> {
        for tool in ["valgrind", "vgdb"] {
            let probed = Command::new(tool).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if probed.is_err() {
                return Err(Failure::Unfit(format!(
                    "instructions are not counted: there is no {tool} here (Debian: apt-get install valgrind)"
                )));
            }
        }
        let mut counter = Counter { server: Measured::counted(server, COUNTS, cores)?, written: 0, idle: 0.0 };
        // The first second still has some of the start in it.
        counter.idle()?;
        counter.idle = counter.idle()?;
        Ok(counter)
    }

    /// Instructions of a second in which it is left alone.
    fn idle(&mut self) -> Outcome<f64> {
        let ticked = self.count(|_| {
            std::thread::sleep(IDLE);
            Ok(())
        })?;
        Ok(ticked / IDLE.as_secs_f64())
    }

    /// The instructions that the server executes meanwhile, but for those that it would have executed idling.
    pub(super) fn count(&mut self, what: impl FnOnce(&Measured) -> Outcome<()>) -> Outcome<f64> {
        self.tell(&["instrumentation", "on"])?;
        self.tell(&["zero"])?;
        let began = kernel::now();
        what(&self.server)?;
        let elapsed = began.elapsed().as_secs_f64();
        self.tell(&["dump"])?;
        self.tell(&["instrumentation", "off"])?;
        self.written += 1;
        let file = self.server.folder().join(format!("{COUNTS}.{}", self.written));
        let text = fs::read_to_string(file).doing("read callgrind's counts")?;
        match totals(&text) {
            Some(totals) => Ok(totals - self.idle * elapsed),
            None => cannot("callgrind's counts have no totals"),
        }
    }

    fn tell(&self, words: &[&str]) -> Outcome<()> {
        let mut told = Command::new("vgdb")
            .arg(format!("--pid={}", self.server.pid()))
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .doing("start vgdb")?;
        let deadline = kernel::now() + PATIENCE;
        loop {
            match told.try_wait().doing("wait for vgdb")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return cannot(format!("`vgdb {}` ended with {status}", words.join(" "))),
                None if kernel::now() > deadline => {
                    let _ = told.kill();
                    let _ = told.wait();
                    return cannot(format!("callgrind did not do `{}` in time", words.join(" ")));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// What callgrind counted, of the end of its file.
fn totals(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_those_of_the_whole_file() {
        assert_eq!(
            totals("# callgrind format\nevents: Ir\nsummary: 5\nfn=(1)\n0 5\n\ntotals: 1143133\n"),
            Some(1_143_133.0)
        );
        assert_eq!(totals("# callgrind format\nevents: Ir\n"), None);
    }
}
