//! R1: one client in a hundred stops reading. What the others notice, what the server keeps for the silent ones, and whether it lets go of them.
use super::{Venue, steady};
use crate::failure::Outcome;
use crate::fanout::{Figures, Hall, Plan};
use crate::kernel;
use crate::publisher::{Pace, Publisher};
use crate::report::{self, Row, Spread};
use crate::settings::Settings;
use crate::{rounds, say, stage};
use serde_json::json;
use std::time::Duration;

/// How much is said to how many. The kernel keeps some 4 MB for a client that does not read before the server notices, and the server gives it up five
/// seconds after: so frames are larger and clients fewer than elsewhere, or it would take minutes.
struct Shape {
    subscribers: usize,
    rate: f64,
    span: Duration,
}

/// More messages than a channel keeps.
const PAST: u64 = 300;
const FRAME_BYTES: usize = 16_000;

fn shape(settings: &Settings) -> Shape {
    let subscribers = (settings.subscribers / 5).max(20);
    let (rate, seconds) = if settings.quick { (60.0, 11) } else { (30.0, 18) };
    Shape { subscribers, rate, span: Duration::from_secs(seconds) }
}

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
    let Shape { subscribers, rate, span } = shape(settings);
    (0..settings.idle_rounds())
        .map(|round| {
            let label = format!("R1 round {} of {}", round + 1, settings.idle_rounds());
            // A server of its own: the peak of its memory is read.
            let venue = Venue::open_with(settings, 1, FRAME_BYTES)?;
            let leap = venue.leap();
            let mute = (subscribers / 100).max(1);
            let mut hall = venue.hall(&leap, subscribers, rounds::wave(round, 1))?;
            let measure = |hall: &mut Hall<'_>, plan: Plan| {
                let publisher = Publisher::of(&leap, venue.padding(), plan, &hall.poller)?;
                venue.explain(hall.run(plan, publisher), &label)
            };
            // What the channel keeps of its past is kept then, and is not taken for what the silent ones cost.
            measure(&mut hall, Plan { pace: Pace::Pending(8), span: Duration::ZERO, warm_up: PAST })?;
            let open = |span| Plan { pace: Pace::PerSecond(rate), span, warm_up: 3 };
            let before = measure(&mut hall, open(settings.span))?;
            let kib = kernel::peak_kib(venue.process.pid())?;
            hall.audience.mute(mute, &hall.poller)?;
            let during = measure(&mut hall, open(span))?;
            let kib_each = kernel::peak_kib(venue.process.pid())?.saturating_sub(kib) as f64 / mute as f64;
            let cut = subscribers.saturating_sub(stage::online_at_most(&venue.api, subscribers - mute)?);
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
    let Shape { subscribers, rate, .. } = shape(settings);
    let is_cut = rounds.iter().all(|round| round.cut == round.mute);
    let [mute, cut] = rounds.first().map_or([0, 0], |round| [round.mute, round.cut]);
    Row {
        id: "R1",
        workload: format!(
            "{subscribers} subscribers, {FRAME_BYTES} B frames, {rate} a second, {mute} of them stop reading; floor: all read"
        ),
        floor: format!("p99 {}", spread(|round| steady::p99(&round.before)).with(1e3, 1, " ms")),
        server: format!("p99 {}", spread(|round| steady::p99(&round.during)).with(1e3, 1, " ms")),
        result: format!(
            "{}; {cut} of {mute} cut; at most {} for each of them",
            times.with(1.0, 2, " ×"),
            kib.with(1.0, 0, " KiB")
        ),
        target: format!("≤ {:.1} ×; all cut; ≤ {:.0} KiB", targets.mute_times, targets.mute_kib),
        // On a machine that builds something beside, short percentiles say nothing.
        reached: Some(
            is_cut && (settings.quick || times.median <= targets.mute_times && kib.median <= targets.mute_kib),
        ),
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
