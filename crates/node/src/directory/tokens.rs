//! A token as it is kept in memory: small, because there may be millions. What few tokens have is behind a pointer.

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_core::CloseReason;
use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::ids::{ChannelId, ConnectionId, IssuerId, KeyId, UserId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{NATIVE_SESSION_MS, SESSION_GRACE_MS};
use tollgate_core::records::{PreviousGeneration, Revocation, TokenKind, TokenRecord, TokenTerms};

use crate::hub::ConnectionRef;
use crate::operations::presented;

/// A token.
#[derive(Debug)]
pub(crate) struct TokenEntry {
    pub(crate) generation: u32,
    /// Of the row that it was read from.
    pub(crate) revision: u32,
    /// The number of the data key that sealed that row.
    pub(crate) sealed_under: u16,
    pub(crate) kind: TokenKind,
    pub(crate) user: Option<UserId>,
    pub(crate) state: Option<Box<JsonObject>>,
    pub(crate) state_version: u64,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: Option<UnixMillis>,
    pub(crate) made_by: Option<KeyId>,
    /// The ring key of its newest generation's first spelling.
    pub(crate) key_number: u16,
    rare: Option<Box<Rare>>,
    live: Option<Box<Live>>,
}

/// What few tokens have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    previous: Option<PreviousGeneration>,
    not_before: Option<UnixMillis>,
    issuer: Option<IssuerId>,
    revoked: Option<Revocation>,
    terms: TokenTerms,
}

/// What a token has while it is in use.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Channels that it is subscribed to, and whether each subscription ends with the session.
    pub(super) subscriptions: Vec<(ChannelId, bool)>,
    /// Its live connections.
    pub(super) connections: Vec<LiveConnection>,
    /// When its last connection went.
    pub(super) offline_at: Monotonic,
    /// Its session, if a protocol that knows sessions began one: the first connection of it. It outlives the last one for a time.
    pub(super) session: Option<ConnectionId>,
}

impl Live {
    fn is_idle(&self) -> bool {
        self.subscriptions.is_empty() && self.connections.is_empty() && self.session.is_none()
    }
}

/// A live connection, and what it came in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveConnection {
    pub(crate) connection: ConnectionRef,
    /// Its public id.
    pub(crate) id: ConnectionId,
    /// Where it comes from, if the transport knows it.
    pub(crate) address: Option<IpAddr>,
    /// The origin of the web page, if its browser said so.
    pub(crate) origin: Option<Arc<str>>,
    /// The generation of the secret it presented.
    pub(crate) generation: u32,
    /// The number of the ring key under which that secret was spelled; 0 for a JWT.
    pub(crate) key_number: u16,
    /// When it was identified.
    pub(crate) since: UnixMillis,
    /// What a JWT that it came in with proves; nothing for a secret.
    pub(crate) jwt: Option<Box<JwtProof>>,
}

/// Whose signature on a JWT it was, and until when that JWT lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JwtProof {
    pub(crate) by: SignedBy,
    /// Its `exp`: a connection that came in by it ends then at the latest.
    pub(crate) ends_at: UnixMillis,
}

/// Whose signature is on a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedBy {
    /// The project's: the number of the signing key.
    Key(u64),
    /// A registered issuer's.
    Issuer(IssuerId),
}

/// Why a token does not work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenEnd {
    Expired(UnixMillis),
    NotYet(UnixMillis),
    Revoked(UnixMillis),
    /// The presented generation was replaced by a newer one.
    Rotated,
}

impl TokenEntry {
    /// The entry of a record.
    pub(crate) fn new(record: TokenRecord, revision: u32, sealed_under: u16) -> Self {
        let TokenRecord {
            generation,
            previous,
            kind,
            user,
            state,
            state_version,
            created_at,
            not_before,
            expires_at,
            made_by,
            key_number,
            issuer,
            revoked,
            terms,
        } = record;
        let rare = Rare { previous, not_before, issuer, revoked, terms };
        Self {
            generation,
            revision,
            sealed_under,
            kind,
            user,
            state: state.map(Box::new),
            state_version,
            created_at,
            expires_at,
            made_by,
            key_number,
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
            live: None,
        }
    }

