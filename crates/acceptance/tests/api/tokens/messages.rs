//! `POST /v1/channels/tokens/:token/messages`: direct messages.

use serde_json::{Value, json};
use tollgate_testkit::Server;

#[test]
fn b31_a_direct_message_reaches_every_connection_of_the_token_and_nobody_else() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (token, other) = (api.token(json!({})), api.token(json!({})));
    api.subscribe("room", &token);
    api.subscribe("room", &other);
    let mut own: Vec<_> = (0..4).map(|_| server.identified(Some(&token)).0).collect();
    let (mut neighbour, _) = server.identified(Some(&other));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    let path = format!("/v1/channels/tokens/{token}/messages");
    for data in [json!({"a": 1}), json!("text"), Value::Null, json!([1])] {
        api.post(&path, json!({"e": "NOTE", "d": data})).no_content();
        for leap in &mut own {
            let message = leap.dispatch("DIRECT_MESSAGE");
            assert_eq!((&message["c"], &message["d"]), (&Value::Null, &json!({"e": "NOTE", "d": data})));
        }
    }
    api.post(&path, json!({"e": "NODATA"})).no_content();
    for leap in &mut own {
        assert_eq!(leap.dispatch("DIRECT_MESSAGE")["d"], json!({"e": "NODATA", "d": null}));
        leap.quiet();
    }
    neighbour.quiet();
    guest.quiet();
}

#[test]
fn b31_nobody_online_is_204_and_the_message_is_gone() {
    let server = Server::start();
    let api = server.api();
    let token = api.token(json!({}));
    let path = format!("/v1/channels/tokens/{token}/messages");
    api.post(&path, json!({"e": "NOTE", "d": 1})).no_content();
    let (mut leap, _) = server.identified(Some(&token));
    leap.quiet();
    for body in [json!({}), json!({"e": ""}), json!({"e": 1, "d": 1})] {
        assert_eq!(api.post(&path, body).status, 400);
    }
    api.post("/v1/channels/tokens/leap_token_none/messages", json!({"e": "X"})).refused(404, "not_found");
}
