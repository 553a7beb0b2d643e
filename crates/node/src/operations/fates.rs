//! What became of a message for a token: what is known of it here, fact by fact. It says what was written to sockets, never what somebody read.
//!
//! Nobody notes for each message whom it reached; that would cost every delivery. What is told is put together from what is there anyway: the channel's past,
//! the token's record, its live connections with what waits for them, and the connections that ended lately.

use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{HistoryFrom, HistoryQuery, PresentedSecret};
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, ConnectionId, TokenId};
use tollgate_core::ports::store::AuditQuery;

use super::explain::ExplainHeld;
use super::history::HistoryView;
use super::reached::{Sent, live_of};
use super::tokens::no_such_token;
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};

/// Most entries of the audit log that are looked at for when it was subscribed.
const ENTRIES_LOOKED_AT: usize = 50;

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FateStepKind {
    /// Whether the channel, or the mailbox, has the message still.
    Kept,
    /// Whether a client of the token acknowledged it; of direct messages in mailboxes.
    Acknowledged,
    /// Whether the token worked when the message was sent.
    Works,
    /// Whether the token is subscribed to the channel.
    Subscribed,
    /// Whether the message is one that its sender did not want back.
    Echo,
    /// A live connection: whether anything waits for it.
    Connection,
    /// A connection that was there, and has ended since.
    Ended,
    /// Whether a connection of it was there at all.
    Present,
}

impl FateStepKind {
    /// The word of the doors.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Acknowledged => "acknowledged",
            Self::Works => "works",
            Self::Subscribed => "subscribed",
            Self::Echo => "echo",
            Self::Connection => "connection",
            Self::Ended => "ended",
            Self::Present => "present",
        }
    }
}

/// A fact: held where it speaks for the message having been written to the token's clients, failed where against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FateStep {
    /// Of what.
    pub what: FateStepKind,
    /// Which way.
    pub held: ExplainHeld,
    /// A sentence.
    pub said: String,
    /// The connection that it is about, where the caller may see connections.
    pub connection: Option<ConnectionId>,
}

/// The message, where the caller may read channels and it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTold {
    /// Its event.
    pub event: Arc<str>,
    /// The token of the client that sent it; nothing of a backend's.
    pub sender: Option<TokenId>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFate {
    /// The token.
    pub token: TokenId,
    /// Where the message stands; nothing where there is none yet.
    pub position: Option<Position>,
    /// When the message was accepted, if that is known still.
    pub at: Option<UnixMillis>,
    /// What it was.
    pub message: Option<MessageTold>,
    /// What is known.
    pub steps: Vec<FateStep>,
}

/// The facts so far, and whether the caller may see which connection is meant.
pub(super) struct Facts {
    pub(super) steps: Vec<FateStep>,
    pub(super) sees_connections: bool,
}

impl Facts {
    pub(super) fn note(&mut self, what: FateStepKind, held: ExplainHeld, said: impl Into<String>) {
        self.steps.push(FateStep { what, held, said: said.into(), connection: None });
    }

    pub(super) fn note_of(&mut self, what: FateStepKind, held: ExplainHeld, said: String, connection: ConnectionId) {
        let connection = self.sees_connections.then_some(connection);
        self.steps.push(FateStep { what, held, said, connection });
    }
}

impl Node {
    /// What became of the message at a position of a channel for a token: whether it is kept, whether the token worked and is subscribed, what waits for
    /// its live connections, and which of its connections ended since. It changes nothing. Endings are remembered by this process, the last 16,384 of them.
    ///
    /// # Errors
    /// `forbidden`; `not_found` for a channel or token that is not there; `invalid_input` for a position that the channel has not come to; `unavailable`.
    pub async fn explain_message(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        position: Position,
        token: &PresentedSecret,
    ) -> Result<MessageFate> {
        let entry = self.authorize(caller, Action::IntrospectTokens)?;
        let token = self.resolve_token(&entry, token)?;
        if entry.read().channel(channel).is_none() {
            return Err(Error::not_found("channel", channel));
        }
        let key = ChannelKey { project: entry.project.id, channel: channel.clone() };
        let found = self.message_at(&key, position).await?;
        let at = found.as_ref().map(|found| found.at);
        let sees_connections = self.authorize(caller, Action::SeeConnections).is_ok();
        let mut facts = Facts { steps: Vec::new(), sees_connections };
        match at {
            Some(at) => facts.note(FateStepKind::Kept, ExplainHeld::Held, format!("The channel keeps it: it was accepted at {at}.")),
            None => facts.note(
                FateStepKind::Kept,
                ExplainHeld::Failed,
                "The channel does not keep it any more, so that it is not known when it was sent: what is said below is how things are now.",
            ),
        }
        let live = {
            let records = entry.read();
            let found = records.token(token).ok_or_else(no_such_token)?;
            worked(found, at, &mut facts);
            live_of(found)
        };
        let (held, said) = self.subscribed(caller, &entry, token, channel, at).await;
        facts.note(FateStepKind::Subscribed, held, said);
        if let Some(found) = &found {
            echoed(found, token, &mut facts);
        }
        let sent = Sent { channel: Some(&key), position, at, comes_again: false };
        let there = self.tell_live(&sent, live, &mut facts).await;
        self.tell_ended(token, at, there, &mut facts);
        let message = found.filter(|_| self.authorize(caller, Action::ReadChannels).is_ok());
        let message = message.map(|found| {
            let sender = found.extra.as_ref().and_then(|extra| extra.token);
            MessageTold { event: found.event, sender }
        });
        Ok(MessageFate { token, position: Some(position), at, message, steps: facts.steps })
    }

