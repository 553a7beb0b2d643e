//! What tokens, users and the project used, and the project's alerts.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;
use tollgate_core::clock::UnixMillis;
use tollgate_core::records::{AlertRecord, UsageBucket};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::UsageView;

use super::{Page, Time};
use crate::answer::Answer;
use crate::call::Call;

const HOUR_MS: u64 = 3_600_000;

#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    first_seen_at: Option<Time>,
    last_used_at: Option<Time>,
    live_connections: usize,
    connections: u64,
    messages_in: u64,
    messages_out: u64,
    requests: u64,
    refusals: BTreeMap<String, u64>,
    addresses: Vec<Address>,
}

#[derive(Serialize)]
struct Address {
    address: String,
    seen_at: Time,
}

#[derive(Serialize)]
struct Series {
    step: &'static str,
    from: Time,
    to: Time,
    data: Vec<Bucket>,
}

#[derive(Serialize)]
struct Bucket {
    at: Time,
    connections: u64,
    messages_in: u64,
    messages_out: u64,
    requests: u64,
    refusals: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Alert {
    alert: String,
    subject: String,
    detail: String,
    active: bool,
    raised_at: Time,
    cleared_at: Option<Time>,
}

pub(crate) async fn token(call: &Call) -> Result<Answer> {
    let (id, usage) = call.node.token_usage(&call.caller, &call.token()?)?;
    Ok(Answer::json(StatusCode::OK, &show(Some(id.to_string()), None, usage)))
}

pub(crate) async fn user(call: &Call) -> Result<Answer> {
    let user_id = call.text("user")?;
    let usage = call.node.user_usage(&call.caller, &user_id)?;
    Ok(Answer::json(StatusCode::OK, &show(None, Some(user_id), usage)))
}

pub(crate) async fn project(call: &Call) -> Result<Answer> {
    let by_minutes = match call.query().given("step")?.as_deref() {
        None | Some("hour") => false,
        Some("minute") => true,
        Some(_) => {
            return Err(Error::new(ErrorKind::InvalidInput, "The query parameter `step` must be minute or hour."));
        }
    };
    let to = call.time("to")?.unwrap_or_else(|| call.node.now().plus(1));
    let span = if by_minutes { HOUR_MS } else { 7 * 24 * HOUR_MS };
    let from = call.time("from")?.unwrap_or(UnixMillis(to.0.saturating_sub(span)));
    if from > to {
        return Err(Error::new(ErrorKind::InvalidInput, "The query parameter `from` must not be after `to`."));
    }
    let buckets = call.node.project_usage(&call.caller, (from, to), by_minutes)?;
    let step = if by_minutes { "minute" } else { "hour" };
    let data = buckets.into_iter().map(bucket).collect();
    Ok(Answer::json(StatusCode::OK, &Series { step, from: Time(from), to: Time(to), data }))
}

pub(crate) async fn alerts(call: &Call) -> Result<Answer> {
    let data = call.node.alerts(&call.caller)?.into_iter().map(|view| alert(view.record)).collect();
    Ok(Answer::json(StatusCode::OK, &Page { data, next_cursor: None }))
}

fn show(id: Option<String>, user_id: Option<String>, usage: UsageView) -> Shown {
    let record = usage.record;
    let address = |(address, at)| Address { address, seen_at: Time(at) };
    Shown {
        id,
        user_id,
        first_seen_at: record.first_seen_at.map(Time),
        last_used_at: record.last_used_at.map(Time),
        live_connections: usage.live_connections,
        connections: record.connections,
        messages_in: record.messages_in,
        messages_out: record.messages_out,
        requests: record.requests,
        refusals: record.refusals.into_iter().collect(),
        addresses: record.addresses.into_iter().rev().map(address).collect(),
    }
}

fn bucket(bucket: UsageBucket) -> Bucket {
    Bucket {
        at: Time(bucket.at),
        connections: bucket.connections,
        messages_in: bucket.messages_in,
        messages_out: bucket.messages_out,
        requests: bucket.requests,
        refusals: bucket.refusals.into_iter().collect(),
    }
}

fn alert(record: AlertRecord) -> Alert {
    Alert {
        alert: record.kind,
        subject: record.subject,
        detail: record.detail,
        active: record.cleared_at.is_none(),
        raised_at: Time(record.raised_at),
        cleared_at: record.cleared_at.map(Time),
    }
}
