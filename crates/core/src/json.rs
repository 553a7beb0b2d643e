//! JSON text that was checked once and is then passed on as bytes: values of messages, and objects of state.
//!
//! Text is kept as it came (numbers keep every digit); nothing here builds a tree. Nesting is limited, so that a value which
//! we accept can be parsed by any client.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::checks::{check, check_numbers};
use crate::error::{Error, ErrorKind};

mod checks;

/// Checked text: a word of our own, or somebody's.
#[derive(Clone)]
enum Text {
    Own(&'static str),
    Shared(Arc<str>),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Text::Own(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

/// Any JSON value, as its text. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonValue(Text);

/// A JSON object, as its text. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonObject(Text);

impl JsonValue {
    /// The value `null`.
    #[must_use]
    pub const fn null() -> Self {
        Self(Text::Own("null"))
    }

    /// Checks that `text` is one JSON value of at most `bytes_max` bytes, nested at most 128 deep, in which each string is whole
    /// characters and each number is within what a double holds.
    ///
    /// # Errors
    /// `invalid_body` when it is not such JSON, `payload_too_large` when it is too long.
    pub fn parse(text: &[u8], bytes_max: usize) -> Result<Self, Error> {
        let raw: &RawValue = serde_json::from_slice(text).map_err(|error| not_json(&error))?;
        Self::from_raw(raw, bytes_max)
    }

    /// The same for a value that a parser has already cut out of a larger text.
    ///
    /// # Errors
    /// As [`JsonValue::parse`].
    pub fn from_raw(raw: &RawValue, bytes_max: usize) -> Result<Self, Error> {
        check(raw.get(), bytes_max)?;
        check_numbers(raw.get())?;
        Ok(Self(Text::Shared(raw.get().into())))
    }

    /// Checks text that a store kept, which may have numbers beyond a double from before they were refused.
    ///
    /// # Errors
    /// Otherwise as [`JsonValue::parse`].
    pub fn parse_stored(text: &str, bytes_max: usize) -> Result<Self, Error> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        check(raw.get(), bytes_max)?;
        Ok(Self(Text::Shared(raw.get().into())))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl JsonObject {
    /// The object `{}`.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Text::Own("{}"))
    }

    /// As [`JsonValue::parse`], of an object.
    ///
    /// # Errors
    /// `invalid_body` when it is not such a JSON object, `payload_too_large` when it is too long.
    pub fn parse(text: &[u8], bytes_max: usize) -> Result<Self, Error> {
        let raw: &RawValue = serde_json::from_slice(text).map_err(|error| not_json(&error))?;
        Self::from_raw(raw, bytes_max)
    }

    /// The same for a value that a parser has already cut out of a larger text.
    ///
    /// # Errors
    /// As [`JsonObject::parse`].
    pub fn from_raw(raw: &RawValue, bytes_max: usize) -> Result<Self, Error> {
        Self::of(JsonValue::from_raw(raw, bytes_max)?)
    }

    /// Checks text that a store kept, as [`JsonValue::parse_stored`] does.
    ///
    /// # Errors
    /// Otherwise as [`JsonObject::parse`].
    pub fn parse_stored(text: &str, bytes_max: usize) -> Result<Self, Error> {
        Self::of(JsonValue::parse_stored(text, bytes_max)?)
    }

    fn of(value: JsonValue) -> Result<Self, Error> {
        if !value.as_str().starts_with('{') {
            return Err(Error::new(ErrorKind::InvalidBody, "A JSON object is needed here, like {\"key\": 1}."));
        }
        Ok(Self(value.0))
    }

    /// The text of an object that a store kept for us. Only for text that [`JsonObject::as_str`] gave.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        debug_assert!(text.starts_with('{'), "stored text of an object");
        Self(Text::Shared(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// This object with the top-level keys of `patch` put in place of its own. Keys that `patch` lacks stay; `null` is a value
    /// (Hop merges one level deep). The order of keys is kept.
    ///
    /// # Errors
    /// `payload_too_large` when the result has more than `bytes_max` bytes.
    pub fn merge(&self, patch: &Self, bytes_max: usize) -> Result<Self, Error> {
        let mut entries = self.entries();
        // By place, not by search: a patch of many small keys must stay linear.
        let places: HashMap<String, usize> =
            entries.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
        for (key, value) in patch.entries() {
            match places.get(&key) {
                Some(&place) => entries[place].1 = value,
                None => entries.push((key, value)),
            }
        }
        let mut merged = String::with_capacity(self.as_str().len() + patch.as_str().len());
        merged.push('{');
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                merged.push(',');
            }
            merged.push_str(&serde_json::to_string(key).expect("invariant: a string is always JSON"));
            merged.push(':');
            merged.push_str(value.get());
        }
        merged.push('}');
        check(&merged, bytes_max)?;
        Ok(Self(Text::Shared(merged.into())))
    }

    /// This object patched as RFC 7396 says: `null` takes a key away, an object is patched into an object, anything else is put in place.
    ///
    /// # Errors
    /// `payload_too_large` when the result has more than `bytes_max` bytes, `invalid_body` when it is nested too deeply.
    pub fn merge_patch(&self, patch: &Self, bytes_max: usize) -> Result<Self, Error> {
        let merged = patched(self.entries(), patch.entries());
        check(&merged, bytes_max)?;
        Ok(Self(Text::Shared(merged.into())))
    }

    /// The top-level entries, the last of equal keys winning.
    fn entries(&self) -> Vec<(String, &RawValue)> {
        let mut deserializer = serde_json::Deserializer::from_str(self.as_str());
        deserializer.deserialize_map(Entries).expect("invariant: the text was checked to be an object")
    }
}

/// Top-level keys and their values, to be found in other objects: as values, so `1.0` is `1` and the order of inner keys does not matter.
#[derive(Debug)]
pub struct JsonPart(Vec<(String, Option<serde_json::Value>)>);

impl JsonPart {
    /// What is looked for.
    #[must_use]
    pub fn new(wanted: &JsonObject) -> Self {
        Self(wanted.entries().into_iter().map(|(key, value)| (key, value_of(value))).collect())
    }

    /// Whether the object has each of the keys with an equal value.
    #[must_use]
    pub fn is_part_of(&self, object: &JsonObject) -> bool {
        let have = object.entries();
        let holds = |value, wanted: &Option<_>| {
            value_of(value).zip(wanted.as_ref()).is_some_and(|(value, wanted)| equal(&value, wanted))
        };
        self.0.iter().all(|(key, wanted)| have.iter().any(|(one, value)| one == key && holds(value, wanted)))
    }
}

/// `None` for what was kept with a number that no double holds, as `1e999`: it is equal to nothing.
fn value_of(raw: &RawValue) -> Option<serde_json::Value> {
    serde_json::from_str(raw.get()).ok()
}

/// Numbers by value (`1.0` is `1`), texts, lists and objects as they are.
fn equal(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    match (one, other) {
        (serde_json::Value::Number(one), serde_json::Value::Number(other)) => {
            one == other || one.as_f64().is_some_and(|one| other.as_f64() == Some(one))
        }
        _ => one == other,
    }
}

/// Recursion ends with the patch, whose depth was checked when it was parsed.
fn patched<'a>(mut entries: Vec<(String, &'a RawValue)>, patch: Vec<(String, &'a RawValue)>) -> String {
    let mut texts: HashMap<String, String> = HashMap::new();
    for (key, value) in patch {
        let place = entries.iter().position(|(known, _)| *known == key);
        if value.get() == "null" {
            entries.retain(|(known, _)| *known != key);
        } else if let Some(inner) = of_object(value) {
            let old = place.and_then(|place| of_object(entries[place].1)).unwrap_or_default();
            texts.insert(key.clone(), patched(old, inner));
            if place.is_none() {
                entries.push((key, value));
            }
        } else {
            match place {
                Some(place) => entries[place].1 = value,
                None => entries.push((key, value)),
            }
        }
    }
    let mut text = String::from("{");
    for (key, value) in &entries {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(key).expect("invariant: a string is always JSON"));
        text.push(':');
        text.push_str(texts.get(key).map_or(value.get(), String::as_str));
    }
    text.push('}');
    text
}

/// The entries of a value that is an object.
fn of_object(value: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    value.get().starts_with('{').then(|| {
        let mut deserializer = serde_json::Deserializer::from_str(value.get());
        deserializer.deserialize_map(Entries).expect("invariant: the text was checked to be an object")
    })
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Self::Value = Vec::new();
        let mut places = HashMap::new();
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            match places.get(&key) {
                Some(&place) => entries.get_mut::<usize>(place).expect("invariant: places are of entries").1 = value,
                None => {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        Ok(entries)
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidBody, format!("The body is not valid JSON: {error}."))
}

/// As it is kept within a record: the text itself, every digit of it.
impl serde::Serialize for JsonObject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// As part of a larger text: the text itself.
impl serde::Serialize for JsonValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw(&raw, usize::MAX).map_err(in_words)
    }
}

