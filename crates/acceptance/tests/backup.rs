//! `tollgate backup` and `tollgate restore`: of a running server under load, of a stopped folder, and everything that must be refused.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_testkit::binary::{self, Said, run, run_json};
use tollgate_testkit::{Server, Setup};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A command on a data folder, which must fail.
#[track_caller]
fn refused(args: &[&str], reason: &str) -> Said {
    let said = run(args);
    assert!(!said.ok && said.stderr.contains(reason) && !said.stderr.contains("panicked"), "{args:?}: {said:#?}");
    said
}

/// A folder with the data folder `data` that holds the master key of `server` alone.
fn folder_for(server: &Server) -> Arc<TempDir> {
    let dir = Arc::new(TempDir::new().unwrap());
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(server.data().join("master.key"), dir.path().join("data/master.key")).unwrap();
    dir
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before_it_began() {
    let server = Server::start();
    let key = server.key.clone();
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "public", "settings": {"history": {"durable": true, "size": 1000, "ttl_ms": 3_600_000}}}));
    let user = |number: u32| json!({"user_id": format!("user{number}"), "channels": ["room"]});
    let publish = |number: u32| server.v2("POST", "/v2/channels/room/messages", &json!({"event": "n", "data": number}));
    let mut secrets = Vec::new();
    for number in 0..30 {
        secrets.push(server.v2("POST", "/v2/tokens", &user(number))["secret"].as_str().unwrap().to_owned());
        server.remember(secrets.last().unwrap());
        publish(number);
    }
    let doomed = server.v2("POST", "/v2/tokens", &user(0));
    server.v2("DELETE", &format!("/v2/tokens/{}", doomed["id"].as_str().unwrap()), &Value::Null);

    let backup = server.dir().path().join("backup.tollgate");
    let ended = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut number = 30;
            while !ended.load(Ordering::Relaxed) {
                server.v2("POST", "/v2/tokens", &user(number));
                publish(number);
                number += 1;
            }
        });
        let said = server.command(&["backup", text(&backup), "--json"]);
        ended.store(true, Ordering::Relaxed);
        load.join().unwrap();
        said
    });
    assert_eq!(said["master_key"]["included"], false);
    assert_eq!(said["master_key"]["file"], text(&server.data().join("master.key")));
    assert!(said["manifest"]["tokens"].as_u64().unwrap() >= 30, "{said}");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&backup).unwrap();
    let master = fs::read_to_string(server.data().join("master.key")).unwrap();
    for secret in secrets.iter().map(String::as_str).chain([key.as_str(), master.trim()]) {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret is in the backup");
    }

    let dir = folder_for(&server);
    let restored = run_json(&["restore", text(&backup), "--json", "--data-dir", text(&dir.path().join("data"))]);
    assert_eq!(restored["manifest"], said["manifest"]);
    let other = Setup::default().start_in(dir);
    let of = |path: &str| {
        let reply = other.api_with(&key).try_call("GET", path, None).unwrap();
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        serde_json::from_slice::<Value>(&reply.body).unwrap()
    };
    let numbers: Vec<_> = of("/v2/channels/room/history?limit=1000")["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["data"].as_u64().unwrap())
        .collect();
    assert!(numbers.len() >= 30 && numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
    let tokens = of("/v2/tokens?channel=room&limit=1000")["data"].as_array().unwrap().len() as u64;
    assert_eq!(tokens, said["manifest"]["tokens"].as_u64().unwrap(), "each with its subscription");
    for secret in &secrets {
        other.remember(secret);
        let _ = other.identified(Some(secret));
    }
    let gone = format!("/v2/tokens/{}", doomed["id"].as_str().unwrap());
    assert_eq!(other.api_with(&key).try_call("GET", &gone, None).unwrap().status, 404);
    let audit = binary::run(&["audit", "verify", "--data-dir", text(&other.data())]);
    assert!(audit.ok && audit.stdout.contains("intact"), "{audit:#?}");
}

#[test]
fn a_stopped_folder_is_backed_up_and_a_backup_is_never_written_over() {
    let mut server = Server::start();
    server.api().token(json!({"user": 7}));
    server.stop();
    let (data, dir) = (server.data(), server.dir());
    let backup = dir.path().join("backup");
    let said = run(&["backup", text(&backup), "--data-dir", text(&data)]);
    assert!(
        said.ok && said.stdout.contains("The master key is not in it") && said.stdout.contains("tokens: 1"),
        "{said:#?}"
    );
    let before = fs::read(&backup).unwrap();
    refused(&["backup", text(&backup), "--data-dir", text(&data)], "never written over");
    assert_eq!(fs::read(&backup).unwrap(), before);
    refused(&["backup", text(&dir.path().join("none/b")), "--data-dir", text(&data)], "cannot be made");
    refused(&["backup", text(&dir.path().join("b")), "--data-dir", text(&dir.path().join("none"))], "no data folder");
    assert_eq!(names(dir.path()), ["backup", "data"]);
    // The server as well refuses, and leaves nothing.
    server.start_again();
    refused(&["backup", text(&backup), "--data-dir", text(&data)], "never written over");
    refused(&["backup", text(&dir.path().join("none/b")), "--data-dir", text(&data)], "cannot be made");
    assert_eq!(names(dir.path()), ["backup", "data"]);
}

#[test]
fn what_must_not_be_restored_is_refused_and_changes_nothing() {
    let mut server = Server::start();
    let (data, dir) = (server.data(), server.dir());
    let backup = dir.path().join("backup");
    let _ = server.command(&["backup", text(&backup), "--json"]);
    let restore =
        |from: &Path, to: &Path| ["restore".to_owned(), text(from).into(), "--data-dir".into(), text(to).into()];
    let refuse = |from: &Path, to: &Path, reason: &str| {
        refused(&restore(from, to).each_ref().map(String::as_str), reason);
    };
    refuse(&backup, &data, "another tollgate is using");
    server.stop();
    refuse(&backup, &data, "--replace");

    let target = folder_for(&server);
    let to = target.path().join("data");
    // Without its key, with another's, and in a folder with something of somebody else's.
    let empty = TempDir::new().unwrap();
    refuse(&backup, &empty.path().join("new"), "the master key is not in a backup");
    let other = Server::start();
    refuse(&backup, &folder_for(&other).path().join("data"), "master key");
    fs::write(to.join("diary"), "").unwrap();
    refuse(&backup, &to, "diary");
    fs::remove_file(to.join("diary")).unwrap();

    let whole = fs::read(&backup).unwrap();
    let broken = dir.path().join("broken");
    for at in [20, whole.len() / 3, whole.len() / 2, whole.len() - 100, whole.len() - 30] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&broken, bytes).unwrap();
        refuse(&broken, &to, "damaged");
    }
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&broken, &whole[..length]).unwrap();
        refuse(&broken, &to, "no backup");
    }
    refuse(&data.join("tollgate.db"), &to, "no backup");
    refuse(&dir.path().join("none"), &to, "No such file");
    assert_eq!(names(&to), ["lock", "master.key"]);
    assert!(run(&restore(&backup, &to).each_ref().map(String::as_str)).ok);
    assert_eq!(names(&to), ["lock", "master.key", "tollgate.db"]);
}

