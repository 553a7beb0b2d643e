//! The codec's laws: tables for every rule of the wire, properties for splitting and for encode∘decode.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0xA1, 0x5C, 0x00, 0xFF];
const LIMITS: FrameLimits = FrameLimits { message_bytes_max: 100_000, fragments_max: 4 };

fn frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_masked(fin, opcode, payload, MASK, &mut out);
    out
}

fn text(text: &str) -> Event<'_> {
    Event::Text(Cow::Borrowed(text))
}

/// Everything the bytes mean when they arrive in the given pieces: the events, and how it ended.
fn decode_pieces(decoder: &mut Decoder, pieces: &[&[u8]]) -> (Vec<Event<'static>>, Option<Violation>) {
    let mut events = Vec::new();
    for piece in pieces {
        let mut buffer = piece.to_vec();
        let mut at = 0;
        while at < buffer.len() {
            match decoder.decode(&mut buffer[at..], &LIMITS) {
                Ok(step) => {
                    assert!(step.consumed > 0, "every step makes progress");
                    at += step.consumed;
                    events.extend(step.event.map(Event::into_owned));
                }
                Err(violation) => return (events, Some(violation)),
            }
        }
    }
    (events, None)
}

fn decode_all(bytes: &[u8]) -> (Vec<Event<'static>>, Option<Violation>) {
    decode_pieces(&mut Decoder::default(), &[bytes])
}

#[test]
fn every_violation_is_found() {
    let long = |form: u8, length: &[u8]| [&[0x82, 0x80 | form][..], length, &MASK[..]].concat();
    let table: Vec<(&str, Vec<u8>, Violation)> = vec![
        ("RSV1", vec![0xC1], Violation::ReservedBits),
        ("RSV2", vec![0xA1], Violation::ReservedBits),
        ("RSV3", vec![0x91], Violation::ReservedBits),
        ("data opcode 3", vec![0x83], Violation::ReservedOpcode(3)),
        ("control opcode 15", vec![0x8F], Violation::ReservedOpcode(15)),
        ("not masked", vec![0x81, 0x01], Violation::Unmasked),
        ("ping in fragments", vec![0x09], Violation::ControlFragmented),
        ("ping of 126", vec![0x89, 0xFE], Violation::ControlTooLong),
        ("ping with a 64-bit length", vec![0x89, 0xFF], Violation::ControlTooLong),
        ("125 in 16 bits", long(126, &125u16.to_be_bytes()), Violation::LengthNotMinimal),
        ("0 in 16 bits", long(126, &[0, 0]), Violation::LengthNotMinimal),
        ("65535 in 64 bits", long(127, &65535u64.to_be_bytes()), Violation::LengthNotMinimal),
        ("2^63", long(127, &(1u64 << 63).to_be_bytes()), Violation::LengthTooLarge),
        ("2^64 - 1", long(127, &[0xFF; 8]), Violation::LengthTooLarge),
        ("2^63 - 1", long(127, &(u64::MAX >> 1).to_be_bytes()), Violation::MessageTooLong { bytes_max: 100_000 }),
        ("over the limit", long(127, &100_001u64.to_be_bytes()), Violation::MessageTooLong { bytes_max: 100_000 }),
        ("continuation first", frame(true, Opcode::Continuation, b"x"), Violation::ContinuationWithoutStart),
        (
            "a message inside a message",
            [frame(false, Opcode::Text, b"a"), frame(true, Opcode::Text, b"b")].concat(),
            Violation::StartInsideMessage,
        ),
        (
            "continuation after the last fragment",
            [
                frame(false, Opcode::Text, b"a"),
                frame(true, Opcode::Continuation, b"b"),
                frame(true, Opcode::Continuation, b"c"),
            ]
            .concat(),
            Violation::ContinuationWithoutStart,
        ),
        (
            "fragments without end",
            [frame(false, Opcode::Text, b""), frame(false, Opcode::Continuation, b"").repeat(4)].concat(),
            Violation::TooManyFragments { fragments_max: 4 },
        ),
        (
            "fragments that are too long together",
            [frame(false, Opcode::Binary, &[0; 60_000]), frame(true, Opcode::Continuation, &[0; 60_000])].concat(),
            Violation::MessageTooLong { bytes_max: 100_000 },
        ),
        ("bad text", frame(true, Opcode::Text, b"ab\xFF"), Violation::TextNotUtf8),
        ("text that ends inside a character", frame(true, Opcode::Text, b"\xE2\x82"), Violation::TextNotUtf8),
        (
            "a fragmented text that ends inside a character",
            [frame(false, Opcode::Text, b"\xE2"), frame(true, Opcode::Continuation, b"\x82")].concat(),
            Violation::TextNotUtf8,
        ),
        ("close of one byte", frame(true, Opcode::Close, &[3]), Violation::CloseTooShort),
        ("close 1005", frame(true, Opcode::Close, &1005u16.to_be_bytes()), Violation::CloseCode(1005)),
        ("bad close reason", frame(true, Opcode::Close, b"\x03\xE8\xFF"), Violation::CloseReasonNotUtf8),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(decode_all(&bytes).1, Some(expected), "{name}, in one piece");
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode_pieces(&mut Decoder::default(), &bytewise).1, Some(expected), "{name}, byte by byte");
    }
}

