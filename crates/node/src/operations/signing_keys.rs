//! Which key signs a project's access tokens, and when: made when first needed, replaced on schedule with an overlap, retired at once.
//!
//! A key is published in the key set before it signs (`signs_from`), so that whoever keeps the set for a while knows it in time. It signs
//! until a newer one does. From then on it verifies until the longest access token that it signed has ended: `covers_until` is moved on,
//! durably, before an access token that lasts longer is handed out. A key that is retired in an emergency verifies nothing from that commit on,
//! and the connections that came in by it are closed before the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::credentials::jwt::{SigningAlgorithm, SigningKey};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::limits::{SIGNING_KEY_LIFE_MS_DEFAULT, SIGNING_KEY_OVERLAP_MS_MIN, SIGNING_KEYS_MAX};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::SigningKeyRecord;

use super::signing::verifies;
use crate::Node;
use crate::directory::{Kept, ProjectEntry};

/// Steps in which a key's cover is moved on, so that a busy project writes it once a day.
const COVER_STEP_MS: u64 = 86_400_000;
/// How long the record of an ended key is kept, to be looked at.
const KEPT_MS: u64 = 7 * 86_400_000;
/// Longest time that a key is published before it signs.
const OVERLAP_MS_MAX: u64 = 86_400_000;
/// Farthest in the future that a key may be told to sign from.
const SIGNS_IN_MS_MAX: u64 = 365 * 86_400_000;

/// What a signing key does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyStatus {
    /// It is published and will sign.
    Next,
    /// It signs.
    Signing,
    /// A newer one signs; what it signed is still accepted.
    Verifying,
    /// All that it signed has ended.
    Ended,
    /// It was retired in an emergency.
    Retired,
}

/// A signing key, without its private half.
#[derive(Clone, Debug)]
pub struct SigningKeyView {
    /// Its id in key sets and JWTs: the RFC 7638 thumbprint of its public half.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// What it does now.
    pub status: SigningKeyStatus,
    /// Its public half as a JWK, JSON text.
    pub public_jwk: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when it signs.
    pub signs_from: UnixMillis,
    /// Until when it verifies, once that is known.
    pub verifies_until: Option<UnixMillis>,
    /// When it was retired in an emergency.
    pub retired_at: Option<UnixMillis>,
    number: u64,
}

impl SigningKeyView {
    /// Its place in lists.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

type KeptKey = Kept<SigningKeyRecord>;

impl Node {
    /// The signing keys of the caller's project, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn signing_keys(&self, caller: &Caller) -> Result<Vec<SigningKeyView>> {
        let entry = self.authorize(caller, Action::SeeKeys)?;
        Ok(self.kept_keys(&entry).iter().filter_map(|(id, kept)| self.view_key(&entry, *id, &kept.record)).collect())
    }

