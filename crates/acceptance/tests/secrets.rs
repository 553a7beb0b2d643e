//! After a run, nothing on disk or in the log is a secret: no token, no project key, no token state.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tollgate_testkit::{Http, Server, Setup};

const CANARY: &str = "canary-of-a-token-state-7c1f";
const PASSWORD: &str = "canary of a password";

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    // A running server also keeps a socket there, which holds nothing.
    let found = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    found.filter(|path| path.is_file()).collect()
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// Everything that must not be found: each secret whole, and without the prefix that names its kind.
fn needles(server: &Server) -> Vec<String> {
    let secrets = server.secrets();
    assert!(secrets.len() >= 6, "the run made too few secrets to prove anything");
    // A prefix is a few small letters and a line; a line further on is chance's.
    let bare = secrets.iter().map(|secret| {
        let is_prefix = |at: &usize| *at <= 8 && secret[..*at].bytes().all(|byte| byte.is_ascii_lowercase());
        let start = match secret.find("token_") {
            Some(at) => at + "token_".len(),
            None => secret.find('_').filter(is_prefix).map_or(0, |at| at + 1),
        };
        assert!(secret.len() - start >= 16, "too short to be looked for: {secret}");
        secret[start..].to_owned()
    });
    let mut needles: Vec<_> = bare.collect();
    needles.extend([CANARY, PASSWORD, "canary+of+a+password"].map(str::to_owned));
    needles
}

fn search(server: &Server, when: &str) {
    let needles = needles(server);
    let files = files(&server.data());
    assert!(!files.is_empty());
    for file in files {
        let content = fs::read(&file).unwrap();
        for needle in &needles {
            assert!(!contains(&content, needle), "{when}: {} has {needle}", file.display());
        }
    }
    let log = server.log();
    for needle in &needles {
        assert!(!log.contains(needle.as_str()), "{when}: the log has {needle}:\n{log}");
    }
}

/// Uses every operation that touches a secret, rightly and wrongly.
fn run(server: &Server) {
    let api = server.api();
    api.channel("room", "private", json!({"public": "knowledge"}));
    let (other, _) = server.new_project("other");
    let revoked = server.new_key("all");
    let _ = server.command(&["key", "revoke", revoked["id"].as_str().unwrap(), "--json"]);
    server.api_with(revoked["key"].as_str().unwrap()).get("/v1/channels").refused(401, "invalid_auth");
    let tokens: Vec<_> = (0..5).map(|n| api.token(json!({"secret": CANARY, "n": n}))).collect();
    for token in &tokens {
        api.subscribe("room", token);
        let path = format!("/v1/channels/tokens/{token}");
        assert_eq!(api.get(&path).data()["token"]["state"]["secret"], CANARY);
        api.patch(&path, json!({"state": {"secret": CANARY, "patched": true}})).data();
        api.post(&format!("{path}/messages"), json!({"e": "DM", "d": {"secret": CANARY}})).no_content();
        let (mut leap, init) = server.identified(Some(token));
        assert_eq!(init["metadata"]["secret"], CANARY);
        leap.quiet();
        let mut stray = server.leap();
        stray.send(&json!({"op": 2, "d": {"project_id": other, "token": token}}));
        assert_eq!(stray.closed().0, 4001);
        api.get(&format!("{path}/nowhere")).refused(404, "not_found");
        let mut http = Http::connect(server.addr).unwrap();
        let _ = http.request("GET", &format!("/ws?token={token}"), &[("Authorization", token)], None);
        let _ = http.request("BREW", &format!("{path}?project={other}"), &[("Authorization", &server.key)], Some(b"{"));
    }
    api.delete(&format!("/v1/channels/tokens/{}", tokens[0])).no_content();
    sign_in(server);
}

/// Becomes the console's owner by the link of the start, and signs in wrongly and rightly.
fn sign_in(server: &Server) {
    let form = |path: &str, fields: &str| {
        let host = server.addr.to_string();
        let headers = [
            ("Host", host.as_str()),
            ("Sec-Fetch-Site", "same-origin"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let mut http = Http::connect(server.addr).unwrap();
        http.request("POST", path, &headers, Some(fields.as_bytes())).unwrap()
    };
    let password = PASSWORD.replace(' ', "+");
    let code = server.console.as_deref().unwrap().split_once('#').unwrap().1;
    let fields = format!("code={code}&username=ada&password={password}&again={password}");
    for answer in [
        form("/console/set-up", &fields),
        form("/console/sign-in", &format!("username=ada&password={password}")),
        form("/console/sign-in", &format!("username={password}&password={password}x")),
    ] {
        if let Some(cookie) = answer.header("set-cookie") {
            server.remember(cookie.split(['=', ';']).nth(1).unwrap());
            assert_eq!(answer.status, 303, "{answer:?}");
        }
    }
    form("/console/set-up", &fields);
    let link = server.command(&["operator", "link", "ada", "--json"])["link"].as_str().unwrap().to_owned();
    server.remember(link.split_once('#').unwrap().1);
}

#[test]
fn no_secret_is_on_disk_or_in_the_log() {
    for level in ["info", "trace"] {
        let mut server = Setup::default().env("TOLLGATE_LOG_LEVEL", level).start();
        run(&server);
        search(&server, "while it runs");
        server.kill();
        search(&server, "after a kill");
        server.start_again();
        run_again(&server);
        server.stop();
        search(&server, "after an orderly stop");
    }
}

fn run_again(server: &Server) {
    let tokens = server.api().get("/v1/channels/tokens").data()["tokens"].clone();
    let token = &tokens[0];
    assert_eq!(token["state"]["secret"], CANARY, "sealed is not lost");
    assert!(server.secrets().contains(&token["id"].as_str().unwrap().to_owned()), "the secret is spelled as it was");
}

#[test]
fn the_search_finds_what_is_there() {
    let server = Server::start();
    let api = server.api();
    api.channel("channel-in-the-clear", "public", json!({}));
    assert!(files(&server.data()).iter().any(|file| contains(&fs::read(file).unwrap(), "channel-in-the-clear")));
}

#[test]
#[cfg(unix)]
fn what_unlocks_the_secrets_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    server.api().token(json!({}));
    for file in files(&server.data()) {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
    let mode = fs::metadata(server.data()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "the data folder has mode {mode:o}");
}
