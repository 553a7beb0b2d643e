//! S1: many small channels, one after another as fast as they are taken, and at a fixed rate.
use super::{Venue, steady};
use crate::dialect::Channels;
use crate::failure::Outcome;
use crate::fanout::{Figures, Plan};
use crate::peers::{self, Field};
use crate::publisher::{Pace, Publisher};
use crate::report::{self, Row, Spread};
use crate::settings::Settings;
use crate::{rounds, say, stage};
use serde_json::json;

/// Subscribers of each channel.
const MEMBERS: usize = 10;
/// Publications a second of the open loop, over all channels.
const RATE: f64 = 3_000.0;

/// What a round came to.
#[derive(Debug)]
pub(crate) struct Small {
    closed: Figures,
    open: Figures,
    /// One large channel, by a bare loop.
    floor: Figures,
    /// The same channels, by a bare loop.
    scattered: Figures,
}

impl Small {
    /// Publications for one second of one core's time in the server.
    fn publishes(&self) -> f64 {
        self.closed.publications as f64 / self.closed.server_cpu.as_secs_f64()
    }

    /// CPU of a delivery, as a multiple of the floor's.
    fn times_floor(&self) -> f64 {
        self.floor.per_core_second() / self.closed.per_core_second()
    }

    /// The same of the floor that sends to the same sockets in the same order.
    fn times_scattered(&self) -> f64 {
        self.scattered.per_core_second() / self.closed.per_core_second()
    }
}

pub(crate) fn run(settings: &Settings) -> Outcome<(Vec<Small>, Field)> {
    let count = settings.subscribers / MEMBERS;
    let venue = Venue::open(settings, count)?;
    let mut field = Field::start(settings, &Channels::many(stage::CHANNEL, count));
    let mut floor = rounds::Floor::start(settings)?;
    let rounds = (0..settings.workload_rounds())
        .map(|round| {
            let (label, wave) =
                (format!("S1 round {} of {}", round + 1, settings.workload_rounds()), rounds::wave(round, 3));
            let plan = Plan { pace: Pace::Pending(settings.pending), span: settings.span, warm_up: 100 };
            let large = floor.wave(settings, &[settings.alone()], wave)?;
            let scattered = floor.wave_of(count * MEMBERS, count, &[plan], wave + 2)?;
            let leap = venue.leap();
            let mut hall = venue.hall(&leap, settings.subscribers / MEMBERS * MEMBERS, wave + 1)?;
            let mut measure = |pace| {
                let plan = Plan { pace, span: settings.span, warm_up: 100 };
                let publisher = Publisher::of(&leap, venue.padding(), plan, &hall.poller)?;
                venue.explain(hall.run(plan, publisher), &label)
            };
            let (closed, open) = (measure(Pace::Pending(settings.pending))?, measure(Pace::PerSecond(RATE))?);
            drop(hall);
            venue.await_empty()?;
            field.round(count * MEMBERS, &[plan], wave, &label);
            let small = Small { closed, open, floor: large[0], scattered: scattered[0] };
            say(&format!(
                "{label}: {:.0} publishes per core-second, {:.2} × the floor's CPU, {:.2} × in the same order; {RATE} a second: {}",
                small.publishes(),
                small.times_floor(),
                small.times_scattered(),
                steady::words(&small.open)
            ));
            Ok(small)
        })
        .collect::<Outcome<Vec<Small>>>()?;
    Ok((rounds, field))
}

pub(crate) fn rows(settings: &Settings, rounds: &[Small], field: &Field) -> Vec<Row> {
    let (channels, targets) = (settings.subscribers / MEMBERS, settings.targets);
    let publishes = Spread::of(rounds.iter().map(Small::publishes));
    let times = Spread::of(rounds.iter().map(Small::times_floor));
    let scattered = Spread::of(rounds.iter().map(Small::times_scattered));
    let p99 = Spread::of(rounds.iter().map(|round| steady::p99(&round.open)));
    let backlog = rounds.iter().map(|round| round.open.backlog).max().unwrap_or(0);
    let raw =
        |of: fn(&Small) -> &Figures| json!(rounds.iter().map(|round| report::figures(of(round))).collect::<Vec<_>>());
    let servers: Vec<Figures> = rounds.iter().map(|round| round.closed).collect();
    let mut rows = vec![
        Row {
            id: "S1",
            workload: format!(
                "{channels} channels of {MEMBERS} subscribers, {} pending; floor: one channel",
                settings.pending
            ),
            floor: Spread::of(rounds.iter().map(|round| round.floor.per_core_second())).thousands(),
            server: Spread::of(rounds.iter().map(|round| round.closed.per_core_second())).thousands(),
            result: format!(
                "{}; a delivery {}",
                publishes.with(1.0, 0, " publishes per core-second"),
                times.with(1.0, 2, " × the floor's CPU")
            ),
            target: format!("≥ {:.0}; ≤ {:.1} ×", targets.small_publishes, targets.small_times_floor),
            reached: Some(publishes.median >= targets.small_publishes && times.median <= targets.small_times_floor),
            generator: report::generator(rounds.iter().map(|round| &round.closed)),
            raw: json!({"closed": raw(|round| &round.closed), "floor": raw(|round| &round.floor)}),
        },
        Row {
            id: "S1",
            workload: "the same; floor: a bare loop that sends to the same sockets in the same order".to_owned(),
            floor: Spread::of(rounds.iter().map(|round| round.scattered.per_core_second())).thousands(),
            server: Spread::of(rounds.iter().map(|round| round.closed.per_core_second())).thousands(),
            result: format!("a delivery {}", scattered.with(1.0, 2, " × the floor's CPU")),
            target: "–".to_owned(),
            reached: None,
            generator: report::generator(rounds.iter().map(|round| &round.scattered)),
            raw: json!({"floor": raw(|round| &round.scattered)}),
        },
        Row {
            id: "S1",
            workload: format!("the same, {RATE} publications a second, open loop"),
            floor: "–".to_owned(),
            server: format!("p99 {}", p99.with(1e3, 1, " ms")),
            result: format!("at most {backlog} under way at the end"),
            target: "–".to_owned(),
            reached: None,
            generator: report::generator(rounds.iter().map(|round| &round.open)),
            raw: raw(|round| &round.open),
        },
    ];
    rows.extend(peers::spread_rows(&servers, &format!("{channels} channels, {} pending", settings.pending), field));
    rows
}
