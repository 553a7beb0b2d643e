//! `GET /v1/channels/tokens/:token`.

use serde_json::json;
use tollgate_testkit::{Server, wait};

#[test]
fn b29_a_token_is_read_back() {
    let server = Server::start();
    let api = server.api();
    let created = api.post("/v1/channels/tokens", json!({"state": {"a": 1}})).data();
    let id = created["token"]["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v1/channels/tokens/{id}")).data(), created);
    let (_, key) = server.new_project("other");
    for (api, token) in [(&api, "leap_token_none"), (&api, &id[..id.len() - 1]), (&server.api_with(&key), id)] {
        api.get(&format!("/v1/channels/tokens/{token}")).refused(404, "not_found");
    }
}

#[test]
fn b30_is_online_from_init_until_the_last_connection_is_gone() {
    let server = Server::start();
    let api = server.api();
    let token = api.token(json!({}));
    assert!(!api.is_online(&token));
    let mut one = server.leap();
    assert!(!api.is_online(&token), "a socket is not yet an identity");
    one.identify(&server.project, Some(&token));
    assert!(api.is_online(&token));
    let (two, _) = server.identified(Some(&token));
    one.close();
    assert!(api.is_online(&token), "one of two connections is still there");
    two.cut();
    wait("the token to be offline at once", || !api.is_online(&token));
    let (_three, _) = server.identified(Some(&token));
    assert!(api.is_online(&token));
}
