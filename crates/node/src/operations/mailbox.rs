//! Direct messages that are kept until they are acknowledged: put into mailboxes, taken out by acknowledgement, age and number.
//!
//! What a message is sent with is one unit of work: the message, where the mailbox stands, and what has to go for it. The change feed brings it to
//! the token's home, which hands it over; nothing here talks to connections.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::audit::AuditDraft;
use tollgate_core::credentials::RowKind;
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::{DirectMessageRecord, MailboxRecord, MailboxSettings, mailbox_epoch};

use super::ended::ROWS_MAX;
use super::users::UserReached;
use crate::Node;
use crate::directory::{Mailbox, ProjectEntry, Records};
use crate::hub::Request;

/// Locks of mailboxes, each for many.
const LOCKS: usize = 256;
/// Mailboxes that one unit of work puts a message into.
const MAILED_AT_ONCE: usize = 100;
/// Messages that go for one that comes, at most. What is more is left to the upkeep.
const SURPLUS_MAX: usize = 64;
/// Units of upkeep in a round.
const UNITS_MAX: usize = 32;

/// What makes changes of one mailbox wait for each other, and acknowledgements of it join.
#[derive(Debug)]
pub(crate) struct MailboxLocks {
    locks: Vec<tokio::sync::Mutex<()>>,
    /// Up to where tokens want to acknowledge that wait for their turn: whoever is next does it for all.
    wanted: Mutex<HashMap<TokenId, Position>>,
}

impl Default for MailboxLocks {
    fn default() -> Self {
        Self {
            locks: std::iter::repeat_with(tokio::sync::Mutex::default).take(LOCKS).collect(),
            wanted: Mutex::default(),
        }
    }
}

impl MailboxLocks {
    /// Holds the mailboxes of these tokens. Always in one order, so that nobody waits in a circle.
    async fn hold(&self, tokens: &[TokenId]) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let places: BTreeSet<u64> = tokens.iter().map(|token| token.get() % LOCKS as u64).collect();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            held.push(self.locks[usize::try_from(place).unwrap_or(0)].lock().await);
        }
        held
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, HashMap<TokenId, Position>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message came to.
#[derive(Default)]
struct Mailed {
    mailboxes: u64,
    dropped: u64,
    /// Mailboxes were switched off meanwhile.
    is_off: bool,
}

impl Node {
    /// Whether the project keeps direct messages until they are acknowledged.
    pub(super) fn keeps_mailboxes(entry: &ProjectEntry) -> bool {
        entry.read().mailbox().is_some()
    }

    /// Puts a message into the mailboxes of tokens that work or may begin to; answered once it is durable and was handed over, with the number of
    /// connections that they have, and of mailboxes that keep it.
    ///
    /// # Errors
    /// `unavailable`; then some of the tokens may have it.
    pub(super) async fn mail(
        &self,
        entry: &Arc<ProjectEntry>,
        tokens: &[TokenId],
        publication: &Publication,
    ) -> Result<UserReached> {
        let (mut reached, mut mailboxes) = (0, 0);
        for part in tokens.chunks(MAILED_AT_ONCE) {
            let _held = self.mailboxes.hold(part).await;
            let mailed = self.change(&"the mailbox", || self.mail_part(entry, part, publication)).await?;
            if mailed.is_off {
                for token in part {
                    self.send_direct(entry.project.id, *token, publication.clone()).await;
                }
                continue;
            }
            self.counters.direct_messages.add(part.len() as u64);
            self.counters.mailbox_messages.add(mailed.mailboxes);
            mailboxes += mailed.mailboxes;
            self.counters.mailbox_dropped.add(mailed.dropped);
        }
        let mut homes = Vec::new();
        {
            let records = entry.read();
            for token in tokens {
                reached += records.token(*token).map_or(0, |found| found.live_connections().len());
                let home = self.hub.home_of_token(*token);
                if !homes.contains(&home) {
                    homes.push(home);
                }
            }
        }
        // What the change feed told the homes comes before this.
        self.hub.ask_each(homes.into_iter().map(|home| (home, Request::Settle))).await;
        Ok(UserReached { connections: u32::try_from(reached).unwrap_or(u32::MAX), mailboxes })
    }

