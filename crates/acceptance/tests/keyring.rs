//! The keyring turned over on a running server: token keys, data keys with every record sealed again, the master key. Nobody who has
//! a good token is refused meanwhile, and nothing opens with what was retired.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_testkit::binary::run;
use tollgate_testkit::{Server, Setup, alongside, until};

/// Records to seal again: the whole hundred thousand with a binary that was built for its users, fewer with one built for this test.
fn tokens() -> usize {
    if std::env::var_os("TOLLGATE_BIN").is_some() { 100_000 } else { 10_000 }
}

/// How long sealing a hundred thousand records again may take.
const RESEAL_MAX: Duration = Duration::from_secs(60);

fn status(server: &Server) -> Value {
    server.command(&["keyring", "status", "--json"])
}

fn to_reseal(server: &Server) -> u64 {
    status(server)["projects"].as_array().unwrap().iter().map(|one| one["records_to_reseal"].as_u64().unwrap()).sum()
}

/// Makes tokens by the batch; gives the secrets of the last batch.
fn many_tokens(server: &Server, count: usize) -> Vec<String> {
    let mut secrets = Vec::new();
    for from in (0..count).step_by(1_000) {
        let entries: Vec<Value> =
            (from..(from + 1_000).min(count)).map(|n| json!({"state": {"n": n, "pad": "x".repeat(100)}})).collect();
        let body = json!({"action": "create", "entries": entries}).to_string();
        let made = server.api().try_call("POST", "/v2/tokens/batch", Some(body.as_bytes())).unwrap();
        let made: Value = serde_json::from_slice(&made.body).unwrap();
        let results = made["results"].as_array().unwrap();
        assert!(results.iter().all(|one| one["status"] == "created"), "{:?}", results[0]);
        secrets = results.iter().map(|one| one["secret"].as_str().unwrap().to_owned()).collect();
    }
    secrets
}

#[test]
fn every_record_is_sealed_again_while_clients_come_in() {
    let mut server = Server::start();
    let secrets = many_tokens(&server, tokens());
    let started = Instant::now();
    let entered = AtomicU64::new(0);
    let took = alongside(
        || {
            let n = entered.fetch_add(1, Ordering::Relaxed) as usize;
            // Connects, reads the state that is being sealed again, and changes it.
            let (leap, init) = server.identified(Some(&secrets[n % secrets.len()]));
            assert!(init["metadata"]["n"].is_u64(), "{init}");
            leap.cut();
            let path = format!("/v1/channels/tokens/{}", secrets[n % secrets.len()]);
            server.api().patch(&path, json!({"state": {"n": n, "changed": true}})).data();
        },
        || {
            let _ = server.command(&["keyring", "rotate", "data", "--json"]);
            until(RESEAL_MAX, "every record is sealed again", || (to_reseal(&server) == 0).then_some(()));
            started.elapsed()
        },
    );
    assert!(entered.load(Ordering::Relaxed) > 3, "nobody came in meanwhile");
    assert!(took < RESEAL_MAX, "{} records took {took:?}", tokens());
    until(Duration::from_secs(30), "the old data key is forgotten", || {
        (status(&server)["projects"][0]["keys"] == json!([2])).then_some(())
    });
    server.kill();
    server.start_again();
    let state = server.api().get(&format!("/v1/channels/tokens/{}", secrets[999])).data()["token"]["state"].clone();
    assert!(state["n"].is_u64(), "{state}");
}

#[test]
fn a_retired_token_key_takes_its_secrets_along() {
    let server = Server::start();
    let old = server.api().token(json!({"who": "early"}));
    let id = server.api().get(&format!("/v1/channels/tokens/{old}")).data()["token"]["public_id"].clone();
    let (mut live, _) = server.identified(Some(&old));
    assert_eq!(server.command(&["keyring", "rotate", "tokens", "--json"]), json!({"token_key": 2}));
    // Both keys verify.
    let late = server.api().token(json!({}));
    drop((server.identified(Some(&old)).0, server.identified(Some(&late)).0));
    let refused = refusal(&server, &["keyring", "retire", "2"]);
    assert!(refused.contains("wrong_state") && refused.contains("active"), "{refused}");
    let retired = server.command(&["keyring", "retire", "1", "--json"]);
    assert!(retired["connections_closed"].as_u64().unwrap() >= 1, "{retired}");
    assert_eq!(live.closed().0, 4001);
    let mut again = server.leap();
    again.send(&json!({"op": 2, "d": {"project_id": server.project, "token": &*old}}));
    assert_eq!(again.closed().0, 4001, "a secret of the retired key came in");
    drop(server.identified(Some(&late)));
    // The token itself lives on: its owner spells it anew.
    let spelled =
        server.api().get(&format!("/v1/channels/tokens/{}", id.as_str().unwrap())).data()["token"]["id"].clone();
    let (_, init) = server.identified(spelled.as_str());
    assert_eq!(init["metadata"], json!({"who": "early"}));
    assert!(refusal(&server, &["keyring", "retire", "1"]).contains("not_found"));
}

#[test]
fn the_master_key_is_exchanged_and_the_old_one_opens_nothing() {
    let mut server = Server::start();
    let token = server.api().token(json!({"kept": true}));
    let file = server.data().join("master.key");
    let old = fs::read_to_string(&file).unwrap();
    let _ = server.command(&["keyring", "rotate", "master", "--json"]);
    let new = fs::read_to_string(&file).unwrap();
    assert_ne!(old, new);
    assert!(!server.data().join("master.key.next").exists());
    drop(server.identified(Some(&token)));
    server.kill();
    // A crash between the commit and the exchange of the files leaves both.
    fs::write(&file, &old).unwrap();
    write_private(&server.data().join("master.key.next"), &new);
    server.start_again();
    assert_eq!(fs::read_to_string(&file).unwrap(), new, "the start takes the key that fits");
    assert_eq!(server.identified(Some(&token)).1["metadata"], json!({"kept": true}));
    // One before the commit leaves a key that nothing hangs on.
    server.kill();
    write_private(&server.data().join("master.key.next"), &old);
    server.start_again();
    drop(server.identified(Some(&token)));
    fs::remove_file(server.data().join("master.key.next")).unwrap();
    server.kill();
    fs::write(&file, &old).unwrap();
    let said = Setup::default().fails_in(server.dir().path());
    assert!(said.stderr.contains("not the master key"), "{}", said.stderr);
}

/// What a command that fails says.
fn refusal(server: &Server, args: &[&str]) -> String {
    let said = run(&[args, &["--data-dir", server.data().to_str().unwrap()]].concat());
    assert!(!said.ok, "{said:?}");
    said.stderr
}

fn write_private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_credential_of_systemd_is_taken_though_a_group_may_read_it() {
    let credentials = TempDir::new().unwrap();
    let key = credentials.path().join("master.key");
    fs::write(&key, "ab12".repeat(16)).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o440)).unwrap();
    let setup = || Setup::default().config(format!("master_key_file = {key:?}\n"));
    let elsewhere = TempDir::new().unwrap();
    for (name, folder) in [("CREDENTIALS_DIRECTORY", elsewhere.path()), ("OTHER", credentials.path())] {
        let refused = setup().env(name, folder.to_str().unwrap()).fails_in(elsewhere.path());
        assert!(refused.stderr.contains("chmod 600"), "{refused:#?}");
    }
    let named = |setup: Setup| setup.env("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap());
    drop(named(setup()).start());
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    let refused = named(setup()).fails_in(elsewhere.path());
    assert!(refused.stderr.contains("mode 444"), "{refused:#?}");
}
