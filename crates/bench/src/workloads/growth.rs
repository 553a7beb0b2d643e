//! G1: what a delivery and a connection cost when there are many subscribers, channels or tokens, as a multiple of what they cost with few.
use super::{Venue, storm};
use crate::child::Measured;
use crate::credentials;
use crate::failure::Outcome;
use crate::fanout::Plan;
use crate::publisher::{Pace, Publisher};
use crate::report::{Row, Spread};
use crate::settings::Settings;
use crate::{kernel, rest, rounds, say, stage};
use serde_json::json;

/// Channels that are published in, with ten subscribers each, while others only exist.
const BUSY: usize = 100;
/// Connections of the measurement with many tokens.
const CLIENTS: usize = 1_000;
/// Descriptors that are not subscribers'.
const OWN_DESCRIPTORS: u64 = 200;
const CONCURRENCY: usize = 64;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grows {
    Subscribers,
    Channels,
    Tokens,
}

/// One line: the sizes, and seconds of CPU at each.
#[derive(Debug)]
pub(crate) struct Growth {
    grows: Grows,
    costs: Vec<(usize, f64)>,
}

impl Growth {
    /// The dearest size, as a multiple of the smallest one.
    fn times(&self) -> f64 {
        let first = self.costs.first().map_or(f64::NAN, |(_, cost)| *cost);
        self.costs.iter().map(|(_, cost)| cost / first).fold(0.0, f64::max)
    }
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Growth>> {
    Ok(vec![subscribers(settings)?, channels(settings)?, tokens(settings)?])
}

fn grow(
    settings: &Settings,
    grows: Grows,
    sizes: &[usize],
    cost: &mut dyn FnMut(usize) -> Outcome<f64>,
) -> Outcome<Growth> {
    let mut costs = Vec::new();
    for size in sizes {
        let measured: Outcome<Vec<f64>> = (0..settings.workload_rounds().min(3)).map(|_| cost(*size)).collect();
        let cost = Spread::of(measured?).median;
        say(&format!("G1, {size} {}: {:.2} µs of CPU each", words(grows), cost * 1e6));
        costs.push((*size, cost));
    }
    Ok(Growth { grows, costs })
}

fn words(grows: Grows) -> &'static str {
    match grows {
        Grows::Subscribers => "subscribers of one channel, a delivery",
        Grows::Channels => "channels, a delivery in some of them",
        Grows::Tokens => "tokens, a connection",
    }
}

fn subscribers(settings: &Settings) -> Outcome<Growth> {
    let sizes: &[usize] = if settings.quick { &[100, 2_000] } else { &[100, 1_000, 10_000, 18_000] };
    let descriptors = kernel::raise_descriptor_limit()?;
    let sizes: Vec<usize> =
        sizes.iter().copied().filter(|size| *size as u64 + OWN_DESCRIPTORS <= descriptors).collect();
    let (venue, mut wave) = (Venue::open(settings, 1)?, 0);
    grow(settings, Grows::Subscribers, &sizes, &mut |size| {
        wave += 1;
        let leap = venue.leap();
        let mut hall = venue.hall(&leap, size, wave)?;
        let publisher = Publisher::of(&leap, venue.padding(), settings.alone(), &hall.poller)?;
        let figures = venue.explain(hall.run(settings.alone(), publisher), "G1, subscribers")?;
        drop(hall);
        venue.await_empty()?;
        Ok(1.0 / figures.per_core_second())
    })
}

fn channels(settings: &Settings) -> Outcome<Growth> {
    let sizes: &[usize] = if settings.quick { &[BUSY, 2_000] } else { &[BUSY, 1_000, 10_000, 100_000] };
    let venue = Venue::open(settings, BUSY)?;
    let (mut there, mut wave) = (BUSY, 0);
    grow(settings, Grows::Channels, sizes, &mut |size| {
        let path = |number| format!("/v1/channels/quiet-{number}");
        let body = r#"{"type":"unprotected","state":{}}"#;
        let requests: Vec<_> = (there..size).map(|number| venue.api.request("PUT", &path(number), body)).collect();
        if !requests.is_empty() {
            rest::call_all(&venue.api, &requests, CONCURRENCY)?;
        }
        (there, wave) = (there.max(size), wave + 1);
        let leap = venue.leap();
        let mut hall = venue.hall(&leap, 10 * BUSY, wave)?;
        let plan = Plan { pace: Pace::Pending(settings.pending.min(BUSY as u64)), ..settings.queued() };
        let publisher = Publisher::of(&leap, venue.padding(), plan, &hall.poller)?;
        let figures = venue.explain(hall.run(plan, publisher), "G1, channels")?;
        drop(hall);
        venue.await_empty()?;
        Ok(1.0 / figures.per_core_second())
    })
}

fn tokens(settings: &Settings) -> Outcome<Growth> {
    let sizes: &[usize] = if settings.quick { &[1_000, 20_000] } else { &[1_000, 10_000, 100_000, 1_000_000] };
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let api = stage::api(&server);
    stage::create_channel(&api, "private")?;
    let clients = stage::create_tokens(&api, CLIENTS)?;
    stage::subscribe_tokens(&api, &clients)?;
    storm::storm(&server, &api, storm::Way::Leap, &clients, 0)?;
    let (mut there, mut round) = (CLIENTS, 0);
    grow(settings, Grows::Tokens, sizes, &mut |size| {
        if size > there {
            credentials::create(&api, size - there)?;
        }
        (there, round) = (there.max(size), round + 1);
        Ok(storm::storm(&server, &api, storm::Way::Leap, &clients, rounds::wave(round, 1))?.seconds_each())
    })
}

pub(crate) fn rows(settings: &Settings, growths: &[Growth]) -> Vec<Row> {
    let limit = settings.targets.growth;
    let row = |growth: &Growth| {
        let costs: Vec<_> = growth.costs.iter().map(|(size, cost)| format!("{size}: {:.2} µs", cost * 1e6)).collect();
        Row {
            id: "G1",
            workload: words(growth.grows).to_owned(),
            floor: "–".to_owned(),
            server: costs.join(", "),
            result: format!("at most {:.2} × what it is with few", growth.times()),
            target: format!("≤ {limit:.2} ×"),
            reached: Some(growth.times() <= limit),
            generator: "–".to_owned(),
            raw: json!(
                growth.costs.iter().map(|(size, cost)| json!({"size": size, "cpu_s": cost})).collect::<Vec<_>>()
            ),
        }
    };
    growths.iter().map(row).collect()
}
