//! The books: what proves at a start that the records are exactly those that were committed last.
//!
//! Each record that matters has a term: an HMAC over all of it, under the ledger key. The terms of each kind of record are summed modulo
//! 2²⁵⁶, which needs no order and is kept up in memory as records come and go. Each group of units writes the books in its own
//! transaction: per kind the count and an HMAC of the sum, the two ends of the audit log, and an HMAC over all of that. A start
//! adds up what is there and compares. So a record that was changed, exchanged, put back from earlier, planted or removed
//! behind our back is noticed, and the message says of which kind it is.
//!
//! The sums themselves are never written: whoever saw them could learn terms from their differences, and look for sets of old
//! records with the same sum.
//!
//! Not noticed: the whole file put back from an earlier time, as restoring a backup does; channels' states and versions, which change too
//! often for what they are worth to an attacker; the probe's count.

use rusqlite::Connection;
use tollgate_core::audit::{AuditDraft, AuditEntry, ChainHead, LedgerKey};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::ProjectId;
use tollgate_core::model::{Capabilities, Channel, ChannelType, Project};
use tollgate_core::ports::store::{Row, RowName, StoreError, Vault};

use crate::units::{Failure, execute, find};

/// How many kinds of records are summed apart.
const PARTS: usize = 4 + RowKind::ALL.len();

/// The format of what is written.
const VERSION: u8 = 1;

/// A kind of record with a sum of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Vault,
    Projects,
    Channels,
    Subscriptions,
    Rows(RowKind),
}

impl Part {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Vault, Self::Projects, Self::Channels, Self::Subscriptions]
            .into_iter()
            .chain(RowKind::ALL.into_iter().map(Self::Rows))
    }

    /// Its place among [`Part::all`].
    fn place(self) -> usize {
        match self {
            Self::Vault => 0,
            Self::Projects => 1,
            Self::Channels => 2,
            Self::Subscriptions => 3,
            Self::Rows(kind) => {
                4 + RowKind::ALL.iter().position(|one| *one == kind).expect("invariant: ALL has every kind")
            }
        }
    }

    /// Its number in what is written, below those of the kinds of rows.
    fn number(self) -> u8 {
        match self {
            Self::Vault => 1,
            Self::Projects => 2,
            Self::Channels => 3,
            Self::Subscriptions => 4,
            Self::Rows(kind) => kind.number(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Projects => "project",
            Self::Channels => "channel",
            Self::Subscriptions => "subscription",
            Self::Rows(kind) => kind.word(),
        }
    }
}

/// A record, as far as the books prove it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    Vault(&'a Vault),
    Project(&'a Project),
    Row { name: RowName, revision: u32, sealed: &'a [u8] },
    Channel(ChannelRecord<'a>),
    Subscription { token: u64, channel: u64, ephemeral: bool },
}

/// A channel without its state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelRecord<'a> {
    pub(crate) sequence: u64,
    pub(crate) project: ProjectId,
    pub(crate) id: &'a str,
    pub(crate) kind: ChannelType,
    pub(crate) capabilities: Capabilities,
    pub(crate) created_at: UnixMillis,
}

impl<'a> From<&'a Row> for Record<'a> {
    fn from(row: &'a Row) -> Self {
        Self::Row { name: row.name, revision: row.revision, sealed: &row.sealed }
    }
}

impl<'a> From<&'a Channel> for Record<'a> {
    fn from(channel: &'a Channel) -> Self {
        Self::Channel(ChannelRecord {
            sequence: channel.sequence,
            project: channel.project,
            id: channel.id.as_str(),
            kind: channel.kind,
            capabilities: channel.capabilities,
            created_at: channel.created_at,
        })
    }
}

