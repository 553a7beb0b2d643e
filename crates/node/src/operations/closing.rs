//! Closing connections for an operation, and waiting until the shards have done what they were told. Why a connection has to go is decided
//! elsewhere.

use std::collections::BTreeMap;

use tollgate_core::CloseReason;
use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::ids::TokenId;

use super::shards_of;
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};
use crate::hub::{ConnectionRef, Request};

/// Connections that one request to a shard closes: the others of the shard get their turn in between.
const CLOSES_PER_REQUEST: usize = 256;

/// Connections that an operation closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// How many. Those that had gone by themselves are not among them.
    pub count: usize,
    /// When the last of them was: nothing was written to any of them after that but its close.
    pub last_closed_at: Option<UnixMillis>,
}

impl Node {
    /// Closes connections, wherever they are. When it answers, nothing but the close reaches them any more: what waited for their sockets is
    /// given up if they may not come back.
    pub(super) async fn close_connections(&self, connections: &[ConnectionRef], reason: CloseReason) -> Closed {
        let mut by_shard: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for connection in connections {
            by_shard.entry(connection.shard).or_default().push(connection.key);
        }
        let mut asks = Vec::new();
        for (shard, keys) in by_shard {
            for keys in keys.chunks(CLOSES_PER_REQUEST).map(<[_]>::to_vec) {
                asks.push((shard, move |reply| Request::CloseAll(keys, reason, reply)));
            }
        }
        let mut closed = Closed::default();
        // A shard that has ended has closed everything.
        for (count, last_closed_at) in self.hub.ask_each(asks).await.into_iter().flatten() {
            closed.count += count;
            closed.last_closed_at = closed.last_closed_at.max(last_closed_at.map(|at| self.unix_of(at)));
        }
        closed
    }

    /// After a change of a token: waits until its connections, if it has any, have been told or closed. One that a change of the record
    /// concerns stays listed until its shard has closed it.
    pub(super) async fn settled_if_live(&self, entry: &ProjectEntry, token: TokenId) {
        let connections = entry.read().token(token).map(TokenEntry::connections).unwrap_or_default();
        self.hub.ask_each(shards_of(&connections).into_iter().map(|shard| (shard, Request::Settle))).await;
    }

    /// Waits until every shard has done what it was told so far: closing the connections of a deleted or revoked token, among them one that was
    /// just being identified. Answers when a shard last closed a connection that may not come back, if one ever did.
    pub(super) async fn settled_everywhere(&self) -> Option<UnixMillis> {
        let answers = self.hub.ask_each(self.hub.shards().map(|shard| (shard, Request::Settle))).await;
        // A shard that has ended has nothing left to do.
        let last = answers.into_iter().flatten().flatten().max();
        last.map(|at| self.unix_of(at))
    }

    /// The wall clock's time at a moment not long ago.
    pub(super) fn unix_of(&self, at: Monotonic) -> UnixMillis {
        UnixMillis(self.now().0.saturating_sub(self.clock.monotonic().since(at)))
    }
}
