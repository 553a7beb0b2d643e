//! What a channel's home does: gives messages their places, keeps and hands them over, answers for the past and for who is there, and does what is due.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::command::{ChannelSnapshot, HistoryQuery, MembersPage, MembersQuery, Published, StartFrom};
use tollgate_core::delivery::{Delivery, Position, Publication};
use tollgate_core::ids::ChannelKey;
use tollgate_core::ports::broker::{History, PublishHow};

use super::home::HomeChannel;
use super::past::Past;
use super::presence::Presence;
use super::shard::{Outlet, Shard};
use super::words::Begin;
use super::{Frames, PeerWord};

/// Most messages that are fetched from the store for somebody who begins in the past.
const FETCHED_MAX: u64 = 10_000;

impl Shard {
    /// The place of a channel among those that this shard orders, if it exists.
    pub(super) fn home_place(&mut self, channel: &ChannelKey) -> Option<u32> {
        let directory = &self.directory;
        self.homes.place(channel, || directory.described(channel))
    }

    /// Publishes, unless the message was published before, is held back, or gets its place from the store.
    pub(super) fn publish(
        &mut self,
        channel: &ChannelKey,
        publication: &Publication,
        how: &PublishHow,
        reply: oneshot::Sender<Option<Published>>,
        outlet: &mut dyn Outlet,
    ) {
        let Some(place) = self.home_place(channel) else {
            // The caller looks again, and finds that it was deleted.
            let _caller_left = reply.send(None);
            return;
        };
        let now = self.now;
        let decided = self.homes.with(place, |channel| {
            if channel.is_durable {
                return Some(None);
            }
            if let Some(known) = how.once.and_then(|once| channel.known(&once, publication.at)) {
                return Some(Some(known));
            }
            let per_second = channel.settings.conflate_per_second;
            let key = how.key.as_ref().filter(|_| per_second > 0)?;
            if channel.rare_mut().conflation.admits(key, publication, how.once, per_second, now) {
                return None;
            }
            // Published again it must not replace what was held since.
            if let Some(once) = how.once {
                channel.remember(once, None, publication.at);
            }
            Some(Some(Published::Conflated))
        });
        let outcome = match decided.flatten() {
            Some(outcome) => outcome,
            None => Some(Published::At(self.accept(place, publication, how.once, outlet))),
        };
        let _caller_left = reply.send(outcome);
    }

    /// Gives a message the next place, keeps it and hands it over.
    fn accept(
        &mut self,
        place: u32,
        publication: &Publication,
        once: Option<[u8; 16]>,
        outlet: &mut dyn Outlet,
    ) -> Position {
        let Some(home) = self.homes.at(place) else { return Position { epoch: 0, offset: 0 } };
        let (key, last) = (home.key.clone(), home.past.position());
        let position = Position { offset: last.offset + 1, ..last };
        self.counters.publications.add(1);
        let mut interested = self.homes.interested_at(place).peekable();
        let frames: Option<Frames> = interested.peek().is_some().then(|| {
            let (channel, publication) = (key.channel.clone(), publication.clone());
            self.hub.frames(Delivery::Message { channel, position, publication })
        });
        self.homes.with(place, |channel| {
            let settings = channel.settings;
            channel.past.push(publication, &settings);
            if let Some(once) = once {
                channel.remember(once, Some(position), publication.at);
            }
            channel.wake_waiting();
        });
        for shard in interested {
            if let Some(frames) = &frames {
                self.pass_on(shard, PeerWord::Published(key.clone(), position, frames.clone()), outlet);
            }
        }
        position
    }

    /// A message that has its place from the store. One that is here already was in the directory when this shard began to order the channel, and nobody
    /// was here then.
    pub(super) fn stored(
        &mut self,
        channel: &ChannelKey,
        position: Position,
        publication: &Publication,
        outlet: &mut dyn Outlet,
    ) {
        let Some(place) = self.home_place(channel) else { return };
        let Some(last) = self.homes.at(place).map(|home| home.past.position()) else { return };
        if last.epoch != position.epoch || position.offset <= last.offset {
            return;
        }
        if position.offset > last.offset + 1 {
            tracing::error!(%position, %last, "a message of the store came out of its order");
            self.counters.history_gaps.add(1);
            let before = Position { offset: position.offset - 1, ..position };
            self.homes.with(place, |channel| channel.past = Past::new(before));
        }
        self.accept(place, publication, None, outlet);
    }

