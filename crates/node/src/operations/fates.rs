//! What became of a message for a token: what is known of it here, fact by fact. It says what was written to sockets, never what somebody read.
//!
//! Nobody notes for each message whom it reached; that would cost every delivery. What is told is put together from what is there anyway: the channel's past,
//! the token's record, its live connections with what waits for them, and the connections that ended lately.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{HistoryFrom, HistoryQuery, PresentedSecret};
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, ConnectionId, TokenId};
use tollgate_core::ports::store::AuditQuery;

use super::explain::ExplainHeld;
use super::history::HistoryView;
use super::tokens::no_such_token;
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};
use crate::hub::{ConnectionRef, Request, StandingQuestion, StandingSeen};

/// Most live connections, and most ended ones, that an answer tells of.
const CONNECTIONS_TOLD_MAX: usize = 32;
/// Most entries of the audit log that are looked at for when it was subscribed.
const ENTRIES_LOOKED_AT: usize = 50;

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FateStepKind {
    /// Whether the channel has the message still.
    Kept,
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
    /// When the message was accepted, if that is known still.
    pub at: Option<UnixMillis>,
    /// What it was.
    pub message: Option<MessageTold>,
    /// What is known.
    pub steps: Vec<FateStep>,
}

/// The facts so far, and whether the caller may see which connection is meant.
struct Facts {
    steps: Vec<FateStep>,
    sees_connections: bool,
}

impl Facts {
    fn note(&mut self, what: FateStepKind, held: ExplainHeld, said: impl Into<String>) {
        self.steps.push(FateStep { what, held, said: said.into(), connection: None });
    }

    fn note_of(&mut self, what: FateStepKind, held: ExplainHeld, said: String, connection: ConnectionId) {
        let connection = self.sees_connections.then_some(connection);
        self.steps.push(FateStep { what, held, said, connection });
    }
}

/// A live connection of the token.
struct Live {
    connection: ConnectionRef,
    id: ConnectionId,
    since: UnixMillis,
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
            let live = found.live_connections().iter();
            live.map(|one| Live { connection: one.connection, id: one.id, since: one.since }).collect::<Vec<_>>()
        };
        let (held, said) = self.subscribed(caller, &entry, token, channel, at).await;
        facts.note(FateStepKind::Subscribed, held, said);
        if let Some(found) = &found {
            echoed(found, token, &mut facts);
        }
        let there = self.tell_live(&key, position, at, live, &mut facts).await;
        self.tell_ended(token, at, there, &mut facts);
        let message = found.filter(|_| self.authorize(caller, Action::ReadChannels).is_ok());
        let message = message.map(|found| {
            let sender = found.extra.as_ref().and_then(|extra| extra.token);
            MessageTold { event: found.event, sender }
        });
        Ok(MessageFate { token, at, message, steps: facts.steps })
    }

    /// The message at a position, if it is kept.
    async fn message_at(&self, key: &ChannelKey, position: Position) -> Result<Option<Publication>> {
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

    /// Tells of the live connections; answers whether one was there when the message was sent, or nothing if that is not known.
    async fn tell_live(
        &self,
        key: &ChannelKey,
        position: Position,
        at: Option<UnixMillis>,
        live: Vec<Live>,
        facts: &mut Facts,
    ) -> bool {
        let count = live.len();
        let mut was_there = false;
        for one in live.into_iter().take(CONNECTIONS_TOLD_MAX) {
            if let Some(at) = at.filter(|at| *at < one.since) {
                let said = format!(
                    "It came at {}, after the message of {at}: it was written the message only if its client asked to go on from before it.",
                    one.since
                );
                facts.note_of(FateStepKind::Connection, ExplainHeld::Unknown, said, one.id);
                continue;
            }
            was_there |= at.is_some();
            let (reply, answer) = oneshot::channel();
            let question = StandingQuestion { connection: one.connection.key, channel: key.clone(), reply };
            let asked = self.hub.ask(one.connection.shard, Request::Standing(Box::new(question))).await;
            let seen = if asked { answer.await.ok().flatten() } else { None };
            let moved_at = seen.and_then(|seen| seen.moved_at).map(|moved_at| self.unix_of(moved_at));
            let (held, said) = standing(seen, moved_at, position, at);
            facts.note_of(FateStepKind::Connection, held, said, one.id);
        }
        if let Some(more) = count.checked_sub(CONNECTIONS_TOLD_MAX).filter(|more| *more > 0) {
            let said = format!("And {more} more connections, which are not looked at here.");
            facts.note(FateStepKind::Connection, ExplainHeld::Unknown, said);
        }
        was_there
    }

    /// Tells of the connections that were there when the message was sent and have ended since, and if nobody was there.
    fn tell_ended(&self, token: TokenId, at: Option<UnixMillis>, was_there: bool, facts: &mut Facts) {
        let Some(at) = at else { return };
        let (ended, remembered_since) = self.directory.departures_of(token, at);
        let there: Vec<_> = ended.iter().filter(|one| one.since <= at).collect();
        for one in there.iter().rev().take(CONNECTIONS_TOLD_MAX) {
            let said = format!(
                "It was there from {} to {}, and ended because {} (`{}`). What had not been written to its socket by then was not delivered over it.",
                one.since,
                one.ended_at,
                because(one.reason),
                one.reason.word()
            );
            facts.note_of(FateStepKind::Ended, ExplainHeld::Unknown, said, one.connection);
        }
        if let Some(more) = there.len().checked_sub(CONNECTIONS_TOLD_MAX).filter(|more| *more > 0) {
            let said = format!("And {more} more that ended before these.");
            facts.note(FateStepKind::Ended, ExplainHeld::Unknown, said);
        }
        let (held, said) = if was_there || !there.is_empty() {
            (ExplainHeld::Held, "A connection of it was there when the message was sent.".to_owned())
        } else if remembered_since > at {
            let said = format!(
                "Which connections ended before {remembered_since} is not remembered: one may have been there."
            );
            (ExplainHeld::Unknown, said)
        } else {
            (ExplainHeld::Failed, "No connection of it was there when the message was sent.".to_owned())
        };
        facts.note(FateStepKind::Present, held, said);
    }
}

