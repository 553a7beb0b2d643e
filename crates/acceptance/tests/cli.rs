//! The command line: starting, refusing to start, projects, keys, configuration.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_testkit::binary::{self, Said, run, run_json};
use tollgate_testkit::{Server, Setup, until};

fn folder() -> Arc<TempDir> {
    Arc::new(TempDir::new().unwrap())
}

/// Runs a command on a data folder and reads its JSON.
fn on(dir: &Path, args: &[&str]) -> Value {
    run_json(&[args, &["--data-dir", dir.join("data").to_str().unwrap()]].concat())
}

/// Runs a command on a data folder, which must fail, and gives what it said.
fn fails_on(dir: &Path, args: &[&str]) -> Said {
    let said = run(&[args, &["--data-dir", dir.join("data").to_str().unwrap()]].concat());
    assert!(!said.ok, "{said:#?}");
    assert!(!said.stderr.is_empty() && !said.stderr.contains("panicked"), "{said:#?}");
    said
}

#[test]
fn the_announce_line_is_the_only_line_and_has_the_key_only_once() {
    let dir = folder();
    for start in 0..2 {
        let mut child = binary::command(&["serve", "--listen", "127.0.0.1:0", "--announce", "json", "--data-dir"])
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\n") {
            let mut byte = [0];
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "ended after {said:?}");
            said.push(byte[0]);
        }
        let line: Value = serde_json::from_slice(&said).unwrap();
        let addr: std::net::SocketAddr = line["listen"].as_str().unwrap().parse().unwrap();
        drop(std::net::TcpStream::connect(addr).expect("ready means it accepts"));
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        stdout.read_to_end(&mut said).unwrap();
        assert!(child.wait().unwrap().success());
        let said = String::from_utf8(said).unwrap();
        let (listen, project, key, console) = (&line["listen"], &line["project"], &line["key"], &line["console"]);
        // The console's link is in each line until somebody has used it, and is another each time.
        let expected = if start == 0 {
            format!("{{\"listen\":{listen},\"project\":{project},\"key\":{key},\"console\":{console}}}\n")
        } else {
            format!("{{\"listen\":{listen},\"project\":{project},\"console\":{console}}}\n")
        };
        assert_eq!(said, expected);
        assert!(console.as_str().unwrap().starts_with(&format!("http://{addr}/console/set-up#tgi_")), "{console}");
        assert!(project.as_str().unwrap().starts_with("project_"));
        assert!(start > 0 || key.as_str().unwrap().starts_with("ptk_"));
    }
}

#[test]
fn a_second_start_finds_everything() {
    let mut server = Server::start();
    let api = server.api();
    api.channel("room", "private", json!({"n": 1}));
    let token = api.token(json!({"user": 7}));
    api.subscribe("room", &token);
    let (other, other_key) = server.new_project("other");
    let limited = server.new_key("read_channels")["key"].as_str().unwrap().to_owned();
    let before: Vec<_> =
        ["/v1/channels", "/v1/channels/tokens", "/v1/channels/room/tokens"].map(|path| api.get(path).json()).into();
    for orderly in [true, false] {
        if orderly {
            server.stop()
        } else {
            server.kill()
        }
        let announced = server.start_again();
        assert_eq!(announced["project"], json!(server.project));
        let api = server.api();
        let after: Vec<_> =
            ["/v1/channels", "/v1/channels/tokens", "/v1/channels/room/tokens"].map(|path| api.get(path).json()).into();
        assert_eq!(before, after);
        assert_eq!(server.identified(Some(&token)).1["metadata"], json!({"user": 7}));
        assert_eq!(server.api_with(&other_key).get("/v1/projects/@this").data()["project"]["id"], json!(other));
        server.api_with(&limited).get("/v1/channels/tokens").refused(403, "forbidden");
    }
}

