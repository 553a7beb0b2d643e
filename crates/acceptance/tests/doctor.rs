//! `tollgate doctor` on real folders: what it finds, how it ends, and that it changes nothing. What it thinks of machines that are not at hand is tested
//! beside its code.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tollgate_testkit::{Server, Setup, binary};

/// Runs it; gives its exit code and what it said.
fn doctor(data: &Path, more: &[&str]) -> (i32, Value) {
    let output =
        binary::command(&["doctor", "--json", "--data-dir", data.to_str().unwrap()]).args(more).output().unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), said)
}

/// What it found of one thing.
fn check<'a>(said: &'a Value, name: &str) -> &'a Value {
    said["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{said:#}"))
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_server_is_looked_at_running_and_stopped() {
    let mut server = Server::start();
    server.api().token(json!({"user": 7}));
    server.v2("PATCH", "/v2/project", &json!({"allowed_origins": ["http://a.example"]}));
    for running in [true, false] {
        if !running {
            server.stop();
        }
        let (code, said) = doctor(&server.data(), &[]);
        let code_of = |word: &Value| ["ok", "warn", "fail"].iter().position(|one| word == one).unwrap();
        assert_eq!(usize::try_from(code).unwrap(), code_of(&said["verdict"]), "{said:#}");
        for name in ["server", "data folder", "database", "records", "master key", "key age", "clock", "network"] {
            assert_eq!(check(&said, name)["verdict"], "ok", "{said:#}");
        }
        let found = check(&said, "server")["found"].as_str().unwrap().to_owned();
        assert_eq!(found.contains(&format!("process {}", server.pid())), running, "{found}");
        assert_eq!(check(&said, "origins")["verdict"], "warn", "{said:#}");
        assert!(code >= 1);
    }
}

#[test]
fn what_is_open_to_others_or_missing_is_a_failure() {
    let mut server = Server::start();
    server.stop();
    let data = server.data();
    let failed = |name: &str, advice: &str, more: &[&str]| {
        let (code, said) = doctor(&data, more);
        let check = check(&said, name);
        assert_eq!((code, &check["verdict"]), (2, &json!("fail")), "{said:#}");
        assert!(check["advice"].as_str().unwrap().contains(advice), "{check}");
    };
    mode(&data, 0o755);
    failed("data folder", "chmod 700", &[]);
    mode(&data, 0o700);
    mode(&data.join("master.key"), 0o644);
    failed("master key", "chmod 600", &[]);
    mode(&data.join("master.key"), 0o600);
    mode(&data.join("tollgate.db"), 0o644);
    failed("database", "chmod 600", &[]);
    assert_eq!(
        fs::metadata(data.join("tollgate.db")).unwrap().permissions().mode() & 0o777,
        0o600,
        "opened, it is closed to others"
    );
    let key = fs::read(data.join("master.key")).unwrap();
    fs::remove_file(data.join("master.key")).unwrap();
    failed("master key", "bring it back", &[]);
    assert!(!data.join("master.key").exists(), "and none is made");
    fs::write(data.join("master.key"), &key).unwrap();
    mode(&data.join("master.key"), 0o600);

    let config = server.dir().path().join("open.toml");
    fs::write(&config, "listen = \"0.0.0.0:0\"\nallow_plain_http = true\n").unwrap();
    failed("network", "trusted_proxies", &["--config", config.to_str().unwrap()]);
    fs::write(&config, "fly = true\n").unwrap();
    failed("settings", "config print", &["--config", config.to_str().unwrap()]);
    // Of an older version: told, and not brought up to date.
    let mut bytes = fs::read(data.join("tollgate.db")).unwrap();
    bytes[63] -= 1;
    fs::write(data.join("tollgate.db"), &bytes).unwrap();
    let (_, said) = doctor(&data, &[]);
    assert_eq!(check(&said, "database")["verdict"], "warn", "{said:#}");
    assert_eq!(fs::read(data.join("tollgate.db")).unwrap(), bytes);
    fs::write(data.join("tollgate.db"), "a diary ".repeat(100)).unwrap();
    failed("database", "restore a backup", &[]);
}

