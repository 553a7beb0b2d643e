//! Channels and their state.

use super::*;

const RESERVED: [&str; 6] =
    ["setState", "patchState", "subscribeToken", "subscribeTokens", "removeToken", "publishMessage"];

#[tokio::test]
async fn b14_b18_a_channel_is_created_with_our_id_or_theirs() {
    let door = Door::open().await;
    let created = door.call("POST", "/v1/channels", r#"{"type":"unprotected","state":null}"#).await.data();
    let id = created["channel"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("channel_"), "{id}");
    let named =
        door.call("PUT", "/v1/channels/game?channel_id=game", r#"{"type":"public","state":{"a":1}}"#).await.data();
    let this = door.call("GET", "/v1/projects/@this", "").await.data();
    let expected = json!({
        "id": "game", "type": "public", "project": this["project"], "state": {"a": 1}, "capabilities": 2, "created_at": NOW_TEXT,
    });
    assert_eq!(named["channel"], expected);
    assert_eq!(door.call("GET", "/v1/channels/game", "").await.data(), named);
    assert_eq!(door.call("GET", &format!("/v1/channels/{id}"), "").await.data()["channel"]["state"], json!({}));
    for key in RESERVED {
        assert!(named["channel"].get(key).is_none(), "{key}");
    }
}

#[tokio::test]
async fn b15_types_states_and_settings_are_checked() {
    let door = Door::open().await;
    let table = [
        (r#"{}"#, "invalid_body", "`type`"),
        (r#"{"type":null}"#, "invalid_body", "`type`"),
        (r#"{"type":"secret"}"#, "invalid_input", "`type`"),
        (r#"{"type":"Public"}"#, "invalid_input", "`type`"),
        (r#"{"type":1}"#, "invalid_body", "`type`"),
        (r#"{"type":"public","state":[]}"#, "invalid_body", "Please specify a valid channel state."),
        (r#"{"type":"public","state":"{}"}"#, "invalid_body", "Please specify a valid channel state."),
        (r#"{"type":"public","state":7}"#, "invalid_body", "Please specify a valid channel state."),
        (
            r#"{"type":"public","state":{"n":[1e999]}}"#,
            "invalid_body",
            "The JSON value has a number beyond ±1.8e308, the most that a double holds; many parsers refuse that. Send it as a string.",
        ),
        (r#"{"type":"public","capabilities":32}"#, "invalid_input", "`capabilities`"),
        (r#"{"type":"public","capabilities":"2"}"#, "invalid_body", "`capabilities`"),
        (r#"{"type":"public","capabilities":-1}"#, "invalid_body", "`capabilities`"),
    ];
    for (body, code, sentence) in table {
        let seen = door.call("PUT", "/v1/channels/x", body).await;
        seen.refused(400, code);
        assert!(seen.message().contains(sentence), "{body}: {}", seen.message());
    }
    let large = format!(r#"{{"type":"public","state":{{"a":"{}"}}}}"#, "x".repeat(1024 * 1024));
    door.call("PUT", "/v1/channels/x", &large).await.refused(413, "payload_too_large");
    door.call("GET", "/v1/channels/x", "").await.refused(404, "not_found");
    let seen = door.call("PUT", "/v1/channels/x", r#"{"type":"public","capabilities":5,"extra":[{}]}"#).await;
    assert_eq!(seen.data()["channel"]["capabilities"], 5);
}

#[tokio::test]
async fn b16_a_taken_id_is_409_and_stays_as_it_is() {
    let door = Door::open().await;
    door.channel("room", r#"{"a":1}"#).await;
    door.call("PUT", "/v1/channels/room", r#"{"type":"public"}"#).await.refused(409, "already_exists");
    let room = door.call("GET", "/v1/channels/room", "").await.data();
    assert_eq!((&room["channel"]["type"], &room["channel"]["state"]), (&json!("private"), &json!({"a": 1})));
}

#[tokio::test]
async fn b17_ids_are_decoded_and_checked() {
    let door = Door::open().await;
    let long = "x".repeat(255);
    for (spelled, id) in [
        ("a%20b", "a b"),
        ("%C3%A9", "é"),
        ("game-47EA", "game-47EA"),
        ("..", ".."),
        ("a+b", "a+b"),
        ("100%25", "100%"),
        (&long, &long),
    ] {
        let path = format!("/v1/channels/{spelled}");
        assert_eq!(door.call("PUT", &path, r#"{"type":"public"}"#).await.data()["channel"]["id"], *id, "{spelled}");
        assert_eq!(door.call("GET", &format!("{path}/stats"), "").await.data()["online_count"], 0, "{spelled}");
    }
    let too_long = "x".repeat(256);
    for bad in [
        "", "tokens", "%74okens", "a%2Fb", "a%2fb", "a%3Fb", "a%23b", "a%0Ab", "a%00b", "a%7Fb", "%ff", "%", "%g0",
        "%C3", &too_long,
    ] {
        let seen = door.call("PUT", &format!("/v1/channels/{bad}"), r#"{"type":"public"}"#).await;
        assert_eq!((seen.status, &seen.json["error"]["code"]), (400, &json!("invalid_input")), "{bad}: {}", seen.json);
    }
    door.call("DELETE", "/v1/channels/", "").await.refused(400, "invalid_input");
}

#[tokio::test]
async fn b19_lists_are_whole_or_in_pages() {
    let door = Door::open().await;
    let empty = door.call("GET", "/v1/channels", "").await.data();
    assert_eq!(empty, json!({"channels": [], "page_size": 0, "total_count": 0}));
    for id in ["a", "b", "c", "d", "e"] {
        door.channel(id, "{}").await;
    }
    let table = [
        ("", "abcde", 5),
        ("?page=1&orderBy=asc&sortBy=created_at", "abcde", 5),
        ("?page=2&orderBy=asc&sortBy=created_at", "", 5),
        ("?page=1&pageSize=2", "ed", 2),
        ("?page=3&pageSize=2", "a", 2),
        ("?page=4&pageSize=2", "", 2),
        ("?pageSize=2&page=2&orderBy=asc", "cd", 2),
        ("?orderBy=desc", "edcba", 5),
        ("?pageSize=4294967295&page=4294967295", "", 4_294_967_295_u64),
    ];
    for (query, ids, size) in table {
        let list = door.call("GET", &format!("/v1/channels{query}"), "").await.data();
        let got: String = list["channels"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!((got.as_str(), &list["page_size"], &list["total_count"]), (ids, &json!(size), &json!(5)), "{query}");
    }
    for bad in ["page=0", "page=x", "pageSize=0", "pageSize=-1", "orderBy=up", "sortBy=name"] {
        door.call("GET", &format!("/v1/channels?{bad}"), "").await.refused(400, "invalid_input");
        door.call("GET", &format!("/v1/channels/tokens?{bad}"), "").await.refused(400, "invalid_input");
    }
}

#[tokio::test]
async fn b20_a_deleted_channel_is_gone() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    door.call("DELETE", "/v1/channels/room", "").await.nothing();
    for (method, path, body) in [
        ("GET", "/v1/channels/room", ""),
        ("DELETE", "/v1/channels/room", ""),
        ("GET", "/v1/channels/room/state", ""),
        ("PUT", "/v1/channels/room/state", "{}"),
        ("GET", "/v1/channels/room/stats", ""),
        ("GET", "/v1/channels/room/tokens", ""),
        ("PATCH", "/v1/channels/room", r#"{"capabilities":0}"#),
        ("POST", "/v1/channels/room/messages", r#"{"e":"X"}"#),
    ] {
        door.call(method, path, body).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn b21_put_replaces_and_patch_merges_top_level_keys() {
    let door = Door::open().await;
    door.channel("room", r#"{"a":1,"b":{"x":1}}"#).await;
    let table = [
        ("PATCH", r#"{"b":{"y":2},"c":null}"#, r#"{"a":1,"b":{"y":2},"c":null}"#),
        ("PATCH", "{}", r#"{"a":1,"b":{"y":2},"c":null}"#),
        ("PUT", r#" {"n":12345678901234567890.10} "#, r#"{"n":12345678901234567890.10}"#),
        ("PUT", "{}", "{}"),
    ];
    for (place, (method, body, state)) in table.into_iter().enumerate() {
        let headers = [("Authorization", door.key.as_str())];
        let reply = door.router.answer(request(method, "/v1/channels/room/state", &headers, Full::from(body))).await;
        assert_eq!(reply.headers()["etag"], format!("\"{}\"", place + 2));
        let text = reply.into_body().collect().await.unwrap().to_bytes();
        // As text: every digit is as it came.
        assert_eq!(text, format!(r#"{{"success":true,"data":{{"state":{state}}}}}"#));
    }
    for bad in ["", "null", "[1]"] {
        let seen = door.call("PUT", "/v1/channels/room/state", bad).await;
        seen.refused(400, "invalid_body");
        assert_eq!(seen.message(), "Please specify a valid channel state.");
    }
    door.call("PUT", "/v1/channels/room/state", r#"{"\ud800":1}"#).await.refused(400, "invalid_body");
    assert_eq!(door.call("GET", "/v1/channels/room/state", "").await.data(), json!({"state": {}}));
}

#[tokio::test]
async fn if_match_changes_only_the_version_it_names() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let put = async |if_match: &str| {
        let headers = [("Authorization", door.key.as_str()), ("If-Match", if_match)];
        door.call_with("PATCH", "/v1/channels/room/state", &headers, r#"{"a":1}"#).await
    };
    assert_eq!(put("\"1\"").await.headers["etag"], "\"2\"");
    put("\"1\"").await.refused(412, "version_mismatch");
    assert_eq!(put("*").await.headers["etag"], "\"3\"");
    for bad in ["", "3", "\"x\"", "W/\"3\"", "\"1\", \"3\"", "\"-1\""] {
        put(bad).await.refused(400, "invalid_input");
    }
    assert_eq!(door.call("GET", "/v1/channels/room/state", "").await.headers["etag"], "\"3\"");
}

#[tokio::test]
async fn settings_can_be_changed() {
    let door = Door::open().await;
    door.channel("room", r#"{"a":1}"#).await;
    let changed = door.call("PATCH", "/v1/channels/room", r#"{"capabilities":12}"#).await.data();
    assert_eq!((&changed["channel"]["capabilities"], &changed["channel"]["state"]), (&json!(12), &json!({"a": 1})));
    door.call("PATCH", "/v1/channels/room", r#"{"capabilities":64}"#).await.refused(400, "invalid_input");
    for bad in ["{}", r#"{"capabilities":null}"#, r#"{"capabilities":1.5}"#, r#"{"type":"public"}"#] {
        door.call("PATCH", "/v1/channels/room", bad).await.refused(400, "invalid_body");
    }
    assert_eq!(door.call("GET", "/v1/channels/room", "").await.data(), changed);
}

#[tokio::test]
async fn b27_stats_have_the_count_twice() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let stats = door.call("GET", "/v1/channels/room/stats", "").await.data();
    assert_eq!(stats, json!({"stats": {"online_count": 0}, "online_count": 0}));
}