    /// The record, to change and seal again.
    pub(crate) fn record(&self) -> TokenRecord {
        let Rare { previous, not_before, issuer, revoked, terms } = self.rare.as_deref().cloned().unwrap_or_default();
        TokenRecord {
            generation: self.generation,
            previous,
            kind: self.kind,
            user: self.user,
            state: self.state.as_deref().cloned(),
            state_version: self.state_version,
            created_at: self.created_at,
            not_before,
            expires_at: self.expires_at,
            made_by: self.made_by,
            key_number: self.key_number,
            issuer,
            revoked,
            terms,
        }
    }

    pub(crate) fn previous(&self) -> Option<PreviousGeneration> {
        self.rare.as_ref().and_then(|rare| rare.previous)
    }

    pub(crate) fn not_before(&self) -> Option<UnixMillis> {
        self.rare.as_ref().and_then(|rare| rare.not_before)
    }

    pub(crate) fn issuer(&self) -> Option<IssuerId> {
        self.rare.as_ref().and_then(|rare| rare.issuer)
    }

    pub(crate) fn revoked(&self) -> Option<&Revocation> {
        self.rare.as_ref().and_then(|rare| rare.revoked.as_ref())
    }

    pub(crate) fn terms(&self) -> Option<&TokenTerms> {
        self.rare.as_ref().map(|rare| &rare.terms)
    }

    pub(crate) fn subscriptions(&self) -> &[(ChannelId, bool)] {
        self.live.as_ref().map_or(&[], |live| &live.subscriptions)
    }

    pub(crate) fn live_connections(&self) -> &[LiveConnection] {
        self.live.as_ref().map_or(&[], |live| &live.connections)
    }

