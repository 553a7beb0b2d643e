//! Ending many tokens by a rule: first the rehearsal, which says how many and which, then the deed. It goes on by itself, and has a page that says how
//! far it is.

use std::sync::Arc;

use askama::Template;
use http::StatusCode;
use tollgate_core::clock::UnixMillis;
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::METADATA_BYTES_MAX;
use tollgate_core::records::TokenKind;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{RevokeRequest, Revoked, Selector, TokenDetail, kind_word};

use super::tokens::look;
use super::works;
use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::visit::Visit;
use crate::works::{About, Facts};
use crate::{json_text, refused, words};

/// Tokens that the rehearsal shows.
const SHOWN: usize = 20;
/// The fields of a rule; the page of the rehearsal carries them on.
const FIELDS: [&str; 9] =
    ["user", "device", "made_by", "kind", "issued_before", "channels", "operation", "metadata", "all"];
/// How long the tokens still work: value and words.
const GRACES: [(&str, &str); 4] =
    [("0", "at once"), ("60000", "in a minute"), ("86400000", "in a day"), ("604800000", "in seven days")];
const KINDS: [(TokenKind, &str); 4] = [
    (TokenKind::Plain, "made by a backend or an operator"),
    (TokenKind::UserToken, "user tokens of social.plus"),
    (TokenKind::Session, "login sessions of social.plus"),
    (TokenKind::Issued, "of an issuer’s users"),
];

