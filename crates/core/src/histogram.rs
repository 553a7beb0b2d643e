//! Durations, counted in fixed buckets: an observation is two adds, from any thread. What is measured is the owner's word; showing it is
//! somebody else's work.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper ends of the buckets, in microseconds; what is above the last has a bucket of its own.
pub const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// How many buckets there are.
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// How long something took, how often.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration, in microseconds.
    pub fn observe(&self, us: u64) {
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What was counted so far. Each number is right by itself; together they may miss what is being counted now.
    #[must_use]
    pub fn read(&self) -> Observed {
        let mut observed = Observed::default();
        for (to, from) in observed.buckets.iter_mut().zip(&self.buckets) {
            *to = from.load(Ordering::Relaxed);
        }
        observed.sum_us = self.sum_us.load(Ordering::Relaxed);
        observed
    }
}

/// What a [`Histogram`] had counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Durations in each bucket, not summed up; the last one has no upper end.
    pub buckets: [u64; BUCKETS],
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

impl Observed {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds what another histogram of the same thing had counted.
    pub fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, one)| *sum += one);
        self.sum_us += other.sum_us;
    }

    /// What was counted after `earlier` was read from the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut rest = self.clone();
        rest.buckets.iter_mut().zip(&earlier.buckets).for_each(|(one, before)| *one = one.saturating_sub(*before));
        rest.sum_us = rest.sum_us.saturating_sub(earlier.sum_us);
        rest
    }

    /// What so many of a thousand did not exceed, in microseconds: the end of the bucket that they reach into, `u64::MAX` for the last, which has
    /// no end. `None` where nothing was counted.
    #[must_use]
    pub fn within_us(&self, of_thousand: u64) -> Option<u64> {
        let count = self.count();
        let wanted = (u128::from(count) * u128::from(of_thousand)).div_ceil(1_000).max(1);
        let mut seen = 0;
        let reached = self.buckets.iter().position(|bucket| {
            seen += u128::from(*bucket);
            seen >= wanted
        });
        reached.filter(|_| count > 0).map(|bucket| BOUNDS_US.get(bucket).copied().unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_end_it_does_not_exceed() {
        for (us, bucket) in
            [(0, 0), (100, 0), (101, 1), (1_000, 3), (1_001, 4), (10_000_000, 15), (10_000_001, 16), (u64::MAX / 2, 16)]
        {
            let histogram = Histogram::default();
            histogram.observe(us);
            let observed = histogram.read();
            assert_eq!((observed.buckets[bucket], observed.count(), observed.sum_us), (1, 1, us), "{us}");
        }
    }

    #[test]
    fn sums_are_of_all() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.observe(70);
        one.observe(300);
        other.observe(80);
        let mut sum = one.read();
        sum.add(&other.read());
        assert_eq!((sum.count(), sum.sum_us, sum.buckets[0], sum.buckets[2]), (3, 450, 2, 1));
    }

    #[test]
    fn what_most_did_not_exceed_is_of_the_time_between_two_readings() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().within_us(500), None);
        (0..1_000).for_each(|_| histogram.observe(9_000_000));
        let before = histogram.read();
        assert_eq!(before.since(&before).within_us(990), None, "nothing since");
        (0..98).for_each(|_| histogram.observe(80));
        (0..2).for_each(|_| histogram.observe(700));
        let rest = histogram.read().since(&before);
        assert_eq!((rest.count(), rest.sum_us), (100, 98 * 80 + 1_400));
        let table = [(0, 100), (500, 100), (980, 100), (981, 1_000), (990, 1_000), (1_000, 1_000)];
        for (of_thousand, us) in table {
            assert_eq!(rest.within_us(of_thousand), Some(us), "{of_thousand}");
        }
        histogram.observe(u64::MAX / 2);
        assert_eq!(histogram.read().since(&before).within_us(1_000), Some(u64::MAX));
    }
}
