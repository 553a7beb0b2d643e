//! The peers of a run: they take their turn in every round beside the floor and the server, and get a line of the table each. One that is missing
//! or fails is told at once, and has a line that says so.
use super::contender::{Contender, Memory};
use super::{Chosen, Peer};
use crate::dialect::Channels;
use crate::failure::{Failure, Outcome};
use crate::fanout::{Figures, Plan};
use crate::idle::Idle;
use crate::report::{self, Row, Spread};
use crate::rounds::Round;
use crate::settings::Settings;
use crate::{say, stage};
use serde_json::{Value, json};

/// Those that take part, what they did, and those that do not.
#[derive(Debug, Default)]
pub(crate) struct Field {
    contenders: Vec<Contender>,
    /// For each round.
    turns: Vec<Vec<Turn>>,
    out: Vec<Out>,
}

/// What a peer did in one round, a figure for each plan.
#[derive(Debug)]
struct Turn {
    name: &'static str,
    figures: Vec<Figures>,
}

/// A peer that was asked for and gives no figures.
#[derive(Debug)]
struct Out {
    peer: &'static Peer,
    why: String,
}

impl Field {
    /// Starts all that the run was asked for.
    pub(crate) fn start(settings: &Settings, channels: &Channels) -> Field {
        let mut field = Field::default();
        for chosen in &settings.peers {
            match Contender::start(chosen, settings.cores, settings.frame_bytes, channels.clone()) {
                Ok(contender) => field.contenders.push(contender),
                Err(failure) => field.leave_out(chosen.peer, &failure),
            }
        }
        field
    }

    /// Each takes its turn, with a new audience for all plans. A single wrong message puts a peer out, with what it did before.
    pub(crate) fn round(&mut self, subscribers: usize, plans: &[Plan], wave: u8, label: &str) {
        let mut turns = Vec::new();
        for contender in std::mem::take(&mut self.contenders) {
            match contender.wave(subscribers, plans, wave) {
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
        self.turns.push(turns);
    }

    fn leave_out(&mut self, peer: &'static Peer, failure: &Failure) {
        say(&format!("WARNING: {} is left out: {failure}", peer.name));
        self.out.push(Out { peer, why: failure.to_string() });
    }

    /// What a peer did in each round by the plan with this number.
    fn figures(&self, peer: &Peer, plan: usize) -> Vec<&Figures> {
        let own = |turns: &Vec<Turn>| turns.iter().position(|turn| turn.name == peer.name);
        self.turns.iter().filter_map(|turns| turns[own(turns)?].figures.get(plan)).collect()
    }

    fn lines<'a>(&'a self, line: impl Fn(&'static Peer) -> Row + 'a) -> impl Iterator<Item = Row> + 'a {
        self.contenders.iter().map(move |contender| line(contender.peer()))
    }

    /// A line for each peer that gives no figures.
    fn missing(&self, id: &'static str) -> impl Iterator<Item = Row> {
        self.out.iter().map(move |out| out_row(id, out))
    }
}

/// F1 and F3: each peer's rate, and the server's as a multiple of it, formed within a round.
pub(crate) fn rows(settings: &Settings, rounds: &[Round], field: &Field) -> Vec<Row> {
    let plans = rounds.first().map_or(0, |round| round.floor.len());
    let lines = (0..plans).flat_map(|plan| field.lines(move |peer| row(settings, rounds, field, plan, peer)));
    lines.chain(field.missing("F1")).collect()
}

fn row(settings: &Settings, rounds: &[Round], field: &Field, plan: usize, peer: &'static Peer) -> Row {
    let turns = field.figures(peer, plan);
    let rates = || turns.iter().map(|figures| figures.per_core_second());
    let beside = |of: fn(&Round) -> &Vec<Figures>| {
        let others = rounds.iter().filter_map(move |round| of(round).get(plan).map(Figures::per_core_second));
        others.zip(rates()).collect::<Vec<_>>()
    };
    let floor = beside(|round| &round.floor);
    let of_floor = Spread::of(floor.iter().map(|(floor, own)| own / floor));
    let times = Spread::of(beside(|round| &round.server).iter().map(|(server, own)| server / own));
    let pending = if plan == 0 { 1 } else { settings.pending };
    // What Tollgate must not be slower than; short runs on a busy machine say nothing of it.
    let must_beat = plan == 0 && peer.name == "uws";
    Row {
        id: if plan == 0 { "F1" } else { "F3" },
        workload: format!("the same by {}, {pending} pending", peer.title),
        floor: Spread::of(floor.iter().map(|(floor, _)| *floor)).thousands(),
        server: Spread::of(rates()).thousands(),
        result: format!("{} of the floor; Tollgate {}", of_floor.with(100.0, 0, " %"), times.with(1.0, 2, " × it")),
        target: if must_beat { "Tollgate ≥ 1 × it".to_owned() } else { "–".to_owned() },
        reached: (must_beat && !settings.quick).then_some(times.median >= 1.0),
        generator: report::generator(turns.iter().copied()),
        raw: raw(peer, &turns),
    }
}

/// S1, closed loop: publications for one second of a peer's CPU, and the server's as a multiple, formed within a round.
pub(crate) fn spread_rows(servers: &[Figures], workload: &str, field: &Field) -> Vec<Row> {
    let line = |peer: &'static Peer| {
        let turns = field.figures(peer, 0);
        let publishes = |one: &Figures| one.publications as f64 / one.server_cpu.as_secs_f64();
        let times = servers.iter().zip(&turns).map(|(server, own)| publishes(server) / publishes(own));
        Row {
            id: "S1",
            workload: format!("{workload}, by {}", peer.title),
            floor: "–".to_owned(),
            server: Spread::of(turns.iter().map(|figures| figures.per_core_second())).thousands(),
            result: format!(
                "{}; Tollgate {}",
                Spread::of(turns.iter().map(|one| publishes(one))).with(1.0, 0, " publishes per core-second"),
                Spread::of(times).with(1.0, 2, " × it")
            ),
            target: "–".to_owned(),
            reached: None,
            generator: report::generator(turns.iter().copied()),
            raw: raw(peer, &turns),
        }
    };
    field.lines(line).chain(field.missing("S1")).collect()
}

/// F2: how long a delivery takes of each peer at this rate, the plan with this number.
pub(crate) fn steady_rows(rate: f64, plan: usize, field: &Field) -> Vec<Row> {
    let line = |peer: &'static Peer| {
        let turns = field.figures(peer, plan);
        let latencies = || turns.iter().filter_map(|figures| figures.latency);
        let backlog = turns.iter().map(|figures| figures.backlog).max().unwrap_or(0);
        Row {
            id: "F2",
            workload: format!("the same by {}, {rate} publications a second", peer.title),
            floor: "–".to_owned(),
            server: format!("p99 {}", Spread::of(latencies().map(|one| one.p99)).with(1e3, 1, " ms")),
            result: format!(
                "p50 {}; at most {backlog} under way at the end",
                Spread::of(latencies().map(|one| one.p50)).with(1e3, 1, " ms")
            ),
            target: "–".to_owned(),
            reached: None,
            generator: report::generator(turns.iter().copied()),
            raw: raw(peer, &turns),
        }
    };
    let missing = field.missing("F2").filter(|_| plan == 0);
    field.lines(line).chain(missing).collect()
}

fn raw(peer: &Peer, turns: &[&Figures]) -> Value {
    json!({"peer": peer.name, "rounds": turns.iter().map(|figures| report::figures(figures)).collect::<Vec<_>>()})
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
        let contender = Contender::start(chosen, settings.cores, settings.frame_bytes, Channels::one(stage::CHANNEL))?;
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
