//! Durable histories: what the disk holds of them, how much one unit of work does, and how a file of the first schema gets them.

use rusqlite::Connection;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::Published;
use tollgate_core::delivery::Publication;
use tollgate_core::json::JsonValue;
use tollgate_core::model::{Channel, ChannelSettings};
use tollgate_core::ports::conformance::{block_on, ledger};
use tollgate_core::ports::store::{
    AuditStore as _, Change, ChannelStore as _, HistoryStore as _, Store as _, StoreError,
};

use super::{ONE, channel, durable, file, fresh, furnish, hold, observe, queue, tokens};
use crate::SqliteStore;

/// A store with the channel `kept`.
fn keeping(size: u32) -> (tempfile::TempDir, SqliteStore, Channel) {
    let (folder, store) = fresh();
    furnish(&store);
    let kept = Channel { settings: durable(size), ..channel("kept", "{}") };
    let kept = block_on(store.insert_channel(kept, None)).unwrap();
    (folder, store, kept)
}

fn append(store: &SqliteStore, data: &str, at: u64) -> u64 {
    let data = JsonValue::parse(data.as_bytes(), usize::MAX).unwrap();
    let message = Publication::new("said", data, UnixMillis(at));
    let answer = block_on(store.append(ONE, channel("kept", "{}").id, message, None)).unwrap();
    let Published::At(position) = answer else { panic!("{answer:?}") };
    position.offset
}

fn append_all(store: &SqliteStore, moments: std::ops::Range<u64>) {
    for at in moments {
        append(store, "1", at);
    }
}

fn resize(store: &SqliteStore, size: u32) {
    let kept = channel("kept", "{}");
    block_on(store.change_settings(ONE, kept.id, kept.capabilities, durable(size), None)).unwrap();
}

fn read(store: &SqliteStore, limit: usize, newest: bool) -> Result<Vec<u64>, StoreError> {
    let read = block_on(store.messages(ONE, channel("kept", "{}").id, 0..=u64::MAX, newest, limit))?;
    Ok(read.into_iter().map(|(offset, _)| offset).collect())
}

/// The number that this statement gives.
fn number(store: &SqliteStore, sql: &'static str) -> u64 {
    block_on(store.unit(move |work| Ok(work.db.query_row(sql, [], |row| crate::columns::number(row, 0))?))).unwrap()
}

fn rows(store: &SqliteStore) -> [u64; 3] {
    ["messages", "histories", "onces"].map(|table| match table {
        "messages" => number(store, "SELECT count(*) FROM messages"),
        "histories" => number(store, "SELECT count(*) FROM histories"),
        _ => number(store, "SELECT count(*) FROM onces"),
    })
}

#[test]
fn what_is_beyond_the_size_does_not_pile_up() {
    let (_folder, store, _) = keeping(20);
    let mut most = 0;
    for at in 0..500 {
        append(&store, "1", at);
        most = most.max(rows(&store)[0]);
    }
    assert!((21..=36).contains(&most), "{most} messages on the disk: trimmed in steps, and not late");
    // From a larger size to a smaller one no message pays for all.
    resize(&store, 200);
    append_all(&store, 500..800);
    resize(&store, 1);
    let mut before = rows(&store)[0];
    for at in 800..1_000 {
        append(&store, "1", at);
        let now = rows(&store)[0];
        assert!(now + 31 >= before, "{before} to {now} messages by one append");
        before = now;
    }
    assert!(before <= 17, "{before}");
}

#[test]
fn a_history_that_is_over_goes_in_steps() {
    for delete in [true, false] {
        let (_folder, store, kept) = keeping(10_000);
        append_all(&store, 0..300);
        let last = Publication::new("m", JsonValue::null(), UnixMillis(1));
        block_on(store.append(ONE, kept.id.clone(), last, Some([1; 16]))).unwrap();
        match delete {
            true => block_on(store.delete_channel(ONE, kept.id, None)).unwrap(),
            false => {
                let settings = ChannelSettings::default();
                block_on(store.change_settings(ONE, kept.id, kept.capabilities, settings, None)).unwrap();
            }
        }
        assert_eq!(rows(&store), [301, 1, 1], "nothing is deleted by the unit that ends it");
        let steps: Vec<u64> = (0..4).map(|_| block_on(store.prune_history(UnixMillis(1), 150)).unwrap()).collect();
        assert_eq!(steps, [150, 150, 1, 0]);
        assert_eq!(rows(&store), [0, 0, 1]);
        assert_eq!(block_on(store.prune_history(UnixMillis(200_000), 150)).unwrap(), 1);
        assert_eq!(rows(&store), [0, 0, 0], "nothing is left behind");
    }
}

