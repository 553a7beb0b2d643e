//! Developer commands: `cargo xtask check`, `tidy`, `test` and `bench-guard`. Not a place for product code, and no crate depends on it.
//!
//! The terminal and the real clock are this program's business, unlike anywhere in the product.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod builds;
mod guard;
mod machine;
mod report;
mod run;
mod suites;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
cargo xtask check               format, lints, the house's rules and the unit tests: before every commit
cargo xtask tidy                only the house's rules (directions, documents, lock files)
cargo xtask test                everything, preparing this machine first; ends within 45 minutes on two cores
cargo xtask test --list         the suites by name
cargo xtask test --only NAME    one suite and what it needs built; may be repeated
      --minutes N               ends after so many minutes, whatever is still to do [default: 45];
                              each suite's own limit grows with it, for busy machines
      --no-install              installs nothing on this machine; what is missing is reported as skipped
cargo xtask bench-guard         holds figures and counts of instructions to those recorded: two minutes on a quiet machine, and the build
      --record                records them instead";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let good = match words.as_slice() {
        ["check"] => suites::run(&root(), &suites::Wish::check()),
        ["tidy"] => tidy::run(&root()),
        ["bench-guard"] => guard::run(&root(), false),
        ["bench-guard", "--record"] => guard::run(&root(), true),
        ["test", "--list"] => {
            suites::list();
            true
        }
        ["test", options @ ..] => match wish(options) {
            Ok(wish) => suites::run(&root(), &wish),
            Err(complaint) => {
                eprintln!("{complaint}\n\n{USAGE}");
                return ExitCode::from(2);
            }
        },
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            true
        }
        _ => {
            eprintln!("There is no such command.\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wish(mut options: &[&str]) -> Result<suites::Wish, String> {
    let mut wish = suites::Wish::everything();
    let mut named = Vec::new();
    while let [first, rest @ ..] = options {
        options = match (*first, rest) {
            ("--no-install", rest) => {
                wish.install = false;
                rest
            }
            ("--only", [name, rest @ ..]) => {
                named.push(suites::find(name).ok_or_else(|| format!("There is no suite {name}; see --list."))?);
                rest
            }
            ("--minutes", [minutes, rest @ ..]) => {
                let minutes: f64 = minutes.parse().map_err(|_| format!("{minutes} is not a number of minutes."))?;
                wish.budget = Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())?;
                rest
            }
            (other, _) => return Err(format!("I do not understand {other}.")),
        };
    }
    if !named.is_empty() {
        wish.suites = named;
    }
    Ok(wish)
}

/// The workspace's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).unwrap_or(Path::new(".")).to_path_buf()
}