    fn mail_part(
        &self,
        entry: &ProjectEntry,
        tokens: &[TokenId],
        publication: &Publication,
    ) -> Result<(Vec<Write>, Vec<AuditDraft>, Mailed)> {
        let records = entry.read();
        let (mut writes, mut mailed) = (Vec::new(), Mailed::default());
        let Some(kept) = records.mailbox() else {
            return Ok((writes, Vec::new(), Mailed { is_off: true, ..mailed }));
        };
        let now = self.now();
        for token in tokens {
            if records.token(*token).is_some_and(|found| found.ended_at(now).is_none()) {
                let (mut steps, dropped) = self.mail_one(entry, &records, *token, kept, publication);
                writes.append(&mut steps);
                mailed.mailboxes += 1;
                mailed.dropped += dropped;
            }
        }
        Ok((writes, Vec::new(), mailed))
    }

    /// The steps for one token, and how many unacknowledged messages go for it that are not too old.
    fn mail_one(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        token: TokenId,
        (settings, run): (MailboxSettings, u32),
        publication: &Publication,
    ) -> (Vec<Write>, u64) {
        let epoch = mailbox_epoch(token, run);
        let mailbox = records.mailboxes.of(token);
        let start = MailboxRecord { run, last: 0, acknowledged: 0 };
        let mut head = mailbox.and_then(|mailbox| mailbox.head(run)).unwrap_or(start);
        head.last += 1;
        let moved = match mailbox.and_then(Mailbox::revision) {
            Some(revision) => self.update(entry, RowKind::Mailbox, token.get(), revision, &head),
            None => self.insert(entry, RowKind::Mailbox, token.get(), &head),
        };
        let record = DirectMessageRecord {
            token,
            run,
            offset: head.last,
            event: publication.event.to_string(),
            data: publication.data.clone(),
            at: publication.at,
        };
        let mut writes = vec![moved, self.insert(entry, RowKind::DirectMessage, self.next_number(), &record)];
        let Some(mailbox) = mailbox else { return (writes, 0) };
        let others = mailbox.of_other_epochs(epoch).take(SURPLUS_MAX);
        writes.extend(others.map(|row| gone(entry, RowKind::DirectMessage, row)));
        let mut surplus = mailbox.surplus(epoch, settings, self.now(), (1, publication.bytes()));
        surplus.truncate(SURPLUS_MAX);
        writes.extend(surplus.iter().map(|(row, _)| gone(entry, RowKind::DirectMessage, *row)));
        (writes, surplus.iter().filter(|(_, is_old)| !is_old).count() as u64)
    }

