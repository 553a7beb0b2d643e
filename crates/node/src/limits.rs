//! Buckets of calls: how often one key, user or address may do something, kept by the generic cell rate algorithm (a bucket is one
//! number: the time at which it will be full again).
//!
//! Pure but for the lock: time is an argument. Bounded: beyond [`BUCKETS_MAX`] the buckets that are full again go, and if none is, the
//! one nearest to full does, so that a flood from many addresses costs accuracy and never memory. What a refusal says is the caller's.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tollgate_core::clock::Monotonic;
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::records::Bucket;

/// Most buckets that are not full.
pub const BUCKETS_MAX: usize = 100_000;
/// How many buckets are looked at to find one that may go when none is full.
const SAMPLE: usize = 16;
/// Between two looks at all buckets.
const SWEEP_EVERY_MS: u64 = 1_000;

/// Tokens made for one user (source: social.plus allows 100 requests in 5 s for a user).
pub const MINT_PER_USER: Bucket = Bucket { burst: 100, per_second: 20.0 };
/// Tokens made with one key.
pub const MINT_PER_KEY: Bucket = Bucket { burst: 1_000, per_second: 200.0 };
/// Tokens made from one address.
pub const MINT_PER_ADDRESS: Bucket = Bucket { burst: 200, per_second: 50.0 };
/// Failed authentications from one address: 20, then 10 a minute.
pub const FAILED_AUTH_PER_ADDRESS: Bucket = Bucket { burst: 20, per_second: 10.0 / 60.0 };

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// Tokens made with a key.
    MintOfKey(KeyId),
    /// Auth tokens made with a key: apart, so that neither starves the other.
    AuthTokenOfKey(KeyId),
    /// Tokens made for a user: a keyed hash of its id, for it need not exist.
    MintOfUser(ProjectId, u64),
    /// Tokens made from an address, which is that of a network for IPv6.
    MintFrom(ProjectId, IpAddr),
    /// Failed authentications from an address, in a project if it is known.
    FailedFrom(Option<ProjectId>, IpAddr),
    /// Failures to sign in under a name from one network; the name is hashed, for it need not exist.
    SignInOf(u64, IpAddr),
    /// The same from everywhere.
    SignInsOf(u64),
}

/// The buckets.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    kept: Mutex<Kept>,
    names: RandomState,
}

#[derive(Debug, Default)]
struct Kept {
    /// When each will be full again, in microseconds of the monotonic clock.
    full_at: HashMap<Counted, u64>,
    swept_at: Monotonic,
}

impl Buckets {
    /// What stands for a text in [`Counted`].
    pub(crate) fn name_of(&self, text: &str) -> u64 {
        self.names.hash_one(text)
    }

    /// Takes `count` calls out of every bucket, or out of none; then it says after how many milliseconds all of them would have room
    /// (`u64::MAX`: never, because `count` is more than a whole bucket).
    pub(crate) fn take(&self, wanted: &[(Counted, Bucket)], count: u32, now: Monotonic) -> Result<(), u64> {
        let now_us = now.0.saturating_mul(1_000);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::with_capacity(wanted.len());
        let mut wait_us = 0;
        for (counted, bucket) in wanted {
            let full_at = kept.full_at.get(counted).copied().unwrap_or(0).max(now_us);
            let (next, room_at) = after(full_at, *bucket, count);
            wait_us = wait_us.max(room_at.saturating_sub(now_us));
            taken.push((*counted, next));
        }
        if wait_us > 0 {
            return Err(if wait_us == u64::MAX - now_us { u64::MAX } else { wait_us.div_ceil(1_000) });
        }
        for (counted, next) in taken {
            kept.put(counted, next, now);
        }
        Ok(())
    }
}

impl Buckets {
    /// Puts one call back into each of these buckets, which it was taken out of.
    pub(crate) fn give_back(&self, taken: &[(Counted, Bucket)]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (counted, bucket) in taken {
            let (call_us, _) = after(0, *bucket, 1);
            if let Some(full_at) = kept.full_at.get_mut(counted) {
                *full_at = full_at.saturating_sub(call_us);
            }
        }
    }
}

