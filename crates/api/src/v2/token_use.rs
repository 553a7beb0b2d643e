//! A token in use: its connections, its subscriptions, and messages to it.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::json::JsonValue;
use tollgate_core::limits::MESSAGE_BYTES_MAX;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::SubscriptionView;

use super::Time;
use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Connections {
    data: Vec<Connection>,
}

#[derive(Serialize)]
struct Connection {
    id: String,
    since: Time,
    address: Option<String>,
    generation: u32,
    ends_at: Option<Time>,
}

#[derive(Serialize)]
struct Subscriptions {
    data: Vec<Subscription>,
}

#[derive(Serialize)]
struct Subscription {
    channel: String,
    ephemeral: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Subscribe {
    ephemeral: bool,
}

/// A message: an event's name and its data, any JSON value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    event: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Reached {
    connections: u32,
}

/// `GET /v2/tokens/:token/connections`.
pub(crate) async fn connections(call: &Call) -> Result<Answer> {
    let all = call.node.token_connections(&call.caller, &call.token()?)?;
    let data = all.into_iter().map(|one| Connection {
        id: one.id.to_string(),
        since: Time(one.since),
        address: one.address.map(|address| address.to_string()),
        generation: one.generation,
        ends_at: one.ends_at.map(Time),
    });
    Ok(Answer::json(StatusCode::OK, &Connections { data: data.collect() }))
}

/// `POST /v2/tokens/:token/messages`: says how many connections it reached. With nobody online it is dropped.
pub(crate) async fn message(call: &Call) -> Result<Answer> {
    let (event, data) = call.message()?;
    let connections = call.node.direct_message(&call.caller, &call.token()?, &event, data).await?;
    Ok(Answer::json(StatusCode::OK, &Reached { connections }))
}

/// `GET /v2/tokens/:token/subscriptions`.
pub(crate) async fn subscriptions(call: &Call) -> Result<Answer> {
    Ok(listed(call.node.token_subscriptions(&call.caller, &call.token()?)?))
}

/// `PUT /v2/tokens/:token/subscriptions/:channel`.
pub(crate) async fn subscribe(call: &Call) -> Result<Answer> {
    let Subscribe { ephemeral } = call.object()?;
    call.node.subscribe_token(&call.caller, &call.channel()?, &call.token()?, ephemeral).await?;
    Ok(Answer::nothing())
}

/// `DELETE /v2/tokens/:token/subscriptions/:channel`.
pub(crate) async fn unsubscribe(call: &Call) -> Result<Answer> {
    call.node.unsubscribe_token(&call.caller, &call.channel()?, &call.token()?).await?;
    Ok(Answer::nothing())
}

pub(super) fn listed(all: Vec<SubscriptionView>) -> Answer {
    let data = all
        .into_iter()
        .map(|one| Subscription { channel: one.channel.to_string(), ephemeral: one.ephemeral })
        .collect();
    Answer::json(StatusCode::OK, &Subscriptions { data })
}

impl Call {
    /// The body as a message.
    pub(super) fn message(&self) -> Result<(String, JsonValue)> {
        let Message { event, data } = self.object()?;
        if event.is_empty() {
            return Err(Error::new(ErrorKind::InvalidBody, "`event` must be a string of 1 to 255 bytes."));
        }
        let data = data.map_or(Ok(JsonValue::null()), |raw| JsonValue::from_raw(&raw, MESSAGE_BYTES_MAX))?;
        Ok((event, data))
    }
}
