//! `GET /v1/channels/:id/tokens`.

use serde_json::{Value, json};
use tollgate_testkit::{Server, wait};

#[test]
fn b26_subscribed_tokens_are_listed_with_live_is_online() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    assert_eq!(api.get("/v1/channels/room/tokens").data(), json!({"tokens": []}));
    let [first, second] = [api.token(json!({"n": 1})), api.token(json!({"n": 2}))];
    let _unsubscribed = api.token(json!({}));
    api.subscribe("room", &first);
    let (mut leap, _) = server.identified(Some(&second));
    leap.join("room");
    let list = || api.get("/v1/channels/room/tokens").data()["tokens"].as_array().unwrap().clone();
    let online = |id: &str| {
        let list = list();
        let token: &Value = list.iter().find(|token| token["id"] == id).unwrap();
        assert!(token["created_at"].is_string() && token["project_id"] == json!(server.project), "{token}");
        token["is_online"].as_bool().unwrap()
    };
    assert_eq!(list().len(), 2);
    assert!(!online(&first) && online(&second));
    leap.close();
    wait("the token to go offline", || !online(&second));
    api.get("/v1/channels/none/tokens").refused(404, "not_found");
}
