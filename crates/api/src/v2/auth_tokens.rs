//! Auth tokens: a backend's word for a user, which a client brings along for a session.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::{Error, ErrorKind, Result};

use super::Time;
use crate::answer::Answer;
use crate::call::Call;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    user_id: Option<String>,
    ttl_s: Option<u64>,
}

#[derive(Serialize)]
struct Shown<'a> {
    auth_token: &'a str,
    user_id: &'a str,
    expires_at: Time,
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let user_id = wanted.user_id.ok_or_else(|| {
        Error::new(ErrorKind::InvalidBody, "`user_id` is missing: your own id of the user whom you vouch for.")
    })?;
    let life_ms = wanted.ttl_s.map(|seconds| seconds.saturating_mul(1_000));
    let made = call.node.create_auth_token(&call.caller, &user_id, life_ms).await?;
    let secret = made.secret.expose();
    let shown = Shown { auth_token: &secret, user_id: &made.user_id, expires_at: Time(made.expires_at) };
    Ok(Answer::json(StatusCode::CREATED, &shown))
}
