//! The command line and what it means. Not a place for measuring.
use crate::child::Cores;
use crate::failure::{Failure, Outcome, cannot};
use crate::fanout::Plan;
use crate::floor::Fault;
use crate::guard;
use crate::instructions;
use crate::kernel;
use crate::peers::{self, Chosen};
use crate::publisher::Pace;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that `run` measures.
pub(crate) const WORKLOADS: [&str; 12] = ["F1", "F3", "F2", "S1", "N1", "R1", "C1", "P1", "G1", "M1", "T1", "H1"];

#[derive(Debug, Parser)]
#[command(name = "tollgate-bench", about = "Tollgate's headline figures, beside the kernel's own floor")]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fan-out, one publication at a time, against the floor
    F1(Options),
    /// Fan-out with many publications pending, against F1
    F3(Options),
    /// Fan-out at fixed rates: how long deliveries take
    F2(Options),
    /// Many small channels
    S1(Options),
    /// A small channel beside a saturated large one
    N1(Options),
    /// Clients that stop reading
    R1(Options),
    /// What a connection costs on its way in
    C1(Options),
    /// What a publication over REST costs
    P1(Options),
    /// What everything costs when there is more of it
    G1(Options),
    /// Memory of idle connections
    M1(Options),
    /// Tokens: durable creations, memory, revocation
    T1(Options),
    /// Coming back: clients that missed messages, beside delivering them live
    H1(Options),
    /// F1, F3, M1, T1 and H1
    Run(Options),
    /// F1, F3, M1 and C1 in two minutes, beside what was recorded of them
    Guard(guard::Arguments),
    /// Instructions of the server for one publication, delivery, connection …, counted under valgrind, beside what was recorded
    Instructions(instructions::Arguments),
    /// Only the floor; needs no server
    Floor(Options),
    /// The servers to compare with: installs, starts and checks them
    Peers(peers::Arguments),
    /// The hello server's own process, started by the bench
    #[command(hide = true)]
    HelloServer,
    /// The floor's own process, started by the bench
    #[command(hide = true)]
    FloorServer {
        #[arg(long)]
        fault: Option<Fault>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds of floor and server; M1 takes at most 3, quick 1 [default: 5, quick: 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// Subscribers and idle connections [default: 10000, quick: 2000]
    #[arg(long)]
    subscribers: Option<usize>,
    /// Length of one measurement in seconds, at most 30 [default: 4, quick: 0.7]
    #[arg(long)]
    seconds: Option<f64>,
    /// Bytes of a frame on the wire
    #[arg(long, default_value_t = 200)]
    frame_bytes: usize,
    /// Publications pending in F3
    #[arg(long, default_value_t = 64)]
    pending: u64,
    /// The server's binary [default: `tollgate` beside this one]
    #[arg(long)]
    server: Option<PathBuf>,
    /// Another argument for `tollgate serve`; may be repeated
    #[arg(long = "server-arg", allow_hyphen_values = true)]
    server_arguments: Vec<String>,
    /// Workloads of `run` to leave out, with commas between
    #[arg(long, value_delimiter = ',', value_parser = WORKLOADS)]
    pub(crate) without: Vec<String>,
    /// Servers to compare with in F1, F3 and M1: names with commas between, `all`, or centrifugo=http://127.0.0.1:PORT?key=KEY
    #[arg(long, default_value = "")]
    peer: String,
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// `quick` checks in about a minute that every message is right, with lax targets; `full` is what figures are published of
    #[arg(long, value_enum, default_value_t = Profile::Full)]
    profile: Profile,
    /// The same as `--profile quick`
    #[arg(long)]
    quick: bool,
    /// Exit with 0 even if a target is missed or a message is wrong
    #[arg(long)]
    pub(crate) report_only: bool,
    /// Also write everything measured to this file
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Also write the results into this page, between its marks, with pictures and raw data in `benchmarks/` beside it
    #[arg(long)]
    pub(crate) write: Option<PathBuf>,
    /// Plant a bug into the floor, to see it caught
    #[arg(long, hide = true)]
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    Quick,
    Full,
}

/// What must be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets {
    /// F1: part of the floor.
    pub(crate) of_floor: f64,
    /// F3: part of the floor, which has all pending frames in one buffer.
    pub(crate) queued_of_floor: f64,
    /// F2: the 99th percentile of the highest rate, in seconds.
    pub(crate) steady_p99: f64,
    /// S1: publishes for one second of a core, and CPU of a delivery as a multiple of the floor's.
    pub(crate) small_publishes: f64,
    pub(crate) small_times_floor: f64,
    /// N1: the 99th percentile of the small channel, in seconds.
    pub(crate) neighbour_p99: f64,
    /// R1: the 99th percentile of those that read, as a multiple of what it is when all do.
    pub(crate) mute_times: f64,
    /// And the most KiB that one that does not read may take: an outbox.
    pub(crate) mute_kib: f64,
    /// C1: seconds of CPU for a connection, and for one that subscribes anew.
    pub(crate) connect: f64,
    pub(crate) connect_new: f64,
    /// P1: CPU of a publication as a multiple of hello's, and messages in batches for one second of a core.
    pub(crate) times_hello: f64,
    pub(crate) batched_publishes: f64,
    /// G1: CPU with many as a multiple of that with few.
    pub(crate) growth: f64,
    /// M1: KiB for each connection over TLS: 11 KB.
    pub(crate) tls_kib: f64,
    /// M1: KiB for each connection: 1.3 KB.
    pub(crate) kib: f64,
    /// F1, F3 and M1 over the native protocol: part of Leap's rate, and times its memory.
    pub(crate) of_leap: f64,
    /// H1: times the CPU of delivering the same live.
    pub(crate) times_live: f64,
    /// T1: part of the bare loop's rate.
    pub(crate) of_bare: f64,
    /// T1: bytes for each live token.
    pub(crate) token_bytes: f64,
    /// T1: from asking for a revocation to its answer.
    pub(crate) revocation: Duration,
}

