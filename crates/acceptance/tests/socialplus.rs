//! social.plus's door on the real binary: what only sockets, disks and kills can show. The published SDKs themselves are in
//! `conformance/socialplus`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_testkit::http::Reply;
use tollgate_testkit::{Http, Server, Setup};

const MODEL: &str = "token management API on TS-SDK";

fn call(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let body = (!body.is_empty()).then_some(body.as_bytes());
    Http::connect(server.addr).unwrap().request(method, path, headers, body).unwrap()
}

fn wish(user: &str, device: &str, extra: &Value) -> String {
    let mut wish = json!({
        "userId": user, "deviceId": device,
        "deviceInfo": {"kind": "web", "model": MODEL, "sdkVersion": "v6.35.3-cjs"},
    });
    for (key, value) in extra.as_object().unwrap() {
        wish[key] = value.clone();
    }
    wish.to_string()
}

/// A session; its secrets must appear nowhere from now on.
fn session(server: &Server, key: &str, user: &str, device: &str, extra: &Value) -> Result<Value, (u16, Value)> {
    let reply = call(server, "POST", "/api/v5/sessions", &[("X-API-Key", key)], &wish(user, device, extra));
    let json = reply.json();
    if reply.status != 200 {
        return Err((reply.status, json["code"].clone()));
    }
    for secret in ["accessToken", "refreshToken"] {
        server.remember(json[secret].as_str().unwrap());
    }
    Ok(json)
}

fn publishable(server: &Server) -> String {
    server.new_key("create_session")["key"].as_str().unwrap().to_owned()
}

fn verify(server: &Server, token: &str) -> u16 {
    call(server, "GET", "/api/v3/sessions", &[("Authorization", &format!("Bearer {token}"))], "").status
}

