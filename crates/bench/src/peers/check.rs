//! The `peers` command: installs and starts each peer, lets a small audience check every message, and says in one table which are there. Its
//! figures show that a peer runs as it should; they are not for comparison, for which `run --peer` takes rounds in turn.
use super::contender::{Contender, Memory};
use super::{Chosen, Peer, choose};
use crate::child::Cores;
use crate::dialect::Channels;
use crate::failure::{Doing, Outcome, cannot};
use crate::fanout::{Figures, Plan};
use crate::publisher::Pace;
use crate::{kernel, say, stage};
use clap::Args;
use std::io::Write;
use std::time::Duration;

const SUBSCRIBERS_MAX: usize = 15_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which ones: names with commas between; centrifugo=http://127.0.0.1:PORT?key=KEY for one that runs already
    #[arg(long, default_value = "all")]
    peer: String,
    /// Subscribers of each
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Length of one measurement in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Bytes of a frame on the wire
    #[arg(long, default_value_t = 200)]
    frame_bytes: usize,
    /// Publications pending in the second measurement
    #[arg(long, default_value_t = 64)]
    pending: u64,
    /// Leave memory out, which takes half a minute each
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
}

/// What one peer did.
struct Checked {
    memory: Option<Memory>,
    alone: Figures,
    queued: Figures,
}

/// True if all of them are there and every message was right.
///
/// # Errors
/// Where a name is unknown, or the arguments make no sense. A peer that fails is a line of the table.
pub(crate) fn run(arguments: &Arguments) -> Outcome<bool> {
    let chosen = choose(&arguments.peer)?;
    if !(2..=SUBSCRIBERS_MAX).contains(&arguments.subscribers) || !(0.0..=30.0).contains(&arguments.seconds) {
        return cannot(format!("--subscribers must lie between 2 and {SUBSCRIBERS_MAX}, --seconds between 0 and 30"));
    }
    if !(2..=1024).contains(&arguments.pending) {
        return cannot("--pending must lie between 2 and 1024");
    }
    kernel::raise_descriptor_limit()?;
    let (mut table, mut is_complete) = (head(arguments), true);
    for one in &chosen {
        match check(one, arguments) {
            Ok(checked) => table += &line(one.peer, &checked),
            Err(failure) => {
                let why = failure.to_string();
                say(&format!("WARNING: {}: {why}", one.peer.name));
                is_complete = false;
                let first = why.lines().next().unwrap_or_default().replace('|', "/");
                table += &format!(
                    "| {} | {} | {} | **NO**: {first} | – | – | – |\n",
                    one.peer.name, one.peer.title, one.peer.licence
                );
            }
        }
    }
    std::io::stdout().write_all(table.as_bytes()).doing("write the table")?;
    Ok(is_complete)
}

fn check(chosen: &Chosen, arguments: &Arguments) -> Outcome<Checked> {
    let cores = Cores { server: arguments.server_core, generator: arguments.generator_core };
    say(&format!("{}: starting", chosen.peer.name));
    let contender = Contender::start(chosen, cores, arguments.frame_bytes, Channels::one(stage::CHANNEL))?;
    let memory = if arguments.quick { None } else { Some(contender.idle(arguments.subscribers, 1)?) };
    let span = Duration::from_secs_f64(arguments.seconds);
    let plans = [
        Plan { pace: Pace::Pending(1), span, warm_up: 5 },
        Plan { pace: Pace::Pending(arguments.pending), span, warm_up: 2 * arguments.pending },
    ];
    let figures = contender.wave(arguments.subscribers, &plans, 2)?;
    let [alone, queued] = figures[..] else { return cannot("two plans have two results") };
    Ok(Checked { memory, alone, queued })
}

fn head(arguments: &Arguments) -> String {
    format!(
        "{} subscribers of one channel, {} B frames, every message compared and counted. CPU is the peer's own.\n\n\
         | peer | what | licence | there | resident per connection | CPU per delivery, alone | {} pending |\n|---|---|---|---|---|---|---|\n",
        arguments.subscribers, arguments.frame_bytes, arguments.pending
    )
}

fn line(peer: &Peer, checked: &Checked) -> String {
    let memory = checked.memory.map_or("–".to_owned(), |memory| format!("{:.1} KiB", memory.kib_per_connection()));
    let micros = |figures: &Figures| {
        let each = figures.server_cpu.as_secs_f64() * 1e6 / figures.deliveries as f64;
        if figures.deliveries == 0 { "–".to_owned() } else { format!("{each:.1} µs") }
    };
    let (alone, queued) = (micros(&checked.alone), micros(&checked.queued));
    let Peer { name, title, licence, .. } = peer;
    format!("| {name} | {title} | {licence} | yes | {memory} | {alone} | {queued} |\n")
}
