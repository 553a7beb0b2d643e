//! Background jobs: up to a million tokens in parts of at most 1,000, done one after another ([`super::job_worker`]), with results that are
//! handed out once. Here: what people ask for. Parts and their results are sealed rows on disk, and never in memory all at once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};
use tollgate_core::audit::AuditDraft;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::JobId;
use tollgate_core::limits::{JOB_KEPT_MS, JOB_PARTS_MAX, JOB_TOKENS_MAX, JOBS_MAX};
use tollgate_core::ports::store::{Row, RowName, StoreError, Write};
use tollgate_core::records::{JobRecord, JobStatus};

use super::batch::{BatchAction, BatchEntry, EntryOutcome, EntryResult, check_count};
use super::refusal;
use super::writing::actor;
use crate::Node;
use crate::directory::{Kept, ProjectEntry};

/// What goes on with jobs in this process.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// Held while one is submitted, so that the limit is exact.
    submitting: Mutex<()>,
    /// Told when there may be work.
    pub(super) work: Notify,
}

/// What a part's row holds: what to do, and once that is done what came of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Input(Vec<BatchEntry>),
    Result(Vec<EntryOutcome>),
}

/// A job as it stands.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its public id.
    pub id: JobId,
    /// The record.
    pub record: Arc<JobRecord>,
}

impl Node {
    /// Submits a job whose parts are to follow ([`Node::put_job_part`]); it must be started within a day.
    ///
    /// # Errors
    /// `forbidden`, `invalid_input` for the number of entries, `limit_reached` for too many jobs that are not finished, `unavailable`.
    pub async fn create_job(&self, caller: &Caller, action: BatchAction, total: u64) -> Result<JobView> {
        self.submit(caller, action, total, None).await
    }

    /// Submits a job of one part, and starts it.
    ///
    /// # Errors
    /// As [`Node::create_job`].
    pub async fn create_whole_job(
        &self,
        caller: &Caller,
        action: BatchAction,
        entries: Vec<BatchEntry>,
    ) -> Result<JobView> {
        check_count(entries.len())?;
        self.submit(caller, action, entries.len() as u64, Some(Part::Input(entries))).await
    }

