//! The topic servers of ours, the dialects and the ledger, on a small run with each peer that installs within seconds. It needs Node and npm; says nothing
//! about speed.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// What npm says where there is no network. Anything else that keeps a peer out is a failure.
const UNREACHABLE: [&str; 5] =
    ["code ENOTFOUND", "code ETIMEDOUT", "code ECONNREFUSED", "code ECONNRESET", "code EAI_AGAIN"];

fn peers(which: &str) -> Output {
    check(which).output().unwrap()
}

fn check(which: &str) -> Command {
    let small = ["--quick", "--subscribers", "100", "--seconds", "0.05", "--pending", "16"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-bench"));
    command.args(["peers", "--peer", which]).args(small);
    command
}

fn words(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// Why the machine cannot take part; only what it lacks counts, not what fails.
fn lacks() -> Option<&'static str> {
    let runs = |program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if runs("node") && runs("npm") { None } else { Some("node and npm are not installed") }
}

/// Straight to stderr: what `eprintln!` says in a test that passes is shown to nobody.
fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED peers: {why}").unwrap();
}

/// Where the bench keeps what it installed.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_tollgate-bench")).ancestors().nth(2).unwrap().join("peers")
}

struct StandIn(Child);

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_peer_delivers_every_message_and_has_a_line() {
    if let Some(why) = lacks() {
        skipped(why);
        return;
    }
    let output = peers("uws,ws,socketio");
    let (table, said) = (words(&output.stdout), words(&output.stderr));
    if let Some(why) = UNREACHABLE.iter().find(|code| said.contains(**code)) {
        skipped(&format!("npm's registry cannot be reached ({why})"));
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{table}{said}");
    for peer in
        ["| uws | uWebSockets.js 20.30 | Apache-2.0 | yes |", "| ws | ws 8.23 |", "| socketio | Socket.IO 4.8 |"]
    {
        assert!(table.contains(peer), "{table}");
    }

    // What is installed now also carries the stand-in.
    let script = installed().join("topics/centrifuge-stand-in.mjs");
    std::fs::write(&script, include_str!("../peers/centrifuge-stand-in.mjs")).unwrap();
    let mut process = Command::new("node").arg(&script).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let _stand_in = StandIn(process);
    let url = |key: &str| format!("centrifugo=http://127.0.0.1:{}?key={key}", port.trim());
    let output = peers(&url("stand-in"));
    let (table, said) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{table}{said}");
    assert!(table.contains("| centrifugo | Centrifugo | Apache-2.0 | yes |"), "{table}");

    let output = peers(&url("wrong"));
    assert_eq!(output.status.code(), Some(1), "a peer that fails is not passed over");
    assert!(words(&output.stdout).contains("**NO**"), "{}", words(&output.stdout));
    assert!(words(&output.stderr).contains("WARNING: centrifugo: cannot run: Centrifugo: an answer was 401"));
}

/// Compiling it takes too long for a test, so only where somebody has run `peers --peer sockudo` before.
#[test]
fn sockudo_delivers_every_message_whatever_the_environment_says() {
    if !installed().join("sockudo-5.2.0/bin/sockudo").is_file() {
        skipped("sockudo is not installed");
        return;
    }
    let output = check("sockudo").env("HOST", "192.0.2.1").env("PORT", "1").output().unwrap();
    let (table, said) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{table}{said}");
    assert!(table.contains("| sockudo | sockudo 5.2 | MIT | yes |"), "{table}");
}

#[test]
fn what_nobody_knows_or_reaches_is_told() {
    let output = peers("uws,nobody");
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output.stderr).contains("choose of uws, ws, socketio, soketi, nats, nchan, sockudo, centrifugo"));
    // Port 1 is never listened on.
    let output = peers("centrifugo=http://127.0.0.1:1");
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output.stdout).contains("nothing listens at 127.0.0.1:1"), "{}", words(&output.stdout));
}
