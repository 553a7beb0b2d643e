//! Access tokens as JWTs: a token's record spelled and read under the project's signing keys.
//!
//! A JWT is one more spelling of a record. Its signature proves which token and generation is meant; the record decides whether that works,
//! so that revoking, rotating and deleting end every spelling at once. Not here: which key signs when (`signing_keys`).

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::jwt::{
    AccessClaims, AccessExpectations, AccessUser, JwtRefusal, SigningAlgorithm, SigningKey, Unverified, verify_access,
};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::limits::{SESSION_LIFE_MS_DEFAULT, TOKEN_LIFE_MS_MAX};
use tollgate_core::records::SigningKeyRecord;
use zeroize::Zeroizing;

use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records, TokenEntry};
use crate::verified::{Verified, name_of};

/// What `iss` begins with; the project's id follows.
const ISSUER: &str = "urn:tollgate:";
/// How far the wall clock may have gone back since a token was signed, in seconds. Its end is looked at to the millisecond all the same.
const CLOCK_STEP_S: u32 = 5;
/// Longest `aud` of an access token, in bytes.
const AUDIENCE_BYTES_MAX: usize = 512;

/// Signing keys that were opened, so that a signature costs no parsing.
#[derive(Debug, Default)]
pub(crate) struct SigningKeys {
    opened: Mutex<HashMap<(ProjectId, u64), Arc<SigningKey>>>,
    /// Held while a project's signing keys are made or replaced.
    pub(super) turning: tokio::sync::Mutex<()>,
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

/// What an access token is wanted for.
#[derive(Clone, Debug, Default)]
pub struct AccessWish {
    /// How long it lasts at most, in milliseconds; never longer than the project lets one last, and than its token.
    pub life_ms: Option<u64>,
    /// Whom it is for, if not for this server: then only that party, by the project's key set, accepts it.
    pub audience: Option<String>,
}

/// What a JWT of ours proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccessProof {
    pub(crate) token: TokenId,
    pub(crate) generation: u32,
    /// The number of the signing key.
    pub(crate) signing_key: u64,
    /// Its `exp`.
    pub(crate) ends_at: UnixMillis,
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
    ) -> std::result::Result<AccessProof, JwtRefusal> {
        let (project, now) = (entry.project.id, self.now());
        let name = name_of(project, text);
        if let Some(Verified::Ours(proof)) = self.verified.get(&name, now) {
            return match entry.read().signing_keys.get(&proof.signing_key) {
                Some(kept) if verifies(&kept.record, now) => Ok(proof),
                _ => Err(JwtRefusal::UnknownKid),
            };
        }
        let keys = self.verifying_keys(entry, now);
        let issuer = issuer(project);
        let expected = AccessExpectations {
            now,
            leeway_s: CLOCK_STEP_S,
            issuer: Some(&issuer),
            audience: None,
            project: Some(project),
        };
        let used = Cell::new(0);
        let find = |kid: &str| {
            let (id, key) = keys.iter().find(|(_, key)| key.kid() == kid)?;
            used.set(*id);
            Some(key.verifying_key())
        };
        let claims = verify_access(text, &find, &expected)?;
        // Made for somebody else, who could use it here if it were let in.
        if claims.aud.as_ref().is_some_and(|audience| *audience != issuer) {
            return Err(JwtRefusal::WrongAudience);
        }
        let now_s = now.0 / 1_000;
        // To the millisecond, but for the leeway above: `exp` is whole seconds.
        if claims.exp <= now_s {
            return Err(JwtRefusal::Expired { exp: claims.exp, now: now_s });
        }
        let ends_at = UnixMillis(claims.exp.saturating_mul(1_000));
        let proof = AccessProof { token: claims.jti, generation: claims.generation, signing_key: used.get(), ends_at };
        self.verified.put(name, ends_at, Verified::Ours(proof));
        Ok(proof)
    }

    /// Spells a token as a JWT, for whoever may manage tokens.
    ///
    /// # Errors
    /// `not_found`; why the token does not work; `invalid_input` for the life or the audience; `forbidden`, `unavailable`.
    pub async fn create_access_token(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        wish: AccessWish,
    ) -> Result<(TokenId, AccessToken)> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        check_wish(&wish)?;
        let token = self.resolve_token(&entry, token)?;
        self.still_in(&entry.read(), token)?;
        let mut audit = self.entry_of(caller, Some(entry.project.id), "token.spell", &token);
        audit.detail = wish.audience.as_ref().map(|audience| format!("for {audience:?}"));
        let made = self.spelled(&entry, token, &wish).await?;
        self.commit(Vec::new(), vec![audit]).await.map_err(|error| super::refusal(error, &token))?;
        Ok((token, made))
    }

    /// Spells a token's record as a JWT that lasts no longer than the record and than the project lets one last.
    ///
    /// # Errors
    /// `unavailable` when the project has no signing key yet and none can be kept.
    pub(crate) async fn access_token(&self, entry: &ProjectEntry, token: TokenId) -> Result<AccessToken> {
        self.spelled(entry, token, &AccessWish::default()).await
    }

    async fn spelled(&self, entry: &ProjectEntry, token: TokenId, wish: &AccessWish) -> Result<AccessToken> {
        loop {
            let (id, key) = self.signing_key(entry).await?;
            let made = {
                let records = entry.read();
                let found = records.token(token).ok_or_else(super::tokens::no_such_token)?;
                let life_ms = records.settings.as_ref().and_then(|kept| kept.record.access_token_life_ms);
                let claims = self.claims(entry.project.id, (token, found), user_of(&records, found), (life_ms, wish));
                (claims.exp, key.sign(&claims), claims.iat)
            };
            let (exp, text, _) = made;
            let ends_at = UnixMillis(exp.saturating_mul(1_000));
            // Before it is handed out: the key verifies as long as anything that it signed.
            if self.cover(entry, id, ends_at).await? {
                let end = entry.read().token(token).and_then(|found| found.expires_at);
                let expires_at = end.map_or(ends_at, |end| end.min(ends_at));
                return Ok(AccessToken { text, issued_at: self.now(), expires_at });
            }
        }
    }

    fn claims(
        &self,
        project: ProjectId,
        (token, found): (TokenId, &TokenEntry),
        user: Option<AccessUser>,
        (life_ms, wish): (Option<u64>, &AccessWish),
    ) -> AccessClaims {
        let issued_at = self.now();
        let life_ms = match (life_ms, wish.life_ms) {
            (Some(most), Some(wanted)) => Some(most.min(wanted)),
            (most, wanted) => most.or(wanted),
        };
        let latest = issued_at.plus(life_ms.unwrap_or(SESSION_LIFE_MS_DEFAULT));
        let ends_with_token = found.expires_at.filter(|end| *end <= latest || life_ms.is_none());
        AccessClaims {
            iss: issuer(project),
            sub: user.as_ref().map_or_else(|| token.to_string(), |user| user.user_id.clone()),
            aud: wish.audience.clone(),
            iat: issued_at.0 / 1_000,
            // Up: the record ends the token at its millisecond.
            exp: ends_with_token.unwrap_or(latest).0.div_ceil(1_000),
            nbf: found.not_before().map(|start| start.0.div_ceil(1_000)),
            jti: token,
            generation: found.generation,
            project,
            user,
        }
    }

    /// The public keys with which the project's access tokens are verified, as a JWK set (RFC 7517): those that verify, and those that will.
    ///
    /// # Errors
    /// `not_found` for the project.
    pub fn jwks(&self, project: ProjectId) -> Result<String> {
        let entry = self.project(project)?;
        let keys = self.verifying_keys(&entry, self.now());
        let keys: Vec<String> = keys.iter().map(|(_, key)| key.public_jwk().to_string()).collect();
        Ok(format!("{{\"keys\":[{}]}}", keys.join(",")))
    }

    /// The project that a caller without credentials means when it names none: the only one, or the oldest.
    #[must_use]
    pub fn default_project(&self) -> Option<ProjectId> {
        self.directory.projects().first().map(|entry| entry.project.id)
    }

    /// The keys whose signatures count at `now`, and those whose will.
    fn verifying_keys(&self, entry: &ProjectEntry, now: UnixMillis) -> Vec<(u64, Arc<SigningKey>)> {
        let records: Vec<(u64, Kept<SigningKeyRecord>)> = entry
            .read()
            .signing_keys
            .iter()
            .filter(|(_, kept)| verifies(&kept.record, now))
            .map(|(id, kept)| (*id, kept.clone()))
            .collect();
        records.iter().filter_map(|(id, kept)| Some((*id, self.opened(entry, *id, &kept.record)?))).collect()
    }

    /// The key of a record.
    pub(super) fn opened(&self, entry: &ProjectEntry, id: u64, record: &SigningKeyRecord) -> Option<Arc<SigningKey>> {
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

    /// Drops a key whose record is gone.
    pub(super) fn forget(&self, project: ProjectId, id: u64) {
        self.lock().remove(&(project, id));
    }
}

