//! R1: one client in a hundred stops reading. What the others notice, what the server keeps for the silent ones, and whether it lets go of them.
use super::{Venue, steady};
use crate::failure::Outcome;
use crate::fanout::{Figures, Plan};
use crate::kernel;
use crate::publisher::{Pace, Publisher};
use crate::report::{self, Row, Spread};
use crate::settings::Settings;
use crate::{rounds, say, stage};
use serde_json::json;
use std::time::Duration;

/// Larger frames than elsewhere, and sockets with little room, so that silence is noticed within seconds.
const FRAME_BYTES: usize = 1_000;
const RATE: f64 = 25.0;
const QUICK_RATE: f64 = 100.0;
/// As long as filling up takes, and then being given up.
const SPAN: Duration = Duration::from_secs(12);

#[derive(Debug)]
pub(crate) struct Silence {
    before: Figures,
    during: Figures,
    mute: usize,
    /// Silent clients that the server had let go of by the end.
    cut: usize,
    /// How much the server's resident memory had grown at its most, for each silent client.
    kib_each: f64,
}

impl Silence {
    fn times(&self) -> f64 {
        steady::p99(&self.during) / steady::p99(&self.before)
    }
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Silence>> {
    let rate = if settings.quick { QUICK_RATE } else { RATE };
    (0..settings.idle_rounds())
        .map(|round| {
            let label = format!("R1 round {} of {}", round + 1, settings.idle_rounds());
            // A server of its own: the peak of its memory is read.
            let venue = Venue::open_with(settings, 1, FRAME_BYTES)?;
            let leap = venue.leap();
            let mute = (settings.subscribers / 100).max(1);
            let mut hall = venue.hall(&leap, settings.subscribers - mute, rounds::wave(round, 1))?;
            hall.audience.narrow();
            hall.audience.grow(settings.subscribers, &mut hall.poller)?;
            stage::await_online(&venue.api, settings.subscribers)?;
            let measure = |hall: &mut crate::fanout::Hall<'_>, span| {
                let plan = Plan { pace: Pace::PerSecond(rate), span, warm_up: 3 };
                let publisher = Publisher::of(&leap, venue.padding(), plan, &hall.poller)?;
                venue.explain(hall.run(plan, publisher), &label)
            };
            let before = measure(&mut hall, settings.span)?;
            let kib = kernel::peak_kib(venue.process.pid())?;
            hall.audience.mute(mute, &hall.poller)?;
            let during = measure(&mut hall, SPAN)?;
            let kib_each = kernel::peak_kib(venue.process.pid())?.saturating_sub(kib) as f64 / mute as f64;
            let online = stage::online(&venue.api)?;
            let cut = settings.subscribers.saturating_sub(online);
            let silence = Silence { before, during, mute, cut, kib_each };
            say(&format!(
                "{label}: before {}; with {mute} silent {}; {cut} of them cut, {kib_each:.0} KiB each at most",
                steady::words(&silence.before),
                steady::words(&silence.during)
            ));
            Ok(silence)
        })
        .collect()
}

pub(crate) fn row(settings: &Settings, rounds: &[Silence]) -> Row {
    let spread = |of: fn(&Silence) -> f64| Spread::of(rounds.iter().map(of));
    let (times, kib, targets) = (spread(Silence::times), spread(|round| round.kib_each), settings.targets);
    let is_cut = rounds.iter().all(|round| round.cut == round.mute);
    let [mute, cut] = rounds.first().map_or([0, 0], |round| [round.mute, round.cut]);
    Row {
        id: "R1",
        workload: format!(
            "{} subscribers, {FRAME_BYTES} B frames, {} a second, {mute} of them stop reading; floor: all read",
            settings.subscribers,
            if settings.quick { QUICK_RATE } else { RATE }
        ),
        floor: format!("p99 {}", spread(|round| steady::p99(&round.before)).with(1e3, 1, " ms")),
        server: format!("p99 {}", spread(|round| steady::p99(&round.during)).with(1e3, 1, " ms")),
        result: format!(
            "{}; {cut} of {mute} cut; at most {} for each of them",
            times.with(1.0, 2, " ×"),
            kib.with(1.0, 0, " KiB")
        ),
        target: format!("≤ {:.1} ×; all cut; ≤ 1,100 KiB", targets.mute_times),
        reached: Some(times.median <= targets.mute_times && is_cut && kib.median <= 1_100.0),
        generator: report::generator(rounds.iter().map(|round| &round.during)),
        raw: json!(
            rounds
                .iter()
                .map(|round| json!({
                    "before": report::figures(&round.before), "during": report::figures(&round.during),
                    "mute": round.mute, "cut": round.cut, "kib_each": round.kib_each,
                }))
                .collect::<Vec<_>>()
        ),
    }
}