#[test]
fn replacing_moves_the_database_aside_with_its_log() {
    let mut server = Server::start();
    let backup = server.dir().path().join("backup");
    server.api().channel("early", "public", json!({}));
    let _ = server.command(&["backup", text(&backup), "--json"]);
    server.api().channel("late", "public", json!({}));
    // Killed, so that the last changes are in the log alone.
    server.kill();
    let data = server.data();
    assert!(data.join("tollgate.db-wal").exists());
    let said = run_json(&["restore", text(&backup), "--replace", "--json", "--data-dir", text(&data)]);
    assert_eq!(said["replaced"], text(&data.join("tollgate.db.replaced-1")));
    server.start_again();
    let status = |server: &Server, channel: &str| server.api().get(&format!("/v1/channels/{channel}")).status;
    assert_eq!((status(&server, "early"), status(&server, "late")), (200, 404));
    server.stop();
    // And the way back: the old one is whole.
    fs::rename(data.join("tollgate.db.replaced-1"), data.join("tollgate.db")).unwrap();
    fs::rename(data.join("tollgate.db.replaced-1-wal"), data.join("tollgate.db-wal")).unwrap();
    server.start_again();
    assert_eq!((status(&server, "early"), status(&server, "late")), (200, 200));
}

#[test]
fn a_restore_that_was_cut_short_is_not_taken_for_a_new_folder() {
    let mut server = Server::start();
    let (data, backup) = (server.data(), server.dir().path().join("backup"));
    server.api().channel("early", "public", json!({}));
    let _ = server.command(&["backup", text(&backup), "--json"]);
    server.kill();
    // As a process leaves it that is killed between the two renames.
    fs::rename(data.join("tollgate.db"), data.join("tollgate.db.replaced-1")).unwrap();
    fs::write(data.join("tollgate.db.restoring"), "").unwrap();
    let said = Setup::default().fails_in(server.dir().path());
    assert!(said.stderr.contains("a restore was cut short"), "{said:#?}");
    assert!(run(&["restore", text(&backup), "--replace", "--data-dir", text(&data)]).ok);
    assert!(data.join("tollgate.db.replaced-1-wal").exists() && !data.join("tollgate.db-wal").exists());
    server.start_again();
    assert_eq!(server.api().get("/v1/channels/early").status, 200);
}

