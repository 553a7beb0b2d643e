//! The log: on standard error, readable by people or by programs. What is logged, and that no secret is, is each speaker's duty.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogSettings;

/// Starts the log of a server; once per process.
pub(crate) fn start(settings: &LogSettings) {
    let filter: Targets = settings.level.parse().expect("invariant: the level was checked with the settings");
    // A log that nobody reads any more must not end the server: by default a failed write is reported on the same standard error, which panics.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = if settings.json { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(false).boxed() };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// The log of a command: warnings only, without times, beside what it prints.
pub(crate) fn start_quietly() {
    let lines = fmt::layer().with_writer(std::io::stderr).without_time().with_target(false).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(LevelFilter::WARN)).init();
}
