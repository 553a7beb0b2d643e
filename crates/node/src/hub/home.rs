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
            self.channels.insert(key.clone(), HomeChannel { epoch, offset: 0, interested: 0 });
        }
        self.channels.get_mut(key).expect("invariant: inserted above")
    }

    /// The next position of this channel.
    pub(super) fn advance(&mut self, key: &ChannelKey) -> Position {
        let channel = self.channel(key);
        channel.offset += 1;
        Position { epoch: channel.epoch, offset: channel.offset }
    }

    /// Notes interest, or its end.
    pub(super) fn set_interest(&mut self, key: &ChannelKey, shard: ShardIndex, interested: bool) {
        let bit = 1 << shard.0;
        if interested {
            self.channel(key).interested |= bit;
        } else if let Some(channel) = self.channels.get_mut(key) {
            channel.interested &= !bit;
        }
    }

    /// The shards with interest.
    pub(super) fn interested(&self, key: &ChannelKey) -> impl Iterator<Item = ShardIndex> + use<> {
        let bits = self.channels.get(key).map_or(0, |channel| channel.interested);
        (0..64_u16).filter(move |bit| bits >> bit & 1 == 1).map(ShardIndex)
    }

    /// Forgets a deleted channel. One created later under the same id starts a new epoch.
    pub(super) fn remove(&mut self, key: &ChannelKey) {
        self.channels.remove(key);
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
        homes.set_interest(&key, ShardIndex(63), true);
        homes.set_interest(&key, ShardIndex(0), true);
        homes.set_interest(&key, ShardIndex(0), false);
        assert_eq!(homes.interested(&key).collect::<Vec<_>>(), [ShardIndex(63)]);
        homes.remove(&key);
        assert_eq!(homes.interested(&key).count(), 0);
        assert_eq!((homes.advance(&key).epoch, homes.advance(&key).offset), (101, 2));
    }
}