#[test]
fn without_announce_it_says_where_to_point_the_sdks() {
    let dir = folder();
    let log = dir.path().join("log");
    let out = fs::File::create(&log).unwrap();
    let mut child = binary::command(&["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    let wanted = ["@onehop/js", "@onehop/client", "ptk_", "project_", "/ws"];
    let shown = std::panic::catch_unwind(|| {
        until(std::time::Duration::from_secs(10), format!("{wanted:?} to be shown"), || {
            let text = fs::read_to_string(&log).unwrap();
            wanted.iter().all(|word| text.contains(word)).then_some(())
        });
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shown.is_ok(), "{}", fs::read_to_string(&log).unwrap());
}

#[test]
fn projects_and_keys_on_a_stopped_folder() {
    let dir = folder();
    let made = on(dir.path(), &["project", "create", "--name", "Käse 🧀", "--json"]);
    let (project, key) = (made["project"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(project.starts_with("project_") && key.starts_with("ptk_"));
    let projects = on(dir.path(), &["project", "list", "--json"]);
    let found = projects.as_array().unwrap().iter().find(|one| one["id"] == project).unwrap();
    assert_eq!(found["name"], "Käse 🧀");
    assert!(found["created_at"].is_string());

    let limited = on(
        dir.path(),
        &["key", "create", "--project", project, "--permissions", "read_channels,create_channel", "--json"],
    );
    assert!(limited["id"].as_str().unwrap().starts_with("ptkid_"));
    let mut permissions: Vec<_> =
        limited["permissions"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    permissions.sort_unstable();
    assert_eq!(permissions, ["create_channel", "read_channels"]);
    let doomed = on(dir.path(), &["key", "create", "--project", project, "--permissions", "all", "--json"]);
    let _ = on(dir.path(), &["key", "revoke", doomed["id"].as_str().unwrap(), "--json"]);
    let keys = on(dir.path(), &["key", "list", "--project", project, "--json"]);
    let of = |id: &Value| keys.as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap().clone();
    assert_eq!((&of(&limited["id"])["project"], &of(&limited["id"])["revoked_at"]), (&json!(project), &Value::Null));
    assert!(of(&doomed["id"])["revoked_at"].is_string());
    assert!(!keys.to_string().contains(&key["ptk_".len()..]), "a list never shows a key");

    let server = Setup::default().start_in(dir);
    assert_eq!(server.api_with(key).get("/v1/channels").status, 200);
    let api = server.api_with(limited["key"].as_str().unwrap());
    api.channel("room", "public", json!({}));
    api.delete("/v1/channels/room").refused(403, "forbidden");
    server.api_with(doomed["key"].as_str().unwrap()).get("/v1/channels").refused(401, "invalid_auth");
}

#[test]
fn projects_and_keys_on_a_running_server_count_at_once() {
    let server = Server::start();
    let (project, key) = server.new_project("live");
    assert_eq!(server.api_with(&key).get("/v1/projects/@this").data()["project"]["id"], json!(project));
    let made = server.new_key_of(&project, "create_leap_token");
    let token = server.api_with(made["key"].as_str().unwrap()).token(json!({}));
    let mut leap = server.leap();
    assert_eq!(leap.identify(&project, Some(&token))["scope"], "token");
    let keys = || server.command(&["key", "list", "--project", &project, "--json"]);
    let entry = |id: &Value| keys().as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap().clone();
    until(std::time::Duration::from_secs(10), "the key's last use to be noted", || {
        entry(&made["id"])["last_used_at"].is_string().then_some(())
    });
    let _ = server.command(&["key", "revoke", made["id"].as_str().unwrap(), "--json"]);
    server.api_with(made["key"].as_str().unwrap()).post("/v1/channels/tokens", json!({})).refused(401, "invalid_auth");
    assert!(entry(&made["id"])["revoked_at"].is_string());
    let projects = server.command(&["project", "list", "--json"]);
    assert_eq!(projects.as_array().unwrap().len(), 2);
}

#[test]
fn two_projects_are_apart_in_everything_that_clients_see() {
    let server = Server::start();
    let (other, key) = server.new_project("other");
    let (mine, theirs) = (server.api(), server.api_with(&key));
    mine.channel("room", "unprotected", json!({}));
    assert_eq!(theirs.get("/v1/channels").data()["total_count"], 0);
    assert_eq!(theirs.get("/v1/channels/tokens").data()["tokens"], json!([]));
    let mut leap = server.leap();
    leap.identify(&other, None);
    assert_eq!(leap.refused("room"), "UNKNOWN");
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    let dir = folder();
    let project =
        on(dir.path(), &["project", "create", "--name", "x", "--json"])["project"].as_str().unwrap().to_owned();
    let said = fails_on(dir.path(), &["key", "create", "--project", &project, "--permissions", "read_channels,fly"]);
    assert!(said.stderr.contains("fly") && said.stderr.contains("publish_channel_messages"), "{said:#?}");
    let said = fails_on(dir.path(), &["key", "create", "--project", "project_none", "--permissions", "all"]);
    assert!(said.stderr.contains("project_none"), "{said:#?}");
    let said = fails_on(dir.path(), &["key", "revoke", "ptkid_none"]);
    assert!(said.stderr.contains("ptkid_none"), "{said:#?}");
    for args in [&["fly"][..], &["serve", "--fly"], &["key"], &["serve", "--listen", "nowhere"]] {
        let said = run(args);
        assert!(!said.ok && !said.stderr.is_empty() && !said.stderr.contains("panicked"), "{args:?}: {said:#?}");
    }
    assert!(run(&["--help"]).ok && run(&["--version"]).ok);
}

fn master_key(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let mut named = entries.filter(|path| path.file_name().unwrap().to_str().unwrap().contains("master"));
    let key = named.next().expect("a master key file in the data folder");
    assert!(named.next().is_none());
    key
}

fn write_key(file: &Path, content: &[u8]) {
    fs::write(file, content).unwrap();
    #[cfg(unix)]
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_wrong_missing_or_broken_master_key_stops_the_start_with_a_clear_error() {
    let mut server = Server::start();
    let token = server.api().token(json!({"user": 7}));
    server.stop();
    let other = Server::start();
    let dir = server.dir();
    let key = master_key(dir.path());
    let right = fs::read(&key).unwrap();
    let wrong = fs::read(master_key(other.dir().path())).unwrap();
    assert_ne!(right, wrong);
    for (what, content) in [
        ("wrong", Some(wrong)),
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("cut", Some(right[..right.len() / 2].to_vec())),
    ] {
        match content {
            Some(content) => write_key(&key, &content),
            None => fs::remove_file(&key).unwrap(),
        }
        let said = Setup::default().fails_in(dir.path());
        assert!(said.stderr.to_lowercase().contains("master key"), "{what}: {said:#?}");
        assert!(said.stdout.is_empty(), "{what}: {said:#?}");
        assert!(what != "missing" || !key.exists(), "a new key must not be put in the place of a lost one");
    }
    write_key(&key, &right);
    server.start_again();
    assert_eq!(server.identified(Some(&token)).1["metadata"], json!({"user": 7}), "nothing was harmed");
}

#[test]
#[cfg(unix)]
fn a_master_key_that_others_can_read_stops_the_start() {
    let mut server = Server::start();
    server.stop();
    let dir = server.dir();
    let key = master_key(dir.path());
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let said = Setup::default().fails_in(dir.path());
    assert!(said.stderr.contains("600"), "it says what to do: {said:#?}");
}

#[test]
fn a_port_or_a_folder_in_use_is_said_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let said = Setup::default().fails_on(folder().path(), &addr);
    assert!(said.stderr.contains(&addr) && said.stderr.contains("in use"), "{said:#?}");

    let server = Server::start();
    let addr = server.addr.to_string();
    let said = Setup::default().fails_on(folder().path(), &addr);
    assert!(said.stderr.contains(&addr) && said.stderr.contains("in use"), "two servers on one port: {said:#?}");
    let said = Setup::default().fails_in(server.dir().path());
    assert!(said.stderr.contains("in use") || said.stderr.contains("another"), "two servers on one folder: {said:#?}");
    assert_eq!(server.api().get("/v1/channels").status, 200);
}

#[test]
fn plain_http_on_a_public_address_needs_an_explicit_setting() {
    let dir = folder();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let said = Setup::default().fails_on(dir.path(), listen);
        assert!(said.stderr.contains("allow_plain_http"), "it names the setting: {said:#?}");
    }
    let mut child = binary::command(&["serve", "--listen", "0.0.0.0:0", "--announce", "json", "--data-dir"])
        .arg(dir.path().join("data"))
        .env("TOLLGATE_ALLOW_PLAIN_HTTP", "true")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut byte = [0];
    let started = child.stdout.take().unwrap().read(&mut byte).unwrap() == 1;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(started);
}

#[test]
fn configuration_is_checked_and_all_problems_are_told_at_once() {
    let dir = folder();
    let file = dir.path().join("tollgate.toml");
    let path = file.to_str().unwrap();
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        run(&["config", "check", "--config", path])
    };
    assert!(check("").ok);
    assert!(check("# nothing but a remark\n").ok);
    let said = check("colour = \"red\"\nlisten = \"nowhere\"\n[access_hook]\nurl = \"ftp://x\"\n");
    assert!(!said.ok);
    for word in ["colour", "listen", "access_hook"] {
        assert!(said.stderr.contains(word), "{word} is not told: {said:#?}");
    }
    for text in ["listen = ", "listen = 5", "[access_hook]\nurl = \"http://127.0.0.1/\"", "[no_such_table]\nx = 1"] {
        let said = check(text);
        assert!(!said.ok && !said.stderr.contains("panicked"), "{text}: {said:#?}");
    }
    fs::remove_file(&file).unwrap();
    let said = run(&["config", "check", "--config", path]);
    assert!(!said.ok && said.stderr.contains("tollgate.toml"), "{said:#?}");
    let said = Setup::default().config("colour = \"red\"\n").fails_in(dir.path());
    assert!(said.stderr.contains("colour"), "{said:#?}");
}

#[test]
fn configuration_is_printed_as_it_counts_and_without_secrets() {
    let dir = folder();
    let file = dir.path().join("tollgate.toml");
    let text = "[access_hook]\nurl = \"http://127.0.0.1:9/hook\"\nsecret = \"whsec_dGhlIHNlY3JldCBvZiBpdA\"\n";
    fs::write(&file, text).unwrap();
    let said = run(&["config", "print", "--config", file.to_str().unwrap()]);
    assert!(said.ok, "{said:#?}");
    assert!(said.stdout.contains("http://127.0.0.1:9/hook"), "{said:#?}");
    assert!(!said.stdout.contains("dGhlIHNlY3JldCBvZiBpdA"), "{said:#?}");
    let said = run(&["config", "print"]);
    fs::write(&file, &said.stdout).unwrap();
    let checked = run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(checked.ok, "what it prints it must accept: {checked:#?}\n{}", said.stdout);
}

#[test]
fn flags_win_over_environment_and_environment_over_file() {
    let server = Setup::default().config("listen = \"127.0.0.1:1\"\n").env("TOLLGATE_LISTEN", "127.0.0.1:2").start();
    assert_ne!(server.addr.port(), 1);
    let dir = folder();
    let file = dir.path().join("tollgate.toml");
    fs::write(&file, "listen = \"127.0.0.1:1111\"\n").unwrap();
    let printed = binary::command(&["config", "print", "--config", file.to_str().unwrap()])
        .env("TOLLGATE_LISTEN", "127.0.0.1:2222")
        .output()
        .unwrap();
    assert!(String::from_utf8(printed.stdout).unwrap().contains("127.0.0.1:2222"));
}
