//! `POST /v1/channels` and `PUT /v1/channels/:id`.

use serde_json::{Value, json};
use tollgate_testkit::Server;

#[test]
fn b14_post_makes_an_id_and_put_takes_one() {
    let server = Server::start();
    let api = server.api();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let channel = api.post("/v1/channels", json!({"type": "public", "state": {"a": 1}})).data()["channel"].clone();
        let id = channel["id"].as_str().unwrap().to_owned();
        let tail = id.strip_prefix("channel_").unwrap();
        assert!(tail.len() > 5 && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{id}");
        assert_eq!(channel["state"], json!({"a": 1}));
        assert_eq!(api.get(&format!("/v1/channels/{id}")).data()["channel"], channel);
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(api.put("/v1/channels/mine", json!({"type": "private"})).data()["channel"]["id"], "mine");
}

#[test]
fn b14_state_null_or_absent_is_the_empty_object() {
    let server = Server::start();
    let api = server.api();
    for body in
        [json!({"type": "public"}), json!({"type": "public", "state": null}), json!({"type": "public", "state": {}})]
    {
        assert_eq!(api.post("/v1/channels", body).data()["channel"]["state"], json!({}));
    }
}

#[test]
fn b15_type_and_state_are_checked() {
    let server = Server::start();
    let api = server.api();
    for kind in ["private", "public", "unprotected"] {
        assert_eq!(api.post("/v1/channels", json!({"type": kind})).data()["channel"]["type"], kind);
    }
    for kind in [json!("secret"), json!("PUBLIC"), json!(""), json!(1), Value::Null] {
        let reply = api.put("/v1/channels/x", json!({"type": kind, "state": {}}));
        assert_eq!(reply.status, 400, "{kind}: {}", reply.text());
    }
    let told = api.put("/v1/channels/x", json!({"type": "secret"}));
    told.refused(400, "invalid_input");
    assert!(told.text().contains("unprotected"), "the message names the types there are: {}", told.text());
    assert_eq!(api.put("/v1/channels/x", json!({"state": {}})).status, 400, "a type is needed");
    for state in [json!([]), json!("x"), json!(1), json!(true)] {
        api.put("/v1/channels/x", json!({"type": "public", "state": state})).refused(400, "invalid_body");
    }
    api.get("/v1/channels/x").refused(404, "not_found");
}

#[test]
fn b16_an_id_that_exists_is_409_and_keeps_what_it_has() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({"first": true}));
    api.put("/v1/channels/room", json!({"type": "private", "state": {"second": true}})).refused(409, "already_exists");
    let channel = api.get("/v1/channels/room").data()["channel"].clone();
    assert_eq!((&channel["type"], &channel["state"]), (&json!("public"), &json!({"first": true})));
}

#[test]
fn b16_the_same_id_in_another_project_is_another_channel() {
    let server = Server::start();
    let (other, key) = server.new_project("other");
    let (mine, theirs) = (server.api(), server.api_with(&key));
    mine.channel("room", "unprotected", json!({"whose": "mine"}));
    theirs.channel("room", "unprotected", json!({"whose": "theirs"}));
    let (mut at_mine, _) = server.identified(None);
    let mut at_theirs = server.leap();
    at_theirs.identify(&other, None);
    assert_eq!(at_mine.join("room"), json!({"whose": "mine"}));
    assert_eq!(at_theirs.join("room"), json!({"whose": "theirs"}));
    mine.put("/v1/channels/room/state", json!({"n": 1})).data();
    theirs.publish("room", "X", json!(2));
    assert_eq!(at_mine.expect("STATE_UPDATE", "room"), json!({"state": {"n": 1}}));
    assert_eq!(at_theirs.expect("MESSAGE", "room"), json!({"e": "X", "d": 2}));
    at_mine.quiet();
    at_theirs.quiet();
    mine.delete("/v1/channels/room").no_content();
    assert_eq!(theirs.get("/v1/channels/room").data()["channel"]["state"], json!({"whose": "theirs"}));
}

#[test]
fn b17_ids_are_percent_decoded() {
    let server = Server::start();
    let api = server.api();
    for (path, id) in [
        ("group%20chat", "group chat"),
        ("caf%C3%A9", "café"),
        ("game-47EA", "game-47EA"),
        ("a.b~c_d:e@f!g$h&i'j(k)l*m+n,o;p=q", "a.b~c_d:e@f!g$h&i'j(k)l*m+n,o;p=q"),
        ("%F0%9F%A6%80", "🦀"),
        ("100%25", "100%"),
        ("%68ello", "hello"),
    ] {
        assert_eq!(
            api.put(&format!("/v1/channels/{path}"), json!({"type": "unprotected"})).data()["channel"]["id"],
            id
        );
        assert_eq!(api.get(&format!("/v1/channels/{path}")).data()["channel"]["id"], id);
        let (mut leap, _) = server.identified(None);
        leap.join(id);
        api.publish(path, "X", json!(id));
        assert_eq!(leap.expect("MESSAGE", id), json!({"e": "X", "d": id}));
    }
}

