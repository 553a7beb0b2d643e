//! Jobs: parts, progress, results once, cancelling, forgetting, and a restart between any two parts.

use std::collections::HashSet;

use tollgate_core::authorize::Caller;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::{JobId, OperatorId, TokenId};
use tollgate_core::records::JobStatus;
use tollgate_core::roles::Role;
use tollgate_node::{BatchAction, BatchEntry, EntryOutcome, JobView, Page};

use super::support::{Bench, block_on, named};

fn entries(count: usize) -> Vec<BatchEntry> {
    vec![BatchEntry::Create(Box::default()); count]
}

fn job(bench: &Bench, total: u64) -> JobId {
    block_on(bench.node.create_job(&bench.key, BatchAction::Create, total)).unwrap().id
}

fn put(bench: &Bench, job: JobId, part: u16, count: usize) -> tollgate_core::Result<JobView> {
    block_on(bench.node.put_job_part(&bench.key, job, part, entries(count)))
}

fn work(bench: &Bench) -> bool {
    block_on(bench.node.work_on_jobs())
}

fn look(bench: &Bench, job: JobId) -> JobView {
    bench.node.job(&bench.key, job).unwrap()
}

fn results(bench: &Bench, job: JobId, part: u16) -> tollgate_core::Result<Vec<TokenId>> {
    let results = block_on(bench.node.job_results(&bench.key, job, part))?;
    let token = |outcome| if let EntryOutcome::Secret { token, .. } = outcome { token } else { panic!("{outcome:?}") };
    Ok(results.into_iter().map(|result| token(result.outcome)).collect())
}

fn tokens(bench: &Bench) -> usize {
    bench.node.tokens(&bench.key, Page::ALL).unwrap().entries.len()
}

#[test]
fn a_job_does_its_parts_through_restarts_and_hands_each_result_out_once() {
    let mut bench = Bench::new();
    let id = job(&bench, 250);
    for (part, count) in [(1, 100), (3, 50), (2, 99), (2, 100)] {
        put(&bench, id, part, count).unwrap();
        bench.restart();
    }
    assert_eq!(block_on(bench.node.start_job(&bench.key, id)).unwrap().record.status, JobStatus::Running);
    assert_eq!(put(&bench, id, 1, 1).unwrap_err().kind, ErrorKind::WrongState);
    let mut made = HashSet::new();
    for done in 1..=3 {
        bench.restart();
        assert_eq!(results(&bench, id, done).unwrap_err().kind, ErrorKind::WrongState, "part {done} is not done");
        assert!(work(&bench));
        bench.restart();
        let view = look(&bench, id);
        assert_eq!(view.record.parts_done, u32::from(done));
        assert_eq!(tokens(&bench) as u64, view.record.succeeded);
        made.extend(results(&bench, id, done).unwrap());
        assert_eq!(results(&bench, id, done).unwrap_err().kind, ErrorKind::Gone);
    }
    assert!(!work(&bench));
    let view = look(&bench, id);
    assert_eq!((view.record.status, view.record.succeeded, view.record.failed), (JobStatus::Finished, 250, 0));
    assert_eq!((made.len(), tokens(&bench)), (250, 250), "each token is in exactly one result");
    let told: Vec<_> = bench.audit("token.create").into_iter().map(|(subject, count, _)| (subject, count)).collect();
    assert_eq!(told, [(id.to_string(), 100), (id.to_string(), 100), (id.to_string(), 50)]);
    for (action, count) in [("job.create", 1), ("job.part", 4), ("job.start", 1), ("job.read", 3)] {
        assert_eq!(bench.audit(action).len(), count, "{action}");
    }
}

#[test]
fn what_is_missing_is_named_and_what_is_too_much_is_refused() {
    let bench = Bench::new();
    let id = job(&bench, 20);
    put(&bench, id, 2, 10).unwrap();
    let start = || block_on(bench.node.start_job(&bench.key, id)).unwrap_err();
    assert!(start().detail.contains("Part 1"), "{}", start());
    put(&bench, id, 1, 5).unwrap();
    assert!(start().detail.contains("15"), "{}", start());
    assert_eq!(put(&bench, id, 3, 6).unwrap_err().kind, ErrorKind::LimitReached);
    for part in [0, 1_001] {
        assert_eq!(put(&bench, id, part, 1).unwrap_err().kind, ErrorKind::InvalidInput);
    }
    for total in [0, 1_000_001] {
        let refused = block_on(bench.node.create_job(&bench.key, BatchAction::Create, total)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidInput);
    }
}

