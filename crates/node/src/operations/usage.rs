//! What tokens, users and projects used, kept: sums noted in memory become records once a minute and at an orderly stop. Whoever dies loses
//! the last minute of them, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId, UserId};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::{ProjectUsageRecord, UsageBucket, UsageRecord};

use super::writing::{origin, origin_address};
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Table, UsageDelta};

/// Tokens whose usage is written in one unit of work; with their users that is at most twice as many rows.
const UNIT_MAX: usize = 250;
/// Codes of refusals that a record tells apart; others are counted together.
const CODES_MAX: usize = 16;
/// The word for the others.
const OTHER: &str = "other";
/// Addresses that a record names.
const ADDRESSES_MAX: usize = 8;
/// Minutes of a project kept in memory: a day.
pub const SERIES_MINUTES_MAX: usize = 1_440;
/// Hours of a project kept: seven days.
const HOURS_MAX: usize = 7 * 24;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// What a token or user used.
#[derive(Clone, Debug)]
pub struct UsageView {
    /// The record; all zeros when nothing was used yet. To the minute.
    pub record: UsageRecord,
    /// Live connections now.
    pub live_connections: usize,
}

/// The minutes of each project.
#[derive(Debug, Default)]
pub(crate) struct Minutes(Mutex<HashMap<ProjectId, VecDeque<UsageBucket>>>);

impl Minutes {
    fn add(&self, project: ProjectId, now: UnixMillis, delta: &UsageDelta) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = all.entry(project).or_default();
        let at = UnixMillis(now.0 - now.0 % MINUTE_MS);
        if minutes.back().is_none_or(|last| last.at < at) {
            minutes.push_back(UsageBucket { at, ..UsageBucket::default() });
        }
        if let Some(last) = minutes.back_mut() {
            add_to_bucket(last, delta);
        }
        while minutes.len() > SERIES_MINUTES_MAX {
            minutes.pop_front();
        }
    }

    /// The buckets that begin in this span, oldest first.
    pub(super) fn between(&self, project: ProjectId, from: UnixMillis, to: UnixMillis) -> Vec<UsageBucket> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |bucket: &&UsageBucket| from <= bucket.at && bucket.at < to;
        all.get(&project).into_iter().flatten().filter(within).cloned().collect()
    }
}

impl Node {
    /// A request was let in.
    pub(super) fn note_request(&self, project: ProjectId, token: Option<TokenId>, now: UnixMillis) {
        self.directory.requested((project, token), origin_address(), now);
    }

    /// A connection or a request was refused, with this code. Of whom no project is known, nothing is counted here.
    pub(super) fn note_refusal(&self, project: Option<ProjectId>, token: Option<TokenId>, code: &'static str) {
        let Some(project) = project else { return };
        let addresses = origin().address.into_iter().filter(|_| token.is_some()).collect();
        let delta = UsageDelta { refusals: vec![(code, 1)], addresses, ..UsageDelta::default() };
        self.directory.used([((project, token), delta)]);
    }

