//! Finding and ending the processes of one call, each by its own id. Linux only (`/proc`); elsewhere only the child itself is ended.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// The variable by which descendants are found that were handed over to init.
pub(crate) const MARK: &str = "XTASK_CALL";

/// How long a process may take to end before it is killed, and after.
const GRACE: Duration = Duration::from_secs(3);

/// Ends whatever runs of the call with this mark: descendants of `child`, and those that carry the mark. Gives how many there were.
pub(crate) fn end(child: Option<u32>, mark: &str) -> usize {
    let mut ended = BTreeSet::new();
    // Looked for again each time: some are started meanwhile, and who is just becoming another program carries nothing for a moment.
    for how in [Signal::TERM, Signal::KILL, Signal::KILL] {
        let found = find(child, mark);
        signal(&found, how);
        let patience = Instant::now() + GRACE;
        while found.iter().any(|&id| is_running(id)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        ended.extend(found);
    }
    ended.len()
}

fn find(child: Option<u32>, mark: &str) -> BTreeSet<u32> {
    let marked = format!("{MARK}={mark}");
    let all: Vec<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let own = std::process::id();
    let mut found: BTreeSet<u32> = child.into_iter().collect();
    found.extend(all.iter().filter(|&&id| id != own && is_running(id) && carries(id, marked.as_bytes())));
    loop {
        let before = found.len();
        let born: Vec<u32> =
            all.iter().copied().filter(|&id| parent(id).is_some_and(|parent| found.contains(&parent))).collect();
        found.extend(born);
        if found.len() == before {
            return found;
        }
    }
}

fn carries(id: u32, marked: &[u8]) -> bool {
    let environment = std::fs::read(Path::new("/proc").join(id.to_string()).join("environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|entry| entry == marked)
}

/// The fields of `/proc/ID/stat` from the state on; the command before them may hold anything.
fn fields(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn parent(id: u32) -> Option<u32> {
    fields(id)?.get(1)?.parse().ok()
}

/// Not a zombie that waits for its parent.
fn is_running(id: u32) -> bool {
    fields(id).and_then(|fields| fields.first().cloned()).is_some_and(|state| state != "Z" && state != "X")
}

fn signal(ids: &BTreeSet<u32>, signal: Signal) {
    for &id in ids {
        let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) else { continue };
        // It may be gone.
        let _gone = rustix::process::kill_process(id, signal);
    }
}
