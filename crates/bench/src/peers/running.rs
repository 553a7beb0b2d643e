//! Peers that run: started on the server's core at a free port, ready when they take a connection, ended with their children.
use super::install::{self, Source};
use super::launch::{self, Place};
use super::{Chosen, Peer, Speaks, owner};
use crate::child::Cores;
use crate::dialect::centrifuge::Centrifuge;
use crate::dialect::nats::Nats;
use crate::dialect::pusher::Pusher;
use crate::dialect::socketio::SocketIo;
use crate::dialect::text::Text;
use crate::dialect::{Channels, Dialect};
use crate::failure::{Doing, Outcome, cannot};
use crate::{kernel, say};
use rustix::process::{Pid, Signal};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// soketi, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// Another process may take the port between our look and the peer's.
const STARTS_MAX: usize = 3;
const LOG: &str = "log";
const FIRST_LINES: usize = 6;
const LAST_LINES: usize = 10;

/// A peer that takes connections.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: &'static Peer,
    pub(crate) address: SocketAddr,
    /// The process whose CPU time and memory count.
    pub(crate) pid: u32,
    api_key: String,
    /// Nothing where somebody else started it.
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    process: Child,
    /// Its files and what it said.
    folder: tempfile::TempDir,
}

impl Running {
    /// # Errors
    /// Where it cannot be installed, does not start, or does not listen within a minute.
    pub(crate) fn start(chosen: &Chosen, cores: Cores) -> Outcome<Running> {
        let peer = chosen.peer;
        if let Some(url) = &chosen.url {
            let pid = owner::of(url.address)?;
            TcpStream::connect_timeout(&url.address, Duration::from_secs(5)).doing("connect to it")?;
            return Ok(Running { peer, address: url.address, pid, api_key: url.key.clone(), started: None });
        }
        let program = install::ensure(peer.source)?;
        let mut failed = cannot("it was not started");
        for _ in 0..STARTS_MAX {
            failed = Running::start_once(peer, &program, cores);
            // A port that was taken in between is one of the reasons to end at once.
            if failed.is_ok() {
                break;
            }
        }
        failed
    }

    fn start_once(peer: &'static Peer, program: &Path, cores: Cores) -> Outcome<Running> {
        let folder = tempfile::tempdir().doing("create a peer's folder")?;
        let (port, second_port) = free_ports()?;
        let place = Place { program, folder: folder.path(), port, second_port };
        let mut command = launch::command(peer.source, &place)?;
        let log = File::create(folder.path().join(LOG)).doing("create a peer's log")?;
        let copy = log.try_clone().doing("share a log with a peer")?;
        command.stdin(Stdio::null()).stdout(copy).stderr(log);
        // A child runs on the core of the thread that starts it.
        let pinned = kernel::pin(cores.server);
        let spawned = command.spawn();
        if !kernel::pin(cores.generator) || !pinned {
            say("warning: could not pin to cores of their own; peer and generator disturb each other");
        }
        let process = spawned.doing(&format!("start {}", peer.name))?;
        let mut started = Started { process, folder };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let pid = started.await_ready(address, peer.source)?;
        Ok(Running { peer, address, pid, api_key: String::new(), started: Some(started) })
    }

    /// What its clients say and hear.
    pub(crate) fn dialect(&self, channels: Channels) -> Box<dyn Dialect> {
        let address = self.address;
        match self.peer.speaks {
            Speaks::Text => Box::new(Text { address, channels }),
            Speaks::SocketIo => Box::new(SocketIo { address, channels }),
            Speaks::Pusher => Box::new(Pusher { address, channels }),
            Speaks::Nats => Box::new(Nats { channels }),
            Speaks::Centrifuge => Box::new(Centrifuge { address, api_key: self.api_key.clone(), channels }),
        }
    }

    /// The end of what it logged, for a report of what went wrong.
    pub(crate) fn log_tail(&self) -> String {
        self.started.as_ref().map_or_else(String::new, Started::log_tail)
    }
}

impl Started {
    /// Waits until it takes a connection; gives the process that will do the work.
    fn await_ready(&mut self, address: SocketAddr, source: Source) -> Outcome<u32> {
        let deadline = kernel::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().doing("look after a peer")? {
                return cannot(format!("it ended at once ({status}): {}", self.log_tail()));
            }
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                let own = self.process.id();
                if !launch::works_in_a_child(source) {
                    return Ok(own);
                }
                if let [worker] = children(own)[..] {
                    return Ok(worker);
                }
            }
            if kernel::now() > deadline {
                return cannot(format!("it does not listen after {} s: {}", START_DEADLINE.as_secs(), self.log_tail()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log_tail(&self) -> String {
        lines(&self.folder.path().join(LOG)).join("\n")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let own = self.process.id();
        let family = descendants(own);
        end(own, Signal::TERM);
        let deadline = kernel::now() + STOP_DEADLINE;
        while matches!(self.process.try_wait(), Ok(None)) {
            if kernel::now() > deadline {
                say("warning: a peer ignored SIGTERM and is killed");
                let _ = self.process.kill();
                let _ = self.process.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // What it left behind is ours to end, as long as it is the same process still.
        for (pid, born) in family {
            if birth(pid) == Some(born) {
                end(pid, Signal::KILL);
            }
        }
    }
}

fn end(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// All processes below this one, each with the moment of its birth, since numbers are given again.
fn descendants(pid: u32) -> Vec<(u32, u64)> {
    let mut all: Vec<(u32, u64)> = Vec::new();
    let mut left = children(pid);
    while let Some(next) = left.pop() {
        left.extend(children(next));
        all.extend(birth(next).map(|born| (next, born)));
    }
    all
}

/// Field 22 of `/proc/PID/stat`, in ticks since the machine began; behind the name, which may have spaces in it, it is the 20th.
fn birth(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Two ports that nobody listens on.
fn free_ports() -> Outcome<(u16, u16)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("find a free port");
    let (one, other) = (bind()?, bind()?);
    let port = |listener: &TcpListener| listener.local_addr().doing("read a port").map(|address| address.port());
    Ok((port(&one)?, port(&other)?))
}

/// What a file says: its first lines and its last ones, since a cause stands in front and a trace behind.
pub(super) fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let behind = lines.len().saturating_sub(LAST_LINES).max(FIRST_LINES);
    let ends = lines.iter().take(FIRST_LINES).chain(lines.iter().skip(behind));
    ends.map(|line| line.chars().take(300).collect()).collect()
}
