//! The rows of the table that are about what the node does: messages, clients, hooks, webhooks. See [`super::table`].

use super::table::{Family, Kind, each, total};
use super::text::number;

pub(super) const NODE: &[Family] = &[
    total("tollgate_publications_total", "Messages ordered by their channels.", |reading| {
        number(reading.node.publications.get())
    }),
    total(
        "tollgate_deliveries_total",
        "Messages, states and other broadcasts of channels written to a connection, or put in its outbox.",
        |reading| number(reading.node.deliveries.get()),
    ),
    total("tollgate_direct_messages_total", "Direct messages sent, heard or not.", |reading| {
        number(reading.node.direct_messages.get())
    }),
    total(
        "tollgate_direct_messages_unheard_total",
        "Direct messages to tokens without a connection in projects that keep no mailboxes.",
        |reading| number(reading.node.direct_messages_unheard.get()),
    ),
    each(
        "tollgate_mailbox_messages_total",
        Kind::Counter,
        &["fate"],
        "Messages of mailboxes: put in, acknowledged, deleted because their time was over, or for want of room.",
        |reading, samples| {
            samples.with(&["put_in"], number(reading.node.mailbox_messages.get()));
            samples.with(&["acknowledged"], number(reading.node.mailbox_acknowledged.get()));
            samples.with(&["expired"], number(reading.node.mailbox_expired.get()));
            samples.with(&["dropped"], number(reading.node.mailbox_dropped.get()));
        },
    ),
    each(
        "tollgate_resumes_total",
        Kind::Counter,
        &["outcome"],
        "Subscriptions that went on from a position: with everything behind it, or told that it is lost.",
        |reading, samples| {
            samples.with(&["recovered"], number(reading.node.resumes.get()));
            samples.with(&["lost"], number(reading.node.resumes_lost.get()));
        },
    ),
    total("tollgate_history_reads_total", "Looks into the store for a channel's past.", |reading| {
        number(reading.node.history_reads.get())
    }),
    total("tollgate_history_gaps_total", "Messages that came from the store out of order: a defect.", |reading| {
        number(reading.node.history_gaps.get())
    }),
    each(
        "tollgate_connects_total",
        Kind::Counter,
        &["outcome"],
        "Clients that said who they are.",
        |reading, samples| {
            samples.with(&["accepted"], number(reading.node.connects.get()));
            samples.with(&["refused"], number(reading.node.connects_refused.get()));
        },
    ),
    each(
        "tollgate_renewals_total",
        Kind::Counter,
        &["outcome"],
        "Connections that wanted to go on with another token.",
        |reading, samples| {
            samples.with(&["accepted"], number(reading.node.renewals.get()));
            samples.with(&["refused"], number(reading.node.renewals_refused.get()));
        },
    ),
    each(
        "tollgate_refusals_total",
        Kind::Counter,
        &["reason"],
        "Connects, calls and hooks' questions that were refused, by the reason that the audit log names; only reasons that came up.",
        |reading, samples| reading.refused.iter().for_each(|(reason, count)| samples.with(&[reason], number(*count))),
    ),
    total("tollgate_authentications_failed_total", "Credentials of REST requests that were refused.", |reading| {
        number(reading.node.authentications_failed.get())
    }),
    total("tollgate_subscribes_refused_total", "Subscriptions refused.", |reading| {
        number(reading.node.subscribes_refused.get())
    }),
    total("tollgate_client_writes_refused_total", "Messages and states of clients that were not allowed.", |reading| {
        number(reading.node.client_writes_refused.get())
    }),
    total(
        "tollgate_previous_secrets_used_total",
        "Uses of a secret that was rotated and still works for a while.",
        |reading| number(reading.node.previous_secrets_used.get()),
    ),
    total("tollgate_slow_consumers_total", "Connections closed because they read too slowly.", |reading| {
        number(reading.node.slow_consumers.get())
    }),
    each(
        "tollgate_hook_questions_total",
        Kind::Counter,
        &["outcome"],
        "Questions for access hooks of projects: answered, answered from before, not answered as they should be, or not asked because the hook rests.",
        |reading, samples| {
            samples.with(&["answered"], number(reading.node.hook_answers.get()));
            samples.with(&["reused"], number(reading.node.hook_answers_reused.get()));
            samples.with(&["failed"], number(reading.node.hook_failures.get()));
            samples.with(&["skipped"], number(reading.node.hook_questions_skipped.get()));
        },
    ),
    total("tollgate_hook_denials_total", "Clients and messages that access hooks of projects kept out.", |reading| {
        number(reading.node.hook_denials.get())
    }),
    total("tollgate_hook_breakers_opened_total", "Times that a hook had failed so often that it rests.", |reading| {
        number(reading.node.hook_breakers_opened.get())
    }),
    each(
        "tollgate_access_hook_questions_total",
        Kind::Counter,
        &["outcome"],
        "Questions to the access hook of the settings; missing without one.",
        |reading, samples| {
            let outcomes = reading.hook.map(crate::hook::HookCounters::all).unwrap_or_default();
            outcomes.into_iter().for_each(|(outcome, count)| samples.with(&[outcome], number(count)));
        },
    ),
    each(
        "tollgate_key_set_fetches_total",
        Kind::Counter,
        &["outcome"],
        "Key sets of issuers that were fetched, or could not be.",
        |reading, samples| {
            samples.with(&["fetched"], number(reading.node.key_sets_fetched.get()));
            samples.with(&["failed"], number(reading.node.key_sets_failed.get()));
        },
    ),
    each(
        "tollgate_webhook_tries_total",
        Kind::Counter,
        &["outcome"],
        "Tries to deliver a message to a webhook endpoint.",
        |reading, samples| {
            samples.with(&["taken"], number(reading.node.webhook_deliveries.get()));
            samples.with(&["failed"], number(reading.node.webhook_tries_failed.get()));
        },
    ),
    each(
        "tollgate_webhook_try_seconds",
        Kind::Histogram,
        &[],
        "How long tries to deliver to a webhook endpoint took.",
        |reading, samples| samples.observed(&[], &reading.webhook_tries),
    ),
    each(
        "tollgate_webhook_messages_lost_total",
        Kind::Counter,
        &["reason"],
        "Messages to webhook endpoints that will not arrive: a day of tries failed, the queue had no room, or too many connections came and went at once.",
        |reading, samples| {
            samples.with(&["given_up"], number(reading.node.webhook_deliveries_given_up.get()));
            samples.with(&["queue_full"], number(reading.node.webhook_deliveries_dropped.get()));
            samples.with(&["moments_full"], number(reading.node.webhook_moments_dropped.get()));
        },
    ),
    total(
        "tollgate_webhooks_disabled_total",
        "Webhook endpoints disabled because they failed too long, or asked for it.",
        |reading| number(reading.node.webhooks_disabled.get()),
    ),
    each(
        "tollgate_outbound_calls_total",
        Kind::Counter,
        &["outcome"],
        "What became of calls to addresses that customers named.",
        |reading, samples| {
            let outcomes = reading.outbound.all().into_iter().filter(|(name, _)| *name != "connections");
            outcomes.for_each(|(outcome, count)| samples.with(&[outcome], number(count)));
        },
    ),
    total("tollgate_outbound_connections_total", "Connections made for such calls.", |reading| {
        number(reading.outbound.connections.get())
    }),
    total("tollgate_alerts_total", "Alerts raised.", |reading| number(reading.node.alerts_raised.get())),
    total("tollgate_usage_lost_total", "Sums of use that found no room: a token's numbers are too low.", |reading| {
        number(reading.node.usage_lost.get())
    }),
    total(
        "tollgate_unreadable_records_total",
        "Records of the store that could not be opened: a wrong key or a damaged store.",
        |reading| number(reading.node.records_unreadable.get()),
    ),
];