    /// A channel was deleted, or its successor is asked for before the word of that came.
    pub(super) fn deleted(&mut self, channel: &ChannelKey, sequence: u64, outlet: &mut dyn Outlet) {
        let home = self.homes.find(channel).and_then(|place| self.homes.at(place));
        // One with a larger number is a successor, and the subscribers of this one have been told already.
        let Some(sequence) = home.map(|home| home.sequence).filter(|own| *own <= sequence) else { return };
        let interested: Vec<_> = self.homes.interested(channel).collect();
        // Before anybody is told: who then asks for the successor must not find this one.
        self.homes.remove(channel);
        if interested.is_empty() {
            return;
        }
        let frames = self.hub.frames(Delivery::Deleted { channel: channel.channel.clone() });
        for shard in interested {
            self.pass_on(shard, PeerWord::Deleted(channel.clone(), sequence, frames.clone()), outlet);
        }
    }

    /// A channel's settings changed.
    pub(super) fn settings_changed(&mut self, snapshot: &Arc<ChannelSnapshot>, revision: u64, outlet: &mut dyn Outlet) {
        let key = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
        let Some(place) = self.homes.find(&key) else { return };
        // The channel may have been known as it is now, or another, before the word of this change came.
        let is_news = |home: &&HomeChannel| home.sequence == snapshot.sequence && home.revision < revision;
        let home = self.homes.at(place).filter(is_news);
        let Some(is_durable) = home.map(|home| home.is_durable) else { return };
        if snapshot.settings.conflate_per_second == 0 {
            // Behind what is published from now on it would be old, and in a durable history it would have the place of another.
            let held = self.homes.with(place, |home| home.rare.as_mut().map(|rare| rare.conflation.release()));
            for (publication, once) in held.flatten().unwrap_or_default() {
                self.accept(place, &publication, once, outlet);
            }
        }
        let Some(last) = self.homes.at(place).map(|home| home.past.position()) else { return };
        let restarts = match snapshot.durable_epoch {
            Some(epoch) => (!is_durable || epoch != last.epoch).then_some(epoch),
            None => is_durable.then(|| self.homes.new_epoch()),
        };
        let now = self.directory.now();
        self.homes.with(place, |channel| {
            (channel.settings, channel.revision) = (snapshot.settings, revision);
            channel.is_durable = snapshot.durable_epoch.is_some();
            if let (false, Some(rare)) = (snapshot.settings.presence, &mut channel.rare) {
                rare.presence = Presence::default();
            }
            match restarts {
                Some(epoch) => {
                    channel.past = Past::new(Position { epoch, offset: 0 });
                    channel.wake_all();
                }
                None => channel.past.trim(&snapshot.settings, now),
            }
        });
        // Only now: who shows its face because of it must find that faces are wanted.
        for shard in self.homes.interested(&key) {
            self.pass_on(shard, PeerWord::Changed(Arc::clone(snapshot), None), outlet);
        }
        if let Some(epoch) = restarts {
            let position = Position { epoch, offset: 0 };
            let word = |channel, frames| PeerWord::Restarted(channel, position, frames);
            self.hand_over(&key, outlet, word, |channel| Delivery::Restarted { channel, position });
        }
    }

    /// A part of a channel's past.
    pub(super) fn history(&mut self, channel: &ChannelKey, query: HistoryQuery) -> History {
        let (place, now) = (self.home_place(channel), self.directory.now());
        let page = place.and_then(|place| {
            self.homes.with(place, |channel| {
                let settings = channel.settings;
                channel.past.trim(&settings, now);
                channel.past.page(query, channel.is_durable)
            })
        });
        page.unwrap_or(History::Lost(Position { epoch: 0, offset: 0 }))
    }

    /// Which offsets, from and to, memory lacks for somebody to begin there, where the store may have them.
    pub(super) fn missing(&mut self, channel: &ChannelKey, from: StartFrom) -> Option<(u64, u64)> {
        let place = self.home_place(channel)?;
        let home = self.homes.at(place).filter(|home| home.is_durable)?;
        let (needed, first) = (home.past.needs(from), home.past.first());
        (needed < first).then(|| (needed.max(first.saturating_sub(FETCHED_MAX)), first - 1))
    }

    /// Messages from the store.
    pub(super) fn fill(&mut self, channel: &ChannelKey, epoch: u64, messages: Vec<(u64, Publication)>) {
        let Some(place) = self.home_place(channel) else { return };
        self.homes.with(place, |channel| {
            // Those of an earlier run have the same offsets.
            if channel.is_durable && channel.past.position().epoch == epoch {
                channel.past.fill(messages);
            }
        });
    }

