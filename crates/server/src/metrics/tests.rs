//! The table against Prometheus' rules, the counters of all parts against the table, the page and the dashboard against both.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tollgate_console::PageFigures;
use tollgate_core::counter::Counter;
use tollgate_core::histogram::Histogram;
use tollgate_node::hub::{ShardGauges, ShardIndex};

use super::table::{Kind, Read, families};
use super::*;

/// All that can be counted, at zero.
#[derive(Default)]
struct Counted {
    gateway: tollgate_gateway::counters::Counters,
    node: tollgate_node::counters::Counters,
    leap: LeapCounters,
    native: NativeCounters,
    hook: HookCounters,
    outbound: OutboundCounters,
    shards: [ShardGauges; 2],
    refused: Vec<(&'static str, u64)>,
    routes: Vec<RouteFigures>,
    console: Option<ConsoleFigures>,
}

impl Counted {
    fn reading(&self) -> Reading<'_> {
        let shard = |(index, gauges)| ShardFigures { index: ShardIndex(index), gauges, requests: 0, words: 0 };
        Reading {
            gateway: &self.gateway,
            node: &self.node,
            leap: &self.leap,
            native: &self.native,
            hook: Some(&self.hook),
            outbound: &self.outbound,
            certificate: None,
            connections: (3, 2, 100),
            shards: (0..).zip(&self.shards).map(shard).collect(),
            formats: vec!["leap", "native", "events"],
            held: Held::default(),
            refused: self.refused.clone(),
            webhook_tries: Observed::default(),
            routes: self.routes.clone(),
            console: self.console.clone(),
            store: StoreFigures { last_commit_age_us: Some(1_500_000), ..StoreFigures::default() },
            files: Files::of(std::path::Path::new("/")),
            process: Process::read(),
            started: UnixMillis(1_700_000_000_500),
        }
    }

    fn text(&self) -> String {
        text::render(&self.reading())
    }

    fn counters(&self) -> Vec<(&'static str, &Counter)> {
        let parts = [
            self.gateway.each(),
            self.node.each(),
            self.leap.each(),
            self.native.each(),
            self.hook.each(),
            self.outbound.each(),
        ];
        parts.concat()
    }
}

/// The samples of a text by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let mut seen = BTreeSet::new();
    for family in families() {
        let (name, help) = (family.name, family.help);
        assert!(seen.insert(name), "{name} stands twice");
        assert!(name.starts_with("tollgate_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{name}");
        assert!(!name.contains("__") && !name.ends_with('_'), "{name}");
        // Only counters end in _total, and no name says its kind or another unit than the base one.
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        for word in
            ["_counter", "_gauge", "_histogram", "_ms", "_millis", "_minutes", "_kb", "_mb", "_percent", "_count"]
        {
            assert!(!format!("{name}_").contains(&format!("{word}_")), "{name} has {word}");
        }
        assert_eq!(
            name.ends_with("_seconds"),
            family.kind == Kind::Histogram || name.contains("_age_") || name.contains("_time_"),
            "{name}"
        );
        assert!(help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}: {help}");
        if let Read::Each(labels, _) = family.read {
            for label in labels {
                assert!(
                    label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && *label != "le",
                    "{name}: {label}"
                );
            }
        }
    }
    assert!(seen.len() > 80, "{}", seen.len());
}