impl<'de> serde::Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw(&raw, usize::MAX).map_err(in_words)
    }
}

/// For a field of a record: an object, if there is one, that a store kept.
///
/// # Errors
/// As [`JsonObject::parse_stored`].
pub fn stored_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonObject>, D::Error> {
    let raw = <Option<Box<RawValue>> as serde::Deserialize>::deserialize(deserializer)?;
    let parse = |raw: Box<RawValue>| JsonObject::parse_stored(raw.get(), usize::MAX);
    raw.map(parse).transpose().map_err(in_words)
}

/// For a field of a record: a value that a store kept.
///
/// # Errors
/// As [`JsonValue::parse_stored`].
pub fn stored_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JsonValue, D::Error> {
    let raw = <Box<RawValue> as serde::Deserialize>::deserialize(deserializer)?;
    JsonValue::parse_stored(raw.get(), usize::MAX).map_err(in_words)
}

/// Within a larger text that is refused: what is wrong, to be put behind where.
fn in_words<E: serde::de::Error>(error: Error) -> E {
    E::custom(error.detail)
}

macro_rules! show_size {
    ($($name:ident),*) => {$(
        /// Shows only the size: values are the users' and do not belong in logs.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.as_str().len())
            }
        }
    )*};
}
show_size!(JsonValue, JsonObject);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patches_follow_rfc_7396() {
        for (target, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
            (r#"{"n":1.50}"#, r#"{"m":12345678901234567890.1}"#, r#"{"n":1.50,"m":12345678901234567890.1}"#),
        ] {
            let object = |text: &str| JsonObject::parse(text.as_bytes(), 1_000).unwrap();
            assert_eq!(
                object(target).merge_patch(&object(patch), 1_000).unwrap().as_str(),
                expected,
                "{target} {patch}"
            );
        }
        let (one, two) = (r#"{"a":"xxxx"}"#, r#"{"b":"xxxx"}"#);
        let object = |text: &str| JsonObject::parse(text.as_bytes(), 20).unwrap();
        assert_eq!(object(one).merge_patch(&object(two), 20).unwrap_err().kind, ErrorKind::TooLarge);
    }

    fn object(text: &str) -> JsonObject {
        JsonObject::parse(text.as_bytes(), 1000).unwrap()
    }

    #[test]
    fn merge_touches_only_the_given_top_level_keys() {
        let table = [
            (r#"{"a":1,"b":{"x":1}}"#, r#"{"b":{"y":2}}"#, r#"{"a":1,"b":{"y":2}}"#),
            (r#"{"a":1}"#, r#"{"a":null,"c":3}"#, r#"{"a":null,"c":3}"#),
            ("{}", r#"{"n":12345678901234567890.10}"#, r#"{"n":12345678901234567890.10}"#),
            (r#"{ "é\"" : [ 1 ] }"#, r#"{"k":"v"}"#, r#"{"é\"":[ 1 ],"k":"v"}"#),
            (r#"{"a":1,"a":2}"#, r#"{"b":1,"b":2}"#, r#"{"a":2,"b":2}"#),
        ];
        for (old, patch, new) in table {
            assert_eq!(object(old).merge(&object(patch), 1000).unwrap().as_str(), new);
        }
    }

    #[test]
    fn limits_and_shapes_are_checked() {
        let kind = |text: &str| JsonObject::parse(text.as_bytes(), 300).unwrap_err().kind;
        for bad in ["", "nul", "[1]", "1", "null", "{\"a\":}", "{} {}", "{\"a\":1"] {
            assert_eq!(kind(bad), ErrorKind::InvalidBody, "{bad}");
        }
        assert_eq!(kind(&format!("{{\"a\":\"{}\"}}", "x".repeat(300))), ErrorKind::TooLarge);
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(JsonValue::parse(deep(128).as_bytes(), 300).is_ok());
        assert_eq!(JsonValue::parse(deep(129).as_bytes(), 300).unwrap_err().kind, ErrorKind::InvalidBody);
        assert!(JsonValue::parse(br#""[[[\"[""#, 300).is_ok());
        assert_eq!(object(r#"{"a":1}"#).merge(&object(r#"{"b":1}"#), 10).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn strings_are_whole_characters() {
        let table = [
            (r#"{"\ud83d\ude00":"\uD83D\uDE00 \\ud800 \u00e9 \n"}"#, true),
            (r#"{"\ud800":1}"#, false),
            (r#"{"a":"\udc00"}"#, false),
            (r#"{"a":"\ud800 \udc00"}"#, false),
            (r#"{"a":"\ud800","b":"\udc00"}"#, false),
            (r#"{"a":"\ud800\ud800\udc00"}"#, false),
            (r#"{"a":"\ud800\n"}"#, false),
            (r#"{"a":"\\\ud800"}"#, false),
        ];
        for (text, good) in table {
            let parsed = JsonObject::parse(text.as_bytes(), 1000);
            assert_eq!(parsed.is_ok(), good, "{text}");
            if let Ok(parsed) = parsed {
                assert!(JsonObject::empty().merge(&parsed, 1000).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn numbers_fit_a_double() {
        let digits = |count: usize| "9".repeat(count);
        let table = [
            (r#"{"a":1e308,"b":[-1.7976931348623157E+308, 1e-999, 0e999]}"#.to_owned(), true),
            (r#"{"a":"1e999","1e999":"\" 1e999"}"#.to_owned(), true),
            (format!(r#"{{"a":{}}}"#, digits(308)), true),
            (format!(r#"{{"a":0.{}}}"#, digits(400)), true),
            (format!(r#"{{"a":"{}"}}"#, digits(400)), true),
            (r#"{"a":1e309}"#.to_owned(), false),
            (r#"{"a":[true,{"b":-1.5E+400}]}"#.to_owned(), false),
            (r#"{"a":"\\","b":[1, 2,1e999 ]}"#.to_owned(), false),
            (format!(r#"{{"a":{}}}"#, digits(309)), false),
        ];
        for (text, good) in table {
            assert_eq!(JsonObject::parse(text.as_bytes(), 1000).is_ok(), good, "{text}");
            assert_eq!(serde_json::from_str::<JsonObject>(&text).is_ok(), good, "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), good, "{text}, by a parser of many");
            assert_eq!(JsonObject::parse_stored(&text, 1000).unwrap().as_str(), text, "what was kept is read");
        }
        assert!(JsonValue::parse(b"1e999", 1000).is_err());
        assert!(JsonValue::parse(b"-1E5", 1000).is_ok());
    }

    #[test]
    fn a_number_that_no_double_holds_is_equal_to_nothing_and_in_nobodys_way() {
        let kept = JsonObject::parse_stored(r#"{"a":1e999,"b":1}"#, 1000).unwrap();
        assert!(!JsonPart::new(&kept).is_part_of(&kept));
        assert!(JsonPart::new(&object(r#"{"b":1}"#)).is_part_of(&kept));
        assert!(!JsonPart::new(&object(r#"{"a":1}"#)).is_part_of(&kept));
        let mended = r#"{"b":1,"c":2}"#;
        assert_eq!(kept.merge_patch(&object(r#"{"a":null,"c":2}"#), 1000).unwrap().as_str(), mended);
        assert_eq!(kept.merge(&object(r#"{"c":2}"#), 1000).unwrap().as_str(), r#"{"a":1e999,"b":1,"c":2}"#);
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", object(r#"{"secret":1}"#)), "JsonObject(12 bytes)");
    }

    #[test]
    fn a_part_is_found_by_value() {
        let object = JsonObject::parse(br#"{"a":1,"b":{"x":1,"y":[2]},"c":null}"#, 1_000).unwrap();
        for (wanted, expected) in [
            ("{}", true),
            (r#"{"a":1.0}"#, true),
            (r#"{"b":{"y":[2],"x":1}}"#, true),
            (r#"{"b":{"x":1}}"#, false),
            (r#"{"a":1,"c":null}"#, true),
            (r#"{"a":"1"}"#, false),
            (r#"{"d":null}"#, false),
        ] {
            let wanted = JsonObject::parse(wanted.as_bytes(), 1_000).unwrap();
            assert_eq!(JsonPart::new(&wanted).is_part_of(&object), expected, "{wanted:?}");
        }
    }
}
