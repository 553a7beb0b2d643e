//! Direct messages: each token has a home shard that orders them, keeps them for the time of its session, and passes them on to the shards of its connections.
//! Those of a mailbox get their order from the store and are kept in the directory; the home hands them over, in the same stream.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::StartFrom;
use tollgate_core::delivery::{Delivery, Position, Publication};
use tollgate_core::ids::{ConnectionId, ProjectId, TokenId};
use tollgate_core::limits::{
    DIRECT_KEPT_BYTES_MAX, DIRECT_KEPT_MAX, NATIVE_SESSION_MS, OUTBOX_BYTES_MAX, OUTBOX_WRITES_MAX,
};
use tollgate_core::model::{ChannelSettings, HistorySettings};

use super::link::Phase;
use super::past::{Beginning, Past};
use super::shard::{Outlet, Shard, link_mut};
use super::words::Attend;
use super::{ConnectionKey, ConnectionRef, Frames, PeerWord};

/// How direct messages are kept.
const KEPT: ChannelSettings = ChannelSettings {
    history: HistorySettings { size: DIRECT_KEPT_MAX, ttl_ms: NATIVE_SESSION_MS, durable: false },
    presence: false,
    echo: true,
    retain: false,
    conflate_per_second: 0,
};

/// The direct messages of the tokens whose home this shard is. A token is here from its first message until its session is over.
#[derive(Debug, Default)]
pub(super) struct Directs {
    tokens: HashMap<TokenId, (ProjectId, Past)>,
    /// Rounds of upkeep since all were looked at.
    rounds: u32,
}

/// Every how many rounds of upkeep ended sessions are looked for.
const LOOKED_AT_EVERY: u32 = 30;

impl Directs {
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Where a token's direct messages are. Each session has an epoch of its own: what is forgotten with one is never mistaken for what the next is sent.
    /// `run` says how often its project's mailboxes were switched on: what was kept before means nothing since.
    fn position(&self, token: TokenId, session: ConnectionId, run: u32) -> Position {
        let epoch = (session.get() ^ u64::from(run) << 44) & !(1 << 63);
        let start = Position { epoch, offset: 0 };
        let known = self.tokens.get(&token).map(|(_, past)| past.position());
        known.filter(|known| known.epoch == start.epoch).unwrap_or(start)
    }

    /// Where a token's direct messages are, and what is kept of them.
    pub(super) fn standing(&self, token: TokenId, session: ConnectionId, run: u32) -> (Position, Option<&Past>) {
        let last = self.position(token, session, run);
        let past = self.tokens.get(&token).map(|(_, past)| past);
        (last, past.filter(|past| past.position() == last))
    }
}

/// Direct messages that came before it was known where they begin.
#[derive(Debug, Default)]
pub(super) struct HeldDirects {
    messages: Vec<(Option<Position>, Publication)>,
    /// Of their data.
    bytes: usize,
}

impl HeldDirects {
    /// Keeps one more; false when as much waits as an outbox takes.
    pub(super) fn add(&mut self, position: Option<Position>, publication: &Publication) -> bool {
        let bytes = publication.data.as_str().len();
        let is_full = self.bytes + bytes > OUTBOX_BYTES_MAX || self.messages.len() >= OUTBOX_WRITES_MAX;
        if !self.messages.is_empty() && is_full {
            return false;
        }
        self.bytes += bytes;
        self.messages.push((position, publication.clone()));
        true
    }

    /// The home has said where they begin: what came before its answer is in it, or the beginning is before that.
    pub(super) fn settle(&mut self, beginning: &mut Beginning) {
        if beginning.recovered.is_some() {
            self.messages.retain(|(position, _)| position.is_none());
        } else if let Some(first) = self.messages.iter().find_map(|(position, _)| *position) {
            beginning.position.offset = first.offset - 1;
        }
    }

    /// What is left, in order.
    pub(super) fn take(self) -> Vec<(Option<Position>, Publication)> {
        self.messages
    }
}

impl Shard {
    /// Sends a direct message to all connections of a token, and keeps it for those that its session may have again. Answers how many there are.
    pub(super) fn direct(
        &mut self,
        project: ProjectId,
        token: TokenId,
        publication: &Publication,
        outlet: &mut dyn Outlet,
    ) -> u32 {
        let Some((connections, session)) = self.directory.session_of(project, token) else { return 0 };
        if connections.is_empty() && session.is_none() {
            return 0;
        }
        let (run, has_mailbox) = self.directory.mailbox_run(project);
        // Without a session nobody can go on from a place. And where mailboxes were switched on while it was on its way, it has no place there, and is
        // not kept here any more.
        let place = session.filter(|_| !has_mailbox).map(|session| {
            let last = self.directs.position(token, session, run);
            Position { offset: last.offset + 1, ..last }
        });
        let frames = self.hub.frames(Delivery::Direct { position: place, publication: publication.clone() });
        if let Some(position) = place {
            let last = Position { offset: position.offset - 1, ..position };
            let (_, past) = self.directs.tokens.entry(token).or_insert_with(|| (project, Past::new(last)));
            if past.position() != last {
                *past = Past::new(last);
            }
            past.push(publication, &KEPT);
            while past.bytes() > DIRECT_KEPT_BYTES_MAX {
                past.halve();
            }
        }
        self.pass_direct(token, &connections, (place, publication), &frames, outlet);
        u32::try_from(connections.len()).unwrap_or(u32::MAX)
    }

