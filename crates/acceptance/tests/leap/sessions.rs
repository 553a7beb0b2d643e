//! Sessions: all connections of one token.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_testkit::{Server, until};

fn subscribers(server: &Server, channel: &str) -> Vec<Value> {
    let reply = server.api().get(&format!("/v1/channels/{channel}/tokens"));
    if reply.status == 404 { Vec::new() } else { reply.data()["tokens"].as_array().unwrap().clone() }
}

#[test]
fn b62_a_session_lasts_30_s_after_its_last_connection_and_takes_what_is_ephemeral_with_it() {
    let server = Server::start();
    let api = server.api();
    for channel in ["durable", "lent"] {
        api.channel(channel, "private", json!({}));
    }
    api.put("/v1/channels/ephemeral", json!({"type": "public", "capabilities": 1 | 2})).data();
    let [leaves, returns] = [api.token(json!({})), api.token(json!({}))];
    let mut connections = Vec::new();
    for token in [&leaves, &returns] {
        let (mut leap, _) = server.identified(Some(token));
        api.subscribe("durable", token);
        api.put_empty(&format!("/v1/channels/lent/subscribers/{token}?ephemeral=true")).no_content();
        leap.expect("AVAILABLE", "durable");
        leap.expect("AVAILABLE", "lent");
        connections.push(leap);
    }
    connections[0].join("ephemeral");
    connections.pop().unwrap().close();
    let second = server.identified(Some(&leaves)).0;
    connections.pop().unwrap().close();
    second.close();
    let left_at = Instant::now();
    // Coming back in time keeps everything.
    let (_back, init) = server.identified(Some(&returns));
    assert_eq!(init["channels"].as_array().unwrap().len(), 2);
    assert_eq!(subscribers(&server, "lent").len(), 2);
    until(Duration::from_secs(45), "the session of the one that left to end", || {
        let left = subscribers(&server, "lent");
        (left.len() == 1 && left[0]["id"] == json!(returns)).then_some(())
    });
    let lasted = left_at.elapsed();
    assert!((28.0..40.0).contains(&lasted.as_secs_f64()), "{lasted:?}");
    until(Duration::from_secs(10), "the ephemeral channel to end with its last session", || {
        (api.get("/v1/channels/ephemeral").status == 404).then_some(())
    });
    assert_eq!(subscribers(&server, "durable").len(), 2);
    let (_, init) = server.identified(Some(&leaves));
    assert_eq!(init["channels"].as_array().unwrap().len(), 1, "what is durable is still there");
}

#[test]
fn b62_ephemeral_subscriptions_do_not_survive_a_restart_for_ever() {
    let mut server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({}));
    let token = api.token(json!({}));
    let (mut leap, _) = server.identified(Some(&token));
    api.put_empty(&format!("/v1/channels/room/subscribers/{token}?ephemeral=true")).no_content();
    leap.expect("AVAILABLE", "room");
    server.kill();
    server.start_again();
    until(Duration::from_secs(45), "an ephemeral subscription without a session to end", || {
        subscribers(&server, "room").is_empty().then_some(())
    });
}

#[test]
fn b63_connections_are_counted_and_each_hears_everything_once() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    let mut connections = Vec::new();
    for count in 1..=5 {
        let (leap, init) = server.identified(Some(&token));
        assert_eq!(init["connection_count"], count, "the new one included");
        connections.push(leap);
    }
    assert_eq!(server.identified(None).1["connection_count"], 1);
    assert_eq!(server.identified(Some(&api.token(json!({})))).1["connection_count"], 1);
    api.publish("room", "X", json!(1));
    api.patch("/v1/channels/room/state", json!({"n": 1})).data();
    api.post(&format!("/v1/channels/tokens/{token}/messages"), json!({"e": "DM"})).no_content();
    for leap in &mut connections {
        let mut events: Vec<_> = (0..3).map(|_| leap.next_dispatch()["d"]["e"].as_str().unwrap().to_owned()).collect();
        events.sort_unstable();
        leap.quiet();
        assert_eq!(events, ["DIRECT_MESSAGE", "MESSAGE", "STATE_UPDATE"]);
    }
    connections.pop().unwrap().close();
    until(Duration::from_secs(10), "the closed connection to leave the count", || {
        (server.identified(Some(&token)).1["connection_count"] == 5).then_some(())
    });
}
