//! Places in a channel: what a message's offset means to a reader, and where a reader stands after the server said from where it goes on.
//! No requests, no effects.

use std::fmt;
use std::str::FromStr;

use tollgate_protocol_native::wire::PositionText;

use crate::Error;

/// A place in a channel, spelled `EPOCH-OFFSET`: everything up to this offset. Two of different epochs cannot be compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position(pub(crate) PositionText);

impl Position {
    /// The run of offsets that it is of.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.0.0.epoch
    }

    /// The offset, from 1; 0 is before the first message.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.0.0.offset
    }

    /// Another offset of the same run.
    pub(crate) const fn at(mut self, offset: u64) -> Self {
        self.0.0.offset = offset;
        self
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let quoted = serde_json::Value::from(text);
        serde_json::from_value(quoted).map(Self).map_err(|_| {
            Error::InvalidInput(format!(
                "{text:.64?} is no position; they look like \"18c3f-41\", as messages have them"
            ))
        })
    }
}

/// What a message is to a reader that has everything up to some position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Next,
    Duplicate,
    Hole,
}

pub(crate) const fn judge(position: Position, offset: u64) -> Judgement {
    if offset <= position.offset() {
        Judgement::Duplicate
    } else if offset == position.offset() + 1 {
        Judgement::Next
    } else {
        Judgement::Hole
    }
}

/// Where a reader that had everything up to `had` stands when the server goes on behind `now`; and whether something between was lost to
/// it. `recovered` as the server said it, `None` where nothing was asked. What was promised whole and is not (a position further on in the
/// same run) counts as lost, too.
pub(crate) fn land(had: Option<Position>, now: Position, recovered: Option<bool>) -> (Position, bool) {
    match (had, recovered) {
        (_, Some(false)) => (now, true),
        (None, _) => (now, false),
        (Some(had), Some(true)) if had.epoch() != now.epoch() => (now, false),
        (Some(had), Some(true)) if now.offset() > had.offset() => (now, true),
        (Some(had), Some(true)) => (had, false),
        (Some(had), None) => (now, had != now),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn positions_are_read_as_they_are_spelled() {
        assert_eq!(at("18c3f-41").to_string(), "18c3f-41");
        assert_eq!((at("a-7").epoch(), at("a-7").offset()), (10, 7));
        for bad in ["", "7", "a-", "-7", "g-7", "a-+7", "a-7\"", "a-7-7"] {
            assert_eq!(bad.parse::<Position>().unwrap_err().code(), "invalid_input", "{bad}");
        }
    }

    #[test]
    fn offsets_are_next_known_or_too_early() {
        for (offset, expected) in
            [(0, Judgement::Duplicate), (7, Judgement::Duplicate), (8, Judgement::Next), (9, Judgement::Hole)]
        {
            assert_eq!(judge(at("a-7"), offset), expected, "{offset}");
        }
        assert_eq!(judge(at("a-18446744073709551615"), u64::MAX), Judgement::Duplicate);
    }

    #[test]
    fn landings() {
        for (had, now, recovered, expected, gap) in [
            (None, "a-7", None, "a-7", false),
            (None, "a-7", Some(true), "a-7", false),
            (None, "a-7", Some(false), "a-7", true),
            (Some("a-5"), "a-7", Some(false), "a-7", true),
            (Some("a-5"), "a-5", Some(true), "a-5", false),
            (Some("a-5"), "a-3", Some(true), "a-5", false),
            (Some("a-5"), "a-7", Some(true), "a-7", true),
            (Some("a-5"), "b-2", Some(true), "b-2", false),
            (Some("a-5"), "a-5", None, "a-5", false),
            (Some("a-5"), "a-7", None, "a-7", true),
            (Some("a-5"), "b-5", None, "b-5", true),
        ] {
            assert_eq!(land(had.map(at), at(now), recovered), (at(expected), gap), "{had:?} {now} {recovered:?}");
        }
    }
}
