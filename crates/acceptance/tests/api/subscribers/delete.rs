//! `DELETE /v1/channels/:id/subscribers/:token`.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn b25_a_removed_token_is_told_and_hears_no_more() {
    let server = Server::start();
    let api = server.api();
    for kind in ["private", "public", "unprotected"] {
        api.channel(kind, kind, json!({}));
        let token = api.token(json!({}));
        let stays = api.token(json!({}));
        api.subscribe(kind, &token);
        api.subscribe(kind, &stays);
        let (mut one, _) = server.identified(Some(&token));
        let (mut two, _) = server.identified(Some(&token));
        let (mut witness, _) = server.identified(Some(&stays));
        let path = format!("/v1/channels/{kind}/subscribers/{token}");
        api.delete(&path).no_content();
        api.delete(&path).no_content();
        api.publish(kind, "AFTER", json!(1));
        witness.expect("MESSAGE", kind);
        for leap in [&mut one, &mut two] {
            assert_eq!(leap.expect("UNAVAILABLE", kind), json!({"graceful": true}), "told once");
            leap.quiet();
        }
        let (_, init) = server.identified(Some(&token));
        assert_eq!(init["channels"], json!([]));
    }
}

#[test]
fn b25_unknown_channel_or_token_is_404() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({}));
    let token = api.token(json!({}));
    api.delete(&format!("/v1/channels/room/subscribers/{token}")).no_content();
    api.delete(&format!("/v1/channels/none/subscribers/{token}")).refused(404, "not_found");
    api.delete("/v1/channels/room/subscribers/leap_token_none").refused(404, "not_found");
}
