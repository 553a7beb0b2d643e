//! How operations write: records become sealed rows, rows and audit entries become one unit of work, and a change that lost a race is made
//! again from what the winner left.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use tollgate_core::audit::{AuditDraft, AuditOutcome};
use tollgate_core::authorize::Caller;
use tollgate_core::credentials::{RowBinding, RowKind};
use tollgate_core::error::{Error, Result};
use tollgate_core::ids::ProjectId;
use tollgate_core::ports::store::{Row, RowName, StoreError, StoreResult, Subject, Unit, Write};
use tollgate_core::ports::trace::SpanKind;
use tollgate_core::records;

use super::refusal;
use super::traced::Trace;
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records};

/// How often a change that lost a race is made again before the caller is told to.
const TRIES_MAX: usize = 16;

/// Where a request came from: for the audit log, usage and limits, and never for a decision on rights.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The id of the request, as the answer shows it.
    pub request_id: Option<Arc<str>>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request's method and its route's template, for the log. Never the path: paths carry the secrets of tokens.
    pub asked: Option<(&'static str, &'static str)>,
    /// Its trace, when it is collected.
    pub trace: Option<Arc<Trace>>,
}

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Runs a request's operations with where it came from at hand.
pub fn with_origin<F: Future>(origin: Origin, work: F) -> impl Future<Output = F::Output> {
    ORIGIN.scope(origin, work)
}

/// The same for an operation that does not wait.
pub(super) fn at_origin<T>(origin: Origin, work: impl FnOnce() -> T) -> T {
    ORIGIN.sync_scope(origin, work)
}

/// Where the request at work came from; nothing is known of the server's own.
#[must_use]
pub fn origin() -> Origin {
    ORIGIN.try_with(Clone::clone).unwrap_or_default()
}

/// The trace of the request at work.
pub(super) fn origin_trace() -> Option<Arc<Trace>> {
    ORIGIN.try_with(|origin| origin.trace.clone()).ok().flatten()
}

/// The client's address alone.
pub(super) fn origin_address() -> Option<IpAddr> {
    ORIGIN.try_with(|origin| origin.address).unwrap_or_default()
}

/// Who a caller is, as the audit log names it.
#[must_use]
pub fn actor(caller: &Caller) -> String {
    match caller {
        Caller::ProjectKey { key, .. } => key.to_string(),
        Caller::Token { token, .. } => token.to_string(),
        Caller::Person { operator, .. } => operator.to_string(),
        Caller::Anonymous { .. } => "anonymous".into(),
        Caller::Operator | Caller::ProjectOperator { .. } => "operator".into(),
        Caller::System => "system".into(),
    }
}

impl Node {
    /// An audit entry of this request: done, about one thing. Change what differs.
    pub(super) fn entry_of(
        &self,
        caller: &Caller,
        project: Option<ProjectId>,
        action: &str,
        subject: &dyn std::fmt::Display,
    ) -> AuditDraft {
        let Origin { request_id, address, .. } = origin();
        AuditDraft {
            at: self.now(),
            project,
            actor: actor(caller),
            action: action.to_owned(),
            subject: subject.to_string(),
            outcome: AuditOutcome::Done,
            count: 1,
            detail: None,
            request_id: request_id.map(|id| id.to_string()),
            address: address.map(|address| address.to_string()),
        }
    }

    /// A record, sealed for its row.
    pub(super) fn row<T: Serialize>(
        &self,
        entry: &ProjectEntry,
        kind: RowKind,
        id: u64,
        revision: u32,
        record: &T,
    ) -> Row {
        let name = RowName { kind, project: entry.project.id, id };
        let binding = RowBinding { kind, project: entry.project.id, id, revision };
        let sealed = entry.data_keys().seal(binding, &records::to_bytes(record), self.entropy.as_ref());
        Row { name, revision, sealed }
    }

    /// A new record as a step of a unit of work.
    pub(super) fn insert<T: Serialize>(&self, entry: &ProjectEntry, kind: RowKind, id: u64, record: &T) -> Write {
        Write::Insert(self.row(entry, kind, id, 1, record))
    }

    /// A changed record as a step of a unit of work. `revision` is the one that the change began from.
    pub(super) fn update<T: Serialize>(
        &self,
        entry: &ProjectEntry,
        kind: RowKind,
        id: u64,
        revision: u32,
        record: &T,
    ) -> Write {
        Write::Update(self.row(entry, kind, id, revision + 1, record))
    }

    /// Commits steps together with what the audit log says of them, and with the messages to webhook endpoints that tell of it: so that who
    /// dies right after loses none.
    pub(super) async fn commit(&self, writes: Vec<Write>, audit: Vec<AuditDraft>) -> StoreResult<()> {
        let mut writes = self.with_usage(writes);
        let mut told = self.messages_of(&audit);
        let tells = !told.is_empty();
        writes.append(&mut told);
        let part = self.part("store.commit");
        self.note_causes(part.as_ref(), &writes);
        let done = self.store.commit(Unit { writes, audit }).await;
        // A race that was lost is no failure of the store.
        self.end_part(part, SpanKind::Internal, matches!(done, Err(StoreError::Unavailable(_))));
        if tells && done.is_ok() {
            self.courier.wake();
        }
        done
    }

    /// Makes a unit of work from the records in memory and commits it; when another change came first, again from what that one left.
    /// `make` gives the steps, their audit entries and what to answer; with neither steps nor entries there is nothing to do.
    ///
    /// # Errors
    /// What `make` refuses, and `unavailable`.
    pub(super) async fn change<T>(
        &self,
        named: &(dyn std::fmt::Display + Sync),
        mut make: impl FnMut() -> Result<(Vec<Write>, Vec<AuditDraft>, T)>,
    ) -> Result<T> {
        for _ in 0..TRIES_MAX {
            let (writes, audit, answer) = make()?;
            if writes.is_empty() && audit.is_empty() {
                return Ok(answer);
            }
            match self.commit(writes, audit).await {
                Ok(()) => return Ok(answer),
                // A row that is gone is gone from memory, too, and of rows whose numbers are made from names somebody else made one first: `make`
                // sees it.
                Err(
                    StoreError::Conflict(_)
                    | StoreError::NotFound(Subject::Row(_))
                    | StoreError::AlreadyExists(Subject::Row(RowKind::User | RowKind::Idempotency)),
                ) => {}
                Err(error) => return Err(refusal(error, named)),
            }
        }
        Err(Error::new(
            tollgate_core::ErrorKind::Unavailable,
            "This record is being changed by too many at once; nothing was changed. Try again.",
        ))
    }

    /// Changes one record that is kept whole: `find` reads it, `edit` changes a copy.
    ///
    /// # Errors
    /// What `find` and `edit` refuse, and `unavailable`.
    pub(super) async fn change_kept<T: Serialize + Clone>(
        &self,
        entry: &ProjectEntry,
        (kind, id): (RowKind, u64),
        audit: AuditDraft,
        find: impl Fn(&Records) -> Result<Kept<T>>,
        edit: impl Fn(&mut T) -> Result<()>,
    ) -> Result<T> {
        self.change(&kind.word(), || {
            let kept = find(&entry.read())?;
            let mut record = T::clone(&kept.record);
            edit(&mut record)?;
            let write = self.update(entry, kind, id, kept.revision, &record);
            Ok((vec![write], vec![audit.clone()], record))
        })
        .await
    }
}
