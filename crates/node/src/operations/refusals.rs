//! Failed authentications, refused connects and limited calls: counted in memory and written down once a minute, one audit entry for each
//! project and reason, so that whoever knocks a million times fills a counter and no disk.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tollgate_core::audit::AuditOutcome;
use tollgate_core::authorize::Caller;
use tollgate_core::ids::ProjectId;
use tollgate_core::peer::network_of;

use crate::Node;

/// Most pairs of project and reason between two writings; what is beyond counts to no project.
const PAIRS_MAX: usize = 1_024;
/// Most addresses remembered of a pair.
const ADDRESSES_MAX: usize = 16;
/// How many of them the entry names.
const ADDRESSES_SHOWN: usize = 5;

/// What has been refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Since the last writing.
    since: Mutex<HashMap<(Option<ProjectId>, &'static str), Refused>>,
    /// Since the start, by reason. Reasons are words of ours: there are few.
    totals: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Refused {
    count: u64,
    /// The busiest addresses, about: a newcomer takes the place of the least busy one and its count (the space-saving algorithm), so that
    /// none that is busy is missed.
    addresses: Vec<(IpAddr, u64)>,
}

impl Refusals {
    pub(crate) fn note(&self, project: Option<ProjectId>, reason: &'static str, address: Option<IpAddr>) {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
        let mut kept = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.len() < PAIRS_MAX || kept.contains_key(&(project, reason));
        let refused = kept.entry((project.filter(|_| known), reason)).or_default();
        refused.count += 1;
        let Some(address) = address.map(network_of) else { return };
        let is_full = refused.addresses.len() >= ADDRESSES_MAX;
        if let Some((_, count)) = refused.addresses.iter_mut().find(|(one, _)| *one == address) {
            *count += 1;
        } else if !is_full {
            refused.addresses.push((address, 1));
        } else if let Some(least) = refused.addresses.iter_mut().min_by_key(|(_, count)| *count) {
            *least = (address, least.1 + 1);
        }
    }

    /// How often each reason was given since the start.
    pub(crate) fn totals(&self) -> Vec<(&'static str, u64)> {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    fn take(&self) -> Vec<(Option<ProjectId>, &'static str, Refused)> {
        let kept = std::mem::take(&mut *self.since.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all: Vec<_> = kept.into_iter().map(|((project, reason), refused)| (project, reason, refused)).collect();
        all.sort_by_key(|(project, reason, _)| (*project, *reason));
        all
    }
}

impl Refused {
    fn detail(mut self, reason: &str) -> String {
        self.addresses.sort_by_key(|(address, count)| (std::cmp::Reverse(*count), *address));
        let mut detail = reason.to_owned();
        for (place, (address, count)) in self.addresses.iter().take(ADDRESSES_SHOWN).enumerate() {
            let _infallible = write!(detail, "{} {address} ({count})", if place == 0 { "; from" } else { "," });
        }
        detail
    }
}

impl Node {
    /// Writes down what was refused since the last time: an entry `authentication.refused` for each project and reason, with the count and
    /// the busiest addresses. Called once a minute, and at shutdown.
    pub async fn keep_refusals(&self) {
        let drafts: Vec<_> = self
            .refusals
            .take()
            .into_iter()
            .map(|(project, reason, refused)| {
                let mut draft = self.entry_of(&Caller::System, project, "authentication.refused", &reason);
                (draft.actor, draft.outcome, draft.count) = ("anonymous".into(), AuditOutcome::Refused, refused.count);
                draft.detail = Some(refused.detail(reason));
                draft
            })
            .collect();
        if !drafts.is_empty()
            && let Err(error) = self.commit(Vec::new(), drafts).await
        {
            tracing::warn!(%error, "the summary of refusals could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(last: u32) -> Option<IpAddr> {
        Some(IpAddr::V4((0x0a00_0000 + last).into()))
    }

    #[test]
    fn a_flood_is_one_entry_with_the_busiest_addresses() {
        let refusals = Refusals::default();
        for round in 0..10_000 {
            refusals.note(None, "unknown_key", address(if round % 2 == 0 { 1 } else { 100 + round }));
        }
        refusals.note(Some(ProjectId::new(1)), "forged", None);
        let mut taken = refusals.take();
        assert_eq!(taken.len(), 2);
        let (project, reason, refused) = taken.remove(0);
        assert_eq!(
            (project, reason, refused.count, refused.addresses.len()),
            (None, "unknown_key", 10_000, ADDRESSES_MAX)
        );
        let detail = refused.detail(reason);
        assert!(detail.starts_with("unknown_key; from 10.0.0.1 (5000), "), "{detail}");
        assert!(detail.len() < 200, "{detail}");
        assert_eq!(taken.remove(0).2.detail("forged"), "forged");
        assert!(refusals.take().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        for project in 0..10_000 {
            refusals.note(Some(ProjectId::new(project)), "forged", address(1));
        }
        let taken = refusals.take();
        assert!(taken.len() <= PAIRS_MAX + 1);
        assert_eq!(taken.iter().map(|(_, _, refused)| refused.count).sum::<u64>(), 10_000, "and none is forgotten");
    }
}
