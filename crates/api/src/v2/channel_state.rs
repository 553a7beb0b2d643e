//! A channel's state, for project keys and for tokens, each as far as it may: read, replace, merge, each optionally only at an expected version.

use http::StatusCode;
use serde::Serialize;
use tollgate_core::Result;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::ports::store::StateChange;

use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown {
    state: JsonObject,
    version: u64,
}

/// `GET /v2/channels/:channel/state`.
pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let (state, version) = call.node.channel_state(&call.caller, &call.channel()?)?;
    Ok(show(state, version))
}

/// `PUT`: the body in place of the whole state.
pub(crate) async fn replace(call: &Call) -> Result<Answer> {
    change(call, StateChange::Replace).await
}

/// `PATCH`: the body's top-level keys in place of those of the state.
pub(crate) async fn merge(call: &Call) -> Result<Answer> {
    change(call, StateChange::Merge).await
}

async fn change(call: &Call, how: fn(JsonObject) -> StateChange) -> Result<Answer> {
    let given = JsonObject::parse(&call.body, CHANNEL_STATE_BYTES_MAX)?;
    let (state, version) =
        call.node.change_state(&call.caller, &call.channel()?, how(given), call.if_version()?).await?;
    Ok(show(state, version))
}

fn show(state: JsonObject, version: u64) -> Answer {
    Answer::json(StatusCode::OK, &Shown { state, version }).version(version)
}
