//! One channel: what goes by now, its state, who is there, and publishing into it.

use askama::Template;
use http::StatusCode;
use tollgate_core::command::{HistoryFrom, HistoryQuery, MembersQuery, NewMessage, PublishOptions};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{CHANNEL_STATE_BYTES_MAX, MESSAGE_BYTES_MAX};
use tollgate_core::ports::store::StateChange;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ChannelView, HistoryView};

use super::channel_form;
use super::channel_past::{Message, shown};
use super::channels::NAME_CHARS_MAX;
use crate::answer::Answer;
use crate::diff::{self, Line};
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::json_text;
use crate::refused;
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};

/// Rows of the tail when it begins.
const TAIL: usize = 50;
const MEMBERS: usize = 50;

/// What stands above every page of a channel.
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) look: &'static str,
    pub(crate) online: String,
    /// The page that is open: a word of the tabs.
    pub(crate) tab: &'static str,
}

#[derive(Template)]
#[template(path = "channel.html")]
struct Page {
    frame: Frame,
    head: Head,
    tail: Vec<Message>,
    tail_next: String,
    prefix: String,
    keeps_none: bool,
    state: State,
    typed: Typed,
    said: &'static str,
    keeps: String,
    may: String,
    position: String,
    made: Moment,
    presence: Option<(u64, Vec<Person>)>,
}

struct Person {
    letter: String,
    name: String,
    since: Moment,
}

/// The editor of the state.
struct State {
    version: u64,
    text: String,
    merges: bool,
    wrong: Option<String>,
    conflict: Option<Conflict>,
}

/// What differs from what somebody else saved meanwhile.
struct Conflict {
    began: String,
    now: u64,
    lines: Vec<Line>,
}

/// The channel that a path names.
pub(crate) fn named(visit: &Visit) -> Result<ChannelView> {
    let id = ChannelId::new(visit.param("channel")).map_err(|_| no_such("channel"))?;
    visit.node().channel(&visit.caller, &id)
}

pub(crate) fn head(visit: &Visit, channel: &ChannelView, tab: &'static str) -> Head {
    let id = channel.id.as_str();
    Head {
        id: id.to_owned(),
        name: words::cut(id, NAME_CHARS_MAX),
        path: visit.at(&format!("/channels/{}", words::path(id))),
        kind: channel.kind.word(),
        look: channel_form::look(channel.kind),
        online: visit.node().online_count(&visit.caller, &channel.id).map_or_else(|_| "–".to_owned(), words::count),
        tab,
    }
}

/// `GET …/channels/:channel`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let typed = Typed::new(Form::default().with("event", "said").with("data", "{\"text\": \"Hello\"}"));
    let state = State::of(&channel);
    page(visit, StatusCode::OK, &channel, typed, state).await
}

impl State {
    fn of(channel: &ChannelView) -> Self {
        let text = json_text::indented(channel.state.as_str());
        Self { version: channel.version, text, merges: false, wrong: None, conflict: None }
    }
}

async fn page(visit: &Visit, status: StatusCode, channel: &ChannelView, typed: Typed, state: State) -> Result<Answer> {
    let (node, caller, now) = (visit.node(), &visit.caller, visit.now());
    let query = HistoryQuery { from: HistoryFrom::End, newest_first: true, limit: TAIL };
    let prefix = visit.query.filled("event").unwrap_or_default().to_owned();
    let (tail, position) = match node.history(caller, &channel.id, query).await? {
        HistoryView::Page(page) => (shown(page.messages, &prefix), page.position),
        HistoryView::Lost(position) => (Vec::new(), position),
    };
    let presence = if channel.settings.presence {
        let query = MembersQuery { after: None, limit: MEMBERS, sample: false };
        let page = node.members(caller, &channel.id, query).await?;
        let person = |member: &tollgate_core::delivery::Member| Person {
            letter: member.name.chars().next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default(),
            name: words::cut(&member.name, NAME_CHARS_MAX),
            since: words::moment(member.since, now),
        };
        Some((page.count, page.members.iter().map(person).collect()))
    } else {
        None
    };
    let said = match visit.query.value("done") {
        "published" => "published",
        "state" => "state",
        _ => "",
    };
    let head = head(visit, channel, "now");
    let page = Page {
        frame: visit.frame("channels"),
        tail_next: tail_path(&head, position, &prefix),
        head,
        tail,
        prefix,
        keeps_none: channel.settings.history.size == 0,
        state,
        typed,
        said,
        keeps: channel_form::keeps(channel.settings),
        may: channel_form::may(channel.capabilities, channel.settings),
        position: position.to_string(),
        made: words::moment(channel.created_at, now),
        presence,
    };
    Answer::page_as(status, &page)
}

/// Where the tail goes on behind this message.
pub(crate) fn tail_path(head: &Head, position: Position, prefix: &str) -> String {
    format!("{}/tail?after={position}&event={}", head.path, words::path(prefix))
}

/// `POST …/channels/:channel/publish`.
pub(crate) async fn publish(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    match published(visit, &channel).await {
        Ok(()) => Ok(Answer::see(&format!("{}?done=published", head(visit, &channel, "now").path))),
        Err((field, error)) => {
            let typed = Typed::new(visit.form.clone()).wrong_at(field, &error);
            page(visit, refused::status(error.kind), &channel, typed, State::of(&channel)).await
        }
    }
}

async fn published(visit: &Visit, channel: &ChannelView) -> std::result::Result<(), (&'static str, Error)> {
    let text = json_text::compact_checked(visit.form.value("data"));
    let data = JsonValue::parse(text.as_bytes(), MESSAGE_BYTES_MAX).map_err(|error| ("data", error))?;
    let mut message = NewMessage::new(channel.id.as_str(), visit.form.value("event").trim(), data);
    if let Some(key) = visit.form.filled("key") {
        message.options = Some(Box::new(PublishOptions { key: Some(key.to_owned()), ..PublishOptions::default() }));
    }
    let outcome = visit.node().publish(&visit.caller, message).await;
    outcome.map(drop).map_err(|error| (if error.detail.contains("event") { "event" } else { "" }, error))
}

/// `POST …/channels/:channel/state`.
pub(crate) async fn save(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let form = &visit.form;
    let (typed, merges, began) = (form.value("state"), form.value("how") == "merge", form.value("version"));
    let change = |object| if merges { StateChange::Merge(object) } else { StateChange::Replace(object) };
    let text = json_text::compact_checked(typed);
    let version = began
        .parse::<u64>()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "The form has no version; load the page again."))?;
    let outcome = match JsonObject::parse(text.as_bytes(), CHANNEL_STATE_BYTES_MAX) {
        Ok(object) => visit.node().change_state(&visit.caller, &channel.id, change(object), Some(version)).await,
        Err(error) => Err(error),
    };
    let error = match outcome {
        Ok(_) => return Ok(Answer::see(&format!("{}?done=state", head(visit, &channel, "now").path))),
        Err(error) => error,
    };
    let (theirs, now) = visit.node().channel_state(&visit.caller, &channel.id)?;
    let theirs = json_text::indented(theirs.as_str());
    let conflict = (error.kind == ErrorKind::VersionMismatch).then(|| Conflict {
        began: words::count(version),
        now,
        lines: diff::lines(&theirs, &json_text::indented(&text)),
    });
    let wrong = conflict.is_none().then(|| error.detail.clone());
    let state = State { version, text: typed.to_owned(), merges, wrong, conflict };
    page(
        visit,
        refused::status(error.kind),
        &channel,
        Typed::new(Form::default().with("event", "said").with("data", "{}")),
        state,
    )
    .await
}
