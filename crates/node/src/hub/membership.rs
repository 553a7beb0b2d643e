//! Who is subscribed to what on this shard: joining and leaving, and what follows from a home's answers. Not how a connection comes in with all its
//! channels at once, which is [`super::gathering`]'s.

use std::sync::Arc;

use tollgate_core::CloseReason;
use tollgate_core::command::{ChannelSnapshot, Notice};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelKey;
use tollgate_core::model::ChannelType;

use super::link::{Held, Link, Phase};
use super::local::{LocalChannel, Standing, Waiter};
use super::shard::{Outlet, Shard, link_mut};
use super::{ConnectionKey, FormatIndex, PeerWord};

impl Shard {
    /// Subscribes a connection to a channel, now or as soon as the channel is live here; then it is told. A connection that is subscribed
    /// already is told again, with the state as it is.
    pub(super) fn join(&mut self, connection: ConnectionKey, channel: ChannelKey, outlet: &mut dyn Outlet) {
        let Some(link) = self.link(connection) else { return };
        // The word may be older than an unsubscribe: the directory has the last word, and a leave that comes later is still on its way.
        if let (Some(project), Some(token)) = (link.project, link.token)
            && !self.directory.is_subscribed(project, token, &channel.channel)
        {
            return;
        }
        self.release_deleted(connection, &channel, outlet);
        let Some(link) = self.link(connection) else { return };
        let (is_connected, is_gathering) = (link.is_connected(), matches!(link.phase, Phase::Gathering(_)));
        let is_anonymous = link.token.is_none();
        if is_gathering {
            self.gather_one(connection, channel, outlet);
        } else if is_connected {
            let known = self.locals.find(&channel);
            let place = known.unwrap_or_else(|| self.locals.add(channel));
            let Some(local) = self.locals.get_mut(place) else { return };
            match &mut local.standing {
                // The channel that an anonymous client was allowed to enter may have been deleted meanwhile; this one is another.
                Standing::Live(snapshot) if is_anonymous && snapshot.kind != ChannelType::Unprotected => {
                    outlet.notify(connection, Notice::Unsubscribed(snapshot.channel.clone()));
                    self.drop_if_unused(place, outlet);
                }
                Standing::Live(_) => self.enter(connection, place, outlet),
                Standing::Asked(_, waiters) => {
                    // It waits before the home is asked: that may be this very shard, and then the answer comes within the call.
                    waiters.push(Waiter::Join(connection));
                    if known.is_none() {
                        self.ask_home(place, outlet);
                    }
                }
            }
        }
    }

    /// Ends a connection's subscription; it is told if `told` and if it had one.
    pub(super) fn leave(
        &mut self,
        connection: ConnectionKey,
        channel: &ChannelKey,
        told: bool,
        outlet: &mut dyn Outlet,
    ) {
        self.release_deleted(connection, channel, outlet);
        let Some(place) = self.locals.find(channel) else { return };
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        if let Phase::Gathering(gathering) = &mut link.phase {
            let Some(at) = gathering.wanted.iter().position(|wanted| *wanted == place) else { return };
            gathering.wanted.swap_remove(at);
            self.stop_gathering(connection, &[place], outlet);
            self.finish_gathering(connection, outlet);
            return;
        }
        let is_beginning = link.is_beginning(place);
        if is_beginning || link.subscriptions.iter().any(|held| held.channel == place) {
            let connected = link.is_connected();
            self.stop_beginning(connection, place);
            self.release(connection, place, outlet);
            if told && connected {
                outlet.notify(connection, Notice::Unsubscribed(channel.channel.clone()));
            }
        }
        if let Some(Standing::Asked(_, waiters)) = self.locals.get_mut(place).map(|local| &mut local.standing) {
            waiters.retain(|waiter| !matches!(waiter, Waiter::Join(one) if *one == connection));
        }
        self.drop_if_unused(place, outlet);
    }

    /// Takes a connection out of a channel, for good.
    pub(super) fn release(&mut self, connection: ConnectionKey, place: u32, outlet: &mut dyn Outlet) {
        let name = self.name_shown(connection);
        if self.step_out(connection, place, outlet) {
            self.hide_face(connection, name, place, true, outlet);
        }
    }

