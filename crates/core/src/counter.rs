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

/// Makes a struct of [`Counter`]s with `all()`, every total with its name.
#[macro_export]
macro_rules! counters {
    ($(#[$about:meta])* $vis:vis struct $table:ident { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        $vis struct $table { $($(#[$doc])* $vis $name: $crate::counter::Counter,)* }

        impl $table {
            /// Every total with its name.
            #[must_use]
            $vis fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)*]
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
