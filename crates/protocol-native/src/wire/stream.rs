//! The body that opens an event stream by `POST`: the first requests of a connection in one. Its events are pushes, and spelled like these.

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::request::{named, object};
use super::{Connect, Subscribe};

/// What an event stream is asked for by `POST`: the first requests of a connection in one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStream<'a> {
    /// Who comes.
    #[serde(borrow, deserialize_with = "an_object")]
    pub connect: Connect<'a>,
    /// The channels to subscribe to.
    #[serde(borrow, default, deserialize_with = "wishes", skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<Subscribe<'a>>,
}

impl<'a> OpenStream<'a> {
    /// Reads the body of such a `POST`.
    ///
    /// # Errors
    /// What is not as the page says: where and how.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let read = serde_json::from_str(text).and_then(|whole: &'a RawValue| object(whole));
        read.map_err(|error| error.to_string())
    }
}

/// One, as a field.
fn an_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    object(<&'de RawValue>::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn wishes<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    named("subscribe", deserializer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_body_reads_and_is_written_by_the_same_type() {
        let text = r#"{"connect":{"project":"project_MTI","ticket":"tkt_a","positions":{"a":"1a-7"}},"subscribe":[{"channel":"b","rewind":{"last":5},"presence":true}]}"#;
        assert_eq!(serde_json::to_string(&OpenStream::parse(text).unwrap()).unwrap(), text);
        let least = OpenStream::parse(r#"{"connect":{"project":"p"}}"#).unwrap();
        assert!(least.connect.project == "p" && least.subscribe.is_empty());
    }

    #[test]
    fn what_is_not_of_the_page_is_said() {
        for (text, expected) in [
            ("", "EOF"),
            ("[]", "an object is needed"),
            (r#"[{"project":"p"}]"#, "an object is needed"),
            ("{}", "missing field `connect`"),
            (r#"{"connect":["p"]}"#, "an object is needed"),
            (r#"{"connect":{}}"#, "missing field `project`"),
            (r#"{"connect":{"project":"p","colour":1}}"#, "unknown field `colour`"),
            (r#"{"connect":{"project":"p"},"connect":{"project":"p"}}"#, "duplicate field"),
            (r#"{"connect":{"project":"p"},"channels":[]}"#, "unknown field `channels`"),
            (
                r#"{"connect":{"project":"p"},"subscribe":[{"channel":"a"},{}]}"#,
                "subscribe[1]: missing field `channel`",
            ),
            (r#"{"connect":{"project":"p"},"subscribe":["a"]}"#, "subscribe[0]: an object is needed"),
            (r#"{"connect":{"project":"p"}} x"#, "trailing"),
        ] {
            let why = OpenStream::parse(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