#[test]
fn close_codes_are_judged_as_the_rfc_lists_them() {
    let good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
    let bad = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];
    for code in good {
        let (events, violation) = decode_all(&frame(true, Opcode::Close, &[&code_bytes(code)[..], b"bye"].concat()));
        assert_eq!(violation, None, "{code}");
        assert_eq!(events, [Event::Close(CloseFrame { code: Some(code), reason: "bye".into() })]);
    }
    for code in bad {
        assert_eq!(decode_all(&frame(true, Opcode::Close, &code_bytes(code))).1, Some(Violation::CloseCode(code)));
    }
    assert_eq!(decode_all(&frame(true, Opcode::Close, b"")).0, [Event::Close(CloseFrame::default())]);
}

fn code_bytes(code: u16) -> [u8; 2] {
    code.to_be_bytes()
}

#[test]
fn every_violation_has_a_code_and_a_reason_that_fits_a_close_frame() {
    let table = [
        (Violation::TextNotUtf8, 1007),
        (Violation::CloseReasonNotUtf8, 1007),
        (Violation::MessageTooLong { bytes_max: usize::MAX }, 1009),
        (Violation::TooManyFragments { fragments_max: u32::MAX }, 1008),
        (Violation::ReservedBits, 1002),
        (Violation::CloseCode(1005), 1002),
    ];
    for (violation, code) in table {
        assert_eq!(violation.close_code(), code);
        assert!(violation.to_string().len() <= 123);
    }
}

#[test]
fn control_frames_pass_between_fragments() {
    let bytes = [
        frame(false, Opcode::Text, "a\u{20AC}".as_bytes().split_at(2).0),
        frame(true, Opcode::Ping, b"p1"),
        frame(false, Opcode::Continuation, "a\u{20AC}".as_bytes().split_at(2).1),
        frame(true, Opcode::Pong, b""),
        frame(true, Opcode::Continuation, b"z"),
        frame(true, Opcode::Binary, b"next"),
    ]
    .concat();
    let expected = [
        Event::Ping(Cow::Borrowed(&b"p1"[..])),
        Event::Pong(Cow::Borrowed(&b""[..])),
        text("a\u{20AC}z"),
        Event::Binary(Cow::Borrowed(&b"next"[..])),
    ];
    assert_eq!(decode_all(&bytes), (expected.to_vec(), None));
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode_pieces(&mut Decoder::default(), &bytewise), (expected.to_vec(), None));
}

#[test]
fn whole_frames_are_handed_out_without_a_copy() {
    let mut buffer = [frame(true, Opcode::Text, b"hello"), frame(true, Opcode::Binary, b"world")].concat();
    let range = buffer.as_ptr_range();
    let mut decoder = Decoder::default();
    let step = decoder.decode(&mut buffer, &LIMITS).unwrap();
    assert_eq!(step.consumed, 11);
    match step.event {
        Some(Event::Text(Cow::Borrowed(text))) => assert!(range.contains(&text.as_ptr())),
        other => panic!("expected a borrowed text, got {other:?}"),
    }
    assert!(decoder.is_idle());
}

#[test]
fn bad_text_is_refused_before_its_frame_or_message_ends() {
    let good = "\u{3BA}\u{F4}".as_bytes();
    let in_frame = frame(true, Opcode::Text, &[good, b"\xF4\x90\x80\x80 and a long rest"].concat());
    // The header is 6 bytes, the good characters 4, F4 could still become something, 90 cannot follow it.
    assert_eq!(decode_all(&in_frame[..6 + 4 + 1]), (vec![], None));
    assert_eq!(decode_all(&in_frame[..6 + 4 + 2]).1, Some(Violation::TextNotUtf8));
    let in_fragments = [frame(false, Opcode::Text, good), frame(false, Opcode::Continuation, b"\xF4\x90")].concat();
    assert_eq!(decode_all(&in_fragments).1, Some(Violation::TextNotUtf8));
}

#[test]
fn nothing_is_allocated_by_a_declared_length_and_nothing_is_kept_when_idle() {
    let mut decoder = Decoder::default();
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
    let mut head = [&[0x82, 0xFF][..], &99_999u64.to_be_bytes(), &MASK, b"few"].concat();
    assert_eq!(decoder.decode(&mut head, &LIMITS).unwrap().event, None);
    assert!(decoder.held_bytes() < 400, "{} bytes held for 3 that arrived", decoder.held_bytes());
    let mut rest = vec![0; 99_996];
    let step = decoder.decode(&mut rest, &LIMITS).unwrap();
    assert!(matches!(step.event, Some(Event::Binary(bytes)) if bytes.len() == 99_999));
    assert!(decoder.is_idle() && decoder.held_bytes() == 0);
}

