//! Channels under `/v2`: made, listed page by page, read, changed by parts, deleted; their subscribers.

use super::*;

async fn made(door: &Door, body: &str) -> Value {
    let made = door.call("POST", "/v2/channels", body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    made.json
}

#[tokio::test]
async fn a_channel_has_defaults_and_takes_settings_in_part() {
    let door = Door::open().await;
    let settings = json!({
        "history": {"size": 256, "ttl_ms": 120_000, "durable": false},
        "presence": false, "echo": true, "retain": false, "conflate_per_second": 0,
    });
    let plain = made(&door, r#"{"id":"room","type":"private"}"#).await;
    let expected = json!({
        "id": "room", "type": "private", "capabilities": ["token_publish"], "settings": settings, "state": {},
        "version": 1, "created_at": plain["created_at"],
    });
    assert_eq!(plain, expected);
    let wanted = r#"{"type":"public","capabilities":["ephemeral","anonymous_set_state"],"state":{"a":1},
        "settings":{"history":{"size":7},"presence":true,"conflate_per_second":5}}"#;
    let rich = made(&door, wanted).await;
    assert!(rich["id"].as_str().unwrap().starts_with("channel_"), "{rich}");
    assert_eq!(rich["capabilities"], json!(["ephemeral", "anonymous_set_state"]));
    let mut expected = settings.clone();
    (expected["history"]["size"], expected["presence"], expected["conflate_per_second"]) =
        (json!(7), json!(true), json!(5));
    assert_eq!((&rich["settings"], &rich["state"]), (&expected, &json!({"a": 1})));

    let changed = r#"{"settings":{"history":{"ttl_ms":5000},"presence":null,"retain":true}}"#;
    let path = format!("/v2/channels/{}", rich["id"].as_str().unwrap());
    let changed = door.call("PATCH", &path, changed).await;
    (expected["history"]["ttl_ms"], expected["retain"]) = (json!(5000), json!(true));
    assert_eq!((changed.status, &changed.json["settings"]), (200, &expected));
    assert_eq!(changed.json["capabilities"], rich["capabilities"], "what is left out stays");
    let changed = door.call("PATCH", &path, r#"{"capabilities":[]}"#).await.json;
    assert_eq!((&changed["capabilities"], &changed["settings"]), (&json!([]), &expected));
    let read = door.call("GET", &path, "").await.json;
    assert_eq!((&read["settings"], &read["online"]), (&expected, &json!(0)));
    assert!(read["position"].as_str().unwrap().ends_with("-0"), "{read}");
}

#[tokio::test]
async fn what_a_channel_cannot_be_is_said() {
    let door = Door::open().await;
    made(&door, r#"{"id":"room","type":"private"}"#).await;
    for (body, code) in [
        ("{}", "invalid_body"),
        (r#"{"type":"secret"}"#, "invalid_input"),
        (r#"{"type":"public","id":"a/b"}"#, "invalid_input"),
        (r#"{"type":"public","id":"room"}"#, "already_exists"),
        (r#"{"type":"public","capabilities":["everything"]}"#, "invalid_input"),
        (r#"{"type":"public","capabilities":2}"#, "invalid_body"),
        (r#"{"type":"public","settings":{"history":{"size":10001}}}"#, "invalid_input"),
        (r#"{"type":"public","settings":{"history":{"size":-1}}}"#, "invalid_body"),
        (r#"{"type":"public","settings":{"history":{"ttl_ms":999}}}"#, "invalid_input"),
        (r#"{"type":"public","settings":{"history":[1,2,true]}}"#, "invalid_body"),
        (r#"{"type":"public","settings":{"history":{"size":0,"durable":true}}}"#, "invalid_input"),
        (r#"{"type":"public","settings":{"conflate_per_second":101}}"#, "invalid_input"),
        (r#"{"type":"public","settings":{"loud":true}}"#, "invalid_body"),
        (r#"{"type":"public","state":[]}"#, "invalid_body"),
        (r#"{"type":"public","more":1}"#, "invalid_body"),
    ] {
        door.call("POST", "/v2/channels", body).await.refused_v2(code);
    }
    for (body, code) in [
        (r#"{"type":"public"}"#, "invalid_body"),
        (r#"{"state":{}}"#, "invalid_body"),
        (r#"{"settings":{"history":{"durable":true},"conflate_per_second":1}}"#, "invalid_input"),
    ] {
        door.call("PATCH", "/v2/channels/room", body).await.refused_v2(code);
    }
    for (method, body) in [("GET", ""), ("PATCH", "{}"), ("DELETE", "")] {
        door.call(method, "/v2/channels/none", body).await.refused_v2("not_found");
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_that_neither_skip_nor_repeat() {
    let door = Door::open().await;
    for number in 0..5 {
        made(&door, &format!(r#"{{"id":"c{number}","type":"private"}}"#)).await;
    }
    let (mut path, mut seen) = ("/v2/channels?limit=2".to_owned(), Vec::new());
    loop {
        let page = door.call("GET", &path, "").await.json;
        let ids = page["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        assert!(page["data"][0].get("position").is_none(), "a list tells what is kept, not what is");
        // Gone and come meanwhile.
        door.call("DELETE", "/v2/channels/c1", "").await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v2/channels?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["c0", "c1", "c2", "c3", "c4"]);
    door.call("GET", "/v2/channels?limit=0", "").await.refused_v2("invalid_input");
    door.call("GET", "/v2/channels?cursor=x", "").await.refused_v2("invalid_input");
}

#[tokio::test]
async fn subscribers_are_listed_added_and_removed_by_their_channel() {
    let door = Door::open().await;
    made(&door, r#"{"id":"room","type":"private"}"#).await;
    let mut ids = Vec::new();
    for ephemeral in ["{\"ephemeral\":true}", "", "{\"ephemeral\":false}"] {
        let token = door.call("POST", "/v2/tokens", "{}").await.json;
        let id = token["id"].as_str().unwrap().to_owned();
        door.call("PUT", &format!("/v2/channels/room/subscribers/{id}"), ephemeral).await.nothing();
        ids.push(id);
    }
    let path = format!("/v2/channels/room/subscribers/{}", ids[0]);
    let subscriptions = door.call("GET", &format!("/v2/tokens/{}/subscriptions", ids[0]), "").await.json;
    assert_eq!(subscriptions, json!({"data": [{"channel": "room", "ephemeral": true}]}));
    let first = door.call("GET", "/v2/channels/room/subscribers?limit=2", "").await.json;
    assert_eq!((&first["data"][0]["id"], &first["data"][1]["id"]), (&json!(ids[0]), &json!(ids[1])));
    assert!(!first.to_string().contains("secret\":\""), "{first}");
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = door.call("GET", &format!("/v2/channels/room/subscribers?cursor={cursor}"), "").await.json;
    assert_eq!((&rest["data"][0]["id"], &rest["next_cursor"]), (&json!(ids[2]), &Value::Null));
    door.call("DELETE", &path, "").await.nothing();
    let left = door.call("GET", "/v2/channels/room/subscribers", "").await.json;
    assert_eq!(left["data"].as_array().unwrap().len(), 2);
    for (method, path) in [
        ("GET", "/v2/channels/none/subscribers".to_owned()),
        ("PUT", format!("/v2/channels/none/subscribers/{}", ids[0])),
        ("PUT", "/v2/channels/room/subscribers/tok_MQ".to_owned()),
        ("DELETE", "/v2/channels/room/subscribers/tok_MQ".to_owned()),
    ] {
        door.call(method, &path, "").await.refused_v2("not_found");
    }
    door.call("PUT", &path, r#"{"forever":true}"#).await.refused_v2("invalid_body");
}

#[tokio::test]
async fn a_refused_change_of_state_says_at_which_version_it_is() {
    let door = Door::open().await;
    made(&door, r#"{"id":"room","type":"private","state":{"a":1}}"#).await;
    let path = "/v2/channels/room/state";
    let authorized = ("Authorization", door.key.as_str());
    let read = door.call("GET", path, "").await;
    assert_eq!((read.headers["etag"].to_str().unwrap(), &read.json["version"]), ("\"1\"", &json!(1)));
    let merged = door.call_with("PATCH", path, &[authorized, ("If-Match", "\"1\"")], r#"{"b":2}"#).await;
    assert_eq!((merged.status, merged.json), (200, json!({"state": {"a": 1, "b": 2}, "version": 2})));
    for (method, version) in [("PUT", 2), ("PATCH", 3)] {
        let refused = door.call_with(method, path, &[authorized, ("If-Match", "\"1\"")], "{}").await;
        refused.refused_v2("version_mismatch");
        assert_eq!((refused.status, &refused.json["problem"]["version"]), (412, &json!(version)));
        door.call_with(method, path, &[authorized, ("If-Match", "1")], "{}").await.refused_v2("invalid_input");
        assert_eq!(door.call_with(method, path, &[authorized, ("If-Match", "*")], "{}").await.status, 200);
        for bad in ["null", "[1]", "7"] {
            let refused = door.call(method, path, bad).await;
            refused.refused_v2("invalid_body");
            assert_eq!(refused.message(), "A JSON object is needed here, like {\"key\": 1}.");
        }
    }
}
