//! How a connection enters a channel: now, or with something of its past; and what its members see of it.
//!
//! Whoever begins in the past asks the channel's home. The answer comes in the same ordered stream as what is published, so that when it is here,
//! everything that it covers has been appended here, and nothing that it does not: the connection is written the answer and enters its lane in
//! one step. Nothing has to be held back and merged.

use std::sync::Arc;

use tollgate_core::CloseReason;
use tollgate_core::command::{Notice, Subscribed};
use tollgate_core::ids::ChannelKey;

use super::local::Standing;
use super::past::Beginning;
use super::presence::Face;
use super::shard::{Outlet, Shard, link_mut};
use super::words::Begin;
use super::{ConnectionKey, PeerWord};

impl Shard {
    /// A connection that has been told that it is connected enters a channel that is live here, as it wished to; then it is told. One that is in
    /// already leaves and enters again, so that what it is told of the position is true; but it stays in until an answer of the home that it has to
    /// wait for is here: an answer to an earlier question may come first, and say nothing of what was published meanwhile.
    pub(super) fn enter(&mut self, connection: ConnectionKey, place: u32, outlet: &mut dyn Outlet) {
        let Some(Standing::Live(snapshot)) = self.locals.get(place).map(|local| &local.standing) else { return };
        let snapshot = Arc::clone(snapshot);
        let now = self.now;
        let Some(link) = link_mut(&mut self.links, connection).filter(|link| link.is_connected()) else { return };
        if link.has_ended_by(now, outlet) {
            return self.end(connection, CloseReason::TokenExpired, outlet);
        }
        let wish = link.take_wish(&snapshot.channel);
        let is_wished = wish != Default::default();
        let held = link.subscriptions.iter().find(|held| held.channel == place).copied();
        // Who says nothing of it goes on as it is, or is about to be.
        let as_before = || link.will_watch(place).unwrap_or_else(|| held.is_some_and(|held| held.watches));
        let watches = if is_wished { wish.watches } else { as_before() };
        if let Some(data) = wish.data {
            link.see_in(snapshot.channel.clone(), Some(data));
        }
        // Behind an answer that is on its way.
        let is_beginning = self.link(connection).is_some_and(|link| link.is_beginning(place));
        if wish.from.is_none() && !is_beginning && (held.is_some() || !snapshot.settings.retain) {
            let position = self.locals.get(place).map(|local| local.position).unwrap_or_default();
            self.enter_again(connection, place, watches, outlet);
            let begun = Subscribed { channel: snapshot, position, recovered: None, is_resuming: false };
            return outlet.notify(connection, Notice::Subscribed(Box::new(begun)));
        }
        let (me, number) = (self.reference(connection), self.locals.next_ask());
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        link.rare_mut().beginning.push((place, number, watches));
        let (sequence, format) = (snapshot.sequence, link.format);
        self.hold(place, 1);
        let channel = ChannelKey { project: snapshot.project, channel: snapshot.channel.clone() };
        let home = self.hub.home(&channel);
        let begin = Begin { connection: me, channel, sequence, number, from: wish.from, format };
        self.pass_on(home, PeerWord::Begin(Box::new(begin)), outlet);
    }

    /// The home has answered: the connection is told, written what it missed, and in the lane from now on.
    pub(super) fn begun(
        &mut self,
        connection: ConnectionKey,
        channel: &ChannelKey,
        number: u64,
        beginning: Beginning,
        outlet: &mut dyn Outlet,
    ) {
        let Some(place) = self.locals.find(channel) else { return };
        let Some(Standing::Live(snapshot)) = self.locals.get(place).map(|local| &local.standing) else { return };
        let snapshot = Arc::clone(snapshot);
        let now = self.now;
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        // It left meanwhile, or this is of an earlier channel with this id.
        let Some(watches) = link.stop_beginning(place, Some(number)) else { return };
        self.hold(place, -1);
        let Some(link) = link_mut(&mut self.links, connection).filter(|link| link.is_connected()) else {
            return self.drop_if_unused(place, outlet);
        };
        if link.has_ended_by(now, outlet) {
            self.end(connection, CloseReason::TokenExpired, outlet);
            return self.drop_if_unused(place, outlet);
        }
        self.enter_again(connection, place, watches, outlet);
        let Beginning { position, recovered, missed, count } = beginning;
        let begun = Subscribed { channel: snapshot, position, recovered, is_resuming: false };
        outlet.notify(connection, Notice::Subscribed(Box::new(begun)));
        if !missed.is_empty() {
            self.counters.deliveries.add(count as u64);
            if let Some(link) = link_mut(&mut self.links, connection) {
                link.count_out(count);
            }
            outlet.send_after(connection, missed);
        }
    }

    /// Stops waiting for the past of a channel, however often it was asked for.
    pub(super) fn stop_beginning(&mut self, connection: ConnectionKey, place: u32) {
        while link_mut(&mut self.links, connection).is_some_and(|link| link.stop_beginning(place, None).is_some()) {
            self.hold(place, -1);
        }
    }

    // ---- presence ----

    /// Tells the home of a channel with presence that a connection has entered it, or shows another face.
    pub(super) fn show_face(&mut self, connection: ConnectionKey, place: u32, outlet: &mut dyn Outlet) {
        let Some(local) = self.locals.get(place) else { return };
        let Standing::Live(snapshot) = &local.standing else { return };
        if !snapshot.settings.presence {
            return;
        }
        let (channel, sequence, me) = (local.key.clone(), snapshot.sequence, self.reference(connection));
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        let known = link.rare.as_ref().and_then(|rare| rare.name.clone());
        let name = known.unwrap_or_else(|| {
            let token = link.project.zip(link.token);
            let name = token.and_then(|(project, token)| self.directory.member_name(project, token));
            let name = name.unwrap_or_else(|| link.id.to_string().into());
            link.rare_mut().name = Some(Arc::clone(&name));
            name
        });
        let face = Face { name, data: link.data_in(&channel.channel) };
        let home = self.hub.home(&channel);
        self.pass_on(home, PeerWord::Entered(channel, sequence, me, face), outlet);
    }

    /// Tells the home that a connection has left a channel where it showed its face.
    pub(super) fn hide_face(
        &mut self,
        connection: ConnectionKey,
        name: Option<Arc<str>>,
        place: u32,
        for_good: bool,
        outlet: &mut dyn Outlet,
    ) {
        let Some(name) = name else { return };
        // Even if no faces are wanted now: the home may have wanted them when this one came, and want them again.
        let Some(local) = self.locals.get(place) else { return };
        let Standing::Live(snapshot) = &local.standing else { return };
        let (channel, sequence) = (local.key.clone(), snapshot.sequence);
        let (me, home) = (self.reference(connection), self.hub.home(&channel));
        self.pass_on(home, PeerWord::Left(channel, sequence, me, name, for_good), outlet);
    }

    /// Presence was switched on in a channel: whoever is in it shows its face.
    pub(super) fn show_all_faces(&mut self, place: u32, outlet: &mut dyn Outlet) {
        let Some(local) = self.locals.get(place) else { return };
        let all: Vec<_> = local.lanes.iter().flat_map(super::lane::Lane::connections).collect();
        for connection in all {
            self.show_face(connection, place, outlet);
        }
    }
}
