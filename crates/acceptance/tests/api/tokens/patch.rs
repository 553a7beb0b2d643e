//! `PATCH /v1/channels/tokens/:token`.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::{Server, from_now};

#[test]
fn b29_patch_replaces_what_it_names_and_keeps_the_rest() {
    let server = Server::start();
    let api = server.api();
    let id = api.token(json!({"old": 1}));
    let path = format!("/v1/channels/tokens/{id}");
    let hour = from_now(Duration::from_secs(3_600));

    let token = api.patch(&path, json!({"state": {"new": 2}})).data()["token"].clone();
    assert_eq!((&token["id"], &token["state"], &token["expires_at"]), (&json!(id), &json!({"new": 2}), &Value::Null));
    let token = api.patch(&path, json!({"expires_at": hour})).data()["token"].clone();
    assert_eq!(token["state"], json!({"new": 2}), "an absent state is kept");
    assert!(token["expires_at"].is_string());
    let token = api.patch(&path, json!({"state": {"newer": 3}})).data()["token"].clone();
    assert!(token["expires_at"].is_string(), "an absent expiry is kept");
    let token = api.patch(&path, json!({"expires_at": null})).data()["token"].clone();
    assert_eq!(token["expires_at"], Value::Null, "null takes the expiry away");
    let token = api.patch(&path, json!({"expiresAt": "2199-01-01T00:00:00Z"})).data()["token"].clone();
    assert!(token["expires_at"].is_string());
    assert_eq!(api.get(&path).data()["token"], token);

    api.patch(&path, json!({"state": []})).refused(400, "invalid_body");
    assert_eq!(api.patch(&path, json!({"expires_at": "2001-01-01T00:00:00Z"})).status, 400);
    assert_eq!(api.get(&path).data()["token"], token, "a refused change changes nothing");
    api.patch("/v1/channels/tokens/leap_token_none", json!({"state": {}})).refused(404, "not_found");
}

#[test]
fn b29_the_new_state_is_the_metadata_of_the_next_init() {
    let server = Server::start();
    let api = server.api();
    let id = api.token(json!({"n": 1}));
    let (mut before, init) = server.identified(Some(&id));
    assert_eq!(init["metadata"], json!({"n": 1}));
    api.patch(&format!("/v1/channels/tokens/{id}"), json!({"state": {"n": 2}})).data();
    assert_eq!(server.identified(Some(&id)).1["metadata"], json!({"n": 2}));
    before.quiet();
}
