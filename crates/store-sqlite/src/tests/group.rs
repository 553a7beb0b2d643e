//! The group commit: that it groups, and what a failure of any part does to the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::conformance::ledger;
use tollgate_core::ports::store::{
    Change, Changes, ChannelStore as _, StateChange, Store as _, StoreError, StoreResult, Unit, Write,
};

use super::{ONE, channel, file, fresh, furnished, hold, insert_token, object, observe, queue, room, token, tokens};
use crate::SqliteStore;
use crate::units::Failure;
use crate::writer::Work;

fn is_unavailable<T: std::fmt::Debug>(answer: &StoreResult<T>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

#[test]
fn what_waits_is_committed_at_once() {
    let (_folder, store, seen) = furnished();
    let (release, held) = hold(&store);
    let before = store.commits();
    let mut answers: Vec<_> = (0..200).map(|number| insert_token(&store, token(number), &[room()])).collect();
    answers.iter_mut().for_each(queue);
    drop(release);
    block_on(held).unwrap();
    answers.into_iter().for_each(|answer| block_on(answer).unwrap());
    assert_eq!(store.commits() - before, 2, "one for the unit that held the writer, one for the 200");
    assert_eq!(tokens(&seen.take()), (0..200).collect::<Vec<_>>(), "in the order they were queued");
}

#[test]
fn callers_wait_for_room_in_the_queue() {
    let (_folder, store, seen) = furnished();
    let (release, held) = hold(&store);
    let count = 3 * crate::QUEUE_UNITS_MAX as u64;
    let mut answers: Vec<_> = (0..count).map(|number| insert_token(&store, token(number), &[])).collect();
    answers.iter_mut().for_each(queue);
    assert_eq!(store.jobs.capacity(), 0, "the queue is full, the rest wait outside");
    drop(release);
    block_on(held).unwrap();
    answers.into_iter().for_each(|answer| block_on(answer).unwrap());
    assert_eq!(tokens(&seen.take()).len() as u64, count);
}

#[test]
fn a_failing_unit_goes_back_alone() {
    let (_folder, store, seen) = furnished();
    let (release, held) = hold(&store);
    let before = store.commits();
    let mut first = insert_token(&store, token(1), &[room()]);
    let mut refused = insert_token(&store, token(1), &[]);
    let mut broken = store.unit(|work: &mut Work<'_>| {
        work.db.execute("INSERT INTO tokens (id, project, revision, sealed) VALUES (77, 1, 1, x'')", [])?;
        work.changes.push(Change::Row(token(77)));
        work.db.execute("INSERT INTO no_such_table VALUES (1)", [])?;
        Ok(())
    });
    let mut panicking = store.unit(|work: &mut Work<'_>| -> Result<(), Failure> {
        work.db.execute("INSERT INTO tokens (id, project, revision, sealed) VALUES (78, 1, 1, x'')", [])?;
        work.changes.push(Change::Row(token(78)));
        panic!("planted");
    });
    let mut last = insert_token(&store, token(2), &[]);
    [&mut first, &mut refused, &mut broken, &mut panicking, &mut last].into_iter().for_each(queue);
    drop(release);
    block_on(held).unwrap();

    assert_eq!(block_on(first), Ok(()));
    assert!(matches!(block_on(refused), Err(StoreError::AlreadyExists(_))));
    let (broken, panicking) = (block_on(broken), block_on(panicking));
    assert!(is_unavailable(&broken) && broken.unwrap_err().to_string().contains("no_such_table"));
    assert!(is_unavailable(&panicking) && panicking.unwrap_err().to_string().contains("planted"));
    assert_eq!(block_on(last), Ok(()));
    assert_eq!(store.commits() - before, 2);
    assert_eq!(store.failures(), 2);
    assert_eq!(tokens(&seen.take()), [1, 2]);
    // Nothing of the units that failed is in the file.
    block_on(insert_token(&store, token(77), &[])).unwrap();
    block_on(insert_token(&store, token(78), &[])).unwrap();
}

#[test]
fn a_failing_commit_fails_its_whole_group_and_no_other() {
    let (folder, store, seen) = furnished();
    let (release, held) = hold(&store);
    let mut first = insert_token(&store, token(1), &[room()]);
    // A row without its parent, found out by the COMMIT alone: SQLite refuses it and leaves the transaction open.
    let mut sabotage = store.unit(|work: &mut Work<'_>| {
        work.db.execute_batch("PRAGMA defer_foreign_keys = ON; INSERT INTO tokens (id, project, revision, sealed) VALUES (77, 999, 1, x'')")?;
        Ok(())
    });
    let mut last = insert_token(&store, token(2), &[]);
    [&mut first, &mut sabotage, &mut last].into_iter().for_each(queue);
    drop(release);
    block_on(held).unwrap();
    for answer in [first, sabotage, last] {
        let answer = block_on(answer);
        assert!(is_unavailable(&answer), "{answer:?}");
    }
    assert_eq!(seen.take(), [], "nothing is handed over that is not durable");

    block_on(insert_token(&store, token(2), &[room()])).unwrap();
    assert_eq!(tokens(&seen.take()), [2]);
    drop(store);
    let store = SqliteStore::open(&file(&folder)).unwrap();
    assert_eq!(tokens(&observe(&store).1), [2]);
}

