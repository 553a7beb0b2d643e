//! Access tokens as JWTs: the project's signing keys, and a token's record spelled and read under them.
//!
//! A JWT is one more spelling of a record. Its signature proves which token and generation is meant; the record decides whether that works,
//! so that revoking, rotating and deleting end every spelling at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::credentials::jwt::{
    AccessClaims, AccessExpectations, AccessUser, JwtRefusal, SigningAlgorithm, SigningKey, Unverified, verify_access,
};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::limits::SESSION_LIFE_MS_DEFAULT;
use tollgate_core::records::SigningKeyRecord;
use zeroize::Zeroizing;

use super::refusal;
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};

/// What `iss` begins with; the project's id follows.
const ISSUER: &str = "urn:tollgate:";
/// How far the wall clock may have gone back since a token was signed, in seconds. Its end is looked at to the millisecond all the same.
const CLOCK_STEP_S: u32 = 5;

/// Signing keys that were opened, so that a signature costs no parsing.
#[derive(Debug, Default)]
pub(crate) struct SigningKeys {
    opened: Mutex<HashMap<(ProjectId, u64), Arc<SigningKey>>>,
    /// Held while a project's first key is made.
    making: tokio::sync::Mutex<()>,
}

/// An access token, to be handed out.
#[derive(Clone)]
pub struct AccessToken {
    /// The JWT. A credential: never to be logged or stored.
    pub text: Zeroizing<String>,
    /// When it was signed.
    pub issued_at: UnixMillis,
    /// From when it is refused: a whole second, or when its token ends.
    pub expires_at: UnixMillis,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessToken(until {})", self.expires_at.0)
    }
}

impl Node {
    /// Whether a credential has the form of a JWT rather than that of a secret of ours.
    pub(crate) fn is_jwt(text: &str) -> bool {
        text.contains('.')
    }

    /// The project that a JWT says it is of, if it says it is ours: no proof of anything, but it tells among whose keys to look.
    pub(crate) fn claimed_project(&self, text: &str) -> Option<Arc<ProjectEntry>> {
        let issuer = Unverified::parse(text).ok()?.issuer?;
        self.directory.project(issuer.strip_prefix(ISSUER)?.parse().ok()?)
    }

    /// Which token and generation of the project a JWT of ours speaks for.
    pub(crate) fn verify_access_token(
        &self,
        entry: &ProjectEntry,
        text: &str,
    ) -> std::result::Result<(TokenId, u32), JwtRefusal> {
        let (project, now) = (entry.project.id, self.now());
        let keys = self.verifying_keys(entry, now);
        let issuer = issuer(project);
        let expected = AccessExpectations {
            now,
            leeway_s: CLOCK_STEP_S,
            issuer: Some(&issuer),
            audience: None,
            project: Some(project),
        };
        let find = |kid: &str| keys.iter().find(|key| key.kid() == kid).map(|key| key.verifying_key());
        let claims = verify_access(text, &find, &expected)?;
        let now_s = now.0 / 1_000;
        // To the millisecond, but for the leeway above: `exp` is whole seconds.
        if claims.exp <= now_s {
            return Err(JwtRefusal::Expired { exp: claims.exp, now: now_s });
        }
        Ok((claims.jti, claims.generation))
    }

    /// Spells a token's record as a JWT that lasts no longer than the record and than the project lets one last.
    ///
    /// # Errors
    /// `unavailable` when the project has no signing key yet and none can be kept.
    pub(crate) async fn access_token(&self, entry: &ProjectEntry, token: TokenId) -> Result<AccessToken> {
        let key = self.signing_key(entry).await?;
        let life_ms = entry.settings().access_token_life_ms;
        let records = entry.read();
        let found = records.token(token).ok_or_else(super::tokens::no_such_token)?;
        let user = found.user.and_then(|user| records.user(user).map(|found| (user, Arc::clone(&found.kept.record))));
        let access_user = user.map(|(id, record)| AccessUser {
            user_id: id.to_string(),
            public_user_id: record.user_id.clone(),
            display_name: record.display_name.clone(),
        });
        Ok(self.sign((entry.project.id, &key), life_ms, (token, found), access_user))
    }

    fn sign(
        &self,
        (project, key): (ProjectId, &SigningKey),
        life_ms: Option<u64>,
        (token, found): (TokenId, &TokenEntry),
        user: Option<AccessUser>,
    ) -> AccessToken {
        let issued_at = self.now();
        let latest = issued_at.plus(life_ms.unwrap_or(SESSION_LIFE_MS_DEFAULT));
        let ends_with_token = found.expires_at.filter(|end| *end <= latest || life_ms.is_none());
        // Up: the record ends the token at its millisecond.
        let exp = ends_with_token.unwrap_or(latest).0.div_ceil(1_000);
        let claims = AccessClaims {
            iss: issuer(project),
            sub: user.as_ref().map_or_else(|| token.to_string(), |user| user.user_id.clone()),
            aud: None,
            iat: issued_at.0 / 1_000,
            exp,
            nbf: found.not_before().map(|start| start.0.div_ceil(1_000)),
            jti: token,
            generation: found.generation,
            project,
            user,
        };
        let expires_at = ends_with_token.unwrap_or(UnixMillis(exp * 1_000));
        AccessToken { text: key.sign(&claims), issued_at, expires_at }
    }

