//! A token's subscriptions, what it used, what was done to it, and its end.

use std::collections::HashMap;

use askama::Template;
use http::StatusCode;
use tollgate_core::audit::{AuditEntry, AuditOutcome};
use tollgate_core::ids::ChannelId;
use tollgate_core::ports::store::AuditQuery;
use tollgate_core::{Error, Result};
use tollgate_node::{SubscriptionView, TokenDetail};

use super::sure::{self, Sure};
use super::token::{Head, head, named};
use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;
use crate::words::{self, Moment};

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "token_subscriptions.html")]
struct Subscriptions {
    frame: Frame,
    head: Head,
    typed: Typed,
    all: String,
    rows: Vec<Subscribed>,
    is_first: bool,
    next: Option<String>,
}

struct Subscribed {
    id: String,
    name: String,
    path: String,
    is_ephemeral: bool,
}

#[derive(Template)]
#[template(path = "token_usage.html")]
struct Usage {
    frame: Frame,
    head: Head,
    facts: Vec<(&'static str, String)>,
    addresses: Vec<(String, Moment)>,
    refusals: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "token_audit.html")]
struct Audit {
    frame: Frame,
    head: Head,
    rows: Vec<Done>,
    is_first: bool,
    next: Option<String>,
}

struct Done {
    at: Moment,
    who: String,
    name: String,
    what: String,
    detail: String,
    outcome: &'static str,
    look: &'static str,
    from: String,
}

/// `GET …/tokens/:token/subscriptions`.
pub(crate) async fn subscriptions(visit: &Visit) -> Result<Answer> {
    let form = Form::default().with("channel", visit.query.value("channel"));
    subscriptions_page(visit, StatusCode::OK, Typed::new(form))
}

fn subscriptions_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let all = visit.node().token_subscriptions(&visit.caller, &presented)?;
    let after = visit.query.filled("after");
    let mut some = all.iter().filter(|one| after.is_none_or(|after| one.channel.as_str() > after)).peekable();
    let row = |one: &SubscriptionView| {
        let id = one.channel.as_str();
        let path = visit.at(&format!("/channels/{}", words::path(id)));
        Subscribed { id: id.to_owned(), name: words::cut(id, 80), path, is_ephemeral: one.ephemeral }
    };
    let rows: Vec<_> = some.by_ref().take(PAGE).map(row).collect();
    let head = head(visit, &token, "subscriptions");
    let last = rows.last().filter(|_| some.peek().is_some());
    let page = Subscriptions {
        frame: visit.frame("tokens"),
        next: last.map(|last| format!("{}/subscriptions?after={}", head.path, words::path(&last.id))),
        head,
        typed,
        all: words::count(all.len() as u64),
        rows,
        is_first: after.is_none(),
    };
    Answer::page_as(status, &page)
}

/// `POST …/tokens/:token/subscriptions`: one more, or one less.
pub(crate) async fn subscribe(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let (form, node) = (&visit.form, visit.node());
    let removes = form.value("act") == "remove";
    let outcome = match ChannelId::new(form.value("channel").trim()) {
        Ok(channel) if removes => node.unsubscribe_token(&visit.caller, &channel, &presented).await,
        Ok(channel) => node.subscribe_token(&visit.caller, &channel, &presented, form.is_on("ephemeral")).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => {
            let word = if removes { "removed" } else { "added" };
            Ok(Answer::see(&format!("{}/subscriptions?done={word}", head(visit, &token, "").path)))
        }
        Err(error) => {
            let typed = Typed::new(form.clone()).wrong_at("channel", &error);
            subscriptions_page(visit, refused::status(error.kind), typed)
        }
    }
}