    /// Makes a key that signs from `signs_in_ms` on: by default as long ahead as the schedule does, so that who keeps the key set knows it in
    /// time. With 0 it signs at once.
    ///
    /// # Errors
    /// `invalid_input` for the algorithm or the time, `limit_reached`, `forbidden`, `unavailable`.
    pub async fn create_signing_key(
        &self,
        caller: &Caller,
        algorithm: Option<&str>,
        signs_in_ms: Option<u64>,
    ) -> Result<SigningKeyView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let algorithm = algorithm
            .map(|word| {
                SigningAlgorithm::from_word(word)
                    .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "`algorithm` must be ES256, EdDSA or RS256."))
            })
            .transpose()?;
        let ahead_ms = signs_in_ms.unwrap_or_else(|| overlap_ms(life_ms(&entry)));
        if ahead_ms > SIGNS_IN_MS_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "`signs_in_s` is at most a year: 31536000."));
        }
        let _turning = self.signing.turning.lock().await;
        let signs_from = self.now().plus(ahead_ms);
        let id = self.add_key(caller, &entry, algorithm, signs_from, "signing_key.create").await?;
        self.view_kept(&entry, id)
    }

    /// Makes a key that signs at once; what the one before signed is accepted until it ends. A reader that keeps the key set learns of the
    /// new key a few minutes late: where that matters, create a key that signs later instead.
    ///
    /// # Errors
    /// As [`Node::create_signing_key`].
    pub async fn rotate_signing_key(&self, caller: &Caller) -> Result<SigningKeyView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let _turning = self.signing.turning.lock().await;
        let id = self.add_key(caller, &entry, None, self.now(), "signing_key.rotate").await?;
        self.view_kept(&entry, id)
    }

    /// Ends a key: it signs nothing more, and another signs at once if it did. In an emergency nothing that it signed is accepted from the
    /// answer on, and the connections that came in by it are closed before; else what it signed works until it ends.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn retire_signing_key(&self, caller: &Caller, kid: &str, emergency: bool) -> Result<SigningKeyView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let _turning = self.signing.turning.lock().await;
        let keys = self.kept_keys(&entry);
        let id = keys
            .iter()
            .find(|(id, kept)| self.opened(&entry, *id, &kept.record).is_some_and(|key| key.kid() == kid))
            .map(|(id, _)| *id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "There is no such signing key in this project."))?;
        let now = self.now();
        let is_needed = signing_at(&keys, now).is_some_and(|(signing, _)| signing == id)
            && !keys.iter().any(|(other, kept)| *other != id && signs(&kept.record, now));
        let successor = if is_needed { Some(self.draw_key(&entry, None, now).await?) } else { None };
        let mut audit = self.entry_of(caller, Some(entry.project.id), "signing_key.retire", &kid);
        audit.detail = emergency.then(|| "emergency".to_owned());
        self.change(&"signing key", || {
            let kept = self.kept_key(&entry, id)?;
            let mut record = SigningKeyRecord::clone(&kept.record);
            match (emergency, signs(&record, now)) {
                (true, _) => record.retired_at = record.retired_at.or(Some(now)),
                (false, true) => supersede(&mut record, now),
                // It has signed nothing, or is on its way out already.
                (false, false) if record.signs_from > now => record.verifies_until = Some(now),
                (false, false) => {}
            }
            let mut writes = vec![self.update(&entry, RowKind::SigningKey, id, kept.revision, &record)];
            writes.extend(successor.as_ref().map(|(id, record)| self.insert(&entry, RowKind::SigningKey, *id, record)));
            Ok((writes, vec![audit.clone()], ()))
        })
        .await?;
        if emergency {
            self.settled_everywhere().await;
        }
        self.view_kept(&entry, id)
    }

    /// What the schedule asks for: keys that were replaced get their end, the next is made in time, and the records of ended ones go.
    pub async fn turn_signing_keys(&self) {
        for entry in self.directory.projects() {
            if entry.read().signing_keys.is_empty() {
                continue;
            }
            let _turning = self.signing.turning.lock().await;
            if let Err(error) = self.turn_keys_of(&entry).await {
                tracing::warn!(%error, project = %entry.project.id, "the signing keys could not be turned over");
            }
        }
    }

    async fn turn_keys_of(&self, entry: &ProjectEntry) -> Result<()> {
        let (now, life_ms) = (self.now(), life_ms(entry));
        let keys = self.kept_keys(entry);
        let signing = signing_at(&keys, now);
        let mut writes: Vec<Write> = Vec::new();
        for (id, kept) in &keys {
            let record = &kept.record;
            let is_replaced = signs(record, now) && signing.is_some_and(|(signing, _)| signing != *id);
            let ended = record.retired_at.or(record.verifies_until.filter(|end| *end <= now));
            if is_replaced {
                let mut record = SigningKeyRecord::clone(record);
                supersede(&mut record, now);
                writes.push(self.update(entry, RowKind::SigningKey, *id, kept.revision, &record));
            } else if ended.is_some_and(|end| end.plus(KEPT_MS) <= now) {
                writes.push(Write::Delete(RowName { kind: RowKind::SigningKey, project: entry.project.id, id: *id }));
                self.signing.forget(entry.project.id, *id);
            }
        }
        if !writes.is_empty() {
            // Whoever changed one meanwhile comes by here again.
            super::upkeep::report(self.commit(writes, Vec::new()).await);
        }
        let is_announced = keys.iter().any(|(_, kept)| verifies(&kept.record, now) && kept.record.signs_from > now);
        let Some((_, current)) = signing.filter(|_| !is_announced) else { return Ok(()) };
        let ends_at = current.record.signs_from.plus(life_ms);
        if now.plus(overlap_ms(life_ms)) >= ends_at {
            let signs_from = ends_at.max(now.plus(SIGNING_KEY_OVERLAP_MS_MIN));
            self.add_key(&Caller::System, entry, None, signs_from, "signing_key.create").await?;
        }
        Ok(())
    }

    /// The key that signs now; the first of a project is made when it is first needed.
    pub(super) async fn signing_key(&self, entry: &ProjectEntry) -> Result<(u64, Arc<SigningKey>)> {
        if let Some(found) = self.current_signing_key(entry) {
            return Ok(found);
        }
        let _turning = self.signing.turning.lock().await;
        if let Some(found) = self.current_signing_key(entry) {
            return Ok(found);
        }
        self.add_key(&Caller::System, entry, None, self.now(), "signing_key.create").await?;
        self.current_signing_key(entry).ok_or_else(unmade)
    }

    /// Has the key verify until `ends_at` at least. False if it does not sign any more: another must be taken.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) async fn cover(&self, entry: &ProjectEntry, id: u64, ends_at: UnixMillis) -> Result<bool> {
        self.change(&"signing key", || {
            let Ok(kept) = self.kept_key(entry, id) else { return Ok((Vec::new(), Vec::new(), false)) };
            if !signs(&kept.record, self.now()) || kept.record.covers_until >= Some(ends_at) {
                return Ok((Vec::new(), Vec::new(), signs(&kept.record, self.now())));
            }
            let mut record = SigningKeyRecord::clone(&kept.record);
            record.covers_until = Some(ends_at.plus(COVER_STEP_MS));
            Ok((vec![self.update(entry, RowKind::SigningKey, id, kept.revision, &record)], Vec::new(), true))
        })
        .await
    }

    fn current_signing_key(&self, entry: &ProjectEntry) -> Option<(u64, Arc<SigningKey>)> {
        let (id, kept) = signing_at(&self.kept_keys(entry), self.now()).map(|(id, kept)| (id, kept.clone()))?;
        Some((id, self.opened(entry, id, &kept.record)?))
    }

    /// Adds a key. One that signs at once gives those that signed their end in the same unit of work. Hold the turning.
    async fn add_key(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        algorithm: Option<SigningAlgorithm>,
        signs_from: UnixMillis,
        action: &str,
    ) -> Result<u64> {
        let now = self.now();
        if self.kept_keys(entry).iter().filter(|(_, kept)| verifies(&kept.record, now)).count() >= SIGNING_KEYS_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!(
                    "A project has at most {SIGNING_KEYS_MAX} signing keys that verify; retire one, or wait until an older one has ended."
                ),
            ));
        }
        let (id, record) = self.draw_key(entry, algorithm, signs_from).await?;
        let kid = self.opened(entry, id, &record).ok_or_else(unmade)?.kid().to_owned();
        let mut audit = self.entry_of(caller, Some(entry.project.id), action, &kid);
        audit.detail = Some(record.algorithm.clone());
        self.change(&"signing key", || {
            let mut writes = vec![self.insert(entry, RowKind::SigningKey, id, &record)];
            for (old, kept) in
                self.kept_keys(entry).iter().filter(|(_, kept)| signs_from <= now && signs(&kept.record, now))
            {
                let mut record = SigningKeyRecord::clone(&kept.record);
                supersede(&mut record, now);
                writes.push(self.update(entry, RowKind::SigningKey, *old, kept.revision, &record));
            }
            Ok((writes, vec![audit.clone()], id))
        })
        .await
    }

    async fn draw_key(
        &self,
        entry: &ProjectEntry,
        algorithm: Option<SigningAlgorithm>,
        signs_from: UnixMillis,
    ) -> Result<(u64, SigningKeyRecord)> {
        let settled = || entry.settings().signing_algorithm.as_deref().and_then(SigningAlgorithm::from_word);
        let algorithm = algorithm.or_else(settled).unwrap_or_default();
        let key = match algorithm {
            // Tenths of a second of computing: not on a thread that serves.
            SigningAlgorithm::Rs256 => {
                tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await.map_err(|_| unmade())?
            }
            SigningAlgorithm::Es256 | SigningAlgorithm::EdDsa => SigningKey::generate(algorithm),
        };
        let key = key.map_err(|error| {
            tracing::error!(%error, "no signing key");
            unmade()
        })?;
        let record = SigningKeyRecord {
            algorithm: algorithm.word().to_owned(),
            pkcs8: STANDARD.encode(key.to_pkcs8().as_slice()),
            created_at: self.now(),
            signs_from,
            covers_until: None,
            verifies_until: None,
            retired_at: None,
        };
        Ok((self.next_number(), record))
    }

    fn kept_keys(&self, entry: &ProjectEntry) -> Vec<(u64, KeptKey)> {
        entry.read().signing_keys.iter().map(|(id, kept)| (*id, kept.clone())).collect()
    }

    fn kept_key(&self, entry: &ProjectEntry, id: u64) -> Result<KeptKey> {
        let missing = || Error::new(ErrorKind::NotFound, "There is no such signing key in this project.");
        entry.read().signing_keys.get(&id).cloned().ok_or_else(missing)
    }

    fn view_kept(&self, entry: &ProjectEntry, id: u64) -> Result<SigningKeyView> {
        let kept = self.kept_key(entry, id)?;
        self.view_key(entry, id, &kept.record).ok_or_else(unmade)
    }

    fn view_key(&self, entry: &ProjectEntry, id: u64, record: &SigningKeyRecord) -> Option<SigningKeyView> {
        let (key, now) = (self.opened(entry, id, record)?, self.now());
        let signs_now = || signing_at(&self.kept_keys(entry), now).is_some_and(|(signing, _)| signing == id);
        let status = match record {
            record if record.retired_at.is_some() => SigningKeyStatus::Retired,
            record if !verifies(record, now) => SigningKeyStatus::Ended,
            record if record.signs_from > now => SigningKeyStatus::Next,
            record if signs(record, now) && signs_now() => SigningKeyStatus::Signing,
            _ => SigningKeyStatus::Verifying,
        };
        Some(SigningKeyView {
            kid: key.kid().to_owned(),
            algorithm: record.algorithm.clone(),
            status,
            public_jwk: key.public_jwk().to_string(),
            created_at: record.created_at,
            signs_from: record.signs_from,
            verifies_until: record.verifies_until,
            retired_at: record.retired_at,
            number: id,
        })
    }
}

