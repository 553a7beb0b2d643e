//! What this process counts: plain totals since its start. Showing them is somebody else's work.

use std::sync::atomic::{AtomicU64, Ordering};

/// A total that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// The total.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The totals.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)* }

        impl Counters {
            /// Every total with its name.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)*]
            }
        }
    };
}

counters! {
    /// Publications ordered by their channels' homes.
    publications,
    /// Publications, states and other broadcasts written (or put in an outbox), per connection.
    deliveries,
    /// Direct messages sent, whether or not anybody was online.
    direct_messages,
    /// Direct messages for tokens without a live connection: dropped.
    direct_messages_unheard,
    /// Clients identified.
    connects,
    /// Clients refused when they identified themselves.
    connects_refused,
    /// Subscriptions refused.
    subscribes_refused,
    /// Publications and states of clients that the channel's settings do not allow: dropped.
    client_writes_refused,
    /// Failed authentications of project keys.
    authentications_failed,
    /// Connections closed because they read too slowly.
    slow_consumers,
    /// Committed records that could not be opened: a wrong key or a damaged store.
    records_unreadable,
}
