//! Who is subscribed to what on this shard: joining, leaving, being admitted with everything at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::command::{ChannelSnapshot, Notice, StartFrom, SubscribeWish, Subscribed};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelKey;
use tollgate_core::model::ChannelType;

use super::link::{Admission, Gathering, Held, HeldDirects, Link, NEVER, Phase};
use super::local::{LocalChannel, Standing, Waiter};
use super::shard::{Outlet, Shard, link_mut};
use super::words::Attend;
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

    /// Takes a connection out of a channel, after writing what was published before: that is still its own.
    pub(super) fn release(&mut self, connection: ConnectionKey, place: u32, outlet: &mut dyn Outlet) {
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        let Some(at) = link.subscriptions.iter().position(|held| held.channel == place) else { return };
        let held = link.subscriptions.swap_remove(at);
        let (format, anonymous) = (link.format, link.token.is_none());
        let name = link.rare.as_ref().and_then(|rare| rare.name.clone());
        if link.is_connected() && !link.has_ended_by(self.now, outlet) {
            let owed = self.locals.get_mut(place).map(|local| local.lane(format, held.watches).unwritten(held.place));
            for frames in owed.unwrap_or_default() {
                self.send(connection, &frames, outlet);
            }
        }
        self.detach(held, format, anonymous);
        self.hide_face(connection, name, place, true, outlet);
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

    /// Admits an identified connection: its channels are fetched, and once all are live it is subscribed to them in one instant and told.
    pub(super) fn admit(&mut self, connection: ConnectionKey, admission: Admission, outlet: &mut dyn Outlet) {
        let (project, token) = (admission.project, admission.token);
        let Some(link) = link_mut(&mut self.links, connection).filter(|link| matches!(link.phase, Phase::Fresh)) else {
            // It went while it was being identified.
            if let Some(token) = token {
                self.directory.disconnected(project, token, self.reference(connection), self.now);
            }
            return;
        };
        link.project = Some(project);
        link.token = token;
        link.id = admission.connected.connection;
        link.address = admission.peer.as_ref().map(|peer| peer.address);
        link.origin = self.origins.number(admission.peer.as_ref().and_then(|peer| peer.origin.as_ref()));
        let expiry = admission.connected.token.as_ref().and_then(|token| token.expiry);
        link.ends_at = expiry.map_or(NEVER, |expiry| self.now.plus(expiry.left_ms));
        let mut admission = admission;
        let channels = std::mem::take(&mut admission.channels);
        let attends = token.filter(|_| admission.resume.is_some());
        link.attends = attends.is_some();
        let (from, goes_on) = (admission.resume.as_ref().and_then(|resume| resume.direct), admission.connected.resumed);
        if let Some(resume) = &mut admission.resume
            && let Some(data) = resume.data.take()
        {
            link.rare_mut().data = Some(data);
        }
        let format = link.format;
        link.phase = Phase::Gathering(Box::new(Gathering {
            admission,
            wanted: Vec::new(),
            outstanding: usize::from(attends.is_some()),
            asking: true,
            held: HeldDirects::default(),
            attended: None,
        }));
        if let Some(token) = attends {
            let (connection, number) = (self.reference(connection), self.locals.next_ask());
            let attend = Attend { connection, project, token, number, from, goes_on, format };
            self.pass_on(self.hub.home_of_token(token), PeerWord::Attend(Box::new(attend)), outlet);
        }
        for channel in channels {
            self.gather_one(connection, ChannelKey { project, channel }, outlet);
        }
        if let Some(Phase::Gathering(gathering)) = link_mut(&mut self.links, connection).map(|link| &mut link.phase) {
            gathering.asking = false;
        }
        self.finish_gathering(connection, outlet);
    }

    fn gather_one(&mut self, connection: ConnectionKey, channel: ChannelKey, outlet: &mut dyn Outlet) {
        // Counted before the channel is asked for: its home may be this very shard, and then the answer comes within the call.
        let known = self.locals.find(&channel);
        let place = known.unwrap_or_else(|| self.locals.add(channel));
        let Some(Phase::Gathering(gathering)) = link_mut(&mut self.links, connection).map(|link| &mut link.phase)
        else {
            return;
        };
        if gathering.wanted.contains(&place) {
            return;
        }
        gathering.wanted.push(place);
        let Some(local) = self.locals.get_mut(place) else { return };
        local.gatherers += 1;
        if let Standing::Asked(_, waiters) = &mut local.standing {
            waiters.push(Waiter::Gather(connection));
            gathering.outstanding += 1;
        }
        if known.is_none() {
            self.ask_home(place, outlet);
        }
    }

    /// If nothing is outstanding: subscribes the connection to all that it gathered, and answers it. Channels in which it was before begin after that,
    /// each with what it missed.
    pub(super) fn finish_gathering(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        if !matches!(&link.phase, Phase::Gathering(gathering) if gathering.outstanding == 0 && !gathering.asking) {
            return;
        }
        if link.has_ended_by(self.now, outlet) {
            return self.end(connection, CloseReason::TokenExpired, outlet);
        }
        let Phase::Gathering(gathering) = std::mem::replace(&mut link.phase, Phase::Connected) else { return };
        let Gathering { admission, wanted, held, attended, .. } = *gathering;
        let mut connected = admission.connected;
        if let Some(expiry) = connected.token.as_mut().and_then(|token| token.expiry.as_mut()) {
            // Gathering took its time.
            expiry.left_ms = link.ends_at.since(self.now);
        }
        let resume = admission.resume.unwrap_or_default();
        let positions: HashMap<&str, Position> =
            resume.positions.iter().map(|(channel, position)| (channel.as_str(), *position)).collect();
        let watched: HashSet<&str> = resume.watches.iter().map(String::as_str).collect();
        let (mut resuming, mut unwanted) = (Vec::new(), Vec::new());
        for place in wanted {
            let Some(local) = self.locals.get(place) else { continue };
            let (Standing::Live(snapshot), now_at) = (&local.standing, local.position) else { continue };
            let channel = Arc::clone(snapshot);
            // The channel that it was subscribed to was deleted meanwhile, and this is another with the same id.
            if admission
                .token
                .is_some_and(|token| !self.directory.is_subscribed(admission.project, token, &channel.channel))
            {
                unwanted.push(place);
                continue;
            }
            let (from, watches) =
                (positions.get(channel.channel.as_str()).copied(), watched.contains(channel.channel.as_str()));
            if let Some(position) = from {
                let wish = SubscribeWish { from: Some(StartFrom::Position(position)), watches, data: None };
                if let Some(link) = link_mut(&mut self.links, connection) {
                    link.put_wish(channel.channel.clone(), wish);
                }
                resuming.push(place);
            } else {
                self.attach(connection, place, watches, outlet);
                self.hold(place, -1);
            }
            let position = from.unwrap_or(now_at);
            connected.channels.push(Subscribed { channel, position, recovered: None, is_resuming: from.is_some() });
        }
        let mut missed = Bytes::new();
        if let Some(beginning) = attended {
            connected.direct = Some(beginning.position);
            connected.direct_lost = match beginning.recovered {
                Some(is_whole) => !is_whole,
                None => resume.direct.is_some(),
            };
            missed = beginning.missed;
        }
        outlet.connected(connection, connected);
        if !missed.is_empty() {
            outlet.send_after(connection, missed);
        }
        for (position, publication) in held.take() {
            outlet.notify(connection, Notice::Direct(position, publication));
        }
        for place in unwanted {
            self.hold(place, -1);
            self.drop_if_unused(place, outlet);
        }
        for place in resuming {
            self.enter(connection, place, outlet);
            self.hold(place, -1);
            self.drop_if_unused(place, outlet);
        }
    }

    /// Releases channels that a connection gathered and does not want any more.
    pub(super) fn stop_gathering(&mut self, connection: ConnectionKey, places: &[u32], outlet: &mut dyn Outlet) {
        for &place in places {
            let Some(local) = self.locals.get_mut(place) else { continue };
            local.gatherers -= 1;
            if let Standing::Asked(_, waiters) = &mut local.standing {
                waiters.retain(|waiter| !matches!(waiter, Waiter::Gather(one) if *one == connection));
                if let Some(Phase::Gathering(gathering)) =
                    link_mut(&mut self.links, connection).map(|link| &mut link.phase)
                {
                    gathering.outstanding -= 1;
                }
            }
            self.drop_if_unused(place, outlet);
        }
    }

    pub(super) fn hold(&mut self, place: u32, by: isize) {
        if let Some(local) = self.locals.get_mut(place) {
            local.gatherers = local.gatherers.saturating_add_signed(by);
        }
    }

    fn ask_home(&mut self, place: u32, outlet: &mut dyn Outlet) {
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
                Waiter::Settle(reply) => {
                    let _caller_left = reply.send(());
                }
            }
        }
        self.drop_if_unused(place, outlet);
    }

    fn gathered(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        if let Some(Phase::Gathering(gathering)) = link_mut(&mut self.links, connection).map(|link| &mut link.phase) {
            gathering.outstanding -= 1;
        }
        self.finish_gathering(connection, outlet);
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
                Waiter::Settle(reply) => {
                    let _caller_left = reply.send(());
                }
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

    /// Before a channel is dissolved: connections that have gathered it and are not told yet go on without it.
    pub(super) fn forget_gatherers(&mut self, place: u32, outlet: &mut dyn Outlet) {
        if self.locals.get(place).is_none_or(|local| local.gatherers == 0) {
            return;
        }
        let Some(channel) = self.locals.get(place).map(|local| local.key.channel.clone()) else { return };
        for (slot, link) in (0_u32..).zip(&mut self.links) {
            let Some(link) = link else { continue };
            if let Phase::Gathering(gathering) = &mut link.phase {
                gathering.wanted.retain(|wanted| *wanted != place);
            }
            let mut was_beginning = false;
            while link.stop_beginning(place, None).is_some() {
                was_beginning = true;
            }
            if was_beginning && link.is_connected() && link.subscriptions.iter().all(|held| held.channel != place) {
                let connection = ConnectionKey { slot, generation: link.generation };
                outlet.notify(connection, Notice::Unsubscribed(channel.clone()));
            }
        }
        if let Some(local) = self.locals.get_mut(place) {
            local.gatherers = 0;
        }
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
