//! What is asked of HTTP: methods, other origins' pages, limits before the parser, and secrets where they belong.

use std::net::TcpStream;

use serde_json::{Value, json};
use tollgate_testkit::poll::SOON;
use tollgate_testkit::{Http, Server};

use crate::stream::{Ask, Events};
use crate::{bearer, open, refused, server, token};

const LIMIT_BYTES: usize = 64 * 1024;

/// The answer to these very bytes.
fn raw(server: &Server, bytes: &[u8]) -> Events<TcpStream> {
    let stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    Events::open(stream, bytes)
}

#[test]
fn methods_and_pages_of_other_origins() {
    let server = server();
    let page = [("Origin", "https://app.example")];
    let mut http = Http::connect(server.addr).unwrap();
    let more =
        [page[0], ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")];
    let reply = http.request("OPTIONS", "/connect/sse", &more, None).unwrap();
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let allowed = |name: &str, word: &str| {
        let header = reply.header(name).unwrap().to_lowercase();
        assert!(header.split(", ").any(|one| one == word), "{word} in {name}: {header}");
    };
    for method in ["get", "post"] {
        allowed("access-control-allow-methods", method);
    }
    for header in ["authorization", "content-type", "last-event-id"] {
        allowed("access-control-allow-headers", header);
    }
    assert_eq!(reply.header("access-control-allow-credentials"), None, "cookies allow nothing here");
    for method in ["PUT", "PATCH", "DELETE", "HEAD"] {
        let mut http = Http::connect(server.addr).unwrap();
        let path = format!("/connect/sse?project={}&channel=room", server.project);
        let reply = http.request(method, &path, &page, None).unwrap();
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (405, Some("*")), "{method}");
        assert_eq!(reply.header("allow"), Some("GET, POST, OPTIONS"), "{method}");
        // The answer to HEAD has no body: what is asked behind it is understood.
        let next = http.request("GET", "/v2/me", &[], None).unwrap();
        assert_eq!(next.status, 401, "{method}: {next:?}");
    }
    let (_, secret) = token(&server);
    let body = json!({"connect": {"project": server.project, "token": secret}});
    let (events, _) = open(&server, &Ask::Post(&body), &page);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("connection", "close"),
    ] {
        assert_eq!(events.header(name), Some(value), "{}", events.head);
    }
}

#[test]
fn what_is_too_much_or_nonsense_is_refused_before_anything_is_looked_up() {
    let server = server();
    let project = &server.project;
    let whole = json!({"connect": {"project": project}}).to_string();
    let padded = |bytes: usize| format!("{}{whole}", " ".repeat(bytes - whole.len()));
    let post = |body: &[u8]| tollgate_testkit::http::request("POST", "/connect/sse", &[], Some(body));
    let chunked = [
        &b"POST /connect/sse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n"[..],
        &[b' '; LIMIT_BYTES + 1],
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let query = tollgate_testkit::http::request("POST", &format!("/connect/sse?project={project}"), &[], Some(b"{}"));
    let many: Vec<Value> = (0..65).map(|_| json!({"channel": "room"})).collect();
    let many = json!({"connect": {"project": project}, "subscribe": many}).to_string();
    for (request, status, code) in [
        (post(padded(LIMIT_BYTES + 1).as_bytes()), 413, "payload_too_large"),
        (chunked, 413, "payload_too_large"),
        (
            b"POST /connect/sse HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n".to_vec(),
            413,
            "payload_too_large",
        ),
        (post(b""), 400, "invalid_body"),
        (post(b"\xff\xfe"), 400, "invalid_body"),
        (post(b"[]"), 400, "invalid_body"),
        (post("[".repeat(LIMIT_BYTES).as_bytes()), 400, "invalid_body"),
        (post(br#"{"connect":{"project":"p"},"subscribe":[{"channel":"a","position":"x"}]}"#), 400, "invalid_body"),
        (post(br#"{"connect":{"project":"p","token":"a","ticket":"b"}}"#), 400, "invalid_input"),
        (post(many.as_bytes()), 400, "limit_reached"),
        (query, 400, "invalid_input"),
        (post(br#"{"connect":{"project":"project_nowhere"}}"#), 401, "invalid_auth"),
    ] {
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        let (found, told) = refused(raw(&server, &request));
        assert_eq!((found, told.as_str()), (status, code), "{shown}");
    }
    // The most that is taken is taken.
    let events = raw(&server, &post(padded(LIMIT_BYTES).as_bytes()));
    assert_eq!(events.status(), 200, "{}", events.head);
}

#[test]
fn secrets_are_taken_where_they_belong_and_repeated_nowhere() {
    let server = server();
    let (id, secret) = token(&server);
    let header = bearer(&secret);
    let with = json!({"connect": {"project": server.project, "token": secret}});
    let without = json!({"connect": {"project": server.project}});
    for (body, headers) in [(&with, &[][..]), (&without, &[("Authorization", header.as_str())][..])] {
        assert_eq!(open(&server, &Ask::Post(body), headers).1["token"]["id"], id);
    }
    assert_eq!(open(&server, &Ask::Post(&without), &[]).1["token"], Value::Null, "an anonymous client");
    for name in ["token", "access_token"] {
        let query = format!("project={}&channel=room&{name}={secret}", server.project);
        let problem = crate::ask(&server, &Ask::Get(&query), &[]).problem();
        assert_eq!(problem["status"], 400);
        assert!(!problem.to_string().contains(&secret) && problem["detail"].as_str().unwrap().contains("ticket"));
    }
    let broken = json!({"connect": {"project": server.project, "token": secret, "ticket": secret}});
    for (asked, headers) in [(&with, &[("Authorization", header.as_str())][..]), (&broken, &[][..])] {
        let problem = crate::ask(&server, &Ask::Post(asked), headers).problem();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(400), &json!("invalid_input")));
        assert!(!problem.to_string().contains(&secret), "{problem}");
    }
}
