//! The live connections of a project: listing them, and ending one.
//!
//! Who is connected is known to the shards, whose tables are read a piece at a time; since when and until when, to the directory. What is answered was
//! true when each was looked at: a list of what comes and goes is never of one moment.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::error::{Error, Result};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::limits::{PAGE_ENTRIES_MAX, PAGE_LOOKS_MAX};
use tollgate_core::peer::Network;

use super::refusal;
use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};
use crate::hub::{
    ConnectionKey, ConnectionRef, FormatIndex, Inspected, Inspection, InspectionPlace, Only, Request, Seen, ShardIndex,
    Wanted,
};

/// Connections, known by what names them, that are looked at in one turn of their shard.
const LOOKS_PER_REQUEST: usize = 256;

/// Which connections; everything that is said must fit.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// The one with this id.
    pub id: Option<ConnectionId>,
    /// Those of this token.
    pub token: Option<TokenId>,
    /// Those of the user with this id of the customer's.
    pub user_id: Option<String>,
    /// Those subscribed to this channel.
    pub channel: Option<ChannelId>,
    /// Those that speak this: the name of a wire format.
    pub format: Option<String>,
    /// Those from this network.
    pub address: Option<Network>,
    /// A part of them.
    pub only: Only,
}

/// A live connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: ConnectionId,
    /// What it speaks.
    pub format: &'static str,
    /// Its token; nothing of one that has none.
    pub token: Option<TokenId>,
    /// The customer's id of the token's user.
    pub user_id: Option<Arc<str>>,
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
    /// The origin of its page, if its browser said so.
    pub origin: Option<Arc<str>>,
    /// When it was identified.
    pub since: UnixMillis,
    /// When it ends at the latest.
    pub ends_at: Option<UnixMillis>,
    /// How many channels it is subscribed to.
    pub channels: usize,
    /// Bytes that wait for its socket.
    pub waiting_bytes: usize,
}

/// A part of the list.
#[derive(Clone, Debug, Default)]
pub struct ConnectionPage {
    /// The connections, by their places in the shards' tables.
    pub connections: Vec<ConnectionRow>,
    /// Where the next page begins; nothing behind the last.
    pub next: Option<u64>,
}

/// A place in all tables: the shard, then the slot. A cursor is the place before the one to go on with.
fn place_of(connection: ConnectionRef) -> u64 {
    u64::from(connection.shard.0) << 32 | u64::from(connection.key.slot)
}

/// A list being made.
struct Making {
    seen: Vec<Seen>,
    /// One more than is to be shown: it tells that there is another page.
    limit: usize,
    looks: usize,
}

impl Making {
    const fn has_room(&self) -> bool {
        self.seen.len() < self.limit && self.looks < PAGE_LOOKS_MAX
    }
}