#[test]
fn server_frames_use_the_shortest_length_and_no_mask() {
    for (length, expected) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65535, vec![0x81, 126, 255, 255]),
        (65536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = b"before".to_vec();
        encode(Opcode::Text, &vec![b'x'; length], &mut out);
        assert_eq!(out[6..6 + expected.len()], expected, "{length}");
        assert_eq!(out.len(), 6 + expected.len() + length);
    }
}

#[test]
fn close_frames_are_always_legal() {
    let long = "\u{20AC}".repeat(100);
    for (code, reason, expected) in [
        (None, "ignored", (None, "")),
        (Some(1000), "bye", (Some(1000), "bye")),
        (Some(1006), "no", (Some(1011), "no")),
        (Some(4001), long.as_str(), (Some(4001), &long[..123])),
    ] {
        let mut out = Vec::new();
        encode_close(code, reason, &mut out);
        assert!(out.len() <= 2 + 125);
        let read = decode_all(&frame(true, Opcode::Close, &out[2..])).0;
        assert_eq!(read, [Event::Close(CloseFrame { code: expected.0, reason: expected.1.into() })]);
    }
}

fn message() -> impl Strategy<Value = Event<'static>> {
    let small = proptest::collection::vec(any::<u8>(), 0..125);
    prop_oneof![
        ".{0,300}".prop_map(|text| Event::Text(Cow::Owned(text))),
        proptest::collection::vec(any::<u8>(), 0..70_000).prop_map(|bytes| Event::Binary(Cow::Owned(bytes))),
        small.clone().prop_map(|bytes| Event::Ping(Cow::Owned(bytes))),
        small.prop_map(|bytes| Event::Pong(Cow::Owned(bytes))),
    ]
}

/// Frames of one message, data cut into `cuts` fragments with a ping between them.
fn fragmented(event: &Event<'_>, cuts: usize, mask: [u8; 4], out: &mut Vec<u8>) {
    let (opcode, bytes): (Opcode, &[u8]) = match event {
        Event::Text(text) => (Opcode::Text, text.as_bytes()),
        Event::Binary(bytes) => (Opcode::Binary, bytes),
        Event::Ping(bytes) => return encode_masked(true, Opcode::Ping, bytes, mask, out),
        Event::Pong(bytes) => return encode_masked(true, Opcode::Pong, bytes, mask, out),
        Event::Close(_) => return,
    };
    let piece = bytes.len() / (cuts + 1);
    for cut in 0..=cuts {
        let end = if cut == cuts { bytes.len() } else { piece * (cut + 1) };
        let opcode = if cut == 0 { opcode } else { Opcode::Continuation };
        encode_masked(cut == cuts, opcode, &bytes[piece * cut..end], mask, out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_encoded_is_decoded_however_it_is_split(
        messages in proptest::collection::vec((message(), 0usize..4, any::<[u8; 4]>()), 1..6),
        splits in proptest::collection::vec(1usize..5_000, 0..40),
    ) {
        let mut wire = Vec::new();
        for (event, cuts, mask) in &messages {
            fragmented(event, *cuts, *mask, &mut wire);
        }
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = &wire[..];
        for split in splits {
            let (piece, after) = rest.split_at(split.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let mut decoder = Decoder::default();
        let (events, violation) = decode_pieces(&mut decoder, &pieces);
        prop_assert_eq!(violation, None);
        prop_assert_eq!(events, messages.into_iter().map(|(event, ..)| event).collect::<Vec<_>>());
        prop_assert!(decoder.is_idle());
    }

    #[test]
    fn arbitrary_bytes_mean_the_same_in_one_piece_and_byte_by_byte(
        start in prop_oneof![Just(vec![]), Just(vec![0x81, 0x84]), Just(vec![0x01, 0xFE, 0x00, 0x80]), Just(vec![0x88, 0x85])],
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let wire = [start, bytes].concat();
        let bytewise: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(decode_all(&wire), decode_pieces(&mut Decoder::default(), &bytewise));
    }
}

#[test]
fn an_encoded_frame_tells_its_length() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
        let mut bytes = Vec::new();
        encode(Opcode::Text, &vec![b'x'; length], &mut bytes);
        let whole = bytes.len();
        bytes.extend_from_slice(&[0x81, 5]);
        assert_eq!(super::frame_bytes(&bytes), whole, "{length}");
    }
    assert_eq!(super::frame_bytes(&[]), 0);
    assert_eq!(super::frame_bytes(b"HTTP/1.1 101 Switching Protocols\r\na: b\r\n\r\n\x81\x02hi"), 42);
    assert_eq!(super::frame_bytes(&[0x81, 127, 0]), 3, "what is no whole header ends with what is there");
}
