//! What holds for every route: auth header, envelope, CORS, keep-alive, tolerance of odd URLs.

use serde_json::json;
use tollgate_testkit::{Http, Server};

#[test]
fn b01_duplicate_slashes_a_bare_question_mark_and_unknown_parameters_are_tolerated() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({"n": 1}));
    for path in [
        "//v1/channels/room",
        "/v1//channels/room",
        "/v1/channels//room?",
        "/v1/channels/room?",
        "/v1/channels/room?channel_id=room",
        "/v1/channels/room?a=b&c&=d&e=%20&%",
    ] {
        assert_eq!(api.get(path).data()["channel"]["id"], "room", "{path}");
    }
    assert_eq!(api.get("/v1/channels?").data()["total_count"], 1);
    assert_eq!(api.post("//v1//channels?", json!({"type": "public"})).status, 200);
}

#[test]
fn b02_the_bare_secret_and_a_bearer_prefix_are_both_accepted() {
    let server = Server::start();
    for auth in [server.key.clone(), format!("Bearer {}", server.key), format!("bearer {}", server.key)] {
        assert_eq!(server.api_with(&auth).get("/v1/channels").status, 200);
    }
}

#[test]
fn b03_a_missing_unknown_or_malformed_secret_is_401_invalid_auth() {
    let server = Server::start();
    let flipped = {
        let mut key = server.key.clone();
        let last = key.pop().unwrap();
        key.push(if last == 'A' { 'B' } else { 'A' });
        key
    };
    let long = format!("ptk_{}", "a".repeat(4_000));
    let cut = &server.key[..server.key.len() - 4];
    for auth in
        ["", "ptk_", "ptk_nonsense", "nonsense", "Bearer", "Bearer ", "Basic YTpi", "ptk_🦀", cut, &flipped, &long]
    {
        server.api_with(auth).get("/v1/channels").refused(401, "invalid_auth");
    }
    let token = server.api().token(json!({}));
    server.api_with(&token).get("/v1/channels").refused(401, "invalid_auth");
}

#[test]
fn b03_a_revoked_secret_is_401_at_once_and_after_a_restart() {
    let mut server = Server::start();
    let made = server.new_key("all");
    let (id, key) = (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned());
    assert_eq!(server.api_with(&key).get("/v1/channels").status, 200);
    let _ = server.command(&["key", "revoke", &id, "--json"]);
    server.api_with(&key).get("/v1/channels").refused(401, "invalid_auth");
    server.stop();
    server.start_again();
    server.api_with(&key).get("/v1/channels").refused(401, "invalid_auth");
    assert_eq!(server.api().get("/v1/channels").status, 200);
}

#[test]
fn b04_every_answer_has_the_envelope() {
    // `Api` itself holds each answer of each test against the envelope; these are the answers nobody else asks for.
    let server = Server::start();
    let api = server.api();
    api.get("/v1/nowhere").refused(404, "not_found");
    api.get("/v1").refused(404, "not_found");
    api.get("/nowhere").refused(404, "not_found");
    api.get("/v1/channels/none").refused(404, "not_found");
    api.get("/v1/channels/a/b/c").refused(404, "not_found");
    for (method, path) in [
        ("DELETE", "/v1/channels"),
        ("PATCH", "/v1/channels"),
        ("POST", "/v1/channels/x"),
        ("GET", "/v1/channels/x/messages"),
        ("DELETE", "/v1/channels/x/state"),
        ("PUT", "/v1/channels/tokens/x"),
        ("POST", "/v1/channels/x/subscribers/y"),
    ] {
        api.call(method, path, None).refused(405, "method_not_allowed");
    }
}

