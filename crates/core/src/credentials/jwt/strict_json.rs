//! JSON objects that name no key twice, at any depth. What two readers could read differently is refused.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Why a text is not such an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotStrict {
    /// Not JSON, not UTF-8, not an object, nested deeper than 128, or a number beyond a double's range.
    Json,
    /// A key is there twice.
    DuplicateKey,
}

/// Reads one object. The text's length is the caller's to bound.
pub(super) fn parse_object(text: &[u8]) -> Result<Map<String, Value>, NotStrict> {
    let duplicate = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict(&duplicate).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(NotStrict::Json),
        Err(_) if duplicate.get() => Err(NotStrict::DuplicateKey),
        Err(_) => Err(NotStrict::Json),
    }
}

/// The flag tells a key that is there twice from other faults.
#[derive(Clone, Copy)]
struct Strict<'f>(&'f Cell<bool>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                self.0.set(true);
                return Err(A::Error::custom("duplicate key"));
            }
            object.insert(key, map.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            "{}",
            r#"{"a":null,"b":true,"c":[1,-2,3.5,1e3,"x",{"a":1},[]],"a\"":"\ud83d\ude00"}"#,
            r#" {"n":18446744073709551615,"m":-9223372036854775808,"f":1e308} "#,
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(Value::Object(parse_object(text.as_bytes()).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn refuses_doubles_at_any_depth_and_what_is_no_object() {
        use NotStrict::{DuplicateKey, Json};
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for (text, refusal) in [
            (r#"{"a":1,"a":1}"#, DuplicateKey),
            (r#"{"a":1,"\u0061":2}"#, DuplicateKey),
            (r#"{"x":{"a":1,"b":2,"a":3}}"#, DuplicateKey),
            (r#"{"x":[{"a":1,"a":3}]}"#, DuplicateKey),
            ("", Json),
            ("[]", Json),
            ("1", Json),
            ("null", Json),
            ("{} {}", Json),
            (r#"{"a":1e999}"#, Json),
            (r#"{"a":NaN}"#, Json),
            (r#"{"a":"\ud800"}"#, Json),
            (r#"{"a":01}"#, Json),
            (r#"{'a':1}"#, Json),
            (r#"{"a":1,}"#, Json),
            (deep.as_str(), Json),
        ] {
            assert_eq!(parse_object(text.as_bytes()), Err(refusal), "{text}");
        }
        assert_eq!(parse_object(b"{\"a\":\"\xff\"}"), Err(Json));
        assert_eq!(parse_object(b"\xef\xbb\xbf{}"), Err(Json), "a byte order mark is not JSON");
    }
}
