//! Clients that do not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_testkit::{Server, leap::Incoming, until, wait};

#[test]
fn b61_a_slow_consumer_is_closed_and_nobody_else_notices() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (mut slow, _) = server.identified(None);
    let (mut fast, _) = server.identified(None);
    slow.join("room");
    fast.join("room");
    let before = server.resident_kb();
    let read = Arc::new(AtomicU32::new(0));
    let heard = Arc::clone(&read);
    let reader = std::thread::spawn(move || {
        for n in 0..300 {
            assert_eq!(fast.expect("MESSAGE", "room")["d"]["n"], n);
            heard.store(n + 1, Ordering::Relaxed);
        }
    });
    let text = "x".repeat(200_000);
    let mut slowest = Duration::ZERO;
    for n in 0..300 {
        // On a busy machine whoever does read falls behind, too: it is not to be the slow one.
        wait("the one who reads to come along", || read.load(Ordering::Relaxed) + 4 > n || reader.is_finished());
        let start = Instant::now();
        api.publish("room", "BULK", json!({"n": n, "text": text}));
        slowest = slowest.max(start.elapsed());
    }
    reader.join().unwrap();
    wait("the slow consumer to be closed", || api.online_count("room") == 1);
    assert!(slowest < Duration::from_secs(2), "a publish waited {slowest:?} for a subscriber");
    let grown = server.resident_kb().saturating_sub(before);
    assert!(grown < 48 * 1024, "60 MB were published and {grown} KiB are held");
    // It may come back: whatever it still reads is whole and in order, and the code, if one got through, says so.
    let mut next = 0;
    loop {
        match slow.incoming(Duration::from_secs(10)).expect("the end of the connection") {
            Incoming::Frame(frame) => {
                assert_eq!(frame["d"]["d"]["d"]["n"], next);
                next += 1;
            }
            Incoming::Ended(Some((code, _))) => break assert_eq!(code, 4000),
            Incoming::Ended(None) => break,
        }
    }
    assert!(next < 300);
}

#[test]
fn b61_direct_messages_close_a_slow_consumer_too() {
    let server = Server::start();
    let api = server.api();
    let token = api.token(json!({}));
    let (mut slow, _) = server.identified(Some(&token));
    let path = format!("/v1/channels/tokens/{token}/messages");
    let body = json!({"e": "NOTE", "d": "x".repeat(20_000)});
    let before = server.resident_kb();
    // A socket that takes nothing is given a moment for its close frame; what is sent meanwhile must not be kept.
    until(Duration::from_secs(20), "the slow consumer to be closed", || {
        api.post(&path, body.clone()).no_content();
        (!api.is_online(&token)).then_some(())
    });
    let grown = server.resident_kb().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB are held for one connection");
    let _ = slow.ending(Duration::from_secs(10)).expect("the end of the connection");
    assert_eq!(server.identified(Some(&token)).1["scope"], "token", "it may come back");
}