    /// Takes a connection, which may be in the channel already, in at its end. For the other members it was there all the time.
    pub(super) fn enter_again(
        &mut self,
        connection: ConnectionKey,
        place: u32,
        watches: bool,
        outlet: &mut dyn Outlet,
    ) {
        let name = self.name_shown(connection);
        let was_in = self.step_out(connection, place, outlet);
        self.attach(connection, place, watches, outlet);
        let is_in = |link: &Link| link.subscriptions.iter().any(|held| held.channel == place);
        if was_in && !self.link(connection).is_some_and(is_in) {
            // It could not take what it was owed, and has ended without being in.
            self.hide_face(connection, name, place, false, outlet);
        }
    }

    fn name_shown(&self, connection: ConnectionKey) -> Option<Arc<str>> {
        self.link(connection)?.rare.as_ref()?.name.clone()
    }

    /// Takes a connection out of the lane of a channel, after writing what was published before: that is still its own. False: it was not in.
    fn step_out(&mut self, connection: ConnectionKey, place: u32, outlet: &mut dyn Outlet) -> bool {
        let Some(link) = link_mut(&mut self.links, connection) else { return false };
        let Some(at) = link.subscriptions.iter().position(|held| held.channel == place) else { return false };
        let held = link.subscriptions.swap_remove(at);
        let (format, anonymous) = (link.format, link.token.is_none());
        if link.is_connected() && !link.has_ended_by(self.now, outlet) {
            let owed = self.locals.get_mut(place).map(|local| local.lane(format, held.watches).unwritten(held.place));
            for frames in owed.unwrap_or_default() {
                self.send(connection, &frames, outlet);
            }
        }
        self.detach(held, format, anonymous);
        true
    }

    /// A deleted channel of this id may still have to be told to the connection; that must not come after the news of its successor.
    fn release_deleted(&mut self, connection: ConnectionKey, channel: &ChannelKey, outlet: &mut dyn Outlet) {
        let Some(link) = self.link(connection) else { return };
        let is_deleted =
            |held: &&Held| self.locals.get(held.channel).is_some_and(|local| local.deleted && local.key == *channel);
        if let Some(place) = link.subscriptions.iter().find(is_deleted).map(|held| held.channel) {
            self.release(connection, place, outlet);
        }
    }

    pub(super) fn hold(&mut self, place: u32, by: isize) {
        if let Some(local) = self.locals.get_mut(place) {
            local.gatherers = local.gatherers.saturating_add_signed(by);
        }
    }

    pub(super) fn ask_home(&mut self, place: u32, outlet: &mut dyn Outlet) {
        let Some(LocalChannel { key, standing: Standing::Asked(ask, _), .. }) = self.locals.get(place) else { return };
        let (home, word) = (self.hub.home(key), PeerWord::Interest(key.clone(), self.index, *ask));
        self.pass_on(home, word, outlet);
    }

    /// Puts a connection into the lane of its format, unless it is in already.
    pub(super) fn attach(&mut self, connection: ConnectionKey, place: u32, watches: bool, outlet: &mut dyn Outlet) {
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        if link.subscriptions.iter().any(|held| held.channel == place) {
            return;
        }
        let Some(local) = self.locals.get_mut(place) else { return };
        let joined = local.lane(link.format, watches).join(connection);
        if link.subscriptions.is_empty() {
            link.subscriptions.reserve_exact(1);
        }
        link.subscriptions.push(Held { channel: place, place: joined, watches });
        self.subscriptions += 1;
        if let (None, Standing::Live(snapshot)) = (link.token, &local.standing) {
            self.directory.anonymous_joined(snapshot);
        }
        self.show_face(connection, place, outlet);
    }

    /// Takes a connection out of a lane. Its own list of subscriptions is the caller's to change.
    pub(super) fn detach(&mut self, held: Held, format: FormatIndex, anonymous: bool) {
        let Held { channel, place, watches } = held;
        let Some(local) = self.locals.get_mut(channel) else { return };
        if let (true, Standing::Live(snapshot)) = (anonymous, &local.standing) {
            self.directory.anonymous_left(snapshot, self.now);
        }
        self.subscriptions -= 1;
        if let Some(moved) = local.lane(format, watches).leave(place)
            && let Some(link) = link_mut(&mut self.links, moved)
        {
            link.subscriptions.iter_mut().filter(|held| held.channel == channel).for_each(|held| held.place = place);
        }
    }

    /// Lets go of a channel that nobody needs here, and tells its home.
    pub(super) fn drop_if_unused(&mut self, place: u32, outlet: &mut dyn Outlet) {
        if self.locals.get(place).is_some_and(LocalChannel::is_unused) {
            let channel = self.locals.remove(place).key;
            let home = self.hub.home(&channel);
            self.pass_on(home, PeerWord::NoInterest(channel, self.index), outlet);
        }
    }

