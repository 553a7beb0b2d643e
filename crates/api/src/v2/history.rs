//! A channel's past, waiting for what comes next, and who is there: for project keys and for tokens, each as far as it may.

use http::StatusCode;
use serde::Serialize;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{HistoryFrom, HistoryPage, HistoryQuery, MembersQuery};
use tollgate_core::delivery::{Member, Position, Publication};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{HISTORY_PAGE_MAX, MEMBERS_PAGE_MAX};
use tollgate_core::{Error, ErrorKind};
use tollgate_node::{HistoryView, WAIT_MS_MAX};

use super::PAGE_DEFAULT;
use crate::answer::Answer;
use crate::call::Call;
use crate::refusal::Refusal;

#[derive(Serialize)]
struct Page<'a> {
    messages: Vec<Message<'a>>,
    /// Where the channel is.
    position: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Message<'a> {
    offset: u64,
    event: &'a str,
    data: &'a JsonValue,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<Sender<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct Sender<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    token: String,
}

#[derive(Serialize)]
struct Members<'a> {
    count: u64,
    members: Vec<Present<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

#[derive(Serialize)]
struct Present<'a> {
    member: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a JsonObject>,
    since_at: u64,
}

/// `GET /v2/channels/:channel/history`; with `wait_ms` it waits for the first message behind `after`.
pub(crate) async fn history(call: &Call) -> Result<Answer, Refusal> {
    let channel = call.channel()?;
    let newest_first = match call.query().given("order")?.as_deref() {
        None | Some("oldest") => false,
        Some("newest") => true,
        Some(_) => return Err(wrong("order", "`oldest` or `newest`").into()),
    };
    let limit = number(call, "limit", 1, HISTORY_PAGE_MAX as u64)?.unwrap_or(PAGE_DEFAULT as u64);
    let limit = usize::try_from(limit).unwrap_or(HISTORY_PAGE_MAX);
    let query = HistoryQuery { from: from(call)?, newest_first, limit };
    let wait_ms = number(call, "wait_ms", 0, WAIT_MS_MAX)?;
    if wait_ms.is_some() && !matches!(query.from, HistoryFrom::After(_)) {
        return Err(
            Error::new(ErrorKind::InvalidInput, "`wait_ms` waits for what comes behind `after`: give both.").into()
        );
    }
    let view = match wait_ms {
        Some(wait_ms) => call.node.history_waiting(&call.caller, &channel, query, wait_ms).await?,
        None => call.node.history(&call.caller, &channel, query).await?,
    };
    match view {
        HistoryView::Page(page) => Ok(Answer::json(StatusCode::OK, &show(&page))),
        HistoryView::Lost(position) => Err(Refusal::position_lost(position)),
    }
}

/// `GET /v2/channels/:channel/presence`.
pub(crate) async fn presence(call: &Call) -> Result<Answer, Refusal> {
    let limit = number(call, "limit", 0, MEMBERS_PAGE_MAX as u64)?.unwrap_or(PAGE_DEFAULT as u64);
    let limit = usize::try_from(limit).unwrap_or(MEMBERS_PAGE_MAX);
    let query = MembersQuery { after: call.filter("after")?, limit, sample: call.query().flag("sample")? };
    let page = call.node.members(&call.caller, &call.channel()?, query).await?;
    let next = page.members.last().filter(|_| page.more).map(|last| &*last.name);
    let members = page.members.iter().map(present).collect();
    Ok(Answer::json(StatusCode::OK, &Members { count: page.count, members, next }))
}

fn from(call: &Call) -> Result<HistoryFrom, Error> {
    let position = |name| {
        let text = call.query().given(name)?;
        text.map(|text| {
            text.parse::<Position>().map_err(|_| wrong(name, "a position like `18c3f-41`, as it was answered"))
        })
        .transpose()
    };
    let since = number(call, "since_at", 0, MOMENT_MAX)?;
    match (position("after")?, position("before")?, since) {
        (None, None, None) => Ok(HistoryFrom::End),
        (Some(after), None, None) => Ok(HistoryFrom::After(after)),
        (None, Some(before), None) => Ok(HistoryFrom::Before(before)),
        (None, None, Some(at)) => Ok(HistoryFrom::Since(UnixMillis(at))),
        _ => Err(Error::new(ErrorKind::InvalidInput, "Give one of `after`, `before` and `since_at`.")),
    }
}

/// The largest number that every reader of JSON keeps whole.
const MOMENT_MAX: u64 = 9_007_199_254_740_991;

fn number(call: &Call, name: &'static str, least: u64, most: u64) -> Result<Option<u64>, Error> {
    let Some(text) = call.query().given(name)? else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| wrong(name, &format!("a whole number from {least} to {most}")))
}

fn wrong(name: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("The query parameter `{name}` must be {wanted}."))
}

fn show(page: &HistoryPage) -> Page<'_> {
    let HistoryPage { messages, position, more } = page;
    let next = messages.last().filter(|_| *more);
    let next = next.map(|(offset, _)| Position { offset: *offset, ..*position }.to_string());
    let messages = messages.iter().map(|(offset, publication)| message(*offset, publication));
    Page { messages: messages.collect(), position: position.to_string(), next }
}

fn message(offset: u64, publication: &Publication) -> Message<'_> {
    let extra = publication.extra.as_deref();
    Message {
        offset,
        event: &publication.event,
        data: &publication.data,
        at: publication.at.0,
        sender: extra.and_then(|extra| Some(Sender { user: extra.user.as_deref(), token: extra.token?.to_string() })),
        connection: extra.and_then(|extra| extra.connection).map(|connection| connection.to_string()),
        id: extra.and_then(|extra| extra.id.as_deref()),
    }
}

fn present(member: &Member) -> Present<'_> {
    Present { member: &member.name, data: member.data.as_ref(), since_at: member.since.0 }
}