#[test]
fn pruning_finds_what_is_old_by_an_index() {
    let (_folder, store, _) = keeping(100);
    let plan = |sql: &'static str| {
        block_on(store.unit(move |work| {
            let mut statement = work.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let steps = statement.query_map([], |row| row.get::<_, String>(3))?;
            Ok(steps.collect::<Result<Vec<_>, _>>()?.join("; "))
        }))
        .unwrap()
    };
    let due = plan("SELECT channel, run, last_offset FROM histories WHERE due_at <= 5 ORDER BY due_at LIMIT 1");
    assert!(due.contains("USING INDEX histories_by_due") && !due.contains("TEMP"), "{due}");
    let over = plan(
        "DELETE FROM onces WHERE (channel, run, once) IN (SELECT channel, run, once FROM onces WHERE at < 1 ORDER BY at LIMIT 5)",
    );
    assert!(over.contains("onces_by_at") && !over.contains("SCAN onces"), "{over}");
    // A run that has nothing to prune is not looked at, and an append that finds one due moves nothing.
    assert_eq!(number(&store, "SELECT count(*) FROM histories WHERE due_at IS NULL"), 1);
    append(&store, "1", 7_000);
    append(&store, "1", 8_000);
    assert_eq!(number(&store, "SELECT due_at FROM histories"), 8_001);
    assert_eq!(block_on(store.prune_history(UnixMillis(8_001), 10)), Ok(1));
    assert_eq!(number(&store, "SELECT due_at FROM histories"), 9_001);
}

#[test]
fn large_messages_are_read_and_pruned_in_steps() {
    let (_folder, store, _) = keeping(1_000);
    let large = format!(r#""{}""#, "x".repeat(1_000_000));
    for at in 0..40 {
        append(&store, &large, at);
    }
    let before = store.units();
    assert_eq!(read(&store, 1_000, false).unwrap(), (1..=40).collect::<Vec<_>>());
    assert_eq!(read(&store, 1_000, true).unwrap(), (1..=40).collect::<Vec<_>>());
    assert!(store.units() - before >= 40, "{} units", store.units() - before);
    let pruned: Vec<u64> = (0..4).map(|_| block_on(store.prune_history(UnixMillis(90_000), 1_000)).unwrap()).collect();
    assert_eq!(pruned, [17, 17, 6, 0], "16 MiB each");
}

/// Between two steps of a reading the oldest messages go, or all of them.
#[test]
fn a_page_is_whole_whatever_happens_while_it_is_read() {
    for newest in [false, true] {
        let (_folder, store, kept) = keeping(1_000);
        append_all(&store, 0..600);
        let (release, held) = hold(&store);
        let mut page = store.messages(ONE, kept.id.clone(), 0..=u64::MAX, newest, 1_000);
        queue(&mut page);
        let mut shrink = store.change_settings(ONE, kept.id.clone(), kept.capabilities, durable(100), None);
        queue(&mut shrink);
        drop(release);
        block_on(held).unwrap();
        block_on(shrink).unwrap();
        let read: Vec<u64> = block_on(page).unwrap().into_iter().map(|(offset, _)| offset).collect();
        assert!(read.is_sorted_by(|before, after| before + 1 == *after), "a gap: {read:?}");
        assert_eq!(read.last(), Some(&600));

        let (release, held) = hold(&store);
        let mut page = store.messages(ONE, kept.id.clone(), 0..=u64::MAX, newest, 1_000);
        queue(&mut page);
        let mut off = store.change_settings(ONE, kept.id.clone(), kept.capabilities, ChannelSettings::default(), None);
        queue(&mut off);
        drop(release);
        block_on(held).unwrap();
        block_on(off).unwrap();
        assert_eq!(block_on(page).unwrap_err(), StoreError::NotDurable);
    }
}

#[test]
fn messages_that_are_none_are_refused() {
    let (folder, store, _) = keeping(100);
    append_all(&store, 1..10);
    block_on(store.close()).unwrap();
    let table = [
        ("UPDATE messages SET data = '{' WHERE offset = 3", "JSON"),
        ("UPDATE messages SET data = '' WHERE offset = 3", "JSON"),
        ("UPDATE messages SET data = '[' || printf('%.*c', 2000000, '1') || ']' WHERE offset = 3", "2000002 bytes"),
        ("UPDATE messages SET data = CAST(x'22ff22' AS TEXT) WHERE offset = 3", "utf-8"),
        ("UPDATE messages SET event = printf('%.*c', 256, 'e') WHERE offset = 3", "too long"),
        ("UPDATE messages SET user = printf('%.*c', 4000, 'e') WHERE offset = 3", "too long"),
        ("UPDATE messages SET id = printf('%.*c', 65, 'e') WHERE offset = 3", "too long"),
        ("DELETE FROM messages WHERE offset = 3", "gap"),
    ];
    for (sql, expected) in table {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(file(&folder), file(&copy)).unwrap();
        assert_eq!(Connection::open(file(&copy)).unwrap().execute(sql, []), Ok(1), "{sql}");
        let store = SqliteStore::open(&file(&copy)).unwrap();
        observe(&store);
        let refused = read(&store, 100, false).unwrap_err();
        assert!(matches!(&refused, StoreError::Damaged(what) if what.contains(expected)), "{sql}: {refused}");
        // The rest works.
        assert_eq!(read(&store, 6, true).unwrap(), [4, 5, 6, 7, 8, 9]);
        assert_eq!(append(&store, "1", 10), 10);
    }
}

/// A file as the first schema's program left it, with its books.
fn first_schema() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(file(&folder)).unwrap();
    db.execute_batch(include_str!("../../migrations/0001_records.sql")).unwrap();
    db.execute_batch("PRAGMA application_id = 0x544F4C4C; PRAGMA user_version = 1; PRAGMA journal_mode = WAL").unwrap();
    db.execute_batch(include_str!("first_schema.sql")).unwrap();
    folder
}

