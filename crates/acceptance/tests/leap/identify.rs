//! Identify and INIT.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_testkit::{Server, raw};

fn identify(project: &str, token: &Value) -> Value {
    json!({"op": 2, "d": {"project_id": project, "token": token}})
}

#[test]
fn b39_who_does_not_identify_within_10_s_is_closed_4002() {
    let server = Server::start();
    let start = Instant::now();
    let mut silent = server.leap();
    let mut chatty = server.leap();
    let chatter = std::thread::spawn(move || {
        while chatty.ending(Duration::from_secs(1)).is_none() {
            let _ = chatty.try_send(tungstenite::Message::text(r#"{"op":3}"#));
        }
        start.elapsed()
    });
    let ending = silent.ending(Duration::from_secs(15)).expect("closed").expect("a close frame");
    assert_eq!(ending, (4002, "Identify timeout".to_owned()));
    for elapsed in [start.elapsed(), chatter.join().unwrap()] {
        assert!((9.0..14.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
    }
}

#[test]
fn b39_a_second_identify_is_closed_4005() {
    let server = Server::start();
    let (mut leap, _) = server.identified(None);
    leap.send(&identify(&server.project, &Value::Null));
    assert_eq!(leap.closed().0, 4005);
    let mut hasty = server.leap();
    hasty.send(&identify(&server.project, &Value::Null));
    hasty.send(&identify(&server.project, &Value::Null));
    assert_eq!(hasty.closed().0, 4005);
}

#[test]
fn b40_wrong_credentials_are_closed_4001() {
    let server = Server::start();
    let (other, key) = server.new_project("other");
    let api = server.api();
    let token = api.token(json!({}));
    let foreign = server.api_with(&key).token(json!({}));
    let flipped = {
        let mut token = token.clone();
        let last = token.pop().unwrap();
        token.push(if last == '0' { '1' } else { '0' });
        token
    };
    let long = "leap_token_".to_owned() + &"x".repeat(2_000);
    for (project, token) in [
        ("project_none", Value::Null),
        ("", Value::Null),
        ("nonsense 🦀", Value::Null),
        (server.project.as_str(), json!("leap_token_none")),
        (server.project.as_str(), json!("nonsense")),
        (server.project.as_str(), json!(flipped)),
        (server.project.as_str(), json!(long)),
        (server.project.as_str(), json!(server.key)),
        (server.project.as_str(), json!(foreign)),
        (other.as_str(), json!(token)),
        ("project_none", json!(token)),
    ] {
        let mut leap = server.leap();
        leap.send(&identify(project, &token));
        let (code, reason) = leap.closed();
        assert_eq!((code, reason.as_str()), (4001, "Invalid auth"), "{project} {token}");
    }
    assert_eq!(server.identified(Some(&token)).1["scope"], "token");
}

#[test]
fn b40_an_absent_null_or_empty_token_is_anonymous() {
    let server = Server::start();
    for d in [
        json!({"project_id": server.project}),
        json!({"project_id": server.project, "token": null}),
        json!({"project_id": server.project, "token": ""}),
        json!({"token": "", "extra": 1, "project_id": server.project}),
    ] {
        let mut leap = server.leap();
        leap.send(&json!({"op": 2, "d": d}));
        assert_eq!(leap.dispatch("INIT")["d"]["scope"], "noauth");
    }
}

#[test]
fn b41_a_heartbeat_before_identify_is_acked() {
    let server = Server::start();
    let mut leap = server.leap();
    leap.send_text(r#"{"op":3}"#);
    assert_eq!(leap.frame(), json!({"op": 4}));
    leap.send_text(r#"{"d":{"tag":"t"},"op":3}"#);
    assert_eq!(leap.frame()["d"]["tag"], "t");
    leap.identify(&server.project, None);
}

#[test]
fn b41_events_right_behind_identify_wait_for_init() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({"n": 1}));
    let token = server.api().token(json!({}));
    for token in ["", token.as_str()] {
        let mut raw = raw::Raw::greeted(server.addr);
        let burst = [
            identify(&server.project, &json!(token)).to_string(),
            r#"{"op":3,"d":{"tag":""}}"#.to_owned(),
            r#"{"op":0,"d":{"c":"room","u":false,"e":"SUBSCRIBE","d":null}}"#.to_owned(),
            r#"{"op":0,"d":{"c":"none","u":false,"e":"SUBSCRIBE","d":null}}"#.to_owned(),
        ];
        raw.write(&burst.iter().flat_map(|text| raw::Frame::text(text).bytes()).collect::<Vec<_>>()).unwrap();
        let mut events = Vec::new();
        while events.len() < 3 {
            let frame: Value = serde_json::from_slice(&raw.expect(raw::TEXT)).unwrap();
            if frame["op"] == 0 {
                events.push(frame["d"]["e"].as_str().unwrap().to_owned());
            }
        }
        // What a token subscribes to is stored first, so the answers for two channels may change places.
        events[1..].sort_unstable();
        assert_eq!(events, ["INIT", "AVAILABLE", "UNAVAILABLE"]);
    }
}

#[test]
fn b41_events_without_identify_are_closed_4003() {
    let server = Server::start();
    for event in ["SUBSCRIBE", "MESSAGE", "NONSENSE"] {
        let mut leap = server.leap();
        leap.event(event, "room", Value::Null);
        assert_eq!(leap.closed().0, 4003, "{event}");
    }
}

#[test]
fn b41_unknown_operations_are_closed_4004() {
    let server = Server::start();
    for op in [json!(5), json!(77), json!(255), json!(65_536), json!(4_294_967_298_u64)] {
        for identified in [false, true] {
            let mut leap = if identified { server.identified(None).0 } else { server.leap() };
            leap.send(&json!({"op": op, "d": {}}));
            assert_eq!(leap.closed().0, 4004, "op {op}, identified: {identified}");
        }
    }
}

#[test]
fn b41_what_is_no_frame_is_closed_4005() {
    let server = Server::start();
    let deep = format!(r#"{{"op":0,"d":{}1{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let texts = [
        "",
        " ",
        "hello",
        "{",
        "null",
        "[]",
        "\"x\"",
        "1",
        "{}",
        r#"{"d":{}}"#,
        r#"{"op":null}"#,
        r#"{"op":"2"}"#,
        r#"{"op":1.5}"#,
        r#"{"op":3}{"op":3}"#,
        r#"{"op":2}"#,
        r#"{"op":2,"d":null}"#,
        r#"{"op":2,"d":{}}"#,
        r#"{"op":2,"d":{"project_id":1}}"#,
        r#"{"op":2,"d":{"project_id":"p","token":1}}"#,
    ];
    for text in texts {
        let mut leap = server.leap();
        leap.send_text(text);
        assert_eq!(leap.closed().0, 4005, "{text:.60}");
    }
    for text in [
        "hello",
        "[]",
        r#"{"d":{}}"#,
        r#"{"op":"0"}"#,
        r#"{"op":0}"#,
        r#"{"op":0,"d":null}"#,
        r#"{"op":0,"d":[]}"#,
        &deep,
    ] {
        let (mut leap, _) = server.identified(None);
        leap.send_text(text);
        assert_eq!(leap.closed().0, 4005, "{text}");
    }
}

#[test]
fn b42_init_of_a_token_has_all_its_subscriptions_with_their_state() {
    let server = Server::start();
    let api = server.api();
    let token = api.token(json!({"user": {"id": 7}}));
    let kinds = ["private", "public", "unprotected"];
    for n in 0..30 {
        api.channel(&format!("c{n}"), kinds[n % 3], json!({"n": n}));
        api.subscribe(&format!("c{n}"), &token);
        api.patch(&format!("/v1/channels/c{n}/state"), json!({"now": n * 2})).data();
    }
    api.channel("not-mine", "public", json!({}));
    let mut leap = server.leap();
    leap.send(&identify(&server.project, &json!(token)));
    let init = leap.dispatch("INIT");
    assert_eq!((&init["c"], &init["u"]), (&Value::Null, &json!(true)));
    let d = init["d"].as_object().unwrap();
    let mut keys: Vec<_> = d.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["channels", "cid", "connection_count", "metadata", "scope"]);
    assert_eq!((&d["scope"], &d["metadata"]), (&json!("token"), &json!({"user": {"id": 7}})));
    let channels = d["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 30);
    for n in 0..30 {
        let channel = channels.iter().find(|channel| channel["id"] == format!("c{n}")).unwrap();
        assert_eq!(channel["state"], json!({"n": n, "now": n * 2}));
        assert_eq!((&channel["type"], &channel["project_id"]), (&json!(kinds[n % 3]), &json!(server.project)));
    }
    leap.quiet();
}

#[test]
fn b42_init_of_an_anonymous_client_is_empty() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let (mut leap, init) = server.identified(None);
    assert_eq!((&init["scope"], &init["metadata"], &init["channels"]), (&json!("noauth"), &Value::Null, &json!([])));
    assert_eq!(init["connection_count"], 1);
    assert!(!init["cid"].as_str().unwrap().is_empty());
    assert_ne!(server.identified(None).1["cid"], init["cid"]);
    leap.quiet();
}
