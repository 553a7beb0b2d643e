//! The operator's own: where one is signed in, and the password.

use askama::Template;
use http::StatusCode;
use tollgate_core::command::PresentedSecret;
use tollgate_core::{Error, ErrorKind, Result};

use super::doors;
use crate::answer::Answer;
use crate::form::Typed;
use crate::frame::Frame;
use crate::refused;
use crate::sessions::Name;
use crate::visit::Visit;
use crate::words::{self, Moment};

const PATH: &str = "/console/server/you";

#[derive(Template)]
#[template(path = "you.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    rows: Vec<Row>,
    others: bool,
}

struct Row {
    /// A few characters of the session's name, which is itself only a hash.
    id: String,
    address: String,
    browser: String,
    since: Moment,
    last: String,
    is_this: bool,
}

fn id(name: &Name) -> String {
    name.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// `GET /console/server/you`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, StatusCode::OK, Typed::default())
}

fn page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let (now, mono) = (visit.now(), visit.house.clock.monotonic());
    let own = visit.house.sessions().of(visit.session.signed_in, mono);
    let rows: Vec<Row> = own
        .into_iter()
        .map(|(name, one)| Row {
            id: id(&name),
            address: one.address.map_or_else(|| "not known".to_owned(), |address| address.to_string()),
            browser: words::cut(&one.user_agent, 100),
            since: words::moment(one.begun_at, now),
            last: format!("{} ago", words::span(mono.since(one.used))),
            is_this: name == visit.session.name,
        })
        .collect();
    let page = Page { frame: visit.frame("you"), typed, others: rows.len() > 1, rows };
    Answer::page_as(status, &page)
}

/// `POST /console/server/you/sessions`: ends one of one's own, or all others.
pub(crate) async fn end(visit: &Visit) -> Result<Answer> {
    let (wanted, me) = (visit.form.value("end"), visit.session.signed_in.operator);
    let this = visit.session.name;
    visit
        .house
        .sessions()
        .end(|name, one| one.signed_in.operator == me && *name != this && (wanted == "others" || id(name) == wanted));
    Ok(Answer::see(&format!("{PATH}?done=ended")))
}

/// `POST /console/server/you/password`. One goes on in a new session; all others are over.
pub(crate) async fn password(visit: &Visit) -> Result<Answer> {
    let secret = |field: &str| PresentedSecret::new(visit.form.value(field).to_owned());
    let outcome = if visit.form.value("new") == visit.form.value("again") {
        visit.node().change_own_password(&visit.caller, &secret("old"), &secret("new")).await
    } else {
        Err(Error::new(ErrorKind::InvalidInput, "The two new passwords are not the same; type them again."))
    };
    match outcome {
        Ok(signed_in) => Ok(doors::begin(visit, signed_in, &format!("{PATH}?done=password"))),
        Err(error) => {
            let field = if error.kind == ErrorKind::InvalidAuth { "old" } else { "new" };
            page(visit, refused::status(error.kind), Typed::default().wrong_at(field, &error))
        }
    }
}
