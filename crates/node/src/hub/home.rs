//! The home part of a shard: the channels that it orders, with what they keep of their past, who has interest, who is there, and what is held back. Plain
//! data: what follows from a change is told to shards by [`super::exchange`] and [`super::homework`].

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;
use tokio::sync::oneshot;
use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::command::{ChannelSnapshot, Published};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelKey;
use tollgate_core::limits::{HISTORY_SHARD_BYTES_MAX, POLLS_PER_CHANNEL_MAX, PUBLICATION_ID_MS, PUBLICATION_IDS_MAX};
use tollgate_core::model::ChannelSettings;

use super::ShardIndex;
use super::conflation::Conflation;
use super::past::Past;
use super::presence::Presence;

/// Channels whose past is looked at in one round of upkeep.
const TRIMMED_PER_ROUND: usize = 2_000;

/// A channel that this shard orders.
#[derive(Debug)]
pub(super) struct HomeChannel {
    pub(super) key: ChannelKey,
    /// One bit for each shard that has subscribers.
    interested: u64,
    /// The number of the channel: tells it from an earlier one with the same id.
    pub(super) sequence: u64,
    /// How many changes of the channel are in this.
    pub(super) revision: u64,
    pub(super) settings: ChannelSettings,
    /// Whether its messages get their places from the store.
    pub(super) is_durable: bool,
    pub(super) past: Past,
    pub(super) rare: Option<Box<Rare>>,
}

/// What few channels have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub(super) presence: Presence,
    pub(super) conflation: Conflation,
    /// Messages that carried an id, by its hash: where they are, or nothing of those that are held back or were replaced. The oldest first.
    ids: HashMap<[u8; 16], Option<Position>>,
    ids_by_age: VecDeque<(UnixMillis, [u8; 16])>,
    /// Who waits for a message behind an offset.
    waiting: Vec<(u64, oneshot::Sender<bool>)>,
    /// When it stands in the agenda.
    due_at: Option<Monotonic>,
}

impl HomeChannel {
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What became of an earlier message with this id.
    pub(super) fn known(&mut self, once: &[u8; 16], now: UnixMillis) -> Option<Published> {
        let rare = self.rare.as_mut()?;
        rare.forget_ids(now);
        rare.ids.get(once).map(|position| position.map_or(Published::Conflated, Published::Duplicate))
    }

    /// Remembers where the message with this id is.
    pub(super) fn remember(&mut self, once: [u8; 16], position: Option<Position>, now: UnixMillis) {
        let rare = self.rare_mut();
        if let Some(known) = rare.ids.get_mut(&once) {
            *known = position;
            return;
        }
        if rare.ids.len() >= PUBLICATION_IDS_MAX {
            rare.forget_id();
        }
        rare.ids.insert(once, position);
        rare.ids_by_age.push_back((now, once));
    }

    /// Keeps somebody waiting until there is a message behind this position; answers at once if there is, or if too many wait.
    pub(super) fn wait(&mut self, behind: Position, reply: oneshot::Sender<bool>) {
        let position = self.past.position();
        let rare = self.rare_mut();
        let is_there = position.epoch != behind.epoch || position.offset > behind.offset;
        if !is_there && rare.waiting.len() >= POLLS_PER_CHANNEL_MAX {
            rare.forget_who_left();
        }
        if is_there || rare.waiting.len() >= POLLS_PER_CHANNEL_MAX {
            let _caller_left = reply.send(is_there);
        } else {
            rare.waiting.push((behind.offset, reply));
        }
    }

    /// Answers those who waited for what there is now.
    pub(super) fn wake_waiting(&mut self) {
        let offset = self.past.position().offset;
        let Some(rare) = &mut self.rare else { return };
        for (_, reply) in rare.waiting.extract_if(.., |(behind, _)| *behind < offset) {
            let _caller_left = reply.send(true);
        }
    }

