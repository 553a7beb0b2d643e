//! What browsers want to hear.

use super::*;

#[tokio::test]
async fn sp03_any_page_may_call_and_listed_ones_with_credentials() {
    let door = Door::open().await;
    let key = door.publishable().await;
    door.settings(r#"{"allowed_origins":["https://app.example"]}"#).await;
    let sent = body("alice", "d", TOKEN_MANAGER, "");
    for path in ["/api/v5/sessions", "/.amity.co/api/v4/sessions", "/api/v3/users/me"] {
        for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
            let asked = [
                ("Origin", origin),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "content-type,x-api-key"),
            ];
            let preflight = door.sp("OPTIONS", path, &asked, "").await;
            assert_eq!(preflight.status, 204);
            let listed = |name: &str| preflight.headers[name].to_str().unwrap().to_ascii_lowercase();
            for wanted in ["content-type", "x-api-key", "authorization", "set-access-token-cookie"] {
                assert!(listed("access-control-allow-headers").contains(wanted), "{wanted}");
            }
            for wanted in ["get", "post", "put", "patch", "delete"] {
                assert!(listed("access-control-allow-methods").contains(wanted), "{wanted}");
            }
            assert!(listed("access-control-max-age").parse::<u32>().unwrap() > 0);
            let headers = [("X-API-Key", key.as_str()), ("Origin", origin)];
            // A refusal, too, must be readable for the page that caused it.
            let refused = [("X-API-Key", "wrong"), ("Origin", origin)];
            for heard in [
                preflight,
                door.sp("POST", "/api/v5/sessions", &headers, &sent).await,
                door.sp("POST", "/api/v5/sessions", &refused, &sent).await,
            ] {
                let expected = if allowed { origin } else { "*" };
                assert_eq!(heard.headers["access-control-allow-origin"], expected, "{path}");
                let credentials = heard.headers.get("access-control-allow-credentials").map(|value| value == "true");
                assert_eq!(credentials, allowed.then_some(true), "{path} {origin}");
                assert_eq!(heard.headers["vary"], "Origin");
            }
        }
    }
    // Another project has not listed it.
    let (project, secret) = door.node.create_project(&Caller::Operator, "other").await.unwrap();
    drop(secret);
    let (_, key) = door.node.create_key(&Caller::Operator, project.id, Permissions::CREATE_SESSION).await.unwrap();
    let headers = [("X-API-Key", key.expose().as_str().to_owned()), ("Origin", "https://app.example".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let heard = door.sp("POST", "/api/v5/sessions", &headers, &sent).await;
    assert_eq!((heard.status, &heard.headers["access-control-allow-origin"]), (200, &"*".parse().unwrap()));
}
