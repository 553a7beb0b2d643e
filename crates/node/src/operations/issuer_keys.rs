//! The keys of registered issuers: read from their records, and fetched from the registered address where there is one.
//!
//! What was fetched is kept sealed in the record, so that a restart needs no fetch, and stays in use when a fetch fails. Nothing that a token
//! says is fetched: a token with an unknown `kid` has the *registered* address of its issuer asked anew, at most once a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::Monotonic;
use tollgate_core::credentials::RowKind;
use tollgate_core::credentials::jwt::{
    Algorithm, IssuerKey, IssuerRules, IssuerSettings, JWKS_BYTES_MAX, Jwks, VerifiedClaims,
};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{IssuerId, ProjectId};
use tollgate_core::limits::SESSION_LIFE_MS_DEFAULT;
use tollgate_core::ports::outbound::{Method, OutboundCall, OutboundFailure};
use tollgate_core::records::{IssuerKeys, IssuerRecord};

use crate::Node;
use crate::directory::{Kept, ProjectEntry};

/// How long a key set may take.
const FETCH_MS: u64 = 5_000;
/// After how long a key set is fetched again when its server says nothing of how long it may be kept.
const KEPT_MS_DEFAULT: u64 = 900_000;
/// Bounds on what its server says.
const KEPT_MS_MIN: u64 = 300_000;
const KEPT_MS_MAX: u64 = 86_400_000;
/// How often an unknown `kid` may cause a fetch, and after how long a fetch that failed is tried again.
const TRY_EVERY_MS: u64 = 60_000;
/// How often the upkeep looks for key sets that are due.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How many issuers' fetches wait for each other.
const TURNS: usize = 64;

/// Rules by issuer, each with the revision of the record that they were read from.
type ReadRules = HashMap<(ProjectId, IssuerId), (u32, Arc<IssuerRules>)>;

/// What is known of issuers beyond their records.
#[derive(Debug)]
pub(crate) struct Issuers {
    /// Rules and keys, read from the record of this revision.
    read: Mutex<ReadRules>,
    fetches: Mutex<HashMap<(ProjectId, IssuerId), Fetched>>,
    /// Held while an issuer's keys are fetched, and while a user of one is made.
    turns: Vec<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Fetched {
    tried_at: Monotonic,
    due_at: Monotonic,
}

impl Default for Issuers {
    fn default() -> Self {
        Self {
            read: Mutex::default(),
            fetches: Mutex::default(),
            turns: std::iter::repeat_with(tokio::sync::Mutex::default).take(TURNS).collect(),
        }
    }
}

impl Issuers {
    /// Waits until nobody else works on what this number stands for.
    pub(super) async fn turn(&self, number: u64) -> tokio::sync::MutexGuard<'_, ()> {
        self.turns[usize::try_from(number % TURNS as u64).unwrap_or(0)].lock().await
    }

    /// Forgets an issuer that is gone.
    pub(super) fn forget(&self, project: ProjectId, issuer: IssuerId) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&(project, issuer));
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).remove(&(project, issuer));
    }

    fn fetched(&self, name: (ProjectId, IssuerId)) -> Option<Fetched> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied()
    }

    fn note(&self, name: (ProjectId, IssuerId), fetched: Fetched) {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).insert(name, fetched);
    }
}

/// A key set that was fetched.
pub(super) struct FetchedKeys {
    pub(super) set: String,
    kept_ms: u64,
}

