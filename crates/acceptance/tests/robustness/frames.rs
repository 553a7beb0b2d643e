//! WebSocket frames that break the framing rules: each is closed with the code the standard gives it, and nobody else
//! notices.

use tollgate_testkit::Server;
use tollgate_testkit::raw::{BINARY, CLOSE, CONTINUATION, Frame, Length, PING, PONG, Raw, TEXT};

/// Sends `frames` on a connection of their own and expects to be closed with `code`.
#[track_caller]
fn closes(server: &Server, code: u16, what: &str, frames: &[Frame]) {
    let mut raw = Raw::identified(server);
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    let _ = raw.write(&bytes);
    assert_eq!(raw.closed(), code, "{what}");
}

#[test]
fn every_way_to_spell_a_length() {
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    for len in [0_usize, 1, 125, 126, 127, 1_000, 65_535, 65_536] {
        let heartbeat = r#"{"op":3,"d":{"tag":"padded"}}"#;
        let mut raw = Raw::identified(&server);
        if len < 60 || len == 65_536 {
            // Too short to be a heartbeat, or one byte more than fits two bytes of length (and maybe the limit): any
            // defined ending will do, but there must be one.
            raw.send(&Frame::text(&" ".repeat(len)));
            assert!(matches!(raw.closed(), 4005 | 1009), "{len}");
            continue;
        }
        raw.send(&Frame::text(&format!("{heartbeat}{}", " ".repeat(len - heartbeat.len()))));
        let ack = raw.expect(TEXT);
        assert!(String::from_utf8_lossy(&ack).contains("padded"), "{len}");
    }
    for len in [0_usize, 1, 125] {
        closes(&server, 1002, "two bytes for a short length", &[Frame::new(TEXT, " ".repeat(len)).length(Length::Two)]);
        closes(
            &server,
            1002,
            "eight bytes for a short length",
            &[Frame::new(TEXT, " ".repeat(len)).length(Length::Eight)],
        );
    }
    closes(&server, 1002, "eight bytes for 126", &[Frame::new(TEXT, " ".repeat(126)).length(Length::Eight)]);
    witness.answers("still there");
}

#[test]
fn a_declared_length_costs_nothing() {
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    let before = server.resident_kb();
    for (claimed, code) in
        [(1 << 63, 1002), (u64::MAX, 1002), ((1 << 63) - 1, 1009), (1 << 40, 1009), (1 << 32, 1009), (1 << 30, 1009)]
    {
        let frame = Frame::text("").length(Length::Claimed(claimed));
        closes(&server, code, &format!("{claimed} claimed"), &[frame]);
    }
    let held: Vec<_> = (0..100)
        .map(|_| {
            let mut raw = Raw::identified(&server);
            let start = Frame::text("").length(Length::Claimed(65_536)).bytes();
            raw.write(&start).unwrap();
            raw
        })
        .collect();
    witness.answers("still there");
    let grown = server.resident_kb().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB for 100 empty promises of 64 KiB");
    drop(held);
}

#[test]
fn frames_that_break_the_rules_are_closed_1002() {
    let server = Server::start();
    let mut witness = Raw::identified(&server);
    let closes = |what: &str, frames: &[Frame]| closes(&server, 1002, what, frames);
    closes("an unmasked frame", &[Frame::text(r#"{"op":3}"#).unmasked()]);
    closes("an unmasked ping", &[Frame::new(PING, "").unmasked()]);
    for bits in 1..8 {
        closes("reserved bits", &[Frame::text(r#"{"op":3}"#).reserved(bits)]);
        closes("reserved bits of a ping", &[Frame::new(PING, "").reserved(bits)]);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        closes("an opcode that does not exist", &[Frame::new(opcode, "x")]);
    }
    for opcode in [PING, PONG, CLOSE] {
        closes("a control frame of 126 bytes", &[Frame::new(opcode, vec![b'x'; 126])]);
        closes("a control frame in parts", &[Frame::new(opcode, "").unfinished()]);
    }
    closes("a continuation of nothing", &[Frame::new(CONTINUATION, "x")]);
    closes("an unfinished continuation of nothing", &[Frame::new(CONTINUATION, "x").unfinished()]);
    closes("a text within a text", &[Frame::text("{").unfinished(), Frame::text("}")]);
    closes("a binary within a text", &[Frame::text("{").unfinished(), Frame::new(BINARY, "}")]);
    let done = [Frame::text("{\"op\":").unfinished(), Frame::new(CONTINUATION, "3}"), Frame::new(CONTINUATION, "x")];
    closes("one continuation too many", &done);
    witness.answers("still there");
}

#[test]
fn the_same_before_identify() {
    let server = Server::start();
    for (what, frame, code) in [
        ("unmasked", Frame::text("x").unmasked(), 1002),
        ("reserved", Frame::text("x").reserved(4), 1002),
        ("not UTF-8", Frame::new(TEXT, b"\xff".as_slice()), 1007),
        ("too big", Frame::text("").length(Length::Claimed(1 << 40)), 1009),
        ("not a frame", Frame::text("x"), 4005),
    ] {
        let mut raw = Raw::greeted(server.addr);
        raw.send(&frame);
        assert_eq!(raw.closed(), code, "{what}");
    }
}
