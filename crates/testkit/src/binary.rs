//! Finds the binary under test and runs its commands. Not the running server: that is [`crate::server`].

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The `tollgate` binary: `TOLLGATE_BIN` if set, else the one of this test's own target folder, built now (cargo does
/// nothing when it is fresh) so that no test ever passes on yesterday's server.
pub fn tollgate() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("TOLLGATE_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

fn build() -> PathBuf {
    // …/target/<profile>/deps/<test>-<hash>
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().find(|dir| dir.ends_with("deps")).and_then(Path::parent).unwrap();
    let profile = folder.file_name().and_then(|name| name.to_str()).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "tollgate-server", "--bin", "tollgate"])
        .args(["--profile", if profile == "debug" { "dev" } else { profile }])
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .current_dir(workspace())
        .status()
        .unwrap();
    assert!(built.success(), "the server does not build");
    folder.join("tollgate")
}

/// The root folder of the sources under test.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// A command of the binary that has none of the caller's `TOLLGATE_*` settings.
pub fn command(args: &[&str]) -> Command {
    plain(Command::new(tollgate()), args)
}

/// [`command`] with at most this many open files and sockets.
pub fn limited_command(descriptors: u32, args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")).arg(tollgate());
    plain(shell, args)
}

/// [`command`] with a disk of this size, seen by it alone, mounted on a folder.
pub fn small_disk_command(bytes: u64, folder: &Path, args: &[&str]) -> Command {
    plain(on_small_disk(bytes, folder, tollgate()), args)
}

/// Any program with such a disk. Needs root, and ends with a failure without it.
pub(crate) fn on_small_disk(bytes: u64, folder: &Path, program: &Path) -> Command {
    let mount = format!(r#"mount -t tmpfs -o size={bytes},mode=700 tmpfs "$0" || exit 77; exec "$@""#);
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", &mount]).arg(folder).arg(program);
    unshare
}

fn plain(mut command: Command, args: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("TOLLGATE_")) {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// What a finished command said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `tollgate ARGS` to its end.
pub fn run(args: &[&str]) -> Said {
    said(&command(args).output().unwrap())
}

/// Runs `tollgate ARGS`, which must succeed, and reads its standard output as JSON.
pub fn run_json(args: &[&str]) -> serde_json::Value {
    let said = run(args);
    assert!(said.ok, "tollgate {args:?} failed: {said:#?}");
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("tollgate {args:?}: {error} in {said:#?}"))
}

pub(crate) fn said(output: &Output) -> Said {
    Said {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
