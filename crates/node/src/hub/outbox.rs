//! An outbox: what waits for one connection's socket, and how it is given up at a frame's end. Not what is put into it, nor when it is full for too long.

use std::collections::VecDeque;

use bytes::Bytes;
use tollgate_core::clock::Monotonic;
use tollgate_core::limits::{OUTBOX_BYTES_MAX, OUTBOX_WRITES_MAX};

use super::FrameBytes;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The socket took everything.
    All,
    /// The socket took this many bytes and no more for now; the shard is told through [`super::Shard::writable`] when it can take more.
    Part(usize),
    /// The socket is gone.
    Gone,
}

/// Writes that wait until the socket takes more, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    writes: VecDeque<Bytes>,
    bytes: usize,
    frame_bytes: FrameBytes,
    /// Bytes at the front that end a frame of which the socket has taken a part.
    begun: usize,
    /// When the socket last took something.
    pub(super) moved_at: Monotonic,
}

impl Outbox {
    pub(super) const fn new(now: Monotonic, frame_bytes: FrameBytes) -> Self {
        Self { writes: VecDeque::new(), bytes: 0, frame_bytes, begun: 0, moved_at: now }
    }

    /// How many bytes wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// An outbox with what is left of a write (whole frames) of which the socket took `taken` bytes.
    pub(super) fn with_rest(now: Monotonic, frame_bytes: FrameBytes, write: Bytes, taken: usize) -> Self {
        let mut outbox = Self::new(now, frame_bytes);
        outbox.bytes = write.len();
        outbox.writes.push_back(write);
        outbox.take_front(taken);
        outbox
    }

    /// Notes that the socket took a part of the front write.
    fn take_front(&mut self, taken: usize) {
        let Some(front) = self.writes.front_mut() else { return };
        let mut frames = self.begun;
        while frames < taken {
            frames += (self.frame_bytes)(&front[frames..]).max(1);
        }
        self.begun = frames.min(front.len()) - taken;
        self.bytes -= taken;
        *front = front.slice(taken..);
    }

    /// Adds a write; false, and nothing added, when the outbox is full. One write always fits.
    pub(super) fn push(&mut self, write: Bytes) -> bool {
        if self.bytes > 0 && (self.bytes + write.len() > OUTBOX_BYTES_MAX || self.writes.len() >= OUTBOX_WRITES_MAX) {
            return false;
        }
        self.bytes += write.len();
        self.writes.push_back(write);
        true
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Gives up everything but the end of a frame of which the socket has taken a part, so that what follows starts at a frame.
    pub(super) fn give_up(&mut self) {
        self.writes.truncate(usize::from(self.begun > 0));
        if let Some(front) = self.writes.front_mut() {
            front.truncate(self.begun);
        }
        self.bytes = self.begun;
    }

    /// Writes through `write` until it takes no more. `Written::All` says that the outbox is empty.
    pub(super) fn flush(&mut self, now: Monotonic, mut write: impl FnMut(&[u8]) -> Written) -> Written {
        while let Some(front) = self.writes.front_mut() {
            match write(front) {
                Written::All => {
                    self.bytes -= front.len();
                    self.begun = 0;
                    self.writes.pop_front();
                    self.moved_at = now;
                }
                Written::Part(taken) => {
                    self.take_front(taken);
                    if taken > 0 {
                        self.moved_at = now;
                    }
                    return Written::Part(taken);
                }
                Written::Gone => return Written::Gone,
            }
        }
        Written::All
    }
}

#[cfg(test)]
mod tests {
    use super::Written::{All, Part};
    use super::*;

    /// Frames of the tests: a digit, and as many bytes as it says.
    fn digit(bytes: &[u8]) -> usize {
        1 + usize::from(bytes[0] - b'0')
    }

    #[test]
    fn giving_up_ends_the_frame_that_was_begun_and_no_more() {
        let batch = Bytes::from_static(b"2aa3bbb01c");
        for (taken, more, left) in [
            (0, 0, ""),
            (1, 0, "aa"),
            (2, 0, "a"),
            (3, 0, ""),
            (4, 0, "bbb"),
            (4, 1, "bb"),
            (1, 1, "a"),
            (1, 2, ""),
            (1, 3, "bbb"),
            (1, 6, ""),
            (7, 0, ""),
            (8, 0, ""),
            (9, 0, "c"),
        ] {
            let mut outbox = Outbox::with_rest(Monotonic(0), digit, batch.clone(), taken);
            assert!(outbox.push(Bytes::from_static(b"1d")));
            outbox.flush(Monotonic(0), |_| Part(more));
            outbox.give_up();
            assert_eq!(outbox.bytes, left.len());
            assert!(outbox.push(Bytes::from_static(b"1e")));
            let mut rest = Vec::new();
            outbox.flush(Monotonic(0), |bytes| {
                rest.extend_from_slice(bytes);
                All
            });
            assert_eq!(rest, [left.as_bytes(), b"1e"].concat(), "{taken} and {more} taken");
        }
    }

    #[test]
    fn an_outbox_is_bounded_in_bytes_and_writes_and_keeps_its_order() {
        let mut outbox = Outbox::new(Monotonic(0), |frame| frame.len());
        assert!(outbox.push(Bytes::from(vec![0; 2 * OUTBOX_BYTES_MAX])), "one write always fits");
        assert!(!outbox.push(Bytes::from_static(b"x")));
        let mut outbox = Outbox::new(Monotonic(0), |frame| frame.len());
        let pushed = (0..).take_while(|_| outbox.push(Bytes::from_static(b"ab"))).count();
        assert_eq!(pushed, OUTBOX_WRITES_MAX);
        let mut taken = 0;
        assert_eq!(
            outbox.flush(Monotonic(5), |bytes| if taken < 3 {
                taken += 1;
                All
            } else {
                Part(bytes.len() / 2)
            }),
            Part(1)
        );
        outbox.give_up();
        let mut rest = Vec::new();
        assert_eq!(
            outbox.flush(Monotonic(6), |bytes| {
                rest.extend_from_slice(bytes);
                All
            }),
            All
        );
        assert_eq!(
            (rest.as_slice(), outbox.is_empty(), outbox.moved_at),
            (b"b".as_slice(), true, Monotonic(6)),
            "the write begun is ended, the rest given up"
        );
    }
}
