//! The home part of a shard: the channels that it orders. Offsets, and who has interest.

use std::collections::HashMap;

use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelKey;

use super::ShardIndex;

/// A channel that this shard orders.
#[derive(Debug)]
struct HomeChannel {
    epoch: u64,
    offset: u64,
    /// One bit for each shard that has subscribers.
    interested: u64,
    /// The number of the channel that shards had interest in last.
    sequence: u64,
}

/// The channels that this shard orders. A channel is here from its first publication or first interest until it is deleted.
#[derive(Debug)]
pub(super) struct HomeChannels {
    channels: HashMap<ChannelKey, HomeChannel>,
    next_epoch: u64,
}

impl HomeChannels {
    /// `first_epoch` must be larger than any that an earlier run of the server can have given out.
    pub(super) fn new(first_epoch: u64) -> Self {
        Self { channels: HashMap::new(), next_epoch: first_epoch }
    }

    fn channel(&mut self, key: &ChannelKey) -> &mut HomeChannel {
        if !self.channels.contains_key(key) {
            let epoch = self.next_epoch;
            self.next_epoch += 1;
            self.channels.insert(key.clone(), HomeChannel { epoch, offset: 0, interested: 0, sequence: 0 });
        }
        self.channels.get_mut(key).expect("invariant: inserted above")
    }

    /// The next position of this channel.
    pub(super) fn advance(&mut self, key: &ChannelKey) -> Position {
        let channel = self.channel(key);
        channel.offset += 1;
        Position { epoch: channel.epoch, offset: channel.offset }
    }

    /// Notes a shard's interest in the channel with this number.
    pub(super) fn begin_interest(&mut self, key: &ChannelKey, shard: ShardIndex, sequence: u64) {
        let channel = self.channel(key);
        channel.interested |= 1 << shard.0;
        channel.sequence = channel.sequence.max(sequence);
    }

    /// Notes that a shard has no subscribers any more.
    pub(super) fn end_interest(&mut self, key: &ChannelKey, shard: ShardIndex) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.interested &= !(1 << shard.0);
        }
    }

    /// The shards with interest.
    pub(super) fn interested(&self, key: &ChannelKey) -> impl Iterator<Item = ShardIndex> + use<> {
        let bits = self.channels.get(key).map_or(0, |channel| channel.interested);
        (0..64_u16).filter(move |bit| bits >> bit & 1 == 1).map(ShardIndex)
    }

    /// Forgets a deleted channel. One created under the same id starts a new epoch; interest in it may have come before this word, and stays.
    pub(super) fn remove(&mut self, key: &ChannelKey, sequence: u64) {
        let Some(removed) = self.channels.remove(key) else { return };
        if removed.sequence > sequence {
            let channel = self.channel(key);
            (channel.interested, channel.sequence) = (removed.interested, removed.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::ids::{ChannelId, ProjectId};

    #[test]
    fn offsets_have_no_gaps_and_a_recreated_channel_starts_a_new_epoch() {
        let mut homes = HomeChannels::new(100);
        let key = ChannelKey { project: ProjectId::new(1), channel: ChannelId::from_number(1) };
        let one = homes.advance(&key);
        assert_eq!((one.epoch, one.offset), (100, 1));
        assert_eq!(homes.advance(&key).offset, 2);
        homes.begin_interest(&key, ShardIndex(63), 5);
        homes.begin_interest(&key, ShardIndex(0), 5);
        homes.end_interest(&key, ShardIndex(0));
        assert_eq!(homes.interested(&key).collect::<Vec<_>>(), [ShardIndex(63)]);
        homes.remove(&key, 4);
        assert_eq!(homes.interested(&key).collect::<Vec<_>>(), [ShardIndex(63)], "interest in a later channel stays");
        homes.remove(&key, 5);
        assert_eq!(homes.interested(&key).count(), 0);
        assert_eq!((homes.advance(&key).epoch, homes.advance(&key).offset), (102, 2));
    }
}
