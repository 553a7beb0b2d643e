//! Sessions and what is done with them.

use super::*;

#[tokio::test]
async fn sp01_sp02_every_version_and_prefix_answers_alike() {
    let door = Door::open().await;
    let key = door.publishable().await;
    for (place, path) in ["/api/v3/sessions", "/api/v4/sessions", "/api/v5/sessions"]
        .into_iter()
        .flat_map(|path| [path.to_owned(), format!("/.amity.co{path}"), format!("https://apix.sg.amity.co{path}")])
        .enumerate()
    {
        // A user name in the URL becomes `Authorization: Basic`, which says nothing here.
        let headers = [("X-API-Key", key.as_str()), ("Authorization", "Basic YXBpeC54")];
        let sent = body("user_123", &format!("device-{place}"), TOKEN_MANAGER, r#","displayName":"Jane Doe""#);
        let heard = door.sp("POST", &path, &headers, &sent).await;
        let session = heard.ok();
        let keys: Vec<&str> = session.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "accessToken",
            "expiresAt",
            "files",
            "issuedAt",
            "lastCachePurge",
            "refreshToken",
            "roles",
            "userType",
            "users",
        ];
        assert_eq!(keys, expected, "top-level, without an envelope");
        assert_eq!(heard.headers["content-type"], "application/json");
        let user = &session["users"][0];
        assert_eq!((&user["userId"], &user["displayName"]), (&json!("user_123"), &json!("Jane Doe")));
        assert_eq!(user["path"], format!("{}/user/{}", door.project, user["_id"].as_str().unwrap()));
        assert_eq!(
            (&session["files"], &session["roles"], &session["userType"]),
            (&json!([]), &json!([]), &json!("signed-in"))
        );
        assert_eq!(
            (&session["issuedAt"], &session["expiresAt"]),
            (&json!(NOW_TEXT), &json!("2026-12-22T20:25:21.073Z"))
        );
        assert!(session["refreshToken"].as_str().unwrap().starts_with("tgt_"));
    }
    assert_eq!(door.sp("GET", "/.amity.co/v2/project", &[], "").await.status, 404, "nothing else is under the prefix");
}

#[tokio::test]
async fn sp05_sp38_the_access_token_is_a_jwt_that_tells_who_it_is_of_and_hides_the_refresh_token() {
    let door = Door::open().await;
    let session = door.session(&door.publishable().await, r#","displayName":"Jane \u00c9""#).await;
    let token = session.access_token();
    let claims = claims(&token);
    for name in ["exp", "iat", "jti", "sub", "iss"] {
        assert!(!claims[name].is_null(), "{name}: {claims}");
    }
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 30 * 86_400 + 1, "rounded up");
    let user = &session.json["users"][0];
    let expected = json!({
        "userId": user["_id"], "publicUserId": "alice", "networkId": door.project.to_string(), "displayName": "Jane É",
    });
    assert_eq!((&claims["user"], &claims["sub"]), (&expected, &user["_id"]));
    let refresh = session.json["refreshToken"].as_str().unwrap();
    assert!(!claims.to_string().contains(refresh) && !token.contains(refresh));
    // The public key set has the key that it names.
    let header = token.split('.').next().unwrap();
    let header: Value = {
        use base64::Engine as _;
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    };
    for path in [
        "/.well-known/jwks.json".to_owned(),
        format!("/.well-known/jwks.json?project={}", door.project),
        format!("/projects/{}/.well-known/jwks.json", door.project),
    ] {
        let reply = door.router.answer(request("GET", &path, &[], Full::new(Bytes::new()))).await;
        let (parts, body) = reply.into_parts();
        let keys: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!((parts.status.as_u16(), &keys["keys"][0]["kid"]), (200, &header["kid"]), "{path}");
        assert_eq!((&header["alg"], &keys["keys"][0]["use"]), (&json!("ES256"), &json!("sig")));
        assert!(keys["keys"][0].get("d").is_none() && parts.headers["cache-control"] == "public, max-age=300");
    }
    assert_eq!(door.call_with("GET", "/.well-known/jwks.json?project=x", &[], "").await.status, 404);
}

