//! The command line: what can be typed. What it means is decided elsewhere.

mod v2;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::admin::Request;
use crate::config::Typed;

/// A self-hosted server for realtime channels, compatible with Hop Channels
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = "Without a command it serves, with the default settings.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    place: Place,
}

/// Where the settings and the data are.
#[derive(Debug, Default, Args)]
pub(crate) struct Place {
    /// Folder of the database and the master key [default: tollgate-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// File of settings, in TOML
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Serve),
    /// Create and list projects
    #[command(subcommand)]
    Project(Project),
    /// Create, list and revoke project keys
    #[command(subcommand)]
    Key(Key),
    /// Create, list, show, change and delete channels
    #[command(subcommand)]
    Channel(v2::Channel),
    /// Publish a message into a channel
    Publish(v2::Publish),
    /// Show what a channel keeps of its past
    History(v2::History),
    /// Create, inspect, rotate and revoke tokens
    #[command(subcommand)]
    Token(v2::Token),
    /// Create, change and ban users
    #[command(subcommand)]
    User(v2::User),
    /// Register issuers of JWTs
    #[command(subcommand)]
    Issuer(v2::Issuer),
    /// The keys that sign access tokens
    #[command(subcommand)]
    SigningKey(v2::SigningKey),
    /// Watch and cancel background jobs
    #[command(subcommand)]
    Job(v2::Job),
    /// Read, export and prove the audit log
    #[command(subcommand)]
    Audit(v2::Audit),
    /// Turn over the keys that everything secret hangs on
    #[command(subcommand)]
    Keyring(v2::Keyring),
    /// Copy all records into one file, while the server goes on; the master key is not in it
    Backup {
        /// The file, which must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Make a backup the records of a data folder that no server uses
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Move the database that is there aside
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Look at the machine, the settings and the data folder, and say what to do; ends with 1 after a warning, with 2 after a failure
    Doctor {
        #[command(flatten)]
        output: Output,
    },
    /// Print what the running server counts, as Prometheus reads it
    Metrics,
    /// Check or show the settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Default, Args)]
struct Serve {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Say that the server is ready in one line of JSON on standard output
    #[arg(long, value_name = "FORM")]
    announce: Option<Announce>,
    /// Threads that serve connections; 0 is one for each core [default: 0]
    #[arg(long, value_name = "N")]
    shards: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Announce {
    Json,
}

#[derive(Debug, Args)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Project {
    /// Create a project, with a first key that may do everything
    Create {
        /// A name for people
        #[arg(long)]
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// List all projects
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a project's settings
    Set(Box<v2::ProjectSet>),
}

#[derive(Debug, Subcommand)]
enum Key {
    /// Create a key of a project; it is shown only once
    Create {
        /// The project's id
        #[arg(long)]
        project: String,
        /// What it may do: `all`, or names such as read_channels,create_channel
        #[arg(long, value_name = "LIST", default_value = "all")]
        permissions: String,
        #[command(flatten)]
        output: Output,
    },
    /// List keys, revoked ones too; never the keys themselves
    List {
        /// Only those of this project
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Make a successor of a key; the old one works until its grace ends
    Rotate(v2::KeyRotate),
    /// Revoke a key, at once and for good
    Revoke {
        /// The key's id, `ptkid_…`
        #[arg(value_name = "KEY_ID")]
        key: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Name every problem of the settings
    Check,
    /// Show the settings in force and where each came from, without secrets
    Print,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Serve {
        announce_json: bool,
    },
    Admin {
        request: Request,
        json: bool,
    },
    /// Reads a secret from standard input and asks about it.
    Introspect {
        project: Option<String>,
        json: bool,
    },
    /// Creates the tokens that a file describes, as a background job.
    Import {
        project: Option<String>,
        file: PathBuf,
        out: PathBuf,
        json: bool,
    },
    BackUp {
        file: PathBuf,
        json: bool,
    },
    Restore {
        file: PathBuf,
        replace: bool,
        json: bool,
    },
    Doctor {
        json: bool,
    },
    CheckConfig,
    PrintConfig,
}

impl Cli {
    /// What is to be done, and what was typed of the settings.
    pub(crate) fn task(self) -> (Task, Typed) {
        let mut typed = Typed { file: self.place.config, flags: Vec::new() };
        typed.flags.extend(self.place.data_dir.map(|text| ("data_dir", "--data-dir", text)));
        let task = match self.command.unwrap_or(Command::Serve(Serve::default())) {
            Command::Serve(Serve { listen, announce, shards }) => {
                typed.flags.extend(listen.map(|text| ("listen", "--listen", text)));
                typed.flags.extend(shards.map(|text| ("shards", "--shards", text)));
                Task::Serve { announce_json: matches!(announce, Some(Announce::Json)) }
            }
            Command::Project(Project::Create { name, output }) => admin(Request::CreateProject { name }, &output),
            Command::Project(Project::List { output }) => admin(Request::ListProjects {}, &output),
            Command::Key(Key::Create { project, permissions, output }) => {
                admin(Request::CreateKey { project, permissions }, &output)
            }
            Command::Key(Key::List { project, output }) => admin(Request::ListKeys { project }, &output),
            Command::Key(Key::Rotate(rotate)) => rotate.task(),
            Command::Key(Key::Revoke { key, output }) => admin(Request::RevokeKey { key }, &output),
            Command::Project(Project::Set(set)) => set.task(),
            Command::Channel(command) => command.task(),
            Command::Publish(publish) => publish.task(),
            Command::History(history) => history.task(),
            Command::Token(command) => command.task(),
            Command::User(command) => command.task(),
            Command::Issuer(command) => command.task(),
            Command::SigningKey(command) => command.task(),
            Command::Job(command) => command.task(),
            Command::Audit(command) => command.task(),
            Command::Keyring(command) => command.task(),
            Command::Backup { file, output } => Task::BackUp { file, json: output.json },
            Command::Restore { file, replace, output } => Task::Restore { file, replace, json: output.json },
            Command::Doctor { output } => Task::Doctor { json: output.json },
            Command::Metrics => Task::Admin { request: Request::Metrics {}, json: false },
            Command::Config(ConfigCommand::Check) => Task::CheckConfig,
            Command::Config(ConfigCommand::Print) => Task::PrintConfig,
        };
        (task, typed)
    }
}

fn admin(request: Request, output: &Output) -> Task {
    Task::Admin { request, json: output.json }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(line: &str) -> Result<(Task, Typed), clap::Error> {
        Cli::try_parse_from(std::iter::once("tollgate").chain(line.split_whitespace())).map(Cli::task)
    }

    #[test]
    fn commands_become_tasks() {
        use Request::{CreateKey, CreateProject, ListKeys, ListProjects, RevokeKey};
        let admin = |request, json| Task::Admin { request, json };
        let api = |method: &str, path: &str, body: Option<&str>| {
            let (method, path, body) = (method.to_owned(), path.to_owned(), body.map(str::to_owned));
            admin(Request::Api { project: None, method, path, body, idempotency_key: None }, false)
        };
        for (line, task) in [
            ("", Task::Serve { announce_json: false }),
            ("serve", Task::Serve { announce_json: false }),
            ("serve --announce json", Task::Serve { announce_json: true }),
            ("project create --name N", admin(CreateProject { name: "N".into() }, false)),
            ("project list --json", admin(ListProjects {}, true)),
            ("key create --project p", admin(CreateKey { project: "p".into(), permissions: "all".into() }, false)),
            (
                "key create --project p --permissions a,b --json",
                admin(CreateKey { project: "p".into(), permissions: "a,b".into() }, true),
            ),
            ("key list", admin(ListKeys { project: None }, false)),
            ("key list --project p", admin(ListKeys { project: Some("p".into()) }, false)),
            ("key revoke k --json", admin(RevokeKey { key: "k".into() }, true)),
            ("channel list --limit 5", api("GET", "/v2/channels?limit=5", None)),
            ("channel show a%b", api("GET", "/v2/channels/a%25b", None)),
            ("channel delete room", api("DELETE", "/v2/channels/room", None)),
            ("channel create --type public", api("POST", "/v2/channels", Some(r#"{"type":"public"}"#))),
            (
                "channel set room --presence true --history-size 5 --capability none",
                api(
                    "PATCH",
                    "/v2/channels/room",
                    Some(r#"{"capabilities":[],"settings":{"history":{"size":5},"presence":true}}"#),
                ),
            ),
            ("channel set room", api("PATCH", "/v2/channels/room", Some("{}"))),
            (
                "publish room said hello --id 1",
                api("POST", "/v2/channels/room/messages", Some(r#"{"data":"hello","event":"said","id":"1"}"#)),
            ),
            (
                "publish room said [1]",
                api("POST", "/v2/channels/room/messages", Some(r#"{"data":[1],"event":"said"}"#)),
            ),
            ("history room --after 1-2 --newest", api("GET", "/v2/channels/room/history?after=1-2&order=newest", None)),
            ("backup f", Task::BackUp { file: "f".into(), json: false }),
            ("restore f --replace --json", Task::Restore { file: "f".into(), replace: true, json: true }),
            ("doctor --json", Task::Doctor { json: true }),
            ("metrics", admin(Request::Metrics {}, false)),
            ("config check", Task::CheckConfig),
            ("config print", Task::PrintConfig),
        ] {
            assert_eq!(parse(line).unwrap().0, task, "{line}");
        }
    }

    #[test]
    fn flags_become_settings_wherever_they_stand() {
        let typed = parse("serve --listen 1.2.3.4:5 --shards 2 --data-dir d --config c").unwrap().1;
        let flags = [
            ("data_dir", "--data-dir", "d".to_owned()),
            ("listen", "--listen", "1.2.3.4:5".into()),
            ("shards", "--shards", "2".into()),
        ];
        assert_eq!((typed.flags, typed.file), (flags.to_vec(), Some("c".into())));
        for line in ["--data-dir d", "--data-dir d key list", "key --data-dir d list", "key list --data-dir d"] {
            assert_eq!(parse(line).unwrap().1.flags, flags[..1], "{line}");
        }
    }

    #[test]
    fn what_does_not_exist_is_a_usage_error() {
        for line in [
            "fly",
            "serve --fly",
            "key",
            "project create",
            "key create",
            "key revoke",
            "serve --announce xml",
            "config",
            "--listen x",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("--version").unwrap_err().exit_code(), 0);
    }
}
