//! `docs/cli.md`, made from the commands so that it cannot go stale, with examples that a test runs. A test holds the file to it.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::Cli;

/// What the page begins with; its listings are run, in their order, by `crates/acceptance/tests/cli_page.rs`.
const HEAD: &str = include_str!("page.txt");

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut out = HEAD.to_owned();
    out += "\n## Everywhere\n\n";
    arguments(&mut out, root.get_arguments().filter(|one| one.is_global_set()));
    out += "\n## All commands\n";
    for command in root.get_subcommands() {
        describe(&mut out, command, &format!("tollgate {}", command.get_name()));
    }
    out
}

fn describe(out: &mut String, command: &Command, path: &str) {
    if command.get_name() == "help" {
        return;
    }
    let own: Vec<_> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
    if own.is_empty() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").split_whitespace().collect::<Vec<_>>().join(" ");
        let aliases: Vec<_> = command.get_visible_aliases().map(|one| format!(" Also `{one}`.")).collect();
        write!(out, "\n### {path}\n\n{about}.{}\n\n`{usage}`\n\n", aliases.concat()).unwrap();
        arguments(out, command.get_arguments().filter(|one| !one.is_global_set() && one.get_id() != "help"));
    }
    for one in own {
        describe(out, one, &format!("{path} {}", one.get_name()));
    }
}

fn arguments<'a>(out: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    for argument in arguments {
        let takes = argument.get_action().takes_values();
        let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        let value = value.unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
        let name = match argument.get_long() {
            Some(long) if takes => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None => value,
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let words: Vec<_> = argument.get_possible_values().iter().map(|one| format!("`{}`", one.get_name())).collect();
        let words = if words.is_empty() || !takes { String::new() } else { format!(" ({})", words.join(", ")) };
        writeln!(out, "- `{name}`: {help}{words}").unwrap();
    }
}

#[test]
fn page_of_commands() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    #[allow(clippy::disallowed_methods, reason = "a test's own switch")]
    let regenerate = std::env::var_os("TOLLGATE_REGENERATE").is_some();
    if regenerate {
        std::fs::write(path, page()).unwrap();
    }
    let fresh = std::fs::read_to_string(path).is_ok_and(|file| file == page());
    assert!(fresh, "docs/cli.md is stale: run this test with TOLLGATE_REGENERATE=1");
}
