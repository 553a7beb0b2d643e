//! Users. A path names one by the customer's own id, percent-encoded.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{MESSAGE_BYTES_MAX, METADATA_BYTES_MAX};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{NewUser, TokensEnded, UserReached, UserUpdate, UserView};

use super::{Page, Time, cursor_of, present};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown {
    id: String,
    user_id: String,
    display_name: Option<String>,
    attributes: Option<Box<RawValue>>,
    created_at: Time,
    updated_at: Time,
    banned_at: Option<Time>,
    active_tokens: usize,
    is_online: bool,
    last_seen_at: Option<Time>,
}

/// What became of the tokens of a banned or deleted user.
#[derive(Serialize)]
struct Ended {
    user_id: String,
    tokens: u64,
    connections_closed: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    user_id: Option<String>,
    display_name: Option<String>,
    attributes: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changed {
    #[serde(deserialize_with = "present")]
    display_name: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    attributes: Option<Option<Box<RawValue>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Message {
    event: Option<String>,
    data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Reached {
    connections: u32,
    mailboxes: u64,
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    if let Some(prefix) = call.names()? {
        let (limit, after) = call.paging_by_name()?;
        let mut found = call.node.users_named(&call.caller, &prefix, after.as_deref(), limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(|last| cursor_of(&last.user_id));
        let data = found.iter().map(show).collect();
        return Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor }));
    }
    let (limit, after) = call.paging()?;
    let page = Page::cut(call.node.users(&call.caller, after, limit + 1)?, limit, |user| user.id.get());
    let data = page.data.iter().map(show).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let user_id = wanted.user_id.ok_or_else(|| missing("`user_id` is missing: your own id of the user."))?;
    let attributes = wanted.attributes.as_deref().map(notes).transpose()?;
    let new = NewUser { user_id, display_name: wanted.display_name, attributes };
    let user = call.node.create_user(&call.caller, new).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(&user)))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let user = call.node.user(&call.caller, &call.text("user")?)?;
    Ok(Answer::json(StatusCode::OK, &show(&user)))
}

pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let changed: Changed = call.object()?;
    let attributes = match changed.attributes {
        None => None,
        Some(None) => Some(None),
        Some(Some(raw)) => Some(Some(notes(&raw)?)),
    };
    let update = UserUpdate { display_name: changed.display_name, attributes };
    let user = call.node.change_user(&call.caller, &call.text("user")?, update).await?;
    Ok(Answer::json(StatusCode::OK, &show(&user)))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    let user_id = call.text("user")?;
    let ended = call.node.delete_user(&call.caller, &user_id).await?;
    Ok(Answer::json(StatusCode::OK, &show_ended(user_id, ended)))
}

pub(crate) async fn ban(call: &Call) -> Result<Answer> {
    let user_id = call.text("user")?;
    let (_, ended) = call.node.ban_user(&call.caller, &user_id).await?;
    Ok(Answer::json(StatusCode::OK, &show_ended(user_id, ended)))
}

pub(crate) async fn unban(call: &Call) -> Result<Answer> {
    let user = call.node.unban_user(&call.caller, &call.text("user")?).await?;
    Ok(Answer::json(StatusCode::OK, &show(&user)))
}

/// A direct message to every connection of every token of the user.
pub(crate) async fn message(call: &Call) -> Result<Answer> {
    let message: Message = call.object()?;
    let event = message.event.ok_or_else(|| missing("`event` is missing: the message's event name."))?;
    let data = message.data.map_or(Ok(JsonValue::null()), |raw| JsonValue::from_raw(&raw, MESSAGE_BYTES_MAX))?;
    let reached = call.node.message_user(&call.caller, &call.text("user")?, &event, data).await?;
    let UserReached { connections, mailboxes } = reached;
    Ok(Answer::json(StatusCode::OK, &Reached { connections, mailboxes }))
}

fn notes(raw: &RawValue) -> Result<JsonObject> {
    JsonObject::from_raw(raw, METADATA_BYTES_MAX).map_err(|error| {
        Error::new(
            error.kind,
            format!(
                "`attributes` must be a JSON object of at most {METADATA_BYTES_MAX} bytes, or null. {}",
                error.detail
            ),
        )
    })
}

fn missing(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidBody, detail)
}

fn show(user: &UserView) -> Shown {
    let raw = |notes: &JsonObject| RawValue::from_string(notes.as_str().to_owned()).ok();
    Shown {
        id: user.id.to_string(),
        user_id: user.user_id.clone(),
        display_name: user.display_name.clone(),
        attributes: user.attributes.as_ref().and_then(raw),
        created_at: Time(user.created_at),
        updated_at: Time(user.updated_at),
        banned_at: user.banned_at.map(Time),
        active_tokens: user.tokens,
        is_online: user.is_online,
        last_seen_at: user.last_seen_at.map(Time),
    }
}

fn show_ended(user_id: String, ended: TokensEnded) -> Ended {
    Ended { user_id, tokens: ended.tokens, connections_closed: ended.connections_closed }
}
