//! Registered issuers: whose JWTs a project believes, by which keys, and within which bounds.
//!
//! Not here: verifying and letting in (`foreign`), and fetching keys (`issuer_keys`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants;
use tollgate_core::ids::{IssuerId, TokenId};
use tollgate_core::limits::{GRANTS_PER_TOKEN_MAX, ISSUERS_MAX, TOKEN_LIFE_MS_MAX};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::{IssuerKeys, IssuerRecord, MintPolicy, TokenKind};

use super::issuer_keys::{FetchedKeys, read_rules};
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records};

/// Tokens that one unit of work deletes.
const TOKENS_AT_ONCE: usize = 1_000;

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// A shared secret for `HS256`, `HS384` or `HS512`: its bytes.
    Secret {
        /// The algorithm.
        algorithm: String,
        /// The bytes.
        secret: Vec<u8>,
    },
    /// One public key in PEM.
    Pem {
        /// The algorithm.
        algorithm: String,
        /// The key.
        pem: String,
    },
    /// A JWK set, JSON text.
    Jwks(String),
    /// The address of a JWK set.
    Url {
        /// The address.
        url: String,
        /// Whether to register it although it cannot be fetched now.
        defer: bool,
    },
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret { .. } => "Secret",
            Self::Pem { .. } => "Pem",
            Self::Jwks(_) => "Jwks",
            Self::Url { .. } => "Url",
        })
    }
}

/// An issuer to register.
#[derive(Clone, Debug)]
pub struct NewIssuer {
    /// The exact `iss` of its JWTs.
    pub issuer: String,
    /// What `aud` must contain one of; empty asks for none.
    pub audiences: Vec<String>,
    /// The claim with the user id.
    pub user_id_claim: String,
    /// The claim with the display name.
    pub display_name_claim: Option<String>,
    /// The claim with capabilities.
    pub capabilities_claim: Option<String>,
    /// How long its JWTs may live, and what they may do at most.
    pub policy: MintPolicy,
    /// Seconds by which its clock may differ, 0 to 60.
    pub leeway_s: u32,
    /// Its keys.
    pub keys: KeySource,
}

/// What to change of an issuer; the outer `None` leaves as it is. Its `iss` stays.
#[derive(Clone, Debug, Default)]
pub struct IssuerUpdate {
    /// The audiences.
    pub audiences: Option<Vec<String>>,
    /// The claim with the user id.
    pub user_id_claim: Option<String>,
    /// The claim with the display name.
    pub display_name_claim: Option<Option<String>>,
    /// The claim with capabilities.
    pub capabilities_claim: Option<Option<String>>,
    /// The bounds.
    pub policy: Option<MintPolicy>,
    /// The leeway.
    pub leeway_s: Option<u32>,
    /// The keys, all of them.
    pub keys: Option<KeySource>,
    /// Whether its JWTs are refused.
    pub disabled: Option<bool>,
}

/// One key of an issuer, as it is shown.
#[derive(Clone, Debug)]
pub struct IssuerKeyView {
    /// Its id within the issuer.
    pub kid: Option<String>,
    /// Its one algorithm.
    pub algorithm: &'static str,
}

/// An issuer, without secrets.
#[derive(Clone, Debug)]
pub struct IssuerView {
    /// Our number of it.
    pub id: IssuerId,
    /// Its record; the secret in it is never to be shown.
    pub record: Arc<IssuerRecord>,
    /// Its usable keys.
    pub keys: Vec<IssuerKeyView>,
}

