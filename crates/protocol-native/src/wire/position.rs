//! Positions inside frames. Their spelling is the core's, which other doors share.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use tollgate_core::delivery::Position;

/// A position as the wire spells it, for instance `18c3f-41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PositionText(pub Position);

impl fmt::Display for PositionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for PositionText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PositionText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = PositionText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a position like \"18c3f-41\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PositionText, E> {
                text.parse().map(PositionText).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
