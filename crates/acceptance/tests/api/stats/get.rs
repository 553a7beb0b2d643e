//! `GET /v1/channels/:id/stats`.

use serde_json::json;
use tollgate_testkit::{Server, wait};

#[test]
fn b27_online_count_counts_sessions_and_drops_on_disconnect() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let stats = api.get("/v1/channels/room/stats").data();
    assert_eq!(stats, json!({"stats": {"online_count": 0}, "online_count": 0}), "the number twice, for the Rust SDK");
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    assert_eq!(api.online_count("room"), 0, "subscribed is not online");

    let (mut guest, _) = server.identified(None);
    guest.join("room");
    wait("the guest to count", || api.online_count("room") == 1);
    guest.join("room");
    let tabs: Vec<_> = (0..3).map(|_| server.identified(Some(&token)).0).collect();
    wait("three connections of a token to count once", || api.online_count("room") == 2);
    let (_idle, _) = server.identified(None);
    let (mut second, _) = server.identified(None);
    second.join("room");
    wait("a second guest to count", || api.online_count("room") == 3);

    guest.cut();
    wait("a cut connection to be gone", || api.online_count("room") == 2);
    second.event("UNSUBSCRIBE", "room", json!(null));
    wait("an unsubscribed guest to be gone", || api.online_count("room") == 1);
    tabs.into_iter().for_each(tollgate_testkit::Leap::close);
    wait("a token without connections to be gone", || api.online_count("room") == 0);
    api.get("/v1/channels/none/stats").refused(404, "not_found");
}