impl Node {
    /// The issuers of the caller's project, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn issuers(&self, caller: &Caller) -> Result<Vec<IssuerView>> {
        let entry = self.authorize(caller, Action::SeeKeys)?;
        let kept: Vec<(u64, Kept<IssuerRecord>)> =
            entry.read().issuers.iter().map(|(id, kept)| (*id, kept.clone())).collect();
        Ok(kept.iter().map(|(id, kept)| self.view_issuer(&entry, IssuerId::new(*id), kept)).collect())
    }

    /// One issuer.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn issuer(&self, caller: &Caller, issuer: IssuerId) -> Result<IssuerView> {
        let entry = self.authorize(caller, Action::SeeKeys)?;
        let kept = find(&entry, issuer)?;
        Ok(self.view_issuer(&entry, issuer, &kept))
    }

    /// How many tokens of its users there are: what its deletion takes along.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn issuer_tokens(&self, caller: &Caller, issuer: IssuerId) -> Result<usize> {
        let entry = self.authorize(caller, Action::SeeKeys)?;
        find(&entry, issuer)?;
        Ok(of_issuer(&entry.read(), issuer).count())
    }

    /// Registers an issuer. A key set at an address is fetched before the answer.
    ///
    /// # Errors
    /// `already_exists` for its `iss`, `invalid_input` for settings, keys or an address that cannot be, or that could not be fetched;
    /// `limit_reached`, `forbidden`, `unavailable`.
    pub async fn create_issuer(&self, caller: &Caller, new: NewIssuer) -> Result<IssuerView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let (keys, fetched) = self.keys_of(&new.keys).await?;
        let record = IssuerRecord {
            issuer: new.issuer,
            audiences: new.audiences,
            user_id_claim: new.user_id_claim,
            display_name_claim: new.display_name_claim,
            capabilities_claim: new.capabilities_claim,
            policy: new.policy,
            leeway_s: new.leeway_s,
            keys,
            created_at: self.now(),
            disabled_at: None,
        };
        check(&record)?;
        let id = IssuerId::new(self.next_number());
        // One at a time: the store does not know what `iss` is.
        let _registering = self.registering.lock().await;
        {
            let records = entry.read();
            if records.issuers.len() >= ISSUERS_MAX {
                return Err(Error::new(
                    ErrorKind::LimitReached,
                    format!("A project has at most {ISSUERS_MAX} issuers; delete one first."),
                ));
            }
            if records.issuers.values().any(|kept| kept.record.issuer == record.issuer) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    "An issuer with this `issuer` is registered already; change it instead.",
                ));
            }
        }
        let mut audit = self.entry_of(caller, Some(entry.project.id), "issuer.create", &id);
        audit.detail = Some(record.issuer.clone());
        let write = self.insert(&entry, RowKind::Issuer, id.get(), &record);
        self.commit(vec![write], vec![audit]).await.map_err(|error| super::refusal(error, &id))?;
        if matches!(record.keys, IssuerKeys::Url { .. }) {
            self.note_fetch(entry.project.id, id, fetched.as_ref());
        }
        Ok(self.view_issuer(&entry, id, &find(&entry, id)?))
    }

    /// Changes an issuer. One that is disabled is believed no more, and the connections that came in by it are closed before the answer.
    /// Narrower bounds hold for a user from the next time it comes with a JWT.
    ///
    /// # Errors
    /// As [`Node::create_issuer`], and `not_found`.
    pub async fn change_issuer(&self, caller: &Caller, issuer: IssuerId, update: IssuerUpdate) -> Result<IssuerView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        find(&entry, issuer)?;
        let keys = match &update.keys {
            Some(source) => Some(self.keys_of(source).await?),
            None => None,
        };
        let now = self.now();
        let audit = self.entry_of(caller, Some(entry.project.id), "issuer.change", &issuer);
        self.change_kept(
            &entry,
            (RowKind::Issuer, issuer.get()),
            audit,
            |records| records.issuers.get(&issuer.get()).cloned().ok_or_else(|| missing(issuer)),
            |record: &mut IssuerRecord| {
                put(&mut record.audiences, update.audiences.as_ref());
                put(&mut record.user_id_claim, update.user_id_claim.as_ref());
                put(&mut record.display_name_claim, update.display_name_claim.as_ref());
                put(&mut record.capabilities_claim, update.capabilities_claim.as_ref());
                put(&mut record.policy, update.policy.as_ref());
                put(&mut record.leeway_s, update.leeway_s.as_ref());
                put(&mut record.keys, keys.as_ref().map(|(keys, _)| keys));
                if let Some(disabled) = update.disabled {
                    record.disabled_at = disabled.then(|| record.disabled_at.unwrap_or(now));
                }
                check(record)
            },
        )
        .await?;
        if let Some((IssuerKeys::Url { .. }, fetched)) = &keys {
            self.note_fetch(entry.project.id, issuer, fetched.as_ref());
        }
        if update.disabled == Some(true) {
            self.settled_everywhere().await;
        }
        Ok(self.view_issuer(&entry, issuer, &find(&entry, issuer)?))
    }

    /// Deletes an issuer with the tokens of its users. Its JWTs are refused and the connections that came in by them closed before the answer,
    /// which says how many tokens went.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn delete_issuer(&self, caller: &Caller, issuer: IssuerId) -> Result<u64> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let project = entry.project.id;
        let mut audit = self.entry_of(caller, Some(project), "issuer.delete", &issuer);
        self.change(&issuer, || {
            let kept = find(&entry, issuer)?;
            audit.detail = Some(kept.record.issuer.clone());
            let write = Write::Delete(RowName { kind: RowKind::Issuer, project, id: issuer.get() });
            Ok((vec![write], vec![audit.clone()], ()))
        })
        .await?;
        self.issuers.forget(project, issuer);
        let mut deleted = 0;
        loop {
            let _minting = entry.minting.write().await;
            let tokens = tokens_of(&entry, issuer);
            if tokens.is_empty() {
                break;
            }
            deleted += tokens.len() as u64;
            self.change(&issuer, || {
                let records = entry.read();
                let left = tokens.iter().filter(|token| records.token(**token).is_some());
                Ok((left.flat_map(|token| self.token_rows(&entry, &records, *token)).collect(), Vec::new(), ()))
            })
            .await?;
        }
        self.settled_everywhere().await;
        Ok(deleted)
    }

    /// The keys as they are kept, and what was fetched for it.
    async fn keys_of(&self, source: &KeySource) -> Result<(IssuerKeys, Option<FetchedKeys>)> {
        let keys = match source.clone() {
            KeySource::Secret { algorithm, secret } => {
                IssuerKeys::Secret { algorithm, secret: STANDARD.encode(secret) }
            }
            KeySource::Pem { algorithm, pem } => IssuerKeys::Pem { algorithm, pem },
            KeySource::Jwks(set) => IssuerKeys::Jwks { set },
            KeySource::Url { url, defer } => {
                self.outbound.check(&url).map_err(|failure| {
                    Error::new(ErrorKind::InvalidInput, format!("`jwks_url` cannot be used: {failure}."))
                })?;
                return match self.fetch_keys(&url).await {
                    Ok(fetched) => {
                        let (set, at) = (Some(fetched.set.clone()), Some(self.now()));
                        Ok((IssuerKeys::Url { url, fetched: set, fetched_at: at }, Some(fetched)))
                    }
                    Err(_) if defer => Ok((IssuerKeys::Url { url, fetched: None, fetched_at: None }, None)),
                    Err(error) => Err(Error::new(
                        error.kind,
                        format!(
                            "{} Send \"defer\": true to register it all the same; its JWTs are refused until it can be fetched.",
                            error.detail
                        ),
                    )),
                };
            }
        };
        Ok((keys, None))
    }

    fn view_issuer(&self, entry: &ProjectEntry, id: IssuerId, kept: &Kept<IssuerRecord>) -> IssuerView {
        let rules = self.rules_of(entry, id, kept).ok();
        let shown = |rules: &tollgate_core::credentials::jwt::IssuerRules| {
            let keys = rules.keys().iter();
            keys.map(|key| IssuerKeyView { kid: key.kid().map(str::to_owned), algorithm: key.algorithm().word() })
                .collect()
        };
        IssuerView { id, record: Arc::clone(&kept.record), keys: rules.as_deref().map(shown).unwrap_or_default() }
    }
}

