//! Our own access tokens as JWTs: what they say, signed and verified.
//!
//! A JWT is a second spelling of a token's record. Verified, it proves which record, generation and project are meant; whether the
//! record still exists and accepts that generation is for the caller to look up. No refresh token is ever inside.

use super::claims::{self, Times};
use super::compact::{self, Compact};
use super::refusal::JwtRefusal;
use super::signing_key::{SigningKey, VerifyingKey};
use crate::clock::UnixMillis;
use crate::ids::{ProjectId, TokenId};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// What an access token says. Times are whole seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// `iss`: the address of this server's API.
    pub iss: String,
    /// `sub`: the user's internal id, or the token's own id when it has no user.
    pub sub: String,
    /// `aud`: whom it is for, if anybody in particular.
    pub aud: Option<String>,
    /// `iat`: when it was spelled.
    pub iat: u64,
    /// `exp`: from then on it is refused. Required by social.plus's SDKs.
    pub exp: u64,
    /// `nbf`: until then it is refused.
    pub nbf: Option<u64>,
    /// `jti`: the token's public id.
    pub jti: TokenId,
    /// `gen`: the generation of the token; rotation raises the record's.
    pub generation: u32,
    /// `project`, and `user.networkId` when there is a user.
    pub project: ProjectId,
    /// `user`: as social.plus's SDKs read it.
    pub user: Option<AccessUser>,
}

/// The user whose token it is, in social.plus's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUser {
    /// `userId`: our internal id.
    pub user_id: String,
    /// `publicUserId`: the id that the customer gave the user.
    pub public_user_id: String,
    /// `displayName`, if there is one.
    pub display_name: Option<String>,
}

/// What a token must fit besides its signature and times.
#[derive(Clone, Copy, Debug)]
pub struct AccessExpectations<'e> {
    /// The time by our wall clock.
    pub now: UnixMillis,
    /// How many seconds `exp`, `nbf` and `iat` may be off. The same clock made them, so 0 is right on one machine.
    pub leeway_s: u32,
    /// The `iss` it must have, if that matters.
    pub issuer: Option<&'e str>,
    /// The `aud` it must have, if that matters.
    pub audience: Option<&'e str>,
    /// The project it must belong to, if the caller knows.
    pub project: Option<ProjectId>,
}

impl SigningKey {
    /// Spells the token: some 400 to 900 characters. The text is a credential: never log or store it.
    #[must_use]
    pub fn sign(&self, claims: &AccessClaims) -> Zeroizing<String> {
        let header = json!({ "alg": self.algorithm().word(), "kid": self.kid(), "typ": "JWT" });
        let signed = compact::encode_signed(&header, &claims.to_json());
        let signature = self.signature(signed.as_bytes());
        Zeroizing::new(compact::append_signature(signed, &signature))
    }
}

/// Verifies a token of our own. `find` gives the key with a `kid`, if the project still accepts it; it is asked before anything of the
/// token is proven, so it must only look up, never fetch.
///
/// # Errors
/// [`JwtRefusal`], in this order: form, key, algorithm, signature, claims, times, expectations.
pub fn verify_access<'k>(
    text: &str,
    find: &dyn Fn(&str) -> Option<&'k VerifyingKey>,
    expected: &AccessExpectations<'_>,
) -> Result<AccessClaims, JwtRefusal> {
    let compact = Compact::parse(text)?;
    let key = compact.kid.as_deref().and_then(find).ok_or(JwtRefusal::UnknownKid)?;
    let algorithm = key.verifier.algorithm();
    if compact.algorithm != algorithm {
        return Err(JwtRefusal::AlgorithmOfKey { token: compact.algorithm, key: algorithm });
    }
    if !key.verifier.fits(compact.signed, &compact.signature) {
        return Err(JwtRefusal::Signature);
    }
    let times = Times::check(&compact.payload, expected.now, u64::from(expected.leeway_s))?;
    let claims = AccessClaims::from_json(&compact.payload, times)?;
    if expected.issuer.is_some_and(|issuer| issuer != claims.iss) {
        return Err(JwtRefusal::WrongIssuer);
    }
    if expected.audience.is_some_and(|audience| claims.aud.as_deref() != Some(audience)) {
        return Err(JwtRefusal::WrongAudience);
    }
    if expected.project.is_some_and(|project| project != claims.project) {
        return Err(JwtRefusal::WrongProject);
    }
    Ok(claims)
}

impl AccessClaims {
    fn to_json(&self) -> Value {
        let project = self.project.to_string();
        let mut claims = json!({
            "iss": self.iss, "sub": self.sub, "iat": self.iat, "exp": self.exp,
            "jti": self.jti.to_string(), "gen": self.generation, "project": project,
        });
        let optional = [
            ("aud", self.aud.as_ref().map(|aud| json!(aud))),
            ("nbf", self.nbf.map(|nbf| json!(nbf))),
            ("user", self.user.as_ref().map(|user| user.to_json(&project))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                claims[name] = value;
            }
        }
        claims
    }

    fn from_json(claims: &Map<String, Value>, times: Times) -> Result<Self, JwtRefusal> {
        let project: ProjectId =
            claims::string(claims, "project")?.parse().map_err(|_| claims::wrong_type("project", "a project's id"))?;
        let user = claims.get("user").map(|user| AccessUser::from_json(user, project)).transpose()?;
        let generation = claims.get("gen").ok_or_else(|| claims::missing("gen"))?;
        Ok(Self {
            iss: claims::string(claims, "iss")?.to_owned(),
            sub: claims::string(claims, "sub")?.to_owned(),
            aud: claims::optional_string(claims, "aud")?.map(str::to_owned),
            iat: times.iat.ok_or_else(|| claims::missing("iat"))?,
            exp: times.exp,
            nbf: times.nbf,
            jti: claims::string(claims, "jti")?.parse().map_err(|_| claims::wrong_type("jti", "a token's id"))?,
            generation: generation
                .as_u64()
                .and_then(|generation| u32::try_from(generation).ok())
                .ok_or_else(|| claims::wrong_type("gen", "a whole number below 2^32"))?,
            project,
            user,
        })
    }
}

impl AccessUser {
    fn to_json(&self, project: &str) -> Value {
        let mut user = json!({
            "userId": self.user_id, "publicUserId": self.public_user_id, "networkId": project,
        });
        if let Some(name) = &self.display_name {
            user["displayName"] = json!(name);
        }
        user
    }

    fn from_json(user: &Value, project: ProjectId) -> Result<Self, JwtRefusal> {
        let user = user.as_object().ok_or_else(|| claims::wrong_type("user", "an object"))?;
        if claims::string(user, "networkId")? != project.to_string() {
            return Err(JwtRefusal::WrongProject);
        }
        Ok(Self {
            user_id: claims::string(user, "userId")?.to_owned(),
            public_user_id: claims::string(user, "publicUserId")?.to_owned(),
            display_name: claims::optional_string(user, "displayName")?.map(str::to_owned),
        })
    }
}
