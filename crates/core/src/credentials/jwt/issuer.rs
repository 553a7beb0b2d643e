//! An issuer that a project has registered: its rules and keys, and the verification of its tokens.
//!
//! Keys belong to one issuer: there is no look-up by `kid` alone (CVE-2026-49998). Nothing is fetched here, and nothing that a token
//! says is ever fetched (CVE-2026-32301): on [`JwtRefusal::UnknownKid`] a caller may fetch the *registered* URL of this issuer
//! anew, at most every so often, and try again.

use super::claims::{self, CLAIM_PATH_BYTES_MAX, Times};
use super::compact::Compact;
use super::issuer_key::IssuerKey;
use super::jwks::JWKS_KEYS_MAX;
use super::refusal::JwtRefusal;
use crate::clock::UnixMillis;
use serde_json::Value;

/// Longest `iss` and longest audience, in bytes.
pub const ISSUER_BYTES_MAX: usize = 512;
/// Most audiences of one issuer.
const AUDIENCES_MAX: usize = 16;
/// Most seconds that an issuer's clock may be off.
pub const LEEWAY_S_MAX: u32 = 60;
/// Most keys tried for a token that names none: enough for a secret that is being replaced.
const KEYS_TRIED_MAX: usize = 4;

/// What a project decides about an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// The exact `iss` of its tokens, 1 to 512 bytes.
    pub issuer: String,
    /// The audiences we answer for, 1 to 16; a token must name one of them. `None`: `aud` is not looked at.
    pub audience: Option<Vec<String>>,
    /// How many seconds its clock may be off, at most 60.
    pub leeway_s: u32,
    /// The claim that is the user's id: a name, or a path with dots into nested objects.
    pub user_id_claim: String,
    /// The claim that is the user's display name, if one is.
    pub display_name_claim: Option<String>,
    /// The claim that says what the bearer may do, if one does. What it may say is the caller's to limit.
    pub capabilities_claim: Option<String>,
    /// Most seconds between `iat` (or now) and `exp`.
    pub lifetime_s_max: Option<u64>,
}

impl IssuerSettings {
    /// The plain case: any audience, no leeway, the user's id in `sub`.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: None,
            leeway_s: 0,
            user_id_claim: "sub".into(),
            display_name_claim: None,
            capabilities_claim: None,
            lifetime_s_max: None,
        }
    }
}

/// Which setting of an issuer cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerSettingsError {
    /// Empty or too long.
    #[error("the issuer must have 1 to {ISSUER_BYTES_MAX} bytes, exactly as `iss` says it in its tokens")]
    Issuer,
    /// An empty list would accept nothing.
    #[error("the audience must be absent or a list of 1 to {AUDIENCES_MAX} texts of 1 to {ISSUER_BYTES_MAX} bytes")]
    Audience,
    /// Too generous.
    #[error("the leeway is {0} s; at most {LEEWAY_S_MAX} s are allowed")]
    Leeway(u32),
    /// Empty or too long.
    #[error("`{0}` must name a claim in 1 to {CLAIM_PATH_BYTES_MAX} bytes, like `sub` or `user.id`")]
    Claim(&'static str),
    /// Zero.
    #[error("the longest lifetime must be at least 1 s")]
    Lifetime,
    /// Too many.
    #[error("the issuer has {0} keys; at most {JWKS_KEYS_MAX} are allowed")]
    TooManyKeys(usize),
}

/// Settings that were checked, with the issuer's keys.
#[derive(Clone, Debug)]
pub struct IssuerRules {
    settings: IssuerSettings,
    keys: Vec<IssuerKey>,
}

/// What a verified token of an issuer says. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedClaims {
    /// Who the bearer is in the customer's system; not empty. Its length and characters are the caller's to check.
    pub user_id: String,
    /// The user's display name.
    pub display_name: Option<String>,
    /// When it ends, rounded down.
    pub exp: u64,
    /// When it begins, rounded up.
    pub nbf: Option<u64>,
    /// When it was made, rounded down.
    pub iat: Option<u64>,
    /// Its id within its issuer.
    pub jti: Option<String>,
    /// The value of the claim for capabilities, whatever its type; `null` is absent.
    pub capabilities: Option<Value>,
}

