//! Totals that only grow, and the macro that makes a table of them. What they mean is their owners' word; showing them is somebody else's work.

use std::sync::atomic::{AtomicU64, Ordering};

/// A total that only grows. Counted from any thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Adds some.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// The total.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down. Told from any thread.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one away that was added before.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Says what it is now.
    pub fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    /// What it was last.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes a struct of [`Counter`]s with `each()`, every one with its name, and `all()`, every total with its name.
#[macro_export]
macro_rules! counters {
    ($(#[$about:meta])* $vis:vis struct $table:ident { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        $vis struct $table { $($(#[$doc])* $vis $name: $crate::counter::Counter,)* }

        impl $table {
            /// Every counter with its name.
            #[must_use]
            $vis fn each(&self) -> Vec<(&'static str, &$crate::counter::Counter)> {
                vec![$((stringify!($name), &self.$name),)*]
            }

            /// Every total with its name.
            #[must_use]
            $vis fn all(&self) -> Vec<(&'static str, u64)> {
                self.each().into_iter().map(|(name, counter)| (name, counter.get())).collect()
            }
        }
    };
}

#[cfg(test)]
mod tests {
    counters! {
        /// For this test.
        struct Two {
            /// One of them.
            first,
            /// The other.
            second,
        }
    }

    #[test]
    fn totals_grow_and_are_named() {
        let two = Two::default();
        two.first.one();
        two.first.one();
        two.second.add(5);
        assert_eq!(two.all(), [("first", 2), ("second", 5)]);
    }
}
