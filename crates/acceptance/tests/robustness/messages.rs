//! WebSocket messages in parts, with control frames between them, in bytes that come one at a time, and in bad UTF-8.

use tollgate_testkit::Server;
use tollgate_testkit::raw::{CONTINUATION, Frame, PING, PONG, Raw, TEXT};

const HEARTBEAT: &str = r#"{"op":3,"d":{"tag":"é🦀"}}"#;

fn in_parts(payload: &[u8], size: usize) -> Vec<Frame> {
    let mut frames: Vec<_> = payload.chunks(size).map(|part| Frame::new(CONTINUATION, part).unfinished()).collect();
    frames[0].opcode = TEXT;
    frames.last_mut().unwrap().fin = true;
    frames
}

#[track_caller]
fn acked(raw: &mut Raw) {
    let ack = raw.expect(TEXT);
    assert!(String::from_utf8_lossy(&ack).contains("é🦀"), "{ack:?}");
}

#[test]
fn messages_in_parts_are_put_together() {
    let server = Server::start();
    let mut raw = Raw::identified(&server);
    for size in [1, 2, 3, 7, 30] {
        for frame in in_parts(HEARTBEAT.as_bytes(), size) {
            raw.send(&frame);
        }
        acked(&mut raw);
    }
    // Empty parts at the start, in the middle and at the end.
    let (first, second) = HEARTBEAT.split_at(9);
    for frame in [
        Frame::text("").unfinished(),
        Frame::new(CONTINUATION, first).unfinished(),
        Frame::new(CONTINUATION, "").unfinished(),
        Frame::new(CONTINUATION, second).unfinished(),
        Frame::new(CONTINUATION, ""),
    ] {
        raw.send(&frame);
    }
    acked(&mut raw);
}

#[test]
fn control_frames_between_the_parts_are_answered_at_once() {
    let server = Server::start();
    let mut raw = Raw::identified(&server);
    let parts = in_parts(HEARTBEAT.as_bytes(), 10);
    for (n, part) in parts.iter().enumerate() {
        raw.send(part);
        if n + 1 < parts.len() {
            raw.send(&Frame::new(PING, format!("ping {n}")));
            raw.send(&Frame::new(PONG, "unasked"));
            assert_eq!(raw.expect(PONG), format!("ping {n}").into_bytes());
        }
    }
    acked(&mut raw);
}

#[test]
fn pings_are_answered_with_their_own_bytes() {
    let server = Server::start();
    let mut raw = Raw::identified(&server);
    for payload in [b"".to_vec(), b"x".to_vec(), vec![0xff; 125], (0..=124).collect()] {
        raw.send(&Frame::new(PING, payload.clone()));
        assert_eq!(raw.expect(PONG), payload);
    }
}

#[test]
fn bytes_may_come_one_at_a_time_or_all_at_once() {
    let server = Server::start();
    let mut raw = Raw::identified(&server);
    for byte in Frame::text(HEARTBEAT).bytes() {
        raw.write(&[byte]).unwrap();
    }
    acked(&mut raw);
    let one = Frame::text(HEARTBEAT).bytes();
    raw.write(&one.repeat(40)).unwrap();
    for _ in 0..40 {
        acked(&mut raw);
    }
    // A cut at every place in a message that has parts and a ping.
    let bytes: Vec<u8> =
        [Frame::text(&HEARTBEAT[..5]).unfinished(), Frame::new(PING, "p"), Frame::new(CONTINUATION, &HEARTBEAT[5..])]
            .iter()
            .flat_map(Frame::bytes)
            .collect();
    for cut in 1..bytes.len() {
        let mut raw = Raw::identified(&server);
        raw.write(&bytes[..cut]).unwrap();
        std::thread::yield_now();
        raw.write(&bytes[cut..]).unwrap();
        acked(&mut raw);
    }
}

#[test]
fn bad_utf_8_is_closed_1007_wherever_it_is() {
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    let bad: [&[u8]; 9] = [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\x80",
        b"{\"op\":3,\"d\":{\"tag\":\"\xc3\x28\"}}",
        b"{\"op\":3}\xf0\x9f\xa6",
        b"\xf8\x88\x80\x80\x80",
    ];
    for payload in bad {
        for size in [1, payload.len()] {
            let mut raw = Raw::identified(&server);
            let bytes: Vec<u8> = in_parts(payload, size).iter().flat_map(Frame::bytes).collect();
            let _ = raw.write(&bytes);
            assert_eq!(raw.closed(), 1007, "{payload:?} in parts of {size}");
        }
    }
    witness.answers("still there");
}

#[test]
fn messages_that_never_end_are_closed_and_not_kept() {
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    let before = server.resident_kb();
    for part in [16_384, 1_000] {
        let mut raw = Raw::identified(&server);
        raw.send(&Frame::text("{").unfinished());
        let part = Frame::new(CONTINUATION, vec![b' '; part]).unfinished().bytes();
        // For a moment after its close the server still reads, and throws away.
        let _ = (0..2_000).take_while(|_| raw.write(&part).is_ok()).count();
        let code = raw.closed();
        assert!(matches!(code, 1008 | 1009), "too much or too many: {code} for parts of {} bytes", part.len());
    }
    let mut raw = Raw::identified(&server);
    let empty = Frame::new(CONTINUATION, "").unfinished().bytes();
    raw.send(&Frame::text("").unfinished());
    let _ = raw.write(&empty.repeat(100_000));
    let code = raw.closed();
    assert!(matches!(code, 1002 | 1008 | 1009), "100,000 empty parts: {code}");
    assert!(server.resident_kb().saturating_sub(before) < 16 * 1024);
    witness.answers("still there");
}

#[test]
fn a_flood_of_control_frames_is_closed_1008() {
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    for opcode in [PING, PONG] {
        let mut raw = Raw::identified(&server);
        let _ = raw.write(&Frame::new(opcode, "flood").bytes().repeat(2_000));
        assert_eq!(raw.closed(), 1008, "opcode {opcode}");
    }
    witness.answers("still there");
}
