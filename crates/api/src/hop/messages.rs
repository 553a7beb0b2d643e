//! Messages, into channels and to tokens.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::Result;
use tollgate_core::command::NewMessage;
use tollgate_core::json::JsonValue;
use tollgate_core::limits::MESSAGE_BYTES_MAX;

use crate::answer::Answer;
use crate::call::Call;
use crate::fields;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    e: Option<&'a RawValue>,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
}

/// `POST /v1/channels/:channel/messages`, and `…/publish` as Hop's Rust SDK says it.
pub(crate) async fn publish(call: &Call) -> Result<Answer> {
    let (event, data) = message(&call.body)?;
    let channel = call.channel()?.as_str().to_owned();
    call.node.publish(&call.caller, NewMessage { channel, event, data, options: None }).await?;
    Ok(Answer::nothing())
}

/// `POST /v1/channels/tokens/:token/messages`: done whether or not anybody is there to hear it.
pub(crate) async fn direct(call: &Call) -> Result<Answer> {
    let (event, data) = message(&call.body)?;
    call.node.direct_message(&call.caller, &call.token()?, &event, data).await?;
    Ok(Answer::nothing())
}

fn message(body: &[u8]) -> Result<(String, JsonValue)> {
    let message: Message = fields::object(body)?;
    let refusal = "`e`, the event name, must be a string of 1 to 255 bytes.";
    let event = fields::text(message.e, refusal)?;
    if event.is_empty() {
        return Err(fields::invalid(refusal));
    }
    let data = message.d.map_or(Ok(JsonValue::null()), |raw| JsonValue::from_raw(raw, MESSAGE_BYTES_MAX))?;
    Ok((event, data))
}
