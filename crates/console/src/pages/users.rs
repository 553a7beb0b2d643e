//! Users: the list, and one with its tokens and what is noted of it. What ends something is in [`user_more`](super::user_more).

use askama::Template;
use http::StatusCode;
use tollgate_core::credentials::fingerprint;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::METADATA_BYTES_MAX;
use tollgate_core::{Error, Result};
use tollgate_node::{NewUser, TokenDetail, TokenFilter, UserUpdate, UserView};

use super::tokens::look;
use crate::answer::Answer;
use crate::diff::{self, Line};
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::visit::Visit;
use crate::words::{self, Moment};
use crate::{json_text, refused};

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "users.html")]
struct Users {
    frame: Frame,
    prefix: String,
    typed: Typed,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

struct Row {
    id: String,
    path: String,
    name: String,
    tokens: String,
    is_online: bool,
    is_banned: bool,
    seen: Option<Moment>,
    made: Moment,
}

#[derive(Template)]
#[template(path = "user.html")]
struct User {
    frame: Frame,
    row: Row,
    typed: Typed,
    tokens: Vec<Held>,
    all_tokens: String,
    new_token: String,
    /// What a message came to.
    said: String,
    conflict: Option<Vec<Line>>,
    used: Vec<(&'static str, String)>,
}

struct Held {
    id: String,
    path: String,
    name: String,
    status: &'static str,
    look: &'static str,
    connections: usize,
}

fn row(visit: &Visit, user: &UserView) -> Row {
    let now = visit.now();
    Row {
        id: words::cut(&user.user_id, 120),
        path: visit.user_at(&user.user_id),
        name: words::cut(user.display_name.as_deref().unwrap_or_default(), 100),
        tokens: words::count(user.tokens as u64),
        is_online: user.is_online,
        is_banned: user.banned_at.is_some(),
        seen: user.last_seen_at.map(|at| words::moment(at, now)),
        made: words::moment(user.created_at, now),
    }
}

/// `GET …/users`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    list_page(visit, StatusCode::OK, Typed::default())
}

fn list_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let (prefix, after) = (visit.query.filled("prefix").unwrap_or_default().to_owned(), visit.query.filled("after"));
    let mut found = visit.node().users_named(&visit.caller, &prefix, after, PAGE + 1)?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| visit.at(&format!("/users?prefix={}&after={}", words::path(&prefix), words::path(&last.user_id))));
    let rows = found.iter().map(|user| row(visit, user)).collect();
    let page = Users { frame: visit.frame("users"), is_first: after.is_none(), prefix, typed, rows, next };
    Answer::page_as(status, &page)
}

/// `POST …/users`: one more.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    let text = |field: &str| visit.form.filled(field).map(str::to_owned);
    let new =
        NewUser { user_id: text("user_id").unwrap_or_default(), display_name: text("display_name"), attributes: None };
    match visit.node().create_user(&visit.caller, new).await {
        Ok(user) => Ok(Answer::see(&format!("{}?done=made", visit.user_at(&user.user_id)))),
        Err(error) => {
            list_page(visit, refused::status(error.kind), Typed::new(visit.form.clone()).wrong_at("user_id", &error))
        }
    }
}

/// `GET …/users/:user`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, StatusCode::OK, None, None)
}

/// The notes of a user as they are, to be changed, and a message to it.
pub(crate) fn filled(user: &UserView, event: &str, data: &str) -> Form {
    let attributes = user.attributes.as_ref().map(|object| json_text::indented(object.as_str())).unwrap_or_default();
    Form::default()
        .with("display_name", user.display_name.clone().unwrap_or_default())
        .with("attributes", attributes)
        .with("began", began(user))
        .with("event", event)
        .with("data", data)
}

fn spelled(name: Option<&str>, attributes: Option<&JsonObject>) -> String {
    let attributes = attributes.map_or("none".to_owned(), |object| json_text::indented(object.as_str()));
    format!("display name: {}\nattributes: {attributes}", name.unwrap_or("none"))
}

