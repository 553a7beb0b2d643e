//! Users and auth tokens as `/v2` spells them.

use super::*;

#[tokio::test]
async fn a_user_is_made_read_changed_and_deleted() {
    let door = Door::open().await;
    let made =
        door.call("POST", "/v2/users", r#"{"user_id":"a b/é","display_name":"Jane","attributes":{"n":1.50}}"#).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let id = made.json["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "user_id": "a b/é", "display_name": "Jane", "attributes": {"n": 1.5}, "created_at": NOW_TEXT,
        "updated_at": NOW_TEXT, "banned_at": null, "active_tokens": 0, "is_online": false,
        "last_seen_at": null,
    });
    assert_eq!(made.json, expected);
    let path = "/v2/users/a%20b%2F%C3%A9";
    assert_eq!(door.call("GET", path, "").await.json, expected);
    door.call("POST", "/v2/users", r#"{"user_id":"a b/é"}"#).await.refused(409, "already_exists");
    door.clock.advance(1_000);
    let changed = door.call("PATCH", path, r#"{"attributes":null}"#).await.json;
    assert_eq!((&changed["attributes"], &changed["display_name"]), (&Value::Null, &json!("Jane")));
    assert_eq!(changed["updated_at"], "2026-11-22T20:25:22.073Z");
    let changed = door.call("PATCH", path, r#"{"display_name":null,"attributes":{"k":"v"}}"#).await.json;
    assert_eq!((&changed["attributes"], &changed["display_name"]), (&json!({"k": "v"}), &Value::Null));
    for body in [r#"{"name":"x"}"#, "[]", r#"{"attributes":[]}"#, r#"{"attributes":"x"}"#, r#"{"display_name":5}"#] {
        door.call("PATCH", path, body).await.refused(422, "invalid_body");
    }
    let large = json!({"attributes": {"k": "x".repeat(8 * 1024)}}).to_string();
    door.call("PATCH", path, &large).await.refused(413, "payload_too_large");
    let long = json!({"display_name": "é".repeat(101)}).to_string();
    door.call("PATCH", path, &long).await.refused(422, "invalid_input");
    let sent = door.call("POST", &format!("{path}/messages"), r#"{"event":"HI","data":[1]}"#).await;
    assert_eq!((sent.status, &sent.json), (200, &json!({"connections": 0, "mailboxes": 0})));
    door.call("POST", &format!("{path}/messages"), "{}").await.refused(422, "invalid_body");
    let gone = door.call("DELETE", path, "").await;
    assert_eq!(gone.json, json!({"user_id": "a b/é", "tokens": 0, "connections_closed": 0}));
    for (method, path, body) in
        [("GET", path, ""), ("DELETE", path, ""), ("PATCH", path, "{}"), ("POST", &format!("{path}/ban"), "")]
    {
        door.call(method, path, body).await.refused(404, "not_found");
    }
    for body in ["{}", r#"{"user_id":5}"#] {
        door.call("POST", "/v2/users", body).await.refused(422, "invalid_body");
    }
    for user in ["", "ADMIN_x", "a\\u0007b", &"x".repeat(51)] {
        door.call("POST", "/v2/users", &format!(r#"{{"user_id":"{user}"}}"#)).await.refused(422, "invalid_input");
    }
}

#[tokio::test]
async fn users_are_listed_in_pages() {
    let door = Door::open().await;
    for number in 0..7 {
        door.call("POST", "/v2/users", &format!(r#"{{"user_id":"user-{number}"}}"#)).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = door.call("GET", &format!("/v2/users?limit=3{cursor}"), "").await.json;
        seen.extend(page["data"].as_array().unwrap().iter().map(|user| user["user_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, (0..7).map(|number| format!("user-{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_ban_ends_what_a_user_has_and_lets_it_get_nothing_else() {
    let door = Door::open().await;
    let (_, key) = door.key(Permissions::CREATE_SESSION).await;
    let session = async || {
        let body = r#"{"userId":"alice","deviceId":"d"}"#;
        let request = request("POST", "/api/v5/sessions", &[("X-API-Key", &key)], Full::new(Bytes::from(body)));
        door.router.answer(request).await.status().as_u16()
    };
    assert_eq!(session().await, 200);
    assert_eq!(door.call("GET", "/v2/users/alice", "").await.json["active_tokens"], 1);
    let banned = door.call("POST", "/v2/users/alice/ban", "").await.json;
    assert_eq!(banned, json!({"user_id": "alice", "tokens": 1, "connections_closed": 0}));
    let shown = door.call("GET", "/v2/users/alice", "").await.json;
    assert_eq!((&shown["banned_at"], &shown["active_tokens"]), (&json!(NOW_TEXT), &json!(0)));
    assert_eq!(session().await, 403);
    door.call("POST", "/v2/auth-tokens", r#"{"user_id":"alice"}"#).await.refused(403, "user_banned");
    door.clock.advance(60_000);
    let again = door.call("POST", "/v2/users/alice/ban", "").await.json;
    assert_eq!(again["tokens"], 0);
    assert_eq!(door.call("GET", "/v2/users/alice", "").await.json["banned_at"], NOW_TEXT, "since the first time");
    assert_eq!(door.call("POST", "/v2/users/alice/unban", "").await.json["banned_at"], Value::Null);
    assert_eq!(session().await, 200);
}

#[tokio::test]
async fn auth_tokens_are_shown_once_with_their_end() {
    let door = Door::open().await;
    let made = door.call("POST", "/v2/auth-tokens", r#"{"user_id":"alice"}"#).await;
    assert_eq!(made.status, 201);
    assert!(made.json["auth_token"].as_str().unwrap().starts_with("tga_"));
    assert_eq!(
        (&made.json["user_id"], &made.json["expires_at"]),
        (&json!("alice"), &json!("2026-11-22T20:35:21.073Z"))
    );
    let short = door.call("POST", "/v2/auth-tokens", r#"{"user_id":"alice","ttl_s":5}"#).await;
    assert_eq!(short.json["expires_at"], "2026-11-22T20:25:26.073Z");
    for body in [r#"{"user_id":"alice","ttl_s":0}"#, r#"{"user_id":"alice","ttl_s":3601}"#, r#"{"user_id":""}"#] {
        door.call("POST", "/v2/auth-tokens", body).await.refused(422, "invalid_input");
    }
    door.call("POST", "/v2/auth-tokens", "{}").await.refused(422, "invalid_body");
    let entries = door.call("GET", "/v2/audit?action=auth_token.create", "").await.json;
    let entries = entries["data"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "one for each that was made");
    assert!(entries.iter().all(|entry| entry["subject"] == "alice") && !format!("{entries:?}").contains("tga_"));
}
