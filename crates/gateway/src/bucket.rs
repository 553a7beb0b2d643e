//! A token bucket without a timer: eight bytes a connection, refilled when it is looked at.

/// What may still be taken, and when that was true. Time is kept in milliseconds modulo 2^32, fullness in thousandths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    thousandths: u32,
    at_ms: u32,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(burst: u32, now_ms: u64) -> Self {
        Bucket { thousandths: burst.saturating_mul(1_000), at_ms: now_ms as u32 }
    }

    /// Takes some out of a bucket that nothing flows back into; false, and nothing taken, if so much is not left.
    pub(crate) fn spend(&mut self, count: usize) -> bool {
        let asked = u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(1_000);
        let left = self.thousandths.checked_sub(asked);
        self.thousandths = left.unwrap_or(self.thousandths);
        left.is_some()
    }

    /// Takes one; false if nothing is left. `per_second` flows back, up to `burst`.
    pub(crate) fn take(&mut self, burst: u32, per_second: u32, now_ms: u64) -> bool {
        let passed_ms = (now_ms as u32).wrapping_sub(self.at_ms);
        self.at_ms = now_ms as u32;
        let refill = u64::from(passed_ms) * u64::from(per_second);
        let full = u64::from(burst.saturating_mul(1_000));
        let held = (u64::from(self.thousandths) + refill).min(full) as u32;
        let Some(left) = held.checked_sub(1_000) else {
            self.thousandths = held;
            return false;
        };
        self.thousandths = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn what_does_not_flow_back_is_spent_once() {
        let mut bucket = Bucket::full(10, 0);
        let spent = [4, 4, 4, 2, 0, 1, usize::MAX].map(|count| bucket.spend(count));
        assert_eq!(spent, [true, true, false, true, true, false, false]);
    }

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let start = u64::from(u32::MAX) - 5;
        let mut bucket = Bucket::full(3, start);
        let taken: Vec<bool> = (0..5).map(|_| bucket.take(3, 10, start)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert!(!bucket.take(3, 10, start + 99));
        assert!(bucket.take(3, 10, start + 100));
        assert!(!bucket.take(3, 10, start + 101));
        let taken = (0..10).filter(|_| bucket.take(3, 10, start + 100_000)).count();
        assert_eq!(taken, 3, "it never holds more than the burst");
    }
}
