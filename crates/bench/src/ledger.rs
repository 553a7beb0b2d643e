//! The account of every delivery: one order for all subscribers, nothing lost, nothing twice. Not concerned with sockets.
//!
//! Publications that are sent at the same time over several connections may be accepted in any order, so the order is
//! not the sender's: the first subscriber that shows its n-th message fixes the n-th place, and everybody else must
//! agree. Where publications are sent one after another, the order must also be the sender's.
use std::collections::HashSet;
use std::fmt;

const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Ledger {
    first: u64,
    sender_order: bool,
    /// Sequence numbers in the order in which the channel shows them.
    order: Vec<u64>,
    /// Sequence number minus `first` → its place in `order`, or `NOWHERE`.
    places: Vec<u32>,
    /// Place → how many subscribers have it.
    holders: Vec<u32>,
    /// Subscriber → the place that it must show next.
    cursors: Vec<u32>,
    /// Subscriber and place that were skipped: lost, unless they come late.
    skipped: HashSet<(usize, u32)>,
    complete: u64,
    deliveries: u64,
    duplicated: u64,
    disordered: u64,
    unknown: u64,
}

/// What went wrong, all zero in a good run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) disordered: u64,
    /// Well-formed messages that were never published here.
    pub(crate) unknown: u64,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { lost, duplicated, disordered, unknown } = self;
        write!(f, "lost {lost}, duplicated {duplicated}, disordered {disordered}, unknown {unknown}")
    }
}

impl Ledger {
    /// `first` is the sequence number of the next publication; `sender_order` when one is sent only after the other.
    pub(crate) fn new(subscribers: usize, first: u64, sender_order: bool) -> Ledger {
        Ledger {
            first,
            sender_order,
            order: Vec::new(),
            places: Vec::new(),
            holders: Vec::new(),
            cursors: vec![0; subscribers],
            skipped: HashSet::new(),
            complete: 0,
            deliveries: 0,
            duplicated: 0,
            disordered: 0,
            unknown: 0,
        }
    }

    /// Registers a publication that is about to be sent and gives its sequence number.
    pub(crate) fn publish(&mut self) -> u64 {
        self.places.push(NOWHERE);
        self.first + self.places.len() as u64 - 1
    }

    /// Publications that not every subscriber has yet.
    pub(crate) fn pending(&self) -> u64 {
        self.places.len() as u64 - self.complete
    }

    /// Publications that every subscriber has.
    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    /// Right deliveries so far.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Notes what a subscriber received.
    pub(crate) fn record(&mut self, subscriber: usize, sequence: u64) {
        let cursor = self.cursors[subscriber];
        if self.order.get(cursor as usize) == Some(&sequence) {
            self.cursors[subscriber] = cursor + 1;
            self.hold(cursor);
        } else {
            self.record_surprise(subscriber, sequence, cursor);
        }
    }

    fn record_surprise(&mut self, subscriber: usize, sequence: u64, cursor: u32) {
        let index = sequence.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some((index, place)) = index.and_then(|index| Some((index, *self.places.get(index)?))) else {
            self.unknown += 1;
            return;
        };
        let place = if place == NOWHERE { self.open_place(index, sequence) } else { place };
        if place >= cursor {
            self.skipped.extend((cursor..place).map(|skipped| (subscriber, skipped)));
            self.cursors[subscriber] = place + 1;
            self.hold(place);
        } else if self.skipped.remove(&(subscriber, place)) {
            self.disordered += 1;
            self.hold(place);
        } else {
            self.duplicated += 1;
        }
    }

    fn open_place(&mut self, index: usize, sequence: u64) -> u32 {
        let place = u32::try_from(self.order.len()).expect("invariant: a phase has fewer than 2^32 publications");
        if self.sender_order && place as usize != index {
            self.disordered += 1;
        }
        self.places[index] = place;
        self.order.push(sequence);
        self.holders.push(0);
        place
    }

    fn hold(&mut self, place: u32) {
        self.deliveries += 1;
        let holders = &mut self.holders[place as usize];
        *holders += 1;
        if *holders as usize == self.cursors.len() {
            self.complete += 1;
        }
    }

    /// True as soon as something cannot become right any more, or was skipped.
    pub(crate) fn suspicious(&self) -> bool {
        !self.skipped.is_empty() || self.duplicated + self.disordered + self.unknown > 0
    }

    /// The account when nothing more is expected: what has not arrived is lost.
    pub(crate) fn faults(&self) -> Faults {
        let expected = self.places.len() as u64 * self.cursors.len() as u64;
        Faults {
            lost: expected - self.deliveries,
            duplicated: self.duplicated,
            disordered: self.disordered,
            unknown: self.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three publications (100, 101, 102) to two subscribers; what each of the two shows, and the account.
    fn check(name: &str, sender_order: bool, shown: [&[u64]; 2], lost: u64, duplicated: u64, disordered: u64) {
        let mut ledger = Ledger::new(2, 100, sender_order);
        for expected in 100..103 {
            assert_eq!(ledger.publish(), expected);
        }
        for (subscriber, sequences) in shown.into_iter().enumerate() {
            for sequence in sequences {
                ledger.record(subscriber, *sequence);
            }
        }
        let faults = Faults { lost, duplicated, disordered, unknown: 0 };
        assert_eq!(ledger.faults(), faults, "{name}");
        assert_eq!(ledger.pending() == 0, lost == 0, "{name}");
        let clean = faults == Faults::default();
        assert!(clean || lost > 0 || ledger.suspicious(), "{name}");
    }

    #[test]
    fn each_kind_of_fault_is_told_apart() {
        check("all right", true, [&[100, 101, 102], &[100, 101, 102]], 0, 0, 0);
        check("another order than the sender's, shared by all", false, [&[101, 100, 102], &[101, 100, 102]], 0, 0, 0);
        check("another order than the sender's, where it matters", true, [&[101, 100, 102], &[101, 100, 102]], 0, 0, 2);
        check("two subscribers disagree", false, [&[100, 101, 102], &[100, 102, 101]], 0, 0, 1);
        check("lost in the middle", true, [&[100, 101, 102], &[100, 102]], 1, 0, 0);
        check("lost at the start by the first one seen", false, [&[101, 102], &[100, 101, 102]], 1, 0, 2);
        check("lost at the end", true, [&[100, 101, 102], &[100, 101]], 1, 0, 0);
        check("lost by all", true, [&[100, 101], &[100, 101]], 2, 0, 0);
        check("twice in a row", true, [&[100, 100, 101, 102], &[100, 101, 102]], 0, 1, 0);
        check("twice, later", true, [&[100, 101, 102, 100], &[100, 101, 102]], 0, 1, 0);
        check("nothing at all", true, [&[], &[]], 6, 0, 0);
    }

    #[test]
    fn a_number_never_published_is_unknown() {
        let mut ledger = Ledger::new(1, 100, true);
        ledger.publish();
        for sequence in [99, 101, u64::MAX, 0] {
            ledger.record(0, sequence);
        }
        assert_eq!(ledger.faults(), Faults { lost: 1, unknown: 4, ..Faults::default() });
    }
}