    async fn submit(&self, caller: &Caller, action: BatchAction, total: u64, part: Option<Part>) -> Result<JobView> {
        let entry = self.authorize_batch(caller, action)?;
        if total == 0 || total > JOB_TOKENS_MAX as u64 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("`total` is how many entries the job will have, 1 to {JOB_TOKENS_MAX}."),
            ));
        }
        let _submitting = self.jobs.submitting.lock().await;
        let open = entry.read().jobs.values().filter(|job| is_open(&job.record)).count();
        if open >= JOBS_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("A project has at most {JOBS_MAX} jobs that are not finished; wait for one, or cancel one."),
            ));
        }
        let id = self.ids.next_run(self.now(), JOB_PARTS_MAX + 1);
        let now = self.now();
        let record = JobRecord {
            action: action.word().to_owned(),
            status: if part.is_some() { JobStatus::Running } else { JobStatus::Receiving },
            submitted_by: actor(caller),
            parts_done: 0,
            total,
            succeeded: 0,
            failed: 0,
            received: part.iter().map(|_| u16::try_from(total).unwrap_or(u16::MAX)).collect(),
            handed_out: Vec::new(),
            created_at: now,
            ended_at: None,
            expires_at: now.plus(JOB_KEPT_MS),
            failure: None,
        };
        let mut writes = vec![self.insert(&entry, RowKind::Job, id, &record)];
        writes.extend(part.map(|part| self.insert(&entry, RowKind::JobPart, id + 1, &part)));
        let id = JobId::new(id);
        let mut audit = self.job_entry(caller, &entry, "job.create", id);
        (audit.count, audit.detail) = (total, Some(action.word().to_owned()));
        self.commit(writes, vec![audit]).await.map_err(|error| refusal(error, &id))?;
        self.jobs.work.notify_one();
        Ok(JobView { id, record: Arc::new(record) })
    }

    /// Puts one part of a job that has not started, from 1; a part that was put before is replaced.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `wrong_state` once the job has started, `invalid_input` and `limit_reached` for the part, `unavailable`.
    pub async fn put_job_part(
        &self,
        caller: &Caller,
        job: JobId,
        number: u16,
        entries: Vec<BatchEntry>,
    ) -> Result<JobView> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        check_count(entries.len())?;
        let place = place_of(number)?;
        let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        let part = Part::Input(entries);
        let name = part_name(&entry, job, number);
        self.change_job(&entry, job, Some(name), |record, row| {
            if record.status != JobStatus::Receiving {
                return Err(wrong_state("This job has started or ended; its parts cannot be changed any more."));
            }
            let write = match row {
                None => self.insert(&entry, RowKind::JobPart, name.id, &part),
                Some(row) => self.update(&entry, RowKind::JobPart, name.id, row.revision, &part),
            };
            if record.received.len() <= place {
                record.received.resize(place + 1, 0);
            }
            record.received[place] = count;
            let received: u64 = received(record);
            if received > record.total {
                return Err(Error::new(
                    ErrorKind::LimitReached,
                    format!(
                        "The job was submitted for {} entries; with this part it would have {received}.",
                        record.total
                    ),
                ));
            }
            let mut audit = self.job_entry(caller, &entry, "job.part", job);
            (audit.count, audit.detail) = (u64::from(count), Some(format!("part {number}")));
            Ok((vec![write], vec![audit]))
        })
        .await
    }

    /// Starts a job whose parts are all there. Starting it again is as well.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `wrong_state` for a job that lacks entries or was cancelled, `unavailable`.
    pub async fn start_job(&self, caller: &Caller, job: JobId) -> Result<JobView> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        let view = self.job_within(&entry, job)?;
        if matches!(view.record.status, JobStatus::Running | JobStatus::Finished) {
            return Ok(view);
        }
        let started = self
            .change_job(&entry, job, None, |record, _| {
                if record.status != JobStatus::Receiving {
                    return Err(wrong_state("This job has ended already; submit a new one."));
                }
                let missing = record.received.iter().position(|count| *count == 0);
                if let Some(place) = missing {
                    return Err(wrong_state(&format!("Part {} of the job has not arrived.", place + 1)));
                }
                let received = received(record);
                if received != record.total {
                    return Err(wrong_state(&format!(
                        "The job was submitted for {} entries, and {received} have arrived.",
                        record.total
                    )));
                }
                record.status = JobStatus::Running;
                Ok((Vec::new(), vec![self.job_entry(caller, &entry, "job.start", job)]))
            })
            .await?;
        self.jobs.work.notify_one();
        Ok(started)
    }

    /// Cancels a job that has not ended: what is done of it stays done, and its results stay to be read. Cancelling one that has ended changes nothing.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `unavailable`.
    pub async fn cancel_job(&self, caller: &Caller, job: JobId) -> Result<JobView> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        self.change_job(&entry, job, None, |record, _| {
            if is_open(record) {
                self.end_job(record, JobStatus::Cancelled);
            }
            Ok((Vec::new(), vec![self.job_entry(caller, &entry, "job.cancel", job)]))
        })
        .await
    }

    /// The project's jobs, oldest first; those whose results have expired are forgotten.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn jobs(&self, caller: &Caller) -> Result<Vec<JobView>> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        let records = entry.read();
        let view = |(id, kept): (&u64, &Kept<JobRecord>)| JobView { id: JobId::new(*id), record: kept.record.clone() };
        Ok(records.jobs.iter().map(view).collect())
    }

    /// One job.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn job(&self, caller: &Caller, job: JobId) -> Result<JobView> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        self.job_within(&entry, job)
    }

    /// What came of one part, in the order of its entries, with the secrets that were made. Handed out once: the part is forgotten in the unit of work
    /// that this answers after.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `wrong_state` for a part that is not done yet, `gone` for one that was handed out, `unavailable`.
    pub async fn job_results(&self, caller: &Caller, job: JobId, number: u16) -> Result<Vec<EntryResult>> {
        let entry = self.authorize(caller, Action::ManageTokens)?;
        place_of(number)?;
        let name = part_name(&entry, job, number);
        let gone = || Error::new(ErrorKind::Gone, "The results of this part were handed out already, or have expired.");
        let mut outcomes = Vec::new();
        self.change_job(&entry, job, Some(name), |record, row| {
            if record.handed_out.contains(&number) {
                return Err(gone());
            }
            if u32::from(number) > record.parts_done {
                return Err(wrong_state("This part is not done; look at the job's progress and ask again."));
            }
            let Some(Part::Result(found)) = entry.open(&row.ok_or_else(gone)?) else { return Err(damaged()) };
            outcomes = found;
            record.handed_out.push(number);
            let mut audit = self.job_entry(caller, &entry, "job.read", job);
            (audit.count, audit.detail) = (outcomes.len() as u64, Some(format!("part {number}")));
            Ok((vec![Write::Delete(name)], vec![audit]))
        })
        .await?;
        Ok(self.with_secrets(&entry, outcomes))
    }

    fn job_within(&self, entry: &ProjectEntry, job: JobId) -> Result<JobView> {
        let kept = entry.read().jobs.get(&job.get()).cloned().ok_or_else(|| Error::not_found("job", &job))?;
        Ok(JobView { id: job, record: kept.record })
    }

    pub(super) fn job_entry(&self, caller: &Caller, entry: &ProjectEntry, action: &str, job: JobId) -> AuditDraft {
        self.entry_of(caller, Some(entry.project.id), action, &job)
    }

    pub(super) fn end_job(&self, record: &mut JobRecord, status: JobStatus) {
        let now = self.now();
        record.status = status;
        record.ended_at = Some(now);
        record.expires_at = now.plus(JOB_KEPT_MS);
    }

    /// Changes a job's record together with what `edit` adds to the unit of work, from the row of a part where one is named; again when it lost
    /// a race.
    async fn change_job(
        &self,
        entry: &ProjectEntry,
        job: JobId,
        part: Option<RowName>,
        mut edit: impl FnMut(&mut JobRecord, Option<Row>) -> Result<(Vec<Write>, Vec<AuditDraft>)> + Send,
    ) -> Result<JobView> {
        const TRIES_MAX: usize = 16;
        for _ in 0..TRIES_MAX {
            let kept = entry.read().jobs.get(&job.get()).cloned().ok_or_else(|| Error::not_found("job", &job))?;
            let row = match part {
                Some(name) => self.store.row(name).await.map_err(|error| refusal(error, &job))?,
                None => None,
            };
            let mut record = JobRecord::clone(&kept.record);
            let (mut writes, audit) = edit(&mut record, row)?;
            writes.push(self.update(entry, RowKind::Job, job.get(), kept.revision, &record));
            match self.commit(writes, audit).await {
                Ok(()) => return Ok(JobView { id: job, record: Arc::new(record) }),
                Err(StoreError::Conflict(_) | StoreError::NotFound(_) | StoreError::AlreadyExists(_)) => {}
                Err(error) => return Err(refusal(error, &job)),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "This job is being changed by too many at once. Try again."))
    }
}

/// The row of a job's part.
pub(super) fn part_name(entry: &ProjectEntry, job: JobId, number: u16) -> RowName {
    RowName { kind: RowKind::JobPart, project: entry.project.id, id: job.get() + u64::from(number) }
}

/// What a row of a part holds.
pub(super) fn open_part(entry: &ProjectEntry, row: &Row) -> Option<Part> {
    entry.open(row)
}

pub(super) const fn is_open(record: &JobRecord) -> bool {
    matches!(record.status, JobStatus::Receiving | JobStatus::Running)
}

fn received(record: &JobRecord) -> u64 {
    record.received.iter().map(|count| u64::from(*count)).sum()
}

fn place_of(number: u16) -> Result<usize> {
    if (1..=JOB_PARTS_MAX).contains(&number) {
        return Ok(usize::from(number) - 1);
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("Parts have numbers from 1 to {JOB_PARTS_MAX}.")))
}

fn wrong_state(detail: &str) -> Error {
    Error::new(ErrorKind::WrongState, detail)
}

fn damaged() -> Error {
    Error::new(ErrorKind::Internal, "This part of the job cannot be read; the server's log says more.")
}
