//! What only the real machine can give: time, chance, and the process's own limits. The one place that reads real clocks.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};

/// The clocks of the machine.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the Clock")]
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.micros() / 1_000)
    }

    fn micros(&self) -> u64 {
        let since = self.start.elapsed();
        // Not `as_micros`, whose arithmetic has 128 bits: every request asks.
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }

    #[allow(clippy::disallowed_methods, reason = "this is the Clock")]
    fn unix(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(since.as_secs() * 1_000 + u64::from(since.subsec_millis()))
    }
}

/// The system's cryptographic random source.
#[derive(Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Linux and the BSDs only fail when the call itself is forbidden; secrets from anything weaker would be worse than an end.
        getrandom::fill(bytes).expect("invariant: the system has a random source");
    }
}

/// Room that is left for this process on the disk of a path; nothing where that cannot be told.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|found| found.f_bavail * found.f_frsize)
}

/// No memory dump of this process: it would hold secrets. A refusal is logged, not fatal.
pub(crate) fn forbid_core_dumps() {
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "memory dumps of this process cannot be switched off");
    }
}

/// As many open files as the system allows this process; each connection is one.
pub(crate) fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays at {}", current.unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_knows_this_century_and_never_goes_back() {
        let clock = SystemClock::new();
        assert!(clock.unix().0 > 1_700_000_000_000);
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
    }

    #[test]
    fn chance_differs() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut a);
        SystemEntropy.fill(&mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn core_dumps_are_off_afterwards() {
        forbid_core_dumps();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
