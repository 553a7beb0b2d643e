//! What a channel keeps of its past in memory: a run of messages without a gap that ends with the last one, and frames they were encoded to.
//! Bounded in number, age and bytes. Nothing here knows who subscribes.

use std::collections::VecDeque;

use bytes::Bytes;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{HistoryFrom, HistoryPage, HistoryQuery, StartFrom};
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::limits::{HISTORY_CHANNEL_BYTES_MAX, HISTORY_PAGE_MAX};
use tollgate_core::model::ChannelSettings;
use tollgate_core::ports::broker::History;

use super::FormatIndex;

/// A message that is kept.
#[derive(Debug)]
struct Kept {
    publication: Publication,
    /// In the formats of those who came back. Not those of its delivery: few messages are ever sent again.
    frames: Vec<(FormatIndex, Bytes)>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.publication.bytes() + self.frames.iter().map(|(_, frame)| frame.len()).sum::<usize>()
    }
}

/// The frames of a run of messages in one format, joined for the last who asked: after an outage thousands ask for the same run.
#[derive(Debug)]
struct Joined {
    first: u64,
    last: u64,
    format: FormatIndex,
    bytes: Bytes,
}

/// The past.
#[derive(Debug)]
pub(super) struct Past {
    position: Position,
    kept: VecDeque<Kept>,
    bytes: usize,
    joined: Option<Joined>,
}

/// Where a subscriber begins, and what it is to be sent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    pub(super) position: Position,
    pub(super) recovered: Option<bool>,
    pub(super) missed: Bytes,
    pub(super) count: usize,
}

impl Past {
    /// Nothing is kept, and the last message had this position.
    pub(super) const fn new(position: Position) -> Self {
        Self { position, kept: VecDeque::new(), bytes: 0, joined: None }
    }

