//! The measured processes: starting one on its core, reading its announcement, ending it. Not a supervisor: a child
//! that dies makes the run fail.
use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::kernel;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(40);

/// Which core runs what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

/// A running child that has said where it listens.
#[derive(Debug)]
pub(crate) struct Measured {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) project: String,
    pub(crate) key: String,
    folder: tempfile::TempDir,
}

impl Measured {
    /// Starts the server under test with a data folder of its own.
    pub(crate) fn server(path: &Path, arguments: &[String], cores: Cores) -> Outcome<Measured> {
        if !path.is_file() {
            return cannot(format!(
                "no server at {}: build it with `cargo build --release -p tollgate-server` or name it with --server PATH",
                path.display()
            ));
        }
        let folder = tempfile::tempdir().doing("create a data folder")?;
        Measured::start(serve(Command::new(path), &folder, arguments), folder, cores)
    }

    /// The same within callgrind, which counts nothing before it is told to, and leaves its counts in files of this name and `.1`, `.2` … in the folder.
    pub(crate) fn counted(path: &Path, counts: &str, cores: Cores) -> Outcome<Measured> {
        let folder = tempfile::tempdir().doing("create a data folder")?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--instr-atstart=no"]);
        command.arg(format!("--callgrind-out-file={}", folder.path().join(counts).display())).arg(path);
        Measured::start(serve(command, &folder, &[]), folder, cores)
    }

    /// Ends a server, and starts another with its data.
    pub(crate) fn again(mut self, path: &Path, arguments: &[String], cores: Cores) -> Outcome<Measured> {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().doing("create a folder")?);
        let (project, key) = (self.project.clone(), self.key.clone());
        drop(self);
        let mut again = Measured::start(serve(Command::new(path), &folder, arguments), folder, cores)?;
        (again.project, again.key) = (project, key);
        Ok(again)
    }

    /// Its folder, for files that go with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the floor: this same binary in its other role.
    pub(crate) fn floor(fault: Option<&str>, cores: Cores) -> Outcome<Measured> {
        let own = std::env::current_exe().doing("find the bench's own binary")?;
        let mut command = Command::new(own);
        command.arg("floor-server");
        if let Some(fault) = fault {
            command.args(["--fault", fault]);
        }
        Measured::start(command, tempfile::tempdir().doing("create a folder")?, cores)
    }

    /// Starts a server that only says hello: this same binary in its third role.
    pub(crate) fn hello(cores: Cores) -> Outcome<Measured> {
        let mut command = Command::new(std::env::current_exe().doing("find the bench's own binary")?);
        command.arg("hello-server");
        Measured::start(command, tempfile::tempdir().doing("create a folder")?, cores)
    }

    fn start(mut command: Command, folder: tempfile::TempDir, cores: Cores) -> Outcome<Measured> {
        let log = File::create(log_path(folder.path())).doing("create the log file")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // A child runs on the core of the thread that starts it.
        let pinned = kernel::pin(cores.server);
        let spawned = command.spawn();
        if !kernel::pin(cores.generator) || !pinned {
            crate::say("warning: could not pin to cores of their own; server and generator disturb each other");
        }
        let mut process = spawned.doing("start the measured process")?;
        match announcement(&mut process) {
            Ok(words) => {
                let text = |name| words.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                let Ok(address) = text("listen").parse() else {
                    return Err(give_up(process, &folder, "its announcement has no address in `listen`"));
                };
                Ok(Measured { process, address, project: text("project"), key: text("key"), folder })
            }
            Err(why) => Err(give_up(process, &folder, &why)),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The end of what the process logged, for a report of what went wrong.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(self.folder.path())
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // The process is ours and not yet waited for, so the number cannot belong to another.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = kernel::now() + STOP_DEADLINE;
        while kernel::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        crate::say("warning: the measured process ignored SIGTERM and is killed");
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(mut command: Command, folder: &tempfile::TempDir, arguments: &[String]) -> Command {
    command.arg("serve").arg("--data-dir").arg(folder.path().join("data"));
    command.args(["--listen", "127.0.0.1:0", "--announce", "json"]).args(arguments);
    command
}

/// Reads the one line, in a thread because a pipe has no read deadline. The thread then holds the pipe open until the
/// child ends.
fn announcement(process: &mut Child) -> Result<Value, String> {
    let Some(stdout) = process.stdout.take() else { return Err("it has no stdout".to_owned()) };
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        let _ = sender.send(lines.next());
        lines.for_each(drop);
    });
    match receiver.recv_timeout(START_DEADLINE) {
        Ok(Some(Ok(line))) => serde_json::from_str(&line).map_err(|_| format!("its announcement is not JSON: {line}")),
        Ok(_) => Err("it ended without an announcement".to_owned()),
        Err(_) => Err(format!("it announced nothing within {} s", START_DEADLINE.as_secs())),
    }
}

fn give_up(mut process: Child, folder: &tempfile::TempDir, why: &str) -> Failure {
    let _ = process.kill();
    let _ = process.wait();
    Failure::CannotRun(format!("the measured process did not start: {why}\n{}", log_tail(folder.path())))
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn log_tail(folder: &Path) -> String {
    let log = fs::read(log_path(folder)).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
