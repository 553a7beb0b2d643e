//! Medians, ranges, verdicts: one table for people and one document for machines. Measures nothing.
use crate::credentials::{Creations, Reading};
use crate::fanout::Figures;
use crate::idle::Idle;
use crate::kernel;
use crate::resume::{MISSED, Resumed};
use crate::rounds::Round;
use crate::settings::Settings;
use serde_json::{Value, json};

/// From this share of a core on, the generator may have been the limit.
pub(crate) const GENERATOR_LIMIT: f64 = 0.95;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) workload: String,
    pub(crate) floor: String,
    pub(crate) server: String,
    pub(crate) result: String,
    pub(crate) target: String,
    /// None where there is nothing to reach.
    pub(crate) reached: Option<bool>,
    pub(crate) generator: String,
    pub(crate) raw: Value,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median =
            if values.len().is_multiple_of(2) { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 } else { at(middle) };
        Spread { median, least: at(0), most: at(values.len().wrapping_sub(1)) }
    }

    pub(crate) fn thousands(self) -> String {
        self.with(1e-3, 0, " k/s")
    }

    pub(crate) fn with(self, factor: f64, digits: usize, unit: &str) -> String {
        let Spread { median, least, most } = self;
        let [median, least, most] = [median, least, most].map(|value| format!("{:.digits$}", value * factor));
        format!("{median}{unit} ({least}–{most})")
    }
}

fn rates(figures: &[Figures], index: usize) -> Option<f64> {
    figures.get(index).map(Figures::per_core_second)
}

/// The line of one plan: `index` is the plan's place in each round.
fn fan_out(settings: &Settings, rounds: &[Round], index: usize, pending: u64) -> Row {
    let floor = Spread::of(rounds.iter().filter_map(|round| rates(&round.floor, index)));
    let server = Spread::of(rounds.iter().filter_map(|round| rates(&round.server, index)));
    let measured = rounds.iter().flat_map(|round| round.floor.get(index).into_iter().chain(round.server.get(index)));
    let has_server = rounds.iter().any(|round| !round.server.is_empty());
    Row {
        id: if pending == 1 { "F1" } else { "F3" },
        workload: format!("{} subscribers, {} B frames, {pending} pending", settings.subscribers, settings.frame_bytes),
        floor: floor.thousands(),
        server: if has_server { server.thousands() } else { "–".to_owned() },
        result: "–".to_owned(),
        target: "–".to_owned(),
        reached: None,
        generator: generator(measured),
        raw: json!({
            "pending": pending,
            "rounds": rounds.iter().map(|round| json!({
                "floor": round.floor.get(index).map(figures),
                "server": round.server.get(index).map(figures),
            })).collect::<Vec<_>>(),
        }),
    }
}

/// How much of its core the generator used, and whether that was the limit.
pub(crate) fn generator<'a>(measured: impl Iterator<Item = &'a Figures>) -> String {
    let share = Spread::of(measured.map(Figures::generator_share));
    let limited = if share.most >= GENERATOR_LIMIT { ", **the generator was the limit**" } else { "" };
    format!("{:.0}–{:.0} %{limited}", share.least * 100.0, share.most * 100.0)
}

pub(crate) fn figures(figures: &Figures) -> Value {
    let Figures { latency, backlog, latest, .. } = figures;
    json!({
        "latency_s": latency.map(|one| json!({"p50": one.p50, "p99": one.p99, "p999": one.p999, "most": one.most})),
        "backlog": backlog,
        "published_late_at_most_s": latest.as_secs_f64(),
        "publications": figures.publications,
        "deliveries": figures.deliveries,
        "deliveries_per_core_second": figures.per_core_second(),
        "server_cpu_s": figures.server_cpu.as_secs_f64(),
        "generator_cpu_s": figures.generator_cpu.as_secs_f64(),
        "wall_s": figures.wall.as_secs_f64(),
    })
}

