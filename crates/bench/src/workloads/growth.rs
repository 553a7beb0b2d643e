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

/// Channels that are published in, while others only exist.
const BUSY: usize = 10;
/// Subscribers of each of them.
const MEMBERS: usize = 100;
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
    /// Of a bare loop at the same sizes, taken in turn with the server; empty where nothing of the kind can be done without one.
    floor: Vec<(usize, f64)>,
}

/// The dearest size, as a multiple of the smallest one.
fn times(costs: &[(usize, f64)]) -> f64 {
    let first = costs.first().map_or(f64::NAN, |(_, cost)| *cost);
    costs.iter().map(|(_, cost)| cost / first).fold(0.0, f64::max)
}

/// Seconds of CPU of the server and, where there is one, of the floor.
type Costs = (f64, Option<f64>);

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Growth>> {
    Ok(vec![subscribers(settings)?, channels(settings)?, tokens(settings)?])
}

fn grow(
    settings: &Settings,
    grows: Grows,
    sizes: &[usize],
    cost: &mut dyn FnMut(usize) -> Outcome<Costs>,
) -> Outcome<Growth> {
    let mut growth = Growth { grows, costs: Vec::new(), floor: Vec::new() };
    for size in sizes {
        let measured: Outcome<Vec<Costs>> = (0..settings.workload_rounds().min(3)).map(|_| cost(*size)).collect();
        let (server, floor): (Vec<f64>, Vec<Option<f64>>) = measured?.into_iter().unzip();
        let server = Spread::of(server).median;
        say(&format!("G1, {size} {}: {:.2} µs of CPU each", words(grows), server * 1e6));
        growth.costs.push((*size, server));
        if let Some(floor) = floor.into_iter().collect::<Option<Vec<f64>>>() {
            let floor = Spread::of(floor).median;
            say(&format!("G1, {size} of a bare loop: {:.2} µs of CPU each", floor * 1e6));
            growth.floor.push((*size, floor));
        }
    }
    Ok(growth)
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
    let (venue, mut floor, mut wave) = (Venue::open(settings, 1)?, rounds::Floor::start(settings)?, 0);
    grow(settings, Grows::Subscribers, &sizes, &mut |size| {
        wave += 2;
        let bare = floor.wave_of(size, 1, &[settings.alone()], wave - 1)?;
        let leap = venue.leap();
        let mut hall = venue.hall(&leap, size, wave)?;
        let publisher = Publisher::of(&leap, venue.padding(), settings.alone(), &hall.poller)?;
        let figures = venue.explain(hall.run(settings.alone(), publisher), "G1, subscribers")?;
        drop(hall);
        venue.await_empty()?;
        let bare = bare.first().map(|figures| 1.0 / figures.per_core_second());
        Ok((1.0 / figures.per_core_second(), bare))
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
        let mut hall = venue.hall(&leap, MEMBERS * BUSY, wave)?;
        let plan = Plan { pace: Pace::Pending(settings.pending.min(BUSY as u64)), ..settings.queued() };
        let publisher = Publisher::of(&leap, venue.padding(), plan, &hall.poller)?;
        let figures = venue.explain(hall.run(plan, publisher), "G1, channels")?;
        drop(hall);
        venue.await_empty()?;
        Ok((1.0 / figures.per_core_second(), None))
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
        Ok((storm::storm(&server, &api, storm::Way::Leap, &clients, rounds::wave(round, 1))?.seconds_each(), None))
    })
}

pub(crate) fn rows(settings: &Settings, growths: &[Growth]) -> Vec<Row> {
    let limit = settings.targets.growth;
    let row = |growth: &Growth| {
        let list = |costs: &[(usize, f64)]| {
            let costs: Vec<_> = costs.iter().map(|(size, cost)| format!("{size}: {:.2} µs", cost * 1e6)).collect();
            if costs.is_empty() { "–".to_owned() } else { costs.join(", ") }
        };
        let grown = times(&growth.costs);
        let mut result = format!("at most {grown:.2} × what it is with few");
        if !growth.floor.is_empty() {
            result += &format!("; a bare loop {:.2} ×", times(&growth.floor));
        }
        let floor = |place: usize| growth.floor.get(place).map(|(_, cost)| *cost);
        let sizes = growth.costs.iter().enumerate();
        let raw = sizes.map(|(place, (size, cost))| json!({"size": size, "cpu_s": cost, "floor_cpu_s": floor(place)}));
        Row {
            id: "G1",
            workload: words(growth.grows).to_owned(),
            floor: list(&growth.floor),
            server: list(&growth.costs),
            result,
            target: format!("≤ {limit:.2} ×"),
            reached: Some(grown <= limit),
            generator: "–".to_owned(),
            raw: json!(raw.collect::<Vec<_>>()),
        }
    };
    growths.iter().map(row).collect()
}
