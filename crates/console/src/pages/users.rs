//! Users: the list, and one with its tokens; banning, and ending all that it has.

use askama::Template;
use http::StatusCode;
use tollgate_core::Result;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::METADATA_BYTES_MAX;
use tollgate_node::{NewUser, TokenDetail, TokenFilter, UserUpdate, UserView};

use super::tokens::look;
use crate::answer::Answer;
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
        path: visit.at(&format!("/users/{}", words::path(&user.user_id))),
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
        Ok(user) => Ok(Answer::see(&visit.at(&format!("/users/{}?done=made", words::path(&user.user_id))))),
        Err(error) => {
            list_page(visit, refused::status(error.kind), Typed::new(visit.form.clone()).wrong_at("user_id", &error))
        }
    }
}

/// `GET …/users/:user`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, StatusCode::OK, None)
}

fn page(visit: &Visit, status: StatusCode, typed: Option<Typed>) -> Result<Answer> {
    let (node, caller) = (visit.node(), &visit.caller);
    let user = node.user(caller, visit.param("user"))?;
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
    let attributes = user.attributes.as_ref().map(|object| json_text::indented(object.as_str())).unwrap_or_default();
    let there = || {
        let form = Form::default().with("attributes", attributes.clone()).with("event", "hello").with("data", "{}");
        Typed::new(form.with("display_name", user.display_name.clone().unwrap_or_default()))
    };
    let page = User {
        frame: visit.frame("users"),
        row: row(visit, &user),
        typed: typed.unwrap_or_else(there),
        tokens: tokens.iter().map(held).collect(),
        all_tokens: visit.at(&format!("/tokens?user={}", words::path(&user.user_id))),
        used: vec![
            ("Connections now", words::count(usage.live_connections as u64)),
            ("Connected", format!("{} times", words::count(usage.record.connections))),
            ("Sent", format!("{} messages", words::count(usage.record.messages_in))),
            ("Received", format!("{} messages", words::count(usage.record.messages_out))),
        ],
    };
    Answer::page_as(status, &page)
}

/// `POST …/users/:user`: its name and notes.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let attributes = visit
        .form
        .filled("attributes")
        .map(|text| JsonObject::parse(json_text::compact_checked(text).as_bytes(), METADATA_BYTES_MAX));
    let outcome = match attributes.transpose() {
        Ok(attributes) => {
            let name = visit.form.filled("display_name").map(str::to_owned);
            let update = UserUpdate { display_name: Some(name), attributes: Some(attributes) };
            let changed = visit.node().change_user(&visit.caller, visit.param("user"), update).await;
            changed.map_err(|error| ("display_name", error))
        }
        Err(error) => Err(("attributes", error)),
    };
    match outcome {
        Ok(_) => Ok(back(visit, "saved")),
        Err((field, error)) => {
            page(visit, refused::status(error.kind), Some(Typed::new(visit.form.clone()).wrong_at(field, &error)))
        }
    }
}

/// `POST …/users/:user/act`: ban, let in again, or end all its tokens.
pub(crate) async fn act(visit: &Visit) -> Result<Answer> {
    let (node, caller, user) = (visit.node(), &visit.caller, visit.param("user"));
    match visit.form.value("act") {
        "ban" => node.ban_user(caller, user).await.map(|_| back(visit, "saved")),
        "unban" => node.unban_user(caller, user).await.map(|_| back(visit, "saved")),
        "end" => node.end_user_sessions(caller, user).await.map(|_| back(visit, "revoked")),
        _ => Ok(back(visit, "")),
    }
}

fn back(visit: &Visit, done: &str) -> Answer {
    Answer::see(&visit.at(&format!("/users/{}?done={done}", words::path(visit.param("user")))))
}
