//! The store's own tests: the conformance suite, and what a disk adds to the contract.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tollgate_core::ports::conformance;

use crate::SqliteStore;

#[test]
fn conforms() {
    let folders = Mutex::new(Vec::new());
    conformance::run(&|| {
        let (folder, store) = fresh();
        folders.lock().unwrap().push(folder);
        Arc::new(store)
    });
}

/// A new store in a folder of its own.
fn fresh() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&file(&folder)).unwrap();
    (folder, store)
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("tollgate.db")
}
