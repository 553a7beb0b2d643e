//! Every operation × every kind of caller who must not have it, from one table of routes; and a check that each caller
//! who may have it does.

use serde_json::{Value, json};
use tollgate_testkit::Server;

const PERMISSIONS: [&str; 10] = [
    "create_channel",
    "read_channels",
    "delete_channels",
    "update_channel_state",
    "publish_channel_messages",
    "manage_channel_subscribers",
    "create_leap_token",
    "read_leap_tokens",
    "update_leap_token",
    "message_token",
];

struct Route {
    method: &'static str,
    /// `{C}` and `{T}` stand for a channel and a token of the caller's own project (or of the victim's).
    path: &'static str,
    body: Option<Value>,
    /// The permission it needs.
    needs: &'static str,
}

fn routes() -> Vec<Route> {
    let route = |method, path, body, needs| Route { method, path, body, needs };
    let channel = Some(json!({"type": "public", "state": {}}));
    let message = Some(json!({"e": "X", "d": 1}));
    let state = Some(json!({"a": 1}));
    vec![
        route("POST", "/v1/channels", channel.clone(), "create_channel"),
        route("PUT", "/v1/channels/new-{N}", channel, "create_channel"),
        route("GET", "/v1/channels", None, "read_channels"),
        route("GET", "/v1/channels/{C}", None, "read_channels"),
        route("GET", "/v1/channels/{C}/state", None, "read_channels"),
        route("GET", "/v1/channels/{C}/stats", None, "read_channels"),
        route("PATCH", "/v1/channels/{C}", Some(json!({"capabilities": 2})), "update_channel_state"),
        route("PUT", "/v1/channels/{C}/state", state.clone(), "update_channel_state"),
        route("PATCH", "/v1/channels/{C}/state", state, "update_channel_state"),
        route("POST", "/v1/channels/{C}/messages", message.clone(), "publish_channel_messages"),
        route("POST", "/v1/channels/{C}/publish", message.clone(), "publish_channel_messages"),
        route("PUT", "/v1/channels/{C}/subscribers/{T}", None, "manage_channel_subscribers"),
        route("DELETE", "/v1/channels/{C}/subscribers/{T}", None, "manage_channel_subscribers"),
        route("GET", "/v1/channels/{C}/tokens", None, "read_leap_tokens"),
        route("POST", "/v1/channels/tokens", Some(json!({"state": {}})), "create_leap_token"),
        route("GET", "/v1/channels/tokens", None, "read_leap_tokens"),
        route("GET", "/v1/channels/tokens/{T}", None, "read_leap_tokens"),
        route("PATCH", "/v1/channels/tokens/{T}", Some(json!({"state": {"a": 1}})), "update_leap_token"),
        route("POST", "/v1/channels/tokens/{T}/messages", message, "message_token"),
        route("DELETE", "/v1/channels/tokens/{T}", None, "update_leap_token"),
        route("DELETE", "/v1/channels/{C}", None, "delete_channels"),
    ]
}

/// What must be as it was after every refused attempt.
fn snapshot(server: &Server, channel: &str, token: &str) -> Vec<Value> {
    let api = server.api();
    [
        "/v1/channels".to_owned(),
        format!("/v1/channels/{channel}/tokens"),
        format!("/v1/channels/tokens/{token}"),
        "/v1/channels/tokens".to_owned(),
    ]
    .iter()
    .map(|path| api.get(path).data())
    .collect()
}

