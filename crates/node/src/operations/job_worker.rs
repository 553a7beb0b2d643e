//! Doing jobs: one part at a time, in turn with the other jobs, each part one unit of work that holds what is done, its result and the job's
//! progress. So a kill at any moment repeats nothing and skips nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tollgate_core::authorize::Caller;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{JobId, KeyId, OperatorId};
use tollgate_core::ports::store::Write;
use tollgate_core::ports::trace::{Attribute, SpanKind};
use tollgate_core::records::{JobRecord, JobStatus};

use super::batch::{BatchAction, EntryOutcome, is_race};
use super::jobs::{Part, open_part, part_name};
use super::refusal;
use super::writing::{actor, with_origin};
use crate::Node;
use crate::directory::ProjectEntry;

/// Between two parts: others get the thread and the store's writer.
const PAUSE: Duration = Duration::from_millis(5);
/// Jobs that nobody told of are found after so long: those that a restart interrupted, and those that the store could not take.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a part that lost a race is made again before the other jobs have their turn.
const TRIES_MAX: usize = 16;

impl Node {
    /// Does jobs until it is dropped; part of the upkeep.
    pub(super) async fn work_for_ever(self: Arc<Self>) {
        loop {
            while self.work_on_jobs().await {
                sleep(PAUSE).await;
            }
            self.forget_jobs().await;
            // Whether it was told or looks by itself makes no difference.
            let _ = timeout(LOOK_EVERY, self.jobs.work.notified()).await;
        }
    }

    /// Does one part of each running job of each project; answers whether there was one.
    pub async fn work_on_jobs(&self) -> bool {
        let mut worked = false;
        for entry in self.directory.projects() {
            let running = |job: &JobRecord| job.status == JobStatus::Running;
            let jobs: Vec<u64> =
                entry.read().jobs.iter().filter(|(_, job)| running(&job.record)).map(|(id, _)| *id).collect();
            for job in jobs {
                match self.do_traced_part(&entry, JobId::new(job)).await {
                    Ok(done) => worked |= done,
                    Err(error) => tracing::warn!(%error, job = %JobId::new(job), "a job has to wait"),
                }
                tokio::task::yield_now().await;
            }
        }
        worked
    }

    /// The same as a span, if that is collected: what it makes durable is a part of it, and what that causes names it.
    async fn do_traced_part(&self, entry: &ProjectEntry, job: JobId) -> Result<bool> {
        let Some(later) = self.begin_later(RowKind::Job, job.get()) else { return self.do_part(entry, job).await };
        let part = entry.read().jobs.get(&job.get()).map_or(0, |kept| u64::from(kept.record.parts_done) + 1);
        let done = with_origin(later.origin(), self.do_part(entry, job)).await;
        if done != Ok(false) {
            let told =
                vec![("tollgate.job", Attribute::Text(job.to_string())), ("tollgate.part", Attribute::Number(part))];
            self.end_later(Some(later), ("job.part", SpanKind::Internal), told, done.is_err());
        }
        done
    }

