//! What holds for every route: paths, credentials, the envelope, headers, defects.

use http::Method;

use super::*;
use crate::answer::Answer;
use crate::routes::{Route, Run};

#[tokio::test]
async fn b01_odd_but_harmless_urls_are_tolerated() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    for path in ["//v1//channels///room", "/v1/channels/room?", "/v1/channels/room?x=%zz&&y", "/v1/channels/room/"] {
        assert_eq!(door.call("GET", path, "").await.data()["channel"]["id"], "room", "{path}");
    }
    door.call("POST", "/v1/channels?", r#"{"type":"public"}"#).await.data();
}

#[tokio::test]
async fn b02_the_secret_is_taken_bare_and_after_bearer() {
    let door = Door::open().await;
    for authorization in [door.key.clone(), format!("Bearer {}", door.key), format!("bearer {}", door.key)] {
        door.call_as(&authorization, "GET", "/v1/channels", "").await.data();
    }
}

#[tokio::test]
async fn b03_bad_secrets_are_401() {
    let door = Door::open().await;
    let (id, revoked) = door.key(Permissions::all()).await;
    door.call_as(&revoked, "GET", "/v1/channels", "").await.data();
    door.node.revoke_key(&Caller::Operator, id).await.unwrap();
    let token = door.token("{}").await;
    let mut flipped = door.key.clone();
    flipped.pop();
    for bad in ["", "ptk_", "ptk_unknown", "Basic cHRr", "pat_x", "bearer_x", &revoked, &token, &flipped] {
        let seen = door.call_as(bad, "GET", "/v1/channels", "").await;
        seen.refused(401, "invalid_auth");
        assert!(seen.headers.contains_key("www-authenticate"));
        assert!(bad.len() < 8 || !seen.message().contains(bad), "the secret is repeated");
    }
    door.call_with("GET", "/v1/channels", &[], "").await.refused(401, "invalid_auth");
    let twice = [("Authorization", door.key.as_str()), ("Authorization", door.key.as_str())];
    door.call_with("GET", "/v1/channels", &twice, "").await.refused(401, "invalid_auth");
}

#[tokio::test]
async fn b04_unknown_paths_and_methods_have_the_envelope() {
    let door = Door::open().await;
    for path in ["/", "/v1", "/v2/channel", "/v1/channels/a/b", "/v1/projects/@that", "/favicon.ico"] {
        door.call("GET", path, "").await.refused(404, "not_found");
    }
    let seen = door.call("DELETE", "/v1/channels/room/state", "").await;
    seen.refused(405, "method_not_allowed");
    assert_eq!(seen.headers["allow"], "GET, PUT, PATCH");
}

#[tokio::test]
async fn b04_a_panic_is_a_500_and_the_next_request_is_served() {
    static ROUTES: &[Route] = &[
        Route { method: Method::GET, template: "/panic", run: Run::Open(|_| Box::pin(async { panic!("planted") })) },
        Route { method: Method::GET, template: "/fine", run: Run::Open(|_| Box::pin(async { Answer::nothing() })) },
    ];
    let mut door = Door::open().await;
    door.router = Router::new(door.node.clone(), ApiConfig::default(), ROUTES, None);
    let seen = door.call("GET", "/panic", "").await;
    seen.refused(500, "internal_error");
    assert!(!seen.message().contains("planted"));
    door.call("GET", "/fine", "").await.nothing();
}

#[tokio::test]
async fn b06_options_needs_no_key_on_any_path() {
    let door = Door::open().await;
    for path in ["/v1/channels", "/v1/channels/tokens/t", "/nowhere", "*"] {
        let seen = door.call_with("OPTIONS", path, &[("Origin", "https://app.example")], "").await;
        seen.nothing();
        assert_eq!(seen.headers["access-control-allow-methods"], "GET, POST, PUT, PATCH, DELETE");
        let allowed = seen.headers["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"));
        assert!(seen.headers.contains_key("access-control-max-age"));
    }
}

#[tokio::test]
async fn b10_the_project_parameter_must_be_the_keys_own() {
    let door = Door::open().await;
    let other = door.node.create_project(&Caller::Operator, "second").await.unwrap().0.id;
    let own = door.project;
    for (query, status) in [
        (format!("project={own}"), 200),
        ("project=".to_owned(), 200),
        (format!("project={other}"), 403),
        (format!("project={own}&project={other}"), 403),
        ("project=project_!".to_owned(), 403),
        ("project=x".to_owned(), 403),
        ("project=%ff".to_owned(), 400),
    ] {
        assert_eq!(door.call("GET", &format!("/v1/channels?{query}"), "").await.status, status, "{query}");
    }
    let path = format!("/v1/channels?project={other}");
    door.call("POST", &path, r#"{"type":"public"}"#).await.refused(403, "forbidden");
    assert_eq!(door.call("GET", "/v1/channels", "").await.data()["total_count"], 0);
}

#[tokio::test]
async fn b33_this_project_and_me() {
    let door = Door::open().await;
    let this = door.call("GET", "/v1/projects/@this", "").await.data();
    let id = door.project.to_string();
    let nothing = json!({"vcpu": 0, "ram": 0, "volume": 0});
    let expected = json!({"leap_token": "", "project": {
        "id": id, "name": "first", "tier": "free", "created_at": NOW_TEXT, "icon": null, "namespace": id, "type": "regular",
        "default_quotas": nothing, "quota_overrides": {}, "quota_usage": nothing,
    }});
    assert_eq!(this, expected);
    door.call("GET", "/v1/users/@me", "").await.refused(403, "forbidden");
    door.call_as("pat_x", "GET", "/v1/users/@me", "").await.refused(401, "invalid_auth");
}

#[tokio::test]
async fn probes_need_no_key() {
    let door = Door::open().await;
    for (path, answer) in [
        ("/livez", json!({"status": "alive"})),
        ("/readyz", json!({"status": "ready", "store": "ok", "disk": "ok", "shards": "ok"})),
    ] {
        let seen = door.call_with("GET", path, &[], "").await;
        assert_eq!((seen.status, seen.json), (200, answer));
    }
    assert_eq!(door.call_with("HEAD", "/livez", &[], "").await.status, 200);
    door.call_with("POST", "/livez", &[], "").await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_node_without_its_shards_is_not_ready() {
    let door = Door::made(ApiConfig::default(), false).await;
    let seen = door.call_with("GET", "/readyz", &[], "").await;
    assert_eq!(
        (seen.status, seen.json),
        (503, json!({"status": "unavailable", "store": "ok", "disk": "ok", "shards": "failing"}))
    );
    assert_eq!(door.call_with("GET", "/livez", &[], "").await.status, 200);
}

#[tokio::test]
async fn request_ids_come_back() {
    let door = Door::with(ApiConfig { instance: 0xa1, ..ApiConfig::default() }).await;
    let of = async |given: &str| {
        door.call_with("GET", "/v1", &[("X-Request-Id", given)], "").await.headers["x-request-id"].clone()
    };
    assert_eq!(of("mine-1").await, "mine-1");
    assert_eq!(of("not plain").await, "req-a1-1");
    assert_eq!(of("").await, "req-a1-2");
}