#[test]
fn where_nothing_is_nothing_is_made_and_people_are_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (_, said) = doctor(&data, &[]);
    assert_eq!(check(&said, "server")["verdict"], "warn", "{said:#}");
    assert!(!data.exists());
    let said = binary::run(&["doctor", "--data-dir", data.to_str().unwrap()]);
    assert!(said.stdout.contains("warn  server") && said.stdout.contains("-> name the one"), "{said:#?}");
}

/// A certificate for `localhost` that lives 90 days and ends in so many, and its key, as files.
fn certificate(dir: &Path, days_left: u64) -> String {
    const DAY: Duration = Duration::from_secs(86_400);
    let now = rcgen::date_time_ymd(1970, 1, 1) + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let left = u32::try_from(days_left).unwrap();
    params.not_before = now - DAY * (90 - left);
    params.not_after = now + DAY * left;
    let key = rcgen::KeyPair::generate().unwrap();
    let (certificate, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
    fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    mode(&key_file, 0o600);
    format!("[tls]\ncertificate = {certificate:?}\nkey = {key_file:?}\n")
}

#[test]
fn a_running_server_is_looked_at_as_it_really_serves() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("tollgate.toml");
    let settings = certificate(dir.path(), 3);
    fs::write(&config, &settings).unwrap();
    let mut server = Setup::default().config(&settings).start();
    let with = ["--config", config.to_str().unwrap()];
    for more in [&with[..], &[]] {
        // Without the settings it only knows what the server says.
        let (_, said) = doctor(&server.data(), more);
        let network = check(&said, "network")["found"].as_str().unwrap();
        assert!(network.contains(&server.addr.to_string()) && network.contains("TLS"), "{said:#}");
        assert_eq!(check(&said, "certificate")["verdict"], "fail", "{said:#}");
    }
    server.stop();
    for (days, verdict) in [(3, "fail"), (20, "warn"), (60, "ok")] {
        certificate(dir.path(), days);
        let (_, said) = doctor(&server.data(), &with);
        assert_eq!(check(&said, "certificate")["verdict"], verdict, "{said:#}");
    }
    fs::write(dir.path().join("cert.pem"), "nothing").unwrap();
    assert_eq!(check(&doctor(&server.data(), &with).1, "certificate")["verdict"], "fail");
    let (_, said) = doctor(&server.data(), &[]);
    assert_eq!(check(&said, "certificate")["found"], "none, without TLS", "{said:#}");
}

#[test]
fn the_consoles_own_address_is_looked_at_running_and_in_the_settings() {
    let mut server = Setup::default().config("[console]\nlisten = \"127.0.0.1:0\"\n").start();
    let own = server.console_listen.unwrap().to_string();
    let (_, said) = doctor(&server.data(), &[]);
    let console = check(&said, "console");
    assert_eq!(console["verdict"], "ok", "{said:#}");
    assert!(console["found"].as_str().unwrap().contains(&format!("plain HTTP on {own}, where")), "{said:#}");
    server.stop();
    let (_, said) = doctor(&server.data(), &[]);
    assert_eq!(check(&said, "console")["found"], "it has no address of its own", "{said:#}");
    let config = server.dir().path().join("open.toml");
    fs::write(&config, "allow_plain_http = true\n[console]\nlisten = \"0.0.0.0:0\"\n").unwrap();
    let (code, said) = doctor(&server.data(), &["--config", config.to_str().unwrap()]);
    let console = check(&said, "console");
    assert_eq!((code, &console["verdict"], &check(&said, "network")["verdict"]), (2, &json!("fail"), &json!("ok")));
    assert!(console["found"].as_str().unwrap().contains("passwords"), "{said:#}");
}
