//! Request lines: odd methods, forms, versions and protocols.

use std::time::Duration;

use serde_json::json;
use tollgate_testkit::{Http, Server};

#[test]
fn odd_requests_get_an_answer_or_an_end_and_never_a_5xx() {
    let server = Server::start();
    server.api().channel("room", "public", json!({}));
    let lines: [&[u8]; 20] = [
        b"GET http://x/v1/channels HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT x:443 HTTP/1.1",
        b"TRACE / HTTP/1.1",
        b"HEAD /v1/channels HTTP/1.1",
        b"PROPFIND /v1/channels HTTP/1.1",
        b"get /v1/channels HTTP/1.1",
        b"GET v1/channels HTTP/1.1",
        b"GET /v1/channels HTTP/1.0",
        b"GET /v1/channels HTTP/2.0",
        b"GET /v1/channels HTTP/9.9",
        b"GET /v1/channels",
        b"GET  /v1/channels  HTTP/1.1",
        b"GET /v1/ch\xffnnels HTTP/1.1",
        b"GET /v1/channels/\xf0\x9f\xa6\x80 HTTP/1.1",
        b"GET /v1/../v1/channels HTTP/1.1",
        b"GET /v1/channels/%2e%2e/tokens HTTP/1.1",
        b"GET /v1/channels#frag HTTP/1.1",
        b"GET /v1/channels\0 HTTP/1.1",
        b"PRI * HTTP/2.0",
    ];
    for line in lines {
        let mut http = Http::connect(server.addr).unwrap();
        http.patience(Duration::from_secs(8));
        http.write(
            &[line, b"\r\nHost: x\r\nAuthorization: ", server.key.as_bytes(), b"\r\nConnection: close\r\n\r\n"]
                .concat(),
        )
        .unwrap();
        let shown = String::from_utf8_lossy(line);
        match http.reply(line.starts_with(b"HEAD")) {
            Ok(reply) => assert!(reply.status < 500, "{shown}: {reply:?}"),
            Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{shown}: neither answer nor close"),
        }
    }
    let dots = server.api().get("/v1/channels/%2e%2e/state");
    assert_eq!(dots.error(), (404, "not_found".to_owned()), "two dots are an id like any other");
}

#[test]
fn other_protocols_are_turned_away() {
    let server = Server::start();
    let hello_of_tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for bytes in
        [hello_of_tls.as_slice(), b"SSH-2.0-x\r\n", b"\0\0\0\0", b"\r\n\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut http = Http::connect(server.addr).unwrap();
        http.write(bytes).unwrap();
        http.finish_writing();
        assert!(http.closes_within(Duration::from_secs(8)), "{bytes:?}");
    }
    assert_eq!(server.api().get("/v1/channels").status, 200);
}
