//! The upgrade request: paths, query, headers.

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_testkit::{Http, Leap, Server, leap, raw};
use tungstenite::Message;

#[test]
fn b34_both_paths_any_origin_and_unknown_parameters_are_welcome() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({"n": 1}));
    for path in ["/ws", "/1.0/ws", "/ws?", "/ws?v=1&foo=bar&&=", "/ws?encoding=json&compression=none"] {
        let mut leap = Leap::open_at(server.addr, path);
        leap.identify(&server.project, None);
        assert_eq!(leap.join("room"), json!({"n": 1}), "{path}");
    }
    for origin in ["https://app.example", "null", "file://", "http://localhost:3000"] {
        let (socket, response) = leap::upgrade(server.addr, "/ws", &[("origin", origin)]).unwrap();
        assert!(response.headers().get("sec-websocket-protocol").is_none());
        Leap::on(socket).identify(&server.project, None);
    }
}

#[test]
fn b34_what_is_no_proper_upgrade_is_refused_with_an_answer() {
    let server = Server::start();
    let cases: [(&str, &[u8]); 5] = [
        ("Sec-WebSocket-Version", b"12"),
        ("Sec-WebSocket-Key", b"short"),
        ("Sec-WebSocket-Key", b""),
        ("Upgrade", b"h2c"),
        ("Connection", b"keep-alive"),
    ];
    for (name, value) in cases {
        let reply = raw::try_upgrade(server.addr, "/ws", &[(name, value)]).unwrap();
        assert!(matches!(reply.status, 400 | 426), "{name}: {reply:?}");
        reply.check();
    }
    let mut http = Http::connect(server.addr).unwrap();
    let reply = http.request("GET", "/ws", &[], None).unwrap();
    assert!(matches!(reply.status, 400 | 426), "{reply:?}");
    let reply = http.request("POST", "/ws", &[], Some(b"{}")).unwrap();
    assert!(matches!(reply.status, 400 | 405 | 426), "{reply:?}");
    let reply = raw::try_upgrade(server.addr, "/v1/channels", &[("Authorization", server.key.as_bytes())]).unwrap();
    assert_ne!(reply.status, 101, "only the socket paths upgrade");
}

#[test]
fn b35_json_is_spoken_and_other_encodings_are_refused_cleanly() {
    let server = Server::start();
    Leap::open_at(server.addr, "/ws?encoding=json").identify(&server.project, None);
    for encoding in ["etf", "msgpack", ""] {
        let reply = raw::try_upgrade(server.addr, &format!("/ws?encoding={encoding}"), &[]).unwrap();
        reply.check();
        assert_eq!(reply.status, 400, "{encoding}: {reply:?}");
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains("encoding"), "{reply:?}");
    }
}

#[test]
fn b36_frames_are_text_whatever_compression_is_asked_for() {
    // The test client panics on a binary frame; what hop-go sends and reads with compression=zlib is plain text too.
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({"n": 1}));
    let mut leap = Leap::open_at(server.addr, "/ws?encoding=json&compression=zlib");
    leap.identify(&server.project, None);
    assert_eq!(leap.join("room"), json!({"n": 1}));
    server.api().publish("room", "X", json!({"v": 1}));
    leap.expect("MESSAGE", "room");
}

#[test]
fn b36_a_binary_frame_never_harms_more_than_its_own_connection() {
    let server = Server::start();
    let mut witness = server.identified(None).0;
    // zlib.compress of {"op":3,"d":{"tag":"z"}}: taken as a courtesy, or refused with a reason.
    let zlib = b"\x78\x9c\xab\x56\xca\x2f\x50\xb2\x32\xd6\x51\x4a\x51\xb2\xaa\x56\x2a\x49\x4c\x57\xb2\x52\xaa\x52\xaa\xad\x05\x00\x54\xc6\x07\x07";
    for path in ["/ws?compression=zlib", "/ws"] {
        for payload in [zlib.as_slice(), br#"{"op":3,"d":{"tag":"z"}}"#, b"\x00\x01\xff", b""] {
            let mut leap = Leap::open_at(server.addr, path);
            leap.identify(&server.project, None);
            leap.try_send(Message::binary(payload.to_vec())).unwrap();
            leap.send(&json!({"op": 3, "d": {"tag": "after"}}));
            match leap.incoming(Duration::from_secs(5)) {
                Some(leap::Incoming::Frame(ack)) => assert_eq!(ack["op"], 4, "{ack}"),
                Some(leap::Incoming::Ended(ending)) => {
                    let code = ending.expect("a close frame").0;
                    assert!(matches!(code, 1003 | 1007 | 4005), "{code}");
                }
                None => panic!("neither an answer nor a close"),
            }
        }
    }
    witness.quiet();
}

#[test]
fn b37_permessage_deflate_may_be_offered_and_is_not_needed() {
    let server = Server::start();
    let offer = "permessage-deflate; client_max_window_bits";
    for offer in [offer, "permessage-deflate; server_no_context_takeover, x-webkit-deflate-frame", "nonsense; a=b"] {
        let (socket, response) = leap::upgrade(server.addr, "/ws", &[("sec-websocket-extensions", offer)]).unwrap();
        assert!(response.headers().get("sec-websocket-extensions").is_none(), "not offered yet");
        Leap::on(socket).identify(&server.project, None);
    }
    Leap::open_at(server.addr, "/ws").identify(&server.project, None);
}

#[test]
fn b38_hello_comes_at_once_and_once() {
    let server = Server::start();
    let start = Instant::now();
    let mut raw = raw::Raw::open(server.addr);
    let (opcode, payload) = raw.receive().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(opcode, raw::TEXT);
    let hello: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((&hello["op"], &hello["d"]["heartbeat_interval"]), (&json!(1), &json!(30_000)));
    let mut leap = server.leap();
    leap.send(&json!({"op": 3}));
    assert_eq!(leap.frame(), json!({"op": 4}), "the Hello is not repeated before Identify");
    leap.identify(&server.project, None);
    leap.quiet();
}