    /// Answers all who wait, whatever there is: the offsets that they have mean nothing any more, or the server ends.
    pub(super) fn wake_all(&mut self) {
        for (_, reply) in self.rare.iter_mut().flat_map(|rare| rare.waiting.drain(..)) {
            let _caller_left = reply.send(true);
        }
    }

    /// Gives memory back that is not used any more.
    pub(super) fn rest(&mut self) {
        let is_idle = |rare: &Rare| {
            rare.presence.is_empty() && rare.conflation.is_empty() && rare.ids.is_empty() && rare.waiting.is_empty()
        };
        if self.rare.as_deref().is_some_and(is_idle) {
            self.rare = None;
        }
    }

    /// When something of it is due next.
    fn due_at(&self) -> Option<Monotonic> {
        let rare = self.rare.as_deref()?;
        rare.presence.due_at().into_iter().chain(rare.conflation.due_at()).min()
    }
}

impl Rare {
    fn forget_ids(&mut self, now: UnixMillis) {
        while self.ids_by_age.front().is_some_and(|(at, _)| at.0.saturating_add(PUBLICATION_ID_MS) <= now.0) {
            self.forget_id();
        }
    }

    fn forget_who_left(&mut self) {
        self.waiting.retain(|(_, waiting)| !waiting.is_closed());
    }

    fn forget_id(&mut self) {
        if let Some((_, once)) = self.ids_by_age.pop_front() {
            self.ids.remove(&once);
        }
    }
}

/// The channels that this shard orders. A channel is here from its first publication or first interest until it is deleted.
#[derive(Debug)]
pub(super) struct HomeChannels {
    channels: Slab<HomeChannel>,
    places: HashMap<ChannelKey, u32>,
    next_epoch: u64,
    /// Bytes of messages that are kept.
    bytes: usize,
    /// Channels with something due, by when.
    agenda: BTreeSet<(Monotonic, u32)>,
    /// Where the last round of upkeep ended, and the last search for room.
    trimmed: usize,
    halved: usize,
}

impl HomeChannels {
    /// `first_epoch` must be larger than any that an earlier run of the server can have given out.
    pub(super) fn new(first_epoch: u64) -> Self {
        Self {
            channels: Slab::new(),
            places: HashMap::new(),
            next_epoch: first_epoch,
            bytes: 0,
            agenda: BTreeSet::new(),
            trimmed: 0,
            halved: 0,
        }
    }

    /// An epoch that no channel has had.
    pub(super) fn new_epoch(&mut self) -> u64 {
        self.next_epoch += 1;
        self.next_epoch - 1
    }

    /// The place of a channel if it is here.
    pub(super) fn find(&self, key: &ChannelKey) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// The place of a channel; `describe` says how it stands (as [`crate::directory::Directory::described`]) when it is not here yet.
    /// Nothing if there is no such channel: what is asked of one that was deleted meanwhile must leave nothing behind for its successor.
    pub(super) fn place(
        &mut self,
        key: &ChannelKey,
        describe: impl FnOnce() -> Option<(Arc<ChannelSnapshot>, u64, u64)>,
    ) -> Option<u32> {
        if let Some(place) = self.find(key) {
            return Some(place);
        }
        let (snapshot, offset, revision) = describe()?;
        let position = match snapshot.durable_epoch {
            Some(epoch) => Position { epoch, offset },
            None => Position { epoch: self.new_epoch(), offset: 0 },
        };
        let channel = HomeChannel {
            key: key.clone(),
            interested: 0,
            sequence: snapshot.sequence,
            revision,
            settings: snapshot.settings,
            is_durable: snapshot.durable_epoch.is_some(),
            past: Past::new(position),
            rare: None,
        };
        let place = u32::try_from(self.channels.insert(channel)).expect("invariant: fewer than 2^32 channels");
        self.places.insert(key.clone(), place);
        Some(place)
    }

    pub(super) fn at(&self, place: u32) -> Option<&HomeChannel> {
        self.channels.get(place as usize)
    }

