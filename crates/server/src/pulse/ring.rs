//! The last quarter of an hour in readings of the counters, one a second, and what went on between any two of them. Plain data: time comes in
//! with each reading. What is told are differences, never totals since the start, so that a reading that is missing only makes a stretch longer.

use std::collections::VecDeque;

use tollgate_console::{Pulse, Stretch};
use tollgate_core::clock::Monotonic;
use tollgate_core::histogram::Observed;

/// How far back is told.
pub(crate) const KEPT_MS: u64 = 15 * 60_000;
/// How long a stretch of the plots is.
const STRETCH_MS: u64 = 5_000;
/// How many there are.
const STRETCHES: u64 = KEPT_MS / STRETCH_MS;
/// What counts as now.
const NOW_MS: u64 = 10_000;
/// A newest reading that is older than this says nothing of now.
const STALE_MS: u64 = 5_000;
/// Readings at most, whatever their times: one a second, and one before the first stretch.
const READINGS_MAX: usize = 902;

/// All counters at one moment, each from the start of the server on, and how things were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) at: Monotonic,
    pub(crate) connections: u64,
    pub(crate) messages_in: u64,
    pub(crate) deliveries: u64,
    pub(crate) refusals: u64,
    pub(crate) passes: Observed,
    pub(crate) commits: Observed,
    pub(crate) store_waiting: u64,
    pub(crate) webhooks_waiting: u64,
}

/// The readings, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ring(VecDeque<Reading>);

impl Ring {
    /// Keeps a reading. One of the same moment as the last takes its place; one from before it says that the clock began anew, and so do we.
    pub(crate) fn note(&mut self, reading: Reading) {
        if self.0.back().is_some_and(|last| last.at > reading.at) {
            self.0.clear();
        }
        self.0.pop_back_if(|last| last.at == reading.at);
        let first = (reading.at.0 / STRETCH_MS + 1).saturating_sub(STRETCHES).saturating_mul(STRETCH_MS);
        self.0.push_back(reading);
        // One from before the first stretch stays, so that this has a beginning.
        while self.0.len() > READINGS_MAX || self.0.get(1).is_some_and(|second| second.at.0 <= first) {
            self.0.pop_front();
        }
    }

    /// What went on until now. Stretches lie fast on the clock, so that a plot moves on without changing.
    pub(crate) fn pulse(&self, now: Monotonic) -> Pulse {
        // Before the clock's zero there is nothing.
        let number = |place: u64| (now.0 / STRETCH_MS + 1 + place).checked_sub(STRETCHES);
        let stretches = (0..STRETCHES).map(|place| self.within(number(place)?)).collect();
        Pulse { now: self.now(now), stretches, stretch_ms: STRETCH_MS }
    }

    /// The stretch with this number: behind `number * STRETCH_MS`, up to the next.
    fn within(&self, number: u64) -> Option<Stretch> {
        let (begins, ends) = (number.checked_mul(STRETCH_MS)?, (number + 1).checked_mul(STRETCH_MS)?);
        let last = self.before(ends)?;
        // Where nothing was noted before it, the first reading of all begins it; where nothing was noted in it, it is its own end.
        self.between(self.before(begins).unwrap_or(0), last)
    }

    fn now(&self, now: Monotonic) -> Option<Stretch> {
        let last = self.0.len().checked_sub(1)?;
        let at = self.0[last].at;
        if now.since(at) > STALE_MS {
            return None;
        }
        let first = at.0.checked_sub(NOW_MS).and_then(|begins| self.before(begins)).unwrap_or(0);
        self.between(first, last)
    }

    /// The place of the last reading at this time or before.
    fn before(&self, ms: u64) -> Option<usize> {
        self.0.partition_point(|reading| reading.at.0 <= ms).checked_sub(1)
    }