impl Node {
    /// An issuer's rules with its keys.
    ///
    /// # Errors
    /// `invalid_input` for a record whose settings or keys cannot be.
    pub(super) fn rules_of(
        &self,
        entry: &ProjectEntry,
        issuer: IssuerId,
        kept: &Kept<IssuerRecord>,
    ) -> Result<Arc<IssuerRules>> {
        let name = (entry.project.id, issuer);
        let lock = || self.issuers.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rules)) = lock().get(&name).filter(|(revision, _)| *revision == kept.revision) {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(read_rules(&kept.record)?);
        lock().insert(name, (kept.revision, Arc::clone(&rules)));
        Ok(rules)
    }

    /// Fetches a key set from the address that was registered.
    ///
    /// # Errors
    /// `invalid_input`, in words for whoever registers it.
    pub(super) async fn fetch_keys(&self, url: &str) -> Result<FetchedKeys> {
        let refuse = |why: String| {
            Error::new(ErrorKind::InvalidInput, format!("No key set could be fetched from `jwks_url`: {why}."))
        };
        let call = OutboundCall {
            method: Method::Get,
            url: url.to_owned(),
            headers: vec![("accept".into(), "application/jwk-set+json, application/json".into())],
            body: Vec::new(),
            timeout_ms: FETCH_MS,
            answer_bytes_max: JWKS_BYTES_MAX,
        };
        let answer = self.outbound.call(call).await.map_err(|failure: OutboundFailure| refuse(failure.to_string()))?;
        if answer.status != 200 {
            return Err(refuse(format!("its server answered {}", answer.status)));
        }
        Jwks::parse(&answer.body).map_err(|error| refuse(error.to_string()))?;
        let set = String::from_utf8(answer.body).map_err(|_| refuse("it is not UTF-8".into()))?;
        let kept_ms = answer.cache_max_age_s.map_or(KEPT_MS_DEFAULT, |seconds| seconds.saturating_mul(1_000));
        Ok(FetchedKeys { set, kept_ms: kept_ms.clamp(KEPT_MS_MIN, KEPT_MS_MAX) })
    }

    /// Notes that an issuer's key set was fetched just now.
    pub(super) fn note_fetch(&self, project: ProjectId, issuer: IssuerId, fetched: Option<&FetchedKeys>) {
        let now = self.clock.monotonic();
        let due_at = now.plus(fetched.map_or(TRY_EVERY_MS, |fetched| fetched.kept_ms));
        self.issuers.note((project, issuer), Fetched { tried_at: now, due_at });
    }

    /// A token named a key that its issuer did not have: asks the registered address again, unless that was done within a minute. Whoever asks
    /// while it is being done waits for the same answer. True if the keys are others than those of `revision`.
    pub(super) async fn newer_keys(&self, entry: &ProjectEntry, issuer: IssuerId, revision: u32) -> bool {
        let _turn = self.issuers.turn(issuer.get()).await;
        let newer = || entry.read().issuers.get(&issuer.get()).is_some_and(|kept| kept.revision != revision);
        if newer() {
            return true;
        }
        let tried = self.issuers.fetched((entry.project.id, issuer));
        if tried.is_some_and(|fetched| self.clock.monotonic().since(fetched.tried_at) < TRY_EVERY_MS) {
            return false;
        }
        self.refresh(entry, issuer).await;
        newer()
    }

    /// Fetches the key sets that are due. Runs until it is dropped; one task of the server owns it.
    pub async fn issuers_upkeep(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(LOOK_EVERY);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.turn_signing_keys().await;
            self.refresh_issuers().await;
        }
    }

    /// Fetches the key sets that are due, one after another.
    pub async fn refresh_issuers(&self) {
        for entry in self.directory.projects() {
            let fetched = |kept: &Kept<IssuerRecord>| {
                matches!(kept.record.keys, IssuerKeys::Url { .. }) && kept.record.disabled_at.is_none()
            };
            let issuers: Vec<IssuerId> = {
                let records = entry.read();
                records.issuers.iter().filter(|(_, kept)| fetched(kept)).map(|(id, _)| IssuerId::new(*id)).collect()
            };
            for issuer in issuers {
                let known = self.issuers.fetched((entry.project.id, issuer));
                if known.is_none_or(|fetched| fetched.due_at <= self.clock.monotonic()) {
                    let _turn = self.issuers.turn(issuer.get()).await;
                    self.refresh(&entry, issuer).await;
                }
            }
        }
    }

    /// Fetches an issuer's key set and keeps it, if it is another one than before. Hold the issuer's turn.
    async fn refresh(&self, entry: &ProjectEntry, issuer: IssuerId) {
        let project = entry.project.id;
        let find = || entry.read().issuers.get(&issuer.get()).cloned();
        let Some(IssuerKeys::Url { url, .. }) = find().map(|kept| kept.record.keys.clone()) else { return };
        let outcome = self.fetch_keys(&url).await;
        self.note_fetch(project, issuer, outcome.as_ref().ok());
        let fetched_now = match outcome {
            Ok(fetched) => fetched,
            Err(error) => {
                self.counters.key_sets_failed.add(1);
                return tracing::warn!(%project, %issuer, "{}; the keys known so far stay in use", error.detail);
            }
        };
        self.counters.key_sets_fetched.add(1);
        let audit = self.entry_of(&Caller::System, Some(project), "issuer.keys", &issuer);
        let kept = self
            .change(&issuer, || {
                let Some(kept) = find() else { return Ok((Vec::new(), Vec::new(), ())) };
                let mut record = IssuerRecord::clone(&kept.record);
                match &mut record.keys {
                    IssuerKeys::Url { url: url_now, fetched, fetched_at }
                        if *url_now == url && fetched.as_ref() != Some(&fetched_now.set) =>
                    {
                        *fetched = Some(fetched_now.set.clone());
                        *fetched_at = Some(self.now());
                    }
                    // The same keys, or the address was changed meanwhile.
                    _ => return Ok((Vec::new(), Vec::new(), ())),
                }
                let write = self.update(entry, RowKind::Issuer, issuer.get(), kept.revision, &record);
                Ok((vec![write], vec![audit.clone()], ()))
            })
            .await;
        if let Err(error) = kept {
            tracing::warn!(%error, %project, %issuer, "a fetched key set could not be kept");
        }
    }
}