    /// What a token used.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn token_usage(&self, caller: &Caller, token: &PresentedSecret) -> Result<(TokenId, UsageView)> {
        let entry = self.authorize(caller, Action::ReadAudit)?;
        let token = self.resolve_token(&entry, token)?;
        let records = entry.read();
        let record = records.token_usage.get(&token.get()).map(|kept| UsageRecord::clone(&kept.record));
        let live_connections = records.token(token).map_or(0, |found| found.live_connections().len());
        Ok((token, UsageView { record: record.unwrap_or_default(), live_connections }))
    }

    /// What a user's tokens used.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn user_usage(&self, caller: &Caller, user_id: &str) -> Result<UsageView> {
        let entry = self.authorize(caller, Action::ReadAudit)?;
        let records = entry.read();
        let (id, user) = records
            .user_named(user_id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "There is no such user in this project."))?;
        let record = records.user_usage.get(&id.get()).map(|kept| UsageRecord::clone(&kept.record));
        let live = user.tokens.iter().filter_map(|token| records.token(*token));
        let live_connections = live.map(|token| token.live_connections().len()).sum();
        Ok(UsageView { record: record.unwrap_or_default(), live_connections })
    }

    /// What the project used from `from` to `to`, by minutes (of the last day, since the start of the server) or hours (of the last seven days).
    /// Times in which nothing was used are left out.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn project_usage(
        &self,
        caller: &Caller,
        (from, to): (UnixMillis, UnixMillis),
        by_minutes: bool,
    ) -> Result<Vec<UsageBucket>> {
        let entry = self.authorize(caller, Action::ReadAudit)?;
        if by_minutes {
            return Ok(self.minutes.between(entry.project.id, from, to));
        }
        let kept = entry.read().project_usage.clone();
        let hours = kept.map(|kept| kept.record.hours.clone()).unwrap_or_default();
        Ok(hours.into_iter().filter(|bucket| from <= bucket.at && bucket.at < to).collect())
    }

    /// Writes down what was used since the last time. Called once a minute, and at shutdown. What the store does not take is kept for the next
    /// time.
    pub async fn keep_usage(&self) {
        let mut by_project: BTreeMap<ProjectId, Vec<(Option<TokenId>, UsageDelta)>> = BTreeMap::new();
        for ((project, token), delta) in self.directory.take_usage() {
            by_project.entry(project).or_default().push((token, *delta));
        }
        for (project, deltas) in by_project {
            let Some(entry) = self.directory.project(project) else { continue };
            for part in deltas.chunks(UNIT_MAX) {
                let mut sum = UsageDelta::default();
                for (_, delta) in part {
                    sum.add(delta.clone());
                }
                match self.keep_usage_of(&entry, part, &sum).await {
                    Ok(()) => self.minutes.add(project, self.now(), &sum),
                    Err(error) => {
                        tracing::warn!(%error, "usage could not be written; it is tried again");
                        self.directory.used(part.iter().map(|(token, delta)| ((project, *token), delta.clone())));
                    }
                }
            }
            self.forget_usage(&entry).await;
        }
    }

    /// One unit of work: these tokens, their users, and the hour of the project.
    async fn keep_usage_of(
        &self,
        entry: &Arc<ProjectEntry>,
        part: &[(Option<TokenId>, UsageDelta)],
        sum: &UsageDelta,
    ) -> Result<()> {
        self.change(&"the usage", || {
            let records = entry.read();
            let mut writes = Vec::new();
            let mut users: BTreeMap<UserId, UsageDelta> = BTreeMap::new();
            for (token, delta) in part {
                // A deleted token counts for its project alone.
                let Some((id, found)) = token.and_then(|token| Some((token, records.token(token)?))) else { continue };
                if let Some(user) = found.user.filter(|user| records.user(*user).is_some()) {
                    users.entry(user).or_default().add(delta.clone());
                }
                writes.push(self.added(entry, RowKind::TokenUsage, &records.token_usage, id.get(), delta));
            }
            for (user, delta) in users {
                writes.push(self.added(entry, RowKind::UserUsage, &records.user_usage, user.get(), &delta));
            }
            let kept = records.project_usage.clone();
            let mut record = kept.as_ref().map(|kept| ProjectUsageRecord::clone(&kept.record)).unwrap_or_default();
            add_to_hours(&mut record.hours, self.now(), sum);
            writes.push(self.put_project_usage(entry, kept.as_ref(), &record));
            Ok((writes, Vec::new(), ()))
        })
        .await
    }

    /// The step that puts the project's own record in place.
    pub(super) fn put_project_usage(
        &self,
        entry: &ProjectEntry,
        kept: Option<&Kept<ProjectUsageRecord>>,
        record: &ProjectUsageRecord,
    ) -> Write {
        let (kind, id) = (RowKind::ProjectUsage, entry.project.id.get());
        match kept {
            Some(kept) => self.update(entry, kind, id, kept.revision, record),
            None => self.insert(entry, kind, id, record),
        }
    }

    fn added(
        &self,
        entry: &ProjectEntry,
        kind: RowKind,
        table: &Table<UsageRecord>,
        id: u64,
        delta: &UsageDelta,
    ) -> Write {
        let kept = table.get(&id);
        let mut record = kept.map(|kept| UsageRecord::clone(&kept.record)).unwrap_or_default();
        add_to_record(&mut record, delta);
        match kept {
            Some(kept) => self.update(entry, kind, id, kept.revision, &record),
            None => self.insert(entry, kind, id, &record),
        }
    }

    /// Steps that delete tokens, with those that delete what is counted of them.
    pub(super) fn with_usage(&self, mut writes: Vec<Write>) -> Vec<Write> {
        let deleted = |kind: RowKind| {
            writes.iter().filter_map(move |write| match write {
                Write::Delete(name) if name.kind == kind => Some(*name),
                _ => None,
            })
        };
        let known: BTreeSet<RowName> = deleted(RowKind::TokenUsage).collect();
        let mut of_tokens: BTreeSet<RowName> =
            deleted(RowKind::Token).map(|token| RowName { kind: RowKind::TokenUsage, ..token }).collect();
        of_tokens.retain(|name| {
            let is_kept = |entry: Arc<ProjectEntry>| entry.read().token_usage.contains_key(&name.id);
            !known.contains(name) && self.directory.project(name.project).is_some_and(is_kept)
        });
        writes.extend(of_tokens.into_iter().map(Write::Delete));
        writes
    }

    /// Forgets the usage of tokens and users that are gone.
    async fn forget_usage(&self, entry: &Arc<ProjectEntry>) {
        let project = entry.project.id;
        let orphans: Vec<Write> = {
            let records = entry.read();
            // It goes with its token, but for what was written at the same moment. Looked for when it is sure to be found.
            if records.token_usage.len() <= records.token_count() && records.user_usage.len() <= records.users().len() {
                return;
            }
            let gone = |kind: RowKind, id: u64| Write::Delete(RowName { kind, project, id });
            let tokens = records.token_usage.keys().filter(|id| records.token(TokenId::new(**id)).is_none());
            let users = records.user_usage.keys().filter(|id| records.user(UserId::new(**id)).is_none());
            let tokens = tokens.map(|id| gone(RowKind::TokenUsage, *id));
            tokens.chain(users.map(|id| gone(RowKind::UserUsage, *id))).take(2 * UNIT_MAX).collect()
        };
        if !orphans.is_empty() {
            super::upkeep::report(self.commit(orphans, Vec::new()).await);
        }
    }
}

