//! Mailboxes of tokens as they are in memory: the direct messages that wait to be acknowledged, and how far each token's home has handed them over.
//!
//! Filled by the change feed, but for `handed`, which lives as long as the process. A mailbox whose token is gone is out of every reader's reach,
//! and listed for the upkeep to delete.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tollgate_core::clock::UnixMillis;
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::limits::MAILBOX_BYTES_MAX;
use tollgate_core::records::{DirectMessageRecord, MailboxRecord, MailboxSettings, mailbox_epoch};

use super::tokens::Kept;
use super::{Directory, Records};
use crate::hub::{ConnectionRef, Request};

/// The mailboxes of a project.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    of: HashMap<TokenId, Mailbox>,
    /// Where the message of each row is.
    rows: HashMap<u64, (TokenId, Position)>,
    /// Tokens that are gone, and whose mailboxes are still to be deleted.
    orphans: BTreeSet<TokenId>,
}

/// A token's mailbox.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    head: Option<Kept<MailboxRecord>>,
    /// By their places, those of earlier runs among them: their rows' numbers, and the messages.
    messages: BTreeMap<Position, (u64, Kept<DirectMessageRecord>)>,
    /// What the token's home has handed over last.
    handed: Position,
}

/// What a connection is to be sent that comes back to a mailbox.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Where it begins.
    pub(crate) position: Position,
    /// Whether nothing is missing.
    pub(crate) whole: bool,
    /// What follows, in order, without a gap.
    pub(crate) messages: Vec<(Position, Publication)>,
}

impl Mailbox {
    /// Where it stands, if it is of this run.
    pub(crate) fn head(&self, run: u32) -> Option<MailboxRecord> {
        self.head.as_ref().map(|head| *head.record).filter(|head| head.run == run)
    }

    /// The revision of its row, of whatever run.
    pub(crate) fn revision(&self) -> Option<u32> {
        self.head.as_ref().map(|head| head.revision)
    }

    /// What the token's home has handed over last, in this epoch.
    pub(crate) fn handed(&self, epoch: u64) -> u64 {
        if self.handed.epoch == epoch { self.handed.offset } else { 0 }
    }

    /// When the message at a place was accepted, if it is kept.
    pub(crate) fn accepted_at(&self, position: Position) -> Option<UnixMillis> {
        self.messages.get(&position).map(|(_, kept)| kept.record.at)
    }

    /// Rows of the messages of other epochs.
    pub(crate) fn of_other_epochs(&self, epoch: u64) -> impl Iterator<Item = u64> {
        self.messages.iter().filter(move |(position, _)| position.epoch != epoch).map(|(_, (row, _))| *row)
    }

    /// Rows of the messages of an epoch up to an offset.
    pub(crate) fn up_to(&self, epoch: u64, offset: u64) -> impl Iterator<Item = u64> {
        let range = Position { epoch, offset: 0 }..=Position { epoch, offset };
        self.messages.range(range).map(|(_, (row, _))| *row)
    }

