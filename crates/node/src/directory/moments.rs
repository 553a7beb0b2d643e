//! Connects and disconnects of tokens, noted in memory until upkeep writes them down as messages to webhook endpoints. Only in projects
//! with an endpoint that wants them, and no more than fit: what is beyond is dropped and counted.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::records::WebhookRecord;

use super::{Directory, Records};

/// Most moments that wait to be written down.
pub(crate) const MOMENTS_MAX: usize = 16_384;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MomentKind {
    Opened,
    Closed,
}

/// A connection of a token was opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: UnixMillis,
    pub(crate) project: ProjectId,
    pub(crate) token: TokenId,
    pub(crate) kind: MomentKind,
    /// How many connections the token had after it.
    pub(crate) connections: usize,
}

#[derive(Debug, Default)]
pub(super) struct Moments(Mutex<VecDeque<Moment>>);

/// Whether an endpoint that is not disabled has a pattern that begins so, or that takes everything.
fn wants_moments(webhook: &WebhookRecord) -> bool {
    let fits =
        |pattern: &String| pattern == "*" || pattern.starts_with("connection.") || pattern.starts_with("session.");
    webhook.disabled_at.is_none() && webhook.events.iter().any(fits)
}

impl Directory {
    /// A connection of the token was added to the records, or removed. Called with the records locked, so that moments stay in order.
    pub(crate) fn note_moment(&self, records: &Records, project: ProjectId, token: TokenId, opened: bool) {
        self.note_presence(records, project, token);
        if !records.webhooks.values().any(|kept| wants_moments(&kept.record)) {
            return;
        }
        let connections = records.token(token).map_or(0, |token| token.live_connections().len());
        let kind = if opened { MomentKind::Opened } else { MomentKind::Closed };
        let moment = Moment { at: self.clock.unix(), project, token, kind, connections };
        let mut moments = self.moments.0.lock().unwrap_or_else(PoisonError::into_inner);
        if moments.len() < MOMENTS_MAX {
            moments.push_back(moment);
        } else {
            self.counters.webhook_moments_dropped.add(1);
        }
    }

    /// The oldest moments that wait, at most so many.
    pub(crate) fn take_moments(&self, most: usize) -> Vec<Moment> {
        let mut moments = self.moments.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = most.min(moments.len());
        moments.drain(..most).collect()
    }
}