/// Whether a key may sign at `now`; of several the newest does.
fn signs(key: &SigningKeyRecord, now: UnixMillis) -> bool {
    key.retired_at.is_none() && key.verifies_until.is_none() && key.signs_from <= now
}

fn signing_at(keys: &[(u64, KeptKey)], now: UnixMillis) -> Option<(u64, &KeptKey)> {
    let may_sign = keys.iter().filter(|(_, kept)| signs(&kept.record, now));
    may_sign.max_by_key(|(id, kept)| (kept.record.signs_from, *id)).map(|(id, kept)| (*id, kept))
}

/// A newer key signs: this one verifies until the longest access token that it signed has ended.
fn supersede(key: &mut SigningKeyRecord, now: UnixMillis) {
    key.verifies_until = Some(key.covers_until.map_or(now, |end| end.max(now)));
}

fn life_ms(entry: &ProjectEntry) -> u64 {
    entry.settings().signing_key_life_ms.unwrap_or(SIGNING_KEY_LIFE_MS_DEFAULT)
}

/// How long before it signs a key is published: a sixth of its life, a day at most.
fn overlap_ms(life_ms: u64) -> u64 {
    (life_ms / 6).clamp(SIGNING_KEY_OVERLAP_MS_MIN, OVERLAP_MS_MAX)
}

fn unmade() -> Error {
    Error::new(ErrorKind::Unavailable, "The server could not make a signing key; nothing was changed. Try again.")
}
