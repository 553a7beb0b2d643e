//! What was used since somebody last took it: a bounded sum per token in memory. Keeping it is upkeep's; what a token may use is not decided here.

use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ProjectId, TokenId};

use super::numbers::NumberMap;
use crate::counters::Counters;

/// Most tokens whose use is summed up at once. More than this number of tokens in use within one round of upkeep are counted as lost.
pub const USAGE_TOKENS_MAX: usize = 262_144;
/// Most addresses that one sum names; more are only counted.
pub const USAGE_ADDRESSES_MAX: usize = 8;

/// What a token, or the anonymous clients of a project, used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageDelta {
    /// Connections that were identified.
    pub connects: u64,
    /// Messages and states that its clients published.
    pub messages_in: u64,
    /// Messages, states and direct messages that were written to its connections.
    pub messages_out: u64,
    /// Requests over REST that were let in.
    pub requests: u64,
    /// Connections and requests that were refused, by their code.
    pub refusals: Vec<(&'static str, u64)>,
    /// Where its connections came from, each once, at most [`USAGE_ADDRESSES_MAX`].
    pub addresses: Vec<IpAddr>,
    /// Addresses that did not fit, perhaps counted more than once.
    pub addresses_more: u64,
    /// When it last had a connection, if it had one.
    pub seen_at: Option<UnixMillis>,
    /// When it was last used.
    pub last_at: UnixMillis,
}

impl UsageDelta {
    /// Adds another sum to this one.
    pub fn add(&mut self, other: Self) {
        self.connects = self.connects.saturating_add(other.connects);
        self.messages_in = self.messages_in.saturating_add(other.messages_in);
        self.messages_out = self.messages_out.saturating_add(other.messages_out);
        self.addresses_more = self.addresses_more.saturating_add(other.addresses_more);
        self.requests = self.requests.saturating_add(other.requests);
        for (code, count) in other.refusals {
            match self.refusals.iter_mut().find(|(known, _)| *known == code) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                // Codes are words of ours: there are few.
                None => self.refusals.push((code, count)),
            }
        }
        self.last_at = self.last_at.max(other.last_at);
        self.seen_at = self.seen_at.max(other.seen_at);
        if self.addresses.is_empty() {
            self.addresses.reserve_exact(other.addresses.len().min(USAGE_ADDRESSES_MAX));
        }
        other.addresses.into_iter().for_each(|address| self.came_from(address));
    }

    fn came_from(&mut self, address: IpAddr) {
        if self.addresses.contains(&address) {
            return;
        }
        if self.addresses.len() < USAGE_ADDRESSES_MAX {
            self.addresses.push(address);
        } else {
            self.addresses_more = self.addresses_more.saturating_add(1);
        }
    }
}

/// Whose use it is: a token's, or that of a project's anonymous clients.
pub type UsageKey = (ProjectId, Option<TokenId>);

/// The sums. Boxed: a storm of connections makes as many, and the table keeps room for twice as many.
#[derive(Debug, Default)]
pub(super) struct UsageSums(Mutex<NumberMap<UsageKey, Box<UsageDelta>>>);

impl UsageSums {
    /// Adds to several sums under one lock.
    pub(super) fn add(&self, counters: &Counters, deltas: impl IntoIterator<Item = (UsageKey, UsageDelta)>) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, delta) in deltas {
            let is_full = sums.len() >= USAGE_TOKENS_MAX;
            match sums.entry(key) {
                Entry::Occupied(sum) => sum.into_mut().add(delta),
                Entry::Vacant(_) if is_full => counters.usage_lost.add(1),
                Entry::Vacant(place) => place.insert(Box::default()).add(delta),
            }
        }
    }

    /// Adds a request: what comes most often by far, without a sum of its own.
    pub(super) fn add_request(&self, counters: &Counters, key: UsageKey, address: Option<IpAddr>, at: UnixMillis) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match sums.get_mut(&key) {
            Some(sum) => {
                sum.requests = sum.requests.saturating_add(1);
                sum.last_at = sum.last_at.max(at);
                address.into_iter().for_each(|address| sum.came_from(address));
            }
            None => {
                drop(sums);
                let addresses = address.into_iter().collect();
                self.add(
                    counters,
                    [(key, UsageDelta { requests: 1, addresses, last_at: at, ..UsageDelta::default() })],
                );
            }
        }
    }

    /// When a token last had a connection, as far as it was not taken yet.
    pub(super) fn seen_at(&self, project: ProjectId, token: TokenId) -> Option<UnixMillis> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.get(&(project, Some(token))).and_then(|sum| sum.seen_at)
    }

    pub(super) fn take(&self) -> NumberMap<UsageKey, Box<UsageDelta>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn delta(connects: u64, address: u8, last_at: u64) -> UsageDelta {
        let address = IpAddr::from([10, 0, 0, address]);
        UsageDelta { connects, addresses: vec![address], last_at: UnixMillis(last_at), ..UsageDelta::default() }
    }

    #[test]
    fn sums_are_taken_once_and_hold_each_address_once() {
        let (sums, counters) = (UsageSums::default(), Counters::default());
        let key = (ProjectId::new(1), Some(TokenId::new(2)));
        sums.add(&counters, [(key, delta(1, 1, 7)), (key, delta(2, 1, 5)), ((key.0, None), delta(4, 2, 1))]);
        let taken = sums.take();
        assert_eq!((taken.len(), &*taken[&key]), (2, &delta(3, 1, 7)));
        assert_eq!(taken[&key].addresses.capacity(), 1, "a storm of connections makes as many sums");
        assert!(sums.take().is_empty());
    }

    #[test]
    fn requests_are_summed_as_any_other_use() {
        let (sums, counters, key) = (UsageSums::default(), Counters::default(), (ProjectId::new(1), None));
        for (address, at) in [(Some(1), 5), (Some(2), 9), (Some(1), 7), (None, 8)] {
            let address = address.map(|address| IpAddr::from([10, 0, 0, address]));
            sums.add_request(&counters, key, address, UnixMillis(at));
        }
        let (sum, addresses) = (&sums.take()[&key], [1, 2].map(|address| IpAddr::from([10, 0, 0, address])));
        assert_eq!((sum.requests, sum.last_at, &sum.addresses[..]), (4, UnixMillis(9), &addresses[..]));
        assert_eq!(sum.seen_at, None, "a request is no connection");
    }

    #[test]
    fn addresses_and_tokens_are_bounded_and_what_is_over_is_counted() {
        let (sums, counters) = (UsageSums::default(), Counters::default());
        let key = |token| (ProjectId::new(1), Some(TokenId::new(token)));
        sums.add(&counters, (0..20).map(|address| (key(0), delta(1, address, 1))));
        sums.add(&counters, (1..USAGE_TOKENS_MAX as u64 + 3).map(|token| (key(token), delta(1, 1, 1))));
        let taken = sums.take();
        assert_eq!((taken.len(), counters.usage_lost.get()), (USAGE_TOKENS_MAX, 3));
        let first = &taken[&key(0)];
        assert_eq!((first.connects, first.addresses.len(), first.addresses_more), (20, USAGE_ADDRESSES_MAX, 12));
    }
}