/// An issuer's rules and keys as its record has them.
///
/// # Errors
/// `invalid_input`.
pub(super) fn read_rules(record: &IssuerRecord) -> Result<IssuerRules> {
    let settings = IssuerSettings {
        issuer: record.issuer.clone(),
        audience: (!record.audiences.is_empty()).then(|| record.audiences.clone()),
        leeway_s: record.leeway_s,
        user_id_claim: record.user_id_claim.clone(),
        display_name_claim: record.display_name_claim.clone(),
        capabilities_claim: record.capabilities_claim.clone(),
        lifetime_s_max: Some(life_ms_max(record).div_ceil(1_000)),
    };
    let keys = read_keys(&record.keys)?;
    IssuerRules::new(settings, keys).map_err(|error| refused(&error))
}

/// How long the JWTs of an issuer may last, in milliseconds. There is always a most: a revocation is remembered that long.
pub(super) fn life_ms_max(record: &IssuerRecord) -> u64 {
    record.policy.life_ms_max.unwrap_or(SESSION_LIFE_MS_DEFAULT)
}

fn read_keys(keys: &IssuerKeys) -> Result<Vec<IssuerKey>> {
    let algorithm = |word: &str| {
        Algorithm::from_word(word).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "`algorithm` must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, ES256, ES384 and EdDSA.",
            )
        })
    };
    match keys {
        IssuerKeys::Secret { algorithm: word, secret } => {
            let bytes = STANDARD.decode(secret).map_err(|error| refused(&error))?;
            let key = IssuerKey::from_secret(algorithm(word)?, None, &bytes).map_err(|error| refused(&error))?;
            Ok(vec![key])
        }
        IssuerKeys::Pem { algorithm: word, pem } => {
            Ok(vec![IssuerKey::from_pem(algorithm(word)?, None, pem).map_err(|error| refused(&error))?])
        }
        IssuerKeys::Jwks { set } | IssuerKeys::Url { fetched: Some(set), .. } => {
            Ok(Jwks::parse(set.as_bytes()).map_err(|error| refused(&error))?.into_keys())
        }
        IssuerKeys::Url { fetched: None, .. } => Ok(Vec::new()),
    }
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    let text = error.to_string();
    let mut rest = text.chars();
    let text: String = rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default();
    Error::new(ErrorKind::InvalidInput, format!("{text}."))
}

/// A verified JWT of an issuer, and which one.
#[derive(Clone, Debug)]
pub(super) struct ForeignClaims {
    pub(super) issuer: IssuerId,
    pub(super) claims: Arc<VerifiedClaims>,
}
