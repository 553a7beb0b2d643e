//! Any bytes into the frame decoder: it never panics, means the same however the bytes are split, and holds no more than arrived.
//!
//! Input: one byte that seeds the splits, one that picks the limit, then what the client sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_gateway::frame::{Decoder, Event, FrameLimits, Opcode, Violation, encode_masked};

type Meaning = (Vec<Event<'static>>, Option<Violation>);

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: &FrameLimits) -> Meaning {
    let mut decoder = Decoder::default();
    let (mut events, mut arrived) = (Vec::new(), 0);
    for piece in pieces {
        let mut buffer = piece.to_vec();
        let mut at = 0;
        while at < buffer.len() {
            match decoder.decode(&mut buffer[at..], limits) {
                Ok(step) => {
                    assert!(step.consumed > 0, "no progress");
                    at += step.consumed;
                    events.extend(step.event.map(Event::into_owned));
                }
                Err(violation) => return (events, Some(violation)),
            }
        }
        arrived += piece.len();
        assert!(decoder.held_bytes() <= 512 + 2 * arrived, "more is held than has arrived");
    }
    (events, None)
}

/// Cuts the bytes into pieces of 1 to 16 bytes, by a sequence that the seed begins.
fn split(mut bytes: &[u8], mut seed: u8) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        seed = seed.wrapping_mul(29).wrapping_add(13);
        let (piece, rest) = bytes.split_at(bytes.len().min(1 + usize::from(seed >> 4)));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What was understood can be said again, and is then understood as the same.
fn say_again(event: &Event<'_>, limits: &FrameLimits) {
    let (opcode, payload): (Opcode, &[u8]) = match event {
        Event::Text(text) => (Opcode::Text, text.as_bytes()),
        Event::Binary(bytes) => (Opcode::Binary, bytes),
        Event::Ping(bytes) => (Opcode::Ping, bytes),
        Event::Pong(bytes) => (Opcode::Pong, bytes),
        Event::Close(_) => return,
    };
    let mut wire = Vec::new();
    encode_masked(true, opcode, payload, [0xA5, 0, 0xFF, 7], &mut wire);
    let (events, violation) = decode(std::iter::once(&wire[..]), limits);
    assert!(violation.is_none() && events.len() == 1 && events[0] == *event);
}

fuzz_target!(|data: &[u8]| {
    let [seed, limit, wire @ ..] = data else { return };
    let limits = FrameLimits { message_bytes_max: 64 << (limit % 12), fragments_max: 1 + u32::from(limit >> 4) };
    let whole = decode(std::iter::once(wire).filter(|wire| !wire.is_empty()), &limits);
    assert_eq!(whole, decode(split(wire, *seed), &limits), "the meaning depends on how the bytes were split");
    whole.0.iter().for_each(|event| say_again(event, &limits));
});
