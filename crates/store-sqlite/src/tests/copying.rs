//! Copies of a store that goes on working.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{ChannelStore as _, StoreError};

use super::{channel, file, fresh, furnished, insert_token, observe, room, token, tokens};
use crate::{CopyProgress, SqliteStore};

#[test]
fn a_copy_under_load_has_all_that_was_acknowledged_before_and_nothing_half() {
    let (folder, store, _seen) = furnished();
    // Several steps: each state is more than a page.
    for number in 0..60 {
        let state = format!(r#"{{"a":"{}"}}"#, "x".repeat(60_000));
        block_on(store.insert_channel(channel(&format!("large{number}"), &state), None)).unwrap();
    }
    let before: u64 = 500;
    for number in 0..before {
        block_on(insert_token(&store, token(number), &[room()])).unwrap();
    }
    let ended = AtomicBool::new(false);
    let (copy, progress) = (folder.path().join("copy"), Arc::<CopyProgress>::default());
    let (copied, told) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut number = before;
            while !ended.load(Ordering::Relaxed) {
                block_on(insert_token(&store, token(number), &[room()])).unwrap();
                number += 1;
            }
            number
        });
        let copied = block_on(store.copy_to(&copy, Arc::clone(&progress))).unwrap();
        ended.store(true, Ordering::Relaxed);
        (copied, load.join().unwrap())
    });
    let (done, pages) = progress.pages();
    assert!(done == pages && pages > 512, "several steps: {done} of {pages}");
    assert!(copied.tokens >= before && copied.tokens <= told, "{copied:?}");
    // Each unit whole: with each token its subscription.
    assert_eq!((copied.projects, copied.channels, copied.subscriptions), (1, 61, copied.tokens));
    assert!(!folder.path().join("copy-wal").exists() && !folder.path().join("copy-journal").exists());
    let (_, replayed) = observe(&SqliteStore::open(&copy).unwrap());
    assert_eq!(tokens(&replayed), (0..copied.tokens).collect::<Vec<_>>());
    // The store itself has it all.
    drop(store);
    assert_eq!(tokens(&observe(&SqliteStore::open(&file(&folder)).unwrap()).1), (0..told).collect::<Vec<_>>());
}

#[test]
fn a_store_that_is_not_attached_or_closed_is_not_copied() {
    let (folder, store) = fresh();
    let copy = |store: &SqliteStore| block_on(store.copy_to(&folder.path().join("copy"), Arc::default()));
    let refused = copy(&store).unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains("not attached")), "{refused}");
    observe(&store);
    copy(&store).unwrap();
    block_on(store.close()).unwrap();
    let refused = copy(&store).unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains("closed")), "{refused}");
}

#[test]
fn a_copy_that_cannot_be_written_fails_and_the_store_goes_on() {
    let (folder, store, _seen) = furnished();
    let nowhere = folder.path().join("none/copy");
    let refused = block_on(store.copy_to(&nowhere, Arc::default())).unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    block_on(insert_token(&store, token(1), &[room()])).unwrap();
    block_on(store.copy_to(&folder.path().join("copy"), Arc::default())).unwrap();
}
