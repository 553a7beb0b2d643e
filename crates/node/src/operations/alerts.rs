//! What somebody should look at: found by the server once a minute, told to webhook endpoints once, and listed until it is over and a while
//! longer. What holds is kept with the project's usage, so that a restart raises nothing twice.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::error::Result;
use tollgate_core::ids::TokenId;
use tollgate_core::peer::network_of;
use tollgate_core::records::{AlertRecord, ProjectUsageRecord};

use super::admission::RATE_LIMITED;
use super::events::Data;
use crate::Node;
use crate::directory::{ProjectEntry, Records};

const DAY_MS: u64 = 86_400_000;
/// Over how long the rate of failures is taken.
const RATE_MS: u64 = 5 * 60_000;
/// Attempts within that time under which a rate says nothing.
const ATTEMPTS_MIN: u64 = 50;
/// Failures in a thousand attempts above which it is an alert, and below which that is over.
const FAILURES_PER_MILLE: (u64, u64) = (20, 10);
/// After how long a key should be rotated.
const KEY_AGE_MS: u64 = 365 * DAY_MS;
/// After how long without use a token should be deleted.
const UNUSED_MS: u64 = 30 * DAY_MS;
/// Networks (of IPv4 a /24, of IPv6 a /64) from which one token is used at once.
const NETWORKS_MIN: usize = 3;
/// How long a full line of messages is news.
const OVERFLOW_MS: u64 = 10 * 60_000;
/// How much later than planned a new signing key may come.
const SIGNING_KEY_LATE_MS: u64 = DAY_MS;
/// Alerts of one project that hold at once; more are not raised until some are over.
const ACTIVE_MAX: usize = 64;
/// Alerts kept that are over.
const CLEARED_MAX: usize = 64;

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertView {
    /// The record.
    pub record: AlertRecord,
}