    /// Where the channel is.
    pub(super) const fn position(&self) -> Position {
        self.position
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The offset of the first message that is kept; one more than the last if none is.
    pub(super) fn first(&self) -> u64 {
        self.position.offset + 1 - self.kept.len() as u64
    }

    /// When the message at a position was accepted, if it is kept.
    pub(super) fn accepted_at(&self, position: Position) -> Option<UnixMillis> {
        let place = position.offset.checked_sub(self.first()).filter(|_| position.epoch == self.position.epoch)?;
        self.kept.get(usize::try_from(place).ok()?).map(|kept| kept.publication.at)
    }

    /// The next message: gives it its place, and keeps it as the settings say.
    pub(super) fn push(&mut self, publication: &Publication, settings: &ChannelSettings) {
        self.position.offset += 1;
        if settings.history.size == 0 && !settings.retain {
            return;
        }
        self.bytes += publication.bytes();
        self.kept.push_back(Kept { publication: publication.clone(), frames: Vec::new() });
        self.trim(settings, publication.at);
    }

    /// Forgets what need not be kept any more.
    pub(super) fn trim(&mut self, settings: &ChannelSettings, now: UnixMillis) {
        let least = usize::from(settings.retain);
        let most = (settings.history.size as usize).max(least);
        while let Some(oldest) = self.kept.front().filter(|_| self.kept.len() > least) {
            let is_old = oldest.publication.at.0.saturating_add(settings.history.ttl_ms) <= now.0;
            if self.kept.len() <= most && self.bytes <= HISTORY_CHANNEL_BYTES_MAX && !is_old {
                break;
            }
            self.forget_first();
        }
        if self.kept.is_empty() {
            (self.kept, self.joined) = (VecDeque::new(), None);
        }
    }

    /// Forgets the older half, to make room for other channels.
    pub(super) fn halve(&mut self) {
        for _ in 0..self.kept.len().div_ceil(2) {
            self.forget_first();
        }
        self.joined = None;
    }

    fn forget_first(&mut self) {
        if let Some(gone) = self.kept.pop_front() {
            self.bytes -= gone.bytes();
        }
    }

    /// Adds older messages that the store has, as far as they join what is kept.
    pub(super) fn fill(&mut self, messages: Vec<(u64, Publication)>) {
        for (offset, publication) in messages.into_iter().rev() {
            if offset + 1 == self.first() && self.bytes + publication.bytes() <= HISTORY_CHANNEL_BYTES_MAX {
                self.bytes += publication.bytes();
                self.kept.push_front(Kept { publication, frames: Vec::new() });
            }
        }
    }

    /// The offset behind which somebody begins that wants to begin there; `None` when that is lost.
    fn begin(&self, from: StartFrom) -> Option<u64> {
        let first = self.first();
        match from {
            StartFrom::Position(position) => {
                let is_known = position.epoch == self.position.epoch && position.offset <= self.position.offset;
                (is_known && position.offset + 1 >= first).then_some(position.offset)
            }
            StartFrom::Last(count) => Some(self.position.offset.saturating_sub(u64::from(count)).max(first - 1)),
            StartFrom::Since(at) => {
                let newer = self.kept.iter().rev().take_while(|kept| kept.publication.at >= at).count() as u64;
                Some(self.position.offset - newer)
            }
        }
    }

    /// The first offset that has to be in memory for somebody to begin there, if it can be known.
    pub(super) fn needs(&self, from: StartFrom) -> u64 {
        match from {
            StartFrom::Position(position) if position.epoch == self.position.epoch => position.offset + 1,
            StartFrom::Position(_) => u64::MAX,
            StartFrom::Last(count) => (self.position.offset + 1).saturating_sub(u64::from(count)).max(1),
            StartFrom::Since(at) => match self.kept.front() {
                Some(oldest) if oldest.publication.at < at => u64::MAX,
                _ => 1,
            },
        }
    }

    /// What a subscriber with this format is sent that begins there. `encode` gives the frame of a message that nobody needed in it until now.
    pub(super) fn beginning(
        &mut self,
        from: Option<StartFrom>,
        format: FormatIndex,
        encode: impl FnMut(Position, &Publication) -> Bytes,
    ) -> Beginning {
        let begin = from.map_or(Some(self.position.offset), |from| self.begin(from));
        let Some(begin) = begin else {
            return Beginning { position: self.position, recovered: Some(false), missed: Bytes::new(), count: 0 };
        };
        let count = usize::try_from(self.position.offset - begin).unwrap_or(usize::MAX);
        Beginning {
            position: Position { offset: begin, ..self.position },
            recovered: from.map(|_| true),
            missed: self.join(begin + 1, format, encode),
            count,
        }
    }

    /// The frames of every message from this offset on.
    fn join(
        &mut self,
        first: u64,
        format: FormatIndex,
        mut encode: impl FnMut(Position, &Publication) -> Bytes,
    ) -> Bytes {
        let last = self.position.offset;
        if first > last {
            return Bytes::new();
        }
        if let Some(joined) =
            self.joined.as_ref().filter(|joined| (joined.first, joined.last, joined.format) == (first, last, format))
        {
            return joined.bytes.clone();
        }
        let (skip, epoch) = (usize::try_from(first - self.first()).unwrap_or(usize::MAX), self.position.epoch);
        let mut bytes = Vec::new();
        for (offset, kept) in (first..).zip(self.kept.iter_mut().skip(skip)) {
            let at = kept.frames.iter().position(|(one, _)| *one == format).unwrap_or_else(|| {
                let frame = encode(Position { epoch, offset }, &kept.publication);
                self.bytes += frame.len();
                kept.frames.push((format, frame));
                kept.frames.len() - 1
            });
            bytes.extend_from_slice(&kept.frames[at].1);
        }
        let bytes = Bytes::from(bytes);
        self.joined = Some(Joined { first, last, format, bytes: bytes.clone() });
        bytes
    }

    /// A page, as far as memory has it.
    pub(super) fn page(&self, query: HistoryQuery, is_durable: bool) -> History {
        let (first, last) = (self.first(), self.position.offset);
        let in_store = |needed: u64| is_durable && needed < first && first > 1;
        let lost = History::Lost(self.position);
        let elsewhere = History::InStore { memory_from: first, position: self.position };
        // The offsets asked for, both included.
        let (from, to) = match query.from {
            HistoryFrom::End => (1, last),
            HistoryFrom::After(position) if position.epoch != self.position.epoch || position.offset > last => {
                return lost;
            }
            HistoryFrom::Before(position) if position.epoch != self.position.epoch || position.offset > last + 1 => {
                return lost;
            }
            HistoryFrom::After(position) if position.offset + 1 < first && !in_store(position.offset + 1) => {
                return lost;
            }
            HistoryFrom::After(position) => (position.offset + 1, last),
            HistoryFrom::Before(position) => (1, position.offset.saturating_sub(1)),
            HistoryFrom::Since(at) => {
                let newer = self.kept.iter().rev().take_while(|kept| kept.publication.at >= at).count() as u64;
                (if newer == self.kept.len() as u64 { 1 } else { last + 1 - newer }, last)
            }
        };
        let limit = query.limit.clamp(1, HISTORY_PAGE_MAX) as u64;
        let needed = if query.newest_first { from.max((to + 1).saturating_sub(limit)) } else { from };
        if in_store(needed.max(1)) {
            return elsewhere;
        }
        let from = from.max(first);
        let whole = if to < from { 0 } else { to + 1 - from };
        let count = whole.min(limit);
        let begin = if query.newest_first { to + 1 - count } else { from };
        let skip = usize::try_from(begin.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut messages: Vec<_> = (begin..)
            .zip(self.kept.iter().skip(skip).map(|kept| kept.publication.clone()))
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .collect();
        if query.newest_first {
            messages.reverse();
        }
        let more = whole > count || (query.newest_first && is_durable && from == first && first > 1 && count > 0);
        History::Page(HistoryPage { messages, position: self.position, more })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tollgate_core::json::JsonValue;
    use tollgate_core::model::HistorySettings;

    use super::*;

    fn settings(size: u32, retain: bool) -> ChannelSettings {
        let history = HistorySettings { size, ttl_ms: 1_000, durable: false };
        ChannelSettings { history, retain, ..ChannelSettings::default() }
    }

    fn said(at: u64) -> Publication {
        Publication::new("e", JsonValue::null(), UnixMillis(at))
    }

    fn past(messages: u64, settings: &ChannelSettings) -> Past {
        let mut past = Past::new(Position { epoch: 9, offset: 0 });
        (1..=messages).for_each(|at| past.push(&said(at), settings));
        past
    }

    fn offsets_sent(past: &mut Past, from: StartFrom) -> (Option<bool>, u64, String) {
        let frame = |position: Position, _: &Publication| Bytes::from(format!("{} ", position.offset));
        let begun = past.beginning(Some(from), FormatIndex(0), frame);
        let sent = String::from_utf8_lossy(&begun.missed).into_owned();
        assert_eq!(sent.split_whitespace().count(), begun.count);
        (begun.recovered, begun.position.offset, sent)
    }

    #[test]
    fn who_comes_back_gets_all_behind_its_position_or_is_told_that_it_is_lost() {
        let mut past = past(10, &settings(4, false));
        let at = |epoch, offset| StartFrom::Position(Position { epoch, offset });
        for (from, expected) in [
            (at(9, 10), (Some(true), 10, "")),
            (at(9, 7), (Some(true), 7, "8 9 10 ")),
            (at(9, 6), (Some(true), 6, "7 8 9 10 ")),
            (at(9, 5), (Some(false), 10, "")),
            (at(9, 11), (Some(false), 10, "")),
            (at(8, 10), (Some(false), 10, "")),
            (StartFrom::Last(2), (Some(true), 8, "9 10 ")),
            (StartFrom::Last(100), (Some(true), 6, "7 8 9 10 ")),
            (StartFrom::Since(UnixMillis(9)), (Some(true), 8, "9 10 ")),
            (StartFrom::Since(UnixMillis(11)), (Some(true), 10, "")),
        ] {
            for _ in 0..2 {
                let (recovered, position, sent) = offsets_sent(&mut past, from);
                assert_eq!((recovered, position, sent.as_str()), expected, "{from:?}");
            }
        }
        past.push(&said(11), &settings(4, false));
        assert_eq!(offsets_sent(&mut past, at(9, 7)).2, "8 9 10 11 ", "what was joined before is not sent again");
    }

    #[test]
    fn it_is_bounded_in_number_age_and_bytes() {
        let kept = |past: &Past| (past.first(), past.position().offset);
        assert_eq!(kept(&past(10, &settings(0, false))), (11, 10));
        assert_eq!(kept(&past(10, &settings(0, true))), (10, 10), "the last one is retained");
        let mut aged = past(10, &settings(100, true));
        aged.trim(&settings(100, true), UnixMillis(1_005));
        assert_eq!(kept(&aged), (6, 10));
        aged.trim(&settings(100, true), UnixMillis(5_000));
        assert_eq!(kept(&aged), (10, 10));
        aged.trim(&settings(100, false), UnixMillis(5_000));
        assert_eq!((kept(&aged), aged.bytes()), ((11, 10), 0));
        let text = format!("\"{}\"", "x".repeat(3 << 20));
        let large = Publication::new("e", JsonValue::parse(text.as_bytes(), usize::MAX).unwrap(), UnixMillis(1));
        let mut heavy = Past::new(Position { epoch: 1, offset: 0 });
        (0..9).for_each(|_| heavy.push(&large, &settings(100, false)));
        assert!(heavy.bytes() <= HISTORY_CHANNEL_BYTES_MAX && heavy.first() == 8, "{}", heavy.first());
    }

    #[test]
    fn pages_go_both_ways_and_say_whether_there_is_more() {
        let past = past(10, &settings(6, false));
        let at = |offset| Position { epoch: 9, offset };
        let page = |from, newest_first, limit| match past.page(HistoryQuery { from, newest_first, limit }, false) {
            History::Page(page) => {
                let offsets: Vec<_> = page.messages.iter().map(|(offset, _)| *offset).collect();
                assert!(page.messages.iter().all(|(offset, publication)| publication.at.0 == *offset));
                Some((offsets, page.more))
            }
            History::Lost(position) => {
                assert_eq!(position, at(10));
                None
            }
            History::InStore { .. } => unreachable!("nothing is in a store"),
        };
        assert_eq!(page(HistoryFrom::End, false, 3), Some((vec![5, 6, 7], true)));
        assert_eq!(page(HistoryFrom::End, true, 3), Some((vec![10, 9, 8], true)));
        assert_eq!(page(HistoryFrom::End, true, 6), Some((vec![10, 9, 8, 7, 6, 5], false)));
        assert_eq!(page(HistoryFrom::After(at(8)), false, 3), Some((vec![9, 10], false)));
        assert_eq!(page(HistoryFrom::After(at(10)), false, 3), Some((vec![], false)));
        assert_eq!(page(HistoryFrom::After(at(4)), true, 2), Some((vec![10, 9], true)));
        assert_eq!(page(HistoryFrom::After(at(3)), false, 3), None);
        assert_eq!(page(HistoryFrom::After(at(11)), false, 3), None, "that is still to come");
        assert_eq!(page(HistoryFrom::Before(at(7)), true, 9), Some((vec![6, 5], false)));
        assert_eq!(page(HistoryFrom::Before(at(2)), true, 9), Some((vec![], false)));
        assert_eq!(page(HistoryFrom::Since(UnixMillis(9)), false, 9), Some((vec![9, 10], false)));
    }

    #[test]
    fn what_the_store_has_is_asked_of_it_and_joins_what_is_kept() {
        let mut past = past(10, &settings(3, false));
        let at = |offset| Position { epoch: 9, offset };
        let query = HistoryQuery { from: HistoryFrom::After(at(4)), newest_first: false, limit: 10 };
        assert_eq!(past.page(query, true), History::InStore { memory_from: 8, position: at(10) });
        past.fill((3..=6).map(|offset| (offset, said(offset))).collect());
        assert_eq!(past.first(), 8, "a gap is not filled");
        past.fill((5..=7).map(|offset| (offset, said(offset))).collect());
        assert_eq!(past.first(), 5);
        assert!(matches!(past.page(query, true), History::Page(page) if page.messages.len() == 6));
        assert_eq!(past.needs(StartFrom::Position(at(4))), 5);
        assert_eq!(past.needs(StartFrom::Last(20)), 1);
    }
}
