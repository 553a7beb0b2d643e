//! What became of a direct message for its token: whether it is kept, whether a client acknowledged it, and what waits for the token's connections.
//!
//! As for messages in channels, it is put together from what is there anyway. What a direct message says is its token's alone, and is not told.

use tokio::sync::oneshot;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::delivery::Position;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::records::{MailboxRecord, mailbox_epoch};

use super::explain::ExplainHeld;
use super::fates::{Facts, FateStepKind, MessageFate, worked};
use super::reached::{Sent, live_of};
use super::tokens::no_such_token;
use crate::Node;
use crate::directory::{ProjectEntry, Records};
use crate::hub::{DirectsQuestion, DirectsSeen, Request};

/// The highest bit: the positions of mailboxes have it.
const OF_MAILBOXES: u64 = 1 << 63;

/// What is known of where it is kept.
struct Found {
    /// Its place; nothing where the token was sent none.
    position: Option<Position>,
    at: Option<UnixMillis>,
    /// A client has it for sure: there is nothing to look for.
    is_acknowledged: bool,
}

impl Node {
    /// What became of a direct message for its token: of the one at a position, as its client was told it, or of the last. It changes nothing.
    ///
    /// # Errors
    /// `forbidden`; `not_found` for a token that is not there; `invalid_input` for a position that nothing was sent at; `unavailable`.
    pub async fn explain_direct(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        position: Option<Position>,
    ) -> Result<MessageFate> {
        let entry = self.authorize(caller, Action::IntrospectTokens)?;
        let token = self.resolve_token(&entry, token)?;
        if position.is_some_and(|position| position.offset == 0) {
            return Err(invalid("A token's direct messages count from 1; this position is before the first.".into()));
        }
        let sees_connections = self.authorize(caller, Action::SeeConnections).is_ok();
        let mut facts = Facts { steps: Vec::new(), sees_connections };
        let in_mailbox = in_mailbox(&entry.read(), token, position, self.now(), &mut facts)?;
        let keeps_mailboxes = in_mailbox.is_some();
        let found = match in_mailbox {
            Some(found) => found,
            None => self.in_session(&entry, token, position, &mut facts).await?,
        };
        let Found { position, at, is_acknowledged } = found;
        if let Some(position) = position.filter(|_| !is_acknowledged) {
            let live = {
                let records = entry.read();
                let token = records.token(token).ok_or_else(no_such_token)?;
                worked(token, at, &mut facts);
                live_of(token)
            };
            let sent = Sent { channel: None, position, at, comes_again: keeps_mailboxes && at.is_some() };
            let there = self.tell_live(&sent, live, &mut facts).await;
            self.tell_ended(token, at, there, &mut facts);
        }
        Ok(MessageFate { token, position, at, message: None, steps: facts.steps })
    }

    /// One that is kept in memory for the rest of the token's session.
    async fn in_session(
        &self,
        entry: &ProjectEntry,
        token: TokenId,
        asked: Option<Position>,
        facts: &mut Facts,
    ) -> Result<Found> {
        let (reply, answer) = oneshot::channel();
        let question = DirectsQuestion { project: entry.project.id, token, position: asked, reply };
        let home = self.hub.home_of_token(token);
        let told = self.hub.ask(home, Request::Directs(Box::new(question))).await;
        let seen: Option<DirectsSeen> = if told { answer.await.ok().flatten() } else { None };
        let mut gone = |said: &str| {
            facts.note(FateStepKind::Kept, ExplainHeld::Failed, said);
            Ok(Found { position: asked, at: None, is_acknowledged: false })
        };
        if asked.is_some_and(|asked| asked.epoch & OF_MAILBOXES != 0) {
            return gone(
                "It was sent into a mailbox, and the project keeps mailboxes no more: nothing is known of it.",
            );
        }
        let Some(DirectsSeen { last, at }) = seen else {
            return gone("Without a mailbox direct messages are kept for the token's session, and it has none now.");
        };
        match asked {
            Some(asked) if asked.epoch != last.epoch => {
                return gone("It is of an earlier session of the token, and was forgotten with that.");
            }
            Some(asked) if asked.offset > last.offset => return Err(not_sent(asked, last)),
            None if last.offset == 0 => return gone("Nothing was sent to the token in its session."),
            _ => {}
        }
        match at {
            Some(at) => facts.note(
                FateStepKind::Kept,
                ExplainHeld::Held,
                format!("It was accepted at {at}, and is kept in memory for the token's session, for who comes back to it. Without a mailbox nothing is acknowledged."),
            ),
            None => facts.note(
                FateStepKind::Kept,
                ExplainHeld::Failed,
                "It is not kept any more: without a mailbox few are, and for two minutes.",
            ),
        }
        Ok(Found { position: Some(asked.unwrap_or(last)), at, is_acknowledged: false })
    }
}