    /// The public keys with which the project's access tokens are verified, as a JWK set (RFC 7517): those that verify, and those that will.
    ///
    /// # Errors
    /// `not_found` for the project.
    pub fn jwks(&self, project: ProjectId) -> Result<String> {
        let entry = self.project(project)?;
        let keys: Vec<String> =
            self.verifying_keys(&entry, self.now()).iter().map(|key| key.public_jwk().to_string()).collect();
        Ok(format!("{{\"keys\":[{}]}}", keys.join(",")))
    }

    /// The project that a caller without credentials means when it names none: the only one, or the oldest.
    #[must_use]
    pub fn default_project(&self) -> Option<ProjectId> {
        self.directory.projects().first().map(|entry| entry.project.id)
    }

    /// The key that signs now; the first of a project is made when it is first needed.
    pub(crate) async fn signing_key(&self, entry: &ProjectEntry) -> Result<Arc<SigningKey>> {
        if let Some(key) = self.current_signing_key(entry) {
            return Ok(key);
        }
        let _making = self.signing.making.lock().await;
        match self.current_signing_key(entry) {
            Some(key) => Ok(key),
            None => self.make_signing_key(entry).await,
        }
    }

    fn current_signing_key(&self, entry: &ProjectEntry) -> Option<Arc<SigningKey>> {
        let now = self.now();
        let found = entry
            .read()
            .signing_keys
            .iter()
            .filter(|(_, kept)| signs(&kept.record, now))
            .max_by_key(|(id, kept)| (kept.record.signs_from, **id))
            .map(|(id, kept)| (*id, Arc::clone(&kept.record)));
        found.and_then(|(id, record)| self.opened(entry, id, &record))
    }

    async fn make_signing_key(&self, entry: &ProjectEntry) -> Result<Arc<SigningKey>> {
        let wanted = entry.settings().signing_algorithm.as_deref().and_then(SigningAlgorithm::from_word);
        let algorithm = wanted.unwrap_or_default();
        let key = SigningKey::generate(algorithm).map_err(|error| {
            tracing::error!(%error, "no signing key");
            Error::new(ErrorKind::Unavailable, "The server could not make a signing key; nothing was changed. Try again.")
        })?;
        let now = self.now();
        let record = SigningKeyRecord {
            algorithm: algorithm.word().to_owned(),
            pkcs8: STANDARD.encode(key.to_pkcs8().as_slice()),
            created_at: now,
            signs_from: now,
            verifies_until: None,
            retired_at: None,
        };
        let id = self.next_number();
        let write = self.insert(entry, RowKind::SigningKey, id, &record);
        let mut audit = self.entry_of(&Caller::System, Some(entry.project.id), "signing_key.create", &key.kid());
        audit.detail = Some(algorithm.word().to_owned());
        self.commit(vec![write], vec![audit]).await.map_err(|error| refusal(error, &key.kid()))?;
        let key = Arc::new(key);
        self.signing.lock().insert((entry.project.id, id), Arc::clone(&key));
        Ok(key)
    }

    /// The keys whose signatures count at `now`.
    fn verifying_keys(&self, entry: &ProjectEntry, now: UnixMillis) -> Vec<Arc<SigningKey>> {
        let records: Vec<_> = entry
            .read()
            .signing_keys
            .iter()
            .filter(|(_, kept)| verifies(&kept.record, now))
            .map(|(id, kept)| (*id, Arc::clone(&kept.record)))
            .collect();
        records.iter().filter_map(|(id, record)| self.opened(entry, *id, record)).collect()
    }

    fn opened(&self, entry: &ProjectEntry, id: u64, record: &SigningKeyRecord) -> Option<Arc<SigningKey>> {
        let name = (entry.project.id, id);
        if let Some(key) = self.signing.lock().get(&name) {
            return Some(Arc::clone(key));
        }
        let algorithm = SigningAlgorithm::from_word(&record.algorithm)?;
        let pkcs8 = Zeroizing::new(STANDARD.decode(&record.pkcs8).ok()?);
        let key = Arc::new(SigningKey::from_pkcs8(algorithm, &pkcs8).ok()?);
        self.signing.lock().insert(name, Arc::clone(&key));
        Some(key)
    }
}

impl SigningKeys {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(ProjectId, u64), Arc<SigningKey>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn issuer(project: ProjectId) -> String {
    format!("{ISSUER}{project}")
}

fn signs(key: &SigningKeyRecord, now: UnixMillis) -> bool {
    verifies(key, now) && key.signs_from <= now
}

fn verifies(key: &SigningKeyRecord, now: UnixMillis) -> bool {
    key.retired_at.is_none() && key.verifies_until.is_none_or(|end| now < end)
}
