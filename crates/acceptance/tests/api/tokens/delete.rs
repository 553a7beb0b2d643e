//! `DELETE /v1/channels/tokens/:token`, and expiry, which ends a token just as well.

use std::time::Duration;

use serde_json::json;
use tollgate_testkit::{Server, from_now};

#[test]
fn b32_a_deleted_token_is_cut_off_and_never_comes_back() {
    let mut server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    let connections: Vec<_> = (0..3).map(|_| server.identified(Some(&token)).0).collect();
    let path = format!("/v1/channels/tokens/{token}");
    api.delete(&path).no_content();
    api.publish("room", "AFTER", json!(1));
    for mut leap in connections {
        match leap.incoming(Duration::from_secs(5)) {
            Some(tollgate_testkit::leap::Incoming::Ended(Some((4001, _)))) => {}
            other => panic!("after the 204 there is only the close: {other:?}"),
        }
    }
    api.get(&path).refused(404, "not_found");
    api.delete(&path).refused(404, "not_found");
    assert_eq!(api.get("/v1/channels/room/tokens").data()["tokens"], json!([]));
    assert_eq!(api.online_count("room"), 0);
    let refused = |server: &Server| {
        let mut leap = server.leap();
        leap.send(&json!({"op": 2, "d": {"project_id": server.project, "token": token}}));
        assert_eq!(leap.closed().0, 4001);
    };
    refused(&server);
    server.kill();
    server.start_again();
    refused(&server);
}

#[test]
fn b32_an_expired_token_is_cut_off_when_its_time_comes() {
    let server = Server::start();
    let api = server.api();
    let body = json!({"expires_at": from_now(Duration::from_secs(2))});
    let token = api.post("/v1/channels/tokens", body).data()["token"]["id"].as_str().unwrap().to_owned();
    let (mut leap, _) = server.identified(Some(&token));
    leap.quiet();
    assert_eq!(leap.closed().0, 4001);
    let mut late = server.leap();
    late.send(&json!({"op": 2, "d": {"project_id": server.project, "token": token}}));
    assert_eq!(late.closed().0, 4001);
}

#[test]
fn b32_an_expiry_that_is_moved_counts_from_then_on() {
    let server = Server::start();
    let api = server.api();
    let (soon, later) = (from_now(Duration::from_secs(2)), "2199-01-01T00:00:00Z");
    let lives =
        api.post("/v1/channels/tokens", json!({"expires_at": soon})).data()["token"]["id"].as_str().unwrap().to_owned();
    let dies = api.post("/v1/channels/tokens", json!({"expires_at": later})).data()["token"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut living, _) = server.identified(Some(&lives));
    let (mut dying, _) = server.identified(Some(&dies));
    api.patch(&format!("/v1/channels/tokens/{lives}"), json!({"expires_at": later})).data();
    api.patch(&format!("/v1/channels/tokens/{dies}"), json!({"expires_at": soon})).data();
    assert_eq!(dying.closed().0, 4001);
    living.quiet();
}
