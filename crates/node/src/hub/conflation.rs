//! Conflation: of messages with the same key that come faster than a channel's rate, the latest alone goes on, at its time. Not the order of what
//! goes on, which is the home's.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tollgate_core::clock::Monotonic;
use tollgate_core::delivery::Publication;
use tollgate_core::limits::CONFLATE_KEYS_MAX;

/// A message that is held back, and the hash of its id.
pub(super) type Held = (Publication, Option<[u8; 16]>);

/// The keys of a channel that sent something lately.
#[derive(Debug, Default)]
pub(super) struct Conflation {
    /// What each key holds back.
    keys: HashMap<Arc<str>, Option<Held>>,
    /// Keys by when their next message may go.
    turns: BTreeSet<(Monotonic, Arc<str>)>,
}

impl Conflation {
    /// Whether this message may go on now; if not it is held, in place of one that was.
    pub(super) fn admits(
        &mut self,
        key: &Arc<str>,
        publication: &Publication,
        once: Option<[u8; 16]>,
        per_second: u16,
        now: Monotonic,
    ) -> bool {
        if let Some(held) = self.keys.get_mut(key) {
            *held = Some((publication.clone(), once));
            return false;
        }
        if self.keys.len() < CONFLATE_KEYS_MAX {
            self.wait(key, per_second, now);
        }
        true
    }

    fn wait(&mut self, key: &Arc<str>, per_second: u16, now: Monotonic) {
        let turn = now.plus(1_000 / u64::from(per_second.max(1)));
        self.keys.insert(Arc::clone(key), None);
        self.turns.insert((turn, Arc::clone(key)));
    }

    /// When the next key has its turn.
    pub(super) fn due_at(&self) -> Option<Monotonic> {
        self.turns.first().map(|(at, _)| *at)
    }

    /// The next held message whose time has come. Keys that held nothing are forgotten on the way.
    pub(super) fn due(&mut self, per_second: u16, now: Monotonic) -> Option<Held> {
        while self.due_at().is_some_and(|at| at <= now) {
            let (_, key) = self.turns.pop_first()?;
            let latest = self.keys.remove(&key).flatten();
            if latest.is_some() {
                self.wait(&key, per_second, now);
                return latest;
            }
        }
        None
    }

    /// Gives up holding back: everything that was held, in the order of its turns.
    pub(super) fn release(&mut self) -> Vec<Held> {
        let Self { mut keys, turns } = std::mem::take(self);
        turns.into_iter().filter_map(|(_, key)| keys.remove(&key).flatten()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::clock::UnixMillis;
    use tollgate_core::json::JsonValue;

    use super::*;

    #[test]
    fn the_latest_of_a_key_goes_at_most_so_often() {
        let mut conflation = Conflation::default();
        let said = |at| Publication::new("e", JsonValue::null(), UnixMillis(at));
        let mut went = Vec::new();
        for ms in 0..=1_000_u64 {
            let now = Monotonic(ms);
            while let Some((publication, _)) = conflation.due(4, now) {
                went.push(publication.at.0);
            }
            if ms < 700 && ms % 10 == 0 && conflation.admits(&"a".into(), &said(ms), None, 4, now) {
                went.push(ms);
            }
            if ms == 5 {
                assert!(conflation.admits(&"b".into(), &said(ms), None, 4, now), "another key has its own turn");
            }
        }
        assert_eq!(went, [0, 240, 490, 690]);
        assert!(conflation.due(4, Monotonic(2_000)).is_none());
        assert!(conflation.is_empty(), "a key that is silent is forgotten");
    }
}
