//! What a shard is asked and told: requests from operations and the change feed, and the words between shards.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::command::ChannelSnapshot;
use tollgate_core::delivery::{Delivery, Publication};
use tollgate_core::ids::{ChannelId, ChannelKey};

use super::lane::Lane;
use super::link::Phase;
use super::local::{LocalChannel, Standing, Waiter};
use super::shard::{Outlet, Shard, link_mut};
use super::{ConnectionKey, Frames, PeerWord, Request, ShardIndex};

impl Shard {
    /// Carries out a request from the inbox.
    pub fn request(&mut self, request: Request, outlet: &mut dyn Outlet) {
        match request {
            Request::Publish { channel, publication, reply } => {
                let position = self.homes.advance(&channel);
                self.counters.publications.add(1);
                self.hand_over(&channel, outlet, PeerWord::Published, |channel| Delivery::Message {
                    channel,
                    publication,
                });
                let _caller_left = reply.send(position);
            }
            Request::StateChanged(snapshot) => {
                let channel = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
                let state = snapshot.state.clone();
                self.hand_over(
                    &channel,
                    outlet,
                    |_, frames| PeerWord::Changed(Arc::clone(&snapshot), Some(frames)),
                    |channel| Delivery::State { channel, state },
                );
            }
            Request::SettingsChanged(snapshot) => {
                let channel = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
                for shard in self.homes.interested(&channel) {
                    self.pass_on(shard, PeerWord::Changed(Arc::clone(&snapshot), None), outlet);
                }
            }
            Request::Deleted(channel, sequence) => {
                let word = |channel, frames| PeerWord::Deleted(channel, sequence, frames);
                self.hand_over(&channel, outlet, word, |channel| Delivery::Deleted { channel });
                self.homes.remove(&channel, sequence);
            }
            Request::Join(connection, channel) => {
                self.pass_on(connection.shard, PeerWord::Join(connection.key, channel), outlet);
            }
            Request::Leave(connection, channel, token) => {
                self.pass_on(connection.shard, PeerWord::Leave(connection.key, channel, token), outlet);
            }
            Request::Direct { connections, publication, frames } => {
                for connection in connections {
                    self.direct(connection, &publication, &frames, outlet);
                }
            }
            Request::ExpiryChanged(connection) => self.move_end(connection, outlet),
            Request::Close(connection, reason) => self.end(connection, reason, outlet),
            Request::CloseAll(connections, reason, reply) => {
                let mut count = 0;
                for connection in connections {
                    if self.link(connection).is_some() {
                        self.end(connection, reason, outlet);
                        count += 1;
                    }
                }
                let _caller_left = reply.send((count, (count > 0).then(|| outlet.now())));
            }
            Request::Settle(reply) => {
                let _caller_left = reply.send(self.last_cut_at);
            }
            Request::SettleChannel(shard, channel, reply) => {
                self.pass_on(shard, PeerWord::Settle(channel, reply), outlet);
            }
        }
    }

    fn direct(
        &mut self,
        connection: ConnectionKey,
        publication: &Publication,
        frames: &Frames,
        outlet: &mut dyn Outlet,
    ) {
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        let has_ended = link.has_ended_by(self.now, outlet);
        match &mut link.phase {
            Phase::Gathering(gathering) => {
                // As when its outbox is full: it comes back.
                if !gathering.hold(publication) {
                    self.end_slow(connection, outlet);
                }
            }
            Phase::Connected if has_ended => {
                self.end(connection, CloseReason::TokenExpired, outlet);
            }
            Phase::Connected => {
                let frame = &frames[usize::from(link.format.0)];
                link.count_out(1);
                self.send(connection, frame, outlet);
            }
            Phase::Fresh | Phase::Ending => {}
        }
    }

    /// Encodes a delivery once and passes it on to every shard with interest, this one among them.
    fn hand_over(
        &mut self,
        channel: &ChannelKey,
        outlet: &mut dyn Outlet,
        word: impl Fn(ChannelKey, Frames) -> PeerWord,
        delivery: impl FnOnce(ChannelId) -> Delivery,
    ) {
        let mut interested = self.homes.interested(channel).peekable();
        if interested.peek().is_none() {
            return;
        }
        let frames = self.hub.encode(&delivery(channel.channel.clone()));
        for shard in interested {
            self.pass_on(shard, word(channel.clone(), Arc::clone(&frames)), outlet);
        }
    }

    /// Gives a word to a shard: at once if it is this one, else through its inbox, behind what already waits for it.
    pub(super) fn pass_on(&mut self, shard: ShardIndex, word: PeerWord, outlet: &mut dyn Outlet) {
        if shard == self.index {
            self.peer_word(word, outlet);
        } else if self.overflow.is_empty() {
            if let Err(word) = self.hub.pass_on(shard, word) {
                self.overflow.push_back((shard, word));
            }
        } else {
            self.overflow.push_back((shard, word));
        }
    }

