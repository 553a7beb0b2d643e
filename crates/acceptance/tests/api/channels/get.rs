//! `GET /v1/channels/:id`.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn b20_an_unknown_channel_is_404() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    assert_eq!(api.get("/v1/channels/room").data()["channel"]["id"], "room");
    api.get("/v1/channels/Room").refused(404, "not_found");
    api.get("/v1/channels/room2").refused(404, "not_found");
}

#[test]
fn another_projects_channel_is_404() {
    let server = Server::start();
    let (_, key) = server.new_project("other");
    server.api().channel("room", "public", json!({}));
    server.api_with(&key).get("/v1/channels/room").refused(404, "not_found");
}
