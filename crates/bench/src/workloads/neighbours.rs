//! N1: a small channel at a steady rate, alone and beside a large one that takes all the server can give.
use super::{Venue, steady};
use crate::audience::Audience;
use crate::dialect::{Channels, leap::Leap};
use crate::failure::{Outcome, cannot};
use crate::fanout::{Figures, Hall, Plan};
use crate::kernel::Poller;
use crate::publisher::{Pace, Publisher};
use crate::report::{self, Row, Spread};
use crate::settings::Settings;
use crate::{rounds, say, stage};
use serde_json::json;
use std::time::Duration;

const SMALL: &str = "small";
const MEMBERS: usize = 10;
const RATE: f64 = 100.0;
/// The large channel begins before the small one is measured, and ends after.
const LONGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Beside {
    alone: Figures,
    beside: Figures,
    large: Figures,
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Beside>> {
    let venue = Venue::open(settings, 1)?;
    let channels = Channels::one(SMALL);
    stage::create_channels(&venue.api, &channels)?;
    let (to, large) = (venue.process.address, venue.leap());
    let small = Leap { channels, ..venue.leap() };
    let (template, padding) = stage::learn_frame(to, &small, settings.frame_bytes)?;
    (0..settings.workload_rounds())
        .map(|round| {
            let (label, wave) =
                (format!("N1 round {} of {}", round + 1, settings.workload_rounds()), rounds::wave(round, 2));
            let mut poller = Poller::new()?;
            let audience = Audience::gather(MEMBERS, wave, to, &small, &mut poller)?;
            let pid = venue.process.pid();
            let mut small_hall = Hall { audience, poller, template: &template, next_sequence: 1, channels: 1, pid };
            let plan = Plan { pace: Pace::PerSecond(RATE), span: settings.span, warm_up: 20 };
            let publisher = Publisher::of(&small, padding, plan, &small_hall.poller)?;
            let alone = venue.explain(small_hall.run(plan, publisher), &label)?;

            let mut large_hall = venue.hall(&large, settings.subscribers, wave + 1)?;
            let large_plan = Plan { span: settings.span + LONGER, ..settings.alone() };
            let large_publisher = Publisher::of(&large, venue.padding(), large_plan, &large_hall.poller)?;
            let publisher = Publisher::of(&small, padding, plan, &small_hall.poller)?;
            // Each has a thread, or reading ten thousand sockets would count as the small one's latency.
            let (large, beside) = std::thread::scope(|scope| {
                let large = scope.spawn(|| large_hall.run(large_plan, large_publisher));
                let beside = small_hall.run(plan, publisher);
                (large.join().unwrap_or_else(|_| cannot("the large channel's thread panicked")), beside)
            });
            let (large, beside) = (venue.explain(large, &label)?, venue.explain(beside, &label)?);
            drop((small_hall, large_hall));
            venue.await_empty()?;
            say(&format!("{label}: alone {}; beside the large one {}", steady::words(&alone), steady::words(&beside)));
            Ok(Beside { alone, beside, large })
        })
        .collect()
}

pub(crate) fn row(settings: &Settings, rounds: &[Beside]) -> Row {
    let alone = Spread::of(rounds.iter().map(|round| steady::p99(&round.alone)));
    let beside = Spread::of(rounds.iter().map(|round| steady::p99(&round.beside)));
    let limit = settings.targets.neighbour_p99;
    let raw = |of: fn(&Beside) -> &Figures| rounds.iter().map(|round| report::figures(of(round))).collect::<Vec<_>>();
    Row {
        id: "N1",
        workload: format!(
            "{MEMBERS} subscribers, {RATE} publications a second, beside a saturated channel of {}; floor: without it",
            settings.subscribers
        ),
        floor: format!("p99 {}", alone.with(1e3, 1, " ms")),
        server: format!("p99 {}", beside.with(1e3, 1, " ms")),
        result: format!(
            "the large one meanwhile {}",
            Spread::of(rounds.iter().map(|round| round.large.per_core_second())).thousands()
        ),
        target: format!("p99 ≤ {:.0} ms", limit * 1e3),
        // As for F2.
        reached: (!settings.quick).then_some(beside.median <= limit),
        generator: report::generator(rounds.iter().map(|round| &round.beside)),
        raw: json!({"alone": raw(|one| &one.alone), "beside": raw(|one| &one.beside), "large": raw(|one| &one.large)}),
    }
}
