//! `GET /v1/channels/:id/state`.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn the_state_alone() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({"a": {"b": 1}}));
    assert_eq!(api.get("/v1/channels/room/state").data(), json!({"state": {"a": {"b": 1}}}));
    api.get("/v1/channels/none/state").refused(404, "not_found");
}
