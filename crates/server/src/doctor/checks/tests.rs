//! A machine that is well, and the same machine ill in one way after the other.
#![allow(clippy::unwrap_used)]

use tollgate_core::clock::UnixMillis;
use tollgate_store_sqlite::Schema;

use super::super::Verdict;
use super::super::facts::{Disk, Facts, Place, Server};
use super::all;
use crate::admin::Serving;

const NOW: u64 = 1_800_000_000_000;

/// From when to when, in days from now.
fn good(from: i64, until: i64) -> (UnixMillis, UnixMillis) {
    let at = |days: i64| UnixMillis(NOW.saturating_add_signed(days * 86_400_000 + 1));
    (at(from), at(until))
}

fn well() -> Facts {
    let place = |path: &str, mode| Place { path: path.into(), mode, owner: 7, changed: UnixMillis(NOW - 1_000) };
    Facts {
        user: 7,
        now: UnixMillis(NOW),
        version: "1.2.3",
        server: Server::Running { version: "1.2.3".into(), pid: 9, serving: None },
        folder: Some(place("data", 0o700)),
        database: Some(place("data/tollgate.db", 0o600)),
        data_bytes: 5_000,
        schema: Some(Ok(Schema { found: 2, known: 2 })),
        key_path: Some("data/master.key".into()),
        key: Some(place("data/master.key", 0o600)),
        secrets: vec![place("tls.key", 0o600)],
        disk: Some(Disk { kind: 0xEF53, bytes: 100 << 30, bytes_free: 50 << 30 }),
        descriptors: Some(2_000_000),
        connections_max: 1_000_000,
        cores: 4,
        shards: 4,
        listen: "0.0.0.0:443".parse().unwrap(),
        console: None,
        tls: true,
        certificate: Some(Ok(good(-30, 60))),
        acme: false,
        proxies: false,
        outbound_private: false,
        somaxconn: Some(4_096),
        tcp_wmem: Some([4_096, 16_384, 4_194_304]),
        origins: Some(Ok(vec![("project_a".into(), vec!["https://a.example".into(), "http://localhost:3000".into()])])),
    }
}

#[test]
fn a_machine_that_is_well_has_nothing_to_be_told() {
    for check in all(&well()) {
        assert_eq!((check.verdict, &check.advice), (Verdict::Ok, &None), "{check:?}");
    }
    // One that was never started has but one thing.
    let new = Facts {
        server: Server::NoFolder,
        folder: None,
        database: None,
        schema: None,
        key: None,
        origins: None,
        ..well()
    };
    let told: Vec<_> = all(&new).into_iter().filter(|check| check.verdict != Verdict::Ok).map(|one| one.name).collect();
    assert_eq!(told, ["server"]);
}

