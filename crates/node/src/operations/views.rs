//! What operations take and answer: plain values for the doors.

use std::fmt;

use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::TokenSecret;
use tollgate_core::grants::Grant;
use tollgate_core::ids::{ChannelId, IssuerId, ProjectId, TokenId};
use tollgate_core::json::{JsonObject, stored_object};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType, HistorySettings};
use tollgate_core::records::{TokenKind, TokenTerms};

/// A project.
#[derive(Clone, Debug)]
pub struct ProjectView {
    /// Its id.
    pub id: ProjectId,
    /// The name people see.
    pub name: String,
    /// When it was created.
    pub created_at: UnixMillis,
}

/// A channel.
#[derive(Clone, Debug)]
pub struct ChannelView {
    /// The owner.
    pub project: ProjectView,
    /// Its id.
    pub id: ChannelId,
    /// Who may subscribe.
    pub kind: ChannelType,
    /// Who may write.
    pub capabilities: Capabilities,
    /// What it keeps and tells.
    pub settings: ChannelSettings,
    /// Its state.
    pub state: JsonObject,
    /// The version of its state, from 1.
    pub version: u64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// Its place in the server's order of creation.
    pub sequence: u64,
}

/// A token, with its secret: only for callers that may read it.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// Its public id.
    pub id: TokenId,
    /// Its secret, derived anew.
    pub secret: TokenSecret,
    /// The owner.
    pub project: ProjectId,
    /// Its state; `None` is `null`.
    pub state: Option<JsonObject>,
    /// Whether it has a live connection.
    pub is_online: bool,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it ends by itself.
    pub expires_at: Option<UnixMillis>,
}

/// A channel to create.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// The id, or `None` for one of our making.
    pub id: Option<ChannelId>,
    /// Who may subscribe.
    pub kind: ChannelType,
    /// Its first state.
    pub state: JsonObject,
    /// Who may write.
    pub capabilities: Capabilities,
    /// What it keeps and tells.
    pub settings: ChannelSettings,
}

/// What to change of a channel; `None` leaves as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelUpdate {
    /// Who may write.
    pub capabilities: Option<Capabilities>,
    /// What it keeps and tells.
    pub settings: Option<SettingsUpdate>,
}

/// What to change of what a channel keeps and tells; `None` leaves as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsUpdate {
    /// How many messages of its past.
    pub history_size: Option<u32>,
    /// For how long.
    pub history_ttl_ms: Option<u64>,
    /// Whether on the disk.
    pub history_durable: Option<bool>,
    /// Whether it keeps who is in it.
    pub presence: Option<bool>,
    /// Whether messages come back to who sent them.
    pub echo: Option<bool>,
    /// Whether the last message is kept however old it is.
    pub retain: Option<bool>,
    /// Most messages a second with the same key.
    pub conflate_per_second: Option<u16>,
}

impl From<ChannelSettings> for SettingsUpdate {
    /// Everything becomes as it is there.
    fn from(settings: ChannelSettings) -> Self {
        let ChannelSettings { history, presence, echo, retain, conflate_per_second } = settings;
        Self {
            history_size: Some(history.size),
            history_ttl_ms: Some(history.ttl_ms),
            history_durable: Some(history.durable),
            presence: Some(presence),
            echo: Some(echo),
            retain: Some(retain),
            conflate_per_second: Some(conflate_per_second),
        }
    }
}

impl SettingsUpdate {
    /// These settings with the changes.
    #[must_use]
    pub fn applied_to(self, settings: ChannelSettings) -> ChannelSettings {
        let history = settings.history;
        ChannelSettings {
            history: HistorySettings {
                size: self.history_size.unwrap_or(history.size),
                ttl_ms: self.history_ttl_ms.unwrap_or(history.ttl_ms),
                durable: self.history_durable.unwrap_or(history.durable),
            },
            presence: self.presence.unwrap_or(settings.presence),
            echo: self.echo.unwrap_or(settings.echo),
            retain: self.retain.unwrap_or(settings.retain),
            conflate_per_second: self.conflate_per_second.unwrap_or(settings.conflate_per_second),
        }
    }
}

/// The user of a token, as its backend names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UserOfToken {
    /// The customer's own id.
    pub user_id: String,
    /// What people call it; `None` leaves as it is.
    pub display_name: Option<String>,
}

