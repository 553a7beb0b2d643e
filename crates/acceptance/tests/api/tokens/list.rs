//! `GET /v1/channels/tokens`.

use serde_json::json;
use tollgate_testkit::Server;

#[test]
fn b29_all_tokens_of_the_project_are_listed() {
    let server = Server::start();
    let api = server.api();
    assert_eq!(api.get("/v1/channels/tokens").data()["tokens"], json!([]));
    let mut made: Vec<_> = (0..5).map(|n| api.token(json!({"n": n}))).collect();
    let (_, key) = server.new_project("other");
    server.api_with(&key).token(json!({}));
    let listed = api.get("/v1/channels/tokens").data();
    let mut ids: Vec<_> =
        listed["tokens"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned()).collect();
    made.sort_unstable();
    ids.sort_unstable();
    assert_eq!(ids, made);
    assert!(listed["tokens"][0]["state"]["n"].is_u64());
}
