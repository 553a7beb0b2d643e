//! The audit log: of a project for everybody who may read it, of the whole server for owners; and proving that nobody changed it.

use std::collections::HashMap;

use askama::Template;
use tollgate_core::Result;
use tollgate_core::audit::{AuditEntry, AuditOutcome};
use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::store::AuditQuery;

use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::visit::Visit;
use crate::words::{self, Moment};

const PAGE: usize = 50;
/// Beginnings that can be chosen.
const ACTIONS: [&str; 13] = [
    "token.",
    "user.",
    "channel.",
    "connection.",
    "key.",
    "issuer.",
    "signing_key.",
    "webhook.",
    "project.",
    "job.",
    "authentication.",
    "operator.",
    "keyring.",
];

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    path: String,
    is_whole: bool,
    actions: [&'static str; 13],
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
    proved: Option<Proved>,
}

struct Row {
    number: String,
    at: Moment,
    who: String,
    name: String,
    what: String,
    on: String,
    on_path: Option<String>,
    detail: String,
    outcome: &'static str,
    look: &'static str,
    from: String,
    request: String,
}

/// What proving came to.
struct Proved {
    is_intact: bool,
    said: String,
    head: String,
}

fn path(visit: &Visit) -> String {
    if visit.project.is_some() { visit.at("/audit") } else { "/console/server/audit".to_owned() }
}

/// `GET …/audit` and `GET /console/server/audit`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, &visit.query, None).await
}

/// `POST …/audit/verify`.
pub(crate) async fn verify(visit: &Visit) -> Result<Answer> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let proved = match visit.node().verify_audit(&visit.caller).await? {
        Ok((start, end)) => Proved {
            is_intact: true,
            said: format!(
                "{} entries, {} to {}, were proved just now.",
                words::count(end.sequence - start.sequence),
                words::count(start.sequence + 1),
                words::count(end.sequence)
            ),
            head: hex(&end.mac),
        },
        Err(broken) => Proved { is_intact: false, said: format!("{broken}."), head: String::new() },
    };
    page(visit, &Form::default(), Some(proved)).await
}

async fn page(visit: &Visit, asked: &Form, proved: Option<Proved>) -> Result<Answer> {
    let text = |name: &str| asked.filled(name).map(str::to_owned);
    let day = |name: &str| asked.filled(name).and_then(|day| UnixMillis::from_rfc3339(&format!("{day}T00:00:00Z")));
    let after = asked.filled("after").and_then(|after| after.parse().ok());
    let query = AuditQuery {
        project: visit.project,
        subject: text("on"),
        actor: text("who"),
        action: text("what"),
        outcome: match asked.value("outcome") {
            "done" => Some(AuditOutcome::Done),
            "refused" => Some(AuditOutcome::Refused),
            _ => None,
        },
        since: day("since"),
        until: day("until"),
        after,
        newest_first: true,
        limit: PAGE + 1,
    };
    let mut entries = visit.node().audit(&visit.caller, query).await?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let names: HashMap<String, String> =
        visit.node().operator_names(&visit.caller)?.into_iter().map(|(id, name)| (id.to_string(), name)).collect();
    let path = path(visit);
    let next = entries.last().filter(|_| more).map(|last| {
        let kept = ["who", "on", "what", "outcome", "since", "until"]
            .into_iter()
            .filter_map(|name| asked.filled(name).map(|value| format!("{name}={}&", words::path(value))));
        format!("{path}?{}after={}", kept.collect::<String>(), last.sequence)
    });
    let page = Page {
        frame: visit.frame("audit"),
        typed: Typed::new(asked.clone()),
        is_whole: visit.project.is_none(),
        actions: ACTIONS,
        rows: entries.iter().map(|entry| row(visit, entry, &names)).collect(),
        is_first: after.is_none(),
        next,
        proved,
        path,
    };
    Answer::page(&page)
}

fn row(visit: &Visit, entry: &AuditEntry, names: &HashMap<String, String>) -> Row {
    let draft = &entry.draft;
    let (outcome, look) = match draft.outcome {
        AuditOutcome::Done => ("done", "good"),
        AuditOutcome::Refused => ("refused", "bad"),
    };
    let times = if draft.count == 1 { String::new() } else { format!("{} times", words::count(draft.count)) };
    let detail = draft.detail.as_deref().map(|detail| words::cut(detail, 200)).unwrap_or_default();
    let on_path = match draft.action.split('.').next().filter(|_| visit.project.is_some()) {
        Some("token") if draft.subject.starts_with("tok_") => Some("tokens"),
        Some("channel") => Some("channels"),
        Some("user") => Some("users"),
        _ => None,
    };
    Row {
        number: words::count(entry.sequence),
        at: words::moment(draft.at, visit.now()),
        who: words::cut(&draft.actor, 60),
        name: names.get(&draft.actor).cloned().unwrap_or_default(),
        what: draft.action.clone(),
        on_path: on_path.map(|part| visit.at(&format!("/{part}/{}", words::path(&draft.subject)))),
        on: words::cut(&draft.subject, 80),
        detail: [times, detail].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · "),
        outcome,
        look,
        from: draft.address.clone().unwrap_or_default(),
        request: draft.request_id.as_deref().map(|id| words::cut(id, 40)).unwrap_or_default(),
    }
}
