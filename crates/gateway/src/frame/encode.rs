//! Frames a server sends: never fragmented, never masked.

use super::{Opcode, close::code_is_sendable};

/// Most bytes that [`header`] yields.
pub const HEADER_BYTES_MAX: usize = 10;

/// Most bytes of a close reason: 125 of a control frame less the code.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// The header of an unmasked, final frame with `length` bytes of payload, and how many of the bytes count.
pub fn header(opcode: Opcode, length: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut bytes = [0; HEADER_BYTES_MAX];
    bytes[0] = 0x80 | opcode.bits();
    match length {
        0..=125 => {
            bytes[1] = length as u8;
            (bytes, 2)
        }
        126..=0xFFFF => {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            (bytes, 4)
        }
        _ => {
            bytes[1] = 127;
            bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            (bytes, 10)
        }
    }
}

/// Appends one whole frame. Control payloads above 125 bytes are a mistake of the caller and are cut.
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let payload = if opcode.is_control() { &payload[..payload.len().min(125)] } else { payload };
    let (header, len) = header(opcode, payload.len());
    out.reserve(len + payload.len());
    out.extend_from_slice(&header[..len]);
    out.extend_from_slice(payload);
}

/// Appends one text frame, in the shape that a wire format of the hub takes.
pub fn encode_text(payload: &[u8], out: &mut Vec<u8>) {
    encode(Opcode::Text, payload, out);
}

/// The bytes of the whole frame, header and all, that begins `bytes`: one that this server has encoded. The answer to a handshake, which may go
/// before the first, counts as one: it begins as no final frame does.
pub fn frame_bytes(bytes: &[u8]) -> usize {
    let length = |digits: &[u8]| digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
    match bytes {
        [0..0x80, ..] => bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |end| end + 4),
        [_, 127, length_and_more @ ..] => length_and_more.get(..8).map_or(bytes.len(), |digits| 10 + length(digits)),
        [_, 126, length_and_more @ ..] => length_and_more.get(..2).map_or(bytes.len(), |digits| 4 + length(digits)),
        [_, short, ..] => 2 + usize::from(*short),
        [] | [_] => bytes.len(),
    }
}

/// Appends a close frame. A reason that is too long is cut at a character; a code that must not be sent becomes 1011; no
/// code means an empty payload.
pub fn encode_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else { return encode(Opcode::Close, &[], out) };
    let code = if code_is_sendable(code) { code } else { 1011 };
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    encode(Opcode::Close, &payload, out);
}

/// Appends one frame as a client sends it. The server never does; tests and fuzz targets speak the other side with it.
#[doc(hidden)]
pub fn encode_masked(fin: bool, opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let (mut bytes, len) = header(opcode, payload.len());
    if !fin {
        bytes[0] &= 0x7F;
    }
    bytes[1] |= 0x80;
    out.extend_from_slice(&bytes[..len]);
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, key)| byte ^ key));
}
