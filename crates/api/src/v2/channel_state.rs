//! Messages into channels and their state, for project keys and for tokens, each as far as it may.

use http::StatusCode;
use serde::Serialize;
use tollgate_core::Result;
use tollgate_core::command::{self, NewMessage};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::ports::store::StateChange;

use crate::answer::Answer;
use crate::call::Call;
use crate::fields;

#[derive(Serialize)]
struct Published {
    /// A run of offsets: opaque.
    epoch: String,
    offset: u64,
}

#[derive(Serialize)]
struct Shown {
    state: JsonObject,
    version: u64,
}

/// `POST /v2/channels/:channel/messages`: answered when the message has its place in the channel.
pub(crate) async fn publish(call: &Call) -> Result<Answer> {
    let (event, data) = call.message()?;
    let channel = call.channel()?.as_str().to_owned();
    let position = match call.node.publish(&call.caller, NewMessage { channel, event, data, options: None }).await? {
        command::Published::At(position) | command::Published::Duplicate(position) => position,
        command::Published::Conflated => return Ok(Answer::nothing()),
    };
    let published = Published { epoch: position.epoch.to_string(), offset: position.offset };
    Ok(Answer::json(StatusCode::OK, &published))
}

/// `GET /v2/channels/:channel/state`.
pub(crate) async fn state(call: &Call) -> Result<Answer> {
    let (state, version) = call.node.channel_state(&call.caller, &call.channel()?)?;
    Ok(show(state, version))
}

/// `PUT`: the body in place of the whole state.
pub(crate) async fn replace_state(call: &Call) -> Result<Answer> {
    change(call, StateChange::Replace).await
}

/// `PATCH`: the body's top-level keys in place of those of the state.
pub(crate) async fn merge_state(call: &Call) -> Result<Answer> {
    change(call, StateChange::Merge).await
}

async fn change(call: &Call, how: fn(JsonObject) -> StateChange) -> Result<Answer> {
    let given = fields::state(&call.body, "channel", CHANNEL_STATE_BYTES_MAX)?;
    let (state, version) =
        call.node.change_state(&call.caller, &call.channel()?, how(given), call.if_version()?).await?;
    Ok(show(state, version))
}

fn show(state: JsonObject, version: u64) -> Answer {
    Answer::json(StatusCode::OK, &Shown { state, version }).version(version)
}
