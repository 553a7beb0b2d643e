//! One call of another program. What it says goes to the terminal at once and is kept for the summary.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::leftovers;

/// How long output may still come after the program has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Kept of what a program says; more is shown but not kept.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What to run.
#[derive(Debug)]
pub(crate) struct Call {
    program: OsString,
    arguments: Vec<OsString>,
    folder: PathBuf,
    variables: Vec<(String, OsString)>,
    quiet: bool,
    hidden: Option<&'static str>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// With this exit code; a signal counts as 128 and its number.
    Code(i32),
    /// It ran past its deadline and was ended.
    Late,
    /// It could not be started.
    NotStarted(String),
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn is_good(&self) -> bool {
        self.how == How::Code(0)
    }

    /// Why it is not good, in a few words.
    pub(crate) fn reason(&self) -> String {
        match &self.how {
            How::Code(code) => format!("exit code {code}"),
            How::Late => "not done by its deadline".to_owned(),
            How::NotStarted(why) => why.clone(),
        }
    }
}

impl Call {
    pub(crate) fn new(program: impl Into<OsString>, arguments: &[&str], folder: &Path) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            folder: folder.to_path_buf(),
            variables: Vec::new(),
            quiet: false,
            hidden: None,
        }
    }

    pub(crate) fn cargo(arguments: &[&str], folder: &Path) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments, folder)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Says nothing on the terminal.
    pub(crate) fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Keeps lines that start like this off the terminal.
    pub(crate) const fn hiding(mut self, start: &'static str) -> Self {
        self.hidden = Some(start);
        self
    }

    /// Runs it until it ends or `limit` has passed; then nothing of it runs any more.
    pub(crate) fn run(&self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        let mark = next_mark();
        let not_started = |why: std::io::Error| Ended {
            how: How::NotStarted(format!("{} cannot be started: {why}", self.program.display())),
            said: String::new(),
        };
        let (reader, writer) = match std::io::pipe() {
            Ok(ends) => ends,
            Err(why) => return not_started(why),
        };
        let mut command = self.command(&mark);
        match writer.try_clone() {
            Ok(second) => command.stdout(writer).stderr(second),
            Err(why) => return not_started(why),
        };
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(why) => return not_started(why),
        };
        drop(command); // It holds the pipe's writing end.
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (all_said, done) = sync_channel::<()>(1);
        let keep = Arc::clone(&kept);
        let (quiet, hidden) = (self.quiet, self.hidden);
        std::thread::spawn(move || {
            listen(reader, &keep, &|line| !quiet && hidden.is_none_or(|start| !line.starts_with(start.as_bytes())));
            drop(all_said);
        });
        let how = loop {
            match child.try_wait() {
                Ok(Some(status)) => break How::Code(code(status)),
                Ok(None) if Instant::now() >= deadline => break How::Late,
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(why) => break How::NotStarted(why.to_string()),
            }
        };
        let left = leftovers::end((how == How::Late).then(|| child.id()), &mark);
        if how != How::Late && left > 0 {
            eprintln!("xtask: ended {left} process(es) that {} had left behind", self.program.display());
        }
        // Already reaped, or killed just now.
        let _ended = child.wait();
        let _ended = done.recv_timeout(LAST_WORDS);
        let said = String::from_utf8_lossy(&kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        Ended { how, said }
    }

    fn command(&self, mark: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder).stdin(Stdio::null());
        // What `cargo run` told this program is not true of the next one, and makes build scripts run again. Settings of a Tollgate that
        // this machine may run are not those of the tests.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "TOLLGATE_"].iter().any(|start| name.starts_with(start))
            {
                command.env_remove(&*name);
            }
        }
        command.env(leftovers::MARK, mark).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn next_mark() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

fn listen(from: impl Read, keep: &Mutex<Vec<u8>>, shown: &dyn Fn(&[u8]) -> bool) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line) {
        if shown(&line) {
            // The terminal may be gone; the run goes on.
            let _gone = std::io::stdout().write_all(&line).and_then(|()| std::io::stdout().flush());
        }
        let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_BYTES_MAX {
            kept.extend_from_slice(&line);
        }
        line.clear();
    }
}

#[cfg(unix)]
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> Call {
        Call::new("sh", &["-c", script], Path::new("/")).quietly()
    }

    #[test]
    fn keeps_both_streams_and_the_code() {
        let ended = shell("echo out; echo err >&2; exit 3").run(Duration::from_secs(20));
        assert_eq!(ended.how, How::Code(3));
        assert!(ended.said.contains("out\n") && ended.said.contains("err\n"), "{}", ended.said);
    }

    #[test]
    fn a_late_program_and_its_children_are_ended() {
        let started = Instant::now();
        let ended = shell("trap '' TERM; sleep 600 & echo $!; wait; sleep 600").run(Duration::from_millis(500));
        assert_eq!(ended.how, How::Late);
        assert!(started.elapsed() < Duration::from_secs(30));
        let child = ended.said.trim();
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn what_a_finished_program_leaves_behind_is_ended() {
        let ended = shell("setsid sleep 600 >/dev/null 2>&1 & echo $!").run(Duration::from_secs(20));
        assert_eq!(ended.how, How::Code(0));
        let child = ended.said.trim();
        assert!(!child.is_empty());
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_reason() {
        let ended = Call::new("no-such-program", &[], Path::new("/")).run(Duration::from_secs(1));
        assert!(ended.reason().starts_with("no-such-program cannot be started"), "{}", ended.reason());
    }
}