#[tokio::test]
async fn sp06_sp39_the_token_works_until_its_session_is_ended() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let session = door.session(&key, "").await;
    let (access, refresh) = (session.access_token(), session.json["refreshToken"].as_str().unwrap().to_owned());
    for token in [&access, &refresh] {
        assert_eq!(
            door.bearer("GET", "/api/v3/sessions", token).await.ok()["lastCachePurge"],
            "1970-01-01T00:00:00.000Z"
        );
    }
    for path in ["/api/v3/users/me", "/api/v3/users/alice", "/.amity.co/api/v3/users/alice"] {
        assert_eq!(door.bearer("GET", path, &access).await.ok()["users"][0]["userId"], "alice", "{path}");
    }
    door.bearer("GET", "/api/v3/users/bob", &access).await.refused(404, 400_400);
    let chat = door.bearer("GET", "/api/v3/network-settings/chat", &access).await;
    assert_eq!(chat.ok()["messagePreview"], json!({"enabled": false, "isIncludeDeleted": false}));
    let path = format!("/api/v1/accessToken?userId=alice&refreshToken={refresh}");
    let renewed = door.sp("GET", &path, &[("X-API-Key", &key)], "").await.access_token();
    door.bearer("GET", "/api/v3/sessions", &renewed).await.ok();
    let of_bob = path.replace("alice", "bob");
    door.sp("GET", &of_bob, &[("X-API-Key", &key)], "").await.refused(403, 400_300);
    let ended = door.bearer("DELETE", "/api/v4/sessions", &access).await;
    assert_eq!(ended.ok(), &json!({"success": true}));
    for token in [&access, &refresh, &renewed] {
        door.bearer("GET", "/api/v3/sessions", token).await.refused(401, 400_100);
    }
    door.sp("GET", &path, &[("X-API-Key", &key)], "").await.refused(401, 400_100);
}

#[tokio::test]
async fn sp06_an_admin_ends_all_sessions_of_a_user_in_every_way_that_is_documented() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let (_, admin) = door.key(Permissions::MANAGE_TOKENS).await;
    let bearer = format!("Bearer {admin}");
    let ways: [(&str, &str, (&str, &str)); 5] = [
        ("/api/v4/sessions?userId=alice&isPublic=true", "", ("Authorization", &bearer)),
        ("/api/v4/sessions?userId=alice", "", ("x-admin-token", &admin)),
        ("/api/v4/sessions", r#"{"userId":"alice"}"#, ("x-admin-token", &admin)),
        ("/api/v4/sessions/users/%61lice", "", ("x-admin-token", &admin)),
        ("/api/v4/sessions/users/alice", "", ("Authorization", &bearer)),
    ];
    for (round, (path, sent, header)) in ways.into_iter().enumerate() {
        let session = body("alice", &format!("device-{round}"), TOKEN_MANAGER, "");
        let token = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &session).await.access_token();
        // A user's own token may not, nor a key without the permission, nor nobody.
        door.sp("DELETE", path, &[("Authorization", &format!("Bearer {token}"))], sent).await.refused(403, 400_300);
        door.sp("DELETE", path, &[("x-admin-token", &key)], sent).await.refused(403, 400_300);
        door.sp("DELETE", path, &[], sent).await.refused(401, 400_100);
        assert_eq!(door.sp("DELETE", path, &[header], sent).await.ok(), &json!({"success": true}), "{path}");
        door.bearer("GET", "/api/v3/sessions", &token).await.refused(401, 400_100);
    }
    door.sp("DELETE", "/api/v4/sessions?userId=nobody", &[("x-admin-token", &admin)], "").await.refused(404, 400_400);
}

