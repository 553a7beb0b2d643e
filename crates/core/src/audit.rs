//! The audit log: what an entry says, how entries are chained, and how a chain is proven.
//!
//! Each entry carries an HMAC over its content and the one before, under a key that hangs on the master key. Whoever can write the
//! database but not read that key can neither change, drop, reorder nor add an entry unnoticed. The store computes the chain in
//! commit order, in the transaction of the change that an entry is about.

use aws_lc_rs::{constant_time, hmac};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::clock::UnixMillis;
use crate::ids::ProjectId;

/// What an operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Done.
    Done,
    /// Refused.
    Refused,
}

/// An entry before it has its place in the log. Texts hold ids and words, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDraft {
    /// When.
    pub at: UnixMillis,
    /// The project; `None` is the whole server.
    pub project: Option<ProjectId>,
    /// Who: a public id (`ptkid_…`, `tok_…`), `operator`, `system` or `anonymous`.
    pub actor: String,
    /// What, as `token.create`.
    pub action: String,
    /// To what: a public id or name; empty where the action says it all.
    pub subject: String,
    /// What it came to.
    pub outcome: AuditOutcome,
    /// How many things it concerned.
    pub count: u64,
    /// Why, or more about it: one short text.
    pub detail: Option<String>,
    /// The request that it came with.
    pub request_id: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// What it says.
    pub draft: AuditDraft,
    /// The HMAC over the entry before and this one.
    pub mac: [u8; 32],
}

/// The end of a chain, which the next entry continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The sequence of the last entry; 0 before the first.
    pub sequence: u64,
    /// Its HMAC; zeros before the first.
    pub mac: [u8; 32],
}

/// How far a proof of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Up to here, from the entry before the first that is kept; the last that was written is `head`.
    On {
        /// The last entry that is proven.
        at: ChainHead,
        /// The sequence before the first that is kept.
        base: u64,
        /// The last sequence of all.
        head: u64,
    },
    /// All of it: where it begins (the entry before the first kept one) and ends.
    End(ChainHead, ChainHead),
}

impl ChainHead {
    /// Before the first entry.
    pub const START: Self = Self { sequence: 0, mac: [0; 32] };
}

/// What proves a chain broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// An entry is missing, doubled or out of order.
    #[error("entry {expected} is missing: {found} stands in its place")]
    Gap {
        /// The sequence that should have come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// An entry is not what was written, or the one before it is not.
    #[error("entry {0} was changed, or does not follow the one before it")]
    Changed(u64),
    /// The log does not end where the store says it does.
    #[error("the log ends at entry {found}, and {expected} were written: entries were cut off or added at its end")]
    End {
        /// Where it should end.
        expected: u64,
        /// Where it ends.
        found: u64,
    },
    /// The note of where the log begins or ends is not genuine.
    #[error("the note of where the log ends is not genuine: it was changed")]
    Head,
}

/// The key of the log and of the store's own books. Unprintable; derived from the master key.
#[derive(Clone)]
pub struct LedgerKey(hmac::Key);

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKey(…)")
    }
}

impl LedgerKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The entry that continues a chain.
    #[must_use]
    pub fn entry(&self, head: ChainHead, draft: AuditDraft) -> AuditEntry {
        let sequence = head.sequence + 1;
        let mac = self.mac(b"entry", &[&head.mac, &sequence.to_be_bytes(), &content(&draft)]);
        AuditEntry { sequence, draft, mac }
    }

    /// Proves that `entry` continues the chain, and gives the new head.
    ///
    /// # Errors
    /// [`ChainBreak`].
    pub fn follow(&self, head: ChainHead, entry: &AuditEntry) -> Result<ChainHead, ChainBreak> {
        let expected = head.sequence + 1;
        if entry.sequence != expected {
            return Err(ChainBreak::Gap { expected, found: entry.sequence });
        }
        let mac = self.mac(b"entry", &[&head.mac, &expected.to_be_bytes(), &content(&entry.draft)]);
        constant_time::verify_slices_are_equal(&mac, &entry.mac).map_err(|_| ChainBreak::Changed(expected))?;
        Ok(ChainHead { sequence: expected, mac })
    }

    /// The HMAC of the parts under a label: each part is preceded by its length, so that none runs into the next.
    #[must_use]
    pub fn mac(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&label).chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

/// What of an entry is under its HMAC: all of it, as JSON.
fn content(draft: &AuditDraft) -> Vec<u8> {
    serde_json::to_vec(draft).expect("invariant: an entry is a map with text keys")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn draft(count: u64) -> AuditDraft {
        AuditDraft {
            at: UnixMillis(count),
            project: Some(ProjectId::new(1)),
            actor: "operator".into(),
            action: "token.create".into(),
            subject: "tok_1".into(),
            outcome: AuditOutcome::Done,
            count,
            detail: None,
            request_id: None,
            address: None,
        }
    }

    fn verify(key: &LedgerKey, entries: &[AuditEntry]) -> Result<ChainHead, ChainBreak> {
        entries.iter().try_fold(ChainHead::START, |head, entry| key.follow(head, entry))
    }

    #[test]
    fn every_edit_drop_reorder_and_forgery_is_found() {
        let key = LedgerKey::new(&[7; 32]);
        let mut head = ChainHead::START;
        let mut entries = Vec::new();
        for count in 1..=5 {
            let entry = key.entry(head, draft(count));
            head = key.follow(head, &entry).unwrap();
            entries.push(entry);
        }
        assert_eq!(verify(&key, &entries), Ok(head));
        for at in 0..entries.len() {
            let mut changed = entries.clone();
            changed[at].draft.actor.push('x');
            assert_eq!(verify(&key, &changed), Err(ChainBreak::Changed(at as u64 + 1)));
            let mut changed = entries.clone();
            changed[at].mac[31] ^= 1;
            assert!(verify(&key, &changed).is_err());
            let mut dropped = entries.clone();
            dropped.remove(at);
            assert_eq!(verify(&key, &dropped).is_err(), at < 4, "the end is the store's to notice");
            // Dropped and renumbered.
            for (place, entry) in dropped.iter_mut().enumerate() {
                entry.sequence = place as u64 + 1;
            }
            assert_eq!(verify(&key, &dropped).is_err(), at < 4);
        }
        entries.swap(1, 2);
        assert!(verify(&key, &entries).is_err());
        let forged = LedgerKey::new(&[8; 32]).entry(head, draft(6));
        assert_eq!(key.follow(head, &forged), Err(ChainBreak::Changed(6)));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = LedgerKey::new(&[1; 32]);
        assert_ne!(key.mac(b"x", &[b"ab", b"c"]), key.mac(b"x", &[b"a", b"bc"]));
        assert_ne!(key.mac(b"xa", &[b"b"]), key.mac(b"x", &[b"ab"]));
        assert_eq!(format!("{key:?}"), "LedgerKey(…)");
    }
}
