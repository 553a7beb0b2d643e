//! Many tokens in one request, and how their entries and outcomes are spelled; jobs spell theirs by the same means.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::credentials::TokenSpelling;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{BatchAction, BatchEntry, BatchRequest, EntryOutcome, EntryResult};

use super::{object, tokens};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    action: BatchAction,
    #[serde(default)]
    mode: Mode,
    entries: Vec<Box<RawValue>>,
}

/// What a bad entry does to the others.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    BestEffort,
    Atomic,
}

/// A token that exists.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    token: String,
    grace_s: Option<u64>,
    reason: Option<String>,
}

/// What came of one entry.
#[derive(Serialize)]
pub(super) struct Shown {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize)]
struct Results {
    action: BatchAction,
    results: Vec<Shown>,
}

pub(crate) async fn run(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let request = BatchRequest {
        action: wanted.action,
        atomic: matches!(wanted.mode, Mode::Atomic),
        entries: wanted.entries.iter().map(|raw| entry(wanted.action, raw.get())).collect(),
    };
    let results = call.node.batch(&call.caller, &request).await?;
    let results = results.into_iter().map(|result| show(wanted.action, result)).collect();
    Ok(Answer::json(StatusCode::OK, &Results { action: wanted.action, results }))
}

/// One entry, from its JSON text. What cannot be read is an entry, too: it is refused in its place.
pub(super) fn entry(action: BatchAction, text: &str) -> BatchEntry {
    read(action, text).unwrap_or_else(|error| BatchEntry::unreadable(&error))
}

fn read(action: BatchAction, text: &str) -> Result<BatchEntry> {
    if action == BatchAction::Create {
        return Ok(BatchEntry::Create(Box::new(object::<tokens::Wanted>(text.as_bytes())?.token()?)));
    }
    // A token alone may stand for the whole entry.
    let Named { token, grace_s, reason } = match serde_json::from_str(text) {
        Ok(token) => Named { token, grace_s: None, reason: None },
        Err(_) => object(text.as_bytes())?,
    };
    if action != BatchAction::Revoke && reason.is_some() {
        return Err(Error::new(ErrorKind::InvalidBody, "`reason` is for revocations."));
    }
    let grace_ms = grace_s.map(|seconds| seconds.saturating_mul(1_000));
    Ok(BatchEntry::Token { token, grace_ms, reason })
}

/// An outcome in our words.
pub(super) fn show(action: BatchAction, result: EntryResult) -> Shown {
    let secret = result.secret.map(|secret| secret.expose(TokenSpelling::Native).as_str().to_owned());
    let blank = Shown { status: "", id: None, generation: None, secret, code: None, detail: None };
    let status = match action {
        BatchAction::Create => "created",
        BatchAction::Revoke => "revoked",
        BatchAction::Rotate => "rotated",
        BatchAction::Introspect => "active",
    };
    match result.outcome {
        EntryOutcome::Secret { token, generation } => {
            Shown { status, id: Some(token.to_string()), generation: Some(generation), ..blank }
        }
        EntryOutcome::Done { token } => Shown { status, id: Some(token.to_string()), ..blank },
        EntryOutcome::Inactive { code } => Shown { status: "inactive", code: Some(code), ..blank },
        EntryOutcome::Refused { code, detail } => {
            Shown { status: "refused", code: Some(code), detail: Some(detail), ..blank }
        }
    }
}