/// Tells whether somebody else changed the notes meanwhile. Their record has no version: it counts bans, too.
fn began(user: &UserView) -> String {
    let spelled = spelled(user.display_name.as_deref(), user.attributes.as_ref());
    fingerprint(&[spelled.as_bytes()]).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn page(
    visit: &Visit,
    status: StatusCode,
    typed: Option<Typed>,
    conflict: Option<Vec<Line>>,
) -> Result<Answer> {
    let (node, caller) = (visit.node(), &visit.caller);
    let user = node.user(caller, visit.user())?;
    let filter = TokenFilter { user_id: Some(user.user_id.clone()), newest_first: true, ..TokenFilter::default() };
    let tokens = node.token_page(caller, &filter, None, PAGE)?.tokens;
    let usage = node.user_usage(caller, &user.user_id)?;
    let held = |token: &TokenDetail| Held {
        id: token.id.to_string(),
        path: visit.at(&format!("/tokens/{}", token.id)),
        name: words::cut(token.terms.name.as_deref().unwrap_or_default(), 60),
        status: token.status.word(),
        look: look(token.status),
        connections: token.connections,
    };
    let number = |field: &str| visit.query.value(field).parse::<u64>().unwrap_or_default();
    let said = match (visit.query.value("done"), number("to"), number("kept")) {
        ("sent", 0, 0) => "Nobody was there to hear it; it is kept for the rest of each session.".to_owned(),
        ("sent", to, 0) => format!("Sent to {}.", words::counted(to, "connection")),
        ("sent", to, 1) => format!("Sent to {}; kept in one mailbox.", words::counted(to, "connection")),
        ("sent", to, kept) => {
            format!("Sent to {}; kept in {} mailboxes.", words::counted(to, "connection"), words::count(kept))
        }
        _ => String::new(),
    };
    let page = User {
        frame: visit.frame("users"),
        row: row(visit, &user),
        typed: typed.unwrap_or_else(|| Typed::new(filled(&user, "hello", "{\"text\": \"Hello\"}"))),
        tokens: tokens.iter().map(held).collect(),
        all_tokens: visit.at(&format!("/tokens?user={}", words::path(&user.user_id))),
        new_token: visit.at(&format!("/tokens/new?user={}", words::path(&user.user_id))),
        said,
        conflict,
        used: vec![
            ("Connections now", words::count(usage.live_connections as u64)),
            ("Connected", format!("{} times", words::count(usage.record.connections))),
            ("Sent", format!("{} messages", words::count(usage.record.messages_in))),
            ("Received", format!("{} messages", words::count(usage.record.messages_out))),
        ],
    };
    Answer::page_as(status, &page)
}

/// `POST …/users/:user`: its name and notes. Only what differs is changed.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let (form, node) = (&visit.form, visit.node());
    let refuse = |field, error: &Error| {
        page(visit, refused::status(error.kind), Some(Typed::new(form.clone()).wrong_at(field, error)), None)
    };
    let parse = |text: &str| JsonObject::parse(json_text::compact_checked(text).as_bytes(), METADATA_BYTES_MAX);
    let attributes = match form.filled("attributes").map(parse).transpose() {
        Ok(attributes) => attributes,
        Err(error) => return refuse("attributes", &error),
    };
    let name = form.filled("display_name").map(str::to_owned);
    let user = node.user(&visit.caller, visit.user())?;
    let noted = |object: Option<&JsonObject>| object.map(|object| json_text::compact_checked(object.as_str()));
    let update = UserUpdate {
        attributes: (noted(user.attributes.as_ref()) != noted(attributes.as_ref())).then(|| attributes.clone()),
        display_name: (user.display_name != name).then(|| name.clone()),
    };
    if update.display_name.is_none() && update.attributes.is_none() {
        return Ok(back(visit, "same"));
    }
    if form.value("began") != began(&user) {
        let theirs = spelled(user.display_name.as_deref(), user.attributes.as_ref());
        let lines = diff::lines(&theirs, &spelled(name.as_deref(), attributes.as_ref()));
        let typed = Form::default()
            .with("display_name", form.value("display_name"))
            .with("attributes", form.value("attributes"))
            .with("began", began(&user));
        return page(visit, StatusCode::CONFLICT, Some(Typed::new(typed)), Some(lines));
    }
    match node.change_user(&visit.caller, &user.user_id, update).await {
        Ok(_) => Ok(back(visit, "saved")),
        Err(error) => refuse(if error.detail.contains("attributes") { "attributes" } else { "display_name" }, &error),
    }
}

/// Back to the user's page.
pub(crate) fn back(visit: &Visit, done: &str) -> Answer {
    Answer::see(&format!("{}?done={done}", visit.user_at(visit.user())))
}
