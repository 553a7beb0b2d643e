//! Instructions of the server for each hot operation, counted by callgrind, beside what was recorded of them. A count hardly differs from run to run,
//! whatever else the machine does, so it shows what a ratio of times cannot: a few per cent. It knows nothing of the kernel, of waiting, or of the memory's speed.
mod counter;
mod operations;

use crate::failure::Outcome;
use crate::guard::figure::{Figure, Section};
use crate::guard::{Recorded, conclude};
use crate::settings::Settings;
use crate::{kernel, say};
use clap::Args;
use counter::Counter;
use operations::OPERATIONS;
use std::time::Duration;

/// Connections at a time.
const CONNECTIONS: usize = 1_000;

const SECTION: Section = Section { name: "instructions", command: "tollgate-bench instructions --record" };

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    recorded: Recorded,
    /// How many more instructions than recorded an operation may take: 0.1 is a tenth
    #[arg(long, default_value_t = 0.1)]
    margin: f64,
}

/// True if everything held, or was recorded.
///
/// # Errors
/// [`crate::failure::Failure::Unfit`] without valgrind.
pub(crate) fn run(arguments: &Arguments) -> Outcome<bool> {
    let began = kernel::now();
    let settings = Settings::plain(arguments.recorded.server.clone(), CONNECTIONS, 1, Duration::ZERO)?;
    let mut counter = Counter::start(&settings.server, settings.cores)?;
    operations::prepare(&counter.server)?;
    let mut measured: Vec<(&'static Figure, f64)> = Vec::with_capacity(OPERATIONS.len());
    for operation in &OPERATIONS {
        let count = (operation.count)(&mut counter)?;
        say(&format!("{}: {count:.0} instructions", operation.figure.what));
        measured.push((&operation.figure, count));
    }
    say(&format!("counting took {:.0} s", began.elapsed().as_secs_f64()));
    conclude(&arguments.recorded, SECTION, arguments.margin, &measured)
}