impl Record<'_> {
    fn part(&self) -> Part {
        match self {
            Self::Vault(_) => Part::Vault,
            Self::Project(_) => Part::Projects,
            Self::Row { name, .. } => Part::Rows(name.kind),
            Self::Channel(_) => Part::Channels,
            Self::Subscription { .. } => Part::Subscriptions,
        }
    }

    /// The record's term. Each kind has a label of its own and parts whose lengths are under the HMAC.
    fn term(&self, key: &LedgerKey) -> Term {
        let mac = match *self {
            Self::Row { name, revision, sealed } => {
                let mut head = [0; 21];
                head[0] = name.kind.number();
                head[1..9].copy_from_slice(&name.project.get().to_be_bytes());
                head[9..17].copy_from_slice(&name.id.to_be_bytes());
                head[17..].copy_from_slice(&revision.to_be_bytes());
                key.mac(b"row", &[&head, sealed])
            }
            Self::Subscription { token, channel, ephemeral } => {
                key.mac(b"subscription", &[&token.to_be_bytes(), &channel.to_be_bytes(), &[u8::from(ephemeral)]])
            }
            Self::Channel(channel) => key.mac(
                b"channel",
                &[
                    &channel.sequence.to_be_bytes(),
                    &channel.project.get().to_be_bytes(),
                    channel.id.as_bytes(),
                    channel.kind.word().as_bytes(),
                    &channel.capabilities.bits().to_be_bytes(),
                    &channel.created_at.0.to_be_bytes(),
                ],
            ),
            Self::Project(project) => {
                let (id, at) = (project.id.get().to_be_bytes(), project.created_at.0.to_be_bytes());
                let numbers: Vec<_> =
                    project.wrapped_data_keys.iter().map(|(number, _)| number.to_be_bytes()).collect();
                let mut parts: Vec<&[u8]> = vec![&id, &at, project.name.as_bytes()];
                for (number, (_, wrapped)) in numbers.iter().zip(&project.wrapped_data_keys) {
                    parts.extend([&number[..], wrapped]);
                }
                key.mac(b"project", &parts)
            }
            Self::Vault(vault) => {
                let heads: Vec<_> = vault
                    .ring
                    .iter()
                    .map(|one| {
                        let mut head = one.number.to_be_bytes().to_vec();
                        head.push(u8::from(one.active));
                        head.extend(one.created_at.0.to_be_bytes());
                        head
                    })
                    .collect();
                let last_number = vault.last_number.to_be_bytes();
                let mut parts: Vec<&[u8]> = vec![&vault.key_check, &vault.ledger_key, &last_number];
                for (head, one) in heads.iter().zip(&vault.ring) {
                    parts.extend([&head[..], &one.wrapped]);
                }
                key.mac(b"vault", &parts)
            }
        };
        Term(mac)
    }
}

/// A record's term in a sum. Never written, never shown.
#[derive(Clone, Copy)]
pub(crate) struct Term([u8; 32]);

/// How many records of a kind there are, and the sum of their terms: a number of 256 bits, its lowest 64 first.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Total {
    count: u64,
    sum: [u64; 4],
}

impl Total {
    const EMPTY: Self = Self { count: 0, sum: [0; 4] };

    fn add(&mut self, term: Term) {
        self.count = self.count.wrapping_add(1);
        let mut carry = false;
        for (limb, term) in self.sum.iter_mut().zip(term.limbs()) {
            (*limb, carry) = limb.carrying_add(term, carry);
        }
    }

    fn subtract(&mut self, term: Term) {
        self.count = self.count.wrapping_sub(1);
        let mut borrow = false;
        for (limb, term) in self.sum.iter_mut().zip(term.limbs()) {
            (*limb, borrow) = limb.borrowing_sub(term, borrow);
        }
    }

    /// What is written instead of the sum.
    fn tag(&self, part: Part, key: &LedgerKey) -> [u8; 32] {
        let mut bytes = [0; 40];
        for (place, limb) in self.sum.iter().chain(&[self.count]).enumerate() {
            bytes[place * 8..][..8].copy_from_slice(&limb.to_be_bytes());
        }
        key.mac(b"sum", &[&[part.number()], &bytes])
    }
}

impl Term {
    fn limbs(&self) -> [u64; 4] {
        let (limbs, _) = self.0.as_chunks::<8>();
        std::array::from_fn(|place| u64::from_le_bytes(limbs[place]))
    }
}

/// All that changes with the records. Copied before each unit, so that one that fails can be taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    parts: [Total; PARTS],
    /// The audit log's last entry.
    pub(crate) head: ChainHead,
    /// The audit entry before the first that is kept.
    pub(crate) base: ChainHead,
    /// The sequence of the channel that was made last.
    last_channel: u64,
}

/// The books of a store that is attached.
pub(crate) struct Books {
    key: LedgerKey,
    pub(crate) totals: Totals,
}

impl Books {
    /// Books without a record.
    pub(crate) fn new(key: LedgerKey) -> Self {
        let (parts, start) = ([Total::EMPTY; PARTS], ChainHead::START);
        Self { key, totals: Totals { parts, head: start, base: start, last_channel: 0 } }
    }

    pub(crate) fn key(&self) -> &LedgerKey {
        &self.key
    }

    /// The term of a record that is to be removed or replaced, to be subtracted when that is done.
    pub(crate) fn term(&self, record: Record<'_>) -> (usize, Term) {
        (record.part().place(), record.term(&self.key))
    }

    /// A record has come.
    pub(crate) fn add(&mut self, record: Record<'_>) {
        let (place, term) = self.term(record);
        self.totals.parts[place].add(term);
    }

    /// A record has gone.
    pub(crate) fn remove(&mut self, record: Record<'_>) {
        let term = self.term(record);
        self.subtract(term);
    }

