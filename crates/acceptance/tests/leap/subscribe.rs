//! SUBSCRIBE.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate_testkit::{Server, wait};

#[test]
fn b49_who_may_subscribe_to_what() {
    let server = Server::start();
    let api = server.api();
    let (_, other_key) = server.new_project("other");
    server.api_with(&other_key).channel("foreign", "unprotected", json!({}));
    for kind in ["private", "public", "unprotected"] {
        api.channel(kind, kind, json!({"kind": kind}));
    }
    let (plain, granted) = (api.token(json!({})), api.token(json!({})));
    api.subscribe("private", &granted);
    let refused = Err("NOT_GRANTED");
    let unknown = Err("UNKNOWN");
    let table: [(Option<&str>, &str, Result<(), &str>); 14] = [
        (None, "private", refused),
        (None, "public", refused),
        (None, "unprotected", Ok(())),
        (None, "none", unknown),
        (None, "foreign", unknown),
        (None, "tokens", unknown),
        (Some(&plain), "private", refused),
        (Some(&plain), "public", Ok(())),
        (Some(&plain), "unprotected", Ok(())),
        (Some(&plain), "none", unknown),
        (Some(&plain), "foreign", unknown),
        (Some(&granted), "private", Ok(())),
        (Some(&granted), "public", Ok(())),
        (Some(&granted), "none", unknown),
    ];
    for (token, channel, expected) in table {
        let (mut leap, _) = server.identified(token);
        let answer = leap.subscribe(channel);
        assert_eq!(answer["u"], true, "{answer}");
        match expected {
            Ok(()) => {
                assert_eq!((&answer["e"], &answer["c"]), (&json!("AVAILABLE"), &json!(channel)));
                let got = &answer["d"]["channel"];
                assert_eq!(
                    (&got["id"], &got["type"], &got["state"]),
                    (&json!(channel), &json!(channel), &json!({"kind": channel}))
                );
                assert_eq!(got["project_id"], json!(server.project));
            }
            Err(code) => {
                assert_eq!(
                    (&answer["e"], &answer["d"]),
                    (&json!("UNAVAILABLE"), &json!({"graceful": false, "error_code": code}))
                );
            }
        }
        leap.quiet();
    }
}

#[test]
fn b49_every_spelling_of_the_sdks_is_understood() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    for text in [
        r#"{"op":0,"d":{"e":"SUBSCRIBE","d":null,"c":"room"}}"#,
        r#"{"op":0,"d":{"c":"room","u":false,"e":"SUBSCRIBE","d":null}}"#,
        r#"{"d":{"c":"room","d":null,"e":"SUBSCRIBE"},"op":0}"#,
        r#"{"d":{"c":"room","d":{"initial":"data"},"e":"SUBSCRIBE"},"op":0}"#,
        r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"room"}}"#,
        " {\n\"op\" : 0, \"d\": {\"c\": \"\\u0072oom\", \"e\": \"SUB\\u0053CRIBE\", \"x\": [1, {}]}, \"z\": 1 }\t",
    ] {
        let (mut leap, _) = server.identified(None);
        leap.send_text(text);
        leap.expect("AVAILABLE", "room");
    }
}

#[test]
fn b50_subscribing_again_answers_with_fresh_state_and_changes_nothing_else() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({"n": 0}));
    let token = api.token(json!({}));
    for token in [None, Some(token.as_str())] {
        api.put("/v1/channels/room/state", json!({"n": 0})).data();
        let before = api.online_count("room");
        let (mut leap, _) = server.identified(token);
        leap.join("room");
        api.put("/v1/channels/room/state", json!({"n": 1})).data();
        leap.expect("STATE_UPDATE", "room");
        for _ in 0..3 {
            assert_eq!(leap.join("room"), json!({"n": 1}));
        }
        api.publish("room", "X", json!(1));
        leap.expect("MESSAGE", "room");
        leap.quiet();
        assert_eq!(api.online_count("room"), before + 1);
        leap.close();
        wait("the session to be gone", || api.online_count("room") == before);
    }
}

#[test]
fn b51_a_burst_of_1000_subscribes_is_answered_and_ends_available() {
    let server = Server::start();
    let api = server.api();
    for n in 0..25 {
        api.channel(&format!("c{n}"), "unprotected", json!({"n": n}));
    }
    let token = api.token(json!({}));
    for token in [None, Some(token.as_str())] {
        let (mut leap, _) = server.identified(token);
        for n in 0..1_000 {
            leap.event("SUBSCRIBE", &format!("c{}", n % 25), Value::Null);
        }
        // Equal ones may be answered together; each channel is answered at least once, and by AVAILABLE only.
        let mut answered = BTreeSet::new();
        while answered.len() < 25 {
            let dispatch = leap.dispatch("AVAILABLE");
            assert_eq!(dispatch["c"], format!("c{}", dispatch["d"]["channel"]["state"]["n"]));
            answered.insert(dispatch["c"].to_string());
        }
        for n in 0..25 {
            api.publish(&format!("c{n}"), "X", json!(n));
        }
        let mut got = BTreeSet::new();
        while got.len() < 25 {
            let dispatch = leap.next_dispatch()["d"].clone();
            match dispatch["e"].as_str().unwrap() {
                "AVAILABLE" => {}
                "MESSAGE" => assert!(got.insert(dispatch["d"]["d"].as_u64().unwrap()), "delivered twice"),
                event => panic!("{event} ends a burst"),
            }
        }
        assert!(leap.drain().iter().all(|dispatch| dispatch["e"] == "AVAILABLE"));
    }
}

#[test]
fn b51_a_burst_on_one_channel_is_answered_too() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({"text": "x".repeat(500)}));
    let (mut leap, _) = server.identified(None);
    for _ in 0..1_000 {
        leap.event("SUBSCRIBE", "room", Value::Null);
    }
    let seen = leap.drain();
    assert!(!seen.is_empty() && seen.iter().all(|dispatch| dispatch["e"] == "AVAILABLE"));
    assert_eq!(server.api().online_count("room"), 1);
}

#[test]
fn b52_a_tokens_subscribe_lasts_and_an_anonymous_one_ends_with_its_socket() {
    let mut server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({"n": 1}));
    let token = api.token(json!({}));
    let (mut leap, init) = server.identified(Some(&token));
    assert_eq!(init["channels"], json!([]));
    leap.join("room");
    leap.cut();
    let (leap, init) = server.identified(Some(&token));
    assert_eq!(init["channels"][0]["id"], "room");
    drop(leap);
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    drop(guest);
    assert_eq!(server.identified(None).1["channels"], json!([]));
    server.kill();
    server.start_again();
    assert_eq!(server.identified(Some(&token)).1["channels"][0]["id"], "room");
}

#[test]
fn b53_the_other_connections_of_the_token_get_available_too() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({"n": 1}));
    let token = api.token(json!({}));
    let mut others: Vec<_> = (0..3).map(|_| server.identified(Some(&token)).0).collect();
    let (mut stranger, _) = server.identified(Some(&api.token(json!({}))));
    let (mut first, _) = server.identified(Some(&token));
    first.join("room");
    for other in &mut others {
        assert_eq!(other.expect("AVAILABLE", "room")["channel"]["state"], json!({"n": 1}));
    }
    api.publish("room", "X", json!(1));
    for leap in others.iter_mut().chain([&mut first]) {
        leap.expect("MESSAGE", "room");
        leap.quiet();
    }
    stranger.quiet();
}
