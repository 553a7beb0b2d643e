//! The spelling of positions: `EPOCH-OFFSET`, the epoch hexadecimal, the offset decimal.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use tollgate_core::delivery::Position;

/// A position as the wire spells it, for instance `18c3f-41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PositionText(pub Position);

/// The position that a text spells. `None` when it is not one: digits in small letters, without sign or leading zeros.
#[must_use]
pub fn read_position(text: &str) -> Option<Position> {
    let (epoch, offset) = text.split_once('-')?;
    let is_number = |digits: &str, radix: u32| {
        let plain = digits.chars().all(|digit| digit.is_digit(radix) && !digit.is_ascii_uppercase());
        plain && !digits.is_empty() && (digits == "0" || !digits.starts_with('0'))
    };
    if !is_number(epoch, 16) || !is_number(offset, 10) {
        return None;
    }
    Some(Position { epoch: u64::from_str_radix(epoch, 16).ok()?, offset: offset.parse().ok()? })
}

impl fmt::Display for PositionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.0.epoch, self.0.offset)
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
                read_position(text).map(PositionText).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