/// One of a mailbox; nothing where the project keeps none.
fn in_mailbox(
    records: &Records,
    token: TokenId,
    asked: Option<Position>,
    now: UnixMillis,
    facts: &mut Facts,
) -> Result<Option<Found>> {
    let Some((settings, run)) = records.mailbox() else { return Ok(None) };
    let mailbox = records.mailboxes.of(token);
    let start = MailboxRecord { run, last: 0, acknowledged: 0 };
    let head = mailbox.and_then(|mailbox| mailbox.head(run)).unwrap_or(start);
    let last = Position { epoch: mailbox_epoch(token, run), offset: head.last };
    let mut told = |kept, said: String, acknowledged: Option<(ExplainHeld, String)>, at, is_acknowledged| {
        facts.note(FateStepKind::Kept, kept, said);
        if let Some((held, said)) = acknowledged {
            facts.note(FateStepKind::Acknowledged, held, said);
        }
        let position = asked.or((last.offset > 0).then_some(last));
        Ok(Some(Found { position, at, is_acknowledged }))
    };
    let position = match asked {
        Some(asked) if asked.epoch != last.epoch => {
            let said = "It is not of the mailbox that the token has now: mailboxes were off since, or it was sent while they were.";
            return told(ExplainHeld::Failed, said.into(), None, None, false);
        }
        Some(asked) if asked.offset > last.offset => return Err(not_sent(asked, last)),
        None if last.offset == 0 => {
            return told(ExplainHeld::Failed, "Its mailbox was never sent anything.".into(), None, None, false);
        }
        asked => asked.unwrap_or(last),
    };
    let all = format!("A client of it acknowledged all up to {}.", Position { offset: head.acknowledged, ..last });
    if position.offset <= head.acknowledged {
        let said = "Its mailbox let go of it when it was acknowledged.".into();
        return told(ExplainHeld::Held, said, Some((ExplainHeld::Held, all)), None, true);
    }
    let kept = mailbox.and_then(|mailbox| mailbox.accepted_at(position));
    match kept.filter(|at| at.plus(settings.ttl_ms) > now) {
        Some(at) => {
            let said = format!(
                "Its mailbox keeps it: it was accepted at {at}, and stays until {} at the latest.",
                at.plus(settings.ttl_ms)
            );
            let not_yet = "No client of it has acknowledged it, so that it is sent to each connection that comes.";
            told(ExplainHeld::Held, said, Some((ExplainHeld::Unknown, not_yet.into())), Some(at), false)
        }
        None => {
            let said = format!(
                "Its mailbox does not keep it any more: it was too old, or had no room among {} messages.",
                settings.size
            );
            told(
                ExplainHeld::Failed,
                said,
                Some((ExplainHeld::Failed, "Nobody acknowledged it in time.".into())),
                kept,
                false,
            )
        }
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

fn not_sent(asked: Position, last: Position) -> Error {
    invalid(format!("No direct message {asked} was sent yet; the last is {last}."))
}
