//! `POST /v1/channels/tokens`.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::{Server, from_now};

#[test]
fn b28_a_token_is_shaped_as_the_sdks_need_it() {
    let server = Server::start();
    let api = server.api();
    let data = api.post("/v1/channels/tokens", json!({"state": {"user": 1}})).data();
    let token = &data["token"];
    let tail = token["id"].as_str().unwrap().strip_prefix("leap_token_").unwrap();
    assert!(tail.len() >= 32 && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{tail}");
    server.remember(token["id"].as_str().unwrap());
    assert_eq!((&token["state"], &token["project_id"]), (&json!({"user": 1}), &json!(server.project)));
    assert_eq!((&token["is_online"], &token["expires_at"]), (&json!(false), &Value::Null));
    let created_at = token["created_at"].as_str().unwrap();
    assert!(created_at.len() >= 20 && created_at.contains('T'), "{created_at} is not RFC 3339");
    assert_ne!(api.token(json!({})), api.token(json!({})));
}

#[test]
fn b28_state_is_optional() {
    let server = Server::start();
    let api = server.api();
    for body in [json!({}), json!({"state": null}), json!({"state": null, "expires_at": null}), json!({"state": {}})] {
        let token = api.post("/v1/channels/tokens", body.clone()).data()["token"].clone();
        assert!(token["state"].is_null() || token["state"] == json!({}), "{body}: {token}");
    }
    for state in [json!([]), json!("x"), json!(1)] {
        api.post("/v1/channels/tokens", json!({"state": state})).refused(400, "invalid_body");
    }
}

#[test]
fn b28_expiry_is_taken_under_both_names_and_only_from_the_future() {
    let server = Server::start();
    let api = server.api();
    let hour = from_now(Duration::from_secs(3_600));
    for (name, time) in [
        ("expires_at", hour.as_str()),
        ("expiresAt", "2199-12-31T23:59:59Z"),
        ("expires_at", "2199-11-22T20:25:21.673319862-05:30"),
    ] {
        let token = api.post("/v1/channels/tokens", json!({"state": {}, name: time})).data()["token"].clone();
        assert!(token["expires_at"].as_str().unwrap().contains('T'), "{token}");
        let id = token["id"].as_str().unwrap();
        assert_eq!(api.get(&format!("/v1/channels/tokens/{id}")).data()["token"]["expires_at"], token["expires_at"]);
    }
    let given = "2199-11-22T20:25:21.5-05:30";
    let token = api.post("/v1/channels/tokens", json!({"expires_at": given})).data()["token"].clone();
    assert!(
        token["expires_at"].as_str().unwrap().starts_with("2199-11-23T01:55:21.5"),
        "the same instant in UTC: {token}"
    );
    for time in [
        json!("2001-01-01T00:00:00Z"),
        json!("tomorrow"),
        json!(""),
        json!(12),
        json!("2199-13-01T00:00:00Z"),
        json!({}),
    ] {
        let reply = api.post("/v1/channels/tokens", json!({"expires_at": time}));
        assert_eq!(reply.status, 400, "{time}: {}", reply.text());
    }
}

#[test]
fn default_channels_are_subscribed_from_the_start() {
    let server = Server::start();
    let api = server.api();
    api.channel("a", "private", json!({"n": 1}));
    api.channel("b", "public", json!({}));
    let token = api.post("/v1/channels/tokens", json!({"channels": ["a", "b"]})).data()["token"]["id"].clone();
    let (_, init) = server.identified(token.as_str());
    let mut ids: Vec<_> =
        init["channels"].as_array().unwrap().iter().map(|channel| channel["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    let before = api.get("/v1/channels/tokens").data()["tokens"].as_array().unwrap().len();
    for channels in [json!(["none"]), json!("a"), json!([1])] {
        let reply = api.post("/v1/channels/tokens", json!({"channels": channels}));
        assert!(matches!(reply.status, 400 | 404), "{channels}: {}", reply.text());
    }
    let after = api.get("/v1/channels/tokens").data()["tokens"].as_array().unwrap().len();
    assert_eq!(before, after, "a refused creation leaves nothing behind");
}