    pub(super) fn wait_after(&mut self, channel: &ChannelKey, behind: Position, reply: oneshot::Sender<bool>) {
        if let Some(place) = self.home_place(channel) {
            self.homes.with(place, |channel| channel.wait(behind, reply));
        }
        if self.ends_waits {
            self.homes.wake_all();
        }
    }

    /// Answers all who wait for a message without a connection, and whoever comes to wait from now on: the server ends.
    pub fn end_waits(&mut self) {
        self.ends_waits = true;
        self.homes.wake_all();
    }

    pub(super) fn members(&self, channel: &ChannelKey, query: &MembersQuery, random: u64) -> MembersPage {
        let home = self.homes.find(channel).and_then(|place| self.homes.at(place));
        match home.and_then(|home| home.rare.as_deref()) {
            Some(rare) => rare.presence.page(query, random),
            None => MembersPage { count: 0, members: Vec::new(), more: false },
        }
    }

    /// Works on a channel that this shard orders, if it is the one with this number still: faces of an earlier one are not shown in its successor.
    pub(super) fn on_presence(&mut self, channel: &ChannelKey, sequence: u64, work: impl FnOnce(&mut HomeChannel)) {
        let is_meant = |place: &u32| self.homes.at(*place).is_some_and(|home| home.sequence == sequence);
        if let Some(place) = self.homes.find(channel).filter(is_meant) {
            self.homes.with(place, work);
        }
    }

    /// Somebody wants to begin in the past: everything behind its position that is there now. What is published later comes to its shard behind this answer.
    pub(super) fn begin(&mut self, begin: Begin, outlet: &mut dyn Outlet) {
        let Begin { connection, channel, sequence, number, from, format } = begin;
        let (hub, now) = (Arc::clone(&self.hub), self.directory.now());
        // Of an earlier channel with this id: whoever asked is told of its end.
        let is_meant = |place: &u32| self.homes.at(*place).is_some_and(|home| home.sequence == sequence);
        let Some(place) = self.homes.find(&channel).filter(is_meant) else { return };
        let beginning = self.homes.with(place, |home| {
            let (settings, id) = (home.settings, channel.channel.clone());
            home.past.trim(&settings, now);
            let retained = from.is_none() && settings.retain;
            let begins = from.or_else(|| retained.then_some(StartFrom::Last(1)));
            let mut beginning = home.past.beginning(begins, format, |position, publication| {
                let delivery = Delivery::Message { channel: id.clone(), position, publication: publication.clone() };
                hub.encode(&delivery, format)
            });
            if retained {
                beginning.recovered = None;
            }
            beginning
        });
        let Some(beginning) = beginning else { return };
        if let Some(recovered) = beginning.recovered {
            if recovered { &self.counters.resumes } else { &self.counters.resumes_lost }.add(1);
        }
        let word = PeerWord::Begun(connection.key, channel, number, Box::new(beginning));
        self.pass_on(connection.shard, word, outlet);
    }

    /// Does what is due by now: held messages, news of who came and went, ends of sessions.
    pub fn wake(&mut self, outlet: &mut dyn Outlet) {
        let now = self.now;
        while let Some(place) = self.homes.due(now) {
            let held = self.homes.with(place, |channel| {
                let per_second = channel.settings.conflate_per_second;
                channel.rare.as_mut().and_then(|rare| rare.conflation.due(per_second, now))
            });
            if let Some((publication, once)) = held.flatten() {
                self.accept(place, &publication, once, outlet);
            }
            let news = self.homes.with(place, |channel| {
                let presence = &mut channel.rare.as_mut()?.presence;
                presence.expire(now);
                presence.news(now)
            });
            if let (Some((count, changes)), Some(key)) =
                (news.flatten(), self.homes.at(place).map(|home| home.key.clone()))
            {
                self.hand_over(&key, outlet, PeerWord::Presence, |channel| Delivery::Presence {
                    channel,
                    count,
                    changes,
                });
            }
        }
    }

    /// When [`Shard::wake`] is to be called next.
    #[must_use]
    pub fn wakes_at(&self) -> Option<tollgate_core::clock::Monotonic> {
        self.homes.due_at()
    }

    /// Forgets what is too old. To be called about once a second.
    pub fn forget_old(&mut self) {
        let now = self.directory.now();
        self.homes.trim(now);
        self.forget_directs(now);
    }
}