    /// All rows of messages.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u64> {
        self.messages.values().map(|(row, _)| *row)
    }

    /// Messages that the settings do not let stay, oldest first: those that are too old, or have no room beside `more` new ones with so many bytes.
    /// The rest has no gaps. Answers their rows, and whether each is too old.
    pub(crate) fn surplus(
        &self,
        epoch: u64,
        settings: MailboxSettings,
        now: UnixMillis,
        (more, more_bytes): (usize, usize),
    ) -> Vec<(u64, bool)> {
        let of_epoch = || self.messages.range(Position { epoch, offset: 0 }..=Position { epoch, offset: u64::MAX });
        let (mut count, mut bytes) = (more, more_bytes);
        for (_, (_, kept)) in of_epoch() {
            (count, bytes) = (count + 1, bytes + size_of_message(&kept.record));
        }
        let mut surplus = Vec::new();
        for (_, (row, kept)) in of_epoch() {
            let is_old = kept.record.at.plus(settings.ttl_ms) <= now;
            if !is_old && count <= settings.size as usize && bytes <= MAILBOX_BYTES_MAX {
                break;
            }
            surplus.push((*row, is_old));
            (count, bytes) = (count - 1, bytes - size_of_message(&kept.record));
        }
        surplus
    }

    /// What there is behind a position; without one, all that is not acknowledged.
    fn waiting(
        &self,
        epoch: u64,
        settings: MailboxSettings,
        acknowledged: u64,
        from: Option<Position>,
        now: UnixMillis,
    ) -> Waiting {
        let handed = self.handed(epoch);
        let lives = |record: &DirectMessageRecord| record.at.plus(settings.ttl_ms) > now;
        let range = Position { epoch, offset: acknowledged + 1 }..=Position { epoch, offset: u64::MAX };
        // From the newest back, so that what is left has no gap.
        let kept: Vec<_> = self
            .messages
            .range(range)
            .rev()
            .skip_while(|(position, _)| position.offset > handed)
            .take(settings.size as usize)
            .take_while(|(_, (_, kept))| lives(&kept.record))
            .map(|(position, (_, kept))| (*position, &kept.record))
            .collect();
        let first = kept.last().map_or(handed + 1, |(position, _)| position.offset);
        let named = match from {
            Some(from) if from.epoch == epoch && from.offset <= handed => Some(from.offset),
            Some(_) => None,
            None => Some(acknowledged),
        };
        let begin = named.filter(|named| named + 1 >= first);
        let offset = begin.unwrap_or(first - 1);
        let messages = kept.into_iter().rev().filter(|(position, _)| position.offset > offset);
        Waiting {
            position: Position { epoch, offset },
            whole: begin.is_some(),
            messages: messages.map(|(position, record)| (position, record.publication())).collect(),
        }
    }
}

/// About how many bytes it takes to keep.
fn size_of_message(record: &DirectMessageRecord) -> usize {
    record.event.len() + record.data.as_str().len() + 64
}

impl Mailboxes {
    pub(crate) fn of(&self, token: TokenId) -> Option<&Mailbox> {
        self.of.get(&token)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (TokenId, &Mailbox)> {
        self.of.iter().map(|(token, mailbox)| (*token, mailbox))
    }

    /// Tokens that are gone, and whose mailboxes are still to be deleted.
    pub(crate) fn orphans(&self) -> impl Iterator<Item = TokenId> {
        self.orphans.iter().copied()
    }

    /// The message of a row.
    pub(crate) fn message(&self, row: u64) -> Option<&Kept<DirectMessageRecord>> {
        let (token, position) = self.rows.get(&row)?;
        self.of.get(token)?.messages.get(position).map(|(_, kept)| kept)
    }

    /// Where a token's mailbox stands, as it is kept.
    pub(crate) fn head(&self, token: TokenId) -> Option<&Kept<MailboxRecord>> {
        self.of.get(&token)?.head.as_ref()
    }

    pub(crate) fn last_row(&self) -> Option<u64> {
        self.rows.keys().max().copied()
    }

    /// Rows that are sealed under another data key than this.
    pub(super) fn sealed_under_older(&self, newest: u16) -> (Vec<u64>, Vec<u64>) {
        let heads = self.of.iter().filter(|(_, one)| one.head.as_ref().is_some_and(|head| head.sealed_under != newest));
        let messages = self.of.values().flat_map(|one| one.messages.values());
        let messages = messages.filter(|(_, kept)| kept.sealed_under != newest).map(|(row, _)| *row);
        (heads.map(|(token, _)| token.get()).collect(), messages.collect())
    }

    fn put_head(&mut self, token: TokenId, head: Kept<MailboxRecord>) {
        self.of.entry(token).or_default().head = Some(head);
    }

    /// Puts a message in its place; answers whether it is new.
    fn put_message(&mut self, row: u64, kept: Kept<DirectMessageRecord>) -> bool {
        let (token, position) = (kept.record.token, kept.record.position());
        let mailbox = self.of.entry(token).or_default();
        let is_new = mailbox.messages.insert(position, (row, kept)).is_none();
        self.rows.insert(row, (token, position));
        is_new
    }

    pub(super) fn remove_head(&mut self, token: TokenId) {
        if let Some(mailbox) = self.of.get_mut(&token) {
            mailbox.head = None;
        }
        self.drop_if_empty(token);
    }

    pub(super) fn remove_message(&mut self, row: u64) {
        let Some((token, position)) = self.rows.remove(&row) else { return };
        if let Some(mailbox) = self.of.get_mut(&token) {
            mailbox.messages.remove(&position);
        }
        self.drop_if_empty(token);
    }

    fn drop_if_empty(&mut self, token: TokenId) {
        if self.of.get(&token).is_some_and(|mailbox| mailbox.head.is_none() && mailbox.messages.is_empty()) {
            self.of.remove(&token);
            self.orphans.remove(&token);
        }
    }

    /// A token is gone.
    pub(super) fn token_removed(&mut self, token: TokenId) {
        if self.of.contains_key(&token) {
            self.orphans.insert(token);
        }
    }

    fn note_owner(&mut self, token: TokenId, is_there: bool) {
        if is_there {
            self.orphans.remove(&token);
        } else {
            self.orphans.insert(token);
        }
    }
}

impl Records {
    /// How mailboxes are kept, and the run, if they are on.
    pub(crate) fn mailbox(&self) -> Option<(MailboxSettings, u32)> {
        let settings = self.settings.as_ref()?;
        settings.record.mailbox.map(|mailbox| (mailbox, settings.record.mailbox_run))
    }
}

impl Directory {
    pub(super) fn put_mailbox(&self, records: &mut Records, id: u64, kept: Kept<MailboxRecord>) {
        let token = TokenId::new(id);
        let (run, last) = (kept.record.run, kept.record.last);
        records.mailboxes.put_head(token, kept);
        // What is there at the start was handed over before.
        if self.hub.get().is_none()
            && let Some(mailbox) = records.mailboxes.of.get_mut(&token)
        {
            mailbox.handed = Position { epoch: mailbox_epoch(token, run), offset: last };
        }
        let is_there = records.token(token).is_some();
        records.mailboxes.note_owner(token, is_there);
    }

