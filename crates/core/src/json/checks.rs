//! What JSON text must meet beyond the grammar, so that every client's parser takes it. All of it works on the text; nothing builds a tree.

use crate::error::{Error, ErrorKind};
use crate::limits::JSON_DEPTH_MAX;

/// A number of so many digits, whatever they are, is within what a double holds.
const DOUBLE_DIGITS_MAX: usize = 308;

/// What any text must meet, wherever it comes from: its size, its depth, whole characters.
pub(super) fn check(text: &str, bytes_max: usize) -> Result<(), Error> {
    if text.len() > bytes_max {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("The JSON value has {} bytes; at most {bytes_max} are allowed.", text.len()),
        ));
    }
    let depth = depth(text);
    if depth > JSON_DEPTH_MAX {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            format!("The JSON value is nested {depth} deep; at most {JSON_DEPTH_MAX} levels are allowed."),
        ));
    }
    if has_half_character(text) {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            "The JSON value has a string with half a character (a \\ud800 to \\udfff escape without its other half); many parsers refuse that. Cut strings between characters.",
        ));
    }
    Ok(())
}

/// Of what comes in only: what was kept before this was checked must still be read, and be put right by a patch.
pub(super) fn check_numbers(text: &str) -> Result<(), Error> {
    if has_endless_number(text) {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            "The JSON value has a number beyond ±1.8e308, the most that a double holds; many parsers refuse that. Send it as a string.",
        ));
    }
    Ok(())
}

/// Whether a number in a text that is known to be JSON is more than a double holds, as `1e999`: JSON by its grammar, for which many
/// parsers refuse the whole text (RFC 8259, section 6).
fn has_endless_number(text: &str) -> bool {
    // It takes an exponent, or more digits than most texts have bytes. Counted to the end, which is done many bytes at a time.
    let bytes = text.as_bytes();
    let exponents = bytes.iter().zip(bytes.iter().skip(1));
    let exponents = exponents.fold(0_u8, |any, (digit, e)| any | u8::from(digit.is_ascii_digit() & (e | 0x20 == b'e')));
    if exponents == 0 && text.len() <= DOUBLE_DIGITS_MAX {
        return false;
    }
    let is_endless = |start: usize| {
        let ends = |letter: char| !matches!(letter, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let number = text[start..].split(ends).next().unwrap_or_default();
        number.parse::<f64>().is_ok_and(f64::is_infinite)
    };
    let mut in_number = false;
    outside_strings(text).any(|(place, byte)| {
        let begins = !in_number && matches!(byte, b'-' | b'0'..=b'9');
        in_number = (in_number || begins) && !matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        begins && is_endless(place)
    })
}

/// Whether a string in a text that is known to be JSON has an escape that is half of a surrogate pair. JavaScript writes such
/// escapes for strings cut within a character; they are JSON by its grammar, yet no Unicode text (RFC 8259, section 8.2).
fn has_half_character(text: &str) -> bool {
    // Most have no escape at all, which is found out many bytes at a time.
    if !text.as_bytes().contains(&b'\\') {
        return false;
    }
    let mut rest = text.as_bytes();
    let mut awaits_second = false;
    // In JSON a backslash stands only within strings, and only before a whole escape.
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        let unit = match rest.get(place + 1..place + 6) {
            Some([b'u', digits @ ..]) => {
                std::str::from_utf8(digits).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        let follows = awaits_second && place == 0;
        match unit {
            Some(0xdc00..=0xdfff) if follows => awaits_second = false,
            Some(0xd800..=0xdbff) if !awaits_second => awaits_second = true,
            Some(0xd800..=0xdfff) => return true,
            _ if awaits_second => return true,
            _ => {}
        }
        rest = &rest[place + if unit.is_some() { 6 } else { 2 }..];
    }
    awaits_second
}

/// The bytes of a text that is known to be JSON which no string has, and their places.
fn outside_strings(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().enumerate().filter(move |&(_, byte)| {
        if !in_string {
            in_string = byte == b'"';
            return !in_string;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = false,
            _ => {}
        }
        false
    })
}

/// The deepest nesting of a text that is known to be JSON.
fn depth(text: &str) -> usize {
    if !text.starts_with(['{', '[']) {
        return 0;
    }
    let (mut now, mut deepest) = (0_usize, 0);
    for (_, byte) in outside_strings(text) {
        match byte {
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now -= 1,
            _ => {}
        }
    }
    deepest
}