impl Node {
    /// A page of the project's live connections that fit. Each that lives as long as the reading takes is in exactly one page. A page may have fewer
    /// than `limit`, or none, and yet a next one: no page looks at many more than 20,000 connections.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn connections(
        &self,
        caller: &Caller,
        filter: &ConnectionFilter,
        after: Option<u64>,
        limit: usize,
    ) -> Result<ConnectionPage> {
        let entry = self.authorize(caller, Action::SeeConnections)?;
        let format = match &filter.format {
            None => None,
            Some(name) => match self.hub.format_names().iter().position(|one| one == name) {
                Some(at) => u8::try_from(at).ok().map(FormatIndex),
                None => return Ok(ConnectionPage::default()),
            },
        };
        let wanted = Arc::new(Wanted {
            project: entry.project.id,
            id: filter.id,
            channel: filter.channel.clone(),
            format,
            address: filter.address,
            only: filter.only,
        });
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let mut making = Making { seen: Vec::new(), limit: limit + 1, looks: 0 };
        let from = after.map_or(0, |after| after.saturating_add(1));
        let stopped = if filter.token.is_some() || filter.user_id.is_some() {
            let named = connections_of(&entry.read(), filter);
            self.look_at_named(named, &wanted, from, &mut making).await
        } else if filter.id.is_some() {
            making.seen.extend(self.sole(&wanted).await);
            None
        } else {
            self.walk(&wanted, from, &mut making).await
        };
        let mut seen = making.seen;
        let next = if seen.len() > limit {
            seen.truncate(limit);
            seen.last().map(|last| place_of(last.connection))
        } else {
            stopped.map(|place| place.saturating_sub(1))
        };
        Ok(ConnectionPage { connections: self.rows(&entry, seen), next })
    }

    /// Ends a connection. Its client may come back, and does at once if it is told nothing else: to keep it out, revoke its token.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn disconnect(&self, caller: &Caller, connection: ConnectionId) -> Result<()> {
        let entry = self.authorize(caller, Action::Disconnect)?;
        let project = entry.project.id;
        let found = self.connection_named(project, connection).await;
        let Some(found) = found else { return Err(Error::not_found("connection", &connection)) };
        let mut audit = self.entry_of(caller, Some(project), "connection.close", &connection);
        audit.detail = found.token.map(|token| format!("of {token}"));
        self.commit(Vec::new(), vec![audit]).await.map_err(|error| refusal(error, &connection))?;
        self.close_connections(&[found.connection], CloseReason::Dismissed).await;
        Ok(())
    }

    /// The live connection with this id.
    pub(super) async fn connection_named(&self, project: ProjectId, connection: ConnectionId) -> Option<Seen> {
        let (channel, format, address, only) = (None, None, None, Only::Any);
        self.sole(&Arc::new(Wanted { project, id: Some(connection), channel, format, address, only })).await
    }

    /// The one that is meant, however many have to be looked at.
    async fn sole(&self, wanted: &Arc<Wanted>) -> Option<Seen> {
        let mut making = Making { seen: Vec::new(), limit: 1, looks: 0 };
        let mut from = Some(0);
        while let Some(place) = from.filter(|_| making.seen.is_empty()) {
            making.looks = 0;
            from = self.walk(wanted, place, &mut making).await;
        }
        making.seen.pop()
    }

    /// Walks the shards' tables from a place on; answers where it stopped, or nothing at the end of the last.
    async fn walk(&self, wanted: &Arc<Wanted>, from: u64, making: &mut Making) -> Option<u64> {
        // The low half of a place is the slot.
        let (first, mut slot) = (from >> 32, from as u32);
        for shard in self.hub.shards().filter(|shard| u64::from(shard.0) >= first) {
            if u64::from(shard.0) > first {
                slot = 0;
            }
            loop {
                if !making.has_room() {
                    return Some(u64::from(shard.0) << 32 | u64::from(slot));
                }
                let next = self.inspect(shard, wanted, InspectionPlace::From(slot), making).await;
                let Some(next) = next else { break };
                slot = next;
            }
        }
        None
    }

    /// Looks at these connections, in the order of their places, from a place on; answers where it stopped.
    async fn look_at_named(
        &self,
        mut named: Vec<ConnectionRef>,
        wanted: &Arc<Wanted>,
        from: u64,
        making: &mut Making,
    ) -> Option<u64> {
        named.retain(|one| place_of(*one) >= from);
        named.sort_unstable_by_key(|one| place_of(*one));
        for of_shard in named.chunk_by(|a, b| a.shard == b.shard) {
            for some in of_shard.chunks(LOOKS_PER_REQUEST) {
                if !making.has_room() {
                    return Some(place_of(some[0]));
                }
                let keys: Vec<ConnectionKey> = some.iter().map(|one| one.key).collect();
                self.inspect(some[0].shard, wanted, InspectionPlace::These(keys), making).await;
            }
        }
        None
    }

    async fn inspect(
        &self,
        shard: ShardIndex,
        wanted: &Arc<Wanted>,
        place: InspectionPlace,
        making: &mut Making,
    ) -> Option<u32> {
        let (reply, answer) = oneshot::channel();
        let (wanted, limit) = (Arc::clone(wanted), making.limit - making.seen.len());
        let inspection = Box::new(Inspection { wanted, place, limit, reply });
        let answer = if self.hub.ask(shard, Request::Inspect(inspection)).await { answer.await.ok() } else { None };
        // A shard that has ended has no connections.
        let Inspected { seen, looks, next } = answer.unwrap_or_default();
        making.seen.extend(seen);
        making.looks += looks.max(1);
        next
    }

    /// What is said of connections that were seen.
    fn rows(&self, entry: &ProjectEntry, seen: Vec<Seen>) -> Vec<ConnectionRow> {
        let (records, formats) = (entry.read(), self.hub.format_names());
        let row = |seen: Seen| {
            let token = seen.token.and_then(|token| records.token(token));
            // Not there of one that went since.
            let live = token.and_then(|token| {
                let live = token.live_connections().iter().find(|live| live.connection == seen.connection)?;
                Some((live.since, token.live_until(live)))
            });
            ConnectionRow {
                id: seen.id,
                format: formats.get(usize::from(seen.format.0)).copied().unwrap_or_default(),
                token: seen.token,
                user_id: seen.token.and_then(|token| records.user_name_of(token)),
                address: seen.address,
                origin: seen.origin,
                since: live.map_or(seen.id.made_at(), |(since, _)| since),
                ends_at: live.and_then(|(_, ends_at)| ends_at),
                channels: seen.channels,
                waiting_bytes: seen.waiting_bytes,
            }
        };
        seen.into_iter().map(row).collect()
    }
}

/// The connections of the token and user that are named.
fn connections_of(records: &Records, filter: &ConnectionFilter) -> Vec<ConnectionRef> {
    let user = match filter.user_id.as_deref().map(|user_id| records.user_named(user_id)) {
        Some(None) => return Vec::new(),
        Some(Some((id, user))) => Some((id, user)),
        None => None,
    };
    let of = |token: TokenId| records.token(token).map(TokenEntry::connections).unwrap_or_default();
    match (filter.token, user) {
        (Some(token), None) => of(token),
        (Some(token), Some((user, _))) => {
            let is_theirs = records.token(token).is_some_and(|found| found.user == Some(user));
            if is_theirs { of(token) } else { Vec::new() }
        }
        (None, Some((_, user))) => user.tokens.iter().flat_map(|token| of(*token)).collect(),
        (None, None) => Vec::new(),
    }
}
