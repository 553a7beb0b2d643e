//! What operators are told of a running server: metrics that add up with what its clients did, as many lines whatever they make, and a
//! readiness that is honest.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tollgate_testkit::{Http, Native, Reply, Server, Setup, binary, wait};

const LISTEN: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

fn ask(address: SocketAddr, method: &str, path: &str) -> Reply {
    Http::connect(address).unwrap().request(method, path, &[], None).unwrap()
}

fn operators(server: &Server) -> SocketAddr {
    server.metrics.expect("the server announces where its metrics are")
}

/// Every sample by its name and labels.
fn scrape(server: &Server) -> BTreeMap<String, f64> {
    let reply = ask(operators(server), "GET", "/metrics");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("{line:?}: {error}")))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn value(server: &Server, name: &str) -> f64 {
    scrape(server).get(name).copied().unwrap_or(0.0)
}

/// Waits until a metric has this value: some are told once a second.
fn becomes(server: &Server, name: &str, expected: f64) {
    let mut last = f64::NAN;
    wait(format!("{name} to become {expected}"), || {
        last = value(server, name);
        (last - expected).abs() < 1e-9
    });
}

#[test]
fn what_is_told_adds_up_with_what_clients_did() {
    let server = Setup::default().config(LISTEN).start();
    let api = server.api();
    api.channel("room", "public", json!({}));
    let made = server.v2("POST", "/v2/tokens", &json!({}));
    let (token, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    server.remember(secret);
    let (mut leap, _) = server.identified(Some(secret));
    leap.join("room");
    let (mut native, _) = Native::connect(&server, &json!({"token": secret}));
    native.ok("subscribe", &json!({"channel": "room"}));
    let (anonymous, _) = server.identified(None);
    for number in 0..5 {
        api.publish("room", "SAID", json!({"n": number}));
        leap.dispatch("MESSAGE");
        native.push("message");
    }
    api.get("/v1/channels/nowhere").refused(404, "not_found");
    for (name, expected) in [
        ("tollgate_realtime_connections{protocol=\"leap\"}", 2.0),
        ("tollgate_realtime_connections{protocol=\"native\"}", 1.0),
        ("tollgate_realtime_connections{protocol=\"events\"}", 0.0),
        ("tollgate_realtime_connections_opened_total{transport=\"websocket\"}", 3.0),
        ("tollgate_connects_total{outcome=\"accepted\"}", 3.0),
        ("tollgate_connect_seconds_count", 3.0),
        ("tollgate_publications_total", 5.0),
        ("tollgate_deliveries_total", 10.0),
        ("tollgate_channels", 1.0),
        ("tollgate_tokens", 1.0),
        ("tollgate_panics_total", 0.0),
        ("tollgate_http_requests_total{method=\"POST\",route=\"/v1/channels/:channel/messages\",status=\"2xx\"}", 5.0),
        ("tollgate_http_request_seconds_count{method=\"POST\",route=\"/v1/channels/:channel/messages\"}", 5.0),
        ("tollgate_http_requests_total{method=\"GET\",route=\"/v1/channels/:channel\",status=\"4xx\"}", 1.0),
    ] {
        becomes(&server, name, expected);
    }
    let sum_of = |server: &Server, name: &str| -> f64 {
        let all = scrape(server);
        all.iter().filter(|(one, _)| one.starts_with(name)).map(|(_, value)| value).sum()
    };
    wait("two subscriptions", || sum_of(&server, "tollgate_shard_subscriptions{").to_string() == "2");
    wait("bytes both ways", || {
        let all = scrape(&server);
        all["tollgate_realtime_sent_bytes_total"] > 500.0 && all["tollgate_realtime_received_bytes_total"] > 100.0
    });
    let all = scrape(&server);
    // A pass for each message and format, unless two messages ride one.
    assert!(
        (1.0..=10.0).contains(&all["tollgate_delivery_seconds_count"]),
        "{}",
        all["tollgate_delivery_seconds_count"]
    );
    assert!(all["tollgate_store_group_seconds_count"] >= 2.0 && all["tollgate_store_database_bytes"] > 0.0);
    assert_eq!(all["tollgate_store_group_seconds_count"], all["tollgate_store_commits_total"]);
    assert!(all["process_resident_memory_bytes"] > 1e6 && all["process_open_fds"] > 5.0);

    leap.close();
    anonymous.cut();
    becomes(&server, "tollgate_realtime_connections{protocol=\"leap\"}", 0.0);
    becomes(&server, "tollgate_realtime_connections_closed_total{reason=\"client_gone\"}", 2.0);
    becomes(&server, "tollgate_realtime_connections{protocol=\"native\"}", 1.0);
    server.v2("DELETE", &format!("/v2/tokens/{token}"), &Value::Null);
    becomes(&server, "tollgate_realtime_connections_closed_total{reason=\"token_revoked\"}", 1.0);
    assert_eq!(sum_of(&server, "tollgate_realtime_connections_closed_total").to_string(), "3");
}

#[test]
fn what_customers_make_makes_no_more_lines() {
    let server = Setup::default().config(LISTEN).start();
    let touch = |round: usize| {
        server.v2("POST", "/v2/channels", &json!({"id": format!("channel-{round}"), "type": "public"}));
        server.v2("POST", &format!("/v2/channels/channel-{round}/messages"), &json!({"event": "said"}));
        server.v2("POST", "/v2/tokens", &json!({"user_id": format!("user-{round}")}));
        let (leap, _) = server.identified(None);
        leap.close();
    };
    touch(0);
    becomes(&server, "tollgate_realtime_connections_closed_total{reason=\"client_gone\"}", 1.0);
    let before = scrape(&server);
    (1..300).for_each(touch);
    becomes(&server, "tollgate_channels", 300.0);
    becomes(&server, "tollgate_tokens", 300.0);
    let after = scrape(&server);
    let more: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).take(5).collect();
    assert!(more.is_empty() && after.len() == before.len(), "{} lines became {}: {more:?}", before.len(), after.len());
    for name in after.keys() {
        assert!(!name.contains("channel-") && !name.contains("user-"), "{name}");
    }
}

