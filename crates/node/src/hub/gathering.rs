//! How an identified connection comes in: the states of its channels are gathered from their homes, and once all are there it is subscribed to them in one
//! instant and told. Not how it enters a channel later, which is [`super::membership`]'s and [`super::beginning`]'s.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::command::{Connected, Notice, Resume, StartFrom, SubscribeWish, Subscribed};
use tollgate_core::delivery::Position;
use tollgate_core::ids::{ChannelId, ChannelKey, ProjectId, TokenId};
use tollgate_core::peer::Peer;

use super::attendance::HeldDirects;
use super::link::{NEVER, Phase};
use super::local::{Standing, Waiter};
use super::past::Beginning;
use super::shard::{Outlet, Shard, link_mut};
use super::words::Attend;
use super::{ConnectionKey, PeerWord};

/// An identified connection on its way in.
#[derive(Debug)]
pub struct Admission {
    pub(crate) project: ProjectId,
    pub(crate) token: Option<TokenId>,
    /// Who is at the other end, when the transport knows it.
    pub(crate) peer: Option<Arc<Peer>>,
    /// Its durable subscriptions at the moment it was registered.
    pub(crate) channels: Vec<ChannelId>,
    /// What it goes on with; nothing for a protocol that has no such words.
    pub(crate) resume: Option<Box<Resume>>,
    /// What the client will be told, channels aside.
    pub(crate) connected: Connected,
}

/// A connection on its way to being connected.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) admission: Admission,
    /// Channels (places in the table) asked for; all become subscriptions in the same instant.
    pub(super) wanted: Vec<u32>,
    /// How many of them are not live yet.
    pub(super) outstanding: usize,
    /// Whether channels are still being asked for; until then nothing is finished.
    pub(super) asking: bool,
    /// Direct messages that came meanwhile.
    pub(super) held: HeldDirects,
    /// What its token's home says of direct messages, once it has, where it was asked.
    pub(super) attended: Option<Beginning>,
}

impl Shard {
    /// Admits an identified connection: its channels are fetched, and once all are live it is subscribed to them in one instant and told.
    pub(super) fn admit(&mut self, connection: ConnectionKey, admission: Admission, outlet: &mut dyn Outlet) {
        let (project, token) = (admission.project, admission.token);
        let Some(link) = link_mut(&mut self.links, connection).filter(|link| matches!(link.phase, Phase::Fresh)) else {
            // It went while it was being identified.
            if let Some(token) = token {
                let reason = CloseReason::ClientGone;
                self.directory.disconnected(project, token, self.reference(connection), self.now, reason);
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

    pub(super) fn gather_one(&mut self, connection: ConnectionKey, channel: ChannelKey, outlet: &mut dyn Outlet) {
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

    pub(super) fn gathered(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        if let Some(Phase::Gathering(gathering)) = link_mut(&mut self.links, connection).map(|link| &mut link.phase) {
            gathering.outstanding -= 1;
        }
        self.finish_gathering(connection, outlet);
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
}