#[test]
fn every_counter_of_every_part_is_told_once() {
    let counted = Counted::default();
    for (name, counter) in counted.counters() {
        let before = samples(&counted.text());
        counter.add(7);
        let after = samples(&counted.text());
        let moved: Vec<_> = after
            .iter()
            .filter(|(name, value)| {
                !name.starts_with("process_")
                    && !name.starts_with("tollgate_store_")
                    && before.get(*name) != Some(value)
            })
            .collect();
        assert_eq!(moved.len(), 1, "{name} moves {moved:?}");
        assert_eq!(*moved[0].1 - before[moved[0].0], 7.0, "{name}");
        assert!(moved[0].0.contains("_total"), "{name} is told as {}", moved[0].0);
    }
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let mut counted = Counted { refused: vec![("forged", 4)], ..Counted::default() };
    let times = Histogram::default();
    [90, 100, 3_000, 20_000_000].into_iter().for_each(|us| times.observe(us));
    let route = RouteFigures { method: "GET", route: "/v2/a\"b\\c", answers: [0, 3, 0, 1, 0], times: times.read() };
    counted.routes = vec![route];
    let page = PageFigures { method: "GET", route: "/console", answers: [0, 0, 2, 0, 0], times: times.read() };
    let sign_ins = [("accepted", 6), ("refused", 5), ("limited", 0), ("failed", 0)];
    counted.console = Some(ConsoleFigures { pages: vec![page], sessions: 2, sign_ins });
    counted.shards[0].connections[1].up();
    counted.shards[1].connections[1].up();
    counted.shards[1].passes.observe(700);
    let text = counted.text();
    for line in [
        "# HELP tollgate_build_info The version that runs; always 1.",
        "# TYPE tollgate_build_info gauge",
        concat!("tollgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "process_start_time_seconds 1700000000.5",
        "tollgate_connections 3",
        "tollgate_realtime_connections{protocol=\"native\"} 2",
        "tollgate_shard_connections{shard=\"1\"} 1",
        "tollgate_refusals_total{reason=\"forged\"} 4",
        "tollgate_store_last_commit_age_seconds 1.5",
        "tollgate_http_requests_total{method=\"GET\",route=\"/v2/a\\\"b\\\\c\",status=\"2xx\"} 3",
        "# TYPE tollgate_http_request_seconds histogram",
        "tollgate_http_request_seconds_bucket{method=\"GET\",route=\"/v2/a\\\"b\\\\c\",le=\"0.0001\"} 2",
        "tollgate_http_request_seconds_bucket{method=\"GET\",route=\"/v2/a\\\"b\\\\c\",le=\"0.005\"} 3",
        "tollgate_http_request_seconds_bucket{method=\"GET\",route=\"/v2/a\\\"b\\\\c\",le=\"10\"} 3",
        "tollgate_http_request_seconds_bucket{method=\"GET\",route=\"/v2/a\\\"b\\\\c\",le=\"+Inf\"} 4",
        "tollgate_http_request_seconds_sum{method=\"GET\",route=\"/v2/a\\\"b\\\\c\"} 20.00319",
        "tollgate_http_request_seconds_count{method=\"GET\",route=\"/v2/a\\\"b\\\\c\"} 4",
        "tollgate_console_requests_total{method=\"GET\",route=\"/console\",status=\"3xx\"} 2",
        "tollgate_console_request_seconds_count{method=\"GET\",route=\"/console\"} 4",
        "tollgate_console_sessions 2",
        "tollgate_console_sign_ins_total{outcome=\"accepted\"} 6",
        "tollgate_console_sign_ins_total{outcome=\"limited\"} 0",
        "tollgate_delivery_seconds_bucket{le=\"0.0005\"} 0",
        "tollgate_delivery_seconds_bucket{le=\"0.001\"} 1",
        "tollgate_delivery_seconds_count 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("status=\"5xx\""), "what never was is left out");
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
}

/// `TOLLGATE_REGENERATE=1 cargo test -p tollgate-server page_of_metrics` writes the page anew.
#[test]
#[allow(clippy::disallowed_methods, reason = "a switch of this test")]
fn the_page_of_metrics_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    if std::env::var_os("TOLLGATE_REGENERATE").is_some() {
        fs::write(path, page::page()).unwrap();
    }
    let fresh = fs::read_to_string(path).unwrap_or_default() == page::page();
    assert!(fresh, "docs/metrics.md is stale: run this test with TOLLGATE_REGENERATE=1");
}

#[test]
fn the_dashboard_shows_what_exists() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/grafana/tollgate.json");
    let text = fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expressions: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(expressions.len() >= 20, "{}", expressions.len());
    each_names_what_exists(&expressions);
}

#[test]
fn the_alerts_ask_for_what_exists() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/prometheus/alerts.yml");
    let text = fs::read_to_string(path).unwrap();
    // Enough of YAML for this file: an expression ends where its alert's next field begins.
    let parts: Vec<&str> = text.split(" expr: ").skip(1).collect();
    let ends = ["\n        for:", "\n        labels:"];
    let expressions: Vec<&str> =
        parts.iter().map(|part| &part[..ends.iter().filter_map(|end| part.find(end)).min().unwrap()]).collect();
    assert_eq!(expressions.len(), text.matches("- alert: ").count());
    let ours: Vec<&str> = expressions.into_iter().filter(|one| !one.starts_with("up{")).collect();
    assert!(ours.len() >= 20, "{}", ours.len());
    each_names_what_exists(&ours);
}

fn each_names_what_exists(expressions: &[&str]) {
    let known: BTreeSet<&str> = families().map(|family| family.name).collect();
    for expression in expressions {
        let words = expression.split(|one: char| !one.is_ascii_alphanumeric() && one != '_');
        let mut metrics = words.filter(|word| word.starts_with("tollgate_") || word.starts_with("process_")).peekable();
        assert!(metrics.peek().is_some(), "{expression}");
        for metric in metrics {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric);
            assert!(known.contains(family), "{expression}: there is no {metric}");
        }
    }
}