    /// A direct message is durable: its token's home is to hand it over, in commit order.
    /// Answers what that is to be told, unless it is an old message that was sealed again, or its token is gone.
    pub(super) fn put_direct(
        &self,
        project: ProjectId,
        records: &mut Records,
        row: u64,
        kept: Kept<DirectMessageRecord>,
    ) -> Option<(TokenId, Request)> {
        let (token, position, publication) = (kept.record.token, kept.record.position(), kept.record.publication());
        let is_new = records.mailboxes.put_message(row, kept);
        let is_there = records.token(token).is_some();
        records.mailboxes.note_owner(token, is_there);
        (is_new && is_there).then(|| (token, Request::Mailed(project, token, position, publication)))
    }

    /// A token's home hands over a message of its mailbox: it is waiting from now on for who comes. Answers the token's connections.
    pub(crate) fn handed(&self, project: ProjectId, token: TokenId, position: Position) -> Vec<ConnectionRef> {
        let Some(entry) = self.project(project) else { return Vec::new() };
        let mut records = entry.write();
        if let Some(mailbox) = records.mailboxes.of.get_mut(&token) {
            mailbox.handed = position;
        }
        records.token(token).map(super::TokenEntry::connections).unwrap_or_default()
    }

    /// What a token's connection is to be sent that was there until a position; nothing if the project keeps no mailboxes.
    pub(crate) fn waiting(&self, project: ProjectId, token: TokenId, from: Option<Position>) -> Option<Waiting> {
        let (entry, now) = (self.project(project)?, self.clock.unix());
        let records = entry.read();
        let (settings, run) = records.mailbox()?;
        let epoch = mailbox_epoch(token, run);
        let empty = Mailbox::default();
        let mailbox = records.mailboxes.of(token).unwrap_or(&empty);
        let acknowledged = mailbox.head(run).map_or(0, |head| head.acknowledged);
        Some(mailbox.waiting(epoch, settings, acknowledged, from, now))
    }

    /// How often the project's mailboxes were switched on, and whether they are.
    pub(crate) fn mailbox_run(&self, project: ProjectId) -> (u32, bool) {
        let Some(entry) = self.project(project) else { return (0, false) };
        let records = entry.read();
        records.settings.as_ref().map_or((0, false), |kept| (kept.record.mailbox_run, kept.record.mailbox.is_some()))
    }
}
