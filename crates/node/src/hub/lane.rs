//! A lane: the subscribers of one channel on one shard that share a wire format, and the bytes that wait for them.

use bytes::Bytes;

use super::{ConnectionKey, FormatIndex};

/// Most bytes of one pass: a burst reaches a healthy reader in pieces that its socket and outbox can take.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// A subscriber, in 16 bytes. `from` is the number of the first frame that it gets: frames that were pending when it joined are not for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) connection: ConnectionKey,
    pub(super) from: u64,
}

/// In place of a subscriber that left during a pass; swept up when the pass ends, so that nobody is skipped or visited twice.
const LEFT: Subscriber = Subscriber { connection: ConnectionKey { slot: u32::MAX, generation: 0 }, from: u64::MAX };

impl Subscriber {
    pub(super) const fn has_left(&self) -> bool {
        self.connection.slot == u32::MAX
    }
}

/// One walk over the subscribers with everything that was pending when it began.
#[derive(Debug)]
pub(super) struct Pass {
    /// All frames, one after another.
    batch: Bytes,
    /// Where each frame begins in the batch.
    starts: Vec<usize>,
    /// The number of the first frame.
    first: u64,
    /// The next subscriber to visit.
    next: usize,
    /// When its first frame was appended, in microseconds.
    since_us: u64,
}

impl Pass {
    /// Where in the batch the part begins for a subscriber that gets frames from number `from` on, and how many frames that is.
    fn part_from(&self, from: u64) -> Option<(usize, usize)> {
        let skip = usize::try_from(from.saturating_sub(self.first)).ok()?;
        self.starts.get(skip).map(|start| (*start, self.starts.len() - skip))
    }
}

/// A subscriber's turn in a pass.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) connection: ConnectionKey,
    pub(super) batch: &'a Bytes,
    /// Where in the batch its part begins.
    pub(super) start: usize,
    /// How many frames that part has.
    pub(super) frames: usize,
}

/// The lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) format: FormatIndex,
    /// Whether its subscribers are told who comes and goes.
    pub(super) watches: bool,
    subscribers: Vec<Subscriber>,
    left: usize,
    pending: Vec<Bytes>,
    /// The number that the next appended frame gets.
    next_frame: u64,
    pass: Option<Pass>,
    /// When the first of the pending frames was appended, in microseconds.
    pending_since_us: u64,
    /// The same of a pass that has just ended.
    finished: Option<u64>,
}

impl Lane {
    pub(super) const fn new(format: FormatIndex, watches: bool) -> Self {
        Self {
            format,
            watches,
            subscribers: Vec::new(),
            left: 0,
            pending: Vec::new(),
            next_frame: 0,
            pass: None,
            pending_since_us: 0,
            finished: None,
        }
    }

    /// Adds a subscriber that gets what is appended from now on; answers its place.
    pub(super) fn join(&mut self, connection: ConnectionKey) -> u32 {
        self.subscribers.push(Subscriber { connection, from: self.next_frame });
        place(self.subscribers.len() - 1)
    }

    /// Removes the subscriber at `place`. Answers who moved into that place, if anyone did.
    pub(super) fn leave(&mut self, at: u32) -> Option<ConnectionKey> {
        let at = at as usize;
        if self.pass.is_some() {
            self.subscribers[at] = LEFT;
            self.left += 1;
            return None;
        }
        self.subscribers.swap_remove(at);
        self.subscribers.get(at).map(|moved| moved.connection)
    }

    /// What was appended for the subscriber at `place` and not yet written to it: the rest of the pass under way, then what is pending.
    pub(super) fn unwritten(&self, place: u32) -> Vec<Bytes> {
        let Some(subscriber) = self.subscribers.get(place as usize) else { return Vec::new() };
        let mut unwritten = Vec::new();
        if let Some(pass) = self.pass.as_ref().filter(|pass| pass.next <= place as usize)
            && let Some((start, _)) = pass.part_from(subscriber.from)
        {
            unwritten.push(pass.batch.slice(start..));
        }
        let first_pending = self.next_frame - self.pending.len() as u64;
        let skip = usize::try_from(subscriber.from.saturating_sub(first_pending)).unwrap_or(usize::MAX);
        unwritten.extend(self.pending.iter().skip(skip).cloned());
        unwritten
    }