#[test]
fn open_jobs_are_bounded_and_a_cancelled_one_makes_room() {
    let bench = Bench::new();
    let ids: Vec<_> = (0..16).map(|_| job(&bench, 10)).collect();
    let more = || block_on(bench.node.create_job(&bench.key, BatchAction::Create, 10));
    assert_eq!(more().unwrap_err().kind, ErrorKind::LimitReached);
    block_on(bench.node.cancel_job(&bench.key, ids[3])).unwrap();
    assert!(more().is_ok());
    assert_eq!(put(&bench, ids[3], 1, 1).unwrap_err().kind, ErrorKind::WrongState);
}

#[test]
fn what_a_cancelled_job_has_done_stays_and_can_be_read() {
    let bench = Bench::new();
    let id = job(&bench, 20);
    put(&bench, id, 1, 10).unwrap();
    put(&bench, id, 2, 10).unwrap();
    block_on(bench.node.start_job(&bench.key, id)).unwrap();
    assert!(work(&bench));
    assert_eq!(block_on(bench.node.cancel_job(&bench.key, id)).unwrap().record.status, JobStatus::Cancelled);
    assert!(!work(&bench));
    assert_eq!((tokens(&bench), results(&bench, id, 1).unwrap().len()), (10, 10));
    assert_eq!(results(&bench, id, 2).unwrap_err().kind, ErrorKind::WrongState);
}

#[test]
fn results_are_forgotten_after_a_day_and_running_jobs_are_not() {
    let bench = Bench::new();
    let (done, read, waiting) = (job(&bench, 10), job(&bench, 10), job(&bench, 10));
    for id in [done, read, waiting] {
        put(&bench, id, 1, 10).unwrap();
    }
    for id in [done, read] {
        block_on(bench.node.start_job(&bench.key, id)).unwrap();
    }
    work(&bench);
    results(&bench, read, 1).unwrap();
    let running = job(&bench, 10);
    put(&bench, running, 1, 10).unwrap();
    block_on(bench.node.start_job(&bench.key, running)).unwrap();
    bench.clock.advance(86_399_999);
    block_on(bench.node.forget_jobs());
    assert_eq!(bench.node.jobs(&bench.key).unwrap().len(), 4);
    bench.clock.advance(1);
    block_on(bench.node.forget_jobs());
    let left: Vec<_> = bench.node.jobs(&bench.key).unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(left, [running]);
    assert_eq!(results(&bench, done, 1).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_revoked_key_does_no_more_work() {
    let bench = Bench::new();
    let new = tollgate_node::NewKey {
        permissions: tollgate_core::permissions::Permissions::all(),
        ..tollgate_node::NewKey::default()
    };
    let (key, secret) = block_on(bench.node.create_project_key(&bench.key, new)).unwrap();
    let caller =
        bench.node.authenticate(&tollgate_core::command::PresentedSecret::new(secret.expose().to_string())).unwrap();
    let id = block_on(bench.node.create_whole_job(&caller, BatchAction::Create, entries(10))).unwrap().id;
    block_on(bench.node.revoke_project_key(&bench.key, key.id)).unwrap();
    assert!(work(&bench));
    let view = look(&bench, id);
    assert_eq!((view.record.status, tokens(&bench)), (JobStatus::Failed, 0), "{:?}", view.record.failure);
}

#[test]
fn jobs_revoke_and_take_turns() {
    let bench = Bench::new();
    let doomed: Vec<_> = (0..3).map(|_| bench.token()).collect();
    let one = entries(5);
    let other = doomed.iter().map(|(_, secret)| named(secret)).chain([named("tgt_nothing")]).collect();
    let first = block_on(bench.node.create_whole_job(&bench.key, BatchAction::Create, one)).unwrap().id;
    let operator = Caller::ProjectOperator { project: bench.project };
    let second = block_on(bench.node.create_whole_job(&operator, BatchAction::Revoke, other)).unwrap().id;
    assert!(work(&bench));
    for id in [first, second] {
        assert_eq!(look(&bench, id).record.status, JobStatus::Finished);
    }
    let record = look(&bench, second).record;
    assert_eq!((record.succeeded, record.failed), (3, 1));
    assert!(doomed.iter().all(|(_, secret)| bench.refusal(secret).as_deref() == Some("token_revoked")));
}

#[test]
fn a_job_of_a_person_who_is_nobodys_operator_does_nothing() {
    let bench = Bench::new();
    let person = Caller::Person { operator: OperatorId::new(7), role: Role::Owner, project: Some(bench.project) };
    let id = block_on(bench.node.create_whole_job(&person, BatchAction::Create, entries(5))).unwrap().id;
    assert!(work(&bench));
    let record = look(&bench, id).record;
    assert_eq!((record.status, record.succeeded, tokens(&bench)), (JobStatus::Failed, 0, 0));
    assert_eq!(record.failure.as_deref(), Some("The operator who submitted it is gone, or was disabled."));
}
