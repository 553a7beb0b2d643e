//! The table of metrics: what each is called, what it means and where it is read. Both `/metrics` and `docs/metrics.md` come from it, and tests
//! hold the names to Prometheus' rules and the counters of all parts to being in it.

use tollgate_core::histogram::Observed;
use tollgate_node::ShardFigures;

use super::Reading;
use super::table_console::CONSOLE;
use super::table_gateway::GATEWAY;
use super::table_node::NODE;
use super::text::{Samples, number, seconds};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, from zero at the start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Where a metric is read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// One number.
    One(fn(&Reading<'_>) -> f64),
    /// One number, if it is known.
    Some(fn(&Reading<'_>) -> Option<f64>),
    /// One for each value of these labels.
    Each(&'static [&'static str], fn(&Reading<'_>, &mut Samples<'_>)),
}

/// One metric.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One sentence, without a line break or a backslash.
    pub(super) help: &'static str,
    pub(super) read: Read,
}

pub(super) const fn total(name: &'static str, help: &'static str, read: fn(&Reading<'_>) -> f64) -> Family {
    Family { name, kind: Kind::Counter, help, read: Read::One(read) }
}

pub(super) const fn gauge(name: &'static str, help: &'static str, read: fn(&Reading<'_>) -> f64) -> Family {
    Family { name, kind: Kind::Gauge, help, read: Read::One(read) }
}

pub(super) const fn perhaps(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    read: fn(&Reading<'_>) -> Option<f64>,
) -> Family {
    Family { name, kind, help, read: Read::Some(read) }
}

pub(super) const fn each(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Reading<'_>, &mut Samples<'_>),
) -> Family {
    Family { name, kind, help, read: Read::Each(labels, read) }
}

/// All metrics.
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    [SERVER, GATEWAY, SHARDS, NODE, STORE, HTTP, CONSOLE].into_iter().flatten()
}

/// One sample for each shard.
fn by_shard(reading: &Reading<'_>, samples: &mut Samples<'_>, read: impl Fn(&ShardFigures<'_>) -> u64) {
    for shard in &reading.shards {
        samples.with(&[&shard.index.0.to_string()], number(read(shard)));
    }
}

/// One histogram of all shards together.
fn together(reading: &Reading<'_>, samples: &mut Samples<'_>, read: impl Fn(&ShardFigures<'_>) -> Observed) {
    let mut sum = Observed::default();
    reading.shards.iter().for_each(|shard| sum.add(&read(shard)));
    samples.observed(&[], &sum);
}

const SERVER: &[Family] = &[
    each("tollgate_build_info", Kind::Gauge, &["version"], "The version that runs; always 1.", |_, samples| {
        samples.with(&[env!("CARGO_PKG_VERSION")], 1.0);
    }),
    gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", |reading| {
        number(reading.started.0) / 1e3
    }),
    perhaps("process_cpu_seconds_total", Kind::Counter, "Processor time used, in user and system mode.", |reading| {
        reading.process.cpu_seconds
    }),
    perhaps("process_resident_memory_bytes", Kind::Gauge, "Memory in use.", |reading| {
        reading.process.resident_bytes.map(number)
    }),
    perhaps("process_virtual_memory_bytes", Kind::Gauge, "Address space in use.", |reading| {
        reading.process.virtual_bytes.map(number)
    }),
    perhaps("process_threads", Kind::Gauge, "Threads.", |reading| reading.process.threads.map(number)),
    perhaps("process_open_fds", Kind::Gauge, "Open files and sockets.", |reading| {
        reading.process.open_descriptors.map(number)
    }),
    perhaps("process_max_fds", Kind::Gauge, "How many files and sockets may be open.", |reading| {
        reading.process.descriptors_max.map(number)
    }),
    gauge("tollgate_connections", "Connections in any phase, plain HTTP ones too.", |reading| {
        number(reading.connections.0 as u64)
    }),
    gauge("tollgate_unauthenticated_connections", "Connections that have not shown who they are.", |reading| {
        number(reading.connections.1 as u64)
    }),
    gauge("tollgate_connections_limit", "How many connections there may be.", |reading| {
        number(reading.connections.2 as u64)
    }),
    gauge("tollgate_projects", "Projects.", |reading| number(reading.held.projects as u64)),
    gauge("tollgate_keys", "Project keys, revoked ones too.", |reading| number(reading.held.keys as u64)),
    gauge("tollgate_channels", "Channels of all projects.", |reading| number(reading.held.channels as u64)),
    gauge("tollgate_tokens", "Tokens of all projects, ended ones that are not forgotten yet too.", |reading| {
        number(reading.held.tokens as u64)
    }),
    gauge("tollgate_users", "Users of all projects.", |reading| number(reading.held.users as u64)),
    gauge("tollgate_jobs", "Background jobs that have not ended.", |reading| number(reading.held.jobs as u64)),
    gauge("tollgate_webhooks", "Webhook endpoints.", |reading| number(reading.held.webhooks as u64)),
    gauge(
        "tollgate_webhook_queue_messages",
        "Messages to webhook endpoints that wait to be sent, or sent again.",
        |reading| number(reading.held.webhook_messages as u64),
    ),
    gauge(
        "tollgate_hooks_resting",
        "Projects whose access hook failed so often that it is not asked for a while.",
        |reading| number(reading.held.hooks_resting as u64),
    ),
];

const SHARDS: &[Family] = &[
    each(
        "tollgate_realtime_connections",
        Kind::Gauge,
        &["protocol"],
        "Realtime connections, by what they speak: leap, native, or events (server-sent events).",
        |reading, samples| {
            for (place, name) in reading.formats.iter().enumerate() {
                let held = reading.shards.iter().filter_map(|shard| shard.gauges.connections.get(place));
                samples.with(&[name], number(held.map(tollgate_core::counter::Gauge::get).sum()));
            }
        },
    ),
    each(
        "tollgate_shard_connections",
        Kind::Gauge,
        &["shard"],
        "Realtime connections of each shard.",
        |reading, samples| {
            let sum = |shard: &ShardFigures<'_>| {
                shard.gauges.connections.iter().map(tollgate_core::counter::Gauge::get).sum()
            };
            by_shard(reading, samples, sum);
        },
    ),
    each(
        "tollgate_shard_subscriptions",
        Kind::Gauge,
        &["shard"],
        "Live subscriptions of each shard's connections, as of a second ago at most, like the next ones.",
        |reading, samples| by_shard(reading, samples, |shard| shard.gauges.subscriptions.get()),
    ),
    each(
        "tollgate_shard_channels",
        Kind::Gauge,
        &["shard"],
        "Channels with subscribers on each shard.",
        |reading, samples| {
            by_shard(reading, samples, |shard| shard.gauges.channels.get());
        },
    ),
    each(
        "tollgate_shard_pending_bytes",
        Kind::Gauge,
        &["shard"],
        "Bytes of messages that wait for their pass over the subscribers; at 64 MiB publishers wait.",
        |reading, samples| by_shard(reading, samples, |shard| shard.gauges.pending_bytes.get()),
    ),
    each(
        "tollgate_shard_outboxes",
        Kind::Gauge,
        &["shard"],
        "Connections whose socket takes no more for now.",
        |reading, samples| by_shard(reading, samples, |shard| shard.gauges.outboxes.get()),
    ),
    each(
        "tollgate_shard_outbox_bytes",
        Kind::Gauge,
        &["shard"],
        "Bytes that wait for those sockets.",
        |reading, samples| {
            by_shard(reading, samples, |shard| shard.gauges.outbox_bytes.get());
        },
    ),
    each(
        "tollgate_shard_queue_requests",
        Kind::Gauge,
        &["shard"],
        "Requests of operations that wait in each shard's inbox; at 4,096 operations wait.",
        |reading, samples| by_shard(reading, samples, |shard| shard.requests as u64),
    ),
    each(
        "tollgate_shard_queue_words",
        Kind::Gauge,
        &["shard"],
        "Words of other shards that wait in each shard's inbox.",
        |reading, samples| by_shard(reading, samples, |shard| shard.words as u64),
    ),
    each(
        "tollgate_shard_overflow_words",
        Kind::Gauge,
        &["shard"],
        "Words that another shard's inbox had no room for.",
        |reading, samples| by_shard(reading, samples, |shard| shard.gauges.overflow_words.get()),
    ),
    each(
        "tollgate_delivery_seconds",
        Kind::Histogram,
        &[],
        "From a shard taking up a message to the last of its sockets being written to, once for each pass: that of the oldest message in it.",
        |reading, samples| together(reading, samples, |shard| shard.gauges.passes.read()),
    ),
    each(
        "tollgate_connect_seconds",
        Kind::Histogram,
        &[],
        "From a client's word who it is to all of its channels being live.",
        |reading, samples| together(reading, samples, |shard| shard.gauges.connects.read()),
    ),
];

const STORE: &[Family] = &[
    total("tollgate_store_commits_total", "Groups of changes made durable.", |reading| number(reading.store.commits)),
    total("tollgate_store_units_total", "Changes answered, whatever the answer.", |reading| {
        number(reading.store.units)
    }),
    total("tollgate_store_failures_total", "Changes that failed because the store could not work.", |reading| {
        number(reading.store.failures)
    }),
    gauge("tollgate_store_queue_units", "Changes that wait for the writer.", |reading| {
        number(reading.store.waiting as u64)
    }),
    each(
        "tollgate_store_group_seconds",
        Kind::Histogram,
        &[],
        "How long groups of changes took, from the first to the end of the commit.",
        |reading, samples| samples.observed(&[], &reading.store.groups),
    ),
    each(
        "tollgate_store_sync_seconds",
        Kind::Histogram,
        &[],
        "How long the commits themselves took: writing the log and waiting for the disk.",
        |reading, samples| samples.observed(&[], &reading.store.syncs),
    ),
    perhaps(
        "tollgate_store_last_commit_age_seconds",
        Kind::Gauge,
        "Since something was last made durable; grows while nobody changes anything and nobody asks /readyz.",
        |reading| reading.store.last_commit_age_us.map(seconds),
    ),
    perhaps("tollgate_store_database_bytes", Kind::Gauge, "Size of the database file.", |reading| {
        reading.files.database_bytes.map(number)
    }),
    perhaps("tollgate_store_log_bytes", Kind::Gauge, "Size of the database's write-ahead log.", |reading| {
        reading.files.log_bytes.map(number)
    }),
    perhaps("tollgate_store_free_bytes", Kind::Gauge, "Room left on the disk of the database.", |reading| {
        reading.files.free_bytes.map(number)
    }),
];

const HTTP: &[Family] = &[
    each(
        "tollgate_http_requests_total",
        Kind::Counter,
        &["method", "route", "status"],
        "HTTP requests answered, by route (never the path) and class of status; only those that were asked for.",
        |reading, samples| {
            for figures in &reading.routes {
                for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(figures.answers) {
                    if count > 0 {
                        samples.with(&[figures.method, figures.route, class], number(count));
                    }
                }
            }
        },
    ),
    each(
        "tollgate_http_request_seconds",
        Kind::Histogram,
        &["method", "route"],
        "From the head of a request to the head of its answer; long polls wait on purpose.",
        |reading, samples| {
            for figures in &reading.routes {
                samples.observed(&[figures.method, figures.route], &figures.times);
            }
        },
    ),
];
