//! Hostile HTTP and TLS: slow, huge, broken, cut short, and too many. After each, an honest client is served at once.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "support/client.rs"]
mod client;
mod support;

use std::io::{BufRead, BufReader};
use std::net::{Shutdown, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::{Client, Got, connect, echo, eventually};
use tollgate_gateway::Limits;
use tollgate_gateway::gateway::Gateway;

/// Limits with short deadlines, so that tests need not wait for the long ones.
fn short() -> Limits {
    Limits {
        header_deadline_ms: 700,
        idle_deadline_ms: 2_000,
        request_deadline_ms: 700,
        tls_handshake_deadline_ms: 700,
        write_stall_ms: 700,
        connections_max: 10_000,
        connections_per_address_max: 5_000,
        ..Limits::default()
    }
}

fn gateway(limits: Limits) -> Gateway {
    support::start("127.0.0.1:0".parse().unwrap(), 1, limits, None)
}

/// An honest request and an honest WebSocket, now.
fn serves(address: SocketAddr) {
    let started = Instant::now();
    let mut client = connect(address);
    client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200"));
    let mut client = echo(address);
    client.text("probe");
    assert_eq!(client.next(), Got::Text("probe".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(1), "an honest client waited {:?}", started.elapsed());
}

#[test]
fn a_header_sent_byte_by_byte_ends_at_the_deadline() {
    let gateway = gateway(short());
    let mut client = connect(gateway.address());
    let started = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x')) {
        if !client.write(&[*byte]) || started.elapsed() > Duration::from_secs(5) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_millis(650) && elapsed < Duration::from_secs(3), "{elapsed:?}");
    eventually("it is forgotten", || gateway.connections() == 0);
    serves(gateway.address());
}

#[test]
fn a_silent_connection_ends_at_the_deadline() {
    let gateway = gateway(short());
    let mut client = connect(gateway.address());
    assert_eq!(client.rest(), "");
    let mut client = connect(gateway.address());
    client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let answered = Instant::now();
    assert!(client.rest().ends_with("hello"));
    let idle = answered.elapsed();
    assert!(idle > Duration::from_millis(1_900), "an idle connection was closed after {idle:?}");
    // A head that has begun is not idle.
    let mut client = connect(gateway.address());
    client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.answer().ends_with("hello"));
    let begun = Instant::now();
    client.write(b"GET / HTT");
    assert_eq!(client.rest(), "");
    assert!(begun.elapsed() < Duration::from_millis(1_800), "{:?}", begun.elapsed());
}

#[test]
fn a_mebibyte_of_header_one_byte_at_a_time_is_refused_early() {
    let gateway = gateway(Limits::default());
    let mut client = connect(gateway.address());
    client.write(b"GET / HTTP/1.1\r\nX-Huge: ");
    let mut sent = 0;
    while sent < 1024 * 1024 && client.write(b"x") {
        sent += 1;
    }
    assert!(sent < 1024 * 1024, "the server took all of it");
    eventually("it is forgotten", || gateway.connections() == 0);
    let mut client = connect(gateway.address());
    client.write(&[b"GET / HTTP/1.1\r\nX-Huge: ".to_vec(), vec![b'x'; 17 * 1024], b"\r\n\r\n".to_vec()].concat());
    assert!(client.head().starts_with("HTTP/1.1 431"));
    serves(gateway.address());
}

#[test]
fn too_many_headers_are_refused() {
    let gateway = gateway(Limits::default());
    for (headers, status) in [(60, "200"), (65, "431"), (2_000, "431")] {
        let mut client = connect(gateway.address());
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(headers));
        client.write(request.as_bytes());
        let head = client.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{headers} headers: {head}");
    }
    serves(gateway.address());
}

#[test]
fn random_bytes_in_every_header_get_an_answer_or_an_end() {
    let gateway = gateway(short());
    let names = [
        "Host",
        "Connection",
        "Upgrade",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "Origin",
        "Cookie",
        "Expect",
    ];
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..20 {
        for name in names {
            let junk: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .filter(|byte| round % 2 == 0 || !b"\r\n\0".contains(byte))
            .take(64)
            .collect();
            let (before, after) = client::HANDSHAKE.split_at(client::HANDSHAKE.len() - 2);
            let request = [before.as_bytes(), name.as_bytes(), b": ", &junk, b"\r\n", after.as_bytes()].concat();
            let mut client = connect(gateway.address());
            client.write(&request);
            let _gone = client.stream.shutdown(Shutdown::Write);
            let _answer = client.rest();
        }
    }
    assert_eq!(gateway.counters().panics.get(), 0);
    serves(gateway.address());
}

