//! Percent-decoding, strict: what is not a whole sequence or not UTF-8 is an error, never passed on as it came.

use tollgate_core::{Error, ErrorKind, Result};

/// The text behind a percent-encoded one. In query values a plus sign is a space.
///
/// # Errors
/// `invalid_input`, naming `what`; the text itself is not repeated, for it may be a secret.
pub fn decode(what: &str, text: &str, plus_is_space: bool) -> Result<String> {
    let broken = |why| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("The {what} in the URL {why}; encode it with percent signs (encodeURIComponent)."),
        )
    };
    if !text.contains(['%', '+']) {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(broken("has a percent sign without two hexadecimal digits after it")),
            },
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| broken("is not UTF-8"))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        let table = [
            ("plain", false, Some("plain")),
            ("a%20b+c", false, Some("a b+c")),
            ("a%20b+c", true, Some("a b c")),
            ("%C3%A9", false, Some("é")),
            ("a%2fb", false, Some("a/b")),
            ("%", false, None),
            ("%4", false, None),
            ("%zz", false, None),
            ("%+1", false, None),
            ("%ff", false, None),
            ("%C3", false, None),
        ];
        for (text, plus, expected) in table {
            assert_eq!(decode("id", text, plus).ok().as_deref(), expected, "{text}");
        }
        assert!(!decode("token", "leap_token_%", false).expect_err("broken").detail.contains("leap_token"));
    }
}