    /// Hands a message of a mailbox over to all connections of its token.
    pub(super) fn mailed(
        &mut self,
        project: ProjectId,
        token: TokenId,
        position: Position,
        publication: &Publication,
        outlet: &mut dyn Outlet,
    ) {
        let connections = self.directory.handed(project, token, position);
        if connections.is_empty() {
            return;
        }
        let position = Some(position);
        let frames = self.hub.frames(Delivery::Direct { position, publication: publication.clone() });
        self.pass_direct(token, &connections, (position, publication), &frames, outlet);
    }

    fn pass_direct(
        &mut self,
        token: TokenId,
        connections: &[ConnectionRef],
        (position, publication): (Option<Position>, &Publication),
        frames: &Frames,
        outlet: &mut dyn Outlet,
    ) {
        let mut by_shard: BTreeMap<_, Vec<ConnectionKey>> = BTreeMap::new();
        for connection in connections {
            by_shard.entry(connection.shard).or_default().push(connection.key);
        }
        for (shard, connections) in by_shard {
            let word = PeerWord::Direct(token, connections, position, Box::new(publication.clone()), frames.clone());
            self.pass_on(shard, word, outlet);
        }
    }

    /// A connection begins to hear its token's direct messages, behind a position if it had one; of an earlier session only a mailbox keeps any.
    pub(super) fn attend(&mut self, attend: &Attend, outlet: &mut dyn Outlet) {
        let Attend { connection, project, token, number, from, goes_on, format } = *attend;
        // A token that was deleted meanwhile: word is on its way that ends the connection, and nothing could be said of where it is.
        let Some((_, session)) = self.directory.session_of(project, token) else { return };
        let hub = &self.hub;
        let encode = |position, publication: &Publication| {
            hub.encode(&Delivery::Direct { position: Some(position), publication: publication.clone() }, format)
        };
        let beginning = if let Some(waiting) = self.directory.waiting(project, token, from) {
            let mut missed = Vec::new();
            for (position, publication) in &waiting.messages {
                missed.extend_from_slice(&encode(*position, publication));
            }
            Beginning {
                position: waiting.position,
                recovered: Some(waiting.whole),
                missed: missed.into(),
                count: waiting.messages.len(),
            }
        } else {
            let run = self.directory.mailbox_run(project).0;
            let last = session.map_or(Position::default(), |session| self.directs.position(token, session, run));
            let from = from.filter(|_| goes_on);
            match self.directs.tokens.get_mut(&token).filter(|(_, past)| past.position() == last) {
                Some((_, past)) => past.beginning(from.map(StartFrom::Position), format, encode),
                None => {
                    let recovered = from.map(|from| from == last);
                    Beginning { position: last, recovered, missed: Bytes::new(), count: 0 }
                }
            }
        };
        self.pass_on(connection.shard, PeerWord::Attended(connection.key, number, Box::new(beginning)), outlet);
    }

    /// The token's home has answered a connection on its way in, or one that goes on with that token.
    pub(super) fn attended(
        &mut self,
        connection: ConnectionKey,
        number: u64,
        mut beginning: Beginning,
        outlet: &mut dyn Outlet,
    ) {
        let Some(link) = link_mut(&mut self.links, connection) else { return };
        if let Phase::Gathering(gathering) = &mut link.phase {
            gathering.held.settle(&mut beginning);
            gathering.attended = Some(beginning);
            gathering.outstanding -= 1;
            return self.finish_gathering(connection, outlet);
        }
        self.moved(connection, number, beginning, outlet);
    }

    /// A direct message for a connection of this shard. False when it is not there.
    pub(super) fn direct_to(
        &mut self,
        connection: ConnectionKey,
        position: Option<Position>,
        publication: &Publication,
        frames: &Frames,
        outlet: &mut dyn Outlet,
    ) -> bool {
        let Some(link) = link_mut(&mut self.links, connection) else { return false };
        let has_ended = link.has_ended_by(self.now, outlet);
        let is_renewing = position.is_some() && link.renewing_mut().is_some();
        match &mut link.phase {
            Phase::Gathering(gathering) => {
                // As when its outbox is full: it comes back.
                if !gathering.held.add(position, publication) {
                    self.end_slow(connection, outlet);
                }
                true
            }
            Phase::Connected if has_ended => {
                self.end(connection, CloseReason::TokenExpired, outlet);
                false
            }
            // It is still to be told where they begin.
            Phase::Connected if is_renewing => {
                if link.renewing_mut().is_some_and(|renewing| !renewing.held.add(position, publication)) {
                    self.end_slow(connection, outlet);
                }
                true
            }
            Phase::Connected => {
                link.count_out(1);
                let frame = frames.of(link.format, &self.hub.formats);
                self.send(connection, frame, outlet);
                true
            }
            Phase::Fresh | Phase::Ending(_) => false,
        }
    }

    /// Forgets the direct messages of tokens whose session is over.
    pub(super) fn forget_directs(&mut self, now: UnixMillis) {
        self.directs.rounds += 1;
        if self.directs.rounds < LOOKED_AT_EVERY {
            return;
        }
        self.directs.rounds = 0;
        let directory = &self.directory;
        self.directs.tokens.retain(|token, (project, past)| {
            past.trim(&KEPT, now);
            directory.session_of(*project, *token).is_some_and(|(_, session)| session.is_some())
        });
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::json::JsonValue;

    use super::*;

    #[test]
    fn no_more_direct_messages_are_held_than_an_outbox_takes() {
        let mut held = HeldDirects::default();
        let publication = Publication::new("e", JsonValue::null(), tollgate_core::clock::UnixMillis(0));
        assert_eq!((0..).take_while(|_| held.add(None, &publication)).count(), OUTBOX_WRITES_MAX);
    }
}
