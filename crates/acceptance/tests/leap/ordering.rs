//! What comes before and after what, while the server is busy: no update lost, none too early, none too late.

use serde_json::{Value, json};
use tollgate_testkit::{Leap, Server, alongside};

/// Runs `watch` while the state of `room` counts up in `{n}` and every count is published too.
fn while_counting(server: &Server, watch: impl FnOnce()) {
    let (api, mut n) = (server.api(), 0_u64);
    let count = || {
        n += 1;
        api.put("/v1/channels/room/state", json!({"n": n})).data();
        api.publish("room", "N", json!(n));
    };
    alongside(count, watch);
}

/// Reads on from a snapshot: the next changes must follow it one by one.
fn follows(leap: &mut Leap, snapshot: &Value) {
    let mut state = snapshot["n"].as_u64().unwrap();
    let mut published = None;
    for _ in 0..8 {
        let dispatch = leap.next_dispatch()["d"].clone();
        if dispatch["e"] == "STATE_UPDATE" {
            let n = dispatch["d"]["state"]["n"].as_u64().unwrap();
            assert_eq!(n, state + 1, "an update was lost or repeated after the snapshot {snapshot}");
            state = n;
        } else {
            let n = dispatch["d"]["d"].as_u64().unwrap();
            assert!(published.is_none_or(|before| n == before + 1), "a message was lost: {published:?}, then {n}");
            published = Some(n);
        }
    }
}

#[test]
fn b55_no_update_is_lost_between_available_and_the_first_change() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({"n": 0}));
    while_counting(&server, || {
        for _ in 0..60 {
            let (mut leap, _) = server.identified(None);
            let snapshot = leap.join("room");
            follows(&mut leap, &snapshot);
        }
    });
}

#[test]
fn b55_no_update_is_lost_between_init_and_the_first_change() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({"n": 0}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    while_counting(&server, || {
        for _ in 0..60 {
            let (mut leap, init) = server.identified(Some(&token));
            follows(&mut leap, &init["channels"][0]["state"]);
        }
    });
}

#[test]
fn b54_nothing_comes_before_available_or_after_unavailable() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({"n": 0}));
    let token = api.token(json!({}));
    let path = format!("/v1/channels/room/subscribers/{token}");
    let (mut leap, _) = server.identified(Some(&token));
    while_counting(&server, || {
        let mut subscribed = false;
        for _ in 0..40 {
            api.put_empty(&path).no_content();
            std::thread::yield_now();
            api.delete(&path).no_content();
        }
        let mut changes = 0;
        while changes < 80 {
            let dispatch = leap.next_dispatch()["d"].clone();
            match dispatch["e"].as_str().unwrap() {
                "AVAILABLE" => {
                    assert!(!subscribed, "AVAILABLE twice");
                    (subscribed, changes) = (true, changes + 1);
                }
                "UNAVAILABLE" => {
                    assert!(subscribed, "UNAVAILABLE twice");
                    (subscribed, changes) = (false, changes + 1);
                }
                event => assert!(subscribed, "{event} outside a subscription"),
            }
        }
    });
    leap.quiet();
}

#[test]
fn b54_nothing_comes_after_ones_own_unsubscribe_and_before_the_next_available() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({"n": 0}));
    let (mut leap, _) = server.identified(None);
    while_counting(&server, || {
        for _ in 0..40 {
            let snapshot = leap.join("room");
            follows(&mut leap, &snapshot);
            leap.event("UNSUBSCRIBE", "room", Value::Null);
            // What was on its way may still come; after the ack of a heartbeat behind it nothing may.
            leap.drain();
            leap.quiet();
        }
    });
}
