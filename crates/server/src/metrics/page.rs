//! `docs/metrics.md`, made from the table so that it cannot go stale. A test holds the file to it.
#![cfg(test)]

use std::fmt::Write as _;

use super::table::{Family, Read, families};

/// The page.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# Metrics\n\n\
         This page is generated from the table in `crates/server/src/metrics/`: `TOLLGATE_REGENERATE=1 cargo test -p tollgate-server page_of_metrics`.\n\n\
         Three ways to them:\n\n\
         - `tollgate metrics` prints them on the machine of the server; nothing has to be set.\n\
         - `metrics.listen = \"127.0.0.1:9464\"` ([settings](config.md#metrics)) serves them at `http://127.0.0.1:9464/metrics` in the text format of Prometheus,\n  \
         with `/livez` and `/readyz` beside them. Keep that address to operators: it asks for no credential.\n\
         - [deploy/grafana/tollgate.json](operating/files.md#dashboard) is a dashboard of them for Grafana.\n\n\
         No label is a channel, a token, a user or a project, so what customers make does not make more lines. Numbers of shards and sockets are told by the\n\
         shards themselves; some of them once a second. Everything begins at zero when the process starts.\n\n\
         | metric | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for Family { name, kind, help, read } in families() {
        let labels = match read {
            Read::Each(names, _) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            Read::One(_) | Read::Some(_) => String::new(),
        };
        let _infallible = writeln!(out, "| `{name}` | {} | {labels} | {help} |", kind.word());
    }
    out
}
