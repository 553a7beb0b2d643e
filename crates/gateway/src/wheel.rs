//! A hierarchical timer wheel: at most one armed deadline per slot of a slab, 1 ms apart at best.
//!
//! Pure: time comes in as milliseconds, due keys go out. It is not a queue of callbacks and holds no deadline exactly for its
//! owner: a connection whose deadline moves *later* leaves its entry alone, and when that fires, compares and arms again.
//! So the common case, a frame that postpones the idle limit, costs nothing.
//!
//! Entries are linked through a table that runs beside the owner's slab: 24 bytes a connection, arming and disarming O(1).

/// Six levels of 64 slots reach 2^36 ms, about two years; what is farther is held at the edge until it is near.
const LEVELS: usize = 6;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const NONE: u32 = u32::MAX;
const UNARMED: u16 = u16::MAX;

/// Who wanted to be woken: a slab slot, and the generation that tells a reused slot from its former owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at_ms: u64,
    generation: u32,
    next: u32,
    previous: u32,
    /// Level and slot of the list this entry is in, or [`UNARMED`].
    list: u16,
}

const EMPTY: Entry = Entry { at_ms: 0, generation: 0, next: NONE, previous: NONE, list: UNARMED };

/// The wheel of one shard.
#[derive(Debug)]
pub(crate) struct Wheel {
    now_ms: u64,
    armed: usize,
    entries: Vec<Entry>,
    heads: [[u32; SLOTS]; LEVELS],
    /// One bit per slot that is not empty.
    occupied: [u64; LEVELS],
}

impl Wheel {
    /// An empty wheel whose time is `now_ms`.
    pub(crate) fn new(now_ms: u64) -> Self {
        Wheel { now_ms, armed: 0, entries: Vec::new(), heads: [[NONE; SLOTS]; LEVELS], occupied: [0; LEVELS] }
    }

    /// How many keys are armed.
    #[cfg(test)]
    fn armed(&self) -> usize {
        self.armed
    }

    /// When the slot is due, if it is armed under this key.
    pub(crate) fn deadline(&self, key: Key) -> Option<u64> {
        let entry = self.entries.get(key.slot as usize)?;
        (entry.list != UNARMED && entry.generation == key.generation).then_some(entry.at_ms)
    }

    /// Arms the key, moving the deadline that its slot had. A deadline in the past is due at the next [`Wheel::advance`].
    pub(crate) fn arm(&mut self, key: Key, at_ms: u64) {
        let slot = key.slot as usize;
        if slot >= self.entries.len() {
            self.entries.resize(slot + 1, EMPTY);
        }
        self.unlink(key.slot);
        let entry = &mut self.entries[slot];
        entry.at_ms = at_ms;
        entry.generation = key.generation;
        self.link(key.slot);
    }

    /// Arms the key unless it is armed for that time or earlier already.
    pub(crate) fn arm_no_later(&mut self, key: Key, at_ms: u64) {
        if self.deadline(key).is_none_or(|armed| at_ms < armed) {
            self.arm(key, at_ms);
        }
    }

    /// Forgets the key; nothing happens if it is not armed.
    pub(crate) fn disarm(&mut self, key: Key) {
        if self.deadline(key).is_some() {
            self.unlink(key.slot);
        }
    }

