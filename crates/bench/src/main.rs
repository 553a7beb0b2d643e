//! `tollgate-bench`: the headline figures, each beside what the kernel itself can do in the same run.
//!
//! ```text
//! cargo build --release -p tollgate-server
//! cargo run --release -p tollgate-bench -- run              # F1, F3, M1, T1: some minutes
//! cargo run --release -p tollgate-bench -- run --quick      # correctness, seconds
//! cargo run --release -p tollgate-bench -- floor            # the machine alone, no server needed
//! ```
//!
//! - **F1**: 10,000 subscribers of one channel, 200-byte frames, the next publication only when all have the last.
//! - **F3**: the same with 64 publications pending: published, and not yet with every subscriber.
//! - F1, F3 and M1 over the native protocol, too, beside Leap's figures of the same run.
//! - **H1**: 10,000 clients come back at once, 100 messages missed by each, beside delivering the same messages live.
//! - **T1**: durable creations of tokens beside a bare SQLite loop, memory of a live token, and a revocation's time.
//! - **M1**: 10,000 idle connections, each with a token of its own and one durable subscription.
//!
//! Server on core 0, this process on core 1. The server is a black box: started as a user starts it, prepared over REST,
//! joined over Leap. The floor is a bare `send()` loop in a process of its own on the same core, with the server's own
//! frame bytes, read by the same code. CPU is the scheduler's run time. A figure is a ratio within one round; rounds
//! alternate floor and server.
//!
//! Every frame is compared byte for byte and entered in a ledger; a single lost, doubled, disordered or altered message
//! fails the run. Exit code 0: all reached; 1: a target missed or a message wrong; 2: could not run; 77: not on this machine.
//! `--report-only` turns 1 into 0.

mod audience;
mod books;
mod child;
mod credentials;
mod dialect;
mod failure;
mod fanout;
mod floor;
mod frame;
mod guard;
mod hello;
mod idle;
mod instructions;
mod kernel;
mod ledger;
mod page;
mod peers;
mod plots;
mod publisher;
mod report;
mod rest;
mod resume;
mod rounds;
mod settings;
mod stage;
mod wire;
mod workloads;

use clap::Parser;
use failure::{Doing, Failure, Outcome};
use report::Row;
use settings::{Command, Line, Options, Settings, WORKLOADS};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = Line::parse();
    let (options, outcome) = match &line.command {
        Command::FloorServer { fault } => return exit_code(floor::serve(*fault).map(|()| true), false),
        Command::Peers(arguments) => return exit_code(peers::check(arguments), false),
        Command::Guard(arguments) => return exit_code(guard::run(arguments), false),
        Command::Instructions(arguments) => return exit_code(instructions::run(arguments), false),
        Command::F1(options) => (options, measure(options, &["F1"])),
        Command::F3(options) => (options, measure(options, &["F1", "F3"])),
        Command::HelloServer => return exit_code(hello::serve().map(|()| true), false),
        Command::S1(options) => (options, measure(options, &["S1"])),
        Command::N1(options) => (options, measure(options, &["N1"])),
        Command::R1(options) => (options, measure(options, &["R1"])),
        Command::C1(options) => (options, measure(options, &["C1"])),
        Command::P1(options) => (options, measure(options, &["P1"])),
        Command::G1(options) => (options, measure(options, &["G1"])),
        Command::F2(options) => (options, measure(options, &["F2"])),
        Command::M1(options) => (options, measure(options, &["M1"])),
        Command::T1(options) => (options, measure(options, &["T1"])),
        Command::H1(options) => (options, measure(options, &["H1"])),
        Command::Run(options) => (options, measure(options, &WORKLOADS)),
        Command::Floor(options) => (options, measure_floor(options)),
    };
    exit_code(outcome, options.report_only)
}

/// What the scripts of the test suites end with where a machine cannot run them.
const UNFIT: u8 = 77;

fn exit_code(outcome: Outcome<bool>, report_only: bool) -> ExitCode {
    let missed = if report_only { ExitCode::SUCCESS } else { ExitCode::from(1) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => missed,
        Err(failure) => {
            say(&failure.to_string());
            match failure {
                Failure::Delivery(_) => missed,
                Failure::CannotRun(_) => ExitCode::from(2),
                Failure::Unfit(_) => ExitCode::from(UNFIT),
            }
        }
    }
}

/// True if every target was reached.
fn measure(options: &Options, wanted: &[&str]) -> Outcome<bool> {
    let settings = options.settle()?;
    let mut rows = Vec::new();
    let wants = |id: &str| wanted.contains(&id) && options.without.iter().all(|left_out| left_out != id);
    if wants("F1") {
        let plans = if wants("F3") { vec![settings.alone(), settings.queued()] } else { vec![settings.alone()] };
        let (rounds, field) = rounds::run(&settings, &plans, true)?;
        rows.extend(report::fan_outs(&settings, &rounds));
        rows.extend(peers::rows(&settings, &rounds, &field));
    }
    if wants("F2") {
        let (steady, field) = workloads::steady::run(&settings)?;
        rows.extend(workloads::steady::rows(&settings, &steady, &field));
    }
    if wants("S1") {
        let (small, field) = workloads::spread::run(&settings)?;
        rows.extend(workloads::spread::rows(&settings, &small, &field));
    }
    if wants("N1") {
        rows.push(workloads::neighbours::row(&settings, &workloads::neighbours::run(&settings)?));
    }
    if wants("R1") {
        rows.push(workloads::mute::row(&settings, &workloads::mute::run(&settings)?));
    }
    if wants("C1") {
        rows.extend(workloads::storm::rows(&settings, &workloads::storm::run(&settings)?));
    }
    if wants("P1") {
        rows.extend(workloads::publishes::rows(&settings, &workloads::publishes::run(&settings)?));
    }
    if wants("G1") {
        rows.extend(workloads::growth::rows(&settings, &workloads::growth::run(&settings)?));
    }
    if wants("M1") {
        let leap = idle::run(&settings, settings.idle_rounds(), false)?;
        let native = idle::run(&settings, settings.idle_rounds(), true)?;
        rows.push(report::idle(&settings, &leap));
        rows.push(report::idle_tls(&settings, &idle::run_tls(&settings)?));
        rows.push(report::idle_native(&settings, &leap, &native));
        rows.extend(peers::idle_rows(&peers::idle(&settings), &leap));
    }
    if wants("H1") {
        rows.push(report::resumed(&settings, &resume::run(&settings)?));
    }
    if wants("T1") {
        rows.extend(report::credentials(&settings, &credentials::run(&settings)?));
    }
    publish(options, &settings, &rows)
}

fn measure_floor(options: &Options) -> Outcome<bool> {
    let settings = options.settle()?;
    let (rounds, _) = rounds::run(&settings, &[settings.alone(), settings.queued()], false)?;
    publish(options, &settings, &report::fan_outs(&settings, &rounds))
}

fn publish(options: &Options, settings: &Settings, rows: &[Row]) -> Outcome<bool> {
    let (table, document) = (report::table(settings, rows), report::document(settings, rows));
    std::io::stdout().write_all(table.as_bytes()).doing("write the table")?;
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{document:#}\n")).doing("write the JSON file")?;
    }
    if let Some(path) = &options.write {
        page::write(path, &table, &document)?;
    }
    Ok(rows.iter().all(|row| row.reached != Some(false)))
}

/// Progress goes to stderr, so that stdout is the table alone.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
