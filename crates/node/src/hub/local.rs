//! The channels that this shard has subscribers on: a replica of each one's state, and its lanes.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use tokio::sync::oneshot;
use tollgate_core::command::ChannelSnapshot;
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelKey;

use super::lane::Lane;
use super::{ConnectionKey, FormatIndex};

/// How far a channel has come on this shard.
#[derive(Debug)]
pub(super) enum Standing {
    /// Its home was asked under this number; these wait for the answer. What the home sent for an earlier interest is passed over.
    Asked(u64, Vec<Waiter>),
    /// This is its state, and every later change arrives.
    Live(Arc<ChannelSnapshot>),
}

/// Who waits for a channel to be live.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A connection that wants to subscribe.
    Join(ConnectionKey),
    /// A connection that gathers its channels.
    Gather(ConnectionKey),
    /// An operation that wants to know that earlier subscriptions have taken effect.
    Settle(oneshot::Sender<()>),
}

/// A channel with subscribers, or with connections on their way to be.
#[derive(Debug)]
pub(super) struct LocalChannel {
    pub(super) key: ChannelKey,
    pub(super) standing: Standing,
    /// The last message that was appended here.
    pub(super) position: Position,
    pub(super) lanes: Vec<Lane>,
    /// Connections that gather this channel; keeps it from being dropped.
    pub(super) gatherers: usize,
    /// Whether it stands in the queue of passes.
    pub(super) queued: bool,
    /// Deleted at its home: no longer found by its key, and dissolved once its subscribers have been written the news.
    pub(super) deleted: bool,
}

impl LocalChannel {
    fn new(key: ChannelKey, ask: u64) -> Self {
        Self {
            key,
            standing: Standing::Asked(ask, Vec::new()),
            position: Position { epoch: 0, offset: 0 },
            lanes: Vec::new(),
            gatherers: 0,
            queued: false,
            deleted: false,
        }
    }

    /// The lane of this format, for those who watch who comes and goes, or for those who do not.
    pub(super) fn lane(&mut self, format: FormatIndex, watches: bool) -> &mut Lane {
        let is_it = |lane: &Lane| lane.format == format && lane.watches == watches;
        let at = self.lanes.iter().position(is_it).unwrap_or_else(|| {
            self.lanes.push(Lane::new(format, watches));
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    /// Whether this connection waits to join.
    pub(super) fn is_joining(&self, connection: ConnectionKey) -> bool {
        let waits = |waiter: &Waiter| matches!(waiter, Waiter::Join(one) if *one == connection);
        matches!(&self.standing, Standing::Asked(_, waiters) if waiters.iter().any(waits))
    }

    /// Whether nobody needs the channel here any more.
    pub(super) fn is_unused(&self) -> bool {
        let waits = matches!(&self.standing, Standing::Asked(_, waiters) if !waiters.is_empty());
        !waits
            && self.gatherers == 0
            && !self.deleted
            && self.lanes.iter().all(|lane| lane.len() == 0 && !lane.has_work())
    }
}

/// The table of them.
#[derive(Debug, Default)]
pub(super) struct LocalChannels {
    channels: Slab<LocalChannel>,
    places: HashMap<ChannelKey, u32>,
    asks: u64,
}

impl LocalChannels {
    /// The place of a channel in the table, if it is there.
    pub(super) fn find(&self, key: &ChannelKey) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// A number that no question to a home has had.
    pub(super) const fn next_ask(&mut self) -> u64 {
        self.asks += 1;
        self.asks
    }

    /// Adds a channel that is not there, to be asked for under a new number; answers its place.
    pub(super) fn add(&mut self, key: ChannelKey) -> u32 {
        let ask = self.next_ask();
        let place = u32::try_from(self.channels.insert(LocalChannel::new(key.clone(), ask)))
            .expect("invariant: fewer than 2^32 channels");
        self.places.insert(key, place);
        place
    }

    /// Takes a channel out.
    pub(super) fn remove(&mut self, place: u32) -> LocalChannel {
        let channel = self.channels.remove(place as usize);
        if !channel.deleted {
            self.places.remove(&channel.key);
        }
        channel
    }

    /// Marks a channel deleted: its key is free for another.
    pub(super) fn set_deleted(&mut self, place: u32) {
        if let Some(channel) = self.channels.get_mut(place as usize) {
            channel.deleted = true;
            self.places.remove(&channel.key);
        }
    }

    pub(super) fn get(&self, place: u32) -> Option<&LocalChannel> {
        self.channels.get(place as usize)
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut LocalChannel> {
        self.channels.get_mut(place as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }
}