const FULL: Targets = Targets {
    of_floor: 0.80,
    queued_of_floor: 0.50,
    steady_p99: 0.25,
    small_publishes: 11_000.0,
    small_times_floor: 1.4,
    neighbour_p99: 0.01,
    mute_times: 1.2,
    mute_kib: 1_100.0,
    connect: 45e-6,
    connect_new: 90e-6,
    times_hello: 1.5,
    batched_publishes: 25_000.0,
    growth: 1.15,
    kib: 1.27,
    tls_kib: 10.7,
    of_leap: 0.95,
    times_live: 2.0,
    of_bare: 0.6,
    token_bytes: 400.0,
    revocation: Duration::from_millis(250),
};
/// Short measurements on a busy machine: only a broken engine misses these.
const LAX: Targets = Targets {
    of_floor: 0.40,
    queued_of_floor: 0.10,
    steady_p99: 2.0,
    small_publishes: 1_000.0,
    small_times_floor: 10.0,
    neighbour_p99: 1.0,
    mute_times: 10.0,
    mute_kib: 10_000.0,
    connect: 1e-3,
    connect_new: 5e-3,
    times_hello: 15.0,
    batched_publishes: 2_000.0,
    growth: 5.0,
    kib: 4.0,
    tls_kib: 20.0,
    of_leap: 0.5,
    times_live: 8.0,
    of_bare: 0.1,
    token_bytes: 4_000.0,
    revocation: Duration::from_secs(5),
};

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) subscribers: usize,
    pub(crate) span: Duration,
    pub(crate) frame_bytes: usize,
    pub(crate) pending: u64,
    pub(crate) server: PathBuf,
    pub(crate) server_arguments: Vec<String>,
    pub(crate) peers: Vec<Chosen>,
    pub(crate) cores: Cores,
    pub(crate) targets: Targets,
    pub(crate) quick: bool,
    pub(crate) fault: Option<String>,
}

impl Options {
    pub(crate) fn settle(&self) -> Outcome<Settings> {
        let quick = self.quick || self.profile == Profile::Quick;
        let (rounds, subscribers, seconds) = if quick { (2, 2_000, 0.7) } else { (5, 10_000, 4.0) };
        let seconds = self.seconds.unwrap_or(seconds);
        if !(0.0..=30.0).contains(&seconds) {
            return cannot(
                "--seconds must lie between 0 and 30: clients that are silent for longer may be disconnected",
            );
        }
        let subscribers = self.subscribers.unwrap_or(subscribers);
        if !(2..=50_000).contains(&subscribers) {
            return cannot("--subscribers must lie between 2 and 50000");
        }
        if !(2..=1024).contains(&self.pending) {
            return cannot("--pending must lie between 2 and 1024");
        }
        let (needed, descriptors) = (needed_descriptors(subscribers, self.pending), kernel::raise_descriptor_limit()?);
        if needed > descriptors {
            return cannot(too_few(needed, descriptors));
        }
        Ok(Settings {
            rounds: self.rounds.unwrap_or(rounds).max(1),
            subscribers,
            span: Duration::from_secs_f64(seconds),
            frame_bytes: self.frame_bytes,
            pending: self.pending,
            server: self.server.clone().unwrap_or_else(beside),
            server_arguments: self.server_arguments.clone(),
            peers: peers::choose(&self.peer)?,
            cores: Cores { server: self.server_core, generator: self.generator_core },
            targets: if quick { LAX } else { FULL },
            quick,
            fault: self.fault.and_then(|fault| Some(fault.to_possible_value()?.get_name().to_owned())),
        })
    }
}

fn needed_descriptors(subscribers: usize, pending: u64) -> u64 {
    subscribers as u64 + pending + 64
}

fn too_few(needed: u64, descriptors: u64) -> String {
    format!("{needed} descriptors are needed, the hard limit is {descriptors} (ulimit -Hn): fewer --subscribers")
}

fn beside() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("tollgate")
}

impl Settings {
    /// What a full run has, but for these.
    ///
    /// # Errors
    /// [`Failure::Unfit`] where the process may not open enough files.
    pub(crate) fn plain(
        server: Option<PathBuf>,
        subscribers: usize,
        rounds: usize,
        span: Duration,
    ) -> Outcome<Settings> {
        let pending = 64;
        let (needed, descriptors) = (needed_descriptors(subscribers, pending), kernel::raise_descriptor_limit()?);
        if needed > descriptors {
            return Err(Failure::Unfit(too_few(needed, descriptors)));
        }
        Ok(Settings {
            rounds: rounds.max(1),
            subscribers: subscribers.max(2),
            span,
            frame_bytes: 200,
            pending,
            server: server.unwrap_or_else(beside),
            server_arguments: Vec::new(),
            peers: Vec::new(),
            cores: Cores { server: 0, generator: 1 },
            targets: FULL,
            quick: false,
            fault: None,
        })
    }

    /// One publication at a time.
    pub(crate) fn alone(&self) -> Plan {
        Plan { pace: Pace::Pending(1), span: self.span, warm_up: 5 }
    }

    /// Memory hardly varies, and each round waits for it to settle.
    pub(crate) fn idle_rounds(&self) -> usize {
        self.rounds.min(if self.quick { 1 } else { 3 })
    }

    /// One is enough to see that every message is right.
    pub(crate) fn workload_rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    /// Many at a time.
    pub(crate) fn queued(&self) -> Plan {
        Plan { pace: Pace::Pending(self.pending), span: self.span, warm_up: 2 * self.pending }
    }
}