#[test]
fn b17_bad_ids_are_400() {
    let server = Server::start();
    let api = server.api();
    let long = "a".repeat(2_000);
    for id in [
        "tokens",
        "%74okens",
        "a%2Fb",
        "a%3Fb",
        "a%23b",
        "a%00b",
        "a%0Ab",
        "a%1Fb",
        "a%7Fb",
        "a%C2%85b",
        "a%zzb",
        "a%F",
        "%FF",
        "%ED%A0%80",
        &long,
    ] {
        api.put(&format!("/v1/channels/{id}"), json!({"type": "public"})).refused(400, "invalid_input");
    }
    let empty = api.put("/v1/channels/", json!({"type": "public"}));
    assert!(matches!(empty.status, 400 | 404 | 405), "{empty:?}");
    assert_eq!(api.get("/v1/channels").data()["total_count"], 0);
}

#[test]
fn b18_a_channel_is_shaped_as_the_sdks_need_it() {
    let server = Server::start();
    let api = server.api();
    let created = api.put("/v1/channels/room", json!({"type": "public", "state": {"a": {"b": [1, null]}}})).data();
    let channel = &created["channel"];
    assert_eq!(created.as_object().unwrap().len(), 1);
    assert_eq!((&channel["id"], &channel["type"]), (&json!("room"), &json!("public")));
    assert_eq!(channel["state"], json!({"a": {"b": [1, null]}}));
    assert!(channel["capabilities"].is_u64());
    assert!(channel["created_at"].as_str().unwrap().contains('T'));
    super::check_project(&channel["project"], &server.project);
    for reserved in ["setState", "patchState", "subscribeToken", "subscribeTokens", "removeToken", "publishMessage"] {
        assert!(channel.get(reserved).is_none());
    }
}

#[test]
fn capabilities_may_be_chosen_at_creation() {
    let server = Server::start();
    let api = server.api();
    for capabilities in [0, 2, 31] {
        let body = json!({"type": "public", "capabilities": capabilities});
        assert_eq!(api.post("/v1/channels", body).data()["channel"]["capabilities"], capabilities);
    }
    assert_eq!(api.post("/v1/channels", json!({"type": "public"})).data()["channel"]["capabilities"], 2);
    for capabilities in [json!(-1), json!(32), json!("2"), json!(1.5)] {
        let reply = api.post("/v1/channels", json!({"type": "public", "capabilities": capabilities}));
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
}

#[test]
fn b09_a_body_that_is_no_object_is_400_invalid_body_wherever_one_is_needed() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({"kept": 1}));
    let token = api.token(json!({"kept": 1}));
    let routes = [
        ("POST", "/v1/channels".to_owned()),
        ("PUT", "/v1/channels/new".to_owned()),
        ("PATCH", "/v1/channels/room".to_owned()),
        ("PUT", "/v1/channels/room/state".to_owned()),
        ("PATCH", "/v1/channels/room/state".to_owned()),
        ("POST", "/v1/channels/room/messages".to_owned()),
        ("POST", "/v1/channels/tokens".to_owned()),
        ("PATCH", format!("/v1/channels/tokens/{token}")),
        ("POST", format!("/v1/channels/tokens/{token}/messages")),
    ];
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let deep = format!(r#"{{"type":"public","state":{{"a":{deep}}},"e":"X","d":{deep}}}"#);
    let bodies: [&[u8]; 13] = [
        b"",
        b" ",
        b"null",
        b"[]",
        b"\"x\"",
        b"1",
        b"true",
        b"{",
        b"{\"a\":}",
        b"{}{}",
        b"{\"a\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
    ];
    for (method, path) in &routes {
        for body in bodies {
            if body.is_empty() && path == "/v1/channels/tokens" {
                continue; // a token needs nothing to be said about it
            }
            let reply = api.try_call(method, path, Some(body)).unwrap();
            reply.check();
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            assert_eq!(reply.error(), (400, "invalid_body".to_owned()), "{method} {path} {shown:?}: {}", reply.text());
        }
    }
    assert_eq!(api.get("/v1/channels/room/state").data()["state"], json!({"kept": 1}));
    assert_eq!(api.get(&format!("/v1/channels/tokens/{token}")).data()["token"]["state"], json!({"kept": 1}));
}
