//! The binary `tollgate`: config, wiring, telemetry and the command line. No protocol and no storage logic lives here.

mod admin;
mod announce;
mod backup;
mod beside;
mod certificate;
mod cli;
mod config;
mod control;
mod data_dir;
mod doctor;
mod find;
mod hook;
mod import;
mod inspect;
mod machine;
mod metrics;
mod migrate;
mod opened;
mod outbound;
mod progress;
mod pulse;
mod scrub;
mod secret_file;
mod serve;
mod tail;
mod telemetry;
mod top;
mod totals;
mod traces;

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
        Ok(code) => code,
        Err(failure) => {
            // Not the log: this must be readable whatever the log's form and level are.
            let _ = writeln!(std::io::stderr(), "tollgate: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Does what is to be done; gives how the process ends.
fn run(task: Task, typed: config::Typed) -> Result<ExitCode, Failure> {
    let settings = Settings::read(typed);
    if let Task::Doctor { json } = task {
        telemetry::start_quietly();
        return doctor::doctor(settings, json);
    }
    perform(task, settings).map(|()| ExitCode::SUCCESS)
}

fn perform(task: Task, settings: Settings) -> Result<(), Failure> {
    match task {
        Task::Doctor { .. } => unreachable!("invariant: it has an exit code of its own"),
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
        Task::Inspect { project, json } => {
            telemetry::start_quietly();
            inspect::inspect(&settings.mean()?, project, json)
        }
        Task::Find { project, text, json } => {
            telemetry::start_quietly();
            find::find(&settings.mean()?, project, text, json)
        }
        Task::Tail(wanted) => {
            telemetry::start_quietly();
            tail::tail(&settings.mean()?, &wanted)
        }
        Task::Top(wanted) => {
            telemetry::start_quietly();
            top::top(&settings.mean()?, &wanted)
        }
        Task::Completions { shell } => Ok(announce::bytes(&cli::completions(shell))?),
        Task::Man { out } => Ok(announce::bytes(&cli::manual(out.as_deref())?)?),
        Task::Import { project, file, out, json } => {
            telemetry::start_quietly();
            import::import(&settings.mean()?, project.as_deref(), &file, &out, json)
        }
        Task::BackUp { file, json } => {
            telemetry::start_quietly();
            backup::command::backup(&settings.mean()?, &file, json)
        }
        Task::Restore { file, replace, json } => {
            telemetry::start_quietly();
            backup::restore::restore(&settings.mean()?, &file, replace, json)
        }
        Task::Migrate { check, json } => {
            telemetry::start_quietly();
            migrate::migrate(&settings.mean()?, check, json)
        }
        Task::Serve { announce_json } => {
            let shown = settings.shown();
            serve::serve(settings.mean()?, shown, announce_json)
        }
    }
}

/// Has a request carried out: by the server that uses the data folder, or right here when none does.
fn ask(config: &config::Config, request: &admin::Request, json: bool) -> Result<(), Failure> {
    telemetry::start_quietly();
    let answer = match request {
        admin::Request::RotateKeyring { what: admin::KeyringPart::Master } => opened::rotate_master_key(config)?,
        _ => opened::ask(config, request)?,
    };
    match &answer {
        admin::Answer::Refused(why) => return Err(why.clone().into()),
        // Problem details (RFC 9457): the code and what to do.
        admin::Answer::Api { status: 400.., body } => {
            let problem = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
            let part = |name: &str| problem.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            return Err(format!("{}: {}", part("code"), part("detail")).into());
        }
        _ => {}
    }
    announce::out(&if json { admin::show::json(&answer) } else { admin::show::human(&answer) })?;
    Ok(())
}
