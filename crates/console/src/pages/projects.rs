//! The projects of the server, and making one: its first key is shown once.

use askama::Template;
use http::StatusCode;
use tollgate_core::ids::ProjectId;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::ProjectView;

use super::once::{self, Once};
use crate::answer::Answer;
use crate::confirm;
use crate::form::Typed;
use crate::frame::{self, Frame};
use crate::refused;
use crate::visit::Visit;
use crate::words::{self, Moment};

const LIST: &str = "/console/server/projects";
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "projects.html")]
struct Projects {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    rows: Vec<Row>,
    prefix: String,
    count: String,
    is_first: bool,
    next: Option<String>,
}

struct Row {
    id: String,
    path: String,
    name: String,
    made: Moment,
}

/// `GET /console/server/projects`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    list_page(visit, StatusCode::OK, Typed::default())
}

fn list_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let all = visit.node().projects(&visit.caller)?;
    let prefix = visit.query.value("prefix").trim();
    let after = visit.query.filled("after").and_then(|text| text.parse::<ProjectId>().ok());
    let fits = |one: &&ProjectView| {
        after.is_none_or(|after| one.id > after)
            && (one.name.to_lowercase().starts_with(&prefix.to_lowercase()) || one.id.to_string() == prefix)
    };
    let mut found: Vec<&ProjectView> = all.iter().filter(fits).take(PAGE + 1).collect();
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more);
    let next = next.map(|last| format!("{LIST}?prefix={}&after={}", words::path(prefix), last.id));
    let row = |one: &&ProjectView| Row {
        id: one.id.to_string(),
        path: frame::base(one.id),
        name: words::cut(&one.name, 120),
        made: words::moment(one.created_at, visit.now()),
    };
    let page = Projects {
        frame: visit.frame("projects"),
        typed,
        confirm: confirm::is_due(visit),
        rows: found.iter().map(row).collect(),
        prefix: prefix.to_owned(),
        count: words::count(all.len()),
        is_first: after.is_none(),
        next,
    };
    Answer::page_as(status, &page)
}

/// `POST /console/server/projects`: makes one.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    let name = visit.form.value("name").trim();
    let at = |error: Error| (if error.kind == ErrorKind::InvalidInput { "name" } else { "" }, error);
    let outcome = match confirm::asked(visit).await {
        Err(error) => Err(("password", error)),
        Ok(()) => visit.node().create_project(&visit.caller, name).await.map_err(at),
    };
    match outcome {
        Ok((project, key)) => once::page(&Once {
            frame: visit.frame("projects"),
            heading: "A new project",
            back: ("Projects", LIST.to_owned()),
            said: "This is its first key, which may do everything in it. Keep it on your servers: nobody can read it later, not even here."
                .to_owned(),
            secret: key.expose().to_string(),
            facts: vec![("Project", project.id.to_string()), ("Name", project.name)],
        }),
        Err((field, error)) => {
            list_page(visit, refused::status(error.kind), Typed::new(visit.form.clone()).wrong_at(field, &error))
        }
    }
}
