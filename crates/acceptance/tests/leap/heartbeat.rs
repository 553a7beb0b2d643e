//! Heartbeats: acks that come late on purpose, tags, and silence.

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_testkit::{Leap, Server, Setup, alongside, raw};

/// How long each of `rounds` heartbeats waits for its ack.
fn ack_times(leap: &mut Leap, rounds: usize) -> Vec<Duration> {
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            let sent = Instant::now();
            leap.send_text(r#"{"op":3}"#);
            while leap.frame()["op"] != 4 {}
            sent.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

#[test]
fn b44_acks_come_5_to_20_ms_after_the_heartbeat() {
    let server = Server::start();
    let (mut leap, _) = server.identified(None);
    let times = ack_times(&mut leap, 60);
    assert!(times[0] >= Duration::from_millis(5), "an ack in the same millisecond counts as none: {:?}", times[0]);
    // The median, since this machine may be busy with other tests.
    assert!(times[30] <= Duration::from_millis(20), "median {:?}", times[30]);
}

#[test]
fn b44_acks_come_late_under_load_too() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let mut listeners: Vec<_> = (0..20).map(|_| server.identified(None).0).collect();
    listeners.iter_mut().for_each(|leap| drop(leap.join("room")));
    let api = server.api();
    let load = || {
        api.publish("room", "LOAD", json!("x".repeat(500)));
        listeners.iter_mut().for_each(|leap| drop(leap.dispatch("MESSAGE")));
    };
    let times = alongside(load, || ack_times(&mut server.identified(None).0, 60));
    assert!(times[0] >= Duration::from_millis(5), "{:?}", times[0]);
    assert!(times[59] < Duration::from_secs(4), "a client gives up after 5 s: {:?}", times[59]);
}

#[test]
fn b45_a_tag_comes_back() {
    let server = Server::start();
    let (mut leap, _) = server.identified(None);
    let long = "t".repeat(100);
    for tag in ["abc", "", "\"\\\u{0}\u{2028}é🦀", &long] {
        leap.send(&json!({"op": 3, "d": {"tag": tag}}));
        let ack = leap.frame();
        assert_eq!((&ack["op"], &ack["d"]["tag"]), (&json!(4), &json!(tag)));
        assert!(ack["d"]["latency"].is_u64(), "{ack}");
    }
    // Many at once: each is acked, in order.
    for n in 0..50 {
        leap.send(&json!({"op": 3, "d": {"tag": n.to_string()}}));
    }
    for n in 0..50 {
        assert_eq!(leap.frame()["d"]["tag"], n.to_string());
    }
}

#[test]
fn b46_silence_is_closed_4007_but_not_before_two_intervals_and_the_grace() {
    // The defaults (30 s and 60 s) are held on virtual time by the dialect's transcripts; here the same with real sockets.
    let server = Setup::default().config("[leap]\nheartbeat_interval_ms = 500\nidle_grace_ms = 1500\n").start();
    let mut lively = server.identified(None).0;
    // Answers what the server asks and says nothing else, as a throttled browser tab does.
    let lively = std::thread::spawn(move || lively.ending(Duration::from_secs(6)));
    let mut silent = raw::Raw::greeted(server.addr);
    let start = Instant::now();
    silent.send(&raw::Frame::text(&json!({"op": 2, "d": {"project_id": server.project}}).to_string()));
    assert_eq!(silent.closed(), 4007);
    let elapsed = start.elapsed();
    assert!((2.4..6.0).contains(&elapsed.as_secs_f64()), "closed after {elapsed:?}");
    assert_eq!(lively.join().unwrap(), None, "who answers is not silent");
}
