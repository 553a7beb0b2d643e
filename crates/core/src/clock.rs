//! Time and chance as parameters. Nothing here reads a real clock; the server passes one in, tests own theirs.

/// Milliseconds since an arbitrary start that never goes backwards. For deadlines and durations within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This moment plus `ms` milliseconds.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, from the wall clock, which may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This moment plus `ms` milliseconds.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Where time comes from. `Send + Sync`, cheap to call from any thread.
pub trait Clock: Send + Sync {
    /// The monotonic clock, for deadlines.
    fn monotonic(&self) -> Monotonic;
    /// The wall clock, for what is stored and shown.
    fn unix(&self) -> UnixMillis;
}

/// Where randomness comes from. Must be cryptographically strong in production.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` completely.
    fn fill(&self, bytes: &mut [u8]);
}