    /// The message at a position, if it is kept.
    pub(super) async fn message_at(&self, key: &ChannelKey, position: Position) -> Result<Option<Publication>> {
        let invalid = |why: String| Error::new(ErrorKind::InvalidInput, why);
        let Some(before) = position.offset.checked_sub(1) else {
            return Err(invalid("The messages of a channel count from 1; this position is before the first.".into()));
        };
        let from = HistoryFrom::After(Position { offset: before, ..position });
        let query = HistoryQuery { from, newest_first: false, limit: 1 };
        let (messages, end) = match self.page_of(key.clone(), query).await? {
            HistoryView::Page(page) => (page.messages, page.position),
            HistoryView::Lost(end) => (Vec::new(), end),
        };
        if end.epoch == position.epoch && end.offset < position.offset {
            return Err(invalid(format!("The channel has not come to {position}; its last message is at {end}.")));
        }
        let is_it = |(offset, _): &(u64, Publication)| end.epoch == position.epoch && *offset == position.offset;
        Ok(messages.into_iter().find(is_it).map(|(_, found)| found))
    }

    async fn subscribed(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        token: TokenId,
        channel: &ChannelId,
        at: Option<UnixMillis>,
    ) -> (ExplainHeld, String) {
        if !entry.read().is_subscribed(token, channel) {
            let said = "It is not subscribed to the channel now; whether it was then is not kept.";
            return (ExplainHeld::Failed, said.into());
        }
        let since = match self.authorize(caller, Action::ReadAudit) {
            Ok(_) => self.subscribed_since(entry, token, channel).await,
            Err(_) => None,
        };
        match (since, at) {
            (None, _) => {
                (ExplainHeld::Held, "It is subscribed to the channel now; since when is not in the audit log.".into())
            }
            (Some(since), Some(at)) if since > at => (
                ExplainHeld::Unknown,
                format!(
                    "It is subscribed to the channel, but your backend last subscribed it at {since}, which was after the message."
                ),
            ),
            (Some(since), _) => {
                (ExplainHeld::Held, format!("It is subscribed to the channel: your backend subscribed it at {since}."))
            }
        }
    }

    /// When a backend last subscribed the token to the channel, as the audit log says.
    async fn subscribed_since(&self, entry: &ProjectEntry, token: TokenId, channel: &ChannelId) -> Option<UnixMillis> {
        let query = AuditQuery {
            project: Some(entry.project.id),
            subject: Some(token.to_string()),
            action: Some("subscription.create".into()),
            newest_first: true,
            limit: ENTRIES_LOOKED_AT,
            ..AuditQuery::default()
        };
        // Without the log there is less to tell, and no reason to tell nothing.
        let entries = self.store.audit_entries(query).await.unwrap_or_default();
        let is_it = |detail: &str| detail == channel.as_str();
        let found = entries.into_iter().find(|entry| entry.draft.detail.as_deref().is_some_and(is_it));
        found.map(|entry| entry.draft.at)
    }
}

/// Whether the token worked when the message was sent, by its record as it is now.
pub(super) fn worked(token: &TokenEntry, at: Option<UnixMillis>, facts: &mut Facts) {
    let Some(at) = at else {
        return facts.note(FateStepKind::Works, ExplainHeld::Unknown, "Whether the token worked then is not known.");
    };
    let (expired, revoked) = (token.expires_at, token.revoked().map(|revoked| revoked.effective_at));
    let failed = if token.created_at > at {
        Some(format!("The token was made at {}, after the message.", token.created_at))
    } else if let Some(from) = token.not_before().filter(|from| *from > at) {
        Some(format!("The token begins to work at {from}, after the message."))
    } else if let Some(end) = revoked.filter(|end| *end <= at) {
        Some(format!("The token was revoked at {end}, before the message."))
    } else {
        expired.filter(|end| *end <= at).map(|end| format!("The token had expired at {end}, before the message."))
    };
    match failed {
        Some(said) => facts.note(FateStepKind::Works, ExplainHeld::Failed, said),
        None => facts.note(FateStepKind::Works, ExplainHeld::Held, "The token worked when the message was sent."),
    }
}

/// Whether it is the token's own message, and its connection did not want it back.
fn echoed(found: &Publication, token: TokenId, facts: &mut Facts) {
    let extra = found.extra.as_deref();
    let (held, said) = match extra.map(|extra| (extra.token, extra.connection)) {
        Some((Some(sender), Some(_))) if sender == token => (
            ExplainHeld::Failed,
            "It is the token's own message, and the connection that sent it is not sent it back: echo was off.",
        ),
        Some((Some(sender), None)) if sender == token => {
            (ExplainHeld::Held, "It is the token's own message, with echo on.")
        }
        _ => (ExplainHeld::Held, "Somebody else sent it."),
    };
    facts.note(FateStepKind::Echo, held, said);
}
