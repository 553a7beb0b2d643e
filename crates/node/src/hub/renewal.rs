//! A connection goes on with another secret, and its token's end is moved. Not whether the secret is good, which is the operation's.

use std::collections::BTreeSet;

use tollgate_core::CloseReason;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Notice, Renewed, Reply};
use tollgate_core::ids::{ChannelKey, ProjectId, TokenId};

use super::attendance::HeldDirects;
use super::link::{NEVER, Phase, Renewal, Renewing};
use super::past::Beginning;
use super::shard::{Outlet, Shard, link_mut};
use super::words::Attend;
use super::{ConnectionKey, PeerWord};

impl Shard {
    /// A connection goes on with a new token. If it is another one's, it leaves the channels that only the old one had, and then joins those that only the
    /// new one has; in channels of both it stays as it is. Where it hears direct messages by their positions, its client is answered, through
    /// [`Outlet::renewed`], when the new token's home has said where they begin; then this answers nothing.
    pub(super) fn renew(
        &mut self,
        connection: ConnectionKey,
        renewal: Renewal,
        outlet: &mut dyn Outlet,
    ) -> Option<Reply> {
        let Renewal { renewed, moved } = renewal;
        let now = self.now;
        let Some(link) = link_mut(&mut self.links, connection) else {
            // It went meanwhile, and its old token was told.
            if let Some((project, token, _)) = moved {
                self.directory.disconnected(project, token, self.reference(connection), now, CloseReason::ClientGone);
            }
            return Some(Reply::Renewed(renewed));
        };
        let ends_at = renewed.token.expiry.map_or(NEVER, |expiry| now.plus(expiry.left_ms));
        let Some((project, token, channels)) = moved else {
            link.ends_at = ends_at;
            return Some(Reply::Renewed(renewed));
        };
        let used = link.take_usage();
        let beginning = link.rare.iter().flat_map(|rare| &rare.beginning).map(|(place, ..)| *place);
        let held: BTreeSet<_> = link.subscriptions.iter().map(|held| held.channel).chain(beginning).collect();
        self.directory.used(used);
        let (mut kept, mut left) = (BTreeSet::new(), Vec::new());
        for local in held.into_iter().filter_map(|place| self.locals.get(place)).filter(|local| !local.deleted) {
            if channels.contains(&local.key.channel) {
                kept.insert(local.key.channel.clone());
            } else {
                left.push(local.key.clone());
            }
        }
        // As the old token's still: what is owed there is its own, and nothing is if it has ended.
        for channel in left {
            self.leave(connection, &channel, true, outlet);
        }
        if let Some(link) = link_mut(&mut self.links, connection) {
            (link.token, link.ends_at) = (Some(token), ends_at);
            if link.attends && link.is_connected() {
                // The end that its dialect knows is the old one, and the reply comes behind what is written in the channels it joins.
                outlet.notify(connection, Notice::ExpiryChanged(renewed.token.expiry));
            }
        }
        for channel in channels.into_iter().filter(|channel| !kept.contains(channel)) {
            self.join(connection, ChannelKey { project, channel }, outlet);
        }
        self.attend_anew(connection, (project, token), renewed, outlet)
    }

    /// Asks the home of a connection's new token where its direct messages begin; those that come before the answer are held. Commands of
    /// a connection are performed one after another, so that there is one such question at a time.
    fn attend_anew(
        &mut self,
        connection: ConnectionKey,
        (project, token): (ProjectId, TokenId),
        renewed: Box<Renewed>,
        outlet: &mut dyn Outlet,
    ) -> Option<Reply> {
        let number = self.locals.next_ask();
        let attends = |link: &&mut super::link::Link| link.attends && link.is_connected();
        let Some(link) = link_mut(&mut self.links, connection).filter(attends) else {
            return Some(Reply::Renewed(renewed));
        };
        link.rare_mut().renewing = Some(Box::new(Renewing { number, renewed, held: HeldDirects::default() }));
        let format = link.format;
        let connection = self.reference(connection);
        let attend = Attend { connection, project, token, number, from: None, goes_on: false, format };
        self.pass_on(self.hub.home_of_token(token), PeerWord::Attend(Box::new(attend)), outlet);
        None
    }

    /// The home has answered: the client is told, and hears what there is.
    pub(super) fn moved(
        &mut self,
        connection: ConnectionKey,
        number: u64,
        mut beginning: Beginning,
        outlet: &mut dyn Outlet,
    ) {
        let Some(link) = link_mut(&mut self.links, connection).filter(|link| link.is_connected()) else { return };
        if link.has_ended_by(self.now, outlet) {
            return self.end(connection, CloseReason::TokenExpired, outlet);
        }
        let ends_at = link.ends_at;
        let Some(renewing) = link.stop_renewing(number) else { return };
        let Renewing { mut renewed, mut held, .. } = *renewing;
        held.settle(&mut beginning);
        if let Some(expiry) = &mut renewed.token.expiry {
            // The answer took its time.
            expiry.left_ms = ends_at.since(self.now);
        }
        (renewed.direct, renewed.direct_lost) = (Some(beginning.position), beginning.recovered == Some(false));
        outlet.renewed(connection, renewed);
        if !beginning.missed.is_empty() {
            outlet.send_after(connection, beginning.missed);
        }
        for (position, publication) in held.take() {
            outlet.notify(connection, Notice::Direct(position, publication));
        }
    }

    /// The end of a connection's token was moved.
    pub(super) fn move_end(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        let (now, me) = (self.now, self.reference(connection));
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        let (Some(project), Some(token)) = (link.project, link.token) else { return };
        // Asked and not told: it may have been renewed since.
        let Some(expiry) = self.directory.expiry_of(project, token, me) else { return };
        link.ends_at = expiry.map_or(NEVER, |expiry| now.plus(expiry.left_ms));
        if let Some(renewing) = link.renewing_mut() {
            renewing.renewed.token.expiry = expiry;
        }
        match &mut link.phase {
            // It will hear of it when it is told that it is connected.
            Phase::Gathering(gathering) => {
                if let Some(token) = &mut gathering.admission.connected.token {
                    token.expiry = expiry;
                }
            }
            Phase::Connected => outlet.notify(connection, Notice::ExpiryChanged(expiry)),
            Phase::Fresh | Phase::Ending(_) => {}
        }
        self.expire(connection, outlet);
    }

    /// When a connection's token ends, if it does.
    #[must_use]
    pub fn ends_at(&self, connection: ConnectionKey) -> Option<Monotonic> {
        self.link(connection).map(|link| link.ends_at).filter(|ends_at| *ends_at != NEVER)
    }

    /// Ends a connection whose token has ended by now. Nothing else need be done at the end of a token: deliveries stop without it.
    pub fn expire(&mut self, connection: ConnectionKey, outlet: &mut dyn Outlet) {
        if self.ends_at(connection).is_some_and(|ends_at| ends_at <= self.now) {
            self.end(connection, CloseReason::TokenExpired, outlet);
        }
    }
}
