//! Background jobs: submit, send the parts, start, watch, read each part's results once, cancel.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::records::{JobRecord, JobStatus};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{BatchAction, BatchEntry, JobView};

use super::batch::{self, entry};
use super::{Page, Time};
use crate::answer::Answer;
use crate::call::Call;
use crate::fields::invalid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    action: BatchAction,
    total: Option<u64>,
    entries: Option<Vec<Box<RawValue>>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    action: &'a str,
    status: JobStatus,
    total: u64,
    /// Entries that have arrived.
    received: u64,
    parts: usize,
    parts_done: u32,
    parts_read: usize,
    succeeded: u64,
    failed: u64,
    submitted_by: &'a str,
    created_at: Time,
    ended_at: Option<Time>,
    expires_at: Option<Time>,
    failure: Option<&'a str>,
}

#[derive(Serialize)]
struct Results {
    part: u16,
    results: Vec<batch::Shown>,
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let job = match (wanted.total, wanted.entries) {
        (Some(total), None) => call.node.create_job(&call.caller, wanted.action, total).await?,
        (None, Some(entries)) => {
            let entries = entries.iter().map(|raw| entry(wanted.action, raw.get())).collect();
            call.node.create_whole_job(&call.caller, wanted.action, entries).await?
        }
        _ => {
            return Err(invalid(
                "Either `total` says how many entries will follow in parts, or `entries` has them all, at most 1,000.",
            ));
        }
    };
    Ok(Answer::json(StatusCode::ACCEPTED, &show(&job)))
}

pub(crate) async fn put_part(call: &Call) -> Result<Answer> {
    let (job, number) = (call.id("job")?, part_number(&call.text("part")?)?);
    let action = BatchAction::named(&call.node.job(&call.caller, job)?.record.action);
    let action = action.ok_or_else(|| Error::new(ErrorKind::Internal, "The job's action is unknown."))?;
    let as_array = call.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let entries = entries(action, &call.body, as_array)?;
    let job = call.node.put_job_part(&call.caller, job, number, entries).await?;
    Ok(Answer::json(StatusCode::OK, &show(&job)))
}

pub(crate) async fn start(call: &Call) -> Result<Answer> {
    let job = call.node.start_job(&call.caller, call.id("job")?).await?;
    Ok(Answer::json(StatusCode::ACCEPTED, &show(&job)))
}

pub(crate) async fn cancel(call: &Call) -> Result<Answer> {
    let job = call.node.cancel_job(&call.caller, call.id("job")?).await?;
    Ok(Answer::json(StatusCode::OK, &show(&job)))
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let jobs = call.node.jobs(&call.caller)?;
    let later = jobs.into_iter().filter(|job| after.is_none_or(|after| job.id.get() > after));
    let page = Page::cut(later.take(limit + 1).collect(), limit, |job| job.id.get());
    let data = page.data.iter().map(show).collect();
    Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    Ok(Answer::json(StatusCode::OK, &show(&call.node.job(&call.caller, call.id("job")?)?)))
}

pub(crate) async fn results(call: &Call) -> Result<Answer> {
    let (job, part) = (call.id("job")?, part_number(&call.query().given("part")?.unwrap_or_else(|| "1".into()))?);
    let action = BatchAction::named(&call.node.job(&call.caller, job)?.record.action).unwrap_or(BatchAction::Create);
    let results = call.node.job_results(&call.caller, job, part).await?;
    let results = results.into_iter().map(|result| batch::show(action, result)).collect();
    Ok(Answer::json(StatusCode::OK, &Results { part, results }))
}

fn part_number(text: &str) -> Result<u16> {
    text.parse().map_err(|_| Error::new(ErrorKind::InvalidInput, "A part's number is a whole number from 1 to 1,000."))
}

/// The entries of a part: a JSON array, which `application/json` must be, or one JSON value in each line.
fn entries(action: BatchAction, body: &[u8], as_array: bool) -> Result<Vec<BatchEntry>> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("The body is not UTF-8."))?;
    if as_array || text.trim_start().starts_with('[') {
        let raw: Vec<Box<RawValue>> =
            serde_json::from_str(text).map_err(|error| invalid(format!("The body is not a JSON array: {error}.")))?;
        return Ok(raw.iter().map(|raw| entry(action, raw.get())).collect());
    }
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| entry(action, line)).collect())
}

fn show(job: &JobView) -> Shown<'_> {
    let record: &JobRecord = &job.record;
    Shown {
        id: job.id.to_string(),
        action: &record.action,
        status: record.status,
        total: record.total,
        received: record.received.iter().map(|count| u64::from(*count)).sum(),
        parts: record.received.len(),
        parts_done: record.parts_done,
        parts_read: record.handed_out.len(),
        succeeded: record.succeeded,
        failed: record.failed,
        submitted_by: &record.submitted_by,
        created_at: Time(record.created_at),
        ended_at: record.ended_at.map(Time),
        expires_at: (record.status != JobStatus::Running).then_some(Time(record.expires_at)),
        failure: record.failure.as_deref(),
    }
}
