//! The keys that sign access tokens. A path names one by its `kid`; the private halves are nowhere.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::Result;
use tollgate_node::{AccessWish, SigningKeyStatus, SigningKeyView};

use super::{Page, Time};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown {
    kid: String,
    algorithm: String,
    status: &'static str,
    public_jwk: Box<RawValue>,
    created_at: Time,
    signs_from: Time,
    verifies_until: Option<Time>,
    retired_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    algorithm: Option<String>,
    signs_in_s: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Retirement {
    emergency: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Spelling {
    ttl_s: Option<u64>,
    audience: Option<String>,
}

/// A JWT in place of a token's secret.
#[derive(Serialize)]
struct Spelled<'a> {
    token: String,
    access_token: &'a str,
    token_type: &'static str,
    issued_at: Time,
    expires_at: Time,
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let keys = call.node.signing_keys(&call.caller)?;
    let later = keys.into_iter().filter(|key| after.is_none_or(|after| key.number() > after));
    let page = Page::cut(later.take(limit + 1).collect(), limit, SigningKeyView::number);
    let data = page.data.into_iter().map(show).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let signs_in_ms = wanted.signs_in_s.map(|seconds| seconds.saturating_mul(1_000));
    let key = call.node.create_signing_key(&call.caller, wanted.algorithm.as_deref(), signs_in_ms).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(key)))
}

pub(crate) async fn rotate(call: &Call) -> Result<Answer> {
    let key = call.node.rotate_signing_key(&call.caller).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(key)))
}

pub(crate) async fn retire(call: &Call) -> Result<Answer> {
    let retirement: Retirement = call.object()?;
    let key = call.node.retire_signing_key(&call.caller, &call.text("kid")?, retirement.emergency).await?;
    Ok(Answer::json(StatusCode::OK, &show(key)))
}

/// `POST /v2/tokens/:token/access-tokens`.
pub(crate) async fn spell(call: &Call) -> Result<Answer> {
    let wanted: Spelling = call.object()?;
    let life_ms = wanted.ttl_s.map(|seconds| seconds.saturating_mul(1_000));
    let wish = AccessWish { life_ms, audience: wanted.audience };
    let (token, made) = call.node.create_access_token(&call.caller, &call.token()?, wish).await?;
    let spelled = Spelled {
        token: token.to_string(),
        access_token: &made.text,
        token_type: "Bearer",
        issued_at: Time(made.issued_at),
        expires_at: Time(made.expires_at),
    };
    Ok(Answer::json(StatusCode::CREATED, &spelled))
}

fn show(key: SigningKeyView) -> Shown {
    Shown {
        kid: key.kid,
        algorithm: key.algorithm,
        status: match key.status {
            SigningKeyStatus::Next => "next",
            SigningKeyStatus::Signing => "signing",
            SigningKeyStatus::Verifying => "verifying",
            SigningKeyStatus::Ended => "ended",
            SigningKeyStatus::Retired => "retired",
        },
        public_jwk: RawValue::from_string(key.public_jwk).expect("invariant: a JWK is JSON"),
        created_at: Time(key.created_at),
        signs_from: Time(key.signs_from),
        verifies_until: key.verifies_until.map(Time),
        retired_at: key.retired_at.map(Time),
    }
}