#[test]
fn sp02_odd_requests_of_sdks_are_served_over_real_sockets() {
    let server = Server::start();
    let key = publishable(&server);
    // As an HTTP proxy is asked, as the region trick asks, and with the rest of a URL's user name.
    for target in [
        "http://apix.sg.amity.co/api/v5/sessions",
        "https://apix.sg.amity.co/api/v5/sessions",
        "/.amity.co/api/v5/sessions",
        "http://apix.example.com/.amity.co/api/v4/sessions",
        "//api/v3/sessions",
    ] {
        let headers = [("X-API-Key", key.as_str()), ("Authorization", "Basic YXBpeC54OmE=")];
        let reply = call(&server, "POST", target, &headers, &wish("alice", target, &json!({})));
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        assert!(reply.json()["accessToken"].is_string());
    }
    // In chunks, as fetch sends a stream.
    let body = wish("alice", "chunks", &json!({}));
    let (first, second) = body.split_at(20);
    let mut http = Http::connect(server.addr).unwrap();
    let head = format!(
        "POST /.amity.co/api/v5/sessions HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    http.write((head + &chunks).as_bytes()).unwrap();
    assert_eq!(http.reply(false).unwrap().status, 200);
    // The connection goes on, which the SDKs do not use and our own do.
    let again = http.request("OPTIONS", "/api/v5/sessions", &[("Origin", "https://a.example")], None).unwrap();
    assert_eq!((again.status, again.header("access-control-allow-origin")), (204, Some("*")));
}

#[test]
fn sp39_the_access_token_opens_a_socket_and_dies_with_its_session() {
    let server = Server::start();
    let (key, api) = (publishable(&server), server.api());
    api.channel("lobby", "public", json!({"open": true}));
    let made = session(&server, &key, "alice", "d1", &json!({})).unwrap();
    let mut sockets = ["accessToken", "refreshToken"].map(|spelling| {
        let (mut leap, _) = server.identified(made[spelling].as_str());
        assert_eq!(leap.join("lobby")["open"], true, "{spelling}");
        leap
    });
    api.post("/v1/channels/lobby/messages", json!({"e": "SAID", "d": 1})).no_content();
    for leap in &mut sockets {
        assert_eq!(leap.dispatch("MESSAGE")["d"], json!({"e": "SAID", "d": 1}));
    }
    let user =
        call(&server, "POST", "/v2/users/alice/messages", &[("Authorization", &server.key)], r#"{"event":"HI"}"#);
    assert_eq!(user.json(), json!({"connections": 2, "mailboxes": 0}));
    for leap in &mut sockets {
        assert_eq!(leap.dispatch("DIRECT_MESSAGE")["d"], json!({"e": "HI", "d": null}));
    }
    let bearer = format!("Bearer {}", made["accessToken"].as_str().unwrap());
    let ended = call(&server, "DELETE", "/api/v4/sessions", &[("Authorization", &bearer)], "");
    assert_eq!((ended.status, ended.json()), (200, json!({"success": true})));
    for leap in &mut sockets {
        assert_eq!(leap.closed().0, 4001);
    }
    assert_eq!(verify(&server, made["accessToken"].as_str().unwrap()), 401);
    // A ban cuts off whoever is connected.
    let made = session(&server, &key, "bob", "d1", &json!({})).unwrap();
    let (mut leap, _) = server.identified(made["accessToken"].as_str());
    let banned = call(&server, "POST", "/v2/users/bob/ban", &[("Authorization", &server.key)], "");
    assert_eq!(banned.json()["connections_closed"], 1);
    assert_eq!(leap.closed().0, 4001);
    assert_eq!(session(&server, &key, "bob", "d1", &json!({})), Err((403, json!(400_312))));
}

#[test]
fn sp12_what_was_used_or_ended_stays_so_through_kills() {
    let mut server = Server::start();
    let key = publishable(&server);
    let settings = r#"{"secure_mode":"required"}"#;
    assert_eq!(call(&server, "PATCH", "/v2/project", &[("Authorization", &server.key)], settings).status, 200);
    let mut used = Vec::new();
    let mut live = Vec::new();
    for round in 0..5 {
        let headers = [("x-server-key", server.key.as_str())];
        let vouched = call(&server, "POST", "/api/v4/authentication/token", &headers, r#"{"userId":"alice"}"#).text();
        server.remember(&vouched);
        let extra = json!({"authToken": vouched});
        let made = session(&server, &key, "alice", &format!("d{round}"), &extra).unwrap();
        let ended = session(&server, &key, "alice", &format!("e{round}"), &extra);
        assert_eq!(ended, Err((403, json!(400_300))), "used before");
        // At once after the answer.
        server.kill();
        server.start_again();
        used.push(extra);
        live.push(made["accessToken"].as_str().unwrap().to_owned());
        for extra in &used {
            let replayed = session(&server, &key, "alice", "elsewhere", extra);
            assert_eq!(replayed, Err((403, json!(400_300))), "replayed");
        }
        for token in &live {
            assert_eq!(verify(&server, token), 200, "what was acknowledged is there");
        }
    }
    let revoked = call(&server, "DELETE", "/api/v4/sessions?userId=alice", &[("x-admin-token", &server.key)], "");
    assert_eq!(revoked.status, 200);
    server.kill();
    server.start_again();
    for token in &live {
        assert_eq!(verify(&server, token), 401);
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn sp15_no_secret_of_a_session_is_on_disk_or_in_the_log() {
    let mut server = Setup::default().env("TOLLGATE_LOG_LEVEL", "trace").start();
    let key = publishable(&server);
    for device in 0..3 {
        let headers = [("x-server-key", server.key.as_str())];
        let vouched = call(&server, "POST", "/api/v4/authentication/token", &headers, r#"{"userId":"alice"}"#).text();
        server.remember(&vouched);
        let extra = json!({"authToken": vouched, "metadata": {"canary": "canary-of-metadata-93b1"}});
        let made = session(&server, &key, "alice", &format!("d{device}"), &extra).unwrap();
        let refresh = made["refreshToken"].as_str().unwrap();
        let path = format!("/api/v1/accessToken?userId=alice&refreshToken={refresh}");
        let renewed = call(&server, "GET", &path, &[("X-API-Key", &key)], "").json();
        server.remember(renewed["accessToken"].as_str().unwrap());
        let _ = call(&server, "GET", &path, &[("X-API-Key", &format!("{key}x"))], "");
        assert_eq!(verify(&server, made["accessToken"].as_str().unwrap()), 200);
        assert_eq!(verify(&server, &format!("{}x", made["accessToken"].as_str().unwrap())), 401);
    }
    server.stop();
    let mut needles: Vec<String> = server.secrets();
    assert!(needles.len() >= 13);
    // The signature of a JWT alone, and what follows the prefix of the others.
    let tail = |one: &String| one.rsplit(if one.contains('.') { '.' } else { '_' }).next().map(str::to_owned);
    let parts: Vec<String> = needles.iter().filter_map(tail).collect();
    needles.extend(parts);
    needles.push("canary-of-metadata-93b1".into());
    let log = server.log();
    for file in files(&server.data()) {
        let content = fs::read(&file).unwrap();
        for needle in &needles {
            let found = content.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{} has {needle}", file.display());
        }
    }
    for needle in &needles {
        assert!(!log.contains(needle.as_str()), "the log has {needle}");
    }
}
