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
        /// Direct messages for tokens without a live connection, of projects that keep no mailboxes: kept no longer than a session.
        direct_messages_unheard,
        /// Direct messages put into mailboxes.
        mailbox_messages,
        /// Direct messages in mailboxes that their clients acknowledged.
        mailbox_acknowledged,
        /// Direct messages in mailboxes that were not acknowledged in their time: deleted.
        mailbox_expired,
        /// Unacknowledged direct messages in mailboxes that had no room any more: the oldest are deleted.
        mailbox_dropped,
        /// Subscriptions that went on from a position, with everything behind it.
        resumes,
        /// Subscriptions whose position was lost.
        resumes_lost,
        /// Looks into the store for a channel's past.
        history_reads,
        /// Messages of the store that came out of their order: a defect.
        history_gaps,
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
        /// Questions that access hooks of projects answered.
        hook_answers,
        /// Clients that access hooks of projects kept out, or whose messages they refused; answers used again included.
        hook_denials,
        /// Questions that were answered from what a hook said before.
        hook_answers_reused,
        /// Questions to access hooks of projects that were not answered as they should be, or not in time.
        hook_failures,
        /// Questions that were not asked, because the hook had failed too often.
        hook_questions_skipped,
        /// How often a hook had failed so often that it is not asked for a while.
        hook_breakers_opened,
        /// Failed authentications of project keys.
        authentications_failed,
        /// Sums of use that found no room until upkeep took the others.
        usage_lost,
        /// Uses of a secret that was replaced by rotation and still works for a while.
        previous_secrets_used,
        /// Key sets of issuers that were fetched.
        key_sets_fetched,
        /// Key sets of issuers that could not be fetched or used; the keys known so far stay in use.
        key_sets_failed,
        /// Connections closed because they read too slowly.
        slow_consumers,
        /// Messages to webhook endpoints that were taken.
        webhook_deliveries,
        /// Tries to deliver to a webhook endpoint that failed.
        webhook_tries_failed,
        /// Messages to webhook endpoints given up after a day of tries.
        webhook_deliveries_given_up,
        /// Messages to webhook endpoints for which the queue had no room: dropped.
        webhook_deliveries_dropped,
        /// Connects and disconnects of which webhook endpoints could not be told, because too many came at once: dropped.
        webhook_moments_dropped,
        /// Alerts raised.
        alerts_raised,
        /// Webhook endpoints disabled because they failed for too long, or asked for it.
        webhooks_disabled,
        /// Committed records that could not be opened: a wrong key or a damaged store.
        records_unreadable,
    }
}
