//! What this machine lacks for the suites, and how to get it: Debian packages when root, everything else under `target/xtask/`.
//!
//! Each tool that cannot be had is a reason to skip, in words for the end of the run. Nothing here judges the product.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::run::Call;

/// Pinned: a newer one is adopted on purpose, not by surprise.
const CARGO_FUZZ: &str = "0.13.2";
/// Taken from npm where the system's is older than 20.
const NODE: &str = "20";

const PROBE: Duration = Duration::from_secs(60);
const INSTALL: Duration = Duration::from_secs(420);

/// Something that a suite cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Compilers,
    Node,
    Chromium,
    Python,
    CargoFuzz,
    Valgrind,
    /// An ACME server for tests.
    Pebble,
}

/// A tool, the command that proves it is there, and the Debian packages that bring it.
struct Source {
    tool: Tool,
    proof: &'static str,
    packages: &'static [&'static str],
}

const SOURCES: [Source; 6] = [
    Source {
        tool: Tool::Compilers,
        proof: "cc --version && c++ --version && make --version",
        packages: &["build-essential"],
    },
    Source {
        tool: Tool::Node,
        proof: "npm --version && node -e 'process.exit(process.versions.node.split(\".\")[0] >= 20 ? 0 : 1)'",
        packages: &["nodejs", "npm"],
    },
    Source { tool: Tool::Chromium, proof: "test -x \"${CHROMIUM:-/usr/bin/chromium}\"", packages: &["chromium"] },
    Source { tool: Tool::Python, proof: "python3 -c 'import ensurepip, venv'", packages: &["python3", "python3-venv"] },
    Source { tool: Tool::Valgrind, proof: "valgrind --version && command -v vgdb", packages: &["valgrind"] },
    Source { tool: Tool::Pebble, proof: "command -v pebble", packages: &["pebble"] },
];

/// The machine as it is after preparing it.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// Folders with tools of our own, searched first.
    folders: Vec<PathBuf>,
    missing: Vec<(Tool, String)>,
}

impl Machine {
    /// Why the tool is not there; nothing if it is.
    pub(crate) fn lacks(&self, tool: Tool) -> Option<&str> {
        self.missing.iter().find(|(one, _)| *one == tool).map(|(_, why)| why.as_str())
    }

    /// The call with our own tools on its path.
    pub(crate) fn equip(&self, call: Call) -> Call {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let all = self.folders.iter().cloned().chain(std::env::split_paths(&inherited));
        match std::env::join_paths(all) {
            Ok(path) => call.with("PATH", path),
            Err(_) => call,
        }
    }

    fn proves(&self, root: &Path, proof: &str) -> bool {
        self.equip(Call::new("sh", &["-c", proof], root)).quietly().run(PROBE).is_good()
    }
}

/// Gets what is missing of `tools`, if `install` allows it.
pub(crate) fn prepare(root: &Path, target: &Path, tools: &[Tool], install: bool) -> Machine {
    let own = target.join("xtask");
    let mut machine =
        Machine { folders: vec![own.join("node/node_modules/node/bin"), own.join("tools/bin")], missing: Vec::new() };
    let wanted: Vec<&Source> = SOURCES.iter().filter(|source| tools.contains(&source.tool)).collect();
    let lacking = |machine: &Machine| -> Vec<&Source> {
        wanted.iter().copied().filter(|source| !machine.proves(root, source.proof)).collect()
    };
    let mut why = "installing is switched off (--no-install)".to_owned();
    let mut left = lacking(&machine);
    if install && !left.is_empty() {
        why = debian(root, &left).err().unwrap_or_else(|| "Debian's package is not enough".to_owned());
        left = lacking(&machine);
    }
    if install && left.iter().any(|source| source.tool == Tool::Node) {
        node_from_npm(root, &own, &machine);
        left = lacking(&machine);
    }
    machine.missing =
        left.iter().map(|source| (source.tool, format!("{}: {why}", source.packages.join(", ")))).collect();
    if tools.contains(&Tool::CargoFuzz)
        && let Err(why) = cargo_fuzz(root, &own, &machine, install)
    {
        machine.missing.push((Tool::CargoFuzz, why));
    }
    machine
}

/// Installs the packages of these sources; the error says why that did not work, and what to do.
fn debian(root: &Path, sources: &[&Source]) -> Result<(), String> {
    let packages: Vec<&str> = sources.iter().flat_map(|source| source.packages).copied().collect();
    let line = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !Call::new("sh", &["-c", "command -v apt-get"], root).quietly().run(PROBE).is_good() {
        return Err("this is no Debian, so it has to be installed by hand".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(format!("only root can install it: {line}"));
    }
    println!("xtask: {line}");
    let script = format!("apt-get update -qq; {line} -qq");
    let ended = Call::new("sh", &["-c", &script], root)
        .with("DEBIAN_FRONTEND", "noninteractive")
        .hiding("Selecting previously unselected")
        .run(INSTALL);
    if ended.is_good() { Ok(()) } else { Err(format!("{line}: {}", ended.reason())) }
}

/// Older Debians have an older Node; npm has a package that brings a newer one.
fn node_from_npm(root: &Path, own: &Path, machine: &Machine) {
    let folder = own.join("node");
    if std::fs::create_dir_all(&folder).is_err() {
        return;
    }
    println!("xtask: node@{NODE} from npm, because the system's Node is older");
    let package = format!("node@{NODE}");
    let arguments =
        ["install", "--no-audit", "--no-fund", "--no-save", "--prefix", &folder.to_string_lossy(), &package];
    // What it came to is proved by asking for the tool again.
    let _ended = machine.equip(Call::new("npm", &arguments, root)).run(INSTALL);
}

fn cargo_fuzz(root: &Path, own: &Path, machine: &Machine, install: bool) -> Result<(), String> {
    if machine.proves(root, "cargo fuzz --version") {
        return Ok(());
    }
    let line = format!("cargo install cargo-fuzz --version {CARGO_FUZZ} --locked");
    if !install {
        return Err(format!("installing is switched off (--no-install): {line}"));
    }
    println!("xtask: {line}");
    let folder: OsString = own.join("tools").into();
    let arguments = ["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--quiet", "--root"];
    let call = Call::cargo(&[&arguments[..], &[&folder.to_string_lossy()]].concat(), root);
    // Not into the target folder of whoever asks: its parts are of no use to anything else.
    let ended = machine.equip(call).with("CARGO_TARGET_DIR", own.join("tools/build")).run(INSTALL);
    if ended.is_good() { Ok(()) } else { Err(format!("{line}: {}", ended.reason())) }
}

/// Puts the parts of Rust's toolchain here that the checks need, where rustup can.
pub(crate) fn components(root: &Path) {
    let started = Instant::now();
    for (proof, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !Call::cargo(&[proof, "--version"], root).quietly().run(PROBE).is_good() {
            println!("xtask: rustup component add {component}");
            let _ended = Call::new("rustup", &["component", "add", component], root).run(INSTALL);
        }
    }
    if started.elapsed() > PROBE {
        println!("xtask: the toolchain's components took {} s", started.elapsed().as_secs());
    }
}
