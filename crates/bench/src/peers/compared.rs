//! The peers of a run: they take their turn in every round beside the floor and the server, and get a line of the table each. One that is missing
//! or fails is told at once, and has a line that says so.
use super::contender::{Contender, Memory};
use super::{Chosen, Peer};
use crate::failure::{Failure, Outcome};
use crate::fanout::{Figures, Plan};
use crate::idle::Idle;
use crate::report::{self, Row, Spread};
use crate::rounds::Round;
use crate::say;
use crate::settings::Settings;
use serde_json::json;

/// What a peer did in one round, a figure for each plan.
#[derive(Debug)]
pub(crate) struct Turn {
    name: &'static str,
    figures: Vec<Figures>,
}

/// Those that take part, and those that do not.
#[derive(Debug, Default)]
pub(crate) struct Field {
    contenders: Vec<Contender>,
    out: Vec<Out>,
}

/// A peer that was asked for and gives no figures.
#[derive(Debug)]
struct Out {
    peer: &'static Peer,
    why: String,
}

impl Field {
    /// Starts all that the run was asked for.
    pub(crate) fn start(settings: &Settings) -> Field {
        let mut field = Field::default();
        for chosen in &settings.peers {
            match Contender::start(chosen, settings.cores, settings.frame_bytes) {
                Ok(contender) => field.contenders.push(contender),
                Err(failure) => field.leave_out(chosen.peer, &failure),
            }
        }
        field
    }

    /// Each takes its turn. A single wrong message puts a peer out, with what it did before.
    pub(crate) fn round(&mut self, settings: &Settings, plans: &[Plan], wave: u8, label: &str) -> Vec<Turn> {
        let mut turns = Vec::new();
        for contender in std::mem::take(&mut self.contenders) {
            match contender.wave(settings.subscribers, plans, wave) {
                Ok(figures) => {
                    let rates: Vec<_> = figures.iter().map(|one| format!("{:.0}", one.per_core_second())).collect();
                    let name = contender.peer().name;
                    say(&format!("{label}, {name}: {} deliveries per core-second", rates.join(" and ")));
                    turns.push(Turn { name, figures });
                    self.contenders.push(contender);
                }
                Err(failure) => self.leave_out(contender.peer(), &failure),
            }
        }
        turns
    }

    fn leave_out(&mut self, peer: &'static Peer, failure: &Failure) {
        say(&format!("WARNING: {} is left out: {failure}", peer.name));
        self.out.push(Out { peer, why: failure.to_string() });
    }
}

/// A line for each peer and plan: its rate, and the server's as a multiple of it, formed within a round.
pub(crate) fn rows(settings: &Settings, rounds: &[Round], field: &Field) -> Vec<Row> {
    let plans = rounds.first().map_or(0, |round| round.floor.len());
    let lines =
        (0..plans).flat_map(|plan| field.contenders.iter().map(move |one| row(settings, rounds, plan, one.peer())));
    lines.chain(field.out.iter().map(|out| out_row("F1", out))).collect()
}

fn row(settings: &Settings, rounds: &[Round], plan: usize, peer: &'static Peer) -> Row {
    let rate = |figures: &[Figures]| figures.get(plan).map(Figures::per_core_second);
    let own = |round: &Round| rate(&round.peers.iter().find(|turn| turn.name == peer.name)?.figures);
    let times = |round: &Round| Some(rate(&round.server)? / own(round)?);
    let of_floor = Spread::of(rounds.iter().filter_map(|round| Some(own(round)? / rate(&round.floor)?)));
    let times = Spread::of(rounds.iter().filter_map(times));
    let pending = if plan == 0 { 1 } else { settings.pending };
    // What Tollgate must not be slower than; short runs on a busy machine say nothing of it.
    let must_beat = plan == 0 && peer.name == "uws";
    Row {
        id: if plan == 0 { "F1" } else { "F3" },
        workload: format!("the same by {}, {pending} pending", peer.title),
        floor: Spread::of(rounds.iter().filter_map(|round| rate(&round.floor))).thousands(),
        server: Spread::of(rounds.iter().filter_map(own)).thousands(),
        result: format!("{} of the floor; Tollgate {}", of_floor.with(100.0, 0, " %"), times.with(1.0, 2, " × it")),
        target: if must_beat { "Tollgate ≥ 1 × it".to_owned() } else { "–".to_owned() },
        reached: (must_beat && !settings.quick).then_some(times.median >= 1.0),
        generator: "–".to_owned(),
        raw: json!({
            "peer": peer.name,
            "pending": pending,
            "rounds": rounds.iter().map(|round| {
                let turn = round.peers.iter().find(|turn| turn.name == peer.name)?;
                turn.figures.get(plan).map(report::figures)
            }).collect::<Vec<_>>(),
        }),
    }
}

fn out_row(id: &'static str, out: &Out) -> Row {
    Row {
        id,
        workload: format!("the same by {}", out.peer.title),
        floor: "–".to_owned(),
        server: "–".to_owned(),
        result: format!("**left out**: {}", out.why.lines().next().unwrap_or_default().replace('|', "/")),
        target: "–".to_owned(),
        reached: None,
        generator: "–".to_owned(),
        raw: json!({"peer": out.peer.name, "left_out": out.why}),
    }
}

/// What idle connections take of each peer, freshly started.
pub(crate) fn idle(settings: &Settings) -> Vec<(Chosen, Outcome<Memory>)> {
    let weigh = |chosen: &Chosen| {
        let contender = Contender::start(chosen, settings.cores, settings.frame_bytes)?;
        let memory = contender.idle(settings.subscribers, 1)?;
        say(&format!("idle, {}: {:.2} KiB per connection", chosen.peer.name, memory.kib_per_connection()));
        Ok(memory)
    };
    settings.peers.iter().map(|chosen| (chosen.clone(), weigh(chosen))).collect()
}

/// A line for each of them, beside what Tollgate's take.
pub(crate) fn idle_rows(weighed: &[(Chosen, Outcome<Memory>)], own: &[Idle]) -> Vec<Row> {
    let own = Spread::of(own.iter().map(Idle::kib_per_connection)).median;
    let line = |(chosen, memory): &(Chosen, Outcome<Memory>)| match memory {
        Ok(memory) => {
            let each = memory.kib_per_connection();
            Row {
                id: "M1",
                workload: format!(
                    "{} connections of {}, subscribed, without a token",
                    memory.connections, chosen.peer.title
                ),
                floor: "–".to_owned(),
                server: format!("{each:.2} KiB each"),
                result: format!("{:.1} × Tollgate's", each / own),
                target: "–".to_owned(),
                reached: None,
                generator: "–".to_owned(),
                raw: json!({
                    "peer": chosen.peer.name,
                    "connections": memory.connections,
                    "steps_kib": [memory.empty_kib, memory.half_kib, memory.full_kib],
                }),
            }
        }
        Err(failure) => {
            say(&format!("WARNING: {} is left out: {failure}", chosen.peer.name));
            out_row("M1", &Out { peer: chosen.peer, why: failure.to_string() })
        }
    };
    weighed.iter().map(line).collect()
}
