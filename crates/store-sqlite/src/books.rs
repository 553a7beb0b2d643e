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
//! Not noticed: the whole file put back from an earlier time, as restoring a backup does, or the log beside it removed after a crash, which is
//! the same; channels' states and versions, and the messages of their histories with the last offsets, which change too
//! often for what they are worth to an attacker (that there is a history where a channel's settings say so, and that no message stands behind its end, is
//! checked); the probe's count.

mod record;

use rusqlite::Connection;
use tollgate_core::audit::{AuditDraft, AuditEntry, ChainHead, LedgerKey};
use tollgate_core::ports::store::StoreError;

pub(crate) use self::record::{ChannelRecord, Record};
use self::record::{PARTS, Part, Term};
use crate::units::{Failure, execute, find};

/// The format of what is written.
const VERSION: u8 = 1;

/// Bytes of what is written, at most: the format, two ends of the audit log, a sequence, and the parts.
const CONTENT_BYTES_MAX: usize = 1 + 2 * 40 + 8 + PARTS * 41;

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
    /// What was written last of each part: a group changes one or two of them.
    tags: [Option<(Total, [u8; 32])>; PARTS],
}

impl Books {
    /// Books without a record.
    pub(crate) fn new(key: LedgerKey) -> Self {
        let (parts, start) = ([Total::EMPTY; PARTS], ChainHead::START);
        let totals = Totals { parts, head: start, base: start, last_channel: 0 };
        Self { key, totals, tags: [None; PARTS] }
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
    pub(crate) fn write(&mut self, db: &Connection) -> Result<(), Failure> {
        let content = self.content();
        let mac = self.key.mac(b"books", &[&content]);
        execute(db, "INSERT OR REPLACE INTO books (only_row, content, mac) VALUES (1, ?1, ?2)", (content, mac))?;
        Ok(())
    }

    fn content(&mut self) -> Vec<u8> {
        let totals = &self.totals;
        let mut content = Vec::with_capacity(CONTENT_BYTES_MAX);
        content.push(VERSION);
        for head in [totals.head, totals.base] {
            content.extend(head.sequence.to_be_bytes());
            content.extend(head.mac);
        }
        content.extend(totals.last_channel.to_be_bytes());
        let parts = Part::all().zip(&totals.parts).zip(&mut self.tags);
        for ((part, total), known) in parts.filter(|((_, total), _)| **total != Total::EMPTY) {
            content.push(part.number());
            content.extend(total.count.to_be_bytes());
            let tag = known.filter(|(of, _)| of == total).map_or_else(|| total.tag(part, &self.key), |(_, tag)| tag);
            *known = Some((*total, tag));
            content.extend(tag);
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
        let mut differences = Vec::new();
        for (part, total) in Part::all().zip(&self.totals.parts) {
            let (count, tag) = match parts.iter().find(|written| written[0] == part.number()) {
                Some(written) => written[1..].split_at(8),
                None => (&[0; 8][..], &[][..]),
            };
            let is_same = if tag.is_empty() { *total == Total::EMPTY } else { total.tag(part, &self.key) == tag };
            if !is_same {
                let count = count.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                differences.push(differs(part, total.count, count));
            }
        }
        if differences.is_empty() { Ok(()) } else { Err(damaged(&differences.join("; "))) }
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

fn differs(part: Part, found: u64, written: u64) -> String {
    let word = part.word();
    if found == written {
        format!("one or more of its {written} records of the kind `{word}` are not what was committed last")
    } else {
        format!("it has {found} records of the kind `{word}`, and {written} were committed")
    }
}

pub(crate) fn damaged(what: &str) -> Failure {
    let advice = "somebody else has written into the file, or a disk has failed; restore a backup";
    StoreError::Damaged(format!("{what} ({advice})")).into()
}