    /// A record with this term has gone.
    pub(crate) fn subtract(&mut self, (place, term): (usize, Term)) {
        self.totals.parts[place].subtract(term);
    }

    /// The sequence for a new channel.
    pub(crate) fn next_channel(&mut self) -> u64 {
        self.totals.last_channel += 1;
        self.totals.last_channel
    }

    /// The audit entry that comes next.
    pub(crate) fn entry(&mut self, draft: AuditDraft) -> AuditEntry {
        let entry = self.key.entry(self.totals.head, draft);
        self.totals.head = ChainHead { sequence: entry.sequence, mac: entry.mac };
        entry
    }

    /// Writes the books.
    pub(crate) fn write(&self, db: &Connection) -> Result<(), Failure> {
        let content = self.content();
        let mac = self.key.mac(b"books", &[&content]);
        execute(db, "INSERT OR REPLACE INTO books (only_row, content, mac) VALUES (1, ?1, ?2)", (content, mac))?;
        Ok(())
    }

    fn content(&self) -> Vec<u8> {
        let totals = &self.totals;
        let mut content = vec![VERSION];
        for head in [totals.head, totals.base] {
            content.extend(head.sequence.to_be_bytes());
            content.extend(head.mac);
        }
        content.extend(totals.last_channel.to_be_bytes());
        for (part, total) in Part::all().zip(&totals.parts).filter(|(_, total)| **total != Total::EMPTY) {
            content.push(part.number());
            content.extend(total.count.to_be_bytes());
            content.extend(total.tag(part, &self.key));
        }
        content
    }

    /// Compares these sums of all that is there with the books as they were written, and takes over from them what is no sum.
    ///
    /// # Errors
    /// `Damaged`, saying where they differ.
    pub(crate) fn prove(&mut self, db: &Connection) -> Result<(), Failure> {
        let written = find(db, "SELECT content, mac FROM books", [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let last_entry = find(db, "SELECT max(sequence) FROM audit", [], |row| row.get::<_, Option<i64>>(0))?.flatten();
        match written {
            None if last_entry.is_none() && self.totals == Self::new(self.key.clone()).totals => {}
            None => return Err(damaged("it has records, and its books are gone")),
            Some((content, mac)) if mac == self.key.mac(b"books", &[&content]) => self.compare(&content)?,
            Some(_) => return Err(damaged("its books were changed, or are those of another master key")),
        }
        // Where it was cut off or edited is found by proving the chain; but what stands where the next entry belongs cannot stay.
        if last_entry.is_some_and(|last| last.cast_unsigned() > self.totals.head.sequence) {
            return Err(damaged("the audit log has entries that were never written"));
        }
        Ok(())
    }

    fn compare(&mut self, content: &[u8]) -> Result<(), Failure> {
        let unknown = || damaged("its books are in a format that this version does not know");
        let mut rest = content;
        let [VERSION] = take::<1>(&mut rest).ok_or_else(unknown)? else { return Err(unknown()) };
        for head in [&mut self.totals.head, &mut self.totals.base] {
            let sequence = take_number(&mut rest).ok_or_else(unknown)?;
            *head = ChainHead { sequence, mac: take::<32>(&mut rest).ok_or_else(unknown)? };
        }
        self.totals.last_channel = take_number(&mut rest).ok_or_else(unknown)?;
        let (parts, []) = rest.as_chunks::<41>() else { return Err(unknown()) };
        for (part, total) in Part::all().zip(&self.totals.parts) {
            let (count, tag) = match parts.iter().find(|written| written[0] == part.number()) {
                Some(written) => written[1..].split_at(8),
                None => (&[0; 8][..], &[][..]),
            };
            let count = count.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            let is_same = if tag.is_empty() { *total == Total::EMPTY } else { total.tag(part, &self.key) == tag };
            if !is_same {
                return Err(differs(part, total.count, count));
            }
        }
        Ok(())
    }
}

/// Takes bytes from the front, if there are as many.
fn take<const BYTES: usize>(rest: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (taken, after) = rest.split_first_chunk::<BYTES>()?;
    *rest = after;
    Some(*taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    take::<8>(rest).map(u64::from_be_bytes)
}

fn differs(part: Part, found: u64, written: u64) -> Failure {
    let word = part.word();
    damaged(&if found == written {
        format!("one or more of its {written} records of the kind `{word}` are not what was committed last")
    } else {
        format!("it has {found} records of the kind `{word}`, and {written} were committed")
    })
}

pub(crate) fn damaged(what: &str) -> Failure {
    let advice = "somebody else has written into the file, or a disk has failed; restore a backup";
    StoreError::Damaged(format!("{what} ({advice})")).into()
}