#[test]
fn a_full_disk_loses_nothing_acknowledged_and_passes() {
    let (folder, store, seen) = furnished();
    let limit_pages = |pages: u32| {
        block_on(store.unit(move |work: &mut Work<'_>| {
            work.db.pragma_update(None, "max_page_count", pages)?;
            Ok(())
        }))
        .unwrap();
    };
    limit_pages(120);
    let large = |number: u64| channel(&format!("large{number}"), &format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000)));
    let mut acknowledged: Vec<Change> = Vec::new();
    let refused = (0..20).find_map(|number| match block_on(store.insert_channel(large(number), None)) {
        Ok(channel) => {
            acknowledged.push(Change::ChannelCreated(channel));
            None
        }
        Err(error) => Some(error),
    });
    let refused = refused.expect("the disk became full");
    assert!(matches!(&refused, StoreError::Unavailable(reason) if reason.contains("full")), "{refused}");

    // In a group: whoever is told yes was seen, whoever is told no was not.
    let (release, held) = hold(&store);
    let mut small = [insert_token(&store, token(1), &[]), insert_token(&store, token(2), &[])];
    let mut too_large = store.insert_channel(large(50), None);
    queue(&mut small[0]);
    queue(&mut too_large);
    queue(&mut small[1]);
    drop(release);
    block_on(held).unwrap();
    assert!(is_unavailable(&block_on(too_large)));
    let told: Vec<u64> =
        small.into_iter().zip(1..).filter_map(|(answer, number)| block_on(answer).ok().map(|()| number)).collect();
    let handed_over = seen.take();
    assert_eq!(handed_over[..acknowledged.len()], acknowledged);
    assert_eq!(tokens(&handed_over), told);

    // Room again: the same calls work, on the same connection.
    limit_pages(100_000);
    acknowledged.push(Change::ChannelCreated(block_on(store.insert_channel(large(50), None)).unwrap()));
    block_on(insert_token(&store, token(3), &[room()])).unwrap();
    block_on(store.probe()).unwrap();

    drop(store);
    let store = SqliteStore::open(&file(&folder)).unwrap();
    let (_, replayed) = observe(&store);
    assert_eq!(tokens(&replayed), [&told[..], &[3]].concat());
    let kept = |change: &Change| matches!(change, Change::ChannelCreated(channel) if channel.id != room());
    assert_eq!(replayed.into_iter().filter(kept).collect::<Vec<_>>(), acknowledged);
}

#[test]
fn a_panicking_observer_stops_the_store_and_a_restart_replays() {
    #[derive(Default)]
    struct Trap(AtomicBool);
    impl Changes for Trap {
        fn committed(&self, _: Change) {
            assert!(!self.0.load(Ordering::Relaxed), "planted");
        }
    }
    let (folder, store) = fresh();
    let trap = Arc::<Trap>::default();
    block_on(store.attach(Arc::clone(&trap) as Arc<dyn Changes>, ledger())).unwrap();
    let project = tollgate_core::model::Project {
        id: ONE,
        name: "One".into(),
        created_at: tollgate_core::clock::UnixMillis(1),
        wrapped_data_keys: vec![],
    };
    block_on(store.commit(Unit { writes: vec![Write::Project(project)], audit: vec![] })).unwrap();
    trap.0.store(true, Ordering::Relaxed);
    assert!(is_unavailable(&block_on(insert_token(&store, token(1), &[]))));
    trap.0.store(false, Ordering::Relaxed);
    // Memory and disk differ from here on, so nothing works until the restart, and readiness says so.
    assert!(is_unavailable(&block_on(insert_token(&store, token(2), &[]))));
    assert!(is_unavailable(&block_on(store.probe())));
    drop(store);
    let store = SqliteStore::open(&file(&folder)).unwrap();
    assert_eq!(tokens(&observe(&store).1), [1], "what was durable is replayed");
}

#[test]
fn a_dead_writer_answers() {
    // The one way to kill the thread from outside: its queue is dropped with it, so that callers see it at once.
    let (_folder, mut store) = fresh();
    let (jobs, queue) = tokio::sync::mpsc::channel(4);
    store.jobs = jobs;
    let mut waiting = store.probe();
    super::queue(&mut waiting);
    drop(queue);
    assert!(is_unavailable(&block_on(waiting)));
    assert!(is_unavailable(&block_on(store.probe())));
}

#[test]
fn whoever_stops_waiting_changes_nothing() {
    let (_folder, store, seen) = furnished();
    let (release, held) = hold(&store);
    let mut gone = store.change_state(ONE, room(), StateChange::Merge(object(r#"{"a":1}"#)), None);
    queue(&mut gone);
    drop(gone);
    drop(release);
    block_on(held).unwrap();
    block_on(store.commit(Unit { writes: vec![Write::Delete(token(999).name)], audit: vec![] })).unwrap_err();
    assert_eq!(seen.take().len(), 1, "a unit that was handed to the writer is carried out");
}

#[test]
fn large_units_do_not_pile_up_in_one_group() {
    let (_folder, store, seen) = furnished();
    let (release, held) = hold(&store);
    let before = store.commits();
    let unit = |first: u64| Unit {
        writes: (first..first + 4_000).map(|number| Write::Insert(token(number))).collect(),
        audit: vec![],
    };
    let mut answers: Vec<_> = (0..4).map(|place| store.commit(unit(4_000 * place))).collect();
    answers.iter_mut().for_each(queue);
    drop(release);
    block_on(held).unwrap();
    answers.into_iter().for_each(|answer| block_on(answer).unwrap());
    assert_eq!(store.commits() - before, 3, "the unit that held the writer, three of 4,000 steps, and the last");
    assert_eq!(tokens(&seen.take()), (0..16_000).collect::<Vec<_>>());
}