    /// How many are subscribed.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len() - self.left
    }

    /// Everyone subscribed.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionKey> {
        self.subscribers.iter().filter(|one| !one.has_left()).map(|one| one.connection)
    }

    /// Appends a frame for all who are subscribed now. Answers the bytes that this adds to what waits.
    pub(super) fn append(&mut self, frame: &Bytes, now_us: u64) -> usize {
        if frame.is_empty() || self.len() == 0 {
            return 0;
        }
        self.next_frame += 1;
        if self.pending.is_empty() {
            self.pending_since_us = now_us;
        }
        self.pending.push(frame.clone());
        frame.len()
    }

    /// Whether there is anything to write.
    pub(super) fn has_work(&self) -> bool {
        self.pass.is_some() || !self.pending.is_empty()
    }

    /// Begins a pass with what is pending (at most 256 KiB, at least one frame), if none is under way. Answers the bytes that stopped waiting.
    pub(super) fn begin_pass(&mut self) -> usize {
        if self.pass.is_some() || self.pending.is_empty() {
            return 0;
        }
        let first = self.next_frame - self.pending.len() as u64;
        let (mut starts, mut bytes) = (Vec::new(), 0);
        for frame in &self.pending {
            if bytes > 0 && bytes + frame.len() > BATCH_BYTES_MAX {
                break;
            }
            starts.push(bytes);
            bytes += frame.len();
        }
        let batch = if starts.len() == 1 {
            self.pending.remove(0)
        } else {
            // One contiguous buffer: a single write of it costs what a write of one frame costs.
            let mut joined = Vec::with_capacity(bytes);
            self.pending.drain(..starts.len()).for_each(|frame| joined.extend_from_slice(&frame));
            joined.into()
        };
        // What a large burst leaves for the next pass is measured from its first frame, too: that is the longest that any of it can have waited.
        self.pass = Some(Pass { batch, starts, first, next: 0, since_us: self.pending_since_us });
        bytes
    }

    /// The next subscriber of the pass under way, and what it is to get; `None` when the pass is over, which ends it.
    pub(super) fn visit(&mut self) -> Option<Visit<'_>> {
        let found = self.next_visit();
        if found.is_none()
            && let Some(pass) = self.pass.take()
        {
            self.finished = Some(pass.since_us);
        }
        let (connection, (start, frames)) = found?;
        self.pass.as_ref().map(|pass| Visit { connection, batch: &pass.batch, start, frames })
    }

    /// Whom the pass under way visits next, at most so many.
    pub(super) fn upcoming(&self, most: usize) -> &[Subscriber] {
        let next = self.pass.as_ref().map_or(self.subscribers.len(), |pass| pass.next);
        let rest = self.subscribers.get(next..).unwrap_or_default();
        &rest[..rest.len().min(most)]
    }

    /// When the first frame was appended of a pass that has ended since the last call, in microseconds.
    pub(super) const fn take_finished(&mut self) -> Option<u64> {
        self.finished.take()
    }

    fn next_visit(&mut self) -> Option<(ConnectionKey, (usize, usize))> {
        let pass = self.pass.as_mut()?;
        while let Some(subscriber) = self.subscribers.get(pass.next) {
            pass.next += 1;
            if subscriber.has_left() {
                continue;
            }
            if let Some(part) = pass.part_from(subscriber.from) {
                return Some((subscriber.connection, part));
            }
        }
        None
    }

    /// After a pass: forgets those who left during it. Answers who moved, with their new places.
    pub(super) fn sweep(&mut self) -> Vec<(ConnectionKey, u32)> {
        let mut moved = Vec::new();
        if self.left == 0 || self.pass.is_some() {
            return moved;
        }
        let mut at = 0;
        while at < self.subscribers.len() {
            if !self.subscribers[at].has_left() {
                at += 1;
                continue;
            }
            self.subscribers.swap_remove(at);
            if let Some(one) = self.subscribers.get(at).filter(|one| !one.has_left()) {
                moved.push((one.connection, place(at)));
            }
        }
        self.left = 0;
        moved
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("invariant: fewer than 2^32 subscribers on a shard")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> ConnectionKey {
        ConnectionKey { slot, generation: 1 }
    }

    fn visits(lane: &mut Lane) -> Vec<(u32, Bytes)> {
        lane.begin_pass();
        let got =
            std::iter::from_fn(|| lane.visit().map(|visit| (visit.connection.slot, visit.batch.slice(visit.start..))))
                .collect();
        lane.sweep();
        got
    }

    #[test]
    fn a_joiner_gets_only_what_comes_after_it_joined() {
        let mut lane = Lane::new(FormatIndex(0), false);
        lane.join(key(1));
        lane.append(&Bytes::from_static(b"a"), 0);
        lane.join(key(2));
        lane.append(&Bytes::from_static(b"b"), 0);
        lane.join(key(3));
        assert_eq!(visits(&mut lane), [(1, Bytes::from_static(b"ab")), (2, Bytes::from_static(b"b"))]);
        lane.append(&Bytes::from_static(b"c"), 0);
        assert_eq!(visits(&mut lane).len(), 3);
    }

    #[test]
    fn who_leaves_is_owed_what_was_appended_before() {
        let mut lane = Lane::new(FormatIndex(0), false);
        let owed = |lane: &Lane, place| lane.unwritten(place).concat();
        lane.join(key(0));
        lane.append(&Bytes::from_static(b"a"), 0);
        lane.join(key(1));
        lane.append(&Bytes::from_static(b"b"), 0);
        assert_eq!((owed(&lane, 0), owed(&lane, 1)), (b"ab".to_vec(), b"b".to_vec()));
        lane.begin_pass();
        lane.append(&Bytes::from_static(b"c"), 0);
        let upcoming =
            |lane: &Lane, most| lane.upcoming(most).iter().map(|one| one.connection.slot).collect::<Vec<_>>();
        assert_eq!((upcoming(&lane, 9), upcoming(&lane, 1)), (vec![0, 1], vec![0]));
        lane.visit();
        assert_eq!(upcoming(&lane, 9), [1]);
        assert_eq!((owed(&lane, 0), owed(&lane, 1)), (b"c".to_vec(), b"bc".to_vec()));
    }

    #[test]
    fn a_pass_is_as_old_as_its_first_frame() {
        let mut lane = Lane::new(FormatIndex(0), false);
        lane.join(key(1));
        lane.append(&Bytes::from_static(b"a"), 50);
        lane.append(&Bytes::from_static(b"b"), 60);
        assert_eq!(lane.take_finished(), None, "it has not begun");
        lane.begin_pass();
        lane.append(&Bytes::from_static(b"c"), 70);
        lane.visit();
        assert_eq!(lane.take_finished(), None, "it is under way");
        assert!(lane.visit().is_none());
        assert_eq!((lane.take_finished(), lane.take_finished()), (Some(50), None));
        visits(&mut lane);
        assert_eq!(lane.take_finished(), Some(70));
    }

    #[test]
    fn a_burst_is_cut_into_batches() {
        let mut lane = Lane::new(FormatIndex(0), false);
        lane.join(key(1));
        let frame = Bytes::from(vec![b'x'; 100 * 1024]);
        (0..5).for_each(|_| assert_eq!(lane.append(&frame, 0), frame.len()));
        lane.join(key(2));
        lane.append(&frame, 0);
        let sizes: Vec<_> = std::iter::from_fn(|| lane.has_work().then(|| visits(&mut lane)))
            .map(|got| got.iter().map(|(slot, part)| (*slot, part.len() / frame.len())).collect::<Vec<_>>())
            .collect();
        assert_eq!(sizes, [vec![(1, 2)], vec![(1, 2)], vec![(1, 2), (2, 1)]]);
    }

    #[test]
    fn leaving_during_a_pass_skips_nobody_and_visits_nobody_twice() {
        for leaver in 0..5 {
            for at in 0..5 {
                let mut lane = Lane::new(FormatIndex(0), false);
                (0..5).for_each(|slot| assert_eq!(lane.join(key(slot)), slot));
                lane.append(&Bytes::from_static(b"x"), 0);
                lane.begin_pass();
                let mut seen = Vec::new();
                for step in 0.. {
                    if step == at {
                        lane.leave(leaver);
                        lane.join(key(9));
                    }
                    match lane.visit() {
                        Some(visit) => seen.push(visit.connection.slot),
                        None => break,
                    }
                }
                let expected: Vec<_> = (0..5).filter(|slot| *slot != leaver || leaver < at).collect();
                assert_eq!(seen, expected, "leaver {leaver} at {at}");
                let moved = lane.sweep();
                assert_eq!(lane.len(), 5);
                for (connection, place) in moved {
                    assert_eq!(lane.subscribers[place as usize].connection, connection);
                }
                assert!(lane.connections().all(|one| one != key(leaver)));
            }
        }
    }

    #[test]
    fn frames_without_listeners_do_not_pile_up() {
        let mut lane = Lane::new(FormatIndex(0), false);
        for _ in 0..1000 {
            assert_eq!(lane.append(&Bytes::from_static(b"x"), 0), 0);
        }
        assert!(!lane.has_work());
    }
}
