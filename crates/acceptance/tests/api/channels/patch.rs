//! `PATCH /v1/channels/:id`: a channel's settings (our addition to Hop's API).

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn capabilities_change_at_once_for_those_who_are_there() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    guest.event("MESSAGE", "room", json!({"e": "HI", "d": 1}));
    guest.quiet();
    let patched = api.patch("/v1/channels/room", json!({"capabilities": 2 | 4 | 16})).data();
    assert_eq!(patched["channel"]["capabilities"], 22);
    guest.event("MESSAGE", "room", json!({"e": "HI", "d": 2}));
    assert_eq!(guest.expect("MESSAGE", "room"), json!({"e": "HI", "d": 2}));
    guest.event("SET_CHANNEL_STATE", "room", json!({"by": "guest"}));
    assert_eq!(guest.expect("STATE_UPDATE", "room"), json!({"state": {"by": "guest"}}));
}

#[test]
fn nonsense_is_refused() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    for body in [json!({"capabilities": -1}), json!({"capabilities": "x"}), json!({"capabilities": 4_294_967_296_u64})]
    {
        assert_eq!(api.patch("/v1/channels/room", body).status, 400);
    }
    api.patch("/v1/channels/none", json!({"capabilities": 2})).refused(404, "not_found");
}
