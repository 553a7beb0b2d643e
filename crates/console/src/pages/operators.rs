//! The server's operators: who they are, inviting one, and what an owner may do to another.

use askama::Template;
use http::StatusCode;
use tollgate_core::ids::OperatorId;
use tollgate_core::limits::INVITATION_MS;
use tollgate_core::roles::Role;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{NewOperator, OperatorUpdate, OperatorView};

use super::once::{self, Once};
use super::sure::{self, Sure};
use crate::answer::Answer;
use crate::confirm;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::rules;
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};

const LIST: &str = "/console/server/operators";

#[derive(Template)]
#[template(path = "operators.html")]
struct Operators {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    rows: Vec<Row>,
    roles: [Role; 3],
}

#[derive(Template)]
#[template(path = "operator.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    row: Row,
    roles: [Role; 3],
    is_me: bool,
}

struct Row {
    id: String,
    path: String,
    name: String,
    role: &'static str,
    state: &'static str,
    look: &'static str,
    seen: Option<Moment>,
    link_until: Option<Moment>,
    made: Moment,
}

fn row(visit: &Visit, one: &OperatorView) -> Row {
    let now = visit.now();
    let (state, look) = match (one.disabled_at, one.has_password) {
        (Some(_), _) => ("disabled", "bad"),
        (None, true) => ("enabled", "good"),
        (None, false) => ("invited", "warn"),
    };
    Row {
        id: one.id.to_string(),
        path: format!("{LIST}/{}", one.id),
        name: one.name.clone(),
        role: one.role.word(),
        state,
        look,
        seen: one.last_seen_at.map(|at| words::moment(at, now)),
        link_until: one.link_until.map(|at| words::moment(at, now)),
        made: words::moment(one.created_at, now),
    }
}

/// `GET /console/server/operators`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    list_page(visit, StatusCode::OK, Typed::new(Form::default().with("role", Role::Viewer.word())))
}

fn list_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let all = visit.node().operators(&visit.caller)?;
    let page = Operators {
        frame: visit.frame("operators"),
        typed,
        confirm: confirm::is_due(visit),
        rows: all.iter().map(|one| row(visit, one)).collect(),
        roles: Role::ALL,
    };
    Answer::page_as(status, &page)
}

fn role(visit: &Visit) -> Result<Role> {
    Role::from_word(visit.form.value("role"))
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "Choose what it may do: viewer, editor or owner."))
}

/// `POST /console/server/operators`: invites.
pub(crate) async fn invite(visit: &Visit) -> Result<Answer> {
    let name = visit.form.value("name").trim().to_owned();
    let outcome = match confirm::asked(visit).await {
        Err(error) => Err(("password", error)),
        Ok(()) => match role(visit) {
            Err(error) => Err(("", error)),
            Ok(role) => visit
                .node()
                .invite_operator(&visit.caller, NewOperator { name, role })
                .await
                .map_err(|error| (if error.kind == ErrorKind::LimitReached { "" } else { "name" }, error)),
        },
    };
    match outcome {
        Ok((view, code)) => linked(visit, &view, &code.expose()),
        Err((field, error)) => {
            let typed = Typed::new(visit.form.clone()).wrong_at(field, &error);
            list_page(visit, refused::status(error.kind), typed)
        }
    }
}

fn linked(visit: &Visit, view: &OperatorView, code: &str) -> Result<Answer> {
    let headers = &visit.parts.headers;
    let asked = rules::Request { method: &visit.parts.method, uri: &visit.parts.uri, headers };
    // Only the text of a link: who sends this header itself reads another one there, and nothing else.
    let behind_tls = headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes() == b"https");
    let scheme = if visit.house.speaks_tls() || behind_tls { "https" } else { "http" };
    let link = format!("{scheme}://{}/console/set-up#{code}", asked.host().unwrap_or_default());
    once::page(&Once {
        frame: visit.frame("operators"),
        heading: "A link",
        back: ("Operators", LIST.to_owned()),
        said: format!(
            "Hand it over as you would a password. Whoever opens it chooses the password of {}; it works once, within {} hours.",
            view.name,
            INVITATION_MS / 3_600_000
        ),
        secret: link,
        facts: vec![("For", view.name.clone()), ("Role", view.role.word().to_owned())],
    })
}

