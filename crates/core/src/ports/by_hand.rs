//! Time and chance in the hands of a test: a clock that goes when it is told to, and entropy that never repeats and surprises nobody. Not for the
//! product: both are known to everybody.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{Clock, Entropy, Monotonic, UnixMillis};

/// What a [`HandClock`] shows at first, in milliseconds: 2026-11-22T20:25:21.073Z.
pub const NOW: u64 = 1_795_379_121_073;

/// Shows [`NOW`] and what a test adds to it.
#[derive(Debug, Default)]
pub struct HandClock(AtomicU64);

impl HandClock {
    /// So many milliseconds go by.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }

    fn unix(&self) -> UnixMillis {
        UnixMillis(NOW + self.0.load(Ordering::Relaxed))
    }
}

/// Entropy of a counter.
#[derive(Debug, Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
        }
    }
}
