//! `GET /v1/projects/@this` and `GET /v1/users/@me`: what Hop's command line asks for before anything else.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn b33_this_is_the_project_of_the_key() {
    let server = Server::start();
    let data = server.api().get("/v1/projects/@this").data();
    assert!(data["leap_token"].is_string(), "{data}");
    crate::channels::check_project(&data["project"], &server.project);
    let (other, key) = server.new_project("other");
    let data = server.api_with(&key).get("/v1/projects/@this").data();
    assert_eq!((&data["project"]["id"], &data["project"]["name"]), (&json!(other), &json!("other")));
    server.api_with("ptk_none").get("/v1/projects/@this").refused(401, "invalid_auth");
}

#[test]
fn b33_there_are_no_users_behind_personal_tokens() {
    let server = Server::start();
    server.api_with("pat_cGF0").get("/v1/users/@me").refused(401, "invalid_auth");
    let reply = server.api().get("/v1/users/@me");
    assert!(matches!(reply.status, 401 | 403 | 404), "a project key is no user: {reply:?}");
}