fn named(visit: &Visit) -> Result<OperatorView> {
    let id: OperatorId = visit.param("operator").parse().map_err(|_| no_such("operator"))?;
    let mut all = visit.node().operators(&visit.caller)?.into_iter();
    all.find(|one| one.id == id).ok_or_else(|| no_such("operator"))
}

/// `GET /console/server/operators/:operator`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    page(visit, &view, StatusCode::OK, Typed::new(Form::default().with("role", view.role.word())))
}

fn page(visit: &Visit, view: &OperatorView, status: StatusCode, typed: Typed) -> Result<Answer> {
    let page = Page {
        frame: visit.frame("operators"),
        typed,
        confirm: confirm::is_due(visit),
        row: row(visit, view),
        roles: Role::ALL,
        is_me: view.id == visit.session.signed_in.operator,
    };
    Answer::page_as(status, &page)
}

/// `POST /console/server/operators/:operator`: what its button `act` says.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    let (node, caller) = (visit.node(), &visit.caller);
    let refuse = |field, error: &Error| {
        let typed = Typed::new(visit.form.clone().with("role", view.role.word())).wrong_at(field, error);
        page(visit, &view, refused::status(error.kind), typed)
    };
    if let Err(error) = confirm::asked(visit).await {
        return refuse("password", &error);
    }
    let update = |role, disabled| node.change_operator(caller, view.id, OperatorUpdate { role, disabled });
    let done = match visit.form.value("act") {
        "link" => match node.link_operator(caller, view.id).await {
            Ok(code) => return linked(visit, &view, &code.expose()),
            Err(error) => Err(error),
        },
        "role" => match role(visit) {
            Ok(role) => update(Some(role), None).await.map(|_| "saved"),
            Err(error) => Err(error),
        },
        "disable" => update(None, Some(true)).await.map(|_| "disabled"),
        "enable" => update(None, Some(false)).await.map(|_| "enabled"),
        _ => Err(Error::new(ErrorKind::InvalidInput, "This form does not say what to do.")),
    };
    match done {
        Ok(word) => Ok(Answer::see(&format!("{LIST}/{}?done={word}", view.id))),
        Err(error) => refuse("", &error),
    }
}

fn sure(visit: &Visit, view: &OperatorView) -> Sure {
    let row = row(visit, view);
    let link = if row.link_until.is_some() { " Its open link opens nothing." } else { "" };
    Sure {
        here: "operators",
        heading: "Delete an operator",
        list: ("Operators", LIST.to_owned()),
        says: vec![
            format!("{} ({}) is signed out everywhere at once, and cannot sign in any more.{link}", row.name, row.role),
            "The name is free for another. What was done under it stays in the audit log, and what it made stays."
                .to_owned(),
            "This cannot be taken back. To keep somebody out for a while, disable the operator.".to_owned(),
        ],
        action: format!("{}/delete", row.path),
        subject: row.name,
        keep: row.path,
        buttons: vec![("delete", "Delete it now")],
        asks: true,
    }
}

/// `GET /console/server/operators/:operator/delete`.
pub(crate) async fn about_to_delete(visit: &Visit) -> Result<Answer> {
    sure::page(visit, sure(visit, &named(visit)?), None)
}

/// `POST /console/server/operators/:operator/delete`.
pub(crate) async fn delete(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    if let Err(error) = confirm::asked(visit).await {
        return sure::page(visit, sure(visit, &view), Some(("password", &error)));
    }
    match visit.node().delete_operator(&visit.caller, view.id).await {
        Ok(()) => Ok(Answer::see(&format!("{LIST}?done=deleted"))),
        Err(error) => sure::page(visit, sure(visit, &view), Some(("", &error))),
    }
}