/// What holds now: its kind, its subject, and a sentence.
type Found = (&'static str, String, String);

impl Node {
    /// The project's alerts: those that hold, and the latest of those that are over; oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn alerts(&self, caller: &Caller) -> Result<Vec<AlertView>> {
        let entry = self.authorize(caller, Action::ReadAudit)?;
        let kept = entry.read().project_usage.clone();
        let alerts = kept.map(|kept| kept.record.alerts.clone()).unwrap_or_default();
        Ok(alerts.into_iter().map(|record| AlertView { record }).collect())
    }

    /// Looks in every project for what should be told, and for what is over. Called once a minute.
    pub async fn look_for_alerts(&self) {
        for entry in self.directory.projects() {
            if let Err(error) = self.look_in(&entry).await {
                tracing::warn!(%error, "alerts could not be written; they are tried again");
            }
        }
    }

    async fn look_in(&self, entry: &Arc<ProjectEntry>) -> Result<()> {
        let now = self.now();
        let counts = {
            let records = entry.read();
            let counted_at = records.project_usage.as_ref().and_then(|kept| kept.record.unused_counted_at);
            counted_at.is_none_or(|at| at.plus(DAY_MS) <= now).then(|| unused(&records, now))
        };
        let mut raised = 0;
        self.change(&"the alerts", || {
            let kept = entry.read().project_usage.clone();
            let before = kept.as_ref().map(|kept| ProjectUsageRecord::clone(&kept.record)).unwrap_or_default();
            let found = self.found(entry, &before, counts, now);
            let mut record = before.clone();
            let told = merge(&mut record.alerts, found, now);
            raised = told.iter().filter(|alert| alert.cleared_at.is_none()).count() as u64;
            if counts.is_some_and(|count| count > 0) || before.unused_counted_at.is_some() && counts.is_some() {
                record.unused_counted_at = Some(now);
            }
            if record == before {
                return Ok((Vec::new(), Vec::new(), ()));
            }
            let mut writes = vec![self.put_project_usage(entry, kept.as_ref(), &record)];
            let told = told.into_iter().map(|alert| {
                let event = if alert.cleared_at.is_none() { "alert.raised" } else { "alert.cleared" };
                let data = Data {
                    alert: Some(alert.kind),
                    id: Some(alert.subject),
                    detail: Some(alert.detail),
                    ..Data::default()
                };
                (event, now, data)
            });
            writes.append(&mut self.queue(entry, told.collect()));
            Ok((writes, Vec::new(), ()))
        })
        .await?;
        if raised > 0 {
            self.counters.alerts_raised.add(raised);
        }
        self.courier.wake();
        Ok(())
    }

    /// All that holds now. What is counted once a day holds until it is counted again.
    fn found(
        &self,
        entry: &ProjectEntry,
        before: &ProjectUsageRecord,
        unused: Option<usize>,
        now: UnixMillis,
    ) -> Vec<Found> {
        let active =
            |kind: &'static str| before.alerts.iter().filter(move |one| one.kind == kind && one.cleared_at.is_none());
        let project = entry.project.id.to_string();
        let mut found: Vec<Found> = Vec::new();
        let holds = active("failure_rate").next().is_some();
        found.extend(self.failure_rate(entry, holds, now).map(|detail| ("failure_rate", project.clone(), detail)));
        for key in self.directory.keys() {
            let age = now.0.saturating_sub(key.record.created_at.0);
            if key.project == entry.project.id && key.record.works(now) && age > KEY_AGE_MS {
                let detail = format!("This project key is in use for {} days; rotate it.", age / DAY_MS);
                found.push(("old_key", key.id.to_string(), detail));
            }
        }
        let unused_detail = match unused {
            Some(0) => None,
            Some(count) => {
                Some(format!("{count} tokens were not used for 30 days or more; delete those that nobody needs."))
            }
            None => active("unused_tokens").next().map(|alert| alert.detail.clone()),
        };
        found.extend(unused_detail.map(|detail| ("unused_tokens", project.clone(), detail)));
        let records = entry.read();
        let far = records.token_usage.iter().filter(|(_, kept)| kept.record.addresses.len() >= NETWORKS_MIN);
        for token in far.map(|(id, _)| TokenId::new(*id)) {
            let networks = networks_at_once(&records, token);
            if networks >= NETWORKS_MIN {
                let detail = format!("This token is connected from {networks} networks at once; was it passed on?");
                found.push(("many_networks", token.to_string(), detail));
            }
        }
        if self.courier.overflowed_at(entry.project.id).is_some_and(|at| now.0.saturating_sub(at.0) < OVERFLOW_MS) {
            let detail =
                "Messages to webhook endpoints were dropped, because too many wait already; see which endpoints fail.";
            found.push(("webhook_overflow", project.clone(), detail.into()));
        }
        drop(records);
        if entry.settings().hook.as_ref().is_some_and(|hook| self.hooks.rests(entry.project.id, &hook.url)) {
            let detail = "The project's access hook failed again and again, so clients are refused what it decides; see why it fails.";
            found.push(("hook_failing", project.clone(), detail.into()));
        }
        found.extend(signing_key_overdue(entry, now).map(|detail| ("signing_key_overdue", project, detail)));
        found
    }

    fn failure_rate(&self, entry: &ProjectEntry, holds: bool, now: UnixMillis) -> Option<String> {
        let from = UnixMillis(now.0.saturating_sub(RATE_MS));
        let (mut attempts, mut failures) = (0, 0);
        for bucket in self.minutes.between(entry.project.id, from, now.plus(1)) {
            let failed = bucket.refusals.iter().filter(|(code, _)| code != RATE_LIMITED);
            let refused: u64 = failed.map(|(_, count)| count).sum();
            attempts += bucket.connections + bucket.requests + refused;
            failures += refused;
        }
        let (above, below) = FAILURES_PER_MILLE;
        let limit = if holds { below } else { above };
        (attempts >= ATTEMPTS_MIN && failures * 1_000 > attempts * limit).then(|| {
            // Not the numbers of this minute: the alert is told once.
            format!("More than {} % of authentications failed within five minutes.", above / 10)
        })
    }
}

