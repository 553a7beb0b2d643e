//! The end of a connection's token, as a dialect watches it: when to warn the client, and when to close. Plain data on the dialect's own time;
//! what is sent then is each dialect's. Deliveries do not depend on it: the hub stops them by itself.

use tollgate_core::clock::Monotonic;
use tollgate_core::command::Expiry;

/// Two ends this close are one: each is reckoned from a wall clock, and read at different moments.
const SAME_END_MS: u64 = 1_000;

/// In place of a moment that never comes.
const NEVER: Monotonic = Monotonic(u64::MAX);

/// The watch. Begins without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryWatch {
    ends_at: Monotonic,
    /// Once the client has been warned: never.
    warn_at: Monotonic,
}

impl Default for ExpiryWatch {
    fn default() -> Self {
        Self { ends_at: NEVER, warn_at: NEVER }
    }
}

impl ExpiryWatch {
    /// The token ends then, or never. A client that was warned of this end is not warned again.
    pub fn set(&mut self, now: Monotonic, expiry: Option<Expiry>) {
        let Some(expiry) = expiry else { return *self = Self::default() };
        let ends_at = now.plus(expiry.left_ms);
        let is_same = ends_at.since(self.ends_at).max(self.ends_at.since(ends_at)) < SAME_END_MS;
        let was_warned = self.warn_at == NEVER && self.ends_at != NEVER;
        let warn_at = Monotonic(ends_at.0.saturating_sub(expiry.warning_ms())).max(now);
        self.warn_at = if (is_same && was_warned) || ends_at == NEVER { NEVER } else { warn_at };
        self.ends_at = ends_at;
    }

    /// Whether the token has ended.
    #[must_use]
    pub fn has_ended(&self, now: Monotonic) -> bool {
        self.ends_at <= now
    }

    /// If the client is to be warned by now: how many milliseconds it has left. Answered once for each end.
    pub fn warning(&mut self, now: Monotonic) -> Option<u64> {
        (self.warn_at <= now).then(|| {
            self.warn_at = NEVER;
            self.ends_at.since(now)
        })
    }

    /// When to look again.
    #[must_use]
    pub fn wake_at(&self) -> Option<Monotonic> {
        let at = self.warn_at.min(self.ends_at);
        (at != NEVER).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Monotonic = Monotonic(1_000_000);

    fn watch(left_ms: u64, life_ms: u64) -> ExpiryWatch {
        let mut watch = ExpiryWatch::default();
        watch.set(START, Some(Expiry { left_ms, life_ms }));
        watch
    }

    #[test]
    fn it_warns_once_and_then_ends() {
        let mut watch = watch(3_600_000, 3_600_000);
        let warned_at = START.plus(3_540_000);
        assert_eq!((watch.wake_at(), watch.warning(Monotonic(warned_at.0 - 1))), (Some(warned_at), None));
        assert_eq!((watch.warning(warned_at), watch.warning(warned_at)), (Some(60_000), None));
        assert_eq!(watch.wake_at(), Some(START.plus(3_600_000)));
        assert!(!watch.has_ended(START.plus(3_599_999)) && watch.has_ended(START.plus(3_600_000)));
    }

    #[test]
    fn who_comes_late_is_warned_at_once() {
        let mut watch = watch(10_000, 3_600_000);
        assert_eq!((watch.wake_at(), watch.warning(START)), (Some(START), Some(10_000)));
    }

    #[test]
    fn an_end_is_warned_of_once_however_often_it_is_told() {
        let mut watch = watch(10_000, 20_000);
        assert_eq!(watch.warning(START.plus(6_000)), Some(4_000));
        for (left_ms, warns) in [(4_003, false), (3_998, false), (2_900, true)] {
            watch.set(START.plus(6_000), Some(Expiry { left_ms, life_ms: 20_000 }));
            assert_eq!(watch.warning(START.plus(6_000)).is_some(), warns, "{left_ms}");
        }
        watch.set(START.plus(6_000), None);
        assert_eq!((watch.wake_at(), watch.has_ended(Monotonic(u64::MAX - 1))), (None, false));
        watch.set(START, Some(Expiry { left_ms: u64::MAX, life_ms: u64::MAX }));
        assert_eq!(watch.wake_at(), None, "beyond all time");
    }
}
