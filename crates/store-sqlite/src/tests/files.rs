//! The file: whose it is, who may read it, which schema it has, and that it keeps everything.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{
    ChannelStore as _, StateChange, Store as _, StoreError, TokenStore as _, Vault, VaultStore as _,
};

use super::{ONE, file, fresh, furnish, furnished, hold, object, observe, queue, room, token, tokens};
use crate::{OpenError, SqliteStore};

#[test]
fn reopening_keeps_everything() {
    let (folder, store) = fresh();
    furnish(&store);
    let vault = Vault { key_check: vec![1, 2], ring: vec![] };
    block_on(store.insert_vault(vault.clone())).unwrap();
    block_on(store.insert_token(token(5), vec![room()])).unwrap();
    block_on(store.change_state(ONE, room(), StateChange::Merge(object(r#"{"a":1}"#)), None)).unwrap();
    let (_, before) = observe(&store);
    assert_eq!(before.len(), 5, "a project, a key, a channel, a token, a subscription");
    block_on(store.close()).unwrap();
    for _ in 0..2 {
        let store = SqliteStore::open(&file(&folder)).unwrap();
        assert_eq!(observe(&store).1, before);
        assert_eq!(block_on(store.vault()), Ok(Some(vault.clone())));
    }
}

#[test]
fn sequences_go_on_after_a_restart() {
    let (folder, store) = fresh();
    furnish(&store);
    let last = block_on(store.insert_channel(super::channel("last", "{}"))).unwrap().sequence;
    block_on(store.delete_channel(ONE, super::channel("last", "{}").id)).unwrap();
    drop(store);
    let store = SqliteStore::open(&file(&folder)).unwrap();
    assert!(block_on(store.insert_channel(super::channel("last", "{}"))).unwrap().sequence > last);
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
        let mut answers: Vec<_> = (0..50).map(|number| store.insert_token(token(number), vec![])).collect();
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
    assert!(matches!(refused, OpenError::Newer { found: 99, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("newer"), "{refused}");
}

#[test]
fn the_file_is_set_up_for_durability() {
    let (_folder, store) = fresh();
    let settings = block_on(store.unit(|db, _| {
        let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
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
    assert_eq!(settings, [Text("wal".into()), Integer(2), Integer(1), Integer(0x544F_4C4C), Integer(1)]);
}