/// `GET …/tokens/:token/usage`.
pub(crate) async fn usage(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let (_, usage) = visit.node().token_usage(&visit.caller, &presented)?;
    let (record, now) = (usage.record, visit.now());
    let moment = |at: Option<_>| at.map_or_else(|| "never".to_owned(), |at| words::moment(at, now).said);
    let page = Usage {
        frame: visit.frame("tokens"),
        head: head(visit, &token, "usage"),
        facts: vec![
            ("Connections now", words::count(usage.live_connections as u64)),
            ("Connected", format!("{} times", words::count(record.connections))),
            ("Sent", format!("{} messages", words::count(record.messages_in))),
            ("Received", format!("{} messages", words::count(record.messages_out))),
            ("Requests", words::count(record.requests)),
            ("First seen", moment(record.first_seen_at)),
            ("Last used", moment(record.last_used_at)),
            ("Last connected", moment(record.last_seen_at)),
        ],
        addresses: record.addresses.into_iter().map(|(text, at)| (text, words::moment(at, now))).collect(),
        refusals: record.refusals.into_iter().map(|(code, times)| (code, words::count(times))).collect(),
    };
    Answer::page(&page)
}

/// `GET …/tokens/:token/audit`.
pub(crate) async fn audit(visit: &Visit) -> Result<Answer> {
    let (token, _) = named(visit)?;
    let after = visit.query.filled("after").and_then(|after| after.parse().ok());
    let query = AuditQuery {
        project: visit.project,
        subject: Some(token.id.to_string()),
        after,
        newest_first: true,
        limit: PAGE + 1,
        ..AuditQuery::default()
    };
    let mut entries = visit.node().audit(&visit.caller, query).await?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let names: HashMap<String, String> =
        visit.node().operator_names(&visit.caller)?.into_iter().map(|(id, name)| (id.to_string(), name)).collect();
    let head = head(visit, &token, "audit");
    let last = entries.last().filter(|_| more);
    let page = Audit {
        frame: visit.frame("tokens"),
        rows: entries.iter().map(|entry| done(visit, entry, &names)).collect(),
        is_first: after.is_none(),
        next: last.map(|last| format!("{}/audit?after={}", head.path, last.sequence)),
        head,
    };
    Answer::page(&page)
}

fn done(visit: &Visit, entry: &AuditEntry, names: &HashMap<String, String>) -> Done {
    let draft = &entry.draft;
    let (outcome, look) = match draft.outcome {
        AuditOutcome::Done => ("done", "good"),
        AuditOutcome::Refused => ("refused", "bad"),
    };
    Done {
        at: words::moment(draft.at, visit.now()),
        who: words::cut(&draft.actor, 60),
        name: names.get(&draft.actor).cloned().unwrap_or_default(),
        what: draft.action.clone(),
        detail: draft.detail.as_deref().map(|detail| words::cut(detail, 200)).unwrap_or_default(),
        outcome,
        look,
        from: draft.address.clone().unwrap_or_default(),
    }
}

fn sure(visit: &Visit, token: &TokenDetail, subscriptions: usize) -> Sure {
    let head = head(visit, token, "");
    let of = if head.user.is_empty() { String::new() } else { format!(" of {}", head.user) };
    Sure {
        here: "tokens",
        heading: "Delete a token",
        list: ("Tokens", visit.at("/tokens")),
        subject: head.id,
        says: vec![
            format!(
                "This closes {}{of}, and ends {}.",
                words::counted(token.connections as u64, "connection"),
                words::counted(subscriptions as u64, "subscription")
            ),
            "Its record goes, with its state, what it used, and the direct messages that wait for it. What was done to it stays in the audit log."
                .to_owned(),
            "This cannot be taken back. To be able to restore it, revoke it instead.".to_owned(),
        ],
        action: format!("{}/delete", head.path),
        keep: head.path,
        buttons: vec![("delete", "Delete it now")],
        asks: false,
    }
}

fn delete_page(visit: &Visit, wrong: Option<&Error>) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let subscriptions = visit.node().token_subscriptions(&visit.caller, &presented)?.len();
    sure::page(visit, sure(visit, &token, subscriptions), wrong.map(|error| ("", error)))
}

/// `GET …/tokens/:token/delete`.
pub(crate) async fn about_to_delete(visit: &Visit) -> Result<Answer> {
    delete_page(visit, None)
}

/// `POST …/tokens/:token/delete`.
pub(crate) async fn delete(visit: &Visit) -> Result<Answer> {
    let (_, presented) = named(visit)?;
    match visit.node().delete_token(&visit.caller, &presented).await {
        Ok(()) => Ok(Answer::see(&visit.at("/tokens?done=deleted"))),
        Err(error) => delete_page(visit, Some(&error)),
    }
}