#[test]
fn b04_a_body_that_is_declared_as_something_else_than_json_is_415_or_read_as_json() {
    let server = Server::start();
    let mut http = Http::connect(server.addr).unwrap();
    let headers = [("Authorization", server.key.as_str()), ("Content-Type", "text/html")];
    let reply = http.request("POST", "/v1/channels", &headers, Some(br#"{"type":"public"}"#)).unwrap();
    reply.check();
    assert!(matches!(reply.status, 200 | 415), "{reply:?}");
}

#[test]
fn b05_success_is_200_with_data_or_204_without() {
    let server = Server::start();
    let api = server.api();
    assert_eq!(api.post("/v1/channels", json!({"type": "public", "state": {}})).status, 200);
    assert_eq!(api.put("/v1/channels/room", json!({"type": "public", "state": {}})).status, 200);
    assert_eq!(api.put("/v1/channels/room/state", json!({"a": 1})).status, 200);
    assert_eq!(api.patch("/v1/channels/room/state", json!({"a": 1})).status, 200);
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    api.publish("room", "X", json!(1));
    api.post(&format!("/v1/channels/tokens/{token}/messages"), json!({"e": "X", "d": 1})).no_content();
    api.delete(&format!("/v1/channels/room/subscribers/{token}")).no_content();
    api.delete(&format!("/v1/channels/tokens/{token}")).no_content();
    api.delete("/v1/channels/room").no_content();
}

#[test]
fn b06_options_answers_any_path_without_auth() {
    let server = Server::start();
    for path in ["/v1/channels", "/v1/channels/x/state", "/v1/channels/tokens/y", "/nowhere", "/"] {
        let mut http = Http::connect(server.addr).unwrap();
        let headers = [
            ("Origin", "https://app.example"),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ];
        let reply = http.request("OPTIONS", path, &headers, None).unwrap();
        assert_eq!(reply.status, 204, "{path}: {reply:?}");
        reply.check();
        let methods = reply.header("access-control-allow-methods").unwrap().to_ascii_uppercase();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{path}: {methods}");
        }
        let headers = reply.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        assert!(headers.contains("authorization") && headers.contains("content-type"), "{path}: {headers}");
    }
}

#[test]
fn b07_one_connection_serves_many_requests() {
    let server = Server::start();
    let auth = ("Authorization", server.key.as_str());
    let mut http = Http::connect(server.addr).unwrap();
    let created = http.request("PUT", "/v1/channels/room", &[auth], Some(br#"{"type":"public"}"#)).unwrap();
    assert_eq!(created.status, 200, "a JSON body needs no content type: {created:?}");
    for n in 0..20 {
        let body = format!("{{\"n\":{n}}}");
        let reply = http.request("PUT", "/v1/channels/room/state", &[auth], Some(body.as_bytes())).unwrap();
        assert_eq!(reply.data()["state"]["n"], n);
    }
    let two = [
        tollgate_testkit::http::request("GET", "/v1/channels/room", &[auth], None),
        tollgate_testkit::http::request("GET", "/v1/channels/none", &[auth], None),
    ];
    http.write(&two.concat()).unwrap();
    assert_eq!(http.reply(false).unwrap().status, 200, "pipelined requests are answered in order");
    assert_eq!(http.reply(false).unwrap().status, 404);
}

#[test]
fn b07_put_with_content_length_0_and_no_content_type_is_legal() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({}));
    let token = api.token(json!({}));
    let mut http = Http::connect(server.addr).unwrap();
    for _ in 0..2 {
        let path = format!("/v1/channels/room/subscribers/{token}");
        http.request("PUT", &path, &[("Authorization", &server.key)], Some(b"")).unwrap().no_content();
    }
}

#[test]
fn b10_the_project_is_implied_and_a_different_one_is_403() {
    let server = Server::start();
    let (other, _) = server.new_project("other");
    let api = server.api();
    api.channel("room", "public", json!({}));
    for path in ["/v1/channels", "/v1/channels/room", "/v1/channels/room/stats", "/v1/channels/tokens"] {
        assert_eq!(api.get(&format!("{path}?project={}", server.project)).status, 200, "{path}");
        api.get(&format!("{path}?project={other}")).refused(403, "forbidden");
        api.get(&format!("{path}?project=project_nonsense")).refused(403, "forbidden");
    }
    let create = format!("/v1/channels?project={other}");
    api.post(&create, json!({"type": "public"})).refused(403, "forbidden");
    assert_eq!(api.get("/v1/channels").data()["total_count"], 1, "nothing was created");
}

#[test]
fn b11_personal_and_console_tokens_do_not_exist_here() {
    let server = Server::start();
    for auth in ["pat_cGF0", "bearer_cGF0", "Bearer pat_cGF0"] {
        let api = server.api_with(auth);
        api.get("/v1/channels").refused(401, "invalid_auth");
        api.get(&format!("/v1/channels?project={}", server.project)).refused(401, "invalid_auth");
        api.post("/v1/channels", json!({"type": "public"})).refused(401, "invalid_auth");
    }
}

#[test]
fn b12_personal_tokens_do_not_resolve_channels_or_tokens() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    let token = api.token(json!({}));
    for auth in ["pat_cGF0", "bearer_cGF0"] {
        let personal = server.api_with(auth);
        personal.get("/v1/channels/room").refused(401, "invalid_auth");
        personal.get(&format!("/v1/channels/tokens/{token}")).refused(401, "invalid_auth");
    }
}
