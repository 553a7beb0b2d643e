//! social.plus's door. Tests that hold a numbered item of its required behaviours carry the number (`sp01_…`).

mod auth_tokens;
mod cors;
mod errors;
mod sessions;

use super::*;

/// What the SDKs send as the model of a device for which `createUserToken` was called.
const TOKEN_MANAGER: &str = "token management API on TS-SDK";

/// An answer in social.plus's words.
struct Heard {
    status: u16,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl Door {
    /// Any request; the answer is checked for what holds for all of them.
    async fn sp(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Heard {
        let request = request(method, path, headers, Full::new(Bytes::from(body.to_owned())));
        let (parts, body) = self.router.answer(request).await.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let status = parts.status.as_u16();
        assert!(parts.headers.contains_key("access-control-allow-origin"));
        assert_eq!(parts.headers["cache-control"], "no-store");
        let is_json = parts.headers.get("content-type").is_some_and(|kind| kind == "application/json");
        let json: Value = if is_json { serde_json::from_str(&text).unwrap() } else { Value::Null };
        if status >= 400 && is_json {
            assert_eq!(json["status"], "error", "{json}");
            assert!(json["code"].is_u64() && !json["message"].as_str().unwrap().is_empty(), "{json}");
            assert!(json["data"]["detail"].is_object(), "{json}");
        }
        Heard { status, headers: parts.headers, text, json }
    }

    /// A session, as `createUserToken` asks for one.
    async fn session(&self, key: &str, extra: &str) -> Heard {
        self.sp("POST", "/api/v5/sessions", &[("X-API-Key", key)], &body("alice", "device-1", TOKEN_MANAGER, extra))
            .await
    }

    /// A request with an access token.
    async fn bearer(&self, method: &str, path: &str, token: &str) -> Heard {
        self.sp(method, path, &[("Authorization", &format!("Bearer {token}"))], "").await
    }

    /// A key that may be published.
    async fn publishable(&self) -> String {
        self.key(Permissions::CREATE_SESSION).await.1
    }

    /// Settings of the project.
    async fn settings(&self, body: &str) {
        assert_eq!(self.call("PATCH", "/v2/project", body).await.status, 200);
    }
}

impl Heard {
    #[track_caller]
    fn ok(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.json
    }

    #[track_caller]
    fn refused(&self, status: u16, code: u64) -> &str {
        assert_eq!((self.status, &self.json["code"]), (status, &json!(code)), "{}", self.text);
        self.json["message"].as_str().unwrap()
    }

    #[track_caller]
    fn access_token(&self) -> String {
        self.ok()["accessToken"].as_str().unwrap().to_owned()
    }
}

/// The body of a session request; `extra` begins with a comma.
fn body(user: &str, device: &str, model: &str, extra: &str) -> String {
    let device_info = format!(r#"{{"kind":"web","model":"{model}","sdkVersion":"v6.35.3-cjs"}}"#);
    format!(r#"{{"userId":"{user}","deviceId":"{device}","deviceInfo":{device_info}{extra}}}"#)
}

/// What a JWT says.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
