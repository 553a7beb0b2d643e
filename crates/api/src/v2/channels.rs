//! Channels: create, list, read, change, delete; and which tokens are subscribed to one.

use http::StatusCode;
use serde::Deserialize;
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ChannelUpdate, NewChannel, TokenFilter};

use super::channel_shown::{Settings, Shown, capabilities, show};
use super::token_shown;
use super::{Map, Page, cursor, cursor_of};
use crate::answer::Answer;
use crate::call::Call;

const KINDS: [ChannelType; 3] = [ChannelType::Private, ChannelType::Public, ChannelType::Unprotected];

/// A channel to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    capabilities: Option<Vec<String>>,
    settings: Option<Map<Settings>>,
    state: Option<JsonObject>,
}

/// What to change; what is absent stays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changed {
    capabilities: Option<Vec<String>>,
    settings: Option<Map<Settings>>,
}

/// `POST /v2/channels`.
pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let kind = ChannelType::from_word(&wanted.kind).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "`type` must be \"private\", \"public\" or \"unprotected\".")
    })?;
    let settings = wanted.settings.unwrap_or_default().0.update();
    let new = NewChannel {
        id: wanted.id.map(|id| ChannelId::new(&id)).transpose()?,
        kind,
        state: first_state(wanted.state)?,
        capabilities: wanted.capabilities.map_or(Ok(Capabilities::default()), |words| capabilities(&words))?,
        settings: settings.applied_to(ChannelSettings::default()),
    };
    let channel = call.node.create_channel(&call.caller, new).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(channel, None)))
}

fn first_state(state: Option<JsonObject>) -> Result<JsonObject> {
    match state {
        Some(state) if state.as_str().len() > CHANNEL_STATE_BYTES_MAX => Err(Error::new(
            ErrorKind::TooLarge,
            format!("`state` has at most {CHANNEL_STATE_BYTES_MAX} bytes of JSON."),
        )),
        state => Ok(state.unwrap_or(JsonObject::empty())),
    }
}

/// `GET /v2/channels`.
pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let kind = call.word("type", KINDS.map(ChannelType::word))?.map(|at| KINDS[at]);
    if let Some(prefix) = call.names()?.or_else(|| kind.map(|_| String::new())) {
        let (limit, after) = call.paging_by_name()?;
        let (found, next) = call.node.channels_named(&call.caller, &prefix, kind, after.as_deref(), limit)?;
        let data = found.into_iter().map(|channel| show(channel, None)).collect();
        let next_cursor = next.map(|last| cursor_of(last.as_str()));
        return Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor }));
    }
    let (limit, after) = call.paging()?;
    let mut found = call.node.channel_page(&call.caller, after, limit + 1)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor(last.sequence));
    let data = found.into_iter().map(|channel| show(channel, None)).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor }))
}

/// `GET /v2/channels/:channel`: with where it is and how many are there.
pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let id = call.channel()?;
    let channel = call.node.channel(&call.caller, &id)?;
    let online = call.node.online_count(&call.caller, &id)?;
    let position = call.node.channel_position(&call.caller, &id).await?;
    Ok(Answer::json(StatusCode::OK, &show(channel, Some((position, online)))))
}

/// `PATCH /v2/channels/:channel`.
pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let changed: Changed = call.object()?;
    let update = ChannelUpdate {
        capabilities: changed.capabilities.map(|words| capabilities(&words)).transpose()?,
        settings: changed.settings.map(|settings| settings.0.update()),
    };
    let channel = call.node.change_channel(&call.caller, &call.channel()?, update).await?;
    Ok(Answer::json(StatusCode::OK, &show(channel, None)))
}

/// `DELETE /v2/channels/:channel`.
pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    call.node.delete_channel(&call.caller, &call.channel()?).await?;
    Ok(Answer::nothing())
}

/// `GET /v2/channels/:channel/subscribers`: its tokens, without their secrets.
pub(crate) async fn subscribers(call: &Call) -> Result<Answer> {
    let (channel, (limit, after)) = (call.channel()?, call.paging()?);
    call.node.know_channel(&call.caller, &channel)?;
    let filter = TokenFilter { channel: Some(channel), ..TokenFilter::default() };
    let page = call.node.token_page(&call.caller, &filter, after.map(TokenId::new), limit)?;
    let data = page.tokens.iter().map(|token| token_shown::show(token, None)).collect();
    let next_cursor = page.next.map(|last| cursor(last.get()));
    Ok(Answer::json(StatusCode::OK, &Page::<token_shown::Shown> { data, next_cursor }))
}
