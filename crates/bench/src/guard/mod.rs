//! The guard: F1, F3, M1 and C1 in a few short rounds, each as a ratio to what was measured beside it in the same minute, and whether they hold what was
//! recorded. Finds out that something fell, not why; `run` has the figures for publication.
mod bouts;
mod connecting;
pub(crate) mod figure;

use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::report::GENERATOR_LIMIT;
use crate::rounds::Pairing;
use crate::settings::Settings;
use crate::{idle, kernel, say};
use bouts::{Bout, repeat};
use clap::Args;
use figure::{Better, Comparison, Figure, Section};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long each measurement of a round is.
const SPAN: Duration = Duration::from_millis(1_000);

/// From this share of its core on, the server did not wait for the generator, whatever that one used of its own.
const BUSY: f64 = 0.9;

static F1: Figure = Figure {
    key: "F1",
    what: "deliveries per core-second, one publication at a time",
    shown: (100.0, 0, " % of the floor"),
    better: Better::More,
};
static F3: Figure = Figure {
    key: "F3",
    what: "deliveries per core-second, 64 publications pending",
    shown: (100.0, 0, " % of the floor"),
    better: Better::More,
};
static M1: Figure =
    Figure { key: "M1", what: "resident memory of an idle connection", shown: (1024.0, 0, " B"), better: Better::Less };
static C1: Figure = Figure {
    key: "C1",
    what: "CPU of a connection over Leap with a token and its subscription",
    shown: (1.0, 2, " × a connection to hello"),
    better: Better::Less,
};

const SECTION: Section = Section { name: "guard", command: "tollgate-bench guard --record" };

/// What the guard and the counts of instructions have in common.
#[derive(Debug, Args)]
pub(crate) struct Recorded {
    /// Where the recorded figures are
    #[arg(long, default_value = "docs/benchmarks/guard.json")]
    pub(crate) recorded: PathBuf,
    /// Record what is measured in place of comparing it
    #[arg(long)]
    pub(crate) record: bool,
    /// The server's binary [default: `tollgate` beside this one]
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    recorded: Recorded,
    /// How much worse than recorded a figure may be: 0.2 is a fifth
    #[arg(long, default_value_t = 0.2)]
    margin: f64,
    /// Rounds that can be judged; disturbed ones are repeated
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Subscribers and idle connections. What is recorded is of 10,000
    #[arg(long, default_value_t = 10_000)]
    subscribers: usize,
}

/// True if everything held, or was recorded.
///
/// # Errors
/// [`Failure::Unfit`] where this machine cannot do it, or is too busy to be judged on.
pub(crate) fn run(arguments: &Arguments) -> Outcome<bool> {
    let settings = Settings::plain(arguments.recorded.server.clone(), arguments.subscribers, arguments.rounds, SPAN)?;
    for core in [settings.cores.server, settings.cores.generator] {
        if !kernel::pin(core) {
            return Err(Failure::Unfit(format!(
                "server and generator need a core each, and this process may not run on core {core}"
            )));
        }
    }
    let began = kernel::now();
    let mut pairing = Pairing::start(&settings)?;
    let plans = [settings.alone(), settings.queued()];
    let [alone, queued] = repeat([F1.key, F3.key], settings.rounds, |number| {
        let round = pairing.round(&settings, &plans, number)?;
        let bout = |index: usize| match (round.floor.get(index), round.server.get(index)) {
            (Some(floor), Some(server)) => Ok(Bout {
                floor: floor.per_core_second(),
                server: server.per_core_second(),
                waited: (server.generator_share() >= GENERATOR_LIMIT && server.server_share() < BUSY)
                    .then(|| server.generator_share()),
            }),
            _ => cannot("a round has fewer figures than plans"),
        };
        Ok([bout(0)?, bout(1)?])
    })?;
    drop(pairing);
    let connection = connecting::run(&settings)?;
    // Memory rests soon enough for the guard.
    let idle = idle::run(&Settings { quick: true, ..settings }, 1, false)?
        .first()
        .map_or(f64::NAN, idle::Idle::kib_per_connection);
    say(&format!("the guard took {:.0} s", began.elapsed().as_secs_f64()));
    conclude(
        &arguments.recorded,
        SECTION,
        arguments.margin,
        &[(&F1, alone), (&F3, queued), (&M1, idle), (&C1, connection)],
    )
}

/// Records what was measured, or compares it and says what came of it.
pub(crate) fn conclude(
    wish: &Recorded,
    section: Section,
    margin: f64,
    measured: &[(&'static Figure, f64)],
) -> Outcome<bool> {
    if wish.record {
        figure::write(&wish.recorded, section, measured)?;
    }
    let compared = Comparison::with(&wish.recorded, section, margin, measured)?;
    std::io::stdout().write_all(compared.table().as_bytes()).doing("write the table")?;
    let complaints = compared.complaints();
    complaints.iter().chain(&compared.advice()).for_each(|sentence| say(sentence));
    Ok(complaints.is_empty())
}
