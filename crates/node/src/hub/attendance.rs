//! Direct messages: each token has a home shard that orders them, keeps them for the time of its session, and passes them on to the shards of its connections.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::StartFrom;
use tollgate_core::delivery::{Delivery, Position, Publication};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::limits::{DIRECT_KEPT_BYTES_MAX, DIRECT_KEPT_MAX, NATIVE_SESSION_MS};
use tollgate_core::model::{ChannelSettings, HistorySettings};

use super::link::Phase;
use super::past::{Beginning, Past};
use super::shard::{Outlet, Shard, link_mut};
use super::{ConnectionKey, ConnectionRef, FormatIndex, Frames, PeerWord};

/// How direct messages are kept.
const KEPT: ChannelSettings = ChannelSettings {
    history: HistorySettings { size: DIRECT_KEPT_MAX, ttl_ms: NATIVE_SESSION_MS, durable: false },
    presence: false,
    echo: true,
    retain: false,
    conflate_per_second: 0,
};

/// The direct messages of the tokens whose home this shard is. A token is here from its first message until its session is over.
#[derive(Debug)]
pub(super) struct Directs {
    tokens: HashMap<TokenId, (ProjectId, Past)>,
    epoch: u64,
    /// Rounds of upkeep since all were looked at.
    rounds: u32,
}

/// Every how many rounds of upkeep ended sessions are looked for.
const LOOKED_AT_EVERY: u32 = 30;

impl Directs {
    pub(super) fn new(epoch: u64) -> Self {
        Self { tokens: HashMap::new(), epoch, rounds: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Where a token's direct messages are.
    fn position(&self, token: TokenId) -> Position {
        let start = Position { epoch: self.epoch, offset: 0 };
        self.tokens.get(&token).map_or(start, |(_, past)| past.position())
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
        let Some((connections, has_session)) = self.directory.session_of(project, token) else { return 0 };
        if connections.is_empty() && !has_session {
            return 0;
        }
        let last = self.directs.position(token);
        let position = Position { offset: last.offset + 1, ..last };
        let frames = self.hub.encode(&Delivery::Direct { position: Some(position), publication: publication.clone() });
        if has_session {
            let (_, past) = self.directs.tokens.entry(token).or_insert_with(|| (project, Past::new(last)));
            past.push(publication, &KEPT);
            while past.bytes() > DIRECT_KEPT_BYTES_MAX {
                past.halve();
            }
        }
        let mut by_shard: BTreeMap<u16, Vec<ConnectionKey>> = BTreeMap::new();
        for connection in &connections {
            by_shard.entry(connection.shard.0).or_default().push(connection.key);
        }
        for (shard, connections) in by_shard {
            let word = PeerWord::Direct(connections, position, publication.clone(), frames.clone());
            self.pass_on(super::ShardIndex(shard), word, outlet);
        }
        u32::try_from(connections.len()).unwrap_or(u32::MAX)
    }

    /// A connection begins to hear its token's direct messages, behind a position if it had one.
    pub(super) fn attend(
        &mut self,
        connection: ConnectionRef,
        token: TokenId,
        from: Option<Position>,
        format: FormatIndex,
        outlet: &mut dyn Outlet,
    ) {
        let (hub, last) = (&self.hub, self.directs.position(token));
        let beginning = match self.directs.tokens.get_mut(&token) {
            Some((_, past)) => past.beginning(from.map(StartFrom::Position), format, |position, publication| {
                hub.encode(&Delivery::Direct { position: Some(position), publication: publication.clone() })
            }),
            None => {
                let recovered = from.map(|from| from == last);
                Beginning { position: last, recovered, missed: Bytes::new(), count: 0 }
            }
        };
        self.pass_on(connection.shard, PeerWord::Attended(connection.key, Box::new(beginning)), outlet);
    }

    /// The token's home has answered a connection on its way in. What came before this answer is in it, or was never the connection's.
    pub(super) fn attended(&mut self, connection: ConnectionKey, beginning: Beginning, outlet: &mut dyn Outlet) {
        let Some(Phase::Gathering(gathering)) = link_mut(&mut self.links, connection).map(|link| &mut link.phase)
        else {
            return;
        };
        let mut beginning = beginning;
        if beginning.recovered.is_some() {
            gathering.held.retain(|(position, _)| position.is_none());
        } else if let Some(first) = gathering.held.iter().find_map(|(position, _)| *position) {
            beginning.position.offset = first.offset - 1;
        }
        gathering.attended = Some(beginning);
        gathering.outstanding -= 1;
        self.finish_gathering(connection, outlet);
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
        match &mut link.phase {
            Phase::Gathering(gathering) => {
                // As when its outbox is full: it comes back.
                if !gathering.hold(position, publication) {
                    self.end_slow(connection, outlet);
                }
                true
            }
            Phase::Connected if has_ended => {
                self.end(connection, CloseReason::TokenExpired, outlet);
                false
            }
            Phase::Connected => {
                let frame = &frames[usize::from(link.format.0)];
                link.count_out(1);
                self.send(connection, frame, outlet);
                true
            }
            Phase::Fresh | Phase::Ending => false,
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
            directory
                .session_of(*project, *token)
                .is_some_and(|(connections, has_session)| has_session || !connections.is_empty())
        });
    }
}
