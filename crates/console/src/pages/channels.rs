//! The list of channels, and making one.

use askama::Template;
use http::StatusCode;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::CHANNEL_STATE_BYTES_MAX;
use tollgate_core::model::{ChannelSettings, ChannelType};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ChannelView, NewChannel};

use super::channel_form::{self, BOXES, TYPES};
use crate::answer::Answer;
use crate::form::Typed;
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;
use crate::words::{self, Moment};

const PAGE: usize = 50;
/// Characters of a name in a list.
pub(crate) const NAME_CHARS_MAX: usize = 80;

#[derive(Template)]
#[template(path = "channels.html")]
struct Channels {
    frame: Frame,
    prefix_in_path: String,
    prefix: String,
    types: [(&'static str, bool); 3],
    rows: Vec<Row>,
    is_first: bool,
    is_filtered: bool,
    next: Option<String>,
}

struct Row {
    id: String,
    name: String,
    path: String,
    may: String,
    kind: &'static str,
    look: &'static str,
    online: String,
    keeps: String,
    state: String,
    made: Moment,
}

#[derive(Template)]
#[template(path = "channel_new.html")]
struct New {
    frame: Frame,
    typed: Typed,
    types: [(&'static str, &'static str); 3],
    boxes: [(&'static str, &'static str, u32); 5],
}

/// `GET …/channels`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    let prefix = visit.query.filled("prefix").unwrap_or_default().to_owned();
    let kind = ChannelType::from_word(visit.query.value("type"));
    let after = visit.query.filled("after");
    let (found, last) = visit.node().channels_named(&visit.caller, &prefix, kind, after, PAGE)?;
    let prefix_in_path = words::path(&prefix);
    let next = last.map(|last| {
        let kind = kind.map(ChannelType::word).unwrap_or_default();
        let last = words::path(last.as_str());
        visit.at(&format!("/channels?prefix={prefix_in_path}&type={kind}&after={last}"))
    });
    let page = Channels {
        frame: visit.frame("channels"),
        types: TYPES.map(|(word, _)| (word, kind.is_some_and(|kind| kind.word() == word))),
        is_first: after.is_none(),
        is_filtered: !prefix.is_empty() || kind.is_some(),
        rows: found.iter().map(|channel| row(visit, channel)).collect(),
        prefix_in_path,
        prefix,
        next,
    };
    Answer::page(&page)
}

fn row(visit: &Visit, channel: &ChannelView) -> Row {
    let id = channel.id.as_str();
    Row {
        id: id.to_owned(),
        name: words::cut(id, NAME_CHARS_MAX),
        path: visit.at(&format!("/channels/{}", words::path(id))),
        may: channel_form::may(channel.capabilities, channel.settings),
        kind: channel.kind.word(),
        look: channel_form::look(channel.kind),
        online: visit.node().online_count(&visit.caller, &channel.id).map_or_else(|_| "–".to_owned(), words::count),
        keeps: channel_form::keeps(channel.settings),
        state: format!("v{} · {}", words::count(channel.version), words::bytes(channel.state.as_str().len())),
        made: words::moment(channel.created_at, visit.now()),
    }
}

/// `GET …/channels/new`.
pub(crate) async fn new(visit: &Visit) -> Result<Answer> {
    let form = channel_form::filled(tollgate_core::model::Capabilities::default(), ChannelSettings::default());
    let form = form.with("type", "private").with("state", "{}").with("id", visit.query.value("id"));
    new_page(visit, StatusCode::OK, Typed::new(form))
}

fn new_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    Answer::page_as(status, &New { frame: visit.frame("channels"), typed, types: TYPES, boxes: BOXES })
}

/// `POST …/channels/new`.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    match made(visit).await {
        Ok(channel) => Ok(Answer::see(&visit.at(&format!("/channels/{}?done=made", words::path(channel.id.as_str()))))),
        Err((field, error)) => {
            let typed = Typed::new(visit.form.clone()).wrong_at(field, &error);
            new_page(visit, refused::status(error.kind), typed)
        }
    }
}

async fn made(visit: &Visit) -> std::result::Result<ChannelView, (&'static str, Error)> {
    let form = &visit.form;
    let at = |field: &'static str| move |error: Error| (field, error);
    let state = match form.filled("state") {
        Some(text) => JsonObject::parse(crate::json_text::compact_checked(text).as_bytes(), CHANNEL_STATE_BYTES_MAX),
        None => Ok(JsonObject::empty()),
    };
    let kind = ChannelType::from_word(form.value("type"));
    let new = NewChannel {
        id: form.filled("id").map(ChannelId::new).transpose().map_err(at("id"))?,
        kind: kind.ok_or(("type", Error::new(ErrorKind::InvalidInput, "Choose who may come in.")))?,
        state: state.map_err(at("state"))?,
        capabilities: channel_form::capabilities(form),
        settings: channel_form::settings(form)?.applied_to(ChannelSettings::default()),
    };
    visit.node().create_channel(&visit.caller, new).await.map_err(|error| {
        let is_of_id = matches!(error.kind, ErrorKind::AlreadyExists);
        (if is_of_id { "id" } else { channel_form::field_of(&error) }, error)
    })
}