/// When a bucket will be full again after `count` more calls, and from when on there is room for them.
fn after(full_at: u64, bucket: Bucket, count: u32) -> (u64, u64) {
    // One that never fills lets nothing in.
    if bucket.per_second <= 0.0 || count > bucket.burst {
        return (full_at, u64::MAX);
    }
    let call_us = (1_000_000.0 / bucket.per_second).max(1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating, and never negative
    let micros = |calls: u32| (call_us * f64::from(calls)) as u64;
    let next = full_at.saturating_add(micros(count));
    (next, next.saturating_sub(micros(bucket.burst)))
}

impl Kept {
    fn put(&mut self, counted: Counted, full_at: u64, now: Monotonic) {
        if self.full_at.len() >= BUCKETS_MAX && !self.full_at.contains_key(&counted) {
            self.make_room(now);
        }
        self.full_at.insert(counted, full_at);
    }

    fn make_room(&mut self, now: Monotonic) {
        if now.since(self.swept_at) >= SWEEP_EVERY_MS || self.swept_at == Monotonic(0) {
            self.swept_at = now;
            self.full_at.retain(|_, full_at| *full_at > now.0.saturating_mul(1_000));
        }
        while self.full_at.len() >= BUCKETS_MAX {
            let nearest = self.full_at.iter().take(SAMPLE).min_by_key(|(_, full_at)| **full_at);
            let Some(nearest) = nearest.map(|(counted, _)| *counted) else { return };
            self.full_at.remove(&nearest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEN: Bucket = Bucket { burst: 10, per_second: 2.0 };

    fn key(number: u64) -> Counted {
        Counted::MintOfKey(KeyId::new(number))
    }

    #[test]
    fn a_burst_then_the_long_run() {
        let buckets = Buckets::default();
        let take = |at: u64| buckets.take(&[(key(1), TEN)], 1, Monotonic(at));
        for _ in 0..10 {
            assert_eq!(take(1_000), Ok(()));
        }
        assert_eq!(take(1_000), Err(500));
        assert_eq!(take(1_499), Err(1));
        assert_eq!(take(1_500), Ok(()));
        assert_eq!(take(1_500), Err(500));
        // Whoever waits as long as it was told gets through, and an idle bucket holds no more than its burst.
        let granted = (0..100).filter(|_| take(1_000_000).is_ok()).count();
        assert_eq!(granted, 10);
    }

    #[test]
    fn over_a_long_time_no_more_gets_through_than_the_rate() {
        let buckets = Buckets::default();
        let granted = (0..60_000).filter(|at| buckets.take(&[(key(1), TEN)], 1, Monotonic(*at)).is_ok()).count();
        assert_eq!(granted, 10 + 119, "10 at once and 2 a second for a minute");
    }

    #[test]
    fn all_or_none_and_each_for_itself() {
        let buckets = Buckets::default();
        let one = Bucket { burst: 1, per_second: 1.0 };
        assert_eq!(buckets.take(&[(key(1), TEN), (key(2), one)], 1, Monotonic(0)), Ok(()));
        for _ in 0..100 {
            assert_eq!(buckets.take(&[(key(1), TEN), (key(2), one)], 1, Monotonic(0)), Err(1_000));
        }
        assert_eq!(buckets.take(&[(key(1), TEN)], 9, Monotonic(0)), Ok(()), "what was refused was not taken");
        assert_eq!(buckets.take(&[(key(3), TEN)], 11, Monotonic(0)), Err(u64::MAX));
        assert_eq!(buckets.take(&[(key(3), TEN)], 10, Monotonic(0)), Ok(()));
        assert_eq!(buckets.take(&[(key(3), Bucket { burst: 1, per_second: 0.0 })], 1, Monotonic(0)), Err(u64::MAX));
    }

    #[test]
    fn memory_is_bounded_and_full_buckets_go_first() {
        let buckets = Buckets::default();
        let slow = Bucket { burst: 2, per_second: 0.001 };
        let count = || buckets.kept.lock().unwrap().full_at.len();
        for number in 0..BUCKETS_MAX as u64 / 2 {
            buckets.take(&[(key(number), TEN)], 1, Monotonic(0)).unwrap();
        }
        for number in 1_000_000..1_000_000 + BUCKETS_MAX as u64 / 2 {
            buckets.take(&[(key(number), slow)], 1, Monotonic(0)).unwrap();
        }
        assert_eq!(count(), BUCKETS_MAX);
        buckets.take(&[(key(7_000_000), TEN)], 1, Monotonic(60_000)).unwrap();
        assert_eq!(count(), BUCKETS_MAX / 2 + 1, "those that were full again are gone, the others are not");
        for number in 2_000_000..2_000_000 + BUCKETS_MAX as u64 {
            buckets.take(&[(key(number), slow)], 1, Monotonic(60_100)).unwrap();
            assert!(count() <= BUCKETS_MAX);
        }
    }
}
