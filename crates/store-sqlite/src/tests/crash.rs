//! Crashes: what was acknowledged is there afterwards, what was not committed is not, and every start is clean.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::clock::UnixMillis;
use tollgate_core::command::Published;
use tollgate_core::delivery::Publication;
use tollgate_core::json::JsonValue;
use tollgate_core::model::Channel;
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{Change, ChannelStore as _, HistoryStore as _, StateChange};

use super::{
    ONE, channel, durable, file, fresh, furnish, furnished, insert_token, object, observe, queue, room, token, tokens,
};
use crate::SqliteStore;
use crate::writer::Work;

/// The files as a power cut in the middle of a transaction leaves them: a copy taken while the writer is held there.
#[test]
fn a_copy_of_the_files_is_a_whole_store() {
    let (folder, store, _) = furnished();
    for number in 0..300 {
        block_on(insert_token(&store, token(number), &[room()])).unwrap();
    }
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let (enter, entered) = std::sync::mpsc::sync_channel(1);
    let mut unfinished = store.unit(move |work: &mut Work<'_>| {
        // More than the page cache holds, so that unfinished pages are in the log.
        work.db.execute_batch("PRAGMA cache_size = 10")?;
        for number in 1_000..5_000_u32 {
            work.db.execute(
                "INSERT INTO tokens (id, project, revision, sealed) VALUES (?1, 1, 1, zeroblob(500))",
                [number],
            )?;
        }
        enter.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    });
    queue(&mut unfinished);
    entered.recv().unwrap();

    let copy = tempfile::tempdir().unwrap();
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        bytes += std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    assert!(bytes > 2_000_000, "the unfinished transaction is in the copied files: {bytes} bytes");
    let copied = SqliteStore::open(&file(&copy)).unwrap();
    assert_eq!(tokens(&observe(&copied).1), (0..300).collect::<Vec<_>>());
    block_on(insert_token(&copied, token(1_000), &[room()])).unwrap();
    check_integrity(&copied);
    drop(release);
    block_on(unfinished).unwrap();
}

/// `kill -9` of a process that writes with eight threads, five times on the same file.
#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let (folder, store) = fresh();
    furnish(&store);
    block_on(store.insert_channel(Channel { settings: durable(10_000), ..channel("kept", "{}") }, None)).unwrap();
    drop(store);
    let mut acknowledged = BTreeSet::new();
    for (round, lines) in [40, 333, 7, 150, 220].into_iter().enumerate() {
        let before = acknowledged.len();
        acknowledged.extend(write_until_killed(&file(&folder), (round as u64 + 1) * 1_000_000, lines));
        assert!(acknowledged.len() >= before + lines, "the child was at work");
        let store = SqliteStore::open(&file(&folder)).unwrap();
        check_integrity(&store);
        let (_, replayed) = observe(&store);
        let kept: BTreeSet<u64> = tokens(&replayed).into_iter().collect();
        assert!(acknowledged.is_subset(&kept), "lost: {:?}", acknowledged.difference(&kept).collect::<Vec<_>>());
        // Each thread had at most one unit under way that was kept and not yet answered.
        assert!(
            kept.len() <= acknowledged.len() + 8 * (round + 1),
            "{} kept, {} acknowledged",
            kept.len(),
            acknowledged.len()
        );
        let channels = replayed.into_iter().filter_map(|change| match change {
            Change::ChannelCreated(channel) => Some(channel),
            _ => None,
        });
        let [room, history] = channels.collect::<Vec<_>>().try_into().unwrap();
        check_history(&store, &history, &acknowledged);
        let state = room.state.as_str();
        let merged = |number: &&u64| state.contains(&format!(r#""{number}":"#));
        assert_eq!(acknowledged.iter().find(|number| !merged(number)), None, "a merge is lost");
    }
}

/// The history holds every message whose number was acknowledged, each once and under its own id, and its offsets have no gap.
fn check_history(store: &SqliteStore, channel: &Channel, acknowledged: &BTreeSet<u64>) {
    let kept = block_on(store.messages(ONE, channel.id.clone(), 0..=u64::MAX, false, usize::MAX)).unwrap();
    assert!(kept.iter().map(|(offset, _)| *offset).eq(1..=channel.offset), "offsets from 1 to {}", channel.offset);
    let numbers: BTreeSet<u64> = kept.iter().map(|(_, message)| message.at.0).collect();
    assert_eq!(numbers.len(), kept.len(), "a message is kept twice");
    let lost: Vec<_> = acknowledged.difference(&numbers).collect();
    assert!(lost.is_empty(), "published and lost: {lost:?}");
    // Published again after the crash, as a client does that had no answer, it is known.
    let (offset, last) = kept.last().unwrap();
    let again = block_on(store.append(ONE, channel.id.clone(), message(last.at.0), Some(once(last.at.0)))).unwrap();
    assert!(matches!(again, Published::Duplicate(position) if position.offset == *offset), "{again:?}");
}

fn message(number: u64) -> Publication {
    Publication::new("said", JsonValue::null(), UnixMillis(number))
}

fn once(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

/// Starts this test program as a child that runs [`child_that_writes`], reads so many acknowledgements, kills it, and gives all
/// that it has acknowledged.
fn write_until_killed(file: &Path, first: u64, lines: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["tests::crash::child_that_writes", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{first} {}", file.display()).unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut numbers, mut line) = (Vec::new(), String::new());
    while output.read_line(&mut line).unwrap() > 0 {
        // Whole lines alone: the last may be cut.
        let number =
            line.strip_suffix('\n').and_then(|line| line.split_once("acknowledged ")).map(|(_, number)| number);
        numbers.extend(number.map(|number| number.parse::<u64>().unwrap()));
        if numbers.len() == lines {
            child.kill().unwrap();
        }
        line.clear();
    }
    child.wait().unwrap();
    numbers
}

/// Not a test: the process that [`a_killed_process_loses_nothing_acknowledged`] kills. Does nothing when nobody tells it where.
#[test]
#[ignore = "run by the test that kills it"]
fn child_that_writes() {
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).unwrap();
    let Some((first, file)) = order.trim_end().split_once(' ') else { return };
    let store = SqliteStore::open(Path::new(file)).unwrap();
    observe(&store);
    let next = AtomicU64::new(first.parse().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let merge = StateChange::Merge(object(&format!(r#"{{"{number}":1}}"#)));
                    block_on(store.change_state(ONE, room(), merge, None)).unwrap();
                    let kept = channel("kept", "{}").id;
                    block_on(store.append(ONE, kept, message(number), Some(once(number)))).unwrap();
                    block_on(insert_token(&store, token(number), &[room()])).unwrap();
                    writeln!(std::io::stdout().lock(), "acknowledged {number}").unwrap();
                }
            });
        }
    });
}

fn check_integrity(store: &SqliteStore) {
    let verdict = block_on(
        store.unit(|work| Ok(work.db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))?)),
    );
    assert_eq!(verdict.as_deref(), Ok("ok"));
}