    /// Tries again to pass on what other shards had no room for. To be called every turn while [`Shard::accepts_requests`] is false.
    pub fn retry(&mut self) {
        while let Some((shard, word)) = self.overflow.pop_front() {
            if let Err(word) = self.hub.pass_on(shard, word) {
                self.overflow.push_front((shard, word));
                return;
            }
        }
    }

    /// Answers when everything asked before has taken effect: at once, or when the channel's home has answered.
    fn settle_later(&mut self, channel: &ChannelKey, reply: oneshot::Sender<()>) {
        let place = self.locals.find(channel);
        match place.and_then(|place| self.locals.get_mut(place)).map(|local| &mut local.standing) {
            Some(Standing::Asked(_, waiters)) => waiters.push(Waiter::Settle(reply)),
            Some(Standing::Live(_)) | None => {
                let _caller_left = reply.send(());
            }
        }
    }

    /// Carries out a word from another shard, or from this one to itself.
    pub fn peer_word(&mut self, word: PeerWord, outlet: &mut dyn Outlet) {
        match word {
            PeerWord::Interest(channel, shard, ask) => {
                // A change that the directory has is in the snapshot; the request that tells of a later one comes after this word.
                let answer = match self.directory.snapshot(&channel) {
                    Some(snapshot) => {
                        self.homes.begin_interest(&channel, shard, snapshot.sequence);
                        PeerWord::Live(snapshot, ask)
                    }
                    None => PeerWord::Missing(channel, ask),
                };
                self.pass_on(shard, answer, outlet);
            }
            PeerWord::NoInterest(channel, shard) => self.homes.end_interest(&channel, shard),
            PeerWord::Live(snapshot, ask) => self.go_live(&snapshot, ask, outlet),
            PeerWord::Missing(channel, ask) => self.go_missing(&channel, ask, outlet),
            PeerWord::Join(connection, channel) => self.join(connection, channel, outlet),
            PeerWord::Leave(connection, channel, token) => {
                // Of a token that the connection had before: it has left that one's channels already.
                if self.link(connection).is_some_and(|link| link.token == Some(token)) {
                    self.leave(connection, &channel, true, outlet);
                }
            }
            PeerWord::Settle(channel, reply) => self.settle_later(&channel, reply),
            PeerWord::Published(channel, frames) => self.append(&channel, &frames),
            PeerWord::Changed(snapshot, frames) => self.change(&snapshot, frames.as_ref()),
            PeerWord::Deleted(channel, sequence, frames) => {
                let Some(place) = self.locals.find(&channel) else { return };
                let is_meant = |local: &LocalChannel| matches!(&local.standing, Standing::Live(snapshot) if snapshot.sequence == sequence);
                if self.locals.get(place).is_some_and(is_meant) {
                    self.append(&channel, &frames);
                    self.forget_gatherers(place);
                    self.locals.set_deleted(place);
                    self.enqueue(place);
                }
            }
        }
    }

    fn append(&mut self, channel: &ChannelKey, frames: &Frames) {
        let Some(place) = self.locals.find(channel) else { return };
        let Some(local) = self.locals.get_mut(place).filter(|local| matches!(local.standing, Standing::Live(_))) else {
            return;
        };
        for lane in &mut local.lanes {
            self.pending_bytes += lane.append(&frames[usize::from(lane.format.0)]);
        }
        if local.lanes.iter().any(Lane::has_work) {
            self.enqueue(place);
        }
    }

    fn change(&mut self, snapshot: &Arc<ChannelSnapshot>, frames: Option<&Frames>) {
        let key = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
        let Some(local) = self.locals.find(&key).and_then(|place| self.locals.get_mut(place)) else { return };
        let Standing::Live(current) = &mut local.standing else { return };
        // Of an earlier channel with this id: this one was created since.
        if snapshot.sequence != current.sequence {
            return;
        }
        match frames {
            // Subscribers that joined with this state, or a newer one, have it: the home learned of it before it told us that the channel is live.
            Some(_) if snapshot.version <= current.version => {}
            Some(frames) => {
                *current = Arc::clone(snapshot);
                self.append(&key, frames);
            }
            None if snapshot.version >= current.version => *current = Arc::clone(snapshot),
            None => {}
        }
    }

    fn enqueue(&mut self, place: u32) {
        if let Some(local) = self.locals.get_mut(place)
            && !local.queued
        {
            local.queued = true;
            self.queue.push_back(place);
        }
    }
}