/// F1, and F3 where the rounds have a second plan.
pub(crate) fn fan_outs(settings: &Settings, rounds: &[Round]) -> Vec<Row> {
    let plans = rounds.first().map_or(0, |round| round.floor.len());
    (0..plans)
        .flat_map(|index| {
            let mut row = fan_out(settings, rounds, index, if index == 0 { 1 } else { settings.pending });
            let pairs = |round: &Round| Some(rates(&round.server, index)? / rates(&round.floor, index)?);
            let of_floor = Spread::of(rounds.iter().filter_map(pairs));
            let times = |round: &Round| Some(rates(&round.server, index)? / rates(&round.server, 0)?);
            let times_f1 = Spread::of(rounds.iter().filter_map(times));
            if of_floor.median.is_nan() {
                return vec![row];
            }
            let share = of_floor.with(100.0, 0, " % of the floor");
            if index == 0 {
                row.target = format!("≥ {:.0} %", settings.targets.of_floor * 100.0);
                row.reached = Some(of_floor.median >= settings.targets.of_floor);
                row.result = share;
            } else {
                row.target = format!("≥ {:.0} %", settings.targets.queued_of_floor * 100.0);
                row.reached = Some(of_floor.median >= settings.targets.queued_of_floor);
                row.result = format!("{share}; {}", times_f1.with(1.0, 1, " × F1"));
            }
            vec![row, native(settings, rounds, index, if index == 0 { 1 } else { settings.pending })]
        })
        .collect()
}

/// The same over the native protocol, beside Leap.
fn native(settings: &Settings, rounds: &[Round], index: usize, pending: u64) -> Row {
    let leap = Spread::of(rounds.iter().filter_map(|round| rates(&round.server, index)));
    let native = Spread::of(rounds.iter().filter_map(|round| rates(&round.native, index)));
    let pairs = |round: &Round| Some(rates(&round.native, index)? / rates(&round.server, index)?);
    let of_leap = Spread::of(rounds.iter().filter_map(pairs));
    Row {
        id: if pending == 1 { "F1" } else { "F3" },
        workload: format!("the same over the native protocol, {pending} pending; floor: Leap"),
        floor: leap.thousands(),
        server: native.thousands(),
        result: of_leap.with(100.0, 0, " % of Leap"),
        target: format!("≥ {:.0} %", settings.targets.of_leap * 100.0),
        reached: Some(of_leap.median >= settings.targets.of_leap),
        generator: "–".to_owned(),
        raw: json!(rounds.iter().map(|round| round.native.get(index).map(figures)).collect::<Vec<_>>()),
    }
}

/// H1.
pub(crate) fn resumed(settings: &Settings, readings: &[Resumed]) -> Row {
    let spread = |of: fn(&Resumed) -> f64| Spread::of(readings.iter().map(of));
    let times = spread(Resumed::times_live);
    let seconds = |name: &str, of: fn(&Resumed) -> f64| spread(of).with(1.0, 2, &format!(" s {name}"));
    Row {
        id: "H1",
        workload: format!(
            "{} clients come back, {MISSED} messages missed by each; floor: CPU of delivering them live",
            settings.subscribers
        ),
        floor: seconds("live", |one| one.live.as_secs_f64()),
        server: seconds("with connecting", |one| one.resuming.as_secs_f64()),
        result: format!(
            "{}; {}; {}",
            times.with(1.0, 2, " × live"),
            seconds("of it connecting", |one| one.connecting.as_secs_f64()),
            seconds("on the clock", |one| one.wall.as_secs_f64())
        ),
        target: format!("≤ {:.1} ×", settings.targets.times_live),
        reached: Some(times.median <= settings.targets.times_live),
        generator: "–".to_owned(),
        raw: json!(
            readings
                .iter()
                .map(|one| json!({
                    "clients": one.clients,
                    "live_cpu_s": one.live.as_secs_f64(),
                    "connecting_cpu_s": one.connecting.as_secs_f64(),
                    "resuming_cpu_s": one.resuming.as_secs_f64(),
                    "wall_s": one.wall.as_secs_f64(),
                    "connecting_wall_s": one.connecting_wall.as_secs_f64(),
                }))
                .collect::<Vec<_>>()
        ),
    }
}

