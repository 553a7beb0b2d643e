//! The lines of docs/cli.md, run in their order as they stand on the page.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::process::Command;

use tollgate_testkit::{Server, binary};

#[test]
fn the_lines_of_the_page_run() {
    let page = include_str!("../../../docs/cli.md");
    let listings: Vec<&str> =
        page.split("```").skip(1).step_by(2).filter_map(|part| part.strip_prefix("sh\n")).collect();
    assert!(listings.len() >= 5, "{listings:?}");
    let server = Server::start();
    let before = format!(
        "set -euo pipefail\ntollgate() {{ {:?} \"$@\" --data-dir {:?}; }}\n",
        binary::tollgate(),
        server.data()
    );
    let mut bash = Command::new("bash");
    // The server takes every TOLLGATE_… for a setting.
    bash.arg("-c")
        .arg(format!("{before}{}", listings.concat()))
        .current_dir(server.dir().path())
        .env_remove("TOLLGATE_BIN");
    let ran = bash.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    for said in [
        "It works.\n",
        "✓ genuine  It is a token of this project.\n",
        "\"verdict\":\"yes\"",
        "✗ kept",
        "subscriptions   room\n",
        "\"active\":false",
        "said  backend  {\"text\"",
        "The audit log is intact",
        "CONNECTIONS       IN/S",
    ] {
        assert!(out.contains(said), "{said}\n{out}\n{err}");
    }
    let made = |name: &str| std::fs::read_to_string(server.dir().path().join(name)).unwrap();
    assert!(made("tollgate.bash").contains("complete -F _tollgate"));
    assert!(made("tollgate.1").starts_with(".ie") || made("tollgate.1").contains(".TH"), "a manual page");
    assert!(made("manual/tollgate-token-create.1").contains("ttl"));
}
