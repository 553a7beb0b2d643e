//! What all have heard together: whatever two of them say of the same place must agree. Not who heard it.

use std::collections::{BTreeMap, HashMap};

use tollgate_core::delivery::Position;
use tollgate_core::model::ChannelSettings;

/// A message at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) number: u64,
    pub(super) at: u64,
}

#[derive(Debug, Default)]
pub(super) struct Truth {
    places: HashMap<(String, Position), Said>,
    /// Where each message is.
    numbers: HashMap<u64, (String, Position)>,
    /// The last offset of an epoch that is over.
    ends: HashMap<(String, u64), u64>,
    /// Of each channel, the least that it promised to keep at any time: messages and milliseconds; and the most.
    floors: BTreeMap<String, (u64, u64)>,
    pub(super) sizes_max: BTreeMap<String, u64>,
}

impl Truth {
    /// A message was heard, read, or answered to be at this place.
    pub(super) fn say(&mut self, channel: &str, position: Position, number: u64, at: Option<u64>) {
        let place = (channel.to_owned(), position);
        let here = *self.numbers.entry(number).or_insert_with(|| place.clone()) == place;
        assert!(here, "message {number} is at {position} of {channel} and at {:?}", self.numbers[&number]);
        let said = self.places.entry(place).or_insert(Said { number, at: at.unwrap_or(u64::MAX) });
        assert_eq!(said.number, number, "two messages at {position} of {channel}");
        said.at = said.at.min(at.unwrap_or(u64::MAX));
    }

    /// A listener heard the end of an epoch behind this message.
    pub(super) fn end(&mut self, channel: &str, last: Position) {
        let end = *self.ends.entry((channel.to_owned(), last.epoch)).or_insert(last.offset);
        assert_eq!(end, last.offset, "all hear the same end of epoch {:x} of {channel}", last.epoch);
    }

    pub(super) fn ends(&self) -> u64 {
        self.ends.len() as u64
    }

    /// A channel has these settings from now on, or is about to.
    pub(super) fn promise(&mut self, channel: &str, settings: &ChannelSettings) {
        let size = u64::from(settings.history.size);
        let floor = self.floors.entry(channel.to_owned()).or_insert((size, settings.history.ttl_ms));
        *floor = (floor.0.min(size), floor.1.min(settings.history.ttl_ms));
        let most = self.sizes_max.entry(channel.to_owned()).or_default();
        *most = size.max(*most).max(1);
    }

    /// Somebody was told that a position is lost: that must be so.
    pub(super) fn lost(&self, channel: &str, asked: Position, current: Position, now: u64) {
        if asked.epoch != current.epoch {
            return;
        }
        let (size, ttl_ms) = self.floors[channel];
        assert!(asked.offset <= current.offset, "{asked} of {channel} is still to come at {current}");
        let missed = current.offset - asked.offset;
        let first = self.places.get(&(channel.to_owned(), Position { offset: asked.offset + 1, ..asked }));
        let is_old = missed > 0 && first.is_none_or(|first| first.at == u64::MAX || first.at + ttl_ms <= now);
        assert!(missed > size || is_old, "{asked} of {channel} was said to be lost at {current}, {first:?}");
    }
}
