//! One frame header (RFC 6455 section 5.2), as a client must send it.

use super::Violation;

/// The opcodes that RFC 6455 defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    /// The four bits on the wire.
    pub fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    fn from_bits(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Opcode::Continuation),
            0x1 => Ok(Opcode::Text),
            0x2 => Ok(Opcode::Binary),
            0x8 => Ok(Opcode::Close),
            0x9 => Ok(Opcode::Ping),
            0xA => Ok(Opcode::Pong),
            reserved => Err(Violation::ReservedOpcode(reserved)),
        }
    }

    /// Close, ping or pong.
    pub fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// A whole header that passed every check which needs no context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Bytes of payload; below 2^63.
    pub(super) length: u64,
    /// Bytes of the header itself, 6 to 14.
    pub(super) header_len: usize,
}

impl Header {
    /// Reads a header from the front of `bytes`; `None` while it is incomplete. What is there is judged at once, so a bad
    /// first byte needs no second one to be refused.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0F)?;
        if opcode.is_control() && !fin {
            return Err(Violation::ControlFragmented);
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7F;
        if opcode.is_control() && short > 125 {
            return Err(Violation::ControlTooLong);
        }
        let Some((length, rest)) = parse_length(short, &bytes[2..])? else { return Ok(None) };
        let Some((mask, after)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Header { fin, opcode, mask: *mask, length, header_len: bytes.len() - after.len() }))
    }
}

/// The payload length and what follows it; `None` while it is incomplete.
fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, least, rest) = match short {
        126 => match bytes.split_first_chunk::<2>() {
            Some((long, rest)) => (u64::from(u16::from_be_bytes(*long)), 126, rest),
            None => return Ok(None),
        },
        127 => match bytes.split_first_chunk::<8>() {
            Some((long, rest)) => (u64::from_be_bytes(*long), 1 << 16, rest),
            None => return Ok(None),
        },
        _ => (u64::from(short), 0, bytes),
    };
    if length >= 1 << 63 {
        return Err(Violation::LengthTooLarge);
    }
    if length < least {
        return Err(Violation::LengthNotMinimal);
    }
    Ok(Some((length, rest)))
}