impl IssuerRules {
    /// Checks the settings. Without keys, all tokens are refused with [`JwtRefusal::UnknownKid`].
    ///
    /// # Errors
    /// [`IssuerSettingsError`], the first that is found.
    pub fn new(settings: IssuerSettings, keys: Vec<IssuerKey>) -> Result<Self, IssuerSettingsError> {
        let is_name = |text: &str| (1..=ISSUER_BYTES_MAX).contains(&text.len());
        let is_path = |text: &str| (1..=CLAIM_PATH_BYTES_MAX).contains(&text.len());
        let paths = [
            ("user_id_claim", Some(&settings.user_id_claim)),
            ("display_name_claim", settings.display_name_claim.as_ref()),
            ("capabilities_claim", settings.capabilities_claim.as_ref()),
        ];
        if !is_name(&settings.issuer) {
            return Err(IssuerSettingsError::Issuer);
        }
        let fits =
            |names: &Vec<String>| (1..=AUDIENCES_MAX).contains(&names.len()) && names.iter().all(|name| is_name(name));
        if !settings.audience.as_ref().is_none_or(fits) {
            return Err(IssuerSettingsError::Audience);
        }
        if settings.leeway_s > LEEWAY_S_MAX {
            return Err(IssuerSettingsError::Leeway(settings.leeway_s));
        }
        if let Some((name, _)) = paths.into_iter().find(|(_, path)| path.is_some_and(|path| !is_path(path))) {
            return Err(IssuerSettingsError::Claim(name));
        }
        if settings.lifetime_s_max == Some(0) {
            return Err(IssuerSettingsError::Lifetime);
        }
        if keys.len() > JWKS_KEYS_MAX {
            return Err(IssuerSettingsError::TooManyKeys(keys.len()));
        }
        Ok(Self { settings, keys })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[IssuerKey] {
        &self.keys
    }

    /// Verifies a token by these rules at the time `now`.
    ///
    /// # Errors
    /// [`JwtRefusal`], in this order: form, issuer, key, algorithm, signature, times, audience, lifetime, other claims.
    pub fn verify(&self, text: &str, now: UnixMillis) -> Result<VerifiedClaims, JwtRefusal> {
        let settings = &self.settings;
        let compact = Compact::parse(text)?;
        let payload = &compact.payload;
        if claims::string(payload, "iss")? != settings.issuer {
            return Err(JwtRefusal::WrongIssuer);
        }
        let keys = self.candidates(&compact)?;
        if !keys.iter().any(|key| key.verifier.fits(compact.signed, &compact.signature)) {
            return Err(JwtRefusal::Signature);
        }
        let times = Times::check(payload, now, u64::from(settings.leeway_s))?;
        if let Some(names) = &settings.audience
            && !claims::audience_is(payload, |aud| names.iter().any(|name| name == aud))?
        {
            return Err(JwtRefusal::WrongAudience);
        }
        let lifetime_s = times.exp.saturating_sub(times.iat.unwrap_or(now.0 / 1000));
        match settings.lifetime_s_max {
            Some(lifetime_s_max) if lifetime_s > lifetime_s_max => {
                return Err(JwtRefusal::LivesTooLong { lifetime_s, lifetime_s_max });
            }
            _ => {}
        }
        let name_claim = settings.display_name_claim.as_deref();
        let capabilities = settings.capabilities_claim.as_deref().and_then(|path| claims::at_path(payload, path));
        Ok(VerifiedClaims {
            user_id: claims::user_id(payload, &settings.user_id_claim)?,
            display_name: name_claim.map_or(Ok(None), |path| claims::display_name(payload, path))?,
            exp: times.exp,
            nbf: times.nbf,
            iat: times.iat,
            jti: claims::optional_string(payload, "jti")?.map(str::to_owned),
            capabilities: capabilities.filter(|value| !value.is_null()).cloned(),
        })
    }

    /// The keys that the token may be signed with: those of its `kid`, and for its algorithm. Keys that have no `kid` answer to any,
    /// but only when none of the issuer's has one; otherwise a token under a new key would seem forged instead of unknown.
    fn candidates(&self, compact: &Compact<'_>) -> Result<Vec<&IssuerKey>, JwtRefusal> {
        let any = compact.kid.is_none() || self.keys.iter().all(|key| key.kid().is_none());
        let named = || self.keys.iter().filter(|key| any || key.kid() == compact.kid.as_deref());
        let first = named().next().ok_or(JwtRefusal::UnknownKid)?;
        let fitting: Vec<&IssuerKey> = named().filter(|key| key.algorithm() == compact.algorithm).collect();
        match fitting.len() {
            0 => Err(JwtRefusal::AlgorithmOfKey { token: compact.algorithm, key: first.algorithm() }),
            1..=KEYS_TRIED_MAX => Ok(fitting),
            _ => Err(JwtRefusal::KidNeeded),
        }
    }
}