/// Whether the token worked when the message was sent, by its record as it is now.
fn worked(token: &TokenEntry, at: Option<UnixMillis>, facts: &mut Facts) {
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

/// What is said of a connection that was there before the message.
fn standing(
    seen: Option<StandingSeen>,
    moved_at: Option<UnixMillis>,
    position: Position,
    at: Option<UnixMillis>,
) -> (ExplainHeld, String) {
    let Some(seen) = seen else {
        return (ExplainHeld::Unknown, "It is just coming in, or ending.".into());
    };
    let Some(appended) = seen.appended else {
        return (ExplainHeld::Failed, "It is not in the channel.".into());
    };
    if appended.epoch == position.epoch && appended.offset < position.offset {
        return (
            ExplainHeld::Failed,
            format!("The message is still on its way to it: it has everything up to {appended}."),
        );
    }
    let StandingSeen { lane_bytes, outbox_bytes, .. } = seen;
    match (outbox_bytes, moved_at) {
        (0, _) if lane_bytes == 0 => {
            (ExplainHeld::Held, "It is in the channel, and everything up to now was written to its socket.".into())
        }
        (0, _) => (
            ExplainHeld::Unknown,
            format!("{lane_bytes} bytes of the channel wait to be written to it, the message perhaps among them."),
        ),
        (_, Some(moved)) if at.is_some_and(|at| moved < at) => (
            ExplainHeld::Failed,
            format!(
                "The message waits: its client has read nothing since {moved}. {outbox_bytes} bytes wait for its socket, {lane_bytes} more in the channel."
            ),
        ),
        _ => (
            ExplainHeld::Unknown,
            format!(
                "Its client reads slowly: {outbox_bytes} bytes wait for its socket, {lane_bytes} more in the channel, the message perhaps among them."
            ),
        ),
    }
}

/// Why a connection ended, in words.
const fn because(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::InvalidCredential => "its credential did not work any more",
        CloseReason::TokenExpired => "its token expired",
        CloseReason::TokenRevoked => "its token was revoked or deleted",
        CloseReason::IdentifyTimeout | CloseReason::NotIdentified => "it did not say who it was",
        CloseReason::UnknownOperation | CloseReason::InvalidPayload => "it sent what its protocol does not have",
        CloseReason::Idle => "nothing was heard of it any more",
        CloseReason::SlowConsumer => "its client read too slowly",
        CloseReason::MessageTooBig => "it sent too large a message",
        CloseReason::ProtocolError | CloseReason::InvalidUtf8 => "it broke the rules of its transport",
        CloseReason::RateLimited => "it sent too much",
        CloseReason::Draining => "the server was shut down",
        CloseReason::Dismissed => "an operator or a backend ended it",
        CloseReason::ClientGone => "its client closed it or was cut off",
        CloseReason::Internal => "of a defect of the server",
    }
}
