//! Live connections: list them, end one.

use http::StatusCode;
use serde::Serialize;
use tollgate_core::Result;
use tollgate_core::ids::ChannelId;
use tollgate_node::{ConnectionFilter, ConnectionRow, ConnectionsOnly};

use super::{Page, Time, cursor};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    protocol: &'a str,
    token: Option<String>,
    user_id: Option<&'a str>,
    address: Option<String>,
    origin: Option<&'a str>,
    since: Time,
    ends_at: Option<Time>,
    channels: usize,
    waiting_bytes: usize,
}

/// `GET /v2/connections`.
pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let only = match call.word("only", ["behind", "anonymous"])? {
        None => ConnectionsOnly::Any,
        Some(0) => ConnectionsOnly::Behind,
        Some(_) => ConnectionsOnly::Anonymous,
    };
    let filter = ConnectionFilter {
        id: None,
        token: call.id_given("token")?,
        user_id: call.filter("user_id")?,
        channel: call.filter("channel")?.map(|id| ChannelId::new(&id)).transpose()?,
        format: call.filter("protocol")?,
        address: call.filter("address")?.map(|network| network.parse()).transpose()?,
        only,
    };
    let page = call.node.connections(&call.caller, &filter, after, limit).await?;
    let data = page.connections.iter().map(show).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown<'_>> { data, next_cursor: page.next.map(cursor) }))
}

/// `DELETE /v2/connections/:connection`.
pub(crate) async fn close(call: &Call) -> Result<Answer> {
    call.node.disconnect(&call.caller, call.id("connection")?).await?;
    Ok(Answer::nothing())
}

fn show(row: &ConnectionRow) -> Shown<'_> {
    Shown {
        id: row.id.to_string(),
        protocol: row.format,
        token: row.token.map(|token| token.to_string()),
        user_id: row.user_id.as_deref(),
        address: row.address.map(|address| address.to_string()),
        origin: row.origin.as_deref(),
        since: Time(row.since),
        ends_at: row.ends_at.map(Time),
        channels: row.channels,
        waiting_bytes: row.waiting_bytes,
    }
}