#[test]
fn b03_b13_every_route_refuses_every_caller_who_must_not_have_it() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({"kept": true}));
    let token = api.token(json!({"kept": true}));
    api.subscribe("room", &token);
    let (mut listener, _) = server.identified(Some(&token));
    let before = snapshot(&server, "room", &token);

    let revoked = server.new_key("all");
    let _ = server.command(&["key", "revoke", revoked["id"].as_str().unwrap(), "--json"]);
    let revoked = revoked["key"].as_str().unwrap();
    let strangers = [
        ("no auth", ""),
        ("an unknown key", "ptk_dW5rbm93bg"),
        ("a revoked key", revoked),
        ("a personal token", "pat_cGF0"),
        ("a console token", "bearer_YmVhcmVy"),
        ("a user's token", token.as_str()),
    ];
    let lacking: Vec<(&str, String)> = PERMISSIONS
        .iter()
        .map(|lacked| {
            let others: Vec<_> = PERMISSIONS.iter().filter(|other| *other != lacked).copied().collect();
            (*lacked, server.new_key(&others.join(","))["key"].as_str().unwrap().to_owned())
        })
        .collect();
    for route in routes() {
        let path = route.path.replace("{C}", "room").replace("{T}", &token);
        for (who, key) in strangers {
            let reply = server.api_with(key).call(route.method, &path, route.body.as_ref());
            assert_eq!(reply.error(), (401, "invalid_auth".to_owned()), "{who}: {} {path}", route.method);
        }
        let (_, key) = lacking.iter().find(|(lacked, _)| *lacked == route.needs).unwrap();
        let reply = server.api_with(key).call(route.method, &path, route.body.as_ref());
        assert_eq!(reply.error(), (403, "forbidden".to_owned()), "without {}: {} {path}", route.needs, route.method);
        let told = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(told.contains(route.needs), "the message names the permission: {told}");
        for missing in ["/v1/channels/none", "/v1/channels/tokens/leap_token_none"] {
            if path.starts_with("/v1/channels/room") && missing.ends_with("/none") {
                let path = path.replacen("/v1/channels/room", missing, 1);
                let reply = server.api_with(key).call(route.method, &path, route.body.as_ref());
                assert_eq!(reply.status, 403, "permission comes before existence: {} {path}", route.method);
            }
        }
    }
    assert_eq!(snapshot(&server, "room", &token), before, "a refused caller changed something");
    listener.quiet();
}

#[test]
fn b13_one_permission_is_enough_for_its_routes() {
    let server = Server::start();
    let api = server.api();
    let keys: Vec<(&str, String)> =
        PERMISSIONS.iter().map(|needs| (*needs, server.new_key(needs)["key"].as_str().unwrap().to_owned())).collect();
    for (n, route) in routes().into_iter().enumerate() {
        let channel = format!("room{n}");
        api.channel(&channel, "public", json!({}));
        let token = api.token(json!({}));
        let (_, key) = keys.iter().find(|(needs, _)| *needs == route.needs).unwrap();
        let path = route.path.replace("{C}", &channel).replace("{T}", &token).replace("{N}", &n.to_string());
        let reply = server.api_with(key).call(route.method, &path, route.body.as_ref());
        assert!(matches!(reply.status, 200 | 204), "{} {path} with {}: {}", route.method, route.needs, reply.text());
    }
    for (_, key) in &keys {
        assert_eq!(server.api_with(key).get("/v1/projects/@this").status, 200, "any key may ask whose it is");
    }
}

#[test]
fn another_projects_key_finds_nothing_and_changes_nothing() {
    let server = Server::start();
    let (_, foreign) = server.new_project("other");
    let (api, foreign) = (server.api(), server.api_with(&foreign));
    api.channel("room", "unprotected", json!({"kept": true}));
    let token = api.token(json!({"kept": true}));
    api.subscribe("room", &token);
    let own_token = foreign.token(json!({}));
    foreign.channel("own", "public", json!({}));
    let (mut listener, _) = server.identified(Some(&token));
    let before = snapshot(&server, "room", &token);
    for route in routes().iter().filter(|route| route.path.contains('{') && !route.path.contains("{N}")) {
        let tries = [("room", token.as_str()), ("room", own_token.as_str()), ("own", token.as_str())];
        for (channel, with) in tries {
            let foreign_channel = route.path.contains("{C}") && channel == "room";
            let foreign_token = route.path.contains("{T}") && with == token;
            if !(foreign_channel || foreign_token) {
                continue;
            }
            let path = route.path.replace("{C}", channel).replace("{T}", with);
            let reply = foreign.call(route.method, &path, route.body.as_ref());
            assert_eq!(reply.error(), (404, "not_found".to_owned()), "{} {path}", route.method);
        }
    }
    assert_eq!(foreign.get("/v1/channels").data()["total_count"], 1);
    assert_eq!(snapshot(&server, "room", &token), before, "a stranger changed something");
    listener.quiet();
}
