//! Room ahead of the log: zeros behind its end, so that a commit writes into blocks that the file has already. No reading, and nothing that
//! durability rests on.
//!
//! A commit that makes the log longer has the file system commit, too: the new length, the new blocks. That took up to half of each flush
//! (`docs/benchmarks.md`). SQLite goes by the checksums of the log's frames and never by its length, and each is chained to the one before: what
//! stands behind the last commit is not read, be it zeros or the remains of an earlier round.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::open::LOG_PAGES;

/// Zeros written at a time, in bytes: some sixty small commits' worth, for about a millisecond of the writer's time.
const STEP_BYTES: usize = 1024 * 1024;

/// What a step is written from, piece by piece: a buffer as large as a step would be mapped, filled and unmapped for each.
static ZEROS: [u8; STEP_BYTES_MIN] = [0; STEP_BYTES_MIN];

/// The first step is smaller, and each one at most as long as the log is: who writes little pays little.
const STEP_BYTES_MIN: usize = 64 * 1024;

/// Where the log begins anew in the file, about, in bytes: pages of 4 KiB with 24 bytes each before them. It needs no room behind that.
const LOG_BYTES: u64 = LOG_PAGES.cast_unsigned() * (4096 + 24);

/// The log's file beside the one that SQLite holds open.
///
/// Only the thread that owns the connection may call [`Room::prepare`], and only outside of a transaction: else both would write at its end.
pub(crate) struct Room {
    path: PathBuf,
    file: Option<File>,
    /// The file's length when its last bytes were ours. A longer one has been written on by SQLite.
    prepared: u64,
    /// Whether there was none to be had: a disk that is full, or fails. Commits tell of that themselves.
    given_up: bool,
}

impl Room {
    /// For the store at `file`, whose log SQLite makes at the first commit.
    pub(crate) fn beside(file: &Path) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), file: None, prepared: 0, given_up: false }
    }

    /// Writes zeros behind the log when commits have reached its end.
    pub(crate) fn prepare(&mut self) {
        if self.given_up {
            return;
        }
        if let Err(error) = self.extend() {
            self.given_up = true;
            tracing::warn!(%error, "The store's log gets no room ahead; until the next start its commits take longer.");
        }
    }

    fn extend(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::options().write(true).open(&self.path)?),
        };
        // Not by its metadata: whoever has read a file's times has the next write give it new ones, down to the nanosecond (Linux 6.13 and later), and
        // the next flush writes those, too, with a request to the disk of its own.
        let length = file.seek(SeekFrom::End(0))?;
        if length <= self.prepared || length >= LOG_BYTES {
            return Ok(());
        }
        let step = usize::try_from(length).unwrap_or(STEP_BYTES).clamp(STEP_BYTES_MIN, STEP_BYTES);
        let end = length + step as u64;
        let mut at = length;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(STEP_BYTES).min(ZEROS.len());
            file.write_all_at(&ZEROS[..left], at)?;
            at += left as u64;
        }
        self.prepared = end;
        Ok(())
    }
}