#[test]
fn a_full_disk_ends_with_an_error_and_no_half_file() {
    let mut server = Server::start();
    server.api().channel("large", "public", json!({"a": "x".repeat(500_000)}));
    server.stop();
    let small = TempDir::new().unwrap();
    let script = r#"mount -t tmpfs -o size=200k tmpfs "$0" || exit 77; "$1" backup "$0/backup" --data-dir "$2"; echo "ended $?"; ls -A "$0""#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .args([small.path(), binary::tollgate(), &server.data()])
        // Where the binary is said by a variable that the binary takes for a setting.
        .env_remove("TOLLGATE_BIN")
        .output();
    match output {
        Ok(output) if output.status.code() != Some(77) && output.status.success() => {
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(out, "ended 1\n", "nothing is left: {err}");
            assert!(err.contains("full") && err.contains("Nothing of it was kept"), "{err}");
        }
        other => {
            let why =
                other.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into());
            writeln!(std::io::stderr(), "SKIPPED a_full_disk…: no small disk can be mounted here ({})", why.trim())
                .unwrap();
        }
    }
}

/// Writes another number of schema into a database that nobody has open (SQLite's file format, section 1.3: `user_version`, offset 60).
fn set_schema(database: &Path, schema: u32) {
    let mut bytes = fs::read(database).unwrap();
    bytes[60..64].copy_from_slice(&schema.to_be_bytes());
    fs::write(database, bytes).unwrap();
}

#[test]
fn records_of_an_older_schema_are_migrated_with_a_copy_and_of_a_newer_one_left_alone() {
    let mut server = Server::start();
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "public"}));
    let data = server.data();
    let migrate = |args: &[&str]| binary::run(&[&["migrate", "--data-dir", text(&data)], args].concat());
    let said = migrate(&[]);
    assert!(!said.ok && said.stderr.contains("Stop that one first"), "{said:#?}");
    server.stop();
    let database = data.join("tollgate.db");
    let known = serde_json::from_str::<Value>(&migrate(&["--json"]).stdout).unwrap()["to"].as_u64().unwrap();
    let known = u32::try_from(known).unwrap();
    assert!(migrate(&["--check"]).stdout.contains("nothing to do"));

    // The last step finds its table there and nothing to put into it, so it can be taken again.
    set_schema(&database, known - 1);
    let before = fs::read(&database).unwrap();
    let checked: Value = serde_json::from_str(&migrate(&["--check", "--json"]).stdout).unwrap();
    assert_eq!(checked, json!({"from": known - 1, "to": known, "due": true, "copy": null}));
    assert_eq!(fs::read(&database).unwrap(), before, "only looked at");
    let copy = data.join(format!("tollgate.db.schema-{}", known - 1));
    fs::write(&copy, "in the way").unwrap();
    let said = migrate(&[]);
    assert!(!said.ok && said.stderr.contains("move it away"), "{said:#?}");
    fs::remove_file(&copy).unwrap();
    let said = migrate(&[]);
    assert!(said.ok && said.stdout.contains(&format!("is now schema {known}")), "{said:#?}");
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert!(migrate(&[]).stdout.contains("nothing to do"));

    set_schema(&database, known + 1);
    let said = migrate(&[]);
    assert!(!said.ok && said.stderr.contains("use the version that wrote them"), "{said:#?}");
    set_schema(&database, known);
    server.start_again();
    assert_eq!(server.v2("GET", "/v2/channels/room", &Value::Null)["id"], "room");
}