    /// Works on a channel, and keeps the accounts: of bytes, and of when it is due.
    pub(super) fn with<T>(&mut self, place: u32, work: impl FnOnce(&mut HomeChannel) -> T) -> Option<T> {
        let channel = self.channels.get_mut(place as usize)?;
        let bytes = channel.past.bytes();
        let done = work(channel);
        self.bytes = self.bytes + channel.past.bytes() - bytes;
        if channel.rare.is_some() {
            let due_at = channel.due_at();
            if let Some(rare) = &mut channel.rare
                && rare.due_at != due_at
            {
                if let Some(old) = std::mem::replace(&mut rare.due_at, due_at) {
                    self.agenda.remove(&(old, place));
                }
                self.agenda.extend(due_at.map(|at| (at, place)));
            }
            channel.rest();
        }
        if self.bytes > HISTORY_SHARD_BYTES_MAX {
            self.make_room();
        }
        Some(done)
    }

    /// Has channels give up the older half of what they keep, one after another, until it fits.
    fn make_room(&mut self) {
        let all = self.channels.capacity().max(1);
        for _ in 0..2 * all {
            if self.bytes <= HISTORY_SHARD_BYTES_MAX / 4 * 3 {
                return;
            }
            self.halved = (self.halved + 1) % all;
            if let Some(channel) = self.channels.get_mut(self.halved) {
                let bytes = channel.past.bytes();
                channel.past.halve();
                self.bytes = self.bytes + channel.past.bytes() - bytes;
            }
        }
    }

    /// The first channel with something due.
    pub(super) fn due(&self, now: Monotonic) -> Option<u32> {
        self.agenda.first().filter(|(at, _)| *at <= now).map(|(_, place)| *place)
    }

    /// When something is due next.
    pub(super) fn due_at(&self) -> Option<Monotonic> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Forgets messages that are too old, some channels at a time.
    pub(super) fn trim(&mut self, now: UnixMillis) {
        let all = self.channels.capacity().max(1);
        for _ in 0..TRIMMED_PER_ROUND.min(all) {
            self.trimmed = (self.trimmed + 1) % all;
            if let Some(channel) = self.channels.get_mut(self.trimmed) {
                if let Some(rare) = &mut channel.rare {
                    rare.forget_ids(now);
                    rare.forget_who_left();
                    channel.rest();
                }
                let bytes = channel.past.bytes();
                if bytes > 0 {
                    let settings = channel.settings;
                    channel.past.trim(&settings, now);
                    self.bytes = self.bytes + channel.past.bytes() - bytes;
                }
            }
        }
    }

    /// Answers all who wait for a message. For when the server ends.
    pub(super) fn wake_all(&mut self) {
        self.channels.iter_mut().for_each(|(_, channel)| channel.wake_all());
    }

    /// Notes a shard's interest in a channel.
    pub(super) fn begin_interest(&mut self, place: u32, shard: ShardIndex) {
        if let Some(channel) = self.channels.get_mut(place as usize) {
            channel.interested |= 1 << shard.0;
        }
    }

    /// Notes that a shard has no subscribers any more.
    pub(super) fn end_interest(&mut self, key: &ChannelKey, shard: ShardIndex) {
        if let Some(channel) = self.find(key).and_then(|place| self.channels.get_mut(place as usize)) {
            channel.interested &= !(1 << shard.0);
        }
    }

    /// The shards with interest.
    pub(super) fn interested(&self, key: &ChannelKey) -> impl Iterator<Item = ShardIndex> + use<> {
        self.find(key).map(|place| self.interested_at(place)).into_iter().flatten()
    }

    /// The same of the channel at this place.
    pub(super) fn interested_at(&self, place: u32) -> impl Iterator<Item = ShardIndex> + use<> {
        let mut bits = self.at(place).map_or(0, |channel| channel.interested);
        std::iter::from_fn(move || {
            let first = (bits != 0).then(|| ShardIndex(bits.trailing_zeros() as u16));
            bits &= bits.wrapping_sub(1);
            first
        })
    }