#[test]
fn the_address_for_operators_has_nothing_else_and_the_other_has_no_metrics() {
    let server = Setup::default().config(LISTEN).start();
    let operators = operators(&server);
    for (address, method, path, status) in [
        (operators, "GET", "/livez", 200),
        (operators, "GET", "/readyz", 200),
        (operators, "HEAD", "/metrics", 200),
        (operators, "POST", "/metrics", 405),
        (operators, "GET", "/", 404),
        (operators, "GET", "/v2/channels", 404),
        (operators, "GET", "/v1/channels", 404),
        (server.addr, "GET", "/metrics", 404),
        (server.addr, "GET", "/readyz", 200),
    ] {
        assert_eq!(ask(address, method, path).status, status, "{method} {path}");
    }
    let ready: Value = serde_json::from_slice(&ask(server.addr, "GET", "/readyz").body).unwrap();
    assert_eq!(ready, json!({"status": "ready", "store": "ok", "disk": "ok", "shards": "ok"}));
    // Several requests on one connection, as Prometheus makes them.
    let mut http = Http::connect(operators).unwrap();
    for _ in 0..3 {
        assert_eq!(http.request("GET", "/metrics", &[], None).unwrap().status, 200);
    }
}

#[test]
fn without_a_setting_the_command_prints_them() {
    let mut server = Server::start();
    assert_eq!(server.metrics, None);
    server.api().channel("room", "public", json!({}));
    let data = server.data();
    let command = ["metrics", "--data-dir", data.to_str().unwrap()];
    let said = binary::run(&command);
    assert!(said.ok && said.stdout.lines().any(|line| line == "tollgate_channels 1"), "{said:?}");
    server.stop();
    let said = binary::run(&command);
    assert!(!said.ok && said.stderr.contains("No server runs"), "{said:?}");
}