/// Whether the issuer that a JWT names is a project of ours.
pub(super) fn is_ours(issuer: &str) -> bool {
    issuer.starts_with(ISSUER)
}

/// Whether a key's signatures count at `now`; of one that does not sign yet there are none.
pub(crate) fn verifies(key: &SigningKeyRecord, now: UnixMillis) -> bool {
    key.retired_at.is_none() && key.verifies_until.is_none_or(|end| now < end)
}

fn issuer(project: ProjectId) -> String {
    format!("{ISSUER}{project}")
}

fn user_of(records: &Records, token: &TokenEntry) -> Option<AccessUser> {
    let id = token.user?;
    let record = &records.user(id)?.kept.record;
    let (public_user_id, display_name) = (record.user_id.clone(), record.display_name.clone());
    Some(AccessUser { user_id: id.to_string(), public_user_id, display_name })
}

fn check_wish(wish: &AccessWish) -> Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    if wish.life_ms.is_some_and(|life| !(1_000..=TOKEN_LIFE_MS_MAX).contains(&life)) {
        return refuse(format!("`ttl_s` must be between 1 and {} seconds.", TOKEN_LIFE_MS_MAX / 1_000));
    }
    if wish.audience.as_ref().is_some_and(|name| name.is_empty() || name.len() > AUDIENCE_BYTES_MAX) {
        return refuse(format!("`audience` must have 1 to {AUDIENCE_BYTES_MAX} bytes."));
    }
    Ok(())
}
