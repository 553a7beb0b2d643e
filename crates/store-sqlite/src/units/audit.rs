//! The audit log: written in the order of commits, read and proven in steps that let other units of work through.

use tollgate_core::audit::{AuditDraft, AuditEntry, ChainBreak, ChainHead, Proof};
use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{AuditFound, AuditQuery, AuditStore, StoreResult};

use super::{Failure, execute, find};
use crate::SqliteStore;
use crate::books::damaged;
use crate::columns::{self, AUDIT_COLUMNS, signed};
use crate::writer::Work;

/// Entries that one step reads, at most: some milliseconds of the writer's time.
const STEP_ENTRIES_MAX: u64 = 1_000;
/// Entries that one step passes over, at most, where the database itself tells which fit: as long.
const STEP_LOOKS_MAX: u64 = 5_000;

impl AuditStore for SqliteStore {
    fn audit_entries(&self, query: AuditQuery) -> Pending<'_, StoreResult<Vec<AuditEntry>>> {
        Box::pin(async move {
            let (mut found, mut next) = (Vec::new(), Some(query));
            while let Some(query) = next {
                let (entries, rest) = self.unit(move |work| read_step(work, query)).await?;
                found.extend(entries);
                next = rest;
            }
            Ok(found)
        })
    }

    fn search_audit(&self, query: AuditQuery, looks_max: u64) -> Pending<'_, StoreResult<AuditFound>> {
        Box::pin(async move {
            let step = if query.subject.is_some() { STEP_ENTRIES_MAX } else { STEP_LOOKS_MAX };
            let (mut found, mut next, mut looks) = (AuditFound::default(), Some(query), 0);
            while let Some(query) = next {
                if let Some(to) = query.after.filter(|_| looks >= looks_max) {
                    let sql = "SELECT at FROM audit WHERE sequence = ?1";
                    let at = self
                        .unit(move |work| Ok(find(work.db, sql, (signed(to),), |columns| columns::time(columns, 0))?))
                        .await?;
                    // One that was pruned meanwhile is older than any that is left.
                    found.stopped = Some((to, at.unwrap_or(UnixMillis(0))));
                    break;
                }
                let (entries, rest) = self.unit(move |work| read_step(work, query)).await?;
                found.entries.extend(entries);
                (next, looks) = (rest, looks + step);
            }
            Ok(found)
        })
    }

    fn prove_audit(&self, at: ChainHead) -> Pending<'_, StoreResult<Result<Proof, ChainBreak>>> {
        self.unit(move |work| verify_step(work, at))
    }

    fn prune_audit(&self, before: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>> {
        self.unit(move |work| {
            let old = work.books()?.totals.base;
            let base = last_before(work, before, limit)?;
            execute(work.db, "DELETE FROM audit WHERE sequence <= ?1", (signed(base.sequence),))?;
            work.books()?.totals.base = base;
            Ok(base.sequence - old.sequence)
        })
    }
}