/// Puts what holds in place of what held; answers what is new and what is over.
fn merge(alerts: &mut Vec<AlertRecord>, found: Vec<Found>, now: UnixMillis) -> Vec<AlertRecord> {
    let mut told = Vec::new();
    let is = |alert: &AlertRecord, one: &Found| alert.kind == one.0 && alert.subject == one.1;
    for alert in alerts.iter_mut().filter(|alert| alert.cleared_at.is_none()) {
        if !found.iter().any(|one| is(alert, one)) {
            alert.cleared_at = Some(now);
            told.push(alert.clone());
        }
    }
    for one in found {
        let mut active = alerts.iter().filter(|alert| alert.cleared_at.is_none());
        if active.clone().any(|alert| is(alert, &one)) || active.by_ref().count() >= ACTIVE_MAX {
            continue;
        }
        let (kind, subject, detail) = one;
        let alert = AlertRecord { kind: kind.into(), subject, detail, raised_at: now, cleared_at: None };
        alerts.push(alert.clone());
        told.push(alert);
    }
    let mut surplus = alerts.iter().filter(|alert| alert.cleared_at.is_some()).count().saturating_sub(CLEARED_MAX);
    alerts.retain(|alert| {
        let goes = surplus > 0 && alert.cleared_at.is_some();
        surplus -= usize::from(goes);
        !goes
    });
    told
}

/// Tokens that work and were not used for long: since they were made, if never.
fn unused(records: &Records, now: UnixMillis) -> usize {
    let is_unused = |(id, token): &(TokenId, &crate::directory::TokenEntry)| {
        let used_at = || records.token_usage.get(&id.get()).and_then(|kept| kept.record.last_used_at);
        let is_long_ago = |at: UnixMillis| at.plus(UNUSED_MS) <= now;
        is_long_ago(token.created_at)
            && token.end(token.generation, now).is_none()
            && !token.is_online()
            && used_at().is_none_or(is_long_ago)
    };
    records.tokens().filter(is_unused).count()
}

/// From how many networks the token's live connections came: those seen since the first of them came. At most as many as there are connections.
fn networks_at_once(records: &Records, token: TokenId) -> usize {
    let Some(found) = records.token(token) else { return 0 };
    let live = found.live_connections();
    let Some(since) = live.iter().map(|one| one.since).min() else { return 0 };
    let usage = records.token_usage.get(&token.get());
    let seen = usage.into_iter().flat_map(|kept| &kept.record.addresses).filter(|(_, at)| *at >= since);
    let networks: BTreeSet<IpAddr> = seen.filter_map(|(address, _)| address.parse().ok()).map(wide_network).collect();
    networks.len().min(live.len())
}

/// Of IPv4 the /24, of IPv6 the /64.
fn wide_network(address: IpAddr) -> IpAddr {
    match network_of(address) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 0])
        }
        network @ IpAddr::V6(_) => network,
    }
}

fn signing_key_overdue(entry: &ProjectEntry, now: UnixMillis) -> Option<String> {
    let life = entry.settings().signing_key_life_ms?;
    let records = entry.read();
    let newest = records.signing_keys.values().filter(|kept| kept.record.retired_at.is_none());
    let newest = newest.map(|kept| kept.record.signs_from).max()?;
    (newest.plus(life).plus(SIGNING_KEY_LATE_MS) <= now)
        .then(|| "The signing key is older than the project wants, and no new one was made; rotate it.".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(subjects: &[&str]) -> Vec<Found> {
        subjects.iter().map(|subject| ("old_key", (*subject).to_owned(), "Old.".to_owned())).collect()
    }

    #[test]
    fn each_is_told_once_until_it_is_over() {
        let mut alerts = Vec::new();
        let mut told = |subjects: &[&str], now: u64| {
            let told = merge(&mut alerts, found(subjects), UnixMillis(now));
            told.into_iter().map(|alert| (alert.subject, alert.cleared_at.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(told(&["a"], 1), [("a".to_owned(), false)]);
        assert_eq!(told(&["a"], 2), []);
        assert_eq!(told(&["a", "b"], 3), [("b".to_owned(), false)]);
        assert_eq!(told(&["b"], 4), [("a".to_owned(), true)]);
        assert_eq!(told(&["a", "b"], 5), [("a".to_owned(), false)]);
        assert_eq!(alerts.len(), 3);
    }

    #[test]
    fn alerts_are_bounded() {
        let mut alerts = Vec::new();
        for round in 0..10 {
            let subjects: Vec<String> = (0..100).map(|one| format!("{round} {one}")).collect();
            let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
            merge(&mut alerts, found(&subjects), UnixMillis(round));
        }
        assert_eq!(alerts.len(), ACTIVE_MAX + CLEARED_MAX);
    }

    #[test]
    fn networks_are_wide() {
        let network = |text: &str| wide_network(text.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.77"), "192.0.2.0");
        assert_eq!(network("::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
