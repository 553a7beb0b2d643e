//! A token in use: its connections and its subscriptions.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::Result;
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
