//! Idempotency keys: a request that is sent again under the same key is done once, and answered from what it made.
//!
//! What a key made is durable in the unit of work that made it, for 24 hours. The record's number is made from the key, so that of two
//! requests at the same time the store refuses one, which then finds what the other made.

use tollgate_core::authorize::Caller;
use tollgate_core::credentials::{RowKind, fingerprint, number_of};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::limits::{IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_MS};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::IdempotencyRecord;

use super::writing::actor;
use crate::Node;
use crate::directory::ProjectEntry;

/// Expired records that one round of upkeep removes, for each project.
const PRUNED_AT_ONCE: usize = 5_000;

/// A request's idempotency key, with what the request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    key: String,
    fingerprint: [u8; 32],
}

impl Once {
    /// `parts` are everything that makes this request another than others: the action, what it is about, and the body as it was sent.
    ///
    /// # Errors
    /// `invalid_input` for a key that is empty, too long, or not of visible ASCII characters.
    pub fn new(key: &str, parts: &[&[u8]]) -> Result<Self> {
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters."),
            ));
        }
        Ok(Self { key: key.to_owned(), fingerprint: fingerprint(parts) })
    }

    fn hash(&self, caller: &Caller) -> [u8; 32] {
        fingerprint(&[actor(caller).as_bytes(), self.key.as_bytes()])
    }
}

impl Node {
    /// The tokens that an earlier request with this key made, each with its generation.
    ///
    /// # Errors
    /// `idempotency_mismatch` when that was another request.
    pub(super) fn remembered(
        &self,
        entry: &ProjectEntry,
        caller: &Caller,
        once: &Once,
    ) -> Result<Option<Vec<(TokenId, u32)>>> {
        let hash = once.hash(caller);
        let records = entry.read();
        let found = records.idempotency.get(&number_of(&hash)).map(|kept| &kept.record);
        let Some(record) = found.filter(|record| record.expires_at > self.now()) else { return Ok(None) };
        if record.key != hash || record.fingerprint != once.fingerprint {
            return Err(Error::new(
                ErrorKind::IdempotencyMismatch,
                "This Idempotency-Key was used for another request; use a new key for a new request, and send a repeated one unchanged.",
            ));
        }
        Ok(Some(record.tokens.clone()))
    }

    /// The step that remembers what a request made: part of the unit of work that makes it.
    pub(super) fn remember(
        &self,
        entry: &ProjectEntry,
        caller: &Caller,
        once: &Once,
        tokens: Vec<(TokenId, u32)>,
    ) -> Write {
        let key = once.hash(caller);
        let expires_at = self.now().plus(IDEMPOTENCY_MS);
        let record = IdempotencyRecord { key, fingerprint: once.fingerprint, tokens, expires_at };
        let id = number_of(&key);
        let now = self.now();
        // Only an expired record is replaced. One that another request put there since we looked is in force: the store refuses ours, and we
        // look again.
        let expired = {
            let records = entry.read();
            let kept = records.idempotency.get(&id).filter(|kept| kept.record.expires_at <= now);
            kept.map(|kept| kept.revision)
        };
        match expired {
            Some(revision) => self.update(entry, RowKind::Idempotency, id, revision, &record),
            None => self.insert(entry, RowKind::Idempotency, id, &record),
        }
    }

    /// Removes keys that are forgotten.
    pub(super) async fn forget_idempotency_keys(&self) {
        let now = self.now();
        for entry in self.directory.projects() {
            if entry.read().idempotency.values().all(|kept| kept.record.expires_at > now) {
                continue;
            }
            // Nobody puts a new record in the place of an expired one meanwhile.
            let _alone = entry.minting.write().await;
            let expired: Vec<Write> = entry
                .read()
                .idempotency
                .iter()
                .filter(|(_, kept)| kept.record.expires_at <= now)
                .take(PRUNED_AT_ONCE)
                .map(|(id, _)| {
                    Write::Delete(RowName { kind: RowKind::Idempotency, project: entry.project.id, id: *id })
                })
                .collect();
            if !expired.is_empty() {
                super::upkeep::report(self.commit(expired, Vec::new()).await);
            }
        }
    }
}
