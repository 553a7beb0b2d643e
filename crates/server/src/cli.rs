//! The command line: what can be typed. What it means is decided elsewhere.

mod v2;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

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
    /// Create, list, show and change projects
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
    /// Show a channel's messages as they come, until it is ended
    Tail(v2::Tail),
    /// Create, inspect, rotate and revoke tokens
    #[command(subcommand)]
    Token(v2::Token),
    /// Create, change and ban users
    #[command(subcommand)]
    User(v2::User),
    /// List live connections, and end one
    #[command(subcommand)]
    Connection(v2::Connection),
    /// Find anything by an id, a name or its beginning; without a text, by what standard input has: the place of a secret
    Find {
        /// An id, the id of a user or channel or its beginning, or CHANNEL@POSITION
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        /// The project's id; may be left out while there is one project
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Say why a token may do something, or may not
    Explain(v2::Explain),
    /// Say what became of a message for a token
    ExplainMessage(v2::ExplainMessage),
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
    /// Invite, change and delete the people who may use the console
    #[command(subcommand)]
    Operator(v2::Operator),
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
    /// Bring the records of a stopped server to the schema of this version, and keep a copy of what was there; a start does it, too
    Migrate {
        /// Only say whether there is something to do
        #[arg(long)]
        check: bool,
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
    /// Show how the running server does, line by line, until it is ended: connections, messages, latencies of the last ten seconds, and what is not well
    Top {
        /// Seconds between two lines
        #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        every: u64,
        /// End after so many lines
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        #[command(flatten)]
        output: Output,
    },
    /// Check or show the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what a shell needs to complete these commands
    Completions {
        /// The shell
        #[arg(value_enum, value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command
    Man {
        /// The folder for all pages; it is made
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
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
    /// Show a project and its settings, without secrets
    #[command(visible_alias = "get")]
    Show(v2::ProjectShow),
    /// Change a project's name and settings
    Set(Box<v2::ProjectSet>),
    /// Ask the access hook a made-up question, and show what it answers
    TestHook(v2::ProjectTestHook),
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
    Inspect {
        project: Option<String>,
        json: bool,
    },
    /// Without a text standard input has it.
    Find {
        project: Option<String>,
        text: Option<String>,
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
    Migrate {
        check: bool,
        json: bool,
    },
    Doctor {
        json: bool,
    },
    Tail(crate::tail::Tail),
    Top(crate::top::Top),
    CheckConfig,
    PrintConfig,
    Completions {
        shell: clap_complete::Shell,
    },
    Man {
        out: Option<PathBuf>,
    },
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
            Command::Project(Project::Show(show)) => show.task(),
            Command::Project(Project::Set(set)) => set.task(),
            Command::Project(Project::TestHook(test)) => test.task(),
            Command::Channel(command) => command.task(),
            Command::Publish(publish) => publish.task(),
            Command::History(history) => history.task(),
            Command::Tail(tail) => tail.task(),
            Command::Token(command) => command.task(),
            Command::User(command) => command.task(),
            Command::Connection(command) => command.task(),
            Command::Find { text, project, output } => Task::Find { project, text, json: output.json },
            Command::Explain(command) => command.task(),
            Command::ExplainMessage(command) => command.task(),
            Command::Issuer(command) => command.task(),
            Command::SigningKey(command) => command.task(),
            Command::Job(command) => command.task(),
            Command::Audit(command) => command.task(),
            Command::Keyring(command) => command.task(),
            Command::Operator(command) => command.task(),
            Command::Backup { file, output } => Task::BackUp { file, json: output.json },
            Command::Restore { file, replace, output } => Task::Restore { file, replace, json: output.json },
            Command::Migrate { check, output } => Task::Migrate { check, json: output.json },
            Command::Doctor { output } => Task::Doctor { json: output.json },
            Command::Top { every, count, output } => {
                Task::Top(crate::top::Top { every_s: every, count, json: output.json })
            }
            Command::Metrics => Task::Admin { request: Request::Metrics {}, json: false },
            Command::Completions { shell } => Task::Completions { shell },
            Command::Man { out } => Task::Man { out },
            Command::Config(ConfigCommand::Check) => Task::CheckConfig,
            Command::Config(ConfigCommand::Print) => Task::PrintConfig,
        };
        (task, typed)
    }
}

/// What a shell needs to complete the commands.
pub(crate) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tollgate", &mut text);
    text
}

/// The manual page; with a folder, a page for each command into that.
pub(crate) fn manual(out: Option<&std::path::Path>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match out {
        None => clap_mangen::Man::new(Cli::command()).render(&mut text)?,
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)?;
        }
    }
    Ok(text)
}

fn admin(request: Request, output: &Output) -> Task {
    Task::Admin { request, json: output.json }
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