type Wrong = (&'static str, Error);

#[derive(Template)]
#[template(path = "tokens_revoke.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    kinds: Vec<(&'static str, &'static str)>,
    operations: [&'static str; 6],
    graces: [(&'static str, &'static str); 4],
    rehearsed: Option<Rehearsed>,
}

/// What would be hit.
struct Rehearsed {
    /// The rule, to be sent again as it was rehearsed.
    fields: Vec<(&'static str, String)>,
    matched: String,
    revoked: String,
    is_none: bool,
    is_one: bool,
    rows: Vec<Row>,
    more: bool,
}

struct Row {
    id: String,
    path: String,
    name: String,
    user: String,
    status: &'static str,
    look: &'static str,
    connections: usize,
}

/// `GET …/tokens/revoke`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, StatusCode::OK, Typed::new(Form::default().with("user", visit.query.value("user"))), None)
}

fn page(visit: &Visit, status: StatusCode, typed: Typed, rehearsed: Option<Rehearsed>) -> Result<Answer> {
    let page = Page {
        frame: visit.frame("tokens"),
        typed,
        kinds: KINDS.map(|(kind, said)| (kind_word(kind), said)).into(),
        operations: Operation::ALL.map(Operation::word),
        graces: GRACES,
        rehearsed,
    };
    Answer::page_as(status, &page)
}

/// `POST …/tokens/revoke`: rehearses it, or, told so, does it.
pub(crate) async fn act(visit: &Visit) -> Result<Answer> {
    let typed = Typed::new(visit.form.clone());
    let request = match read(visit) {
        Ok(request) => request,
        Err((field, error)) => return page(visit, refused::status(error.kind), typed.wrong_at(field, &error), None),
    };
    // Before the deed, too: what is wrong with it is said here, not on the page of the work.
    let dry = RevokeRequest { dry_run: true, ..request.clone() };
    let counted = match visit.node().revoke(&visit.caller, dry).await {
        Ok(counted) => counted,
        Err(error) => {
            // Where only how they end is wrong, what was rehearsed stays.
            let plain = RevokeRequest { selector: request.selector, dry_run: true, ..RevokeRequest::default() };
            let counted = visit.node().revoke(&visit.caller, plain.clone()).await.ok();
            let rehearsed = counted.map(|counted| rehearsed(visit, &plain, counted)).transpose()?;
            let typed = typed.wrong_at(field_of(&error), &error);
            return page(visit, refused::status(error.kind), typed, rehearsed);
        }
    };
    if visit.form.value("act") == "revoke" {
        return begin(visit, request);
    }
    let rehearsed = rehearsed(visit, &request, counted)?;
    page(visit, StatusCode::OK, typed, Some(rehearsed))
}

fn rehearsed(visit: &Visit, request: &RevokeRequest, counted: Revoked) -> Result<Rehearsed> {
    let tokens = visit.node().would_revoke(&visit.caller, request, SHOWN)?;
    let row = |token: &TokenDetail| Row {
        id: token.id.to_string(),
        path: visit.at(&format!("/tokens/{}", token.id)),
        name: words::cut(token.terms.name.as_deref().unwrap_or_default(), 60),
        user: token.user.as_ref().map(|(_, user)| words::cut(&user.user_id, 60)).unwrap_or_default(),
        status: token.status.word(),
        look: look(token.status),
        connections: token.connections,
    };
    Ok(Rehearsed {
        fields: FIELDS.into_iter().map(|name| (name, visit.form.value(name).to_owned())).collect(),
        matched: words::count(counted.matched),
        revoked: words::count(counted.revoked),
        is_none: counted.revoked == 0,
        is_one: counted.revoked == 1,
        more: counted.revoked > tokens.len() as u64,
        rows: tokens.iter().map(row).collect(),
    })
}

fn begin(visit: &Visit, request: RevokeRequest) -> Result<Answer> {
    let about = About {
        operator: visit.session.signed_in.operator,
        project: visit.project,
        what: if request.delete { "Deleting tokens" } else { "Revoking tokens" },
        on: words::cut(&request.selector.to_string(), 300),
        counts: true,
    };
    let (node, caller) = (Arc::clone(visit.node()), visit.caller);
    works::begin(visit, about, async move { node.revoke(&caller, request).await.map(|done| facts(&done)) })
}

fn facts(done: &Revoked) -> Facts {
    vec![
        ("Tokens that fit", words::count(done.matched)),
        ("Ended by this", words::count(done.revoked)),
        ("Connections closed", words::count(done.connections_closed)),
        ("Refused from", done.effective_at.to_string()),
    ]
}

/// What the form says.
fn read(visit: &Visit) -> std::result::Result<RevokeRequest, Wrong> {
    let form = &visit.form;
    let refused = |said: &str| Error::new(ErrorKind::InvalidInput, said);
    let text = |field: &str| form.filled(field).map(str::to_owned);
    let kind = match form.filled("kind") {
        None => None,
        Some(word) => {
            let known = KINDS.into_iter().find(|(kind, _)| kind_word(*kind) == word);
            Some(known.ok_or_else(|| ("kind", refused("Choose one of the kinds, or any.")))?.0)
        }
    };
    let metadata = text("metadata")
        .map(|text| JsonObject::parse(json_text::compact_checked(&text).as_bytes(), METADATA_BYTES_MAX));
    let selector = Selector {
        user_id: text("user"),
        device_id: text("device"),
        made_by: form.filled("made_by").map(str::parse).transpose().map_err(|error| ("made_by", error))?,
        capability: capability(form)?,
        metadata: metadata.transpose().map_err(|error| ("metadata", error))?,
        kind,
        issued_before: moment(form)?,
        all: form.is_on("all"),
        ..Selector::default()
    };
    if selector.all && !visit.frame.may_own {
        let said = "Every token of the project is for an owner to end. Say which ones.";
        return Err(("all", Error::new(ErrorKind::Forbidden, said)));
    }
    let grace_ms = form.filled("grace_ms").unwrap_or("0").parse();
    Ok(RevokeRequest {
        selector,
        grace_ms: grace_ms.map_err(|_| ("", refused("Choose when they end.")))?,
        reason: text("reason"),
        dry_run: false,
        delete: form.is_on("delete"),
    })
}

fn capability(form: &Form) -> std::result::Result<Option<Grant>, Wrong> {
    let Some(channels) = form.filled("channels") else { return Ok(None) };
    let operations = match form.filled("operation") {
        None => Operation::ALL.to_vec(),
        Some(word) => {
            let known = Operation::ALL.into_iter().find(|one| one.word() == word);
            let refused = || Error::new(ErrorKind::InvalidInput, "Choose one of what may be done, or anything.");
            vec![known.ok_or_else(|| ("channels", refused()))?]
        }
    };
    Ok(Some(Grant { channels: channels.to_owned(), operations }))
}

/// A moment as a browser's field has it, `2026-11-22T15:04`, here in UTC.
fn moment(form: &Form) -> std::result::Result<Option<UnixMillis>, Wrong> {
    let Some(typed) = form.filled("issued_before") else { return Ok(None) };
    let seconds = if typed.len() == 16 { ":00" } else { "" };
    let refused = || Error::new(ErrorKind::InvalidInput, "Write a moment like 2026-11-22T15:04, in UTC.");
    UnixMillis::from_rfc3339(&format!("{typed}{seconds}Z")).map(Some).ok_or_else(|| ("issued_before", refused()))
}

fn field_of(error: &Error) -> &'static str {
    let named = [("reason", "reason"), ("capabilit", "channels"), ("pattern", "channels")];
    named.into_iter().find(|(word, _)| error.detail.contains(word)).map_or("", |(_, field)| field)
}
