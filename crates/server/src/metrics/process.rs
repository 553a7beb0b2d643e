//! What the system says of this process and its files, read when it is asked for. What cannot be read is left out, not guessed.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// The process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) open_descriptors: Option<u64>,
    pub(super) descriptors_max: Option<u64>,
}

/// The files of the store.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) database_bytes: Option<u64>,
    pub(crate) log_bytes: Option<u64>,
    pub(crate) free_bytes: Option<u64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            open_descriptors: open_descriptors(),
            descriptors_max: getrlimit(Resource::Nofile).current,
            ..Self::of_stat(&stat, rustix::param::clock_ticks_per_second(), rustix::param::page_size() as u64)
        }
    }

    /// From the line of `/proc/self/stat` (source: proc_pid_stat(5)).
    fn of_stat(stat: &str, ticks_per_second: u64, page_bytes: u64) -> Self {
        // The second field is a name in brackets that may hold anything; the numbers here are counted from the one behind it, which is the third.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14).zip(field(15)).map(|(user, system)| user + system);
        Self {
            #[allow(clippy::cast_precision_loss, reason = "exact for 2 million years")]
            cpu_seconds: ticks.map(|ticks| ticks as f64 / ticks_per_second as f64),
            threads: field(20),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * page_bytes),
            ..Self::default()
        }
    }
}

/// How many files and sockets are open. Linux tells their number as the folder's size since 6.2; before, they are counted.
fn open_descriptors() -> Option<u64> {
    let folder = Path::new("/proc/self/fd");
    let told = fs::metadata(folder).ok()?.len();
    if told > 0 { Some(told) } else { fs::read_dir(folder).ok().map(|entries| entries.count() as u64) }
}

impl Files {
    pub(crate) fn of(database: &Path) -> Self {
        let bytes = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let room = crate::machine::free_bytes(database);
        Self { database_bytes: bytes(database), log_bytes: bytes(Path::new(&log)).or(Some(0)), free_bytes: room }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_by_its_fields() {
        let line = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 9 0 77 4096000 300 18446744073709551615";
        let process = Process::of_stat(line, 100, 4096);
        assert_eq!(process.cpu_seconds, Some(3.0));
        assert_eq!((process.threads, process.virtual_bytes), (Some(9), Some(4_096_000)));
        assert_eq!(process.resident_bytes, Some(300 * 4096));
        for broken in ["", "42", "42 (a) S 1 2"] {
            assert_eq!(Process::of_stat(broken, 100, 4096).threads, None, "{broken:?}");
        }
    }

    #[test]
    fn this_process_is_known() {
        let before = Process::read();
        let file = fs::File::open("/proc/self/stat").unwrap();
        assert!(before.resident_bytes.unwrap() > 1_000_000 && before.threads.unwrap() >= 1);
        assert!(
            before.open_descriptors.unwrap() >= 3
                && before.descriptors_max.unwrap() >= before.open_descriptors.unwrap()
        );
        drop(file);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.db"), [0; 7]).unwrap();
        fs::write(folder.path().join("x.db-wal"), [0; 5]).unwrap();
        let files = Files::of(&folder.path().join("x.db"));
        assert_eq!((files.database_bytes, files.log_bytes), (Some(7), Some(5)));
        assert!(files.free_bytes.unwrap() > 0);
    }
}
