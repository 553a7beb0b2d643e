//! F2: publications at fixed moments to one large channel, whatever became of the earlier ones, and how long each delivery takes from the
//! moment for which it was meant.
use super::Venue;
use crate::dialect::Channels;
use crate::failure::Outcome;
use crate::fanout::{Figures, Plan};
use crate::peers::{self, Field};
use crate::publisher::{Pace, Publisher};
use crate::report::{self, Row, Spread};
use crate::settings::Settings;
use crate::{rounds, say, stage};
use serde_json::json;
use std::time::Duration;

/// Publications a second; the last is the one with a target.
pub(crate) const RATES: [f64; 4] = [5.0, 25.0, 50.0, 100.0];
const QUICK_RATES: [f64; 2] = [5.0, 100.0];

/// Of the peers: most do not keep up with the higher rate, and each phase lasts until all has arrived. So it is cut short where it would leave
/// a backlog of minutes, which favours who is behind.
const PEERS_RATES: [f64; 2] = [5.0, 100.0];
const PEERS_PUBLICATIONS: f64 = 100.0;

/// Publications that may be under way when the time is over, as a part of those of a second: more are a backlog.
const UNDER_WAY: f64 = 0.25;

/// What a rate came to in each round.
#[derive(Debug)]
pub(crate) struct Steady {
    pub(crate) rate: f64,
    pub(crate) rounds: Vec<Figures>,
}

pub(crate) fn run(settings: &Settings) -> Outcome<(Vec<Steady>, Field)> {
    let rates: &[f64] = if settings.quick { &QUICK_RATES } else { &RATES };
    let mut steady: Vec<Steady> = rates.iter().map(|rate| Steady { rate: *rate, rounds: Vec::new() }).collect();
    let venue = Venue::open(settings, 1)?;
    let mut field = Field::start(settings, &Channels::one(stage::CHANNEL));
    for round in 0..settings.workload_rounds() {
        let label = format!("F2 round {} of {}", round + 1, settings.workload_rounds());
        let leap = venue.leap();
        let mut hall = venue.hall(&leap, settings.subscribers, rounds::wave(round, 1))?;
        for one in &mut steady {
            let plan = Plan { pace: Pace::PerSecond(one.rate), span: settings.span, warm_up: 3 };
            let publisher = Publisher::of(&leap, venue.padding(), plan, &hall.poller)?;
            let figures = venue.explain(hall.run(plan, publisher), &label)?;
            say(&format!("{label}: {} publications a second: {}", one.rate, words(&figures)));
            one.rounds.push(figures);
        }
        drop(hall);
        venue.await_empty()?;
        let plans = PEERS_RATES.map(|rate| {
            let span = settings.span.min(Duration::from_secs_f64(PEERS_PUBLICATIONS / rate));
            Plan { pace: Pace::PerSecond(rate), span, warm_up: 3 }
        });
        field.round(settings.subscribers, &plans, rounds::wave(round, 1), &label);
    }
    Ok((steady, field))
}

/// The latencies and what else tells how it went.
pub(crate) fn words(figures: &Figures) -> String {
    let latency = figures.latency.map_or_else(String::new, |one| {
        format!("p50 {:.1} ms, p99 {:.1} ms, at most {:.0} ms, ", one.p50 * 1e3, one.p99 * 1e3, one.most * 1e3)
    });
    format!(
        "{latency}{} under way at the end, server {:.0} %, generator {:.0} %",
        figures.backlog,
        figures.server_share() * 100.0,
        figures.generator_share() * 100.0
    )
}

/// The 99th percentile of a phase, in seconds.
pub(crate) fn p99(figures: &Figures) -> f64 {
    figures.latency.map_or(f64::NAN, |latency| latency.p99)
}

/// A line for each rate; the highest has a target.
pub(crate) fn rows(settings: &Settings, steady: &[Steady], field: &Field) -> Vec<Row> {
    let highest = steady.iter().map(|one| one.rate).fold(0.0, f64::max);
    let row = |one: &Steady| {
        let latency = Spread::of(one.rounds.iter().map(p99));
        let median = Spread::of(one.rounds.iter().map(|figures| figures.latency.map_or(f64::NAN, |one| one.p50)));
        let backlog = one.rounds.iter().map(|figures| figures.backlog).max().unwrap_or(0);
        let has_target = (one.rate - highest).abs() < f64::EPSILON;
        let limit = settings.targets.steady_p99;
        let keeps_up = backlog as f64 <= one.rate * UNDER_WAY + 1.0;
        Row {
            id: "F2",
            workload: format!("{} subscribers, {} publications a second, open loop", settings.subscribers, one.rate),
            floor: "–".to_owned(),
            server: format!("p99 {}", latency.with(1e3, 1, " ms")),
            result: format!(
                "p50 {}; at most {backlog} under way at the end{}",
                median.with(1e3, 1, " ms"),
                if keeps_up { "" } else { ", **a backlog**" }
            ),
            target: if has_target { format!("p99 < {:.0} ms, no backlog", limit * 1e3) } else { "–".to_owned() },
            // On a machine that builds something beside, short percentiles say nothing.
            reached: (has_target && !settings.quick).then_some(latency.median < limit && keeps_up),
            generator: report::generator(one.rounds.iter()),
            raw: json!({"per_second": one.rate, "rounds": one.rounds.iter().map(report::figures).collect::<Vec<_>>()}),
        }
    };
    let peers = PEERS_RATES.iter().enumerate().flat_map(|(plan, rate)| peers::steady_rows(*rate, plan, field));
    steady.iter().map(row).chain(peers).collect()
}
