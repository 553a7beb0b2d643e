//! Registered issuers of JWTs. A shared secret goes in and never comes out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::records::IssuerKeys;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{IssuerUpdate, IssuerView, KeySource, NewIssuer};

use super::keys::Policy;
use super::{Page, Time, present};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    issuer: &'a str,
    audiences: &'a [String],
    user_id_claim: &'a str,
    display_name_claim: Option<&'a str>,
    capabilities_claim: Option<&'a str>,
    policy: Policy,
    leeway_s: u32,
    key_source: &'static str,
    keys: Vec<Key<'a>>,
    jwks_url: Option<&'a str>,
    fetched_at: Option<Time>,
    created_at: Time,
    disabled_at: Option<Time>,
}

#[derive(Serialize)]
struct Key<'a> {
    kid: Option<&'a str>,
    algorithm: &'static str,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    issuer: Option<String>,
    audiences: Option<Vec<String>>,
    user_id_claim: Option<String>,
    #[serde(deserialize_with = "present")]
    display_name_claim: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    capabilities_claim: Option<Option<String>>,
    policy: Option<Policy>,
    leeway_s: Option<u32>,
    secret: Option<Secret>,
    pem: Option<Pem>,
    jwks: Option<Box<RawValue>>,
    jwks_url: Option<String>,
    defer: bool,
    disabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    algorithm: String,
    secret: String,
    /// `text` (its bytes as they are), `base64` or `base64url`.
    #[serde(default)]
    encoding: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pem {
    algorithm: String,
    pem: String,
}

#[derive(Serialize)]
struct Deleted {
    id: String,
    tokens: u64,
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let issuers = call.node.issuers(&call.caller)?;
    let later = issuers.into_iter().filter(|issuer| after.is_none_or(|after| issuer.id.get() > after));
    let page = Page::cut(later.take(limit + 1).collect(), limit, |issuer| issuer.id.get());
    let data = page.data.iter().map(show).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown<'_>> { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let issuer = call.node.issuer(&call.caller, call.id("issuer")?)?;
    Ok(Answer::json(StatusCode::OK, &show(&issuer)))
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    if wanted.disabled.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            "`disabled` is for changes: an issuer is registered in order to be believed.",
        ));
    }
    let keys = wanted.keys()?.ok_or_else(one_kind_of_key)?;
    let new = NewIssuer {
        issuer: wanted.issuer.ok_or_else(|| {
            Error::new(ErrorKind::InvalidBody, "`issuer` is missing: the `iss` of its JWTs, to the letter.")
        })?,
        audiences: wanted.audiences.unwrap_or_default(),
        user_id_claim: wanted.user_id_claim.unwrap_or_else(|| "sub".into()),
        display_name_claim: wanted.display_name_claim.flatten(),
        capabilities_claim: wanted.capabilities_claim.flatten(),
        policy: wanted.policy.unwrap_or_default().into(),
        leeway_s: wanted.leeway_s.unwrap_or(0),
        keys,
    };
    let issuer = call.node.create_issuer(&call.caller, new).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(&issuer)))
}

pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    if wanted.issuer.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            "`issuer` cannot be changed; register the other one, and delete this one.",
        ));
    }
    let keys = wanted.keys()?;
    let update = IssuerUpdate {
        audiences: wanted.audiences,
        user_id_claim: wanted.user_id_claim,
        display_name_claim: wanted.display_name_claim,
        capabilities_claim: wanted.capabilities_claim,
        policy: wanted.policy.map(Into::into),
        leeway_s: wanted.leeway_s,
        keys,
        disabled: wanted.disabled,
    };
    let issuer = call.node.change_issuer(&call.caller, call.id("issuer")?, update).await?;
    Ok(Answer::json(StatusCode::OK, &show(&issuer)))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    let id = call.id("issuer")?;
    let tokens = call.node.delete_issuer(&call.caller, id).await?;
    Ok(Answer::json(StatusCode::OK, &Deleted { id: id.to_string(), tokens }))
}

impl Wanted {
    /// Where the keys come from: one of four fields at most.
    fn keys(&self) -> Result<Option<KeySource>> {
        let secret = self.secret.as_ref().map(Secret::source).transpose()?;
        let pem =
            self.pem.as_ref().map(|pem| KeySource::Pem { algorithm: pem.algorithm.clone(), pem: pem.pem.clone() });
        let jwks = self.jwks.as_ref().map(|set| KeySource::Jwks(set.get().to_owned()));
        let url = self.jwks_url.clone().map(|url| KeySource::Url { url, defer: self.defer });
        let mut given = [secret, pem, jwks, url].into_iter().flatten();
        match (given.next(), given.next()) {
            (source, None) => Ok(source),
            (_, Some(_)) => Err(one_kind_of_key()),
        }
    }
}

impl Secret {
    fn source(&self) -> Result<KeySource> {
        let wrong = || Error::new(ErrorKind::InvalidInput, "`secret.secret` is not what `secret.encoding` says.");
        let bytes = match self.encoding.as_deref() {
            None | Some("text") => self.secret.as_bytes().to_vec(),
            Some("base64") => STANDARD.decode(self.secret.as_str()).map_err(|_| wrong())?,
            Some("base64url") => URL_SAFE_NO_PAD.decode(self.secret.trim_end_matches('=')).map_err(|_| wrong())?,
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "`secret.encoding` must be text, base64 or base64url.",
                ));
            }
        };
        Ok(KeySource::Secret { algorithm: self.algorithm.clone(), secret: bytes })
    }
}

fn one_kind_of_key() -> Error {
    Error::new(
        ErrorKind::InvalidBody,
        "Give exactly one of `secret`, `pem`, `jwks` and `jwks_url`: where the issuer's keys come from.",
    )
}

fn show(issuer: &IssuerView) -> Shown<'_> {
    let record = &issuer.record;
    let (key_source, jwks_url, fetched_at) = match &record.keys {
        IssuerKeys::Secret { .. } => ("secret", None, None),
        IssuerKeys::Pem { .. } => ("pem", None, None),
        IssuerKeys::Jwks { .. } => ("jwks", None, None),
        IssuerKeys::Url { url, fetched_at, .. } => ("jwks_url", Some(url.as_str()), *fetched_at),
    };
    Shown {
        id: issuer.id.to_string(),
        issuer: &record.issuer,
        audiences: &record.audiences,
        user_id_claim: &record.user_id_claim,
        display_name_claim: record.display_name_claim.as_deref(),
        capabilities_claim: record.capabilities_claim.as_deref(),
        policy: Policy::of(&record.policy),
        leeway_s: record.leeway_s,
        key_source,
        keys: issuer.keys.iter().map(|key| Key { kid: key.kid.as_deref(), algorithm: key.algorithm }).collect(),
        jwks_url,
        fetched_at: fetched_at.map(Time),
        created_at: Time(record.created_at),
        disabled_at: record.disabled_at.map(Time),
    }
}
