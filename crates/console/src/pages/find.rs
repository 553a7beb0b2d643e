//! Finding anything: the box on top of every page. What names one thing leads straight to its page; else there is a page of what begins so. The text
//! is sent as a form, because it may be a secret, and is not shown again.

use askama::Template;
use tollgate_core::Result;
use tollgate_core::command::PresentedSecret;
use tollgate_core::delivery::Position;
use tollgate_node::{Found, FoundKind};

use crate::answer::Answer;
use crate::form::Typed;
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;
use crate::words;

#[derive(Template)]
#[template(path = "find.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    rows: Vec<Row>,
    is_asked: bool,
    /// Nothing was found, and the audit log may know what once was.
    audit: Option<String>,
}

struct Row {
    path: String,
    kind: &'static str,
    id: String,
    name: String,
    is_named: bool,
}

/// `GET …/find`: what can be found.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let page = Page { frame: visit.frame(""), typed: Typed::default(), rows: Vec::new(), is_asked: false, audit: None };
    Answer::page(&page)
}

/// `POST …/find`.
pub(crate) async fn find(visit: &Visit) -> Result<Answer> {
    let text = visit.form.value("text").trim();
    let found = match visit.node().find(&visit.caller, &PresentedSecret::new(text.to_owned())).await {
        Ok(found) => found,
        Err(error) => {
            let typed = Typed::default().wrong_at("", &error);
            let page = Page { frame: visit.frame(""), typed, rows: Vec::new(), is_asked: false, audit: None };
            return Answer::page_as(refused::status(error.kind), &page);
        }
    };
    let mut named = found.iter().filter(|found| found.is_named);
    if let (Some(only), None) = (named.next(), named.next()) {
        return Ok(Answer::see(&path(visit, only)));
    }
    // Of ids of ours alone: no secret gets into an address by this.
    let audit = found.is_empty() && is_id(text);
    let page = Page {
        frame: visit.frame(""),
        typed: Typed::default(),
        rows: found.iter().map(|found| row(visit, found)).collect(),
        is_asked: true,
        audit: audit.then(|| visit.at(&format!("/audit?on={}", words::path(text)))),
    };
    Answer::page(&page)
}

/// Whether it is spelled like one of our ids, none of which is a secret.
fn is_id(text: &str) -> bool {
    let prefixes = ["tok_", "user_", "ptkid_", "iss_", "wh_", "conn_", "opr_", "job_"];
    let plain =
        |rest: &str| rest.len() <= 40 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    prefixes.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(plain))
}

fn row(visit: &Visit, found: &Found) -> Row {
    Row {
        path: path(visit, found),
        kind: words_of(found.kind),
        id: words::cut(&found.id, 120),
        name: words::cut(&found.name, 120),
        is_named: found.is_named,
    }
}

fn words_of(kind: FoundKind) -> &'static str {
    match kind {
        FoundKind::Token => "token",
        FoundKind::User => "user",
        FoundKind::Channel => "channel",
        FoundKind::Message => "message",
        FoundKind::Connection => "connection",
        FoundKind::Key => "key",
        FoundKind::Issuer => "issuer",
        FoundKind::SigningKey => "signing key",
        FoundKind::Webhook => "webhook",
        FoundKind::Operator => "operator",
    }
}

/// The page of what was found.
fn path(visit: &Visit, found: &Found) -> String {
    let id = words::path(&found.id);
    // Pages of single keys are owners'; everybody sees the list.
    let owners = |below: String| visit.at(if visit.frame.may_own { &below } else { "/keys" });
    match found.kind {
        FoundKind::Token => visit.at(&format!("/tokens/{id}")),
        FoundKind::User => visit.user_at(&found.id),
        FoundKind::Channel => visit.at(&format!("/channels/{id}")),
        FoundKind::Message => message(visit, &found.id),
        FoundKind::Connection => visit.at(&format!("/connections?q={id}")),
        FoundKind::Key => owners(format!("/keys/{id}")),
        FoundKind::Issuer => owners(format!("/issuers/{id}")),
        FoundKind::SigningKey => visit.at("/keys"),
        FoundKind::Webhook => visit.at(&format!("/webhooks/{id}")),
        FoundKind::Operator => format!("/console/server/operators/{id}"),
    }
}

/// The page of its channel's past that begins with it.
fn message(visit: &Visit, id: &str) -> String {
    let (channel, position) = id.rsplit_once('@').unwrap_or((id, ""));
    let channel = words::path(channel);
    let behind = position.parse::<Position>().map(|at| Position { offset: at.offset.saturating_add(1), ..at });
    visit.at(&match behind {
        Ok(behind) => format!("/channels/{channel}/history?before={behind}"),
        Err(_) => format!("/channels/{channel}/history"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_ours_may_be_in_an_address() {
        for id in ["tok_MQ", "conn_MTIz", "opr_MQ"] {
            assert!(is_id(id), "{id}");
        }
        for other in ["tgt_secret", "leap_token_secret", "ptk_secret", "eyJ.a.b", "room", "tok_a b", "tok_\"><script>"]
        {
            assert!(!is_id(other), "{other}");
        }
    }
}
