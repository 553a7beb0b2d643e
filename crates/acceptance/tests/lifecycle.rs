//! The life of a token under `/v2`, on a running server: made, used over sockets and REST, changed, rotated, ended; through the command line, too, and
//! through a `kill -9`. social.plus items 17, 23, 24 and 26.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use serde_json::{Value, json};
use tollgate_testkit::http::Http;
use tollgate_testkit::{Api, Server};

/// One request to `/v2`: status and body.
fn ask(api: &Api<'_>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = api.try_call(method, path, Some(body.as_bytes())).unwrap();
    let json = if reply.body.is_empty() { Value::Null } else { serde_json::from_slice(&reply.body).unwrap() };
    (reply.status, json)
}

fn create(server: &Server, body: &Value) -> (String, String) {
    let (status, made) = ask(&server.api(), "POST", "/v2/tokens", body);
    assert_eq!(status, 201, "{made}");
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    server.remember(&text("secret"));
    (text("id"), text("secret"))
}

fn me(server: &Server, secret: &str) -> (u16, Value) {
    ask(&server.api_with(secret), "GET", "/v2/me", &Value::Null)
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[test]
fn a_repeated_create_makes_one_token_even_after_a_kill() {
    let mut server = Server::start();
    let create = |server: &Server, body: &str| {
        let key = server.key.clone();
        let headers = [("Authorization", key.as_str()), ("Idempotency-Key", "order-7")];
        let mut http = Http::connect(server.addr).unwrap();
        http.request("POST", "/v2/tokens", &headers, Some(body.as_bytes())).unwrap()
    };
    let first = create(&server, r#"{"user_id":"ann"}"#);
    assert_eq!((first.status, create(&server, r#"{"user_id":"ann"}"#).body), (201, first.body.clone()));
    server.kill();
    server.start_again();
    assert_eq!(create(&server, r#"{"user_id":"ann"}"#).body, first.body, "the same answer, secret and all");
    assert_eq!(create(&server, r#"{"user_id":"bob"}"#).status, 422);
    let (_, listed) = ask(&server.api(), "GET", "/v2/tokens?user_id=ann", &Value::Null);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[test]
fn capabilities_are_what_a_token_may_do_and_change_on_live_connections() {
    let server = Server::start();
    let api = server.api();
    api.channel("closed", "private", json!({}));
    let granted = json!({"capabilities": [{"channels": "closed", "operations": ["subscribe", "publish"]}]});
    let (id, secret) = create(&server, &granted);
    let (mut leap, _) = server.identified(Some(&secret));
    leap.join("closed");
    leap.event("MESSAGE", "closed", json!({"e": "SAID", "d": 1}));
    assert_eq!(leap.expect("MESSAGE", "closed")["d"], 1, "subscribed and published without a hook");
    let (status, connections) = ask(&api, "GET", &format!("/v2/tokens/{id}/connections"), &Value::Null);
    assert_eq!((status, connections["data"].as_array().unwrap().len()), (200, 1));
    assert_eq!(connections["data"][0]["address"], "127.0.0.1");
    let (status, sent) = ask(&api, "POST", &format!("/v2/tokens/{id}/messages"), &json!({"event": "HI", "data": 2}));
    assert_eq!((status, sent), (200, json!({"connections": 1})));
    leap.dispatch("DIRECT_MESSAGE");
    let (status, _) = ask(&api, "PATCH", &format!("/v2/tokens/{id}"), &json!({"capabilities": []}));
    assert_eq!(status, 200);
    leap.expect("UNAVAILABLE", "closed");
    api.publish("closed", "SAID", json!(3));
    leap.quiet();
}

#[test]
fn a_rotated_secret_works_until_its_grace_ends() {
    let server = Server::start();
    let (id, old) = create(&server, &json!({}));
    let (mut leap, _) = server.identified(Some(&old));
    let rotate = |grace: u64| {
        let (status, made) = ask(&server.api(), "POST", &format!("/v2/tokens/{id}/rotate"), &json!({"grace_s": grace}));
        assert_eq!(status, 201, "{made}");
        let secret = made["secret"].as_str().unwrap().to_owned();
        server.remember(&secret);
        secret
    };
    let new = rotate(60);
    assert_eq!((me(&server, &old).0, me(&server, &new).0), (200, 200));
    let newest = rotate(0);
    assert_eq!(leap.closed().0, 4001, "its connections end with it");
    for dead in [&old, &new] {
        assert_eq!(code(&me(&server, dead)), (401, "token_rotated"));
    }
    assert_eq!(me(&server, &newest).0, 200);
    let (_, seen) = ask(&server.api(), "POST", "/v2/tokens/introspect", &json!({"token": old}));
    assert_eq!((&seen["active"], &seen["refusal"]["code"]), (&json!(false), &json!("token_rotated")));
}

#[test]
fn a_token_that_ends_itself_is_out_at_once_and_stays_so() {
    let mut server = Server::start();
    let (id, secret) = create(&server, &json!({"user_id": "ann", "display_name": "Ann"}));
    let (mut leap, _) = server.identified(Some(&secret));
    assert_eq!(me(&server, &secret).1["user_id"], "ann");
    assert_eq!(ask(&server.api_with(&secret), "DELETE", "/v2/me", &Value::Null).0, 204);
    assert_eq!(leap.closed().0, 4001);
    assert_eq!(code(&me(&server, &secret)), (401, "token_revoked"));
    server.kill();
    server.start_again();
    assert_eq!(code(&me(&server, &secret)), (401, "token_revoked"));
    let (_, kept) = ask(&server.api(), "GET", &format!("/v2/tokens/{id}"), &Value::Null);
    assert_eq!(kept["status"], "revoked");
}

#[test]
fn limits_on_places_and_connections_hold_at_the_socket() {
    let server = Server::start();
    let (_, elsewhere) = create(&server, &json!({"networks": ["192.0.2.0/24"]}));
    let mut leap = server.leap();
    leap.send(&json!({"op": 2, "d": {"project_id": server.project, "token": elsewhere}}));
    assert_eq!(leap.closed().0, 4001);
    assert_eq!(code(&me(&server, &elsewhere)), (403, "wrong_place"));
    let (_, one) = create(&server, &json!({"networks": ["127.0.0.0/8"], "max_connections": 1}));
    let (_first, _) = server.identified(Some(&one));
    let mut second = server.leap();
    second.send(&json!({"op": 2, "d": {"project_id": server.project, "token": one}}));
    second.closed();
}

#[test]
fn the_command_line_does_the_same() {
    let server = Server::start();
    let made = server.command(&["token", "create", "--user", "ann", "--ttl", "60", "--json"]);
    let id = made["id"].as_str().unwrap();
    server.remember(made["secret"].as_str().unwrap());
    let shown = server.command(&["token", "get", id, "--json"]);
    assert_eq!((&shown["user_id"], shown.get("secret")), (&json!("ann"), None));
    let changed = server.command(&["token", "change", id, "--set", r#"{"name":"n"}"#, "--json"]);
    assert_eq!(changed["name"], "n");
    let rotated = server.command(&["token", "rotate", id, "--grace", "5", "--json"]);
    server.remember(rotated["secret"].as_str().unwrap());
    assert_eq!(rotated["generation"], 2);
    let listed = server.command(&["token", "list", "--user", "ann", "--json"]);
    assert_eq!(listed["data"][0]["id"], made["id"]);
}