#[tokio::test]
async fn sp10_sp14_times_ride_through_the_sdk() {
    let door = Door::open().await;
    let key = door.key(Permissions::parse("create_session,read_channels").unwrap()).await.1;
    let table = [
        (r#","ttl":60"#, "2026-11-22T20:26:21.073Z"),
        (r#","expiresAt":"2026-11-23T00:00:00Z""#, "2026-11-23T00:00:00.000Z"),
        (r#","ttl":31536000"#, "2027-11-22T20:25:21.073Z"),
        (r#","ttl":null,"expiresAt":null,"x":{}"#, "2026-12-22T20:25:21.073Z"),
    ];
    for (extra, expected) in table {
        assert_eq!(door.session(&key, extra).await.ok()["expiresAt"], expected, "{extra}");
    }
    for extra in [
        r#","ttl":0"#,
        r#","ttl":-1"#,
        r#","ttl":"60""#,
        r#","ttl":1.5"#,
        r#","ttl":999999999999"#,
        r#","ttl":60,"expiresAt":"2026-11-23T00:00:00Z""#,
        r#","expiresAt":"2020-01-01T00:00:00Z""#,
        r#","expiresAt":"soon""#,
        r#","ttl":60,"notBefore":"2026-11-23T00:00:00Z""#,
    ] {
        door.session(&key, extra).await.refused(422, 500_000);
    }
    // The SDKs renew a login in the last fifth of its life, and look every ten minutes.
    let login = |extra: &str| body("alice", "device-2", "Chrome", extra);
    let made = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &login("")).await;
    assert_eq!(made.ok()["expiresAt"], "2026-12-22T20:25:21.073Z");
    let short = door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &login(r#","ttl":3299"#)).await;
    assert!(short.refused(422, 500_000).contains("55 minutes"));
    door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &login(r#","ttl":3300"#)).await.ok();
    // A short life ends on time.
    let token = door.session(&key, r#","ttl":60,"metadata":{"n":1}"#).await.access_token();
    door.clock.advance(59_999);
    door.bearer("GET", "/api/v3/sessions", &token).await.ok();
    door.clock.advance(1);
    assert!(door.bearer("GET", "/api/v3/sessions", &token).await.refused(401, 400_100).contains("expired"));
    // One that begins later is not dead.
    let later = door.session(&key, r#","notBefore":"2026-11-22T21:00:00Z""#).await.access_token();
    door.bearer("GET", "/api/v3/sessions", &later).await.refused(403, 400_300);
}

#[tokio::test]
async fn sp11_a_session_replaces_only_its_own_kind_on_the_same_device() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let post = async |user: &str, device: &str, model: &str| {
        door.clock.advance(20_000);
        door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &body(user, device, model, "")).await.access_token()
    };
    let works = async |token: &str| door.bearer("GET", "/api/v3/sessions", token).await.status == 200;
    let login = post("alice", "d1", "Chrome").await;
    let minted = post("alice", "d1", TOKEN_MANAGER).await;
    let elsewhere = post("alice", "d2", TOKEN_MANAGER).await;
    let another = post("bob", "d1", TOKEN_MANAGER).await;
    let newer = post("alice", "d1", TOKEN_MANAGER).await;
    for (token, expected) in [(&login, true), (&minted, false), (&elsewhere, true), (&another, true), (&newer, true)] {
        assert_eq!(works(token).await, expected);
    }
    let relogin = post("alice", "d1", "Firefox").await;
    assert!(!works(&login).await && works(&newer).await && works(&relogin).await);
    door.settings(r#"{"strict_devices":true}"#).await;
    let strict = post("alice", "d1", TOKEN_MANAGER).await;
    assert!(!works(&relogin).await && !works(&newer).await && works(&elsewhere).await && works(&strict).await);
}

#[tokio::test]
async fn sp13_the_same_request_within_ten_seconds_gets_the_same_token() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let first = door.session(&key, "").await;
    let again = door.session(&key, "").await;
    assert_eq!(first.json, again.json);
    let other = door.session(&key, r#","displayName":"A""#).await;
    assert_ne!(first.json["accessToken"], other.json["accessToken"], "other content is another request");
    door.clock.advance(10_000);
    let late = door.session(&key, r#","displayName":"A""#).await;
    assert_ne!(other.json["accessToken"], late.json["accessToken"]);
    door.bearer("GET", "/api/v3/sessions", &late.access_token()).await.ok();
    door.bearer("GET", "/api/v3/sessions", &other.access_token()).await.refused(401, 400_100);
    // One that was ended meanwhile is not handed out again.
    door.bearer("DELETE", "/api/v4/sessions", &late.access_token()).await.ok();
    let fresh = door.session(&key, r#","displayName":"A""#).await;
    door.bearer("GET", "/api/v3/sessions", &fresh.access_token()).await.ok();
}

#[tokio::test]
async fn sp06_visitors_and_bots_get_sessions_of_their_own() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let sent = r#"{"deviceId":"d1","deviceInfo":{"kind":"web","model":"Chrome","sdkVersion":"7"}}"#;
    for kind in ["visitor", "bot"] {
        let path = format!("/api/v5/sessions/{kind}");
        let heard = door.sp("POST", &path, &[("X-API-Key", &key)], sent).await;
        let session = heard.ok();
        assert_eq!(session["userType"], kind);
        let user = session["users"][0]["userId"].as_str().unwrap();
        assert!(user.starts_with(&format!("{kind}-")), "{user}");
        door.bearer("GET", "/api/v3/users/me", &heard.access_token()).await.ok();
        door.sp("POST", &path, &[("X-API-Key", &key)], "{}").await.refused(422, 500_000);
    }
    door.settings(r#"{"secure_mode":"required"}"#).await;
    let heard = door.sp("POST", "/api/v5/sessions/visitor", &[("X-API-Key", &key)], sent).await;
    assert!(heard.refused(403, 400_300).contains("authSignature"));
    door.settings(r#"{"visitor_secret":"0123456789abcdef"}"#).await;
    let shown = door.call("GET", "/v2/project", "").await.json["settings"].clone();
    assert!(shown["has_visitor_secret"] == true && !shown.to_string().contains("0123456789abcdef"));
    // printf 'deviceId=d1&authSignatureExpiresAt=2026-11-22T20:30:00.000Z' | openssl dgst -sha256 -hmac 0123456789abcdef
    let signature = "59e6efaa660bab29ff88d8e168afdc0df3253bc9df445e52d86b7d8b8fcac1d9";
    let signed = |signature: &str, until: &str| {
        format!(r#"{{"deviceId":"d1","authSignature":"{signature}","authSignatureExpiresAt":"{until}"}}"#)
    };
    let post = async |sent: String| door.sp("POST", "/api/v5/sessions/visitor", &[("X-API-Key", &key)], &sent).await;
    let until = "2026-11-22T20:30:00.000Z";
    post(signed(&signature.replace('a', "b"), until)).await.refused(403, 400_300);
    post(signed(signature, "2027-11-22T20:30:00.000Z")).await.refused(403, 400_300);
    post(signed(signature, until)).await.ok();
    door.clock.advance(600_000);
    assert!(post(signed(signature, until)).await.refused(403, 400_300).contains("expired"));
}

#[tokio::test]
async fn sp14_sp23_an_idempotency_key_makes_one_session_whichever_device_asks() {
    let door = Door::open().await;
    let key = door.publishable().await;
    let post = async |device: &str, extra: &str| {
        door.clock.advance(20_000);
        door.sp("POST", "/api/v5/sessions", &[("X-API-Key", &key)], &body("alice", device, TOKEN_MANAGER, extra)).await
    };
    let once = r#","idempotencyKey":"k-1""#;
    let first = post("d1", once).await;
    let again = post("d2", once).await;
    assert_eq!(first.ok()["refreshToken"], again.ok()["refreshToken"]);
    for session in [&first, &again] {
        door.bearer("GET", "/api/v3/sessions", &session.access_token()).await.ok();
    }
    post("d3", r#","idempotencyKey":"k-1","metadata":{"n":1}"#).await.refused(409, 400_900);
    assert_ne!(post("d4", r#","idempotencyKey":"k-2""#).await.ok()["refreshToken"], first.json["refreshToken"]);
    for wrong in [r#","idempotencyKey":"""#, r#","idempotencyKey":5"#] {
        post("d5", wrong).await.refused(422, 500_000);
    }
    door.bearer("DELETE", "/api/v4/sessions", &first.access_token()).await.ok();
    assert!(post("d6", once).await.refused(409, 400_900).contains("new key"));
    door.clock.advance(86_400_000);
    post("d7", once).await.ok();
}
