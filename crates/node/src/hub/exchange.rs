//! What a shard is asked and told: requests from operations and the change feed, and the words between shards.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::command::ChannelSnapshot;
use tollgate_core::delivery::{Delivery, Position};
use tollgate_core::ids::{ChannelId, ChannelKey};

use super::lane::Lane;
use super::local::{LocalChannel, Standing, Waiter};
use super::shard::{Outlet, Shard};
use super::{Frames, PeerWord, Request, ShardIndex};

impl Shard {
    /// Carries out a request from the inbox.
    pub fn request(&mut self, request: Request, outlet: &mut dyn Outlet) {
        match request {
            Request::Publish { channel, publication, how, reply } => {
                self.publish(&channel, &publication, &how, reply, outlet);
            }
            Request::Stored(channel, position, publication) => self.stored(&channel, position, &publication, outlet),
            Request::History(channel, query, reply) => {
                let _caller_left = reply.send(self.history(&channel, query));
            }
            Request::Missing(channel, from, reply) => {
                let _caller_left = reply.send(self.missing(&channel, from));
            }
            Request::Fill(channel, epoch, messages, reply) => {
                self.fill(&channel, epoch, messages);
                let _caller_left = reply.send(());
            }
            Request::After(channel, position, reply) => self.wait_after(&channel, position, reply),
            Request::Members(channel, query, random, reply) => {
                let _caller_left = reply.send(self.members(&channel, &query, random));
            }
            Request::StateChanged(snapshot) => {
                let channel = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
                let (state, version) = (snapshot.state.clone(), snapshot.version);
                self.hand_over(
                    &channel,
                    outlet,
                    |_, frames| PeerWord::Changed(Arc::clone(&snapshot), Some(frames)),
                    |channel| Delivery::State { channel, state, version },
                );
            }
            Request::SettingsChanged(snapshot, revision) => self.settings_changed(&snapshot, revision, outlet),
            Request::Deleted(channel, sequence) => self.deleted(&channel, sequence, outlet),
            Request::Join(connection, channel) => {
                self.pass_on(connection.shard, PeerWord::Join(connection.key, channel), outlet);
            }
            Request::Leave(connection, channel, token) => {
                self.pass_on(connection.shard, PeerWord::Leave(connection.key, channel, token), outlet);
            }
            Request::Direct(project, token, publication, reply) => {
                let _caller_left = reply.send(self.direct(project, token, &publication, outlet));
            }
            Request::Mailed(project, token, position, publication) => {
                self.mailed(project, token, position, &publication, outlet);
            }
            Request::DirectTo(connection, publication, reply) => {
                let frames = self.hub.frames(Delivery::Direct { position: None, publication: publication.clone() });
                let _caller_left = reply.send(self.direct_to(connection, None, &publication, &frames, outlet));
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
            Request::Inspect(inspection) => self.inspect(*inspection),
            Request::Standing(question) => self.tell_standing(*question),
            Request::Directs(question) => self.tell_directs(*question),
            Request::Settle(reply) => {
                let _caller_left = reply.send(self.last_cut_at);
            }
            Request::SettleChannel(shard, channel, reply) => {
                self.pass_on(shard, PeerWord::Settle(channel, reply), outlet);
            }
            Request::SettleSubscribers(channel, reply) => {
                let mut answers = Vec::new();
                for shard in self.homes.interested(&channel) {
                    let (settled, answer) = oneshot::channel();
                    self.pass_on(shard, PeerWord::Settle(channel.clone(), settled), outlet);
                    answers.push(answer);
                }
                let _caller_left = reply.send(answers);
            }
        }
    }

    /// Passes a delivery on to every shard with interest, this one among them, to be encoded once for each format that they write in.
    pub(super) fn hand_over(
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
        let frames = self.hub.frames(delivery(channel.channel.clone()));
        for shard in interested {
            self.pass_on(shard, word(channel.clone(), frames.clone()), outlet);
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
    pub(super) fn settle_later(&mut self, channel: &ChannelKey, reply: oneshot::Sender<()>, outlet: &mut dyn Outlet) {
        let place = self.locals.find(channel);
        match place.and_then(|place| self.locals.get_mut(place)).map(|local| &mut local.standing) {
            Some(Standing::Asked(_, waiters)) => waiters.push(Waiter::Settle(reply)),
            Some(Standing::Live(_)) | None => self.tell_settled(channel, reply, outlet),
        }
    }

    /// The answer takes the way of the words that it speaks of: a request of whoever hears it comes to the home behind them.
    pub(super) fn tell_settled(&mut self, channel: &ChannelKey, reply: oneshot::Sender<()>, outlet: &mut dyn Outlet) {
        self.pass_on(self.hub.home(channel), PeerWord::Settled(reply), outlet);
    }

    /// Carries out a word from another shard, or from this one to itself.
    pub fn peer_word(&mut self, word: PeerWord, outlet: &mut dyn Outlet) {
        match word {
            PeerWord::Interest(channel, shard, ask) => {
                // A change that the directory has is in the snapshot; the request that tells of a later one comes after this word.
                let snapshot = self.directory.snapshot(&channel);
                if let Some(snapshot) = &snapshot {
                    // Its predecessor is gone although the word of that is still on its way. Nothing of that one may be taken for this one's.
                    self.deleted(&channel, snapshot.sequence - 1, outlet);
                }
                let answer = match snapshot.zip(self.home_place(&channel)) {
                    Some((snapshot, place)) => {
                        self.homes.begin_interest(place, shard);
                        let position = self.homes.at(place).map(|home| home.past.position()).unwrap_or_default();
                        PeerWord::Live(snapshot, position, ask)
                    }
                    None => PeerWord::Missing(channel, ask),
                };
                self.pass_on(shard, answer, outlet);
            }
            PeerWord::NoInterest(channel, shard) => self.homes.end_interest(&channel, shard),
            PeerWord::Live(snapshot, position, ask) => self.go_live(&snapshot, position, ask, outlet),
            PeerWord::Missing(channel, ask) => self.go_missing(&channel, ask, outlet),
            PeerWord::Join(connection, channel) => self.join(connection, channel, outlet),
            PeerWord::Leave(connection, channel, token) => {
                // Of a token that the connection had before: it has left that one's channels already.
                if self.link(connection).is_some_and(|link| link.token == Some(token)) {
                    self.leave(connection, &channel, true, outlet);
                }
            }
            PeerWord::Settle(channel, reply) => self.settle_later(&channel, reply, outlet),
            PeerWord::Settled(reply) => {
                let _caller_left = reply.send(());
            }
            PeerWord::Published(channel, position, frames) => self.append(&channel, Some(position), false, &frames),
            PeerWord::Restarted(channel, position, frames) => self.append(&channel, Some(position), false, &frames),
            PeerWord::Presence(channel, frames) => self.append(&channel, None, true, &frames),
            PeerWord::Changed(snapshot, frames) => self.change(&snapshot, frames.as_ref(), outlet),
            PeerWord::Begin(begin) => self.begin(*begin, outlet),
            PeerWord::Begun(connection, channel, number, beginning) => {
                self.begun(connection, &channel, number, *beginning, outlet);
            }
            PeerWord::Entered(channel, sequence, connection, face) => {
                let (at, now) = (self.directory.now(), self.now);
                self.on_presence(&channel, sequence, |home| {
                    if home.settings.presence {
                        home.rare_mut().presence.enter(connection, face, at, now);
                    }
                });
            }
            PeerWord::Left(channel, sequence, connection, name, for_good) => {
                let now = self.now;
                self.on_presence(&channel, sequence, |home| {
                    if let Some(rare) = &mut home.rare {
                        rare.presence.leave(connection, &name, for_good, now);
                    }
                });
            }
            PeerWord::Attend(attend) => self.attend(&attend, outlet),
            PeerWord::Attended(connection, number, beginning) => {
                self.attended(connection, number, *beginning, outlet);
            }
            PeerWord::Direct(token, connections, position, publication, frames) => {
                for connection in connections {
                    // It may go on with another token since: then these are not its messages any more.
                    if self.link(connection).is_some_and(|link| link.token == Some(token)) {
                        self.direct_to(connection, position, &publication, &frames, outlet);
                    }
                }
            }
            PeerWord::Deleted(channel, sequence, frames) => {
                let Some(place) = self.locals.find(&channel) else { return };
                let is_meant = |local: &LocalChannel| matches!(&local.standing, Standing::Live(snapshot) if snapshot.sequence == sequence);
                if self.locals.get(place).is_some_and(is_meant) {
                    self.append(&channel, None, false, &frames);
                    let expectant = self.expectant(place);
                    self.forget_gatherers(place, outlet);
                    self.locals.set_deleted(place);
                    self.enqueue(place);
                    for connection in expectant {
                        self.join(connection, channel.clone(), outlet);
                    }
                }
            }
        }
    }

    /// Appends frames for the subscribers of a channel here, or for those of them that watch who comes and goes.
    fn append(&mut self, channel: &ChannelKey, position: Option<Position>, watchers_only: bool, frames: &Frames) {
        let Some(place) = self.locals.find(channel) else { return };
        let Some(local) = self.locals.get_mut(place).filter(|local| matches!(local.standing, Standing::Live(_))) else {
            return;
        };
        local.position = position.unwrap_or(local.position);
        for lane in local.lanes.iter_mut().filter(|lane| lane.watches || !watchers_only) {
            self.pending_bytes += lane.append(frames.of(lane.format, &self.hub.formats), self.now_us);
        }
        if local.lanes.iter().any(Lane::has_work) {
            self.enqueue(place);
        }
    }

    fn change(&mut self, snapshot: &Arc<ChannelSnapshot>, frames: Option<&Frames>, outlet: &mut dyn Outlet) {
        let key = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
        let Some(place) = self.locals.find(&key) else { return };
        let Some(local) = self.locals.get_mut(place) else { return };
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
                self.append(&key, None, false, frames);
            }
            None => {
                if snapshot.version >= current.version {
                    *current = Arc::clone(snapshot);
                }
                // Even if it was on already: this shard may have learned of it before the home, which then wanted no faces yet.
                if current.settings.presence {
                    self.show_all_faces(place, outlet);
                }
            }
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