    pub(crate) fn live_connection(&self, connection: ConnectionRef) -> Option<&LiveConnection> {
        self.live_connections().iter().find(|live| live.connection == connection)
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionRef> {
        self.live_connections().iter().map(|live| live.connection).collect()
    }

    pub(crate) fn is_online(&self) -> bool {
        !self.live_connections().is_empty()
    }

    /// The session that its connections belong to, or that waits for one.
    pub(crate) fn session(&self) -> Option<ConnectionId> {
        self.live.as_ref().and_then(|live| live.session)
    }

    /// The session that a connection of a protocol that knows sessions belongs to: the one that there is, or a new one.
    pub(crate) fn begin_session(&mut self, connection: ConnectionId) -> ConnectionId {
        *self.live_mut().session.get_or_insert(connection)
    }

    /// How long its session outlives its last connection, in milliseconds.
    pub(crate) fn session_grace_ms(&self) -> u64 {
        let is_native = self.live.as_ref().is_some_and(|live| live.session.is_some());
        if is_native { NATIVE_SESSION_MS } else { SESSION_GRACE_MS }
    }

    pub(super) fn offline_at(&self) -> Monotonic {
        self.live.as_ref().map_or(Monotonic(0), |live| live.offline_at)
    }

    /// Adds an identified connection.
    pub(super) fn connect(&mut self, connection: LiveConnection) {
        let connections = &mut self.live_mut().connections;
        if connections.is_empty() {
            // Nearly every token has one, and a vector left to itself makes room for four.
            connections.reserve_exact(1);
        }
        connections.push(connection);
    }

    pub(super) fn live_mut(&mut self) -> &mut Live {
        self.live.get_or_insert_default()
    }

    /// Gives the memory back when nothing is live any more.
    pub(super) fn rest(&mut self) {
        if self.live.as_ref().is_some_and(|live| live.is_idle()) {
            self.live = None;
        }
    }

    /// Takes over what is live from the entry that this one replaces.
    pub(super) fn inherit(&mut self, old: &mut Self) {
        self.live = old.live.take();
    }

    /// Why this generation of the token does not work at `now`; nothing if it does.
    pub(crate) fn end(&self, generation: u32, now: UnixMillis) -> Option<TokenEnd> {
        if let Some(revoked) = self.revoked().filter(|revoked| revoked.is_in_force(now)) {
            return Some(TokenEnd::Revoked(revoked.effective_at));
        }
        if let Some(end) = self.expires_at.filter(|end| *end <= now) {
            return Some(TokenEnd::Expired(end));
        }
        if let Some(start) = self.not_before().filter(|start| *start > now) {
            return Some(TokenEnd::NotYet(start));
        }
        let in_grace =
            || self.previous().is_some_and(|previous| previous.generation == generation && now < previous.until);
        (generation != self.generation && !in_grace()).then_some(TokenEnd::Rotated)
    }

    /// Why a live connection may not go on at `now`; nothing if it may, or if its end alone has come, which its shard looks after.
    pub(crate) fn must_go(&self, live: &LiveConnection, now: UnixMillis) -> Option<CloseReason> {
        match self.end(live.generation, now) {
            Some(TokenEnd::Revoked(_)) => return Some(CloseReason::TokenRevoked),
            Some(TokenEnd::NotYet(_)) => return Some(CloseReason::InvalidCredential),
            Some(TokenEnd::Expired(_) | TokenEnd::Rotated) | None => {}
        }
        let fits = presented::address_fits(self, live.address) && presented::origin_fits(self, live.origin.as_deref());
        (!fits).then_some(CloseReason::InvalidCredential)
    }

    /// When a live connection must end at the latest: with its token, or with the JWT that it came in with.
    pub(crate) fn live_until(&self, live: &LiveConnection) -> Option<UnixMillis> {
        self.ends_at(live.generation).into_iter().chain(live.jwt.as_ref().map(|jwt| jwt.ends_at)).min()
    }

    /// When a connection that came in with this generation must end at the latest: long ago, if the generation works no longer at all.
    fn ends_at(&self, generation: u32) -> Option<UnixMillis> {
        let grace = || self.previous().filter(|previous| previous.generation == generation).map(|one| one.until);
        let rotated = (generation != self.generation).then(|| grace().unwrap_or(UnixMillis(0)));
        [self.expires_at, self.revoked().map(|revoked| revoked.effective_at), rotated].into_iter().flatten().min()
    }
}

/// A record that is read more often than changed.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) revision: u32,
    /// The number of the data key that sealed its row.
    pub(crate) sealed_under: u16,
    pub(crate) record: Arc<T>,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { revision: self.revision, sealed_under: self.sealed_under, record: Arc::clone(&self.record) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hub::{ConnectionKey, ShardIndex};

    /// Every token that is in use has a [`Live`], and nearly every one a single connection.
    #[test]
    fn one_connection_takes_the_room_of_one() {
        let record = TokenRecord {
            generation: 1,
            previous: None,
            kind: TokenKind::UserToken,
            user: None,
            state: None,
            state_version: 0,
            created_at: UnixMillis(1),
            not_before: None,
            expires_at: None,
            made_by: None,
            key_number: 1,
            issuer: None,
            revoked: None,
            terms: TokenTerms::default(),
        };
        let mut entry = TokenEntry::new(record, 1, 1);
        let key = ConnectionKey { slot: 0, generation: 1 };
        entry.connect(LiveConnection {
            connection: ConnectionRef { shard: ShardIndex(0), key },
            id: ConnectionId::new(1),
            address: None,
            origin: None,
            generation: 1,
            key_number: 1,
            since: UnixMillis(1),
            jwt: None,
        });
        let live = entry.live.as_deref().unwrap();
        assert_eq!(live.connections.capacity() * size_of::<LiveConnection>(), size_of::<LiveConnection>());
        assert!(size_of::<LiveConnection>() <= 80, "{} bytes", size_of::<LiveConnection>());
        assert!(size_of::<Live>() <= 80, "{} bytes", size_of::<Live>());
    }
}