#[test]
fn a_file_of_the_first_schema_is_taken_over_with_its_books() {
    let folder = first_schema();
    for round in 0..2 {
        let store = SqliteStore::open(&file(&folder)).unwrap();
        let (_, replayed) = observe(&store);
        assert!(block_on(store.verify_audit()).unwrap().is_ok());
        // In a table of their own since the fourth schema.
        assert_eq!(tokens(&replayed), [11, 12]);
        let channels: Vec<Channel> = replayed
            .into_iter()
            .filter_map(|change| if let Change::ChannelCreated(channel) = change { Some(channel) } else { None })
            .collect();
        assert_eq!(channels.len(), 2);
        let expected = if round == 0 { ChannelSettings::default() } else { durable(5) };
        let b = &channels[1];
        assert_eq!((b.settings, b.capabilities.bits()), (expected, 31));
        assert_eq!((b.version, b.state.as_str()), (2, r#"{"topic":"é"}"#));
        assert_eq!((b.run, b.offset), (round, 2 * u64::from(round)));
        assert_eq!((channels[0].settings, channels[0].run), (ChannelSettings::default(), 0));
        if round == 0 {
            block_on(store.change_settings(ONE, b.id.clone(), b.capabilities, durable(5), None)).unwrap();
            for at in [1, 2] {
                let message = Publication::new("m", JsonValue::null(), UnixMillis(at));
                block_on(store.append(ONE, b.id.clone(), message, None)).unwrap();
            }
        }
    }
}

#[test]
fn a_file_of_the_first_schema_that_somebody_changed_is_refused() {
    let table = [
        "UPDATE channels SET capabilities = 3 WHERE id = 'a'",
        "UPDATE rows SET revision = 1 WHERE kind = 23 AND id = 11",
        "INSERT INTO rows SELECT 23, 13, project, revision, sealed FROM rows WHERE kind = 23 AND id = 11",
        "UPDATE channels SET kind = 'private' WHERE id = 'a'",
        "UPDATE channels SET id = 'c' WHERE id = 'a'",
        "DELETE FROM subscriptions WHERE channel = 2; DELETE FROM channels WHERE id = 'b'",
    ];
    for sql in table {
        let folder = first_schema();
        Connection::open(file(&folder)).unwrap().execute_batch(sql).unwrap();
        let store = SqliteStore::open(&file(&folder)).unwrap();
        let refused = block_on(store.attach(std::sync::Arc::<super::Recorder>::default(), ledger()));
        assert!(matches!(&refused, Err(StoreError::Damaged(_))), "{sql}: {refused:?}");
    }
}
