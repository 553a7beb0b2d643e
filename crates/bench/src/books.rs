//! The accounts of several channels as one, and how long each delivery took from the moment for which its publication was
//! meant. Not concerned with sockets, nor with who publishes.
//!
//! A publication that should have gone out earlier than it did, because the server or the generator was late, counts from when it
//! should have: so a server that stands still for a second is not asked only when it is well again (no coordinated omission).
use crate::kernel;
use crate::ledger::{Faults, Ledger};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Sequence numbers of one channel; what is larger belongs to the next.
const NUMBERS: u64 = 1_000_000_000_000;
/// The longest latency that is told apart from longer ones: a minute, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// How long deliveries took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) most: f64,
}

/// One [`Ledger`] for each channel. Subscribers belong to channels in turn, as [`crate::dialect::Channels`] deals them out.
#[derive(Debug)]
pub(crate) struct Books {
    ledgers: Vec<Ledger>,
    /// By channel: for when each publication was meant; empty unless latencies are measured.
    meant: Vec<Vec<Instant>>,
    latencies: Option<Histogram<u64>>,
    /// When what is being read was read.
    now: Instant,
    first: u64,
    published: u64,
    complete: u64,
    heard: u64,
}

impl Books {
    /// `first` is the number of the next publication of every channel; `is_ordered` when one is published in a channel only after the other.
    pub(crate) fn new(channels: usize, subscribers: usize, first: u64, is_ordered: bool, times: bool) -> Books {
        let ledger = |channel: usize| {
            let members = (subscribers + channels - 1 - channel) / channels;
            Ledger::new(members, NUMBERS * channel as u64 + first, is_ordered)
        };
        let latencies = times.then(|| Histogram::new_with_bounds(1, LONGEST_US, 3).ok()).flatten();
        Books {
            ledgers: (0..channels).map(ledger).collect(),
            meant: vec![Vec::new(); if latencies.is_some() { channels } else { 0 }],
            latencies,
            now: kernel::now(),
            first,
            published: 0,
            complete: 0,
            heard: 0,
        }
    }

    /// Enters a publication that was meant for this moment; answers its sequence number.
    pub(crate) fn publish(&mut self, channel: usize, meant: Instant) -> u64 {
        self.published += 1;
        if let Some(meants) = self.meant.get_mut(channel) {
            meants.push(meant);
        }
        self.ledgers[channel].publish()
    }

    /// The clock for what is read next.
    pub(crate) fn tick(&mut self) {
        if self.latencies.is_some() {
            self.now = kernel::now();
        }
    }

    /// A subscriber heard a publication.
    pub(crate) fn record(&mut self, subscriber: usize, sequence: u64) {
        let channels = self.ledgers.len();
        let (channel, member) =
            if channels == 1 { (0, subscriber) } else { (subscriber % channels, subscriber / channels) };
        let ledger = &mut self.ledgers[channel];
        let before = ledger.complete();
        ledger.record(member, sequence);
        self.complete += ledger.complete() - before;
        self.heard += 1;
        if let Some(latencies) = &mut self.latencies {
            let index = (sequence % NUMBERS).checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
            if let Some(meant) = index.and_then(|index| self.meant[channel].get(index)) {
                let took = self.now.saturating_duration_since(*meant).as_micros();
                latencies.saturating_record(u64::try_from(took).unwrap_or(u64::MAX).max(1));
            }
        }
    }

    /// Forgets the latencies so far.
    pub(crate) fn forget_latencies(&mut self) {
        if let Some(latencies) = &mut self.latencies {
            latencies.reset();
        }
    }

    pub(crate) fn latency(&self) -> Option<Latency> {
        let latencies = self.latencies.as_ref().filter(|latencies| !latencies.is_empty())?;
        let at = |part| Duration::from_micros(latencies.value_at_quantile(part)).as_secs_f64();
        Some(Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1.0) })
    }

    pub(crate) fn channels(&self) -> usize {
        self.ledgers.len()
    }

    /// Publications of one channel that not every subscriber has yet.
    pub(crate) fn pending_in(&self, channel: usize) -> u64 {
        self.ledgers[channel].pending()
    }

    /// The same of all channels.
    pub(crate) fn pending(&self) -> u64 {
        self.published - self.complete
    }

    /// Publications that every subscriber has.
    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    /// The number of the next publication, if as many went to each channel as to the busiest.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.first + self.ledgers.iter().map(Ledger::complete).max().unwrap_or(0)
    }

    /// Publications heard, right or wrong.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Right deliveries so far.
    pub(crate) fn deliveries(&self) -> u64 {
        self.ledgers.iter().map(Ledger::deliveries).sum()
    }

    /// Whether something cannot become right any more, or was skipped.
    pub(crate) fn suspicious(&self) -> bool {
        self.ledgers.iter().any(Ledger::suspicious)
    }

    pub(crate) fn faults(&self) -> Faults {
        self.ledgers.iter().map(Ledger::faults).fold(Faults::default(), |sum, one| Faults {
            lost: sum.lost + one.lost,
            duplicated: sum.duplicated + one.duplicated,
            disordered: sum.disordered + one.disordered,
            unknown: sum.unknown + one.unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_channel_has_numbers_and_subscribers_of_its_own() {
        let mut books = Books::new(2, 5, 1, true, false);
        let now = kernel::now();
        let [first, other] = [0, 1].map(|channel| books.publish(channel, now));
        for subscriber in [0, 2, 4] {
            books.record(subscriber, first);
        }
        assert_eq!((books.complete(), books.pending(), books.pending_in(1)), (1, 1, 1));
        books.record(1, other);
        books.record(3, first);
        let faults = Faults { lost: 1, unknown: 1, ..Faults::default() };
        assert_eq!(books.faults(), faults, "a message of another channel");
    }

    #[test]
    fn latency_counts_from_when_a_publication_was_meant() {
        let mut books = Books::new(1, 100, 1, true, true);
        let late = kernel::now().checked_sub(Duration::from_secs(2)).unwrap();
        let sequence = books.publish(0, late);
        for subscriber in 0..99 {
            books.tick();
            books.record(subscriber, sequence);
        }
        let latency = books.latency().unwrap();
        assert!((2.0..3.0).contains(&latency.p50) && latency.most >= latency.p99, "{latency:?}");
        books.forget_latencies();
        assert_eq!(books.latency(), None);
    }
}
