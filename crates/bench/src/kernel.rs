//! What the kernel says: the clock, a process' CPU time and memory, cores, descriptors, epoll. Not a place for policy.
use crate::failure::{Doing, Outcome, cannot};
use rustix::event::epoll;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;
use std::fs;
use std::time::{Duration, Instant};

/// The bench measures real time, so this is the one place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// CPU time that the scheduler gave to all threads of a process. Threads that have ended are not in it, so compare two
/// readings only over a span in which the process keeps its threads.
pub(crate) fn cpu_time(pid: u32) -> Outcome<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).doing("list the threads of the measured process")?;
    let mut nanoseconds = 0u64;
    for task in tasks.flatten() {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        nanoseconds += first_number(&text).unwrap_or(0);
    }
    if nanoseconds == 0 {
        return cannot("the kernel keeps no run times in /proc/PID/task/*/schedstat");
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).doing("read the server's smaps_rollup")?;
    match text.lines().find_map(|line| line.strip_prefix("Rss:")).and_then(first_number) {
        Some(kib) => Ok(kib),
        None => cannot("smaps_rollup has no Rss line"),
    }
}

/// The most memory that was ever resident, in KiB.
pub(crate) fn peak_kib(pid: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).doing("read the server's status")?;
    match text.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(first_number) {
        Some(kib) => Ok(kib),
        None => cannot("/proc/PID/status has no VmHWM line"),
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Keeps the calling thread, and every process that it starts from now on, on one core. False where there is no such core.
pub(crate) fn pin(core: usize) -> bool {
    if core >= CpuSet::MAX_CPU {
        return false;
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).is_ok()
}

/// Raises the soft limit of descriptors to the hard one and says what it is now.
pub(crate) fn raise_descriptor_limit() -> Outcome<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).doing("raise the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The day, as year, month and day.
pub(crate) fn today() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%F"]).output();
    output.map_or_else(
        |_| "an unknown day".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// One line about the machine, for the head of a report.
pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(value);
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let release = read("/proc/sys/kernel/osrelease");
    // What follows the first two numbers is the builder's own, and names whose machine it is.
    let kernel = release.trim().splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    format!("{cores} × {}, Linux {kernel}", model.as_deref().unwrap_or("unknown processor"))
}

/// Load average of the last minute: what else was running.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// Sockets that one look tells of.
const EVENTS_MAX: usize = 1024;

/// Level-triggered readiness of many sockets, by the caller's own number for each.
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> Outcome<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).doing("create an epoll")?;
        Ok(Poller { epoll })
    }

    pub(crate) fn add(&self, socket: impl AsFd, number: u64) -> Outcome<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(number), flags).doing("watch a socket")
    }

    /// Stops watching.
    pub(crate) fn remove(&self, socket: impl AsFd) -> Outcome<()> {
        epoll::delete(&self.epoll, socket).doing("stop watching a socket")
    }

    /// Fills `ready` with the numbers of sockets that can be read. Empty after `wait` passed.
    pub(crate) fn wait(&mut self, wait: Duration, ready: &mut Vec<u64>) -> Outcome<()> {
        ready.clear();
        // Not kept: an event may hold a pointer, and a poller goes from one thread to another.
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS_MAX);
        let timeout = rustix::event::Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing("wait for sockets"),
        }
        ready.extend(events.iter().map(|event| event.data.u64()));
        Ok(())
    }
}