#[test]
fn each_illness_is_found_by_its_check_alone() {
    use Verdict::{Fail, Warn};
    fn open(place: &mut Option<Place>, mode: u32) {
        place.as_mut().unwrap().mode = mode;
    }
    fn free(facts: &mut Facts, mib: u64) {
        facts.disk.as_mut().unwrap().bytes_free = mib << 20;
    }
    fn kind(facts: &mut Facts, kind: u64) {
        facts.disk.as_mut().unwrap().kind = kind;
    }
    fn origin(facts: &mut Facts, origin: &str) {
        facts.origins = Some(Ok(vec![("project_a".into(), vec![origin.into()])]));
    }
    type Make = fn(&mut Facts);
    let illnesses: &[(&str, Verdict, &str, Make)] = &[
        ("server", Fail, "hangs", |f| f.server = Server::Silent { why: "timed out".into() }),
        ("server", Warn, "restart", |f| f.server = Server::Running { version: "1.2.2".into(), pid: 9, serving: None }),
        ("data folder", Fail, "chmod 700 data", |f| open(&mut f.folder, 0o750)),
        ("data folder", Warn, "same user", |f| f.folder.as_mut().unwrap().owner = 8),
        ("database", Fail, "chmod 600 data/tollgate.db", |f| open(&mut f.database, 0o644)),
        ("database", Warn, "backup before", |f| f.schema = Some(Ok(Schema { found: 1, known: 2 }))),
        ("database", Fail, "newer", |f| f.schema = Some(Ok(Schema { found: 3, known: 2 }))),
        ("database", Fail, "restore", |f| f.schema = Some(Err("no database".into()))),
        ("records", Fail, "restore", |f| f.origins = Some(Err("damaged".into()))),
        ("master key", Fail, "chmod 600 data/master.key", |f| open(&mut f.key, 0o640)),
        ("master key", Fail, "bring it back", |f| f.key = None),
        ("key age", Warn, "keyring rotate master", |f| {
            f.key.as_mut().unwrap().changed = UnixMillis(NOW - 366 * 86_400_000)
        }),
        ("secret files", Fail, "chmod 600 tls.key", |f| f.secrets[0].mode = 0o604),
        ("disk", Fail, "make room", |f| free(f, 200)),
        ("disk", Warn, "make room", |f| free(f, 1_000)),
        ("disk", Warn, "as much again", |f| f.data_bytes = 60 << 30),
        ("file system", Fail, "local disk", |f| kind(f, 0x6969)),
        ("file system", Fail, "local disk", |f| kind(f, 0xFF53_4D42)),
        ("file system", Warn, "outlives", |f| kind(f, 0x0102_1994)),
        ("clock", Fail, "NTP", |f| f.database.as_mut().unwrap().changed = UnixMillis(NOW + 3_600_000)),
        ("descriptors", Fail, "LimitNOFILE", |f| f.descriptors = Some(1_000)),
        ("descriptors", Warn, "64488 connections fit", |f| f.descriptors = Some(65_000)),
        ("cores", Warn, "shards = 0", |f| f.shards = 8),
        ("backlog", Warn, "somaxconn=4096", |f| f.somaxconn = Some(128)),
        ("send buffers", Warn, "4194304", |f| f.tcp_wmem = Some([4_096, 16_384, 32_768])),
        ("network", Fail, "trusted_proxies", |f| (f.tls, f.certificate) = (false, None)),
        ("console", Fail, "trusted_proxies", |f| {
            // The clients' address is within the machine.
            (f.listen, f.console) = ("127.0.0.1:80".parse().unwrap(), Some("10.0.0.1:81".parse().unwrap()));
            (f.tls, f.certificate) = (false, None);
        }),
        ("certificate", Warn, "tls.key", |f| f.certificate = Some(Ok(good(-70, 20)))),
        ("certificate", Fail, "tls.key", |f| f.certificate = Some(Ok(good(-84, 6)))),
        ("certificate", Fail, "tls.key", |f| f.certificate = Some(Ok(good(-90, -1)))),
        ("certificate", Fail, "NTP", |f| f.certificate = Some(Ok(good(1, 90)))),
        ("certificate", Fail, "correct", |f| f.certificate = Some(Err("no PEM".into()))),
        ("certificate", Warn, "port 443", |f| (f.certificate, f.acme) = (None, true)),
        ("certificate", Fail, "port 443", |f| (f.certificate, f.acme) = (Some(Ok(good(-84, 6))), true)),
        // Those that live for six days are renewed with two left.
        ("certificate", Warn, "tls.key", |f| f.certificate = Some(Ok(good(-5, 1)))),
        ("certificate", Fail, "tls.key", |f| f.certificate = Some(Ok(good(-6, 0)))),
        ("origins", Fail, "name the pages", |f| origin(f, "https://*")),
        ("origins", Warn, "over https", |f| origin(f, "http://a.example")),
        ("outbound", Warn, "allowed_hosts", |f| f.outbound_private = true),
    ];
    for (name, verdict, advice, make) in illnesses {
        let mut facts = well();
        make(&mut facts);
        let told: Vec<_> = all(&facts).into_iter().filter(|check| check.verdict != Verdict::Ok).collect();
        let [one] = told.as_slice() else { panic!("{name}: {told:#?}") };
        assert_eq!((one.name, one.verdict), (*name, *verdict), "{one:?}");
        assert!(one.advice.as_ref().unwrap().contains(advice), "{one:?}");
    }
    // A clock that was reset is behind the last record, too.
    let reset = Facts { now: UnixMillis(0), ..well() };
    assert!(
        all(&reset).iter().any(|check| check.name == "clock" && check.verdict == Fail && check.found.contains("past"))
    );
    let names: std::collections::BTreeSet<_> = illnesses.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), all(&well()).len(), "every check was seen to find something");
}

#[test]
fn plain_http_is_well_where_nobody_else_or_a_proxy_listens() {
    for (listen, proxies, is_well) in [
        ("127.0.0.1:80", false, true),
        ("[::1]:80", false, true),
        ("10.0.0.1:80", true, true),
        ("[::]:80", false, false),
    ] {
        let listen = listen.parse().unwrap();
        let within = "127.0.0.1:90".parse().unwrap();
        for (name, listen, console) in [("network", listen, None), ("console", within, Some(listen))] {
            let facts = Facts { listen, console, proxies, tls: false, certificate: None, ..well() };
            let ill: Vec<_> = all(&facts).into_iter().filter(|check| check.verdict != Verdict::Ok).collect();
            let told: Vec<_> = ill.iter().map(|check| check.name).collect();
            assert_eq!(told, if is_well { vec![] } else { vec![name] }, "{listen} {proxies}");
        }
    }
}

#[test]
fn the_addresses_are_those_that_are_really_listened_on() {
    let found = |facts: &Facts, name: &str| all(facts).into_iter().find(|check| check.name == name).unwrap().found;
    let (listen, console) = ("127.0.0.1:4123".parse().unwrap(), Some("127.0.0.1:4124".parse().unwrap()));
    let serving = Serving { listen, console, tls: false, certificate: None };
    let server = Server::Running { version: "1.2.3".into(), pid: 9, serving: Some(serving) };
    let running = Facts { server, listen, console, tls: false, certificate: None, ..well() };
    for (name, at) in [("network", "127.0.0.1:4123"), ("console", "127.0.0.1:4124")] {
        let said = found(&running, name);
        assert!(said.contains(&format!("{at}, where the server listens")), "{said}");
    }
    assert_eq!(found(&Facts { console: None, ..running.clone() }, "console"), "it has no address of its own");
    let any = "127.0.0.1:0".parse().unwrap();
    let any = Facts { server: Server::Stopped, listen: any, console: Some(any), ..running };
    for name in ["network", "console"] {
        assert!(found(&any, name).contains("127.0.0.1, any port"), "{}", found(&any, name));
    }
    for facts in [any, Facts { certificate: Some(Ok(good(-2, 4))), ..well() }] {
        let check = all(&facts).into_iter().find(|check| check.name == "certificate").unwrap();
        assert_eq!((check.verdict, check.advice), (Verdict::Ok, None), "{}", check.found);
    }
}