    /// How many shards have interest in how many channels, and how many members are in them.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let interests = self.channels.iter().map(|(_, channel)| channel.interested.count_ones() as usize).sum();
        let members =
            self.channels.iter().filter_map(|(_, channel)| channel.rare.as_ref()).map(|rare| rare.presence.len()).sum();
        (interests, members)
    }

    /// Forgets a deleted channel. One created under the same id starts a new epoch.
    pub(super) fn remove(&mut self, key: &ChannelKey) {
        let Some(place) = self.places.remove(key) else { return };
        let removed = self.channels.remove(place as usize);
        self.bytes -= removed.past.bytes();
        if let Some(due_at) = removed.rare.as_deref().and_then(|rare| rare.due_at) {
            self.agenda.remove(&(due_at, place));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tollgate_core::delivery::Publication;
    use tollgate_core::ids::{ChannelId, ProjectId};
    use tollgate_core::json::JsonValue;

    use super::*;

    fn described() -> Option<(Arc<ChannelSnapshot>, u64, u64)> {
        let snapshot = ChannelSnapshot {
            project: ProjectId::new(1),
            channel: ChannelId::from_number(1),
            kind: tollgate_core::model::ChannelType::Public,
            capabilities: tollgate_core::model::Capabilities::default(),
            settings: ChannelSettings::default(),
            durable_epoch: None,
            state: tollgate_core::json::JsonObject::empty(),
            version: 1,
            sequence: 5,
        };
        Some((Arc::new(snapshot), 0, 0))
    }

    fn advance(homes: &mut HomeChannels, key: &ChannelKey) -> Position {
        let place = homes.place(key, described).unwrap();
        let said = Publication::new("e", JsonValue::null(), UnixMillis(1));
        homes.with(place, |channel| channel.past.push(&said, &ChannelSettings::default())).unwrap();
        homes.at(place).unwrap().past.position()
    }

    fn key() -> ChannelKey {
        ChannelKey { project: ProjectId::new(1), channel: ChannelId::from_number(1) }
    }

    #[test]
    fn offsets_have_no_gaps_and_a_recreated_channel_starts_a_new_epoch() {
        let mut homes = HomeChannels::new(100);
        let key = key();
        let one = advance(&mut homes, &key);
        assert_eq!((one.epoch, one.offset), (100, 1));
        assert_eq!(advance(&mut homes, &key).offset, 2);
        let place = homes.find(&key).unwrap();
        homes.begin_interest(place, ShardIndex(63));
        homes.begin_interest(place, ShardIndex(0));
        homes.end_interest(&key, ShardIndex(0));
        assert_eq!(homes.interested(&key).collect::<Vec<_>>(), [ShardIndex(63)]);
        homes.remove(&key);
        assert_eq!((homes.interested(&key).count(), homes.bytes), (0, 0));
        assert_eq!(homes.place(&key, || None), None, "what is asked of it now leaves nothing behind");
        let again = advance(&mut homes, &key);
        assert_eq!((again.epoch, advance(&mut homes, &key).offset), (101, 2));
    }

    #[test]
    fn an_id_is_known_for_its_time_and_no_longer() {
        let mut homes = HomeChannels::new(1);
        let position = advance(&mut homes, &key());
        let place = homes.find(&key()).unwrap();
        let known = |homes: &mut HomeChannels, id: u8, now| {
            homes.with(place, |channel| channel.known(&[id; 16], UnixMillis(now))).unwrap()
        };
        homes.with(place, |channel| channel.remember([1; 16], None, UnixMillis(10))).unwrap();
        assert_eq!(known(&mut homes, 1, 10), Some(Published::Conflated), "it is held back, or was replaced");
        homes.with(place, |channel| channel.remember([1; 16], Some(position), UnixMillis(20))).unwrap();
        assert_eq!(known(&mut homes, 1, 10 + PUBLICATION_ID_MS - 1), Some(Published::Duplicate(position)));
        assert_eq!(known(&mut homes, 2, 11), None);
        assert_eq!(known(&mut homes, 1, 10 + PUBLICATION_ID_MS), None);
        assert!(homes.at(place).unwrap().rare.is_none(), "nothing is kept of it");
        for id in 0..=PUBLICATION_IDS_MAX as u64 {
            let mut once = [0; 16];
            once[..8].copy_from_slice(&id.to_be_bytes());
            homes.with(place, |channel| channel.remember(once, Some(position), UnixMillis(20))).unwrap();
        }
        assert_eq!(known(&mut homes, 0, 21), None, "the oldest makes room");
        assert_eq!(homes.at(place).unwrap().rare.as_ref().unwrap().ids.len(), PUBLICATION_IDS_MAX);
    }

    #[test]
    fn who_waits_is_answered_by_a_message_a_new_beginning_or_the_end_and_forgotten_when_gone() {
        let mut homes = HomeChannels::new(1);
        let behind = advance(&mut homes, &key());
        let place = homes.find(&key()).unwrap();
        let wait = |homes: &mut HomeChannels, behind| {
            let (reply, answer) = oneshot::channel();
            homes.with(place, |channel| channel.wait(behind, reply)).unwrap();
            answer
        };
        let held = |homes: &HomeChannels| homes.at(place).unwrap().rare.as_ref().map_or(0, |rare| rare.waiting.len());
        let (mut at_once, mut left) = (wait(&mut homes, Position { offset: 0, ..behind }), wait(&mut homes, behind));
        assert!(at_once.try_recv().is_ok() && left.try_recv().is_err() && held(&homes) == 1);
        assert!(wait(&mut homes, Position { epoch: 99, ..behind }).try_recv().is_ok(), "another run of offsets");
        advance(&mut homes, &key());
        homes.with(place, HomeChannel::wake_waiting).unwrap();
        assert!(left.try_recv().is_ok() && held(&homes) == 0);
        let behind = homes.at(place).unwrap().past.position();
        drop(wait(&mut homes, behind));
        assert_eq!(held(&homes), 1);
        homes.trim(UnixMillis(1));
        assert_eq!(held(&homes), 0, "upkeep forgets who went");
        left = wait(&mut homes, behind);
        homes.wake_all();
        assert!(left.try_recv().is_ok() && held(&homes) == 0);
    }

    #[test]
    fn who_finds_too_many_waiting_is_told_so_and_takes_the_place_of_one_who_went() {
        let mut homes = HomeChannels::new(1);
        let behind = advance(&mut homes, &key());
        let place = homes.find(&key()).unwrap();
        let mut wait = |behind| {
            let (reply, answer) = oneshot::channel();
            homes.with(place, |channel| channel.wait(behind, reply)).unwrap();
            answer
        };
        let mut waiting: Vec<_> = (0..POLLS_PER_CHANNEL_MAX).map(|_| wait(behind)).collect();
        assert!(waiting.iter_mut().all(|one| one.try_recv().is_err()), "they wait");
        assert_eq!(wait(behind).try_recv(), Ok(false));
        assert_eq!(wait(Position { offset: 0, ..behind }).try_recv(), Ok(true), "what is there is told all the same");
        waiting.pop();
        assert!(wait(behind).try_recv().is_err(), "there is room for one again");
    }

    #[test]
    fn a_shard_keeps_no_more_than_its_share() {
        let mut homes = HomeChannels::new(1);
        let text = format!("\"{}\"", "x".repeat(900_000));
        let large = Publication::new("e", JsonValue::parse(text.as_bytes(), usize::MAX).unwrap(), UnixMillis(1));
        for number in 0..200 {
            let key = ChannelKey { project: ProjectId::new(1), channel: ChannelId::from_number(number % 40) };
            let place = homes.place(&key, described).unwrap();
            homes.with(place, |channel| channel.past.push(&large, &ChannelSettings::default())).unwrap();
            let held: usize = homes.channels.iter().map(|(_, channel)| channel.past.bytes()).sum();
            assert_eq!(homes.bytes, held);
            assert!(held <= HISTORY_SHARD_BYTES_MAX);
        }
    }
}
