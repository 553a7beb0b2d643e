//! `DELETE /v1/channels/:id`.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn b20_delete_is_204_then_404_and_subscribers_are_told() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    let (mut member, init) = server.identified(Some(&token));
    assert_eq!(init["channels"][0]["id"], "room");
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    api.delete("/v1/channels/room").no_content();
    for leap in [&mut member, &mut guest] {
        assert_eq!(leap.expect("UNAVAILABLE", "room"), json!({"graceful": true}));
        leap.quiet();
    }
    api.get("/v1/channels/room").refused(404, "not_found");
    api.delete("/v1/channels/room").refused(404, "not_found");
    assert_eq!(guest.refused("room"), "UNKNOWN");
}

#[test]
fn a_channel_made_again_has_none_of_the_old_subscribers() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({"old": true}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    api.delete("/v1/channels/room").no_content();
    api.channel("room", "private", json!({"new": true}));
    let (mut leap, init) = server.identified(Some(&token));
    assert_eq!(init["channels"], json!([]));
    api.publish("room", "X", json!(1));
    leap.quiet();
    assert_eq!(leap.refused("room"), "NOT_GRANTED");
    assert_eq!(api.get("/v1/channels/room/tokens").data()["tokens"], json!([]));
}
