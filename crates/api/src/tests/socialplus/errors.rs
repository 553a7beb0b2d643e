//! What the SDKs make of refusals hangs on their status and code.

use super::*;

/// A body as js-sdk 5 sends it.
fn legacy(user: &str, extra: &str) -> String {
    format!(
        r#"{{"userId":"{user}","deviceId":"ascwebsdkx0abc1","deviceInfo":{{"version":"5.37.4","kind":"web","model":"Chrome"}}{extra}}}"#
    )
}

#[tokio::test]
async fn sp04_sp35_sp36_values_are_checked_and_named() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let post = async |sent: &str| door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], sent).await;
    let long = |count: usize| "x".repeat(count);
    let emoji = "\u{1f469}\u{1f3fd}".repeat(50);
    for (sent, field) in [
        ("{}".to_owned(), "userId"),
        (r#"{"userId":null}"#.into(), "userId"),
        (r#"{"userId":""}"#.into(), "user id"),
        (r#"{"userId":5}"#.into(), "userId"),
        (format!(r#"{{"userId":"{}"}}"#, long(51)), "user id"),
        (r#"{"userId":"ADMIN_x"}"#.into(), "ADMIN_"),
        (r#"{"userId":"DELETED_x"}"#.into(), "DELETED_"),
        (r#"{"userId":"a\u0000b"}"#.into(), "control"),
        (format!(r#"{{"userId":"a","displayName":"{}"}}"#, long(101)), "display name"),
        (r#"{"userId":"a","displayName":7}"#.into(), "displayName"),
        (format!(r#"{{"userId":"a","deviceId":"{}"}}"#, long(151)), "deviceId"),
        (r#"{"userId":"a","deviceId":""}"#.into(), "deviceId"),
        (r#"{"userId":"a","deviceInfo":"web"}"#.into(), "deviceInfo"),
        (format!(r#"{{"userId":"a","authToken":"{}"}}"#, long(101)), "authToken"),
        (r#"{"userId":"a","metadata":[]}"#.into(), "metadata"),
        (format!(r#"{{"userId":"a","metadata":{{"k":"{}"}}}}"#, long(9_000)), "metadata"),
        (r#"{"userId":"a","capabilities":["all"]}"#.into(), "capabilities"),
        (r#"{"userId":"a","channels":"room"}"#.into(), "channels"),
        ("not json".into(), "JSON"),
        ("[]".into(), "object"),
        (String::new(), "empty"),
    ] {
        let heard = post(&sent).await;
        let message = heard.refused(422, 500_000);
        assert!(message.contains(field) && message.contains("(request req-"), "{sent}: {message}");
    }
    for sent in [
        format!(r#"{{"userId":"{}","displayName":null,"deviceId":null,"deviceInfo":null,"authToken":null}}"#, long(50)),
        format!(r#"{{"userId":"a b/c?é","displayName":"{emoji}","unknown":[1]}}"#),
        legacy("old", ""),
    ] {
        post(&sent).await.ok();
    }
    let shown = post(&format!(r#"{{"userId":"u","displayName":"{emoji}"}}"#)).await;
    assert_eq!(shown.ok()["users"][0]["displayName"], emoji, "kept to the last character");
    let renamed = post(r#"{"userId":"u","displayName":"new","deviceId":"2"}"#).await;
    assert_eq!(renamed.ok()["users"][0]["displayName"], "new");
    let kept = post(r#"{"userId":"u","deviceId":"3"}"#).await;
    assert_eq!(kept.ok()["users"][0]["displayName"], "new");
    door.settings(r#"{"strict_bodies":true,"user_id_chars_max":900}"#).await;
    assert!(post(r#"{"userId":"u","unknown":1}"#).await.refused(422, 500_000).contains("unknown"));
    post(&format!(r#"{{"userId":"{}"}}"#, long(900))).await.ok();
}

#[tokio::test]
async fn sp07_sp08_no_refusal_of_a_session_looks_like_the_end_of_another() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let (_, other) = door.key(Permissions::READ_CHANNELS).await;
    door.settings(r#"{"secure_mode":"required"}"#).await;
    let wrong = r#","authToken":"tga_wrong""#;
    #[allow(clippy::type_complexity)] // a table, read where it stands
    let table: [(&str, &[(&str, &str)], &str, (u16, u64), u64); 5] = [
        ("no key", &[], "", (404, 400_400), 400_400),
        ("unknown key", &[("X-API-Key", "my-api-key")], "", (404, 400_400), 400_400),
        ("a key that may not", &[("X-API-Key", &other)], "", (403, 400_300), 403),
        ("no auth token", &[("X-API-Key", &key)], "", (403, 400_300), 403),
        ("a wrong auth token", &[("X-API-Key", &key)], wrong, (403, 400_300), 403),
    ];
    for (case, headers, extra, (status, code), legacy_code) in table {
        for path in ["/api/v3/sessions", "/api/v4/sessions", "/api/v5/sessions"] {
            let heard = door.sp("POST", path, headers, &body("alice", "d", TOKEN_MANAGER, extra)).await;
            let message = heard.refused(status, code);
            assert!(message.len() > 40, "{case}: the remedy is in the message: {message}");
        }
        let heard = door.sp("POST", "/api/v4/sessions", headers, &legacy("alice", extra)).await;
        heard.refused(status, legacy_code);
    }
    let heard = door.sp("POST", "/api/v4/sessions", &[("X-API-Key", &key)], &legacy("", "")).await;
    heard.refused(422, 422);
    let heard = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key), ("X-API-Key", &key)], "{}").await;
    assert!(heard.refused(422, 500_000).contains("exactly one x-api-key"));
    // What is refused before any handler is in the same words.
    door.sp("POST", "/api/v5/nothing", &[], "{}").await.refused(404, 400_400);
    door.sp("PUT", "/api/v5/sessions", &[], "{}").await.refused(405, 400_400);
    let large = format!(r#"{{"userId":"{}"}}"#, "x".repeat(3_000_000));
    door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &large).await.refused(413, 500_000);
}

#[tokio::test]
async fn sp08_a_banned_user_is_told_so_and_gets_nothing() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let token = door.session(&key, "").await.access_token();
    let admin = Caller::ProjectOperator { project: door.project };
    door.node.ban_user(&admin, "alice").await.unwrap();
    door.session(&key, "").await.refused(403, 400_312);
    let legacy = door.sp("POST", "/api/v4/sessions", &[("X-API-Key", &key)], &legacy("alice", "")).await;
    legacy.refused(403, 400_312);
    door.bearer("GET", "/api/v3/sessions", &token).await.refused(403, 400_312);
    door.node.unban_user(&admin, "alice").await.unwrap();
    door.bearer("GET", "/api/v3/sessions", &token).await.refused(401, 400_100);
    door.session(&key, "").await.ok();
}

#[tokio::test]
async fn sp20_a_bearer_is_asked_for_in_one_way() {
    let door = Door::open().await;
    let token = door.session(&door.publishable().await, "").await.access_token();
    let bearer = format!("bEARER {token}");
    door.sp("GET", "/api/v3/sessions", &[("authorization", &bearer)], "").await.ok();
    let changed = format!("{}x", &token[..token.len() - 1]);
    for headers in [
        &[][..],
        &[("Authorization", token.as_str())],
        &[("Authorization", "Basic YTpi")],
        &[("Authorization", "Bearer x")],
        &[("Authorization", "Bearer a.b.c")],
        &[("Authorization", &format!("Bearer {changed}"))],
        &[("Authorization", &format!("Bearer {}", door.key))],
    ] {
        let heard = door.sp("GET", "/api/v3/sessions", headers, "").await;
        heard.refused(401, 400_100);
        assert!(heard.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{headers:?}");
        assert!(!heard.text.contains(&token) && !heard.text.contains(&door.key));
    }
    let twice = [("Authorization", bearer.as_str()), ("Authorization", bearer.as_str())];
    door.sp("GET", "/api/v3/sessions", &twice, "").await.refused(422, 500_000);
}

#[tokio::test]
async fn sp41_limits_say_when_to_come_again_and_end_nothing() {
    let door = Door::open().await;
    let key = door.publishable().await;
    door.settings(r#"{"limits":{"mint_per_user":{"burst":3,"per_second":0.5}}}"#).await;
    let post = async |user: &str, device: usize| {
        let sent = body(user, &format!("d{device}"), TOKEN_MANAGER, "");
        door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &sent).await
    };
    let mut tokens = Vec::new();
    for device in 0..3 {
        tokens.push(post("alice", device).await.access_token());
    }
    let limited = post("alice", 3).await;
    assert!(limited.refused(429, 400_311).contains("2 s"));
    assert_eq!(limited.headers["retry-after"], "2");
    assert_eq!(limited.json["data"]["detail"]["retryable"], true);
    door.sp("POST", "/api/v4/sessions", &[("X-API-Key", &key)], &legacy("alice", "")).await.refused(429, 429);
    post("bob", 0).await.ok();
    for token in &tokens {
        door.bearer("GET", "/api/v3/sessions", token).await.ok();
    }
    // A repeated request is no new one.
    assert_eq!(post("alice", 2).await.access_token(), tokens[2]);
    door.clock.advance(2_000);
    post("alice", 4).await.ok();
}

#[tokio::test(start_paused = true)]
async fn sp09_every_request_is_answered_within_ten_seconds() {
    use crate::call::Asked;
    let door = Door::open().await;
    let (parts, ()) = Request::post("/api/v5/sessions").body(()).unwrap().into_parts();
    let request_id = "req-1".parse().unwrap();
    let asked =
        Asked { node: door.node.clone(), parts: Box::new(parts), params: Vec::new(), body: Bytes::new(), request_id };
    #[allow(clippy::disallowed_methods)] // time that the test itself moves on
    let begun = tokio::time::Instant::now();
    let answer = crate::socialplus::run(&asked, |_| Box::pin(std::future::pending())).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
    let reply = answer.reply(&crate::answer::Usual::new(), asked.request_id.clone(), false);
    assert_eq!((reply.status().as_u16(), &reply.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let body: Value = serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!((&body["status"], &body["code"]), (&json!("error"), &json!(500_000)));
}