    /// Ends a deleted channel: its subscribers have been written the news.
    pub(super) fn dissolve(&mut self, place: u32) {
        let local = self.locals.remove(place);
        self.subscriptions -= local.lanes.iter().map(super::lane::Lane::len).sum::<usize>();
        for connection in local.lanes.iter().flat_map(super::lane::Lane::connections) {
            if let Some(link) = link_mut(&mut self.links, connection) {
                link.subscriptions.retain(|held| held.channel != place);
            }
        }
    }

    pub(super) fn go_live(
        &mut self,
        snapshot: &Arc<ChannelSnapshot>,
        position: Position,
        answered: u64,
        outlet: &mut dyn Outlet,
    ) {
        let key = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
        let Some(place) = self.locals.find(&key) else { return };
        let Some(waiters) = self.answered(place, answered) else { return };
        if let Some(local) = self.locals.get_mut(place) {
            (local.standing, local.position) = (Standing::Live(Arc::clone(snapshot)), position);
        }
        for waiter in waiters {
            match waiter {
                Waiter::Join(connection) => self.join(connection, key.clone(), outlet),
                Waiter::Gather(connection) => self.gathered(connection, outlet),
                Waiter::Settle(reply) => self.tell_settled(&key, reply, outlet),
            }
        }
        self.drop_if_unused(place, outlet);
    }

    /// Those who wait for this answer of the home; nothing if it answers an interest that ended meanwhile.
    fn answered(&mut self, place: u32, answered: u64) -> Option<Vec<Waiter>> {
        match &mut self.locals.get_mut(place)?.standing {
            Standing::Asked(ask, waiters) if *ask == answered => Some(std::mem::take(waiters)),
            Standing::Asked(..) | Standing::Live(_) => None,
        }
    }

    pub(super) fn go_missing(&mut self, key: &ChannelKey, answered: u64, outlet: &mut dyn Outlet) {
        let Some(place) = self.locals.find(key) else { return };
        let Some(waiters) = self.answered(place, answered) else { return };
        for waiter in waiters {
            match waiter {
                Waiter::Join(connection) => outlet.notify(connection, Notice::Unsubscribed(key.channel.clone())),
                Waiter::Gather(connection) => {
                    self.hold(place, -1);
                    if let Some(Phase::Gathering(gathering)) =
                        link_mut(&mut self.links, connection).map(|link| &mut link.phase)
                    {
                        gathering.wanted.retain(|wanted| *wanted != place);
                    }
                    self.gathered(connection, outlet);
                }
                Waiter::Settle(reply) => self.tell_settled(key, reply, outlet),
            }
        }
        self.drop_if_unused(place, outlet);
    }

    /// Of those who are in a channel that is about to be dissolved, or on their way in: whose tokens are subscribed to its successor. Who came in the
    /// time between that and the word of the deletion was taken into the old one, and no other word tells it of the new one.
    pub(super) fn expectant(&self, place: u32) -> Vec<ConnectionKey> {
        let Some(local) = self.locals.get(place) else { return Vec::new() };
        let (project, channel) = (local.key.project, &local.key.channel);
        if self.directory.snapshot(&local.key).is_none() {
            return Vec::new();
        }
        let is_in = |link: &Link| {
            let gathers = matches!(&link.phase, Phase::Gathering(gathering) if gathering.wanted.contains(&place));
            gathers || link.is_beginning(place) || link.subscriptions.iter().any(|held| held.channel == place)
        };
        let is_expectant = |link: &Link| {
            is_in(link) && link.token.is_some_and(|token| self.directory.is_subscribed(project, token, channel))
        };
        let links = (0_u32..).zip(&self.links).filter_map(|(slot, link)| Some((slot, link.as_ref()?)));
        links
            .filter(|(_, link)| is_expectant(link))
            .map(|(slot, link)| ConnectionKey { slot, generation: link.generation })
            .collect()
    }

    /// Ends every connection, for a drain or a test.
    pub fn end_all(&mut self, reason: CloseReason, outlet: &mut dyn Outlet) {
        let all: Vec<_> = (0_u32..)
            .zip(&self.links)
            .filter_map(|(slot, link)| link.as_ref().map(|link| ConnectionKey { slot, generation: link.generation }))
            .collect();
        for connection in all {
            self.end(connection, reason, outlet);
        }
    }
}