fn add_to_record(record: &mut UsageRecord, delta: &UsageDelta) {
    let at = delta.last_at;
    // Being refused is no use.
    if delta.connects + delta.requests + delta.messages_in + delta.messages_out > 0 {
        record.first_seen_at = record.first_seen_at.or(Some(at));
        record.last_used_at = record.last_used_at.max(Some(at));
    }
    record.last_seen_at = record.last_seen_at.max(delta.seen_at);
    record.connections = record.connections.saturating_add(delta.connects);
    record.messages_in = record.messages_in.saturating_add(delta.messages_in);
    record.messages_out = record.messages_out.saturating_add(delta.messages_out);
    record.requests = record.requests.saturating_add(delta.requests);
    add_refusals(&mut record.refusals, delta);
    for address in &delta.addresses {
        let address = address.to_string();
        record.addresses.retain(|(known, _)| *known != address);
        record.addresses.push((address, at));
    }
    let surplus = record.addresses.len().saturating_sub(ADDRESSES_MAX);
    record.addresses.drain(..surplus);
}

fn add_to_bucket(bucket: &mut UsageBucket, delta: &UsageDelta) {
    bucket.connections = bucket.connections.saturating_add(delta.connects);
    bucket.messages_in = bucket.messages_in.saturating_add(delta.messages_in);
    bucket.messages_out = bucket.messages_out.saturating_add(delta.messages_out);
    bucket.requests = bucket.requests.saturating_add(delta.requests);
    add_refusals(&mut bucket.refusals, delta);
}