    /// Takes a token's messages up to this one out of its mailbox; answered once that is durable. A position of an earlier run says nothing.
    ///
    /// # Errors
    /// `invalid_input` for a message that was not sent yet, `unavailable`.
    pub(super) async fn acknowledge(&self, entry: &Arc<ProjectEntry>, token: TokenId, direct: Position) -> Result<()> {
        {
            let records = entry.read();
            let Some((_, run)) = records.mailbox() else { return Ok(()) };
            let epoch = mailbox_epoch(token, run);
            if direct.epoch != epoch {
                return Ok(());
            }
            let handed = records.mailboxes.of(token).map_or(0, |mailbox| mailbox.handed(epoch));
            if direct.offset > handed {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "No direct message {direct} was sent yet; the last is {}.",
                        Position { epoch, offset: handed }
                    ),
                ));
            }
        }
        {
            let mut wanted = self.mailboxes.wanted();
            let furthest = wanted.entry(token).or_insert(direct);
            *furthest = direct.max(*furthest);
        }
        let _held = self.mailboxes.hold(&[token]).await;
        let furthest = self.mailboxes.wanted().remove(&token).unwrap_or(direct).max(direct);
        let count = self
            .change(&"the mailbox", || {
                let records = entry.read();
                let nothing = Ok((Vec::new(), Vec::new(), 0));
                let (Some((_, run)), Some(mailbox)) = (records.mailbox(), records.mailboxes.of(token)) else {
                    return nothing;
                };
                let (Some(head), Some(revision)) = (mailbox.head(run), mailbox.revision()) else { return nothing };
                let epoch = mailbox_epoch(token, run);
                if furthest.epoch != epoch || furthest.offset <= head.acknowledged {
                    return nothing;
                }
                let head = MailboxRecord { acknowledged: furthest.offset, ..head };
                let mut writes = vec![self.update(entry, RowKind::Mailbox, token.get(), revision, &head)];
                writes
                    .extend(mailbox.up_to(epoch, furthest.offset).map(|row| gone(entry, RowKind::DirectMessage, row)));
                let count = writes.len() as u64 - 1;
                Ok((writes, Vec::new(), count))
            })
            .await?;
        self.counters.mailbox_acknowledged.add(count);
        Ok(())
    }

    // ---- upkeep ----

    /// Deletes the mailboxes of tokens that are gone.
    pub async fn forget_mailboxes(&self) {
        for entry in self.directory.projects() {
            let orphans: Vec<TokenId> = entry.read().mailboxes.orphans().take(ROWS_MAX).collect();
            self.empty_mailboxes(&entry, &orphans, true).await;
        }
    }

    /// Deletes messages that waited too long, or are more than their project wants kept (any more).
    pub async fn tidy_mailboxes(&self) {
        for entry in self.directory.projects() {
            let due: Vec<TokenId> = {
                let (records, now) = (entry.read(), self.now());
                let kept = records.mailbox();
                let is_due = |token: TokenId, mailbox: &Mailbox| match kept {
                    None => true,
                    Some((settings, run)) => {
                        let epoch = mailbox_epoch(token, run);
                        mailbox.of_other_epochs(epoch).next().is_some()
                            || !mailbox.surplus(epoch, settings, now, (0, 0)).is_empty()
                    }
                };
                let due = records.mailboxes.all().filter(|(token, mailbox)| is_due(*token, mailbox));
                due.map(|(token, _)| token).take(ROWS_MAX).collect()
            };
            self.empty_mailboxes(&entry, &due, false).await;
        }
    }

    /// Deletes what need not be kept of these mailboxes, as much as a round may; of those whose tokens are gone, all.
    async fn empty_mailboxes(&self, entry: &Arc<ProjectEntry>, tokens: &[TokenId], of_gone: bool) {
        let mut units = 0;
        for part in tokens.chunks(MAILED_AT_ONCE) {
            let _held = self.mailboxes.hold(part).await;
            loop {
                units += 1;
                if units > UNITS_MAX {
                    return;
                }
                let done = self.change(&"the mailbox", || Ok(self.emptying(entry, part, of_gone))).await;
                match done {
                    Ok((dropped, expired, rows)) => {
                        self.counters.mailbox_dropped.add(dropped);
                        self.counters.mailbox_expired.add(expired);
                        if rows < ROWS_MAX {
                            break;
                        }
                    }
                    Err(error) => return tracing::warn!(%error, "direct messages could not be deleted"),
                }
            }
        }
    }

    /// One unit of that: how many messages were dropped for want of room, how many were too old, and the number of steps.
    fn emptying(
        &self,
        entry: &ProjectEntry,
        tokens: &[TokenId],
        of_gone: bool,
    ) -> (Vec<Write>, Vec<AuditDraft>, (u64, u64, usize)) {
        let (records, now) = (entry.read(), self.now());
        let (mut writes, mut dropped, mut expired) = (Vec::new(), 0, 0);
        for token in tokens {
            let left = ROWS_MAX.saturating_sub(writes.len());
            let Some(mailbox) = records.mailboxes.of(*token).filter(|_| left > 0) else { continue };
            match records.mailbox() {
                Some((settings, run)) if !of_gone => {
                    let epoch = mailbox_epoch(*token, run);
                    let others = mailbox.of_other_epochs(epoch).take(left);
                    writes.extend(others.map(|row| gone(entry, RowKind::DirectMessage, row)));
                    let left = ROWS_MAX.saturating_sub(writes.len());
                    for (row, is_old) in mailbox.surplus(epoch, settings, now, (0, 0)).into_iter().take(left) {
                        *(if is_old { &mut expired } else { &mut dropped }) += 1;
                        writes.push(gone(entry, RowKind::DirectMessage, row));
                    }
                }
                _ if of_gone && records.token(*token).is_some() => {}
                _ => {
                    writes.extend(mailbox.rows().take(left).map(|row| gone(entry, RowKind::DirectMessage, row)));
                    if writes.len() < ROWS_MAX && mailbox.revision().is_some() {
                        writes.push(gone(entry, RowKind::Mailbox, token.get()));
                    }
                }
            }
        }
        let rows = writes.len();
        (writes, Vec::new(), (dropped, expired, rows))
    }
}

fn gone(entry: &ProjectEntry, kind: RowKind, id: u64) -> Write {
    Write::Delete(RowName { kind, project: entry.project.id, id })
}