#[test]
fn a_store_that_cannot_write_is_not_ready_until_it_can() {
    // So that it is the store that says no, and not the look at the disk.
    let settings = format!("{LISTEN}\n[store]\nfree_bytes_min = 0\n");
    let Some(setup) = Setup::default().config(&settings).on_small_disk(8 * 1024 * 1024) else {
        writeln!(std::io::stderr(), "SKIPPED a_store_that_cannot_write…: no small disk can be mounted here").unwrap();
        return;
    };
    let server = setup.start();
    assert_eq!(ask(server.addr, "GET", "/readyz").status, 200);
    // The server alone sees its disk; this is the way to it from outside.
    let ballast = format!("/proc/{}/root{}/ballast", server.pid(), server.data().display());
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let readiness = || {
        let reply = ask(server.addr, "GET", "/readyz");
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let failing = json!({"status": "unavailable", "store": "failing", "disk": "ok", "shards": "ok"});
    // The store has written some room ahead of its log; until that is used up it can write.
    let large = format!(r#"{{"type":"public","state":{{"x":"{}"}}}}"#, "x".repeat(30_000));
    let mut number = 0;
    wait("a full disk to be noticed", || {
        for body in [large.as_str(), r#"{"type":"public","state":{}}"#] {
            for _ in 0..20 {
                number += 1;
                let _full = server.api().try_call("PUT", &format!("/v1/channels/room-{number}"), Some(body.as_bytes()));
            }
        }
        readiness() == (503, failing.clone())
    });
    assert_eq!(ask(operators(&server), "GET", "/readyz").status, 503);
    assert_eq!(ask(server.addr, "GET", "/livez").status, 200, "it is alive all the same");
    assert!(value(&server, "tollgate_store_failures_total") >= 1.0);
    drop(file);
    fs::remove_file(&ballast).unwrap();
    wait("room to be noticed", || readiness().0 == 200);
}

#[test]
fn a_disk_that_is_almost_full_is_not_ready_before_the_store_fails() {
    let readiness = |server: &Server| {
        let reply = ask(server.addr, "GET", "/readyz");
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let low = json!({"status": "unavailable", "store": "ok", "disk": "low", "shards": "ok"});
    // More than any disk has: seen everywhere, also where no small disk can be mounted.
    let wants_much = format!("{LISTEN}\n[store]\nfree_bytes_min = 1125899906842624\n");
    let server = Setup::default().config(&wants_much).start();
    assert_eq!(readiness(&server), (503, low.clone()));
    assert_eq!(ask(operators(&server), "GET", "/readyz").status, 503);
    assert_eq!(ask(server.addr, "GET", "/livez").status, 200);
    server.api().channel("room", "public", json!({}));
    drop(server);

    let settings = format!("{LISTEN}\n[store]\nfree_bytes_min = 4194304\n");
    let Some(setup) = Setup::default().config(&settings).on_small_disk(16 * 1024 * 1024) else {
        writeln!(std::io::stderr(), "SKIPPED half of a_disk_that_is_almost_full…: no small disk can be mounted here")
            .unwrap();
        return;
    };
    let server = setup.start();
    assert_eq!(readiness(&server).0, 200);
    let ballast = format!("/proc/{}/root{}/ballast", server.pid(), server.data().display());
    let mut file = fs::File::create(&ballast).unwrap();
    wait("a disk that fills up to be noticed", || {
        // Until there is a little less than it wants.
        if value(&server, "tollgate_store_free_bytes") >= 4_194_304.0 {
            file.write_all(&[1; 65_536]).unwrap();
        }
        readiness(&server) == (503, low.clone())
    });
    server.api().channel("room", "public", json!({}));
    assert!(value(&server, "tollgate_store_failures_total") < 1.0, "the store has not failed yet");
    drop(file);
    fs::remove_file(&ballast).unwrap();
    wait("room to be noticed", || readiness(&server).0 == 200);
}
