//! Channel state. Every answer is 200 with the whole state and its version as `ETag` (Hop's Rust SDK refuses a 204 here).

use tollgate_core::Result;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::ports::store::StateChange;

use super::render;
use crate::answer::Answer;
use crate::call::Call;
use crate::fields;

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let (state, version) = call.node.channel_state(&call.caller, &call.channel()?)?;
    Ok(answer(&state, version))
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
    let given = fields::state(&call.body, "channel", CHANNEL_STATE_BYTES_MAX)?;
    let (state, version) =
        call.node.change_state(&call.caller, &call.channel()?, how(given), call.if_version()?).await?;
    Ok(answer(&state, version))
}

fn answer(state: &JsonObject, version: u64) -> Answer {
    render::one("state", state.as_str()).version(version)
}
