//! Request heads: slow, long, many, random.

use std::time::{Duration, Instant};

use tollgate_testkit::{Http, Random, Server, raw};

const HEADERS: [&str; 24] = [
    "Host",
    "Authorization",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Expect",
    "TE",
    "Origin",
    "Cookie",
    "User-Agent",
    "Accept",
    "Accept-Encoding",
    "Range",
    "If-None-Match",
    "Forwarded",
    "X-Forwarded-For",
    "X-Request-Id",
    "Access-Control-Request-Headers",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
];

#[test]
fn a_head_that_takes_longer_than_5_s_is_cut_off() {
    let server = Server::start();
    let start = Instant::now();
    let connections: Vec<_> = (0..20)
        .map(|n| {
            let mut http = Http::connect(server.addr).unwrap();
            http.write(b"GET /v1/channels HTTP/1.1\r\nHost: x\r\n").unwrap();
            std::thread::spawn(move || {
                // Half of them keep sending a byte now and then, which must not buy them time.
                while start.elapsed() < Duration::from_secs(12) {
                    if (n % 2 == 0 && http.write(b"a").is_err()) || http.closes_within(Duration::from_millis(300)) {
                        return start.elapsed();
                    }
                }
                start.elapsed()
            })
        })
        .collect();
    for connection in connections {
        let elapsed = connection.join().unwrap().as_secs_f64();
        assert!((4.0..10.0).contains(&elapsed), "closed after {elapsed} s");
    }
    assert_eq!(server.api().get("/v1/channels").status, 200);
}

#[test]
fn a_mebibyte_of_header_bytes_one_at_a_time_is_cut_off_early() {
    let server = Server::start();
    let before = server.resident_kb();
    let start = Instant::now();
    for head in ["GET /ws HTTP/1.1\r\nHost: x\r\nX: ", "GET /v1/channels HTTP/1.1\r\n", "GET /"] {
        let mut http = Http::connect(server.addr).unwrap();
        http.write(head.as_bytes()).unwrap();
        let sent = (0..1024 * 1024).take_while(|_| http.write(b"a").is_ok()).count();
        assert!(sent < 1024 * 1024, "all of it was taken");
        assert_eq!(server.api().get("/v1/channels").status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(server.resident_kb().saturating_sub(before) < 16 * 1024);
}

#[test]
fn long_heads_and_many_headers_are_refused() {
    let server = Server::start();
    let long = "a".repeat(64 * 1024);
    let many: String = (0..2_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let spaces = " ".repeat(32 * 1024);
    for head in [
        format!("GET /v1/channels HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /v1/channels HTTP/1.1\r\nHost: x\r\n{long}: y\r\n\r\n"),
        format!("GET /v1/channels HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: a{spaces}b\r\n\r\n"),
        format!("GET /v1/channels HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("GET /v1/channels/{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /v1/channels?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{long} / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let mut http = Http::connect(server.addr).unwrap();
        // The server may close while this is still being written.
        let _ = http.write(head.as_bytes());
        match http.reply(false) {
            Ok(reply) => assert!(matches!(reply.status, 400 | 414 | 431), "{:.60}: {reply:?}", head),
            Err(error) => {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{:.60}: neither answer nor close", head)
            }
        }
    }
    assert_eq!(server.api().get("/v1/channels").status, 200);
}

/// Bytes that a header value can be sent with: anything but the line's end.
fn value(random: &mut Random) -> Vec<u8> {
    let len = [0, 1, 5, 40, 300][usize::try_from(random.below(5)).unwrap()];
    random.bytes(len).into_iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b'~' } else { byte }).collect()
}

#[test]
fn random_bytes_in_every_header_never_break_more_than_their_request() {
    let mut random = Random::announced("headers");
    let server = Server::start();
    for name in HEADERS {
        for round in 0..30 {
            let value = value(&mut random);
            let mut http = Http::connect(server.addr).unwrap();
            http.patience(Duration::from_secs(3));
            let bytes = if round % 2 == 0 {
                raw::upgrade_request("/ws", &[(name, &value)])
            } else {
                raw::upgrade_request(
                    "/v1/channels",
                    &[("Connection", b"close"), ("Authorization", server.key.as_bytes()), (name, &value)],
                )
            };
            http.write(&bytes).unwrap();
            http.finish_writing();
            if let Ok(reply) = http.reply(false) {
                assert!(reply.status < 500, "{name}: {value:?}: {reply:?}");
            }
        }
        assert_eq!(server.api().get("/v1/channels").status, 200, "after {name}");
    }
}

#[test]
fn random_header_names_and_request_lines_never_break_more_than_their_request() {
    let mut random = Random::announced("heads");
    let server = Server::start();
    for _ in 0..200 {
        let mut head = b"GET /v1/channels HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_vec();
        match random.below(3) {
            0 => head.splice(..3, value(&mut random)).for_each(drop),
            1 => head.splice(4..16, value(&mut random)).for_each(drop),
            _ => head.extend([value(&mut random), b": x\r\n".to_vec()].concat()),
        }
        head.extend(b"\r\n");
        let mut http = Http::connect(server.addr).unwrap();
        http.patience(Duration::from_secs(3));
        http.write(&head).unwrap();
        http.finish_writing();
        if let Ok(reply) = http.reply(false) {
            assert!(reply.status < 500, "{head:?}: {reply:?}");
        }
    }
    assert_eq!(server.api().get("/v1/channels").status, 200);
}

#[test]
fn an_idempotency_key_that_is_no_text_is_refused_rather_than_passed_over() {
    let server = Server::start();
    let mut http = Http::connect(server.addr).unwrap();
    for (key, status) in [("schl\u{fc}ssel", 422), ("", 422), ("two words", 422), ("a-good-one", 201)] {
        let headers = [("Authorization", server.key.as_str()), ("Idempotency-Key", key)];
        let reply = http.request("POST", "/v2/tokens", &headers, Some(b"{}")).unwrap();
        assert_eq!(reply.status, status, "{key}: {}", reply.text());
    }
}
