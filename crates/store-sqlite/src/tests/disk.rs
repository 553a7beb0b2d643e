//! A disk that is really full: a small file system in memory, in a mount namespace of its own. Needs root, says so where it lacks it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tollgate_core::ports::conformance::block_on;
use tollgate_core::ports::store::{Change, ChannelStore as _, Store as _, StoreError};

use super::{channel, furnish, insert_token, observe, room, token, tokens};
use crate::SqliteStore;

#[test]
fn a_disk_without_room_fails_commits_until_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let mount = r#"mount -t tmpfs -o size=3m tmpfs "$0" || exit 77; exec "$1" tests::disk::on_a_small_disk --exact --ignored --nocapture"#;
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount])
        .args([folder.path(), &std::env::current_exe().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = child.and_then(|mut child| {
        // A child that could not mount does not read.
        let _ = writeln!(child.stdin.take().unwrap(), "{}", folder.path().display());
        child.wait_with_output()
    });
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Ok(output) if printed(&output.stdout).contains("small disk entered") => {
            assert!(output.status.success(), "{}{}", printed(&output.stdout), printed(&output.stderr));
        }
        other => {
            let why = other.map_or_else(|error| error.to_string(), |output| printed(&output.stderr));
            writeln!(
                std::io::stderr(),
                "SKIPPED a_disk_without_room…: no small disk can be mounted here ({})",
                why.trim()
            )
            .unwrap();
        }
    }
}

/// Not a test: what the test above runs in its namespace. Does nothing when nobody tells it where.
#[test]
#[ignore = "run by the test that mounts the disk"]
fn on_a_small_disk() {
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).unwrap();
    if order.trim_end().is_empty() {
        return;
    }
    writeln!(std::io::stdout(), "small disk entered").unwrap();
    let folder = Path::new(order.trim_end());
    let (file, ballast) = (folder.join("tollgate.db"), folder.join("ballast"));
    std::fs::write(&ballast, vec![1; 1_000_000]).unwrap();
    let store = SqliteStore::open(&file).unwrap();
    let seen = furnish(&store);

    let large = |number: u64| channel(&format!("large{number}"), &format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000)));
    let refused = (0..100)
        .find_map(|number| block_on(store.insert_channel(large(number), None)).err())
        .expect("the disk became full");
    assert!(matches!(&refused, StoreError::Unavailable(reason) if reason.contains("full")), "{refused}");
    // The last corners fill up, too; then nothing can be made durable, and readiness sees it.
    let mut next = 1..;
    let mut told: Vec<u64> = Vec::new();
    while let Some(number) = next.next().filter(|_| block_on(store.probe()).is_ok()) {
        told.extend(block_on(insert_token(&store, token(number), &[room()])).ok().map(|()| number));
        assert!(number < 10_000, "the disk is not full");
    }
    let before = store.failures();
    block_on(insert_token(&store, token(20_000), &[])).unwrap_err();
    assert_eq!(store.failures(), before + 1);

    std::fs::remove_file(&ballast).unwrap();
    block_on(store.probe()).unwrap();
    block_on(insert_token(&store, token(20_000), &[room()])).unwrap();
    told.push(20_000);
    let handed_over = seen.take();
    assert_eq!(tokens(&handed_over), told);

    drop(store);
    let (_, replayed) = observe(&SqliteStore::open(&file).unwrap());
    assert_eq!(tokens(&replayed), told);
    let larges = |changes: &[Change]| -> Vec<Change> {
        let is_large = |change: &&Change| matches!(change, Change::ChannelCreated(channel) if channel.id != room());
        changes.iter().filter(is_large).cloned().collect()
    };
    assert_eq!(larges(&replayed), larges(&handed_over));
}
