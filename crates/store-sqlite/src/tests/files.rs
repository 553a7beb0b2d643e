//! The file: whose it is, who may read it, which schema it has, and that it keeps everything.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{ChannelStore as _, StateChange, Store as _, StoreError, Unit, Vault, Write};

use super::{ONE, file, fresh, furnish, furnished, hold, insert_token, object, observe, queue, room, token, tokens};
use crate::{OpenError, Schema, SqliteStore};

#[test]
fn reopening_keeps_everything() {
    let (folder, store) = fresh();
    furnish(&store);
    let vault = Vault { key_check: vec![1, 2], ledger_key: vec![3], ring: vec![], last_number: 0 };
    block_on(store.commit(Unit { writes: vec![Write::Vault(vault.clone())], audit: vec![] })).unwrap();
    block_on(insert_token(&store, token(5), &[room()])).unwrap();
    block_on(store.change_state(ONE, room(), StateChange::Merge(object(r#"{"a":1}"#)), None)).unwrap();
    block_on(store.close()).unwrap();
    let mut before = Vec::new();
    for _ in 0..2 {
        let store = SqliteStore::open(&file(&folder)).unwrap();
        let (_, replayed) = observe(&store);
        assert_eq!(replayed.len(), 4, "a project, a token, a channel, a subscription");
        assert!(before.is_empty() || before == replayed);
        before = replayed;
        assert_eq!(block_on(store.vault()), Ok(Some(vault.clone())));
    }
}

#[test]
fn sequences_go_on_after_a_restart() {
    let (folder, store) = fresh();
    furnish(&store);
    let last = block_on(store.insert_channel(super::channel("last", "{}"), None)).unwrap().sequence;
    block_on(store.delete_channel(ONE, super::channel("last", "{}").id, None)).unwrap();
    drop(store);
    let store = SqliteStore::open(&file(&folder)).unwrap();
    observe(&store);
    assert!(block_on(store.insert_channel(super::channel("last", "{}"), None)).unwrap().sequence > last);
}

#[test]
fn only_the_owner_may_read_the_file() {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (folder, store) = fresh();
    furnish(&store);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() >= 2, "the file and its log: {names:?}");
    for path in &names {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    // Also when it came from elsewhere.
    drop(store);
    std::fs::set_permissions(file(&folder), std::fs::Permissions::from_mode(0o644)).unwrap();
    let _store = SqliteStore::open(&file(&folder)).unwrap();
    assert_eq!(mode(&file(&folder)), 0o600);
}

#[test]
fn closing_leaves_one_whole_file() {
    let (folder, store) = fresh();
    furnish(&store);
    block_on(store.close()).unwrap();
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["tollgate.db"], "the log was written into the file and is gone");
    for answer in [block_on(store.probe()), block_on(store.close())] {
        assert!(matches!(&answer, Err(StoreError::Unavailable(reason)) if reason.contains("closed")), "{answer:?}");
    }
    drop(store);
}

#[test]
fn closing_finishes_what_is_queued() {
    for orderly in [true, false] {
        let (folder, store, seen) = furnished();
        let (release, held) = hold(&store);
        let mut answers: Vec<_> = (0..50).map(|number| insert_token(&store, token(number), &[])).collect();
        answers.iter_mut().for_each(queue);
        if orderly {
            let mut closed: super::Answer<'_, ()> = Box::pin(store.close());
            queue(&mut closed);
            drop(release);
            block_on(closed).unwrap();
            answers.into_iter().for_each(|answer| block_on(answer).unwrap());
            block_on(held).unwrap();
        } else {
            drop((release, held, answers));
        }
        drop(store);
        let all: Vec<_> = (0..50).collect();
        assert_eq!(tokens(&seen.take()), all);
        let store = SqliteStore::open(&file(&folder)).unwrap();
        assert_eq!(tokens(&observe(&store).1), all);
    }
}

#[test]
fn a_store_serves_one_opener() {
    let (folder, store) = fresh();
    let refused = SqliteStore::open(&file(&folder)).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(store);
    SqliteStore::open(&file(&folder)).unwrap();
}

#[test]
fn wrong_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");

    let text = "This is a diary, not a database. ".repeat(300);
    std::fs::write(&path, &text).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::NotADatabase { .. }), "{refused}");
    assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    for (path, kind) in
        [(folder.path().to_path_buf(), "a folder"), (folder.path().join("none/tollgate.db"), "in no folder")]
    {
        let refused = SqliteStore::open(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Io { .. } | OpenError::Database { .. }), "{kind}: {refused}");
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let (folder, store) = fresh();
    drop(store);
    Connection::open(file(&folder)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(&file(&folder)).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 99, known: 4, .. }), "{refused}");
    assert!(refused.to_string().contains("newer"), "{refused}");
}

#[test]
fn the_schema_is_told_without_opening_the_file() {
    let (folder, store) = fresh();
    furnish(&store);
    block_on(store.close()).unwrap();
    assert_eq!(Schema::of(&file(&folder)).unwrap(), Schema { found: 4, known: 4 });
    let other = folder.path().join("other");
    std::fs::write(&other, "").unwrap();
    assert_eq!(Schema::of(&other).unwrap(), Schema { found: 0, known: 4 });
    std::fs::write(&other, "a diary ".repeat(20)).unwrap();
    assert!(matches!(Schema::of(&other), Err(OpenError::NotADatabase { .. })));
    std::fs::remove_file(&other).unwrap();
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
    assert!(matches!(Schema::of(&other), Err(OpenError::NotOurs { .. })));
    assert!(matches!(Schema::of(&folder.path().join("none")), Err(OpenError::Io { .. })));
}

#[test]
fn the_file_is_set_up_for_durability() {
    let (_folder, store) = fresh();
    let settings = block_on(store.unit(|work| {
        let text = |sql: &str| work.db.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
        Ok([
            text("PRAGMA journal_mode")?,
            text("PRAGMA synchronous")?,
            text("PRAGMA foreign_keys")?,
            text("PRAGMA application_id")?,
            text("PRAGMA user_version")?,
        ])
    }))
    .unwrap();
    use rusqlite::types::Value::{Integer, Text};
    assert_eq!(settings, [Text("wal".into()), Integer(2), Integer(1), Integer(0x544F_4C4C), Integer(4)]);
}

#[test]
fn the_schema_from_before_the_first_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Connection::open(file(&folder))
        .unwrap()
        .execute_batch(
            "CREATE TABLE vault (key_check BLOB); CREATE TABLE project_keys (id INTEGER PRIMARY KEY);
             PRAGMA application_id = 0x544F4C4C; PRAGMA user_version = 1",
        )
        .unwrap();
    let before = std::fs::read(file(&folder)).unwrap();
    let refused = SqliteStore::open(&file(&folder)).unwrap_err();
    assert!(matches!(refused, OpenError::Unreleased { .. }), "{refused}");
    assert!(refused.to_string().contains("move the data folder away"), "{refused}");
    assert_eq!(std::fs::read(file(&folder)).unwrap(), before, "and left alone");
}
