//! What this process counts: plain totals since its start. Showing them is somebody else's work.

tollgate_core::counters! {
    /// The totals.
    pub struct Counters {
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
        /// Connections that went on with another secret.
        renewals,
        /// Secrets refused when connections wanted to go on with them.
        renewals_refused,
        /// Subscriptions refused.
        subscribes_refused,
        /// Publications and states of clients that the channel's settings do not allow: dropped.
        client_writes_refused,
        /// Failed authentications of project keys.
        authentications_failed,
        /// Sums of use that found no room until upkeep took the others.
        usage_lost,
        /// Connections closed because they read too slowly.
        slow_consumers,
        /// Committed records that could not be opened: a wrong key or a damaged store.
        records_unreadable,
    }
}
