//! Every route with a key, against callers who must not have it. The table of routes is the list: a new route fails here
//! until it is given a permission.

use super::*;
use crate::routes::{ROUTES, Run};

/// The permission that a route needs, and a body that it would take.
fn needs(method: &str, template: &str) -> Option<(Permissions, &'static str)> {
    use Permissions as P;
    let create = r#"{"type":"public"}"#;
    Some(match (method, template) {
        ("GET", "/v1/channels/tokens" | "/v1/channels/tokens/:token") => (P::READ_LEAP_TOKENS, ""),
        ("POST", "/v1/channels/tokens") => (P::CREATE_LEAP_TOKEN, ""),
        ("PATCH", "/v1/channels/tokens/:token") => (P::UPDATE_LEAP_TOKEN, "{}"),
        ("DELETE", "/v1/channels/tokens/:token") => (P::UPDATE_LEAP_TOKEN, ""),
        ("POST", "/v1/channels/tokens/:token/messages") => (P::MESSAGE_TOKEN, r#"{"e":"X"}"#),
        ("POST", "/v1/channels") | ("PUT", "/v1/channels/:channel") => (P::CREATE_CHANNEL, create),
        (
            "GET",
            "/v1/channels" | "/v1/channels/:channel" | "/v1/channels/:channel/stats" | "/v1/channels/:channel/state",
        ) => (P::READ_CHANNELS, ""),
        ("PATCH", "/v1/channels/:channel") => (P::UPDATE_CHANNEL_STATE, r#"{"capabilities":0}"#),
        ("DELETE", "/v1/channels/:channel") => (P::DELETE_CHANNELS, ""),
        ("PUT" | "PATCH", "/v1/channels/:channel/state") => (P::UPDATE_CHANNEL_STATE, r#"{"a":1}"#),
        ("POST", "/v1/channels/:channel/messages" | "/v1/channels/:channel/publish") => {
            (P::PUBLISH_CHANNEL_MESSAGES, r#"{"e":"X"}"#)
        }
        // Its answer holds secrets of tokens.
        ("GET", "/v1/channels/:channel/tokens") => (P::READ_LEAP_TOKENS, ""),
        ("PUT" | "DELETE", "/v1/channels/:channel/subscribers/:token") => (P::MANAGE_CHANNEL_SUBSCRIBERS, ""),
        ("GET", "/v1/projects/@this" | "/v1/users/@me" | "/v2/project") | ("POST", "/v2/find") => return None,
        ("PATCH", "/v2/project") | ("POST", "/v2/project/hook/test") => (P::MANAGE_KEYS, "{}"),
        ("GET", "/v2/keys" | "/v2/keys/:key") => (P::MANAGE_KEYS, ""),
        ("POST", "/v2/keys") => (P::MANAGE_KEYS, r#"{"permissions":["read_channels"]}"#),
        ("PATCH", "/v2/keys/:key") | ("POST", "/v2/keys/:key/rotate" | "/v2/keys/:key/revoke") => {
            (P::MANAGE_KEYS, "{}")
        }
        ("GET", "/v2/audit" | "/v2/audit/export" | "/v2/audit/verify") => (P::READ_AUDIT, ""),
        ("POST", "/v2/tokens/revoke") => (P::MANAGE_TOKENS, r#"{"all":true}"#),
        ("POST", "/v2/tokens/batch") => (P::MANAGE_TOKENS, r#"{"action":"create","entries":[{}]}"#),
        ("POST", "/v2/tokens/:token/restore") => (P::MANAGE_TOKENS, ""),
        ("POST", "/v2/jobs") => (P::MANAGE_TOKENS, r#"{"action":"create","total":1}"#),
        ("GET", "/v2/jobs" | "/v2/jobs/:job" | "/v2/jobs/:job/results") => (P::MANAGE_TOKENS, ""),
        ("PUT", "/v2/jobs/:job/parts/:part") => (P::MANAGE_TOKENS, "[{}]"),
        ("POST", "/v2/jobs/:job/start" | "/v2/jobs/:job/cancel") => (P::MANAGE_TOKENS, ""),
        ("GET", "/v2/users" | "/v2/users/:user") | ("DELETE", "/v2/users/:user") => (P::MANAGE_USERS, ""),
        ("POST", "/v2/users") => (P::MANAGE_USERS, r#"{"user_id":"bob"}"#),
        ("PATCH", "/v2/users/:user") => (P::MANAGE_USERS, "{}"),
        ("POST", "/v2/users/:user/ban" | "/v2/users/:user/unban") => (P::MANAGE_USERS, ""),
        ("POST", "/v2/online") => (P::READ_LEAP_TOKENS, r#"{"tokens":["x"]}"#),
        ("GET", "/v2/users/:user/tokens") => (P::READ_LEAP_TOKENS, ""),
        ("POST", "/v2/users/:user/messages") => (P::MESSAGE_TOKEN, r#"{"event":"X"}"#),
        ("POST", "/v2/auth-tokens") => (P::CREATE_AUTH_TOKEN, r#"{"user_id":"alice"}"#),
        ("GET", "/v2/tokens/:token/usage" | "/v2/users/:user/usage" | "/v2/usage" | "/v2/alerts") => {
            (P::READ_AUDIT, "")
        }
        ("GET", "/v2/webhooks" | "/v2/webhooks/:webhook" | "/v2/webhooks/:webhook/deliveries") => (P::MANAGE_KEYS, ""),
        ("POST", "/v2/webhooks") => (P::MANAGE_KEYS, r#"{"url":"https://example.com/","events":["*"]}"#),
        ("PATCH" | "DELETE", "/v2/webhooks/:webhook")
        | (
            "POST",
            "/v2/webhooks/:webhook/rotate"
            | "/v2/webhooks/:webhook/test"
            | "/v2/webhooks/:webhook/deliveries/:delivery/replay",
        ) => (P::MANAGE_KEYS, "{}"),
        ("GET", "/v2/tokens" | "/v2/tokens/:token" | "/v2/tokens/:token/state") => (P::READ_LEAP_TOKENS, ""),
        ("GET", "/v2/tokens/:token/connections" | "/v2/tokens/:token/subscriptions") => (P::READ_LEAP_TOKENS, ""),
        ("POST", "/v2/tokens") => (P::CREATE_LEAP_TOKEN, "{}"),
        ("PATCH", "/v2/tokens/:token") | ("PUT" | "PATCH", "/v2/tokens/:token/state") => (P::UPDATE_LEAP_TOKEN, "{}"),
        ("POST", "/v2/tokens/:token/rehearse") => (P::UPDATE_LEAP_TOKEN, "{}"),
        ("DELETE", "/v2/tokens/:token") => (P::UPDATE_LEAP_TOKEN, ""),
        ("POST", "/v2/tokens/introspect") => (P::MANAGE_TOKENS, r#"{"token":"x"}"#),
        ("POST", "/v2/tokens/:token/rotate") => (P::MANAGE_TOKENS, ""),
        ("POST", "/v2/tokens/:token/messages") => (P::MESSAGE_TOKEN, r#"{"event":"X"}"#),
        ("PUT" | "DELETE", "/v2/tokens/:token/subscriptions/:channel") => (P::MANAGE_CHANNEL_SUBSCRIBERS, ""),
        // For tokens only, and no permission makes a key one.
        ("POST", "/v2/tickets") => (P::CREATE_LEAP_TOKEN, r#"{"token":"x"}"#),
        ("GET" | "DELETE", "/v2/me") | ("GET", "/v2/me/subscriptions") => return None,
        ("POST", "/v2/tokens/:token/access-tokens") => (P::MANAGE_TOKENS, "{}"),
        ("GET", "/v2/signing-keys" | "/v2/issuers" | "/v2/issuers/:issuer") => (P::MANAGE_KEYS, ""),
        ("POST", "/v2/signing-keys" | "/v2/signing-keys/rotate" | "/v2/signing-keys/:kid/retire") => {
            (P::MANAGE_KEYS, "{}")
        }
        ("POST", "/v2/issuers") => (
            P::MANAGE_KEYS,
            r#"{"issuer":"https://two.example","secret":{"algorithm":"HS256","secret":"0123456789abcdef0123456789abcdef"}}"#,
        ),
        ("PATCH", "/v2/issuers/:issuer") => (P::MANAGE_KEYS, "{}"),
        ("DELETE", "/v2/issuers/:issuer") => (P::MANAGE_KEYS, ""),
        _ => of_channels(method, template),
    })
}

/// The same of what is about channels in `/v2`.
fn of_channels(method: &str, template: &str) -> (Permissions, &'static str) {
    use Permissions as P;
    match (method, template) {
        ("POST", "/v2/tokens/:token/connections/:connection/messages") => (P::MESSAGE_TOKEN, r#"{"event":"X"}"#),
        ("POST", "/v2/explain") => (P::MANAGE_TOKENS, r#"{"token":"x","wish":"connect"}"#),
        ("POST", "/v2/explain/message") => (P::MANAGE_TOKENS, r#"{"token":"x","channel":"room","position":"1-1"}"#),
        ("GET", "/v2/connections") => (P::READ_LEAP_TOKENS, ""),
        ("DELETE", "/v2/connections/:connection") => (P::MANAGE_TOKENS, ""),
        ("GET", "/v2/channels" | "/v2/channels/:channel") => (P::READ_CHANNELS, ""),
        ("GET", "/v2/channels/:channel/history" | "/v2/channels/:channel/presence") => (P::READ_CHANNELS, ""),
        ("POST", "/v2/channels") => (P::CREATE_CHANNEL, r#"{"type":"public"}"#),
        ("PATCH", "/v2/channels/:channel") => (P::UPDATE_CHANNEL_STATE, r#"{"capabilities":[]}"#),
        ("DELETE", "/v2/channels/:channel") => (P::DELETE_CHANNELS, ""),
        ("GET", "/v2/channels/:channel/subscribers") => (P::READ_LEAP_TOKENS, ""),
        ("PUT" | "DELETE", "/v2/channels/:channel/subscribers/:token") => (P::MANAGE_CHANNEL_SUBSCRIBERS, ""),
        ("POST", "/v2/publish") => (P::PUBLISH_CHANNEL_MESSAGES, r#"{"messages":[{"channel":"room","event":"X"}]}"#),
        ("POST", "/v2/channels/:channel/messages") => (P::PUBLISH_CHANNEL_MESSAGES, r#"{"event":"X"}"#),
        ("GET", "/v2/channels/:channel/state") => (P::READ_CHANNELS, ""),
        ("PUT" | "PATCH", "/v2/channels/:channel/state") => (P::UPDATE_CHANNEL_STATE, "{}"),
        _ => panic!("{method} {template} is not in the table of permissions"),
    }
}

#[tokio::test]
async fn b13_every_route_needs_a_key_with_its_permission() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let token = door.token("{}").await;
    let key = door.call("POST", "/v2/keys", r#"{"permissions":["read_channels"]}"#).await.json["id"].clone();
    let key = key.as_str().unwrap().to_owned();
    let job = door.call("POST", "/v2/jobs", r#"{"action":"create","total":1}"#).await.json["id"].clone();
    let job = job.as_str().unwrap().to_owned();
    door.call("POST", "/v2/users", r#"{"user_id":"alice"}"#).await;
    let wanted = r#"{"url":"https://example.com/","events":["token.*"]}"#;
    let webhook = door.call("POST", "/v2/webhooks", wanted).await.json["id"].clone();
    let webhook = webhook.as_str().unwrap().to_owned();
    let issuer = r#"{"issuer":"https://one.example","secret":{"algorithm":"HS256","secret":"0123456789abcdef0123456789abcdef"}}"#;
    let issuer = door.call("POST", "/v2/issuers", issuer).await.json["id"].clone();
    let issuer = issuer.as_str().unwrap().to_owned();
    let kid = door.call("POST", "/v2/signing-keys/rotate", "").await.json["kid"].clone();
    let kid = kid.as_str().unwrap().to_owned();
    let stranger = door.stranger().await;
    for route in ROUTES.iter().filter(|route| matches!(route.run, Run::Keyed(_) | Run::Bearer(_))) {
        let (method, template) = (route.method.as_str(), route.template);
        let path = template
            .replace(":channel", "room")
            .replace(":connection", "conn_MQ")
            .replace(":token", &token)
            .replace(":key", &key);
        let path = path.replace(":webhook", &webhook).replace(":delivery", "msg_MQ");
        let path = path.replace(":job", &job).replace(":part", "1").replace(":user", "alice");
        let path = path.replace(":issuer", &issuer).replace(":kid", &kid);
        door.call_with(method, &path, &[], "").await.refused(401, "invalid_auth");
        let Some((permission, body)) = needs(method, template) else { continue };
        let others = Permissions::from_bits(Permissions::all().bits() & !permission.bits());
        let (_, lacking) = door.key(others).await;
        door.call_as(&lacking, method, &path, body).await.refused(403, "forbidden");
        if template.contains(':') && (method, template) != ("PUT", "/v1/channels/:channel") {
            let seen = door.call_as(&stranger, method, &path, body).await;
            seen.refused(404, "not_found");
            assert!(!seen.message().contains(&token), "the secret is repeated");
        }
    }
    let state = door.call("GET", "/v1/channels/room/state", "").await;
    assert_eq!((state.data(), &state.headers["etag"]), (json!({"state": {}}), &"\"1\"".parse().unwrap()));
}

#[tokio::test]
async fn b16_the_same_id_in_another_project_is_another_channel() {
    let door = Door::open().await;
    door.channel("room", r#"{"whose":"ours"}"#).await;
    let stranger = door.stranger().await;
    let body = r#"{"type":"public","state":{"whose":"theirs"}}"#;
    door.call_as(&stranger, "PUT", "/v1/channels/room", body).await.data();
    assert_eq!(door.call("GET", "/v1/channels/room/state", "").await.data()["state"]["whose"], "ours");
    door.call_as(&stranger, "DELETE", "/v1/channels/room", "").await.nothing();
    door.call("GET", "/v1/channels/room", "").await.data();
}
