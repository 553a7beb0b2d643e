//! The console's rows of the table of metrics: its pages, who is signed in, and what became of passwords.

use super::table::{Family, Kind, each, perhaps};
use super::text::number;

pub(super) const CONSOLE: &[Family] = &[
    each(
        "tollgate_console_requests_total",
        Kind::Counter,
        &["method", "route", "status"],
        "Requests to the console answered, by route (never the path) and class of status; only those that were asked for.",
        |reading, samples| {
            for page in reading.console.iter().flat_map(|console| &console.pages) {
                for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(page.answers) {
                    if count > 0 {
                        samples.with(&[page.method, page.route, class], number(count));
                    }
                }
            }
        },
    ),
    each(
        "tollgate_console_request_seconds",
        Kind::Histogram,
        &["method", "route"],
        "From the head of a request to the console to its whole answer; a channel's tail waits on purpose.",
        |reading, samples| {
            for page in reading.console.iter().flat_map(|console| &console.pages) {
                samples.observed(&[page.method, page.route], &page.times);
            }
        },
    ),
    perhaps("tollgate_console_sessions", Kind::Gauge, "Sessions of operators that have not ended.", |reading| {
        reading.console.as_ref().map(|console| number(console.sessions as u64))
    }),
    each(
        "tollgate_console_sign_ins_total",
        Kind::Counter,
        &["outcome"],
        "Names and passwords given to the console: accepted, refused, limited (too many were wrong before), or failed.",
        |reading, samples| {
            for (outcome, count) in reading.console.iter().flat_map(|console| console.sign_ins) {
                samples.with(&[outcome], number(count));
            }
        },
    ),
];