fn add_to_hours(hours: &mut Vec<UsageBucket>, now: UnixMillis, delta: &UsageDelta) {
    let at = UnixMillis(now.0 - now.0 % HOUR_MS);
    if hours.last().is_none_or(|last| last.at < at) {
        hours.push(UsageBucket { at, ..UsageBucket::default() });
    }
    if let Some(last) = hours.last_mut() {
        add_to_bucket(last, delta);
    }
    let oldest = UnixMillis(at.0.saturating_sub((HOURS_MAX as u64 - 1) * HOUR_MS));
    hours.retain(|hour| hour.at >= oldest);
}

fn add_refusals(refusals: &mut Vec<(String, u64)>, delta: &UsageDelta) {
    for (code, count) in &delta.refusals {
        let is_full = refusals.len() >= CODES_MAX - 1;
        let is_known = refusals.iter().any(|(known, _)| known == code);
        let code = if is_full && !is_known { OTHER } else { code };
        match refusals.iter_mut().find(|(known, _)| known == code) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => refusals.push((code.to_owned(), *count)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;

    use super::*;

    fn delta(connects: u64, address: u8, last_at: u64) -> UsageDelta {
        let addresses = vec![IpAddr::from([10, 0, 0, address])];
        UsageDelta { connects, addresses, last_at: UnixMillis(last_at), ..UsageDelta::default() }
    }

    #[test]
    fn records_sum_up_and_name_the_newest_addresses() {
        let mut record = UsageRecord::default();
        for round in 1..=10 {
            add_to_record(&mut record, &delta(2, u8::try_from(round).unwrap(), round));
        }
        add_to_record(&mut record, &delta(1, 5, 11));
        assert_eq!(
            (record.connections, record.first_seen_at, record.last_used_at),
            (21, Some(UnixMillis(1)), Some(UnixMillis(11)))
        );
        let addresses: Vec<_> = record.addresses.iter().map(|(address, at)| (address.as_str(), at.0)).collect();
        let expected = [
            ("10.0.0.3", 3),
            ("10.0.0.4", 4),
            ("10.0.0.6", 6),
            ("10.0.0.7", 7),
            ("10.0.0.8", 8),
            ("10.0.0.9", 9),
            ("10.0.0.10", 10),
            ("10.0.0.5", 11),
        ];
        assert_eq!(addresses, expected);
        let refused =
            UsageDelta { refusals: vec![("token_expired", 3)], last_at: UnixMillis(99), ..UsageDelta::default() };
        add_to_record(&mut record, &refused);
        assert_eq!(record.last_used_at, Some(UnixMillis(11)), "who is refused has used nothing");
        assert_eq!(record.refusals, [("token_expired".to_owned(), 3)]);
    }

    #[test]
    fn codes_and_hours_are_bounded() {
        const CODES: [&str; 20] =
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];
        let mut hours = Vec::new();
        for hour in 0..400 {
            let refusals = CODES.iter().map(|code| (*code, 1)).collect();
            add_to_hours(&mut hours, UnixMillis(hour * HOUR_MS + 5), &UsageDelta { refusals, ..UsageDelta::default() });
        }
        assert_eq!((hours.len(), hours[0].at), (HOURS_MAX, UnixMillis((400 - HOURS_MAX as u64) * HOUR_MS)));
        let refusals = &hours[0].refusals;
        assert_eq!((refusals.len(), refusals.last().unwrap()), (CODES_MAX, &("other".to_owned(), 5)));
    }
}
