//! What operations answer of tokens, without their secrets: plain values for the doors.

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_core::clock::UnixMillis;
use tollgate_core::command::Expiry;
use tollgate_core::credentials::TokenSecret;
use tollgate_core::ids::{ChannelId, ConnectionId, IssuerId, KeyId, ProjectId, TokenId, UserId};
use tollgate_core::json::JsonObject;
use tollgate_core::records::{Revocation, TokenKind, TokenTerms, UserRecord};

use super::presented::TokenRefused;
use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};

/// Whether a token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// It does.
    Active,
    /// Its end has come.
    Expired,
    /// It was revoked.
    Revoked,
    /// Its beginning has not come yet.
    NotYetValid,
}

impl TokenStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Active, Self::Expired, Self::Revoked, Self::NotYetValid];

    /// The word of the doors.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NotYetValid => "not_yet_valid",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    pub(super) fn of(token: &TokenEntry, now: UnixMillis) -> Self {
        if token.revoked().is_some_and(|revoked| revoked.is_in_force(now)) {
            Self::Revoked
        } else if token.expires_at.is_some_and(|end| end <= now) {
            Self::Expired
        } else if token.not_before().is_some_and(|start| start > now) {
            Self::NotYetValid
        } else {
            Self::Active
        }
    }
}

/// The secret before the last rotation, while its grace lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Its generation.
    pub generation: u32,
    /// Until when it works.
    pub until: UnixMillis,
    /// How often it was used since the rotation, as far as this process knows.
    pub uses: u64,
}

/// A token, without its secret.
#[derive(Clone, Debug)]
pub struct TokenDetail {
    /// Its public id.
    pub id: TokenId,
    /// The owner.
    pub project: ProjectId,
    /// How it came to be.
    pub kind: TokenKind,
    /// Whether it works now.
    pub status: TokenStatus,
    /// Whose it is.
    pub user: Option<(UserId, Arc<UserRecord>)>,
    /// What it may do, its limits, notes and names.
    pub terms: TokenTerms,
    /// Its state; `None` is `null`.
    pub state: Option<JsonObject>,
    /// The version of that state, from 1.
    pub state_version: u64,
    /// Counts the changes of the record, from 1.
    pub revision: u32,
    /// Raised by rotation, from 1.
    pub generation: u32,
    /// The secret before.
    pub previous: Option<PreviousSecret>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// From when it works.
    pub not_before: Option<UnixMillis>,
    /// When it ends by itself.
    pub expires_at: Option<UnixMillis>,
    /// When whoever holds it should get the next.
    pub refresh_after: Option<UnixMillis>,
    /// Why it is revoked.
    pub revoked: Option<Revocation>,
    /// The key that it was made with.
    pub made_by: Option<KeyId>,
    /// The issuer whose JWT it stands for.
    pub issuer: Option<IssuerId>,
    /// How many live connections it has.
    pub connections: usize,
    /// When it last had one: now, while it has.
    pub last_seen_at: Option<UnixMillis>,
}

/// A token whose secret was just made: the only answer that has both.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: TokenDetail,
    /// Its secret.
    pub secret: TokenSecret,
    /// Whether it was made by an earlier request with the same idempotency key.
    pub repeated: bool,
}

/// A live connection of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Its id.
    pub id: ConnectionId,
    /// When it was identified.
    pub since: UnixMillis,
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
    /// The generation of the secret that it came with.
    pub generation: u32,
    /// When it ends at the latest.
    pub ends_at: Option<UnixMillis>,
}

/// A subscription of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// The channel.
    pub channel: ChannelId,
    /// Ends with the token's session.
    pub ephemeral: bool,
}

/// What is to be said of a presented token.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The token, if the text proves to be one of this project and it still exists.
    pub token: Option<TokenDetail>,
    /// Why it is refused; nothing if it works.
    pub refusal: Option<TokenRefused>,
}

/// A part of a list that is read page by page.
#[derive(Clone, Debug)]
pub struct TokenPage {
    /// The tokens.
    pub tokens: Vec<TokenDetail>,
    /// Where the next page begins; nothing behind the last.
    pub next: Option<TokenId>,
    /// How many tokens were looked at for it.
    pub looks: usize,
    /// How many there are, whether they fit or not.
    pub total: usize,
}

/// Which tokens, and in which order.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// Those of the user with this id of the customer's.
    pub user_id: Option<String>,
    /// Those subscribed to this channel.
    pub channel: Option<ChannelId>,
    /// Those with this status.
    pub status: Option<TokenStatus>,
    /// Those of users whose ids of the customer's begin so.
    pub user_prefix: Option<String>,
    /// Those that came to be so.
    pub kind: Option<TokenKind>,
    /// Those with a live connection, or without one.
    pub online: Option<bool>,
    /// Those that were made with this key.
    pub made_by: Option<KeyId>,
    /// Those in whose names this occurs, in small or large letters.
    pub name_part: Option<String>,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
}

impl TokenFilter {
    /// Whether a token fits, its user and channel aside.
    pub(super) fn admits(&self, token: &TokenEntry, now: UnixMillis) -> bool {
        let is_named = |part: &String| {
            let name = token.terms().and_then(|terms| terms.name.as_deref());
            name.is_some_and(|name| name.to_lowercase().contains(&part.to_lowercase()))
        };
        self.status.is_none_or(|status| TokenStatus::of(token, now) == status)
            && self.kind.is_none_or(|kind| token.kind == kind)
            && self.online.is_none_or(|online| token.is_online() == online)
            && self.made_by.is_none_or(|key| token.made_by == Some(key))
            && self.name_part.as_ref().is_none_or(is_named)
    }
}

impl Node {
    /// A token as it is now.
    pub(super) fn detail(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        id: TokenId,
        token: &TokenEntry,
    ) -> TokenDetail {
        let (record, now) = (token.record(), self.now());
        let user = record.user.and_then(|user| Some((user, Arc::clone(&records.user(user)?.kept.record))));
        let uses = |generation| self.previous_uses.of(id, generation);
        TokenDetail {
            id,
            project: entry.project.id,
            kind: record.kind,
            status: TokenStatus::of(token, now),
            user,
            terms: record.terms,
            state: record.state,
            state_version: record.state_version,
            revision: token.revision,
            generation: record.generation,
            previous: record.previous.filter(|previous| now < previous.until).map(|previous| PreviousSecret {
                generation: previous.generation,
                until: previous.until,
                uses: uses(previous.generation),
            }),
            created_at: record.created_at,
            not_before: record.not_before,
            expires_at: record.expires_at,
            refresh_after: record.expires_at.map(|end| refresh_after(record.created_at, end)),
            revoked: record.revoked,
            made_by: record.made_by,
            issuer: record.issuer,
            connections: token.live_connections().len(),
            last_seen_at: self.token_online(entry.project.id, records, id).last_seen_at,
        }
    }
}

/// When a token should be replaced: when its live connections are told that it ends.
fn refresh_after(created_at: UnixMillis, end: UnixMillis) -> UnixMillis {
    let life_ms = end.0.saturating_sub(created_at.0);
    UnixMillis(end.0.saturating_sub(Expiry { left_ms: life_ms, life_ms }.warning_ms()))
}
