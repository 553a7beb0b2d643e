//! Channels.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ChannelUpdate, NewChannel};

use super::render;
use crate::answer::Answer;
use crate::call::Call;
use crate::fields;
use crate::json::Object;

/// The body of a create. `null` counts as absent.
#[derive(Deserialize)]
struct Wanted<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
}

/// The body of a change.
#[derive(Deserialize)]
struct Changed<'a> {
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
}

/// `POST /v1/channels`: the id is ours.
pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let channel = call.node.create_channel(&call.caller, wanted(&call.body, None)?).await?;
    Ok(render::one("channel", &render::channel(&channel)))
}

/// `PUT /v1/channels/:channel`: the id is the caller's.
pub(crate) async fn create_named(call: &Call) -> Result<Answer> {
    let channel = call.node.create_channel(&call.caller, wanted(&call.body, Some(call.channel()?))?).await?;
    Ok(render::one("channel", &render::channel(&channel)))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let channel = call.node.channel(&call.caller, &call.channel()?)?;
    Ok(render::one("channel", &render::channel(&channel)))
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let page = call.query().page()?;
    let page_size = page.size;
    let channels = call.node.channels(&call.caller, page)?;
    Ok(render::list("channels", &channels, page_size, render::channel))
}

/// `PATCH /v1/channels/:channel {"capabilities": n}`: ours, Hop has no such call.
pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let changed: Changed = fields::object(&call.body)?;
    let wanted = changed.capabilities.ok_or_else(|| {
        fields::invalid("Please specify `capabilities`; nothing else of a channel can be changed here.")
    })?;
    let update = ChannelUpdate { capabilities: Some(fields::capabilities(wanted)?), settings: None };
    let channel = call.node.change_channel(&call.caller, &call.channel()?, update).await?;
    Ok(render::one("channel", &render::channel(&channel)))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    call.node.delete_channel(&call.caller, &call.channel()?).await?;
    Ok(Answer::nothing())
}

/// `GET /v1/channels/:channel/stats`: the count twice, for Hop's Rust SDK reads it beside `stats`.
pub(crate) async fn stats(call: &Call) -> Result<Answer> {
    let online = call.node.online_count(&call.caller, &call.channel()?)?;
    let stats = Object::new().number("online_count", online).close();
    Ok(Answer::data(&Object::new().raw("stats", &stats).number("online_count", online).close()))
}

fn wanted(body: &[u8], id: Option<ChannelId>) -> Result<NewChannel> {
    let wanted: Wanted = fields::object(body)?;
    let refusal = "`type` must be \"private\", \"public\" or \"unprotected\".";
    let kind = ChannelType::from_word(&fields::text(wanted.kind, refusal)?);
    let kind = kind.ok_or_else(|| Error::new(ErrorKind::InvalidInput, refusal))?;
    let state =
        wanted.state.map(|raw| fields::state(raw.get().as_bytes(), "channel", CHANNEL_STATE_BYTES_MAX)).transpose()?;
    let capabilities = wanted.capabilities.map(fields::capabilities).transpose()?;
    Ok(NewChannel {
        id,
        kind,
        state: state.unwrap_or(JsonObject::empty()),
        capabilities: capabilities.unwrap_or(Capabilities::default()),
        settings: ChannelSettings::default(),
    })
}
