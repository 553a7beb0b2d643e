//! The binary `tollgate`: config, wiring, telemetry and the command line. No protocol and no storage logic lives here.

mod admin;
mod announce;
mod cli;
mod config;
mod control;
mod data_dir;
mod hook;
mod machine;
mod opened;
mod outbound;
mod secret_file;
mod serve;
mod telemetry;
mod totals;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Task};
use config::Settings;

/// Steadier memory than the system's allocator under many small, long-lived connections.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What ends the program early: one text for the person who started it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let (task, typed) = Cli::parse().task();
    match run(task, typed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not the log: this must be readable whatever the log's form and level are.
            let _ = writeln!(std::io::stderr(), "tollgate: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, typed: config::Typed) -> Result<(), Failure> {
    let settings = Settings::read(typed);
    match task {
        Task::PrintConfig => {
            announce::out(&settings.print())?;
            // Shown for what it is worth; what is wrong with it is said, too.
            settings.mean()?;
            Ok(())
        }
        Task::CheckConfig => {
            let wrong = serve::check_files(&settings.mean()?);
            if !wrong.is_empty() {
                let lines: Vec<String> = wrong.iter().map(|failure| format!("\n  {failure}")).collect();
                return Err(format!("the settings name files that cannot be used:{}", lines.concat()).into());
            }
            Ok(announce::out("The settings are fine.\n")?)
        }
        Task::Admin { request, json } => ask(&settings.mean()?, &request, json),
        Task::Serve { announce_json } => serve::serve(&settings.mean()?, announce_json),
    }
}

/// Has a request carried out: by the server that uses the data folder, or right here when none does.
fn ask(config: &config::Config, request: &admin::Request, json: bool) -> Result<(), Failure> {
    telemetry::start_quietly();
    let answer = opened::ask(config, request)?;
    if let admin::Answer::Refused(why) = answer {
        return Err(why.into());
    }
    announce::out(&if json { admin::show::json(&answer) } else { admin::show::human(&answer) })?;
    Ok(())
}
