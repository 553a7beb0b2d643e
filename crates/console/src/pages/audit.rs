//! The audit log: of a project for everybody who may read it, of the whole server for owners; taking it along, and proving that nobody changed it.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use tollgate_core::Result;
use tollgate_core::audit::{AuditEntry, AuditOutcome};
use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::AuditQuery;

use super::works;
use crate::answer::Answer;
use crate::body::Part;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::service::House;
use crate::visit::Visit;
use crate::words::{self, Moment};
use crate::works::{About, Came, Far};

const PAGE: usize = 50;
/// Entries of the export that are in memory at once.
const EXPORT_STEP: usize = 1_000;
/// What the work is called that proves the chain.
pub(crate) const VERIFYING: &str = "Verifying the audit log";
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
    /// The filters' fields, which an export takes along.
    kept: [&'static str; 6],
    /// How far the search came, where it did not find a page full.
    stopped: Option<Moment>,
}

/// The fields of the filters.
const FILTERS: [&str; 6] = ["who", "on", "what", "outcome", "since", "until"];

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

/// Where the log is that this page is about.
pub(crate) fn path(visit: &Visit) -> String {
    if visit.project.is_some() { visit.at("/audit") } else { "/console/server/audit".to_owned() }
}

/// `GET …/audit` and `GET /console/server/audit`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, &visit.query).await
}

/// `POST …/audit/verify`: a work, whose page says how far it is. The chain is one for the whole server.
pub(crate) async fn verify(visit: &Visit) -> Result<Answer> {
    let about = About {
        operator: visit.session.signed_in.operator,
        project: visit.project,
        what: VERIFYING,
        on: "Each entry of the whole server is compared with the one before it, by a key that only this server has."
            .to_owned(),
        counts: false,
    };
    let (node, caller, far) = (Arc::clone(visit.node()), visit.caller, Arc::new(Far::default()));
    let telling = Arc::clone(&far);
    works::begin_telling(visit, about, far, async move {
        let proved = node.verify_audit_telling(&caller, &|done, of| telling.tell(done, of)).await?;
        Ok(match proved {
            Ok((start, end)) => Came::Well(vec![
                ("Intact", "Nothing was changed, removed, moved or added.".to_owned()),
                ("Entries", words::count(end.sequence - start.sequence)),
                ("From", words::count(start.sequence + 1)),
                ("To", words::count(end.sequence)),
                ("Its end, to be kept elsewhere", end.mac.iter().map(|byte| format!("{byte:02x}")).collect()),
            ]),
            Err(broken) => Came::Alarm("Not intact", format!("The audit log is not what was written: {broken}.")),
        })
    })
}

/// `POST …/audit/export`: what the page's filters fit, oldest first, as lines of JSON like those of `/v2/audit/export`. A page at a time is read and
/// sent, as fast as it is taken.
pub(crate) async fn export(visit: &Visit) -> Result<Answer> {
    let first = AuditQuery { newest_first: false, limit: EXPORT_STEP, ..query(visit, &visit.form) };
    let whose = visit.project.map_or_else(|| "server".to_owned(), |project| project.to_string());
    let name = format!("tollgate-audit-{whose}-{}.jsonl", &visit.now().to_string()[..10]);
    // Read before the answer begins, so that a refusal is one.
    let part = lines(Arc::clone(&visit.house), visit.caller, first).await?;
    Ok(Answer::download("application/x-ndjson", &name, part))
}

/// A part of the export, and the one behind it, which is read when this one was taken.
fn lines(house: Arc<House>, caller: Caller, query: AuditQuery) -> Pending<'static, Result<Part>> {
    Box::pin(async move {
        let entries = house.node.audit(&caller, query.clone()).await?;
        let text: String = entries.iter().map(|entry| house.surroundings.audit_line(entry) + "\n").collect();
        let last = entries.last().filter(|_| entries.len() == query.limit).map(|last| last.sequence);
        let more = last.map(|last| lines(house, caller, AuditQuery { after: Some(last), ..query }));
        Ok(Part { bytes: text.into(), more })
    })
}

/// What the filters ask for.
fn query(visit: &Visit, asked: &Form) -> AuditQuery {
    let text = |name: &str| asked.filled(name).map(str::to_owned);
    let day = |name: &str| asked.filled(name).and_then(|day| UnixMillis::from_rfc3339(&format!("{day}T00:00:00Z")));
    AuditQuery {
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
        ..AuditQuery::default()
    }
}

async fn page(visit: &Visit, asked: &Form) -> Result<Answer> {
    let after = asked.filled("after").and_then(|after| after.parse().ok());
    let query = AuditQuery { after, newest_first: true, limit: PAGE + 1, ..query(visit, asked) };
    let found = visit.node().search_audit(&visit.caller, query).await?;
    let (mut entries, stopped) = (found.entries, found.stopped);
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let names: HashMap<String, String> =
        visit.node().operator_names(&visit.caller)?.into_iter().map(|(id, name)| (id.to_string(), name)).collect();
    let path = path(visit);
    let last = entries.last().filter(|_| more).map(|last| last.sequence);
    let next = last.or(stopped.map(|(to, _)| to)).map(|last| {
        let kept = FILTERS
            .into_iter()
            .filter_map(|name| asked.filled(name).map(|value| format!("{name}={}&", words::path(value))));
        format!("{path}?{}after={last}", kept.collect::<String>())
    });
    let page = Page {
        frame: visit.frame("audit"),
        typed: Typed::new(asked.clone()),
        is_whole: visit.project.is_none(),
        actions: ACTIONS,
        rows: entries.iter().map(|entry| row(visit, entry, &names)).collect(),
        is_first: after.is_none(),
        stopped: stopped.map(|(_, at)| words::moment(at, visit.now())),
        next,
        kept: FILTERS,
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
        on_path: on_path.map(|part| match part {
            "users" => visit.user_at(&draft.subject),
            part => visit.at(&format!("/{part}/{}", words::path(&draft.subject))),
        }),
        on: words::cut(&draft.subject, 80),
        detail: [times, detail].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · "),
        outcome,
        look,
        from: draft.address.clone().unwrap_or_default(),
        request: draft.request_id.as_deref().map(|id| words::cut(id, 40)).unwrap_or_default(),
    }
}
