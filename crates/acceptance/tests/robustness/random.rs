//! Random bytes and random frames, seeded. The server must be as well afterwards as before.

use std::time::Duration;

use serde_json::json;
use tollgate_testkit::raw::{Frame, Length, Raw};
use tollgate_testkit::{Http, Random, Server};

#[test]
fn random_bytes_into_the_listener() {
    let mut random = Random::announced("bytes");
    let server = Server::start();
    for _ in 0..200 {
        let mut http = Http::connect(server.addr).unwrap();
        let len = usize::try_from(random.below(3_000)).unwrap();
        let _ = http.write(&random.bytes(len));
        http.finish_writing();
        assert!(http.closes_within(Duration::from_secs(8)));
    }
    assert_eq!(server.api().get("/v1/channels").status, 200);
}

#[test]
fn random_bytes_into_the_socket() {
    let mut random = Random::announced("socket bytes");
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    for round in 0..200 {
        let mut raw = if round % 2 == 0 { Raw::greeted(server.addr) } else { Raw::identified(&server) };
        let len = usize::try_from(random.below(2_000)).unwrap();
        let _ = raw.write(&random.bytes(len));
    }
    witness.answers("still there");
}

#[test]
fn random_frames_into_the_socket() {
    let mut random = Random::announced("frames");
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let mut witness = Raw::identified(&server);
    let texts = [
        r#"{"op":3}"#,
        r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"room"}}"#,
        r#"{"op":0,"d":{"e":"MESSAGE","c":"room","d":{"e":"X"}}}"#,
        "{",
        "",
    ];
    for _ in 0..300 {
        let mut raw = Raw::identified(&server);
        for _ in 0..random.below(12) {
            let payload = if random.below(3) > 0 {
                texts[usize::try_from(random.below(5)).unwrap()].as_bytes().to_vec()
            } else {
                let len = usize::try_from(random.below(200)).unwrap();
                random.bytes(len)
            };
            let mut frame = Frame::new([1, 1, 1, 0, 2, 8, 9, 10][usize::try_from(random.below(8)).unwrap()], payload);
            frame.fin = random.below(4) > 0;
            frame.masked = random.below(20) > 0;
            if random.below(20) == 0 {
                frame.reserved = u8::try_from(random.below(8)).unwrap();
            }
            if random.below(20) == 0 {
                frame.length = Length::Claimed(random.bits() >> random.below(64));
            }
            if raw.write(&frame.bytes()).is_err() {
                break;
            }
        }
    }
    witness.answers("still there");
}

/// A JSON value of any shape, from words the dialect knows and some it does not.
fn value(random: &mut Random, depth: u32) -> serde_json::Value {
    let words = [
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "MESSAGE",
        "SET_CHANNEL_STATE",
        "PIPE_ROOM_SUBSCRIBE",
        "room",
        "none",
        "",
        "\u{0}🦀",
    ];
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => json!(null),
        1 => json!(random.bits() >> random.below(64)),
        2 => json!(random.below(6)),
        3 => json!(random.below(2) == 0),
        4 => json!(words[usize::try_from(random.below(9)).unwrap()]),
        5 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let keys = ["op", "d", "e", "c", "u", "tag", "project_id", "token", "join_token"];
            let pairs = (0..random.below(6))
                .map(|_| (keys[usize::try_from(random.below(9)).unwrap()].to_owned(), value(random, depth - 1)));
            serde_json::Value::Object(pairs.collect())
        }
    }
}

#[test]
fn random_json_into_the_dialect() {
    let mut random = Random::announced("json");
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let mut witness = Raw::identified(&server);
    for round in 0..400 {
        let mut raw = if round % 3 == 0 { Raw::greeted(server.addr) } else { Raw::identified(&server) };
        for _ in 0..6 {
            let op = random.below(4);
            let frame = json!({"op": op, "d": value(&mut random, 4)});
            if raw.write(&Frame::text(&frame.to_string()).bytes()).is_err() {
                break;
            }
        }
    }
    witness.answers("still there");
}
