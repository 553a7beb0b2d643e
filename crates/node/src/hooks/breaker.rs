//! The circuit breaker of one hook: after some failures in a row it is not asked any more, so that nobody waits for a backend that is down and
//! the backend is not run over when it comes back. From time to time one question is let through to find out.

use tollgate_core::clock::Monotonic;

/// Failures in a row after which the hook is not asked for a while.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How long it then rests, in milliseconds; twice as long after each probe that failed, up to [`REST_MS_MAX`].
pub(crate) const REST_MS: u64 = 5_000;
/// The longest rest, in milliseconds.
pub(crate) const REST_MS_MAX: u64 = 60_000;

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It is asked.
    Ask,
    /// It is asked, alone, to find out whether the hook is back.
    Probe,
    /// It is not asked.
    Rest,
}

#[derive(Debug)]
struct Open {
    until: Monotonic,
    rest_ms: u64,
    probing: bool,
}

/// A breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    open: Option<Open>,
}

impl Breaker {
    /// What becomes of a question asked now. A probe must be told to this again: answered, failed or given up.
    pub(crate) fn pass(&mut self, now: Monotonic) -> Pass {
        match &mut self.open {
            None => Pass::Ask,
            Some(open) if open.until <= now && !open.probing => {
                open.probing = true;
                Pass::Probe
            }
            Some(_) => Pass::Rest,
        }
    }

    /// The hook answered. True if that closed the breaker.
    pub(crate) fn answered(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// The hook failed. How long it rests now, if that opened the breaker, or opened it again.
    pub(crate) fn failed(&mut self, pass: Pass, now: Monotonic) -> Option<u64> {
        let rest_ms = match (&self.open, pass) {
            (Some(open), Pass::Probe) => (open.rest_ms * 2).min(REST_MS_MAX),
            // Asked before it opened.
            (Some(_), _) => return None,
            (None, _) => {
                self.failures += 1;
                if self.failures < FAILURES_MAX {
                    return None;
                }
                REST_MS
            }
        };
        self.open = Some(Open { until: now.plus(rest_ms), rest_ms, probing: false });
        Some(rest_ms)
    }

    /// Nobody waits for the answer of this question any more: nothing is known.
    pub(crate) fn given_up(&mut self, pass: Pass) {
        if let (Some(open), Pass::Probe) = (&mut self.open, pass) {
            open.probing = false;
        }
    }

    /// Until when nobody is asked, if that is so now; while it is tried by one question, until now.
    pub(crate) fn rests_until(&self, now: Monotonic) -> Option<Monotonic> {
        self.open.as_ref().filter(|open| open.probing || now < open.until).map(|open| open.until.max(now))
    }

    /// Whether the hook rests.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic(ms)
    }

    /// A breaker that opened at 0.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 1..FAILURES_MAX {
            assert_eq!((breaker.pass(at(0)), breaker.failed(Pass::Ask, at(0))), (Pass::Ask, None));
        }
        assert_eq!(breaker.failed(Pass::Ask, at(0)), Some(REST_MS));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..FAILURES_MAX {
                assert_eq!(breaker.failed(Pass::Ask, at(0)), None);
            }
            assert!(!breaker.answered(), "it was not open");
        }
        let mut breaker = opened();
        assert_eq!(breaker.rests_until(at(REST_MS - 1)), Some(at(REST_MS)));
        assert_eq!((breaker.pass(at(REST_MS - 1)), breaker.is_open()), (Pass::Rest, true));
        assert_eq!((breaker.rests_until(at(REST_MS)), breaker.pass(at(REST_MS))), (None, Pass::Probe));
        assert_eq!(breaker.rests_until(at(REST_MS + 7)), Some(at(REST_MS + 7)), "others wait for what the probe tells");
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let mut breaker = opened();
        assert_eq!(breaker.pass(at(REST_MS)), Pass::Probe);
        assert_eq!(breaker.pass(at(REST_MS + 1)), Pass::Rest, "the probe is under way");
        breaker.given_up(Pass::Probe);
        assert_eq!(breaker.pass(at(REST_MS + 1)), Pass::Probe, "another takes its place");
        assert!(breaker.answered());
        assert_eq!(breaker.pass(at(REST_MS + 2)), Pass::Ask);
    }

    #[test]
    fn failed_probes_make_the_rest_longer_up_to_a_limit() {
        let (mut breaker, mut now, mut rests) = (opened(), REST_MS, Vec::new());
        for _ in 0..6 {
            assert_eq!(breaker.pass(at(now)), Pass::Probe);
            let rest = breaker.failed(Pass::Probe, at(now)).unwrap();
            assert_eq!(breaker.pass(at(now + rest - 1)), Pass::Rest);
            (now, rests) = (now + rest, [rests, vec![rest]].concat());
        }
        assert_eq!(rests, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn what_was_asked_before_it_opened_says_nothing_by_failing() {
        let mut breaker = opened();
        assert_eq!(breaker.failed(Pass::Ask, at(REST_MS - 1)), None);
        assert_eq!(breaker.pass(at(REST_MS)), Pass::Probe, "the rest is not longer for it");
        breaker.given_up(Pass::Ask);
        assert_eq!(breaker.pass(at(REST_MS)), Pass::Rest, "the probe is still under way");
    }
}