    /// Does the next part of a job. Answers whether anything was done.
    async fn do_part(&self, entry: &ProjectEntry, job: JobId) -> Result<bool> {
        for _ in 0..TRIES_MAX {
            let Some(kept) = entry.read().jobs.get(&job.get()).cloned() else { return Ok(false) };
            if kept.record.status != JobStatus::Running {
                return Ok(false);
            }
            let mut record = JobRecord::clone(&kept.record);
            let number = u16::try_from(record.parts_done + 1).unwrap_or(u16::MAX);
            let name = part_name(entry, job, number);
            let row = self.store.row(name).await.map_err(|error| refusal(error, &job))?;
            let input = row.as_ref().and_then(|row| Some((row.revision, open_part(entry, row)?)));
            let allowed = self.allowed(entry, &record);
            let mut writes = Vec::new();
            let mut audit = Vec::new();
            let _minting = entry.minting.read().await;
            match (allowed, input) {
                (Err(error), _) => self.fail(&mut record, error.detail),
                (Ok((caller, action)), Some((revision, Part::Input(entries)))) => {
                    let making = self.make(&caller, entry, action, &entries);
                    let done = making.outcomes.iter().filter(|outcome| outcome.is_done()).count() as u64;
                    writes = making.writes;
                    // One entry for the part: a million would say no more.
                    if let Some(action) = action.audited().filter(|_| done > 0) {
                        let mut told = self.job_entry(&caller, entry, action, job);
                        (told.count, told.detail) = (done, Some(format!("part {number} of {}", record.received.len())));
                        audit.push(told);
                    }
                    self.count(&mut record, &making.outcomes, done);
                    let result = Part::Result(making.outcomes);
                    writes.push(self.update(entry, RowKind::JobPart, name.id, revision, &result));
                }
                (Ok(_), _) => self.fail(&mut record, format!("Part {number} cannot be read.")),
            }
            writes.push(self.update(entry, RowKind::Job, job.get(), kept.revision, &record));
            match self.commit(writes, audit).await {
                Ok(()) => return Ok(true),
                // Cancelled meanwhile, or something that the part names was changed: from the beginning.
                Err(error) if is_race(&error) => {}
                Err(error) => return Err(refusal(error, &job)),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "What this part names is being changed by too many at once."))
    }

    fn count(&self, record: &mut JobRecord, outcomes: &[EntryOutcome], done: u64) {
        record.parts_done += 1;
        record.succeeded += done;
        record.failed += outcomes.len() as u64 - done;
        if record.parts_done as usize >= record.received.len() {
            self.end_job(record, JobStatus::Finished);
        }
    }

    fn fail(&self, record: &mut JobRecord, why: String) {
        record.failure = Some(why);
        self.end_job(record, JobStatus::Failed);
    }

    /// Who the job works for, with the rights that they have now: a key that was revoked does no more work, nor does an operator who is gone.
    fn allowed(&self, entry: &ProjectEntry, record: &JobRecord) -> Result<(Caller, BatchAction)> {
        let project = entry.project.id;
        let caller = if record.submitted_by == actor(&Caller::Operator) {
            Caller::ProjectOperator { project }
        } else if let Ok(operator) = record.submitted_by.parse::<OperatorId>() {
            self.person(operator, Some(project)).ok_or_else(|| {
                Error::new(ErrorKind::Forbidden, "The operator who submitted it is gone, or was disabled.")
            })?
        } else {
            let key = record.submitted_by.parse::<KeyId>()?;
            let found = self.directory.key(key).filter(|found| found.record.works(self.now()));
            let permissions = found.map(|found| found.record.permissions).ok_or_else(|| {
                Error::new(ErrorKind::Forbidden, "The project key that submitted it is not in use any more.")
            })?;
            Caller::ProjectKey { project, key, permissions }
        };
        let action = BatchAction::named(&record.action)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "Its action is not known to this version of the server."))?;
        self.authorize_batch(&caller, action)?;
        Ok((caller, action))
    }

    /// Forgets jobs whose time is over, with the parts that are left of them. The server's own upkeep: no audit entry.
    pub async fn forget_jobs(&self) {
        let now = self.now();
        for entry in self.directory.projects() {
            let over = |job: &JobRecord| job.status != JobStatus::Running && job.expires_at <= now;
            let jobs: Vec<(u64, Arc<JobRecord>)> = entry
                .read()
                .jobs
                .iter()
                .filter(|(_, job)| over(&job.record))
                .map(|(id, job)| (*id, Arc::clone(&job.record)))
                .collect();
            for (id, record) in jobs {
                let job = JobId::new(id);
                let numbers =
                    (1_u16..).zip(&record.received).filter(|(_, count)| **count > 0).map(|(number, _)| number);
                let left = numbers.filter(|number| !record.handed_out.contains(number));
                let mut writes: Vec<Write> = left.map(|number| Write::Delete(part_name(&entry, job, number))).collect();
                let mut name = part_name(&entry, job, 0);
                name.kind = RowKind::Job;
                writes.push(Write::Delete(name));
                // Handed out at this moment: the next round has the rest.
                if let Err(error) = self.commit(writes, Vec::new()).await {
                    tracing::debug!(%error, %job, "a job is forgotten later");
                }
            }
        }
    }
}
