//! A token's state: read, replace, merge, each optionally only at an expected version.

use http::StatusCode;
use serde::Serialize;
use tollgate_core::Result;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::TOKEN_STATE_BYTES_MAX;
use tollgate_core::ports::store::StateChange;

use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown {
    state: Option<JsonObject>,
    version: u64,
}

/// `GET /v2/tokens/:token/state`.
pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let (state, version) = call.node.token_state(&call.caller, &call.token()?)?;
    Ok(show(state, version))
}

/// `PUT`: the body, an object or `null`, in place of the whole state.
pub(crate) async fn replace(call: &Call) -> Result<Answer> {
    if call.body.trim_ascii() == b"null" {
        let (state, version) =
            call.node.change_token_state(&call.caller, &call.token()?, None, call.if_version()?).await?;
        return Ok(show(state, version));
    }
    change(call, StateChange::Replace).await
}

/// `PATCH`: the body's top-level keys in place of those of the state.
pub(crate) async fn merge(call: &Call) -> Result<Answer> {
    change(call, StateChange::Merge).await
}

async fn change(call: &Call, how: fn(JsonObject) -> StateChange) -> Result<Answer> {
    let given = JsonObject::parse(&call.body, TOKEN_STATE_BYTES_MAX)?;
    let (state, version) =
        call.node.change_token_state(&call.caller, &call.token()?, Some(how(given)), call.if_version()?).await?;
    Ok(show(state, version))
}

fn show(state: Option<JsonObject>, version: u64) -> Answer {
    Answer::json(StatusCode::OK, &Shown { state, version }).version(version)
}
