//! Which tokens and channels somebody came to or went from since this was last asked, for webhook endpoints to be told. Only in projects with an
//! endpoint that wants it. What is told is decided by how things then stand ([`crate::operations`]), not by what is noted here.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use tollgate_core::ids::{ChannelId, ProjectId, TokenId};

use super::{Directory, Records};
use crate::operations::events::takes;

/// What was touched in a project. No more than it has tokens and channels, but for those that are gone since the last look.
#[derive(Debug, Default)]
pub(crate) struct TouchedHere {
    pub(crate) tokens: HashSet<TokenId>,
    pub(crate) channels: HashSet<ChannelId>,
}

#[derive(Debug, Default)]
pub(super) struct Touched(Mutex<HashMap<ProjectId, TouchedHere>>);

/// Who wants to be told: whether some endpoint has a pattern for it, and whether one of those is not disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) is_wanted: bool,
    pub(crate) is_heard: bool,
}

impl Records {
    /// Whether webhook endpoints want one of these events.
    pub(crate) fn wanted(&self, events: &[&str]) -> Wanted {
        let mut wanted = Wanted::default();
        for kept in self.webhooks.values() {
            let fits = |pattern: &String| events.iter().any(|event| takes(pattern, event));
            if kept.record.events.iter().any(fits) {
                wanted.is_wanted = true;
                wanted.is_heard |= kept.record.disabled_at.is_none();
            }
        }
        wanted
    }
}

/// The events about tokens.
pub(crate) const OF_TOKENS: &[&str] = &["token.online", "token.offline"];
/// The events about channels.
pub(crate) const OF_CHANNELS: &[&str] = &["channel.occupied", "channel.vacated"];

impl Directory {
    /// A token got or lost a connection, or goes. Called with the records locked, while its subscriptions are there.
    pub(super) fn note_presence(&self, records: &Records, project: ProjectId, token: TokenId) {
        if records.webhooks.is_empty() {
            return;
        }
        let (of_tokens, of_channels) = (records.wanted(OF_TOKENS).is_wanted, records.wanted(OF_CHANNELS).is_wanted);
        if !of_tokens && !of_channels {
            return;
        }
        let mut touched = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = touched.entry(project).or_default();
        if of_tokens {
            here.tokens.insert(token);
        }
        if of_channels && let Some(found) = records.token(token) {
            here.channels.extend(found.subscriptions().iter().map(|(channel, _)| channel.clone()));
        }
    }

    /// Somebody came into a channel or went, or the channel goes. Called with the records locked.
    pub(super) fn note_channel(&self, records: &Records, project: ProjectId, channel: &ChannelId) {
        if records.webhooks.is_empty() || !records.wanted(OF_CHANNELS).is_wanted {
            return;
        }
        let mut touched = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        touched.entry(project).or_default().channels.insert(channel.clone());
    }

    /// All that was touched in a project since the last call.
    pub(crate) fn take_touched(&self, project: ProjectId) -> TouchedHere {
        let mut touched = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        touched.remove(&project).unwrap_or_default()
    }
}
