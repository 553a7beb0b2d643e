//! The audit log: pages, export, proof.

use http::StatusCode;
use serde::Serialize;
use tollgate_core::audit::{AuditEntry, AuditOutcome};
use tollgate_core::ports::store::AuditQuery;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::AUDIT_PAGE_MAX;

use super::{Page, Time, cursor};
use crate::answer::Answer;
use crate::call::Call;

/// The largest whole number that JSON readers keep exactly.
const SEQUENCE_MAX: u64 = (1 << 53) - 1;

#[derive(Serialize)]
struct Shown<'a> {
    sequence: u64,
    at: Time,
    actor: &'a str,
    action: &'a str,
    subject: &'a str,
    outcome: AuditOutcome,
    count: u64,
    detail: Option<&'a str>,
    request_id: Option<&'a str>,
    address: Option<&'a str>,
    mac: String,
}

/// What a proof came to.
#[derive(Serialize)]
struct Proof {
    intact: bool,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    last_mac: Option<String>,
    problem: Option<String>,
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let newest_first = call.word("order", ["desc", "asc"])?.unwrap_or(0) == 0;
    let query = AuditQuery { after, newest_first, limit: (limit + 1).min(AUDIT_PAGE_MAX), ..filter(call)? };
    let found = call.node.search_audit(&call.caller, query).await?;
    let page = Page::cut(found.entries, limit, |entry| entry.sequence);
    let data = page.data.iter().map(show).collect();
    let next_cursor = page.next_cursor.or(found.stopped.map(|(to, _)| cursor(to)));
    Ok(Answer::json(StatusCode::OK, &Page { data, next_cursor }))
}

/// JSON lines, oldest first, at most 1,000 of them: the last line's `sequence` goes into `after` for the next.
pub(crate) async fn export(call: &Call) -> Result<Answer> {
    let after = match call.query().given("after")? {
        None => None,
        Some(text) => Some(sequence(&text)?),
    };
    let query = AuditQuery { after, limit: AUDIT_PAGE_MAX, ..filter(call)? };
    let entries = call.node.audit(&call.caller, query).await?;
    let lines: String = entries.iter().flat_map(|entry| [audit_line(entry), "\n".into()]).collect();
    Ok(Answer::text(StatusCode::OK, "application/x-ndjson", lines))
}

pub(crate) async fn verify(call: &Call) -> Result<Answer> {
    let proof = match call.node.verify_audit(&call.caller).await? {
        Ok((start, end)) => Proof {
            intact: true,
            first_sequence: Some(start.sequence + 1),
            last_sequence: Some(end.sequence),
            last_mac: Some(hex(&end.mac)),
            problem: None,
        },
        Err(problem) => Proof {
            intact: false,
            first_sequence: None,
            last_sequence: None,
            last_mac: None,
            problem: Some(problem.to_string()),
        },
    };
    Ok(Answer::json(StatusCode::OK, &proof))
}

/// The place of an entry, which is a number that JSON carries exactly.
fn sequence(text: &str) -> Result<u64> {
    text.parse().ok().filter(|sequence| *sequence <= SEQUENCE_MAX).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            "The query parameter `after` must be the `sequence` of the last entry that you have.",
        )
    })
}

fn filter(call: &Call) -> Result<AuditQuery> {
    Ok(AuditQuery {
        subject: call.filter("subject")?,
        actor: call.filter("actor")?,
        action: call.filter("action")?,
        outcome: call
            .word("outcome", ["done", "refused"])?
            .map(|at| if at == 0 { AuditOutcome::Done } else { AuditOutcome::Refused }),
        since: call.time("since")?,
        until: call.time("until")?,
        ..AuditQuery::default()
    })
}

/// An entry as a line of the export, without its line break.
pub fn audit_line(entry: &AuditEntry) -> String {
    serde_json::to_string(&show(entry)).expect("invariant: an entry is texts and numbers")
}

fn show(entry: &AuditEntry) -> Shown<'_> {
    let draft = &entry.draft;
    Shown {
        sequence: entry.sequence,
        at: Time(draft.at),
        actor: &draft.actor,
        action: &draft.action,
        subject: &draft.subject,
        outcome: draft.outcome,
        count: draft.count,
        detail: draft.detail.as_deref(),
        request_id: draft.request_id.as_deref(),
        address: draft.address.as_deref(),
        mac: hex(&entry.mac),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sequence_is_a_number_that_json_carries() {
        for (text, expected) in [
            ("0", Some(0)),
            ("9007199254740991", Some(SEQUENCE_MAX)),
            ("9007199254740992", None),
            ("-1", None),
            ("1.0", None),
            ("", None),
        ] {
            assert_eq!(sequence(text).ok(), expected, "{text}");
        }
    }
}
