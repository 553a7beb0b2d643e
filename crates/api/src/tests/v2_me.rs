//! Callers with a token: what they see and may do, and how a token that has ended is told so.

use super::*;

async fn token(door: &Door, body: &str) -> (String, String) {
    let made = door.call("POST", "/v2/tokens", body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    (made.json["id"].as_str().unwrap().to_owned(), made.json["secret"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_sees_itself_and_ends_itself() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let (id, secret) = token(&door, r#"{"user_id":"u","display_name":"Ann","channels":["room"]}"#).await;
    let bearer = format!("Bearer {secret}");
    let leap = secret.replace("tgt_", "leap_token_");
    for credential in [&bearer, &secret, &leap] {
        let me = door.call_as(credential, "GET", "/v2/me", "").await;
        assert_eq!((&me.json["id"], &me.json["user_id"], me.json.get("secret")), (&json!(id), &json!("u"), None));
    }
    let subscriptions = door.call_as(&bearer, "GET", "/v2/me/subscriptions", "").await.json;
    assert_eq!(subscriptions, json!({"data": [{"channel": "room", "ephemeral": false}]}));
    door.call_as(&bearer, "DELETE", "/v2/me", "").await.nothing();
    for (method, path) in [("GET", "/v2/me"), ("DELETE", "/v2/me"), ("GET", "/v2/channels/room/state")] {
        let refused = door.call_as(&bearer, method, path, "").await;
        refused.refused_v2("token_revoked");
        assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"tollgate\", error=\"invalid_token\"");
    }
    let kept = door.call("GET", &format!("/v2/tokens/{id}"), "").await.json;
    assert_eq!((&kept["status"], &kept["revoked"]["reason"]), (&json!("revoked"), &json!("ended by its holder")));
}

#[tokio::test]
async fn a_key_is_no_token_and_a_token_no_key() {
    let door = Door::open().await;
    let (_, secret) = token(&door, "{}").await;
    for (method, path) in [("GET", "/v2/me"), ("DELETE", "/v2/me"), ("GET", "/v2/me/subscriptions")] {
        door.call(method, path, "").await.refused_v2("forbidden");
    }
    for (method, path) in [("GET", "/v2/tokens"), ("POST", "/v2/tokens"), ("GET", "/v2/keys"), ("GET", "/v2/audit")] {
        door.call_as(&secret, method, path, "{}").await.refused_v2("invalid_auth");
    }
    for credential in ["tgt_x", "x", "Bearer ", "ptk_x"] {
        let refused = door.call_as(credential, "GET", "/v2/me", "").await;
        refused.refused_v2("invalid_auth");
        assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"tollgate\"");
    }
}

#[tokio::test]
async fn a_token_writes_and_reads_where_it_may() {
    let door = Door::open().await;
    for (id, kind) in [("private", "private"), ("public", "public")] {
        let body = format!(r#"{{"type":"{kind}","state":{{"k":1}}}}"#);
        door.call("PUT", &format!("/v1/channels/{id}"), &body).await.data();
    }
    let (_, plain) = token(&door, "{}").await;
    let granted = r#"{"capabilities":[{"channels":"private","operations":["publish","state.write","state.read"]}]}"#;
    let (_, granted) = token(&door, granted).await;
    let message = r#"{"event":"SAID","data":{"n":1}}"#;
    for (secret, channel, expected) in [
        (&plain, "public", [200, 200, 403]),
        (&plain, "private", [404, 404, 404]),
        (&granted, "private", [200, 200, 200]),
        (&granted, "public", [403, 403, 403]),
        (&door.key, "private", [200, 200, 200]),
        (&plain, "none", [404, 404, 404]),
    ] {
        let at = |rest: &str| format!("/v2/channels/{channel}/{rest}");
        let got = [
            door.call_as(secret, "POST", &at("messages"), message).await.status,
            door.call_as(secret, "GET", &at("state"), "").await.status,
            door.call_as(secret, "PUT", &at("state"), r#"{"k":2}"#).await.status,
        ];
        assert_eq!(got, expected, "{channel}");
    }
    let published = door.call_as(&granted, "POST", "/v2/channels/private/messages", message).await.json;
    assert!(published["offset"].is_u64() && published["epoch"].is_string(), "{published}");
    let merged = door.call_as(&granted, "PATCH", "/v2/channels/private/state", r#"{"l":3}"#).await;
    assert_eq!(merged.json["state"], json!({"k": 2, "l": 3}));
    door.call_as(&granted, "POST", "/v2/channels/private/messages", "{}").await.refused_v2("invalid_body");
}