/// M1 over the native protocol, beside Leap's.
pub(crate) fn idle_native(settings: &Settings, leap: &[Idle], native: &[Idle]) -> Row {
    let mut row = idle(settings, native);
    let leap = Spread::of(leap.iter().map(Idle::kib_per_connection));
    let native = Spread::of(native.iter().map(Idle::kib_per_connection));
    let times = native.median / leap.median;
    row.workload = "the same over the native protocol; floor: Leap".to_owned();
    row.floor = leap.with(1.0, 2, " KiB each");
    row.result = format!("{:.0} % of Leap", times * 100.0);
    row.target = format!("≤ {:.0} %", 100.0 / settings.targets.of_leap);
    // Small runs say nothing about memory.
    row.reached = (!settings.quick).then_some(times <= 1.0 / settings.targets.of_leap);
    row
}

/// M1 over TLS.
pub(crate) fn idle_tls(settings: &Settings, readings: &[Idle]) -> Row {
    let mut row = idle(settings, readings);
    let each = Spread::of(readings.iter().map(Idle::kib_per_connection));
    row.workload = "the same over Leap and TLS".to_owned();
    row.result = "–".to_owned();
    row.target = format!("≤ {:.1} KiB", settings.targets.tls_kib);
    row.reached = Some(each.median <= settings.targets.tls_kib);
    row
}

/// M1.
pub(crate) fn idle(settings: &Settings, readings: &[Idle]) -> Row {
    let each = Spread::of(readings.iter().map(Idle::kib_per_connection));
    let record = Spread::of(readings.iter().map(Idle::kib_per_record));
    Row {
        id: "M1",
        workload: format!("{} idle connections, a token and a subscription each", settings.subscribers),
        floor: "–".to_owned(),
        server: each.with(1.0, 2, " KiB each"),
        result: format!("and {:.2} KiB for each record", record.median),
        target: format!("≤ {:.2} KiB", settings.targets.kib),
        reached: Some(each.median <= settings.targets.kib),
        generator: "–".to_owned(),
        raw: json!(
            readings
                .iter()
                .map(|idle| json!({
                    "connections": idle.connections,
                    "empty_kib": idle.empty_kib,
                    "steps_kib": idle.steps_kib,
                    "kib_per_connection": idle.kib_per_connection(),
                }))
                .collect::<Vec<_>>()
        ),
    }
}

/// T1: a line for each figure.
pub(crate) fn credentials(settings: &Settings, readings: &[Reading]) -> Vec<Row> {
    let raw = json!(
        readings
            .iter()
            .map(|reading| json!({
                "alone": [reading.alone.server, reading.alone.bare, reading.alone.bare_grouped],
                "together": [reading.together.server, reading.together.bare, reading.together.bare_grouped],
                "tokens": reading.tokens,
                "bytes_per_token": reading.bytes_per_token,
                "revoked": reading.revoked,
                "revocation_ms": reading.revocation.as_secs_f64() * 1e3,
            }))
            .collect::<Vec<_>>()
    );
    let row = |workload: String, floor: String, server: String, result: String, target: String, reached: bool| Row {
        id: "T1",
        workload,
        floor,
        server,
        result,
        target,
        reached: Some(reached),
        generator: "–".to_owned(),
        raw: raw.clone(),
    };
    let targets = settings.targets;
    let creations = |pick: fn(&Reading) -> &Creations| {
        let server = Spread::of(readings.iter().map(|reading| pick(reading).server));
        let bare = Spread::of(readings.iter().map(|reading| pick(reading).bare));
        let share = Spread::of(readings.iter().map(|reading| pick(reading).server / pick(reading).bare));
        let grouped = Spread::of(readings.iter().map(|reading| pick(reading).server / pick(reading).bare_grouped));
        let writers = readings.first().map_or(0, |reading| pick(reading).writers);
        let beside = if writers == 1 {
            String::new()
        } else {
            format!("; {} of one with {writers} rows a commit", grouped.with(100.0, 0, " %"))
        };
        row(
            format!(
                "durable creations of a token over REST, {writers} at a time; floor: a bare SQLite loop, a row a commit"
            ),
            bare.with(1.0, 0, " /s"),
            server.with(1.0, 0, " /s"),
            format!("{} of the bare loop{beside}", share.with(100.0, 0, " %")),
            format!("≥ {:.0} %", targets.of_bare * 100.0),
            share.median >= targets.of_bare,
        )
    };
    let bytes = Spread::of(readings.iter().map(|reading| reading.bytes_per_token));
    let revocation = Spread::of(readings.iter().map(|reading| reading.revocation.as_secs_f64()));
    let (most, revoked) =
        (readings.iter().map(|one| one.tokens).max().unwrap_or(0), readings.first().map_or(0, |one| one.revoked));
    vec![
        creations(|reading| &reading.alone),
        creations(|reading| &reading.together),
        row(
            format!("memory of a live token, up to {most} of them"),
            "–".to_owned(),
            bytes.with(1.0, 0, " B each"),
            "–".to_owned(),
            format!("≤ {:.0} B", targets.token_bytes),
            bytes.median <= targets.token_bytes,
        ),
        row(
            format!("revocation of {revoked} tokens with a live connection each, to the answer: all are closed"),
            "–".to_owned(),
            revocation.with(1e3, 0, " ms"),
            "–".to_owned(),
            format!("≤ {:.0} ms", targets.revocation.as_secs_f64() * 1e3),
            revocation.median <= targets.revocation.as_secs_f64(),
        ),
    ]
}