/// A token to create.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct NewToken {
    /// Whose it is, created if need be.
    pub user: Option<UserOfToken>,
    /// How it comes to be.
    pub kind: TokenKind,
    /// The registered issuer whose JWT it stands for.
    pub issuer: Option<IssuerId>,
    /// Its first state.
    #[serde(deserialize_with = "stored_object")]
    pub state: Option<JsonObject>,
    /// When it ends by itself; must be in the future.
    pub expires_at: Option<UnixMillis>,
    /// Instead of `expires_at`: how long it lasts, in milliseconds.
    pub life_ms: Option<u64>,
    /// From when it works.
    pub not_before: Option<UnixMillis>,
    /// What it may do, its limits, notes and names.
    pub terms: TokenTerms,
    /// Channels that it is subscribed to from the start.
    pub channels: Vec<ChannelId>,
}

/// What to change of a token; the outer `None` leaves as it is, `Some(None)` takes away.
#[derive(Clone, Debug, Default)]
pub struct TokenUpdate {
    /// The new state (`Some(None)`: `null`).
    pub state: Option<Option<JsonObject>>,
    /// The new expiry (`Some(None)`: never).
    pub expires_at: Option<Option<UnixMillis>>,
    /// Instead of `expires_at`: how long it lasts from now on, in milliseconds.
    pub life_ms: Option<u64>,
    /// From when it works.
    pub not_before: Option<Option<UnixMillis>>,
    /// What it may do (`Some(None)`: as the channels' types say).
    pub grants: Option<Option<Vec<Grant>>>,
    /// Most live connections.
    pub connections_max: Option<Option<u32>>,
    /// Networks that it may come from; empty is all.
    pub networks: Option<Vec<String>>,
    /// Origins that it may come from; empty is all.
    pub origins: Option<Vec<String>>,
    /// The backend's notes (`Some(None)`: none any more).
    pub metadata: Option<Option<MetadataChange>>,
    /// A name for people.
    pub name: Option<Option<String>>,
    /// The device that it is for.
    pub device: Option<Option<String>>,
    /// Only if the token is at this revision.
    pub if_revision: Option<u32>,
}

/// How a backend's notes of a token become others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataChange {
    /// By a patch, as RFC 7396 has it.
    Patch(JsonObject),
    /// By these in place of them.
    Replace(JsonObject),
}

/// What a change of a token would take from it at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenLoss {
    /// Channels that it is subscribed to and would leave, in the order of their ids: it loses the right to subscribe to them.
    pub subscriptions: Vec<ChannelId>,
    /// Live connections that would be closed: they come from where it may not come from any more, or its beginning would be ahead.
    pub connections: usize,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Which page, from 1.
    pub number: u64,
    /// Entries on a page; `None`: all of them on page 1.
    pub size: Option<u64>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
}

impl Page {
    /// Everything, oldest first.
    pub const ALL: Self = Self { number: 1, size: None, newest_first: false };

    /// The entries of `sorted` (oldest first) on this page.
    pub(crate) fn cut<T>(self, mut sorted: Vec<T>) -> Listed<T> {
        let total = sorted.len() as u64;
        if self.newest_first {
            sorted.reverse();
        }
        let size = self.size.unwrap_or(total.max(1));
        let skip = usize::try_from(self.number.saturating_sub(1).saturating_mul(size)).unwrap_or(usize::MAX);
        let entries = sorted.into_iter().skip(skip).take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
        Listed { entries, total }
    }
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The entries asked for.
    pub entries: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

impl fmt::Display for ProjectView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cut_lists() {
        let cut = |number, size, newest_first| Page { number, size, newest_first }.cut(vec![1, 2, 3, 4, 5]).entries;
        let table: [(u64, Option<u64>, bool, &[i32]); 7] = [
            (1, None, false, &[1, 2, 3, 4, 5]),
            (1, None, true, &[5, 4, 3, 2, 1]),
            (1, Some(2), false, &[1, 2]),
            (3, Some(2), false, &[5]),
            (2, Some(2), true, &[3, 2]),
            (4, Some(2), false, &[]),
            (u64::MAX, Some(u64::MAX), false, &[]),
        ];
        for (number, size, newest_first, expected) in table {
            assert_eq!(cut(number, size, newest_first), expected, "{number} {size:?} {newest_first}");
        }
        assert_eq!(Page::ALL.cut(Vec::<i32>::new()).total, 0);
    }
}