#[test]
fn bodies_cut_short_or_never_sent_do_not_stay() {
    let gateway = gateway(short());
    let mut silent = connect(gateway.address());
    silent.write(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome");
    let mut cut = connect(gateway.address());
    cut.write(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome");
    cut.stream.shutdown(Shutdown::Write).unwrap();
    let mut chunked = connect(gateway.address());
    chunked.write(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx");
    for client in [&mut cut, &mut chunked] {
        let answer = client.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let answer = silent.rest();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    eventually("they are forgotten", || gateway.connections() == 0);
    serves(gateway.address());
}

#[test]
fn a_handler_that_panics_or_never_answers_costs_one_request() {
    let gateway = gateway(short());
    for (path, status) in [("/panic", "500"), ("/slow", "408")] {
        let mut client = connect(gateway.address());
        client.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        let answer = client.rest();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("application/json"), "{answer}");
    }
    assert_eq!((gateway.counters().panics.get(), gateway.counters().http_overdue.get()), (1, 1));
    serves(gateway.address());
}

#[test]
fn an_answer_that_is_not_read_does_not_stay() {
    let gateway = gateway(short());
    let mut client = connect(gateway.address());
    client.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    eventually("it is served", || gateway.connections() == 1);
    eventually("it is dropped", || gateway.connections() == 0);
}

#[test]
fn one_address_and_the_unauthenticated_have_their_limits() {
    let gateway = gateway(Limits { connections_per_address_max: 3, ..Limits::default() });
    let held: Vec<_> = (0..3).map(|_| echo(gateway.address())).collect();
    let answer = connect(gateway.address()).rest();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("at most 3 connections"), "{answer}");
    drop(held);
    eventually("the address is free again", || gateway.connections() == 0);
    serves(gateway.address());

    let gateway =
        support::start("127.0.0.1:0".parse().unwrap(), 1, Limits { connections_max: 40, ..Limits::default() }, None);
    let _held: Vec<_> = (0..10).map(|_| echo(gateway.address())).collect();
    assert!(connect(gateway.address()).rest().contains("not identified"));
    assert_eq!(gateway.counters().refused_unauthenticated.get(), 1);
}

mod tls {
    use super::*;
    use std::sync::Arc;

    fn gateway(limits: Limits) -> (Gateway, rustls::ClientConfig) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = own.signing_key.serialize_pem();
        let gateway = support::start("127.0.0.1:0".parse().unwrap(), 1, limits, Some((&own.cert.pem(), &key)));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        (gateway, config.with_root_certificates(roots).with_no_client_auth())
    }

    type TlsClient = Client<rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>>;

    fn echo_over_tls(gateway: &Gateway, config: &rustls::ClientConfig) -> TlsClient {
        let name = "localhost".try_into().unwrap();
        let session = rustls::ClientConnection::new(Arc::new(config.clone()), name).unwrap();
        let mut client = Client::over(rustls::StreamOwned::new(session, connect(gateway.address()).stream));
        client.upgrade();
        client
    }

    #[test]
    fn a_websocket_works_over_tls_in_both_directions_and_ends_properly() {
        let (gateway, config) = gateway(Limits::default());
        let mut client = echo_over_tls(&gateway, &config);
        client.text("hello");
        assert_eq!(client.next(), Got::Text("hello".to_owned()));
        client.text(&"y".repeat(4_000));
        assert_eq!(client.next(), Got::Text("y".repeat(4_000)));
        client.text("flood 800");
        (0..800).for_each(|_| assert!(matches!(client.next(), Got::Text(text) if text.len() == 1024)));
        gateway.drain();
        assert_eq!(client.closed_with().0, 1012);
        gateway.join().unwrap();
    }

    #[test]
    fn half_handshakes_end_at_the_deadline_and_do_not_stop_whole_ones() {
        let (gateway, config) = gateway(Limits { tls_handshakes_per_shard_max: 1_000, ..short() });
        let halves: Vec<_> = (0..500)
            .map(|_| {
                let mut client = connect(gateway.address());
                client.write(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
                client
            })
            .collect();
        let mut client = echo_over_tls(&gateway, &config);
        client.text("hello");
        assert_eq!(client.next(), Got::Text("hello".to_owned()));
        let mut plain = connect(gateway.address());
        plain.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(!plain.rest().contains("HTTP"));
        eventually("half handshakes are forgotten", || gateway.counters().tls_handshakes_failed.get() == 501);
        eventually("nothing is held for them", || gateway.connections() == 1);
        drop(halves);
    }
}

/// The echo example in a process that may open 100 descriptors: with the usual reserve it refuses connections before they run out; without
/// one they do run out.
#[test]
fn when_descriptors_run_out_it_goes_on() {
    for (reserved, counter) in [("64", "refused_node_full"), ("0", "accept_paused")] {
        let counters = starve(reserved);
        let marker = format!("(\"{counter}\", ");
        let counted = counters.split(&marker).nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        assert!(counted.parse::<u64>().unwrap() > 0, "{counter} in {counters}");
    }
}

/// Floods the example with connections; answers what it counted.
fn starve(descriptors_reserved: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples/echo");
    assert!(example.exists(), "build it first: cargo build --package tollgate-gateway --example echo");
    let mut server = Command::new("sh")
        .args(["-c", "ulimit -n 100; exec \"$0\" 127.0.0.1:0 1 \"$1\""])
        .arg(&example)
        .arg(descriptors_reserved)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().strip_prefix("listening ").unwrap().parse().unwrap();
    let mut held: Vec<_> = (0..30).map(|_| echo(address)).collect();
    let flood: Vec<_> = (0..300).map(|_| connect(address)).collect();
    // Long enough for the flood to be met, then what was there before still works.
    for old in &mut held {
        old.text("old connections work");
        assert_eq!(old.next(), Got::Text("old connections work".to_owned()));
    }
    drop((flood, held));
    eventually("it accepts again", || {
        let mut client = connect(address);
        client.write(client::HANDSHAKE.as_bytes());
        client.head().starts_with("HTTP/1.1 101")
    });
    drop(server.stdin.take());
    let output = server.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stderr).unwrap()
}
