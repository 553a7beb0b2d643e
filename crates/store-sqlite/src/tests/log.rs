//! The room ahead of the log: most commits leave the file as long as it was, and what stands behind the last one is never taken for one.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tollgate_core::credentials::RowKind;
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::Store as _;

use super::{file, furnished, insert_token, observe, room, token, tokens};
use crate::SqliteStore;
use crate::log::Room;

fn log_of(file: &Path) -> PathBuf {
    file.with_extension("db-wal")
}

#[test]
fn most_commits_leave_the_log_as_long_as_it_is() {
    let (folder, store, _) = furnished();
    let log = log_of(&file(&folder));
    let mut lengths = Vec::new();
    for number in 0..500 {
        block_on(insert_token(&store, token(number), &[room()])).unwrap();
        // One unit later, so that the room made after the commit is there.
        block_on(store.vault()).unwrap();
        lengths.push(std::fs::metadata(&log).unwrap().len());
    }
    let commits = lengths.len();
    lengths.dedup();
    assert!(lengths.is_sorted(), "{lengths:?}");
    assert!(lengths.len() * 20 < commits, "{} of {commits} commits made the log longer: {lengths:?}", lengths.len());
}

#[test]
fn the_log_stays_within_its_bounds_and_begins_anew() {
    let (folder, store, seen) = furnished();
    for group in 0..60 {
        // Some 400 pages each: over and over what the log takes before it is merged into the file.
        let writes = (0..1_000).map(|number| {
            let mut row = token(group * 1_000 + number);
            row.sealed = vec![7; 1_000];
            tollgate_core::ports::store::Write::Insert(row)
        });
        let unit = tollgate_core::ports::store::Unit { writes: writes.collect(), audit: vec![] };
        block_on(store.commit(unit)).unwrap();
    }
    block_on(store.vault()).unwrap();
    let length = std::fs::metadata(log_of(&file(&folder))).unwrap().len();
    assert!(length < 24 * 1024 * 1024, "{length} bytes");
    assert_eq!(tokens(&seen.take()).len(), 60_000);
    block_on(store.close()).unwrap();
    assert_eq!(tokens(&observe(&SqliteStore::open(&file(&folder)).unwrap()).1).len(), 60_000);
}

#[test]
fn what_stands_behind_the_last_commit_is_never_taken_for_one() {
    let (folder, store, _) = furnished();
    for number in 0..50 {
        block_on(insert_token(&store, token(number), &[room()])).unwrap();
    }
    block_on(store.vault()).unwrap();
    let whole = std::fs::read(log_of(&file(&folder))).unwrap();
    let used = whole.len() - whole.iter().rev().take_while(|byte| **byte == 0).count();
    assert!(whole.len() - used > 10_000, "there is room behind the last commit: {used} of {}", whole.len());
    // As it is, cut to what is used, and with something else behind it, as a disk leaves it that lost its power.
    for behind in ["zeros", "nothing", "rubbish"] {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(file(&folder), file(&copy)).unwrap();
        std::fs::copy(log_of(&file(&folder)), log_of(&file(&copy))).unwrap();
        let log = std::fs::File::options().write(true).open(log_of(&file(&copy))).unwrap();
        // Frames end in data that may be zero: up to the frame's end.
        let frame_end = 32 + (used - 32).div_ceil(4096 + 24) * (4096 + 24);
        match behind {
            "nothing" => log.set_len(frame_end as u64).unwrap(),
            "rubbish" => log.write_all_at(&whole[32..9_000], frame_end as u64).unwrap(),
            _ => {}
        }
        let store = SqliteStore::open(&file(&copy)).unwrap();
        assert_eq!(tokens(&observe(&store).1), (0..50).collect::<Vec<_>>(), "{behind}");
        block_on(insert_token(&store, token(50), &[room()])).unwrap();
    }
}

/// Linux gives a file that somebody has asked for its times new ones at the next write, to the nanosecond, where it would leave those of its clock's last
/// tick; and new times are one more thing for a flush to write.
#[test]
#[allow(clippy::disallowed_methods, reason = "the file system's clock is compared with the real one")]
fn looking_for_the_end_of_the_log_asks_for_no_times() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create_new(log_of(&file(&folder))).unwrap();
    let of_the_last_tick = |look: &mut dyn FnMut()| {
        let is_older = |_: &usize| {
            // Takes the new times that this test's own question is due.
            log.write_all_at(b"a", 0).unwrap();
            look();
            let before = std::time::SystemTime::now();
            log.write_all_at(b"b", 0).unwrap();
            log.metadata().unwrap().modified().unwrap() < before
        };
        (0..200).filter(is_older).count()
    };
    // A file system whose times are always exact shows nothing.
    if of_the_last_tick(&mut || {}) > 100 {
        let mut room = Room::beside(&file(&folder));
        let found = of_the_last_tick(&mut || room.prepare());
        assert!(found > 100, "{found} of 200 writes left the times as they were");
    }
}

/// Pages in the log: each with 24 bytes before it that begin with its number, which is none in the room behind them.
fn pages(folder: &tempfile::TempDir) -> usize {
    let log = std::fs::read(log_of(&file(folder))).unwrap();
    log[32..].chunks_exact(24 + 4096).take_while(|frame| frame[..4] != [0; 4]).count()
}

#[test]
fn a_new_token_changes_little_but_the_last_page_of_tokens_and_the_books() {
    let (folder, store, _) = furnished();
    let insert = |number, kind| {
        let mut row = token(number);
        (row.name.kind, row.sealed) = (kind, vec![7; 200]);
        let writes = vec![tollgate_core::ports::store::Write::Insert(row)];
        block_on(store.commit(tollgate_core::ports::store::Unit { writes, audit: vec![] })).unwrap();
    };
    // Of kinds with higher numbers.
    (0..40).for_each(|number| insert(number, RowKind::Idempotency));
    let before = pages(&folder);
    (100..400).for_each(|number| insert(number, RowKind::Token));
    let written = pages(&folder) - before;
    assert!(written < 660, "{written} pages for 300 commits of two each");
}
