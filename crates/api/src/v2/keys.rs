//! Project keys. The secret is in the answer to a create or a rotation, and nowhere else.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::credentials::ProjectKeySecret;
use tollgate_core::grants::Grant;
use tollgate_core::limits::WORDS_MAX;
use tollgate_core::permissions::Permissions;
use tollgate_core::records::MintPolicy;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{KeyEntry, KeyUpdate, NewKey};

use super::{Map, Page, Time, at_most, present};
use crate::answer::Answer;
use crate::call::Call;

/// How long the old key works after a rotation unless the caller says otherwise: 24 hours.
const GRACE_S_DEFAULT: u64 = 86_400;

#[derive(Serialize)]
struct Shown {
    id: String,
    name: Option<String>,
    hint: String,
    publishable: bool,
    permissions: Vec<&'static str>,
    policy: Policy,
    created_at: Time,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    revoked_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policy {
    ttl_s_max: Option<u64>,
    capabilities: Option<Vec<Grant>>,
    channels: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    name: Option<String>,
    permissions: Option<Vec<String>>,
    policy: Option<Map<Policy>>,
    expires_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changed {
    #[serde(deserialize_with = "present")]
    name: Option<Option<String>>,
    policy: Option<Map<Policy>>,
    #[serde(deserialize_with = "present")]
    expires_at: Option<Option<Time>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    #[serde(deserialize_with = "present")]
    grace_s: Option<Option<u64>>,
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let keys = call.node.project_keys(&call.caller)?;
    let later = keys.into_iter().filter(|key| after.is_none_or(|after| key.id.get() > after));
    let page = Page::cut(later.take(limit + 1).collect(), limit, |key| key.id.get());
    let data = page.data.iter().map(|key| show(key, None)).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let key = call.node.project_key(&call.caller, call.id("key")?)?;
    Ok(Answer::json(StatusCode::OK, &show(&key, None)))
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let names = wanted.permissions.filter(|names| !names.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidBody, "`permissions` is missing or empty: name what the key may do, or [\"all\"].")
    })?;
    at_most("permissions", &names, WORDS_MAX)?;
    let permissions = Permissions::named(names.iter().map(String::as_str))?;
    let new = NewKey {
        name: wanted.name,
        permissions,
        policy: wanted.policy.unwrap_or_default().0.into(),
        expires_at: wanted.expires_at.map(|time| time.0),
    };
    let (key, secret) = call.node.create_project_key(&call.caller, new).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(&key, Some(&secret))))
}

pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let changed: Changed = call.object()?;
    let update = KeyUpdate {
        name: changed.name,
        policy: changed.policy.map(|policy| policy.0.into()),
        expires_at: changed.expires_at.map(|time| time.map(|time| time.0)),
    };
    let key = call.node.change_project_key(&call.caller, call.id("key")?, update).await?;
    Ok(Answer::json(StatusCode::OK, &show(&key, None)))
}

pub(crate) async fn rotate(call: &Call) -> Result<Answer> {
    let rotation: Rotation = call.object()?;
    let grace_ms = rotation.grace_s.flatten().unwrap_or(GRACE_S_DEFAULT).saturating_mul(1_000);
    let (key, secret) = call.node.rotate_project_key(&call.caller, call.id("key")?, grace_ms).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(&key, Some(&secret))))
}

pub(crate) async fn revoke(call: &Call) -> Result<Answer> {
    let key = call.node.revoke_project_key(&call.caller, call.id("key")?).await?;
    Ok(Answer::json(StatusCode::OK, &show(&key, None)))
}

fn show(key: &KeyEntry, secret: Option<&ProjectKeySecret>) -> Shown {
    let record = &key.record;
    Shown {
        id: key.id.to_string(),
        name: record.name.clone(),
        hint: record.hint.clone(),
        publishable: record.permissions.is_publishable(),
        permissions: record.permissions.names().collect(),
        policy: Policy::of(&record.policy),
        created_at: Time(record.created_at),
        expires_at: record.expires_at.map(Time),
        last_used_at: record.last_used_at.map(Time),
        revoked_at: record.revoked_at.map(Time),
        secret: secret.map(|secret| secret.expose().as_str().to_owned()),
    }
}

impl Policy {
    /// As it is shown.
    pub(super) fn of(policy: &MintPolicy) -> Self {
        Self {
            ttl_s_max: policy.life_ms_max.map(|life| life / 1_000),
            capabilities: policy.ceiling.clone(),
            channels: policy.channels.clone(),
        }
    }
}

impl From<Policy> for MintPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            life_ms_max: policy.ttl_s_max.map(|seconds| seconds.saturating_mul(1_000)),
            ceiling: policy.capabilities,
            channels: policy.channels,
        }
    }
}