fn tokens_of(entry: &ProjectEntry, issuer: IssuerId) -> Vec<TokenId> {
    of_issuer(&entry.read(), issuer).take(TOKENS_AT_ONCE).collect()
}

fn of_issuer(records: &Records, issuer: IssuerId) -> impl Iterator<Item = TokenId> {
    let found =
        records.tokens().filter(move |(_, token)| token.kind == TokenKind::Issued && token.issuer() == Some(issuer));
    found.map(|(id, _)| id)
}

fn find(entry: &ProjectEntry, issuer: IssuerId) -> Result<Kept<IssuerRecord>> {
    entry.read().issuers.get(&issuer.get()).cloned().ok_or_else(|| missing(issuer))
}

fn missing(issuer: IssuerId) -> Error {
    Error::not_found("issuer", &issuer)
}

fn put<T: Clone>(place: &mut T, wanted: Option<&T>) {
    if let Some(wanted) = wanted {
        place.clone_from(wanted);
    }
}

/// Checks what the caller chose, keys and all.
fn check(record: &IssuerRecord) -> Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    let policy = &record.policy;
    if policy.life_ms_max.is_some_and(|life| !(1_000..=TOKEN_LIFE_MS_MAX).contains(&life)) {
        return refuse(format!("`policy.ttl_s_max` is between 1 and {} seconds.", TOKEN_LIFE_MS_MAX / 1_000));
    }
    if policy.channels.as_ref().is_some_and(|channels| channels.len() > GRANTS_PER_TOKEN_MAX) {
        return refuse(format!("`policy.channels` has at most {GRANTS_PER_TOKEN_MAX} patterns."));
    }
    policy.ceiling.as_deref().map_or(Ok(()), grants::check)?;
    read_rules(record).map(drop)
}
