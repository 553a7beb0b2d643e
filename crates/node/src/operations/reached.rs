//! What is known of a token's connections and one message: what waits for those that live, and which were there and ended since.

use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::delivery::Position;
use tollgate_core::ids::{ChannelKey, ConnectionId, TokenId};

use super::explain::ExplainHeld;
use super::fates::{Facts, FateStepKind};
use crate::Node;
use crate::directory::{Parting, TokenEntry};
use crate::hub::{ConnectionRef, Request, StandingQuestion, StandingSeen};

/// Most live connections, and most ended ones, that an answer tells of.
const CONNECTIONS_TOLD_MAX: usize = 32;

/// A message, as connections see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    /// Where it was published; nothing of a direct message.
    pub(super) channel: Option<&'a ChannelKey>,
    /// Its place.
    pub(super) position: Position,
    /// When it was accepted, if that is known.
    pub(super) at: Option<UnixMillis>,
    /// Whether it is sent to each connection that comes, too, because a mailbox keeps it.
    pub(super) comes_again: bool,
}

/// A live connection of the token.
pub(super) struct Live {
    connection: ConnectionRef,
    id: ConnectionId,
    since: UnixMillis,
}

/// The live connections of a token.
pub(super) fn live_of(token: &TokenEntry) -> Vec<Live> {
    let live = token.live_connections().iter();
    live.map(|one| Live { connection: one.connection, id: one.id, since: one.since }).collect()
}

impl Node {
    /// Tells of the live connections; answers whether one was there when the message was sent, or came to what was kept of it.
    pub(super) async fn tell_live(&self, sent: &Sent<'_>, live: Vec<Live>, facts: &mut Facts) -> bool {
        let count = live.len();
        let mut was_there = false;
        for one in live.into_iter().take(CONNECTIONS_TOLD_MAX) {
            let came_later = sent.at.filter(|at| *at < one.since);
            if let Some(at) = came_later.filter(|_| !sent.comes_again) {
                let said = format!(
                    "It came at {}, after the message of {at}: it was written the message only if its client asked to go on from before it.",
                    one.since
                );
                facts.note_of(FateStepKind::Connection, ExplainHeld::Unknown, said, one.id);
                continue;
            }
            was_there |= sent.at.is_some();
            let (reply, answer) = oneshot::channel();
            let question = StandingQuestion { connection: one.connection.key, channel: sent.channel.cloned(), reply };
            let asked = self.hub.ask(one.connection.shard, Request::Standing(Box::new(question))).await;
            let seen = if asked { answer.await.ok().flatten() } else { None };
            let moved_at = seen.and_then(|seen| seen.moved_at).map(|moved_at| self.unix_of(moved_at));
            let (held, mut said) = standing(seen, moved_at, sent);
            if came_later.is_some() {
                said = format!("It came at {}, and was sent what its mailbox kept. {said}", one.since);
            }
            facts.note_of(FateStepKind::Connection, held, said, one.id);
        }
        if let Some(more) = count.checked_sub(CONNECTIONS_TOLD_MAX).filter(|more| *more > 0) {
            let said = format!("And {more} more connections, which are not looked at here.");
            facts.note(FateStepKind::Connection, ExplainHeld::Unknown, said);
        }
        was_there
    }

    /// Tells of the connections that were there when the message was sent and have ended since, and if nobody was there.
    pub(super) fn tell_ended(&self, token: TokenId, at: Option<UnixMillis>, was_there: bool, facts: &mut Facts) {
        let Some(at) = at else { return };
        let (ended, remembered_since) = self.directory.departures_of(token, at);
        let there: Vec<_> = ended.iter().filter(|one| one.since <= at).collect();
        for one in there.iter().rev().take(CONNECTIONS_TOLD_MAX) {
            let said = match one.how {
                Parting::Closed(reason) => format!(
                    "It was there from {} to {}, and ended because {} (`{}`). What had not been written to its socket by then was not delivered over it.",
                    one.since,
                    one.ended_at,
                    because(reason),
                    reason.word()
                ),
                Parting::Renewed => format!(
                    "It was this token's from {} to {}, and went on with another token of the same user then.",
                    one.since, one.ended_at
                ),
            };
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

/// What is said of a connection that was there before the message.
fn standing(seen: Option<StandingSeen>, moved_at: Option<UnixMillis>, sent: &Sent<'_>) -> (ExplainHeld, String) {
    let Sent { channel, position, at, .. } = *sent;
    let Some(seen) = seen else {
        return (ExplainHeld::Unknown, "It is just coming in, or ending.".into());
    };
    if channel.is_some() {
        let Some(appended) = seen.appended else {
            return (ExplainHeld::Failed, "It is not in the channel.".into());
        };
        if appended.epoch == position.epoch && appended.offset < position.offset {
            return (
                ExplainHeld::Failed,
                format!("The message is still on its way to it: it has everything up to {appended}."),
            );
        }
    }
    let StandingSeen { lane_bytes, outbox_bytes, .. } = seen;
    let (is_in, more) = match channel {
        Some(_) => ("It is in the channel, and everything", format!(", {lane_bytes} more in the channel")),
        None => ("Everything", String::new()),
    };
    match (outbox_bytes, moved_at) {
        (0, _) if lane_bytes == 0 => (ExplainHeld::Held, format!("{is_in} up to now was written to its socket.")),
        (0, _) => (
            ExplainHeld::Unknown,
            format!("{lane_bytes} bytes of the channel wait to be written to it, the message perhaps among them."),
        ),
        (_, Some(moved)) if at.is_some_and(|at| moved < at) => (
            ExplainHeld::Failed,
            format!(
                "The message waits: its client has read nothing since {moved}. {outbox_bytes} bytes wait for its socket{more}."
            ),
        ),
        _ => (
            ExplainHeld::Unknown,
            format!(
                "Its client reads slowly: {outbox_bytes} bytes wait for its socket{more}, the message perhaps among them."
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