/// The last of the oldest entries that are from before a time. Each is proven on the way: what goes takes its evidence with it.
fn last_before(work: &mut Work<'_>, before: UnixMillis, limit: usize) -> Result<ChainHead, Failure> {
    let db = work.db;
    let books = work.books()?;
    let sql = format!("SELECT {AUDIT_COLUMNS} FROM audit ORDER BY sequence LIMIT ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let mut entries = statement.query((i64::try_from(limit).unwrap_or(i64::MAX),))?;
    let mut last = books.totals.base;
    while let Some(columns) = entries.next()? {
        let entry = columns::audit_entry(columns)?;
        if entry.draft.at >= before {
            break;
        }
        last = books
            .key()
            .follow(last, &entry)
            .map_err(|broken| damaged(&format!("the audit log cannot be pruned: {broken}")))?;
    }
    Ok(last)
}

/// Writes the entries that come next.
pub(super) fn write(work: &mut Work<'_>, drafts: impl IntoIterator<Item = AuditDraft>) -> Result<(), Failure> {
    let mut drafts = drafts.into_iter().peekable();
    if drafts.peek().is_none() {
        return Ok(());
    }
    let mut insert = work.db.prepare_cached(
        "INSERT INTO audit (sequence, at, project, actor, action, subject, outcome, count, detail, request_id, address, mac) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let books = work.books()?;
    for draft in drafts {
        let entry = books.entry(draft);
        let draft = &entry.draft;
        insert.execute((
            signed(entry.sequence),
            signed(draft.at.0),
            draft.project.map(|project| signed(project.get())),
            &draft.actor,
            &draft.action,
            &draft.subject,
            columns::outcome_word(draft.outcome),
            signed(draft.count),
            &draft.detail,
            &draft.request_id,
            &draft.address,
            entry.mac,
        ))?;
    }
    Ok(())
}

/// Reads one step of a query; gives what fits, and the query for the rest if there may be more.
fn read_step(work: &mut Work<'_>, query: AuditQuery) -> Result<(Vec<AuditEntry>, Option<AuditQuery>), Failure> {
    let totals = work.books()?.totals;
    // The entries that are left to look at, both ends included.
    let (mut first, mut last) = (totals.base.sequence + 1, totals.head.sequence);
    match query.after {
        Some(after) if query.newest_first => last = last.min(after.saturating_sub(1)),
        Some(after) => first = first.max(after.saturating_add(1)),
        None => {}
    }
    if first > last {
        return Ok((Vec::new(), None));
    }
    // A subject has an index, which names few of them; else a step looks at so many and no more.
    if query.subject.is_none() && query.newest_first {
        first = first.max(last.saturating_sub(STEP_LOOKS_MAX - 1));
    } else if query.subject.is_none() {
        last = last.min(first.saturating_add(STEP_LOOKS_MAX - 1));
    }
    let order = if query.newest_first { "DESC" } else { "ASC" };
    let (subject, limit) = match query.subject {
        Some(_) => ("subject = ?3", STEP_ENTRIES_MAX),
        None => ("?3 IS NULL", u64::MAX >> 1),
    };
    // What the database passes over costs a fraction of what is read and then not wanted. Not where a subject's index leads: there the limit counts what
    // was looked at. Times beyond what fits into a signed number come out negative.
    let sql = format!(
        "SELECT {AUDIT_COLUMNS} FROM audit WHERE sequence BETWEEN ?1 AND ?2 AND {subject} AND (?3 IS NOT NULL OR (\
         (?4 IS NULL OR project = ?4) AND (?5 IS NULL OR actor = ?5) AND (?6 IS NULL OR (action >= ?6 AND action < ?7)) \
         AND (?8 IS NULL OR outcome = ?8) AND (?9 IS NULL OR at < 0 OR at >= ?9) AND (?10 IS NULL OR at < ?10))) \
         ORDER BY sequence {order} LIMIT {limit}"
    );
    let mut statement = work.db.prepare_cached(&sql)?;
    let project = query.project.map(|project| signed(project.get()));
    let time = |at: Option<UnixMillis>| at.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX));
    let mut candidates = statement.query((
        signed(first),
        signed(last),
        &query.subject,
        project,
        &query.actor,
        &query.action,
        query.action.as_deref().map(behind),
        query.outcome.map(columns::outcome_word),
        time(query.since),
        time(query.until),
    ))?;
    let (mut entries, mut at, mut count) = (Vec::new(), None, 0);
    while let Some(columns) = candidates.next()? {
        let entry = columns::audit_entry(columns)?;
        (at, count) = (Some(entry.sequence), count + 1);
        // The query itself is the judge of each.
        if query.admits(&entry) {
            entries.push(entry);
        }
        if entries.len() == query.limit() {
            return Ok((entries, None));
        }
    }
    let after = match query.subject {
        Some(_) => at.filter(|_| count == limit),
        None if query.newest_first => (first > totals.base.sequence + 1).then_some(first),
        None => (last < totals.head.sequence).then_some(last),
    };
    let limit = query.limit() - entries.len();
    Ok((entries, after.map(|after| AuditQuery { after: Some(after), limit, ..query })))
}

/// The first text behind an action, or behind all that begin so: those that end in `.`.
fn behind(action: &str) -> String {
    match action.strip_suffix('.') {
        Some(stem) => format!("{stem}/"),
        None => format!("{action}\u{1}"),
    }
}

/// Follows the chain for one step, from an entry that is proven.
fn verify_step(work: &mut Work<'_>, at: ChainHead) -> Result<Result<Proof, ChainBreak>, Failure> {
    let db = work.db;
    let books = work.books()?;
    let (base, head) = (books.totals.base, books.totals.head);
    // What was pruned meanwhile needs no proof, and the books know where the rest begins.
    let mut at = if at.sequence < base.sequence { base } else { at };
    let sql =
        format!("SELECT {AUDIT_COLUMNS} FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT {STEP_ENTRIES_MAX}");
    let mut statement = db.prepare_cached(&sql)?;
    let mut entries = statement.query((signed(at.sequence),))?;
    let mut count = 0;
    while let Some(columns) = entries.next()? {
        count += 1;
        // An entry that cannot even be read is not what was written.
        let Ok(entry) = columns::audit_entry(columns) else { return Ok(Err(ChainBreak::Changed(at.sequence + 1))) };
        at = match books.key().follow(at, &entry) {
            Ok(on) => on,
            Err(broken) => return Ok(Err(broken)),
        };
    }
    if count == STEP_ENTRIES_MAX {
        return Ok(Ok(Proof::On { at, base: base.sequence, head: head.sequence }));
    }
    if find(db, "SELECT 1 FROM audit WHERE sequence <= ?1", (signed(base.sequence),), |_| Ok(()))?.is_some() {
        return Ok(Err(ChainBreak::Gap { expected: base.sequence + 1, found: base.sequence }));
    }
    Ok(if at == head {
        Ok(Proof::End(base, head))
    } else if at.sequence == head.sequence {
        Err(ChainBreak::Changed(at.sequence))
    } else {
        Err(ChainBreak::End { expected: head.sequence, found: at.sequence })
    })
}
