//! JSON bodies into the values that operations take. No trees: values are cut out as text and stay text.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::model::Capabilities;
use tollgate_core::{Error, ErrorKind, Result};

/// The body as an object with the fields of `T`; other keys are passed over.
///
/// # Errors
/// `invalid_body` when it is not a JSON object.
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    // First of all, for serde does not look into the strings that it passes over.
    let text = std::str::from_utf8(body).map_err(|_| invalid("The body is not UTF-8."))?.trim_ascii_start();
    match text.as_bytes().first() {
        None => Err(invalid("The body is empty; send a JSON object.")),
        Some(b'{') => {
            serde_json::from_str(text).map_err(|error| invalid(format!("The body is not valid JSON: {error}.")))
        }
        Some(_) => Err(invalid("The body must be a JSON object, like {\"key\": 1}.")),
    }
}

/// Keeps `null` apart from an absent key, which serde's `Option` alone does not: for `#[serde(default, deserialize_with)]`.
pub(crate) fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A channel's or a token's state.
///
/// # Errors
/// `invalid_body` when it is not an object (in Hop's words), `payload_too_large` beyond `bytes_max`.
pub(crate) fn state(text: &[u8], whose: &str, bytes_max: usize) -> Result<JsonObject> {
    let text = text.trim_ascii();
    if text.first() != Some(&b'{') {
        return Err(invalid(format!("Please specify a valid {whose} state.")));
    }
    JsonObject::parse(text, bytes_max)
}

/// A state that may be `null`.
pub(crate) fn nullable_state(raw: &RawValue, whose: &str, bytes_max: usize) -> Result<Option<JsonObject>> {
    if is_null(raw) { Ok(None) } else { state(raw.get().as_bytes(), whose, bytes_max).map(Some) }
}

/// A string.
pub(crate) fn text(raw: Option<&RawValue>, refusal: &str) -> Result<String> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).ok_or_else(|| invalid(refusal))
}

/// A channel's settings.
pub(crate) fn capabilities(raw: &RawValue) -> Result<Capabilities> {
    let bits: Option<u64> = serde_json::from_str(raw.get()).ok();
    let bits = bits.ok_or_else(|| invalid("`capabilities` must be a whole number."))?;
    let refusal = "`capabilities` must be a sum of: 1 ephemeral, 2 token clients may publish, 4 anonymous clients may publish, \
                   8 token clients may set the state, 16 anonymous clients may set the state.";
    Capabilities::from_bits(bits).ok_or_else(|| Error::new(ErrorKind::InvalidInput, refusal))
}

/// When a token ends: RFC 3339 with any offset and any fraction of a second (kept to the millisecond), or `null` for never.
pub(crate) fn expiry(raw: &RawValue) -> Result<Option<UnixMillis>> {
    if is_null(raw) {
        return Ok(None);
    }
    let refusal = "`expires_at` must be an RFC 3339 time like \"2030-01-31T12:00:00Z\", or null for never.";
    let time = OffsetDateTime::parse(&text(Some(raw), refusal)?, &Rfc3339).map_err(|_| invalid(refusal))?;
    // A time before 1970 is as past as 1970 itself; the operation refuses both.
    Ok(Some(UnixMillis(u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))))
}

/// A list of channel ids.
pub(crate) fn channels(raw: &RawValue) -> Result<Vec<ChannelId>> {
    let ids: Vec<String> =
        serde_json::from_str(raw.get()).map_err(|_| invalid("`channels` must be an array of channel ids."))?;
    ids.iter().map(|id| ChannelId::new(id)).collect()
}

pub(crate) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidBody, detail)
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn b28_expiry_takes_nanoseconds_and_offsets() {
        let table = [
            ("null", Some(None)),
            (r#""2026-11-22T20:25:21.673319862+00:00""#, Some(Some(1_795_379_121_673))),
            (r#""2026-11-22T22:25:21.673+02:00""#, Some(Some(1_795_379_121_673))),
            (r#""2026-11-22T20:25:21Z""#, Some(Some(1_795_379_121_000))),
            (r#""0001-01-01T00:00:00Z""#, Some(Some(0))),
            (r#""9999-12-31T23:59:59Z""#, Some(Some(253_402_300_799_000))),
            (r#""2026-11-22""#, None),
            (r#""""#, None),
            ("1795379121", None),
            ("{}", None),
        ];
        for (text, expected) in table {
            let got = expiry(raw(text));
            assert_eq!(got.as_ref().ok().map(|time| time.map(|time| time.0)), expected, "{text}");
            assert!(got.err().is_none_or(|error| error.kind == ErrorKind::InvalidBody), "{text}");
        }
    }

    #[test]
    fn b15_states_are_objects() {
        for bad in ["", " ", "null", "1", "[]", "\"{}\"", "true"] {
            let error = state(bad.as_bytes(), "channel", 100).unwrap_err();
            assert_eq!(
                (error.kind, error.detail.as_str()),
                (ErrorKind::InvalidBody, "Please specify a valid channel state."),
                "{bad}"
            );
        }
        for bad in ["{", "{\"a\"}", "{} {}", "{\"a\":\u{1}}"] {
            assert_eq!(state(bad.as_bytes(), "channel", 100).unwrap_err().kind, ErrorKind::InvalidBody, "{bad}");
        }
        assert_eq!(state(b" {\"a\":1.0} ", "channel", 100).unwrap().as_str(), "{\"a\":1.0}");
        assert_eq!(state(b"{\"a\":\"xxxxxxxx\"}", "channel", 10).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn b09_bodies_are_objects() {
        #[derive(Deserialize, Debug)]
        struct One<'a> {
            #[serde(borrow, default, deserialize_with = "present")]
            a: Option<&'a RawValue>,
        }
        let table = [
            ("{}", Some(None)),
            (r#"{"a":null,"b":[1]}"#, Some(Some("null"))),
            (" {\"a\": [ 1 ] }", Some(Some("[ 1 ]"))),
            ("", None),
            ("[null]", None),
            ("{\"a\":1", None),
            ("{\"a\":1,\"a\":2}", None),
            ("null", None),
        ];
        for (text, expected) in table {
            assert_eq!(object::<One>(text.as_bytes()).ok().map(|one| one.a.map(RawValue::get)), expected, "{text}");
        }
        assert!(object::<One>(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn settings_are_a_sum_of_known_bits() {
        for (text, expected) in
            [("0", Some(0)), ("31", Some(31)), ("32", None), ("-1", None), ("1.5", None), ("\"1\"", None)]
        {
            assert_eq!(capabilities(raw(text)).ok().map(Capabilities::bits), expected, "{text}");
        }
    }
}