pub(crate) fn table(settings: &Settings, rows: &[Row]) -> String {
    let mut text = format!("{}; load average {}; {} rounds", kernel::machine(), kernel::load(), settings.rounds);
    text += if settings.quick { "; quick run, its figures are not for publication" } else { "" };
    text += ". Deliveries per second of server CPU: median (range).\n\n";
    text += "| id | workload | floor | server | result | target | reached | generator CPU |\n|---|---|---|---|---|---|---|---|\n";
    for Row { id, workload, floor, server, result, target, reached, generator, .. } in rows {
        let reached = match reached {
            Some(true) => "yes",
            Some(false) => "**NO**",
            None => "–",
        };
        text +=
            &format!("| {id} | {workload} | {floor} | {server} | {result} | {target} | {reached} | {generator} |\n");
    }
    text
}

/// The command line as whoever repeats it would write it.
fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).map(|word| publishable(&word)).collect();
    format!("tollgate-bench {}", words.join(" "))
}

/// A word of the command line without folders of this machine and without what stands behind a URL's `?`, a peer's key.
/// A path inside of the folder it was run in stays.
fn publishable(word: &str) -> String {
    if word.contains("://") {
        let without_key =
            |peer: &str| peer.split_once('?').map_or(peer.to_owned(), |(address, _)| format!("{address}?…"));
        return word.split(',').map(without_key).collect::<Vec<_>>().join(",");
    }
    let leaves = word.starts_with('/') || word.contains("=/") || word.contains("../");
    match word.rsplit_once('/') {
        Some((_, last)) if leaves => format!("…/{last}"),
        _ => word.to_owned(),
    }
}

pub(crate) fn document(settings: &Settings, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let Row { id, workload, floor, server, result, target, reached, generator, raw } = row;
        json!({
            "id": id, "workload": workload, "floor": floor, "server": server, "result": result, "target": target,
            "reached": reached, "generator": generator, "measured": raw,
        })
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "date": kernel::today(),
        "command": command(),
        "machine": kernel::machine(),
        "load": kernel::load(),
        "subscribers": settings.subscribers,
        "frame_bytes": settings.frame_bytes,
        "quick": settings.quick,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_and_the_range() {
        let spread = |median, least, most| Spread { median, least, most };
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of([7.0]), spread(7.0, 7.0, 7.0));
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn a_published_command_names_no_folder_of_its_machine_and_no_key() {
        for (given, shown) in [
            ("--rounds", "--rounds"),
            ("docs/benchmarks.md", "docs/benchmarks.md"),
            ("/somewhere/tollgate/docs/benchmarks.md", "…/benchmarks.md"),
            ("--write=/somewhere/out.md", "…/out.md"),
            ("../../someone/out.md", "…/out.md"),
            ("centrifugo=http://127.0.0.1:8000", "centrifugo=http://127.0.0.1:8000"),
            ("centrifugo=http://127.0.0.1:8000?key=secret,uws", "centrifugo=http://127.0.0.1:8000?…,uws"),
        ] {
            assert_eq!(publishable(given), shown);
        }
    }
}
