//! Secure mode: auth tokens, and who may make them.

use super::*;

/// An auth token for a user, by the documented call.
async fn vouched(door: &Door, server_key: &str, user: &str) -> String {
    let sent = format!(r#"{{"userId":"{user}"}}"#);
    let heard = door.sp("POST", "/api/v4/authentication/token", &[("x-server-key", server_key)], &sent).await;
    assert_eq!((heard.status, &heard.headers["content-type"]), (200, &"text/plain; charset=utf-8".parse().unwrap()));
    heard.text
}

#[tokio::test]
async fn sp12_sp37_an_auth_token_is_good_for_one_session_of_its_user() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let (_, server_key) = door.key(Permissions::CREATE_AUTH_TOKEN).await;
    door.settings(r#"{"secure_mode":"required"}"#).await;
    let with = |token: &str| format!(r#","authToken":"{token}""#);
    let other_device = |token: &str| body("alice", "other", TOKEN_MANAGER, &with(token));
    let token = vouched(&door, &server_key, "alice").await;
    assert!(token.len() <= 100 && token.starts_with("tga_"), "{token}");
    let session = door.session(&key, &with(&token)).await;
    door.bearer("GET", "/api/v3/sessions", &session.access_token()).await.ok();
    assert_eq!(door.session(&key, &with(&token)).await.json, session.json, "the same request again, within seconds");
    let used = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &other_device(&token)).await;
    assert!(used.refused(403, 400_300).contains("used already"));
    let of_bob = vouched(&door, &server_key, "bob").await;
    assert!(door.session(&key, &with(&of_bob)).await.refused(403, 400_300).contains("another userId"));
    let unknown = vouched(&door, &server_key, "alice").await;
    let unknown = format!("{}{}", &unknown[..36], "000000");
    assert!(door.session(&key, &with(&unknown)).await.refused(403, 400_300).contains("checksum"));
    // Expiry, with both clocks' times.
    let late = vouched(&door, &server_key, "alice").await;
    door.clock.advance(600_000);
    let heard = door.session(&key, &with(&late)).await;
    let message = heard.refused(403, 400_300);
    assert!(
        message.contains("2026-11-22T20:35:21Z") && message.contains("now shows 2026-11-22T20:35:21Z"),
        "{message}"
    );
    // In another project nobody knows it.
    let in_time = vouched(&door, &server_key, "alice").await;
    let stranger = door.stranger().await;
    let heard = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &stranger)], &other_device(&in_time)).await;
    assert!(heard.refused(403, 400_300).contains("unknown"));
    // Reusable where the project wants that.
    door.settings(r#"{"auth_tokens_reusable":true}"#).await;
    for device in ["1", "2"] {
        let sent = body("alice", device, TOKEN_MANAGER, &with(&in_time));
        door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &sent).await.ok();
    }
}

#[tokio::test]
async fn sp06_sp07_auth_tokens_are_made_in_both_documented_ways() {
    let door = Door::open().await;
    let (_, server_key) = door.key(Permissions::CREATE_AUTH_TOKEN).await;
    let (_, lacking) = door.key(Permissions::CREATE_SESSION).await;
    let path = "/api/v4/authentication/token";
    for headers in [&[][..], &[("x-server-key", "wrong")]] {
        let heard = door.sp("POST", path, headers, r#"{"userId":"alice"}"#).await;
        assert_eq!((heard.status, heard.text.as_str()), (401, "Unauthorized"));
        assert!(heard.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    }
    door.sp("POST", path, &[("x-server-key", &lacking)], r#"{"userId":"alice"}"#).await.refused(403, 400_300);
    for sent in ["", "{}", r#"{"userId":5}"#, r#"{"userId":"ADMIN_a"}"#] {
        door.sp("POST", path, &[("x-server-key", &server_key)], sent).await.refused(422, 500_000);
    }
    let path = "/api/v3/authentication/token?userId=al%20ice";
    let heard = door.sp("GET", path, &[("x-server-key", &server_key)], "").await;
    assert!(heard.ok().as_str().unwrap().starts_with("tga_"));
    door.sp("GET", path, &[("x-server-key", "wrong")], "").await.refused(403, 400_300);
    door.sp("GET", "/api/v3/authentication/token", &[("x-server-key", &server_key)], "").await.refused(422, 500_000);
}

#[tokio::test]
async fn sp18_secret_keys_are_refused_from_web_pages() {
    let door = Door::open().await;
    let origin = ("Origin", "https://app.example");
    let sent = body("alice", "d", TOKEN_MANAGER, "");
    let heard = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &door.key), origin], &sent).await;
    let message = heard.refused(403, 400_300);
    assert!(message.contains("Origin") && message.contains("publishable") && !message.contains(&door.key), "{message}");
    let path = "/api/v4/authentication/token";
    door.sp("POST", path, &[("x-server-key", &door.key), origin], r#"{"userId":"a"}"#).await.refused(403, 400_300);
    let path = "/api/v4/sessions?userId=alice";
    door.sp("DELETE", path, &[("x-admin-token", &door.key), origin], "").await.refused(403, 400_300);
    let key = door.publishable().await;
    door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key), origin], &sent).await.ok();
}

#[tokio::test]
async fn sp14_a_publishable_key_asks_for_no_more_than_its_policy() {
    let door = Door::open().await;
    door.channel("room-1", "{}").await;
    let free = door.publishable().await;
    let grant = r#","capabilities":[{"channels":"room-*","operations":["subscribe"]}]"#;
    for extra in [grant, r#","channels":["room-1"]"#, r#","ttl":2592001"#] {
        door.session(&free, extra).await.refused(403, 400_300);
    }
    let policy = r#"{"permissions":["create_session"],"policy":{"ttl_s_max":3600,"channels":["room-*"],
        "capabilities":[{"channels":"room-*","operations":["subscribe","publish"]}]}}"#;
    let made = door.call("POST", "/v2/keys", policy).await;
    let bound = made.json["secret"].as_str().unwrap_or_else(|| panic!("{}", made.json)).to_owned();
    let both = format!(r#"{grant},"channels":["room-1"],"ttl":3600"#);
    door.session(&bound, &both).await.ok();
    assert_eq!(door.session(&bound, r#","metadata":{"a":1}"#).await.ok()["expiresAt"], "2026-11-22T21:25:21.073Z");
    for extra in [
        r#","capabilities":[{"channels":"*","operations":["subscribe"]}]"#,
        r#","capabilities":[{"channels":"room-1","operations":["state.write"]}]"#,
        r#","ttl":3601"#,
        r#","channels":["lobby"]"#,
    ] {
        door.session(&bound, extra).await.refused(403, 400_300);
    }
    door.session(&bound, r#","channels":["room-2"]"#).await.refused(404, 400_400);
}