    fn between(&self, first: usize, last: usize) -> Option<Stretch> {
        let (from, to) = (&self.0[first], &self.0[last]);
        let (passes, commits) = (to.passes.since(&from.passes), to.commits.since(&from.commits));
        let stretch = Stretch {
            ms: to.at.since(from.at),
            connections: to.connections,
            messages_in: to.messages_in.saturating_sub(from.messages_in),
            deliveries: to.deliveries.saturating_sub(from.deliveries),
            refusals: to.refusals.saturating_sub(from.refusals),
            delivery_p50_us: passes.within_us(500),
            delivery_p99_us: passes.within_us(990),
            commit_p99_us: commits.within_us(990),
            store_waiting: to.store_waiting,
            webhooks_waiting: to.webhooks_waiting,
        };
        (stretch.ms > 0).then_some(stretch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tollgate_core::histogram::Histogram;

    use super::*;

    /// A server that gets `rate` messages a second, and has as many connections.
    fn reading(at: u64, rate: u64) -> Reading {
        let messages_in = at / 1_000 * rate;
        Reading { at: Monotonic(at), connections: rate, messages_in, deliveries: 2 * messages_in, ..Reading::default() }
    }

    fn noted(readings: impl IntoIterator<Item = Reading>) -> Ring {
        let mut ring = Ring::default();
        readings.into_iter().for_each(|one| ring.note(one));
        ring
    }

    /// Messages a second, or nothing.
    fn rate(stretch: Option<Stretch>) -> Option<u64> {
        stretch.map(|one| one.per_thousand_seconds(one.messages_in) / 1_000)
    }

    #[test]
    fn a_server_that_just_started_says_nothing_it_does_not_know() {
        let pulse = Ring::default().pulse(Monotonic(40));
        assert_eq!((pulse.now, pulse.stretches.iter().flatten().count()), (None, 0));
        // One reading has nothing to compare with.
        let pulse = noted([reading(1_000, 7)]).pulse(Monotonic(1_500));
        assert_eq!((pulse.now, pulse.stretches.iter().flatten().count()), (None, 0));
        let pulse = noted([reading(1_000, 7), reading(2_000, 7)]).pulse(Monotonic(2_100));
        assert_eq!((rate(pulse.now), pulse.now.unwrap().ms), (Some(7), 1_000));
        assert_eq!(pulse.stretches.iter().flatten().count(), 1);
        // Far from the clock's zero, as monotonic clocks are.
        let begun = 7_000_000_123;
        let two = [reading(begun, 7), reading(begun + 1_000, 7)];
        let pulse = noted(two).pulse(Monotonic(begun + 1_100));
        assert_eq!((rate(pulse.now), pulse.stretches.len()), (Some(7), 180));
        assert_eq!(pulse.stretches.iter().flatten().count(), 1);
    }

    #[test]
    fn rates_are_of_the_time_that_was_measured_and_nothing_is_counted_twice() {
        let ring = noted((0..=3_600).map(|second| reading(second * 1_000, 12)));
        let pulse = ring.pulse(Monotonic(3_600_400));
        assert_eq!((rate(pulse.now), pulse.now.unwrap().ms, pulse.now.unwrap().connections), (Some(12), 10_000, 12));
        // The last one has just begun, and nothing was noted in it yet.
        assert_eq!(pulse.stretches.len(), 180);
        assert!(pulse.stretches.iter().rev().skip(1).all(|one| rate(*one) == Some(12) && one.unwrap().ms == 5_000));
        let sum: u64 = pulse.stretches.iter().flatten().map(|one| one.messages_in).sum();
        let ms: u64 = pulse.stretches.iter().flatten().map(|one| one.ms).sum();
        assert_eq!(sum, 12 * ms / 1_000);
        assert!(ring.0.len() <= READINGS_MAX, "{}", ring.0.len());
    }

    #[test]
    fn a_reading_that_is_missing_makes_a_stretch_longer_and_none_leaves_a_gap() {
        // Nothing from 20 s to 43 s: the machine slept.
        let seconds = (0..=60).filter(|second| !(20..43).contains(second));
        let ring = noted(seconds.map(|second| reading(second * 1_000, 5)));
        let pulse = ring.pulse(Monotonic(60_000));
        let shown: Vec<Option<u64>> =
            pulse.stretches[pulse.stretches.len() - 13..].iter().map(|one| rate(*one)).collect();
        let mut expected = vec![Some(5); 13];
        // (20 s, 25 s] to (35 s, 40 s]; what was counted meanwhile is the average of the stretch that ends the gap.
        expected[4..8].fill(None);
        // (60 s, 65 s] has begun and nothing was noted in it.
        expected[12] = None;
        assert_eq!(shown, expected);
        let ends_it = pulse.stretches[pulse.stretches.len() - 5].unwrap();
        assert_eq!((ends_it.ms, ends_it.messages_in), (26_000, 130));
        // Nobody reads any more: what was is told, and nothing of now.
        let later = ring.pulse(Monotonic(66_000));
        assert_eq!((later.now, later.stretches.iter().flatten().count()), (None, 8));
        assert_eq!(ring.pulse(Monotonic(10_000_000)).stretches.iter().flatten().count(), 0);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_invents_nothing() {
        let ring = noted([reading(5_000, 3), Reading { messages_in: 20, ..reading(5_000, 3) }]);
        assert_eq!((ring.0.len(), ring.pulse(Monotonic(5_000)).now), (1, None));
        let ring = noted([reading(90_000, 3), reading(91_000, 3), reading(2_000, 3), reading(3_000, 3)]);
        let pulse = ring.pulse(Monotonic(3_000));
        assert_eq!((rate(pulse.now), pulse.stretches.iter().flatten().count()), (Some(3), 1));
        // A leap of a day forwards leaves one long stretch, and no memory that grows.
        let ring = noted((0..2_000).map(|step| reading(step * 86_400_000, 3)));
        assert_eq!(ring.0.len(), 2);
        assert_eq!(rate(ring.pulse(Monotonic(1_999 * 86_400_000)).now), Some(3));
        // Readings that come too fast are bounded as well.
        let ring = noted((0..5_000).map(|at| reading(at, 3)));
        assert_eq!(ring.0.len(), READINGS_MAX);
    }

    #[test]
    fn latencies_are_of_what_happened_in_the_stretch() {
        let (passes, commits) = (Histogram::default(), Histogram::default());
        let mut ring = Ring::default();
        let mut at = |second: u64, us: &[u64]| {
            us.iter().for_each(|us| passes.observe(*us));
            commits.observe(4_000);
            ring.note(Reading { passes: passes.read(), commits: commits.read(), ..reading(second * 1_000, 1) });
            ring.pulse(Monotonic(second * 1_000)).now
        };
        assert_eq!(at(1, &[5_000_000; 500]), None);
        let now = at(2, &[90, 90, 90, 400]).unwrap();
        assert_eq!((now.delivery_p50_us, now.delivery_p99_us, now.commit_p99_us), (Some(100), Some(500), Some(5_000)));
        let now = at(3, &[60_000_000]).unwrap();
        assert_eq!(now.delivery_p99_us, Some(u64::MAX), "longer than is measured");
        let now = at(20, &[]).unwrap();
        assert_eq!((now.delivery_p50_us, now.delivery_p99_us), (None, None), "no total since the start");
    }
}
