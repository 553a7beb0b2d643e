//! The log: on standard error, readable by people or by programs. What is logged, and that no secret is, is each speaker's duty; [`crate::scrub`]
//! is the net under it.
//!
//! A line that is written while a request is at work says which: its id, its method, its route. That is added when there is a line, not kept ready as
//! a span for each request, of which hardly one writes any.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogSettings;
use crate::scrub::Scrubbing;

/// Starts the log of a server; once per process.
pub(crate) fn start(settings: &LogSettings) {
    let filter: Targets = settings.level.parse().expect("invariant: the level was checked with the settings");
    // A log that nobody reads any more must not end the server: by default a failed write is reported on the same standard error, which panics.
    let lines = layer().with_writer(Scrubbing(std::io::stderr)).log_internal_errors(false);
    let lines = if settings.json {
        lines.json().event_format(OfRequest { lines: objects(), is_json: true }).boxed()
    } else {
        lines.with_ansi(false).event_format(OfRequest { lines: plain(), is_json: false }).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// The log of a command: warnings only, without times, beside what it prints.
pub(crate) fn start_quietly() {
    let lines = layer().with_writer(Scrubbing(std::io::stderr)).without_time().with_target(false).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(LevelFilter::WARN)).init();
}

fn plain() -> Format {
    Format::default().with_ansi(false)
}

fn objects() -> Format<tracing_subscriber::fmt::format::Json> {
    Format::default().json().flatten_event(true)
}

/// Lines with the request at work behind what they say.
struct OfRequest<F> {
    lines: F,
    is_json: bool,
}

impl<S, N, F> FormatEvent<S, N> for OfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let origin = tollgate_node::origin();
        let Some(id) = origin.request_id else { return self.lines.format_event(context, writer, event) };
        // Neither of the three has a character that JSON would escape: ids are checked, the others are our own.
        let (method, route) = origin.asked.unwrap_or(("-", "none"));
        let mut line = String::new();
        self.lines.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_suffix("}\n").filter(|_| self.is_json) {
            Some(open) => {
                writeln!(writer, r#"{open},"request_id":"{id}","method":"{method}","route":"{route}"}}"#)
            }
            None => writeln!(writer, "{} request_id={id} method={method} route={route}", line.trim_end_matches('\n')),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tollgate_node::{Origin, with_origin};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Page {
        type Writer = Page;

        fn make_writer(&self) -> Page {
            self.clone()
        }
    }

    /// What is written outside of a request, and in one.
    fn written(subscriber: impl Subscriber + Send + Sync + 'static, page: &Page) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let origin = Origin {
            request_id: Some("req-1".into()),
            address: None,
            asked: Some(("POST", "/v2/channels/:channel/messages")),
            trace: None,
        };
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(limit = 3, "alone");
            runtime.block_on(with_origin(origin, async { tracing::warn!(limit = 4, "within \"it\"\n") }));
        });
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_says_which_request_was_at_work() {
        let page = Page::default();
        let lines = layer().with_writer(page.clone()).event_format(OfRequest { lines: plain(), is_json: false });
        let lines = written(tracing_subscriber::registry().with(lines), &page);
        assert!(lines[0].ends_with("alone limit=3"), "{lines:?}");
        let request = "request_id=req-1 method=POST route=/v2/channels/:channel/messages";
        assert!(lines.last().unwrap().ends_with(request), "{lines:?}");

        let page = Page::default();
        let json = layer().json().with_writer(page.clone()).event_format(OfRequest { lines: objects(), is_json: true });
        let lines = written(tracing_subscriber::registry().with(json), &page);
        let lines: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines[0]["message"].as_str(), lines[0].get("request_id")), (Some("alone"), None));
        let last = &lines[1];
        assert_eq!((last["message"].as_str(), last["limit"].as_i64()), (Some("within \"it\"\n"), Some(4)));
        assert_eq!(last["request_id"], "req-1");
        assert_eq!((&last["method"], &last["route"]), (&"POST".into(), &"/v2/channels/:channel/messages".into()));
    }
}