    /// The latest time by which [`Wheel::advance`] should be called: the next deadline, or an earlier time at which far
    /// deadlines must be sorted anew.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        (0..LEVELS).filter_map(|level| self.next_of_level(level)).min()
    }

    /// Moves time to `now_ms` and hands out every key that is due, each once and no longer armed, in the order of their deadlines
    /// to the millisecond.
    pub(crate) fn advance(&mut self, now_ms: u64, due: &mut Vec<Key>) {
        while let Some(next) = self.next_ms().filter(|next| *next <= now_ms) {
            self.now_ms = self.now_ms.max(next);
            for level in (0..LEVELS).rev() {
                self.drain(level, due);
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// The slot of `level` that the wheel's own time is in.
    fn hand(&self, level: usize) -> u32 {
        (self.now_ms >> (SLOT_BITS * level as u32)) as u32 % SLOTS as u32
    }

    /// When the next occupied slot of `level` begins, never before the wheel's own time.
    fn next_of_level(&self, level: usize) -> Option<u64> {
        let occupied = self.occupied[level];
        if occupied == 0 {
            return None;
        }
        let ahead = occupied.rotate_right(self.hand(level)).trailing_zeros();
        let width = SLOT_BITS * level as u32;
        let begins = ((self.now_ms >> width) + u64::from(ahead)) << width;
        Some(begins.max(self.now_ms))
    }

    /// Empties the slot under the hand of `level`: what is due goes out, the rest moves to a finer level.
    fn drain(&mut self, level: usize, due: &mut Vec<Key>) {
        let slot = self.hand(level) as usize;
        let mut next = std::mem::replace(&mut self.heads[level][slot], NONE);
        self.occupied[level] &= !(1 << slot);
        while next != NONE {
            let index = next;
            let entry = &mut self.entries[index as usize];
            next = entry.next;
            entry.list = UNARMED;
            self.armed -= 1;
            if entry.at_ms <= self.now_ms {
                due.push(Key { slot: index, generation: entry.generation });
            } else {
                self.link(index);
            }
        }
    }

    fn link(&mut self, index: u32) {
        let at_ms = self.entries[index as usize].at_ms;
        let (level, slot) = self.place(at_ms);
        let head = self.heads[level][slot];
        if head != NONE {
            self.entries[head as usize].previous = index;
        }
        let entry = &mut self.entries[index as usize];
        entry.next = head;
        entry.previous = NONE;
        entry.list = (level * SLOTS + slot) as u16;
        self.heads[level][slot] = index;
        self.occupied[level] |= 1 << slot;
        self.armed += 1;
    }

    fn unlink(&mut self, index: u32) {
        let Entry { next, previous, list, .. } = self.entries[index as usize];
        if list == UNARMED {
            return;
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous != NONE {
            self.entries[previous as usize].next = next;
        } else {
            let (level, slot) = (usize::from(list) / SLOTS, usize::from(list) % SLOTS);
            self.heads[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
            }
        }
        self.entries[index as usize].list = UNARMED;
        self.armed -= 1;
    }

    /// The level whose slots are just fine enough to tell `at_ms` from now, and the slot in it.
    fn place(&self, at_ms: u64) -> (usize, usize) {
        let at_ms = at_ms.max(self.now_ms);
        let differs = (at_ms ^ self.now_ms) | 1;
        let level = ((63 - differs.leading_zeros()) / SLOT_BITS) as usize;
        if level < LEVELS {
            return (level, (at_ms >> (SLOT_BITS * level as u32)) as usize % SLOTS);
        }
        // The last level turns round: up to 63 slots ahead of its hand, whatever lies beyond waits in the last of them.
        let width = SLOT_BITS * (LEVELS as u32 - 1);
        let ahead = ((at_ms >> width) - (self.now_ms >> width)).min(SLOTS as u64 - 1);
        (LEVELS - 1, ((self.now_ms >> width) + ahead) as usize % SLOTS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Entry, Key, Wheel};

    fn key(slot: u32) -> Key {
        Key { slot, generation: slot + 100 }
    }

    /// Advances and returns what was due.
    fn due_at(wheel: &mut Wheel, now_ms: u64) -> Vec<Key> {
        let mut due = Vec::new();
        wheel.advance(now_ms, &mut due);
        due
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn a_deadline_fires_once_and_not_a_millisecond_early() {
        for start in [0, 63, 64, 1_000_003, (1 << 36) - 5] {
            for delay in [0, 1, 10, 63, 64, 65, 4_095, 4_096, 30_000, 120_000, 86_400_000, 1 << 30] {
                let mut wheel = Wheel::new(start);
                wheel.arm(key(7), start + delay);
                if delay > 0 {
                    assert_eq!(due_at(&mut wheel, start + delay - 1), [], "start {start}, delay {delay}");
                }
                assert_eq!(due_at(&mut wheel, start + delay), [key(7)], "start {start}, delay {delay}");
                assert_eq!(due_at(&mut wheel, start + delay + 1), []);
                assert_eq!((wheel.armed(), wheel.next_ms()), (0, None));
            }
        }
    }

    #[test]
    fn arming_again_moves_and_disarming_forgets() {
        let mut wheel = Wheel::new(0);
        wheel.arm(key(1), 100);
        wheel.arm(key(1), 20_000);
        wheel.arm_no_later(key(1), 30_000);
        assert_eq!(wheel.deadline(key(1)), Some(20_000));
        wheel.arm_no_later(key(1), 50);
        assert_eq!(wheel.deadline(key(1)), Some(50));
        assert_eq!(wheel.armed(), 1);
        wheel.disarm(Key { slot: 1, generation: 1 });
        assert_eq!(wheel.armed(), 1, "another generation of the slot is not ours");
        wheel.disarm(key(1));
        assert_eq!(due_at(&mut wheel, 100_000), []);
    }

    #[test]
    fn a_slot_taken_over_belongs_to_its_new_owner() {
        let mut wheel = Wheel::new(0);
        wheel.arm(key(1), 10);
        let heir = Key { slot: 1, generation: 999 };
        wheel.arm(heir, 20);
        assert_eq!(wheel.deadline(key(1)), None);
        assert_eq!(due_at(&mut wheel, 30), [heir]);
    }

    #[test]
    fn a_deadline_beyond_the_last_level_waits_at_the_edge() {
        let mut wheel = Wheel::new(5);
        let far = (1 << 36) + 1_000;
        wheel.arm(key(0), far);
        assert_eq!(due_at(&mut wheel, far - 1), []);
        assert_eq!(due_at(&mut wheel, far), [key(0)]);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(
            start in prop_oneof![0u64..1 << 40, (1u64 << 36) - 10_000..1 << 36],
            steps in proptest::collection::vec(
                (0u32..40, prop_oneof![0u64..100, 0u64..10_000, 0u64..10_000_000], 0u8..4, 0u64..5_000), 1..200),
        ) {
            let mut wheel = Wheel::new(start);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = start;
            for (slot, delay, action, passes) in steps {
                match action {
                    0 => { wheel.disarm(key(slot)); model.remove(&slot); }
                    1 => { wheel.arm_no_later(key(slot), now + delay);
                           let at = model.entry(slot).or_insert(u64::MAX); *at = (*at).min(now + delay); }
                    _ => { wheel.arm(key(slot), now + delay); model.insert(slot, now + delay); }
                }
                let earliest = model.values().min().copied();
                prop_assert!(wheel.next_ms() <= earliest || earliest.is_none());
                now += passes;
                let due = due_at(&mut wheel, now);
                let deadlines: Vec<u64> = due.iter().map(|key| model[&key.slot]).collect();
                prop_assert!(deadlines.is_sorted(), "{deadlines:?}");
                let mut slots: Vec<u32> = due.iter().map(|key| key.slot).collect();
                slots.sort_unstable();
                let expected: Vec<u32> = model.iter().filter(|(_, at)| **at <= now).map(|(slot, _)| *slot).collect();
                prop_assert_eq!(slots, expected);
                model.retain(|_, at| *at > now);
                prop_assert_eq!(wheel.armed(), model.len());
            }
        }
    }
}
