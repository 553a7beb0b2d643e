//! Who is online, and when who is not was last seen: of tokens and users, one at a time or a thousand at once.
//!
//! Seen is who has a live connection. When the last one of a token ended is kept with its usage, so a sudden death of the server costs what happened
//! within the last minute, and ends of connections that nobody saw: then it is the last time at which the token is known to have been connected.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId, UserId};
use tollgate_core::limits::BATCH_MAX;

use crate::Node;
use crate::directory::Records;

/// Whether a token or user is there. Who is not known is offline and was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnlineView {
    /// Live connections.
    pub connections: usize,
    /// When it last had one: now, while it has.
    pub last_seen_at: Option<UnixMillis>,
}

impl OnlineView {
    /// Whether it has a live connection.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.connections > 0
    }
}

impl Node {
    /// Whether each of these tokens (by secret or id) and users (by the customer's own ids) is there, in the order in which they are named.
    ///
    /// # Errors
    /// `forbidden`, for either kind by itself; `invalid_input` for more than [`BATCH_MAX`] names.
    pub fn online(
        &self,
        caller: &Caller,
        tokens: &[PresentedSecret],
        users: &[String],
    ) -> Result<(Vec<OnlineView>, Vec<OnlineView>)> {
        let mut entry = None;
        if !tokens.is_empty() || users.is_empty() {
            entry = Some(self.authorize(caller, Action::SeeTokens)?);
        }
        if !users.is_empty() {
            entry = Some(self.authorize(caller, Action::ReadUsers)?);
        }
        let names = tokens.len() + users.len();
        if names > BATCH_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("At most {BATCH_MAX} tokens and users are named at once; these are {names}. Ask in parts."),
            ));
        }
        let Some(entry) = entry else { return Ok((Vec::new(), Vec::new())) };
        let known: Vec<_> = tokens.iter().map(|token| self.resolve_token(&entry, token).ok()).collect();
        let (project, records) = (entry.project.id, entry.read());
        let of_token = |token: Option<TokenId>| token.map(|token| self.token_online(project, &records, token));
        let of_user = |name: &String| Some(self.user_online(project, &records, records.user_named(name)?.0));
        let tokens = known.into_iter().map(|token| of_token(token).unwrap_or_default()).collect();
        Ok((tokens, users.iter().map(|name| of_user(name).unwrap_or_default()).collect()))
    }

    /// Whether a token is there.
    pub(super) fn token_online(&self, project: ProjectId, records: &Records, token: TokenId) -> OnlineView {
        let Some(found) = records.token(token) else { return OnlineView::default() };
        let connections = found.live_connections().len();
        if connections > 0 {
            return OnlineView { connections, last_seen_at: Some(self.now()) };
        }
        let kept = records.token_usage.get(&token.get()).and_then(|kept| kept.record.last_seen_at);
        OnlineView { connections, last_seen_at: kept.max(self.directory.seen_at(project, token)) }
    }

    /// Whether a user is there, with any of its tokens.
    pub(super) fn user_online(&self, project: ProjectId, records: &Records, user: UserId) -> OnlineView {
        let tokens = records.user(user).map(|found| found.tokens.as_slice()).unwrap_or_default();
        let each = tokens.iter().map(|token| self.token_online(project, records, *token));
        // Of tokens that are gone, its own record knows.
        let kept = records.user_usage.get(&user.get()).and_then(|kept| kept.record.last_seen_at);
        each.fold(OnlineView { connections: 0, last_seen_at: kept }, |sum, one| OnlineView {
            connections: sum.connections + one.connections,
            last_seen_at: sum.last_seen_at.max(one.last_seen_at),
        })
    }
}
