//! Event streams over real sockets: opening in every way, what is refused before, every way to end, limits, and the drain.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "support/client.rs"]
mod client;
mod support;

use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use client::{Client, Got, connect, echo, eventually};
use tollgate_gateway::Limits;
use tollgate_gateway::gateway::Gateway;

fn gateway(limits: Limits) -> Gateway {
    support::start("127.0.0.1:0".parse().unwrap(), 2, limits, None)
}

/// The client of a request, whose answer is not read yet.
fn ask(address: SocketAddr, request: &str) -> Client {
    let mut client = connect(address);
    client.write(request.as_bytes());
    client
}

/// An open stream.
fn stream(address: SocketAddr, query: &str) -> Client {
    let mut client = ask(address, &format!("GET /events?{query} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    client
}

fn post(body: &str) -> String {
    format!("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_stream_begins_goes_on_and_is_forgotten_with_its_client() {
    let gateway = gateway(Limits::default());
    let mut client = ask(gateway.address(), "GET /events?pings=20 HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = client.head().to_lowercase();
    for header in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-store\r\n",
        "x-accel-buffering: no\r\n",
        "access-control-allow-origin: *\r\n",
        "connection: close\r\n",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert_eq!(client.event(), "data: connected\n\n");
    (0..5).for_each(|_| assert_eq!(client.event(), ":\n\n"));
    assert_eq!((gateway.counters().event_streams_opened.get(), gateway.counters().websockets_opened.get()), (1, 0));
    drop(client);
    eventually("the connection is forgotten", || gateway.connections() == 0);
}

#[test]
fn a_stream_opens_by_post_by_http_1_0_and_behind_other_requests() {
    let gateway = gateway(Limits::default());
    let first = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for (request, before) in [
        (post("say=posted"), false),
        ("GET /events?say=posted HTTP/1.0\r\n\r\n".to_owned(), false),
        (format!("{first}{}", post("say=posted")), true),
        (post("say=posted").replace("Content-Length", "Expect: 100-continue\r\nContent-Length"), false),
    ] {
        let mut client = ask(gateway.address(), &request);
        if before {
            assert!(client.answer().ends_with("hello"), "what was asked before is answered before");
        }
        let mut head = client.head();
        if request.contains("100-continue") {
            assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
            head = client.head();
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{request} {head}");
        assert_eq!(client.event(), "data: posted\n\n", "{request}");
    }
    let mut client = connect(gateway.address());
    client.write(first.as_bytes());
    assert!(client.answer().ends_with("hello"));
    client.write(post("say=posted").as_bytes());
    assert!(client.head().starts_with("HTTP/1.1 200 OK"));
    assert_eq!(client.event(), "data: posted\n\n");
}

/// The answer before is larger than what sockets hold: hyper still has some of it when the stream's request is read.
#[test]
fn a_stream_asked_for_behind_an_answer_that_is_not_read_begins_after_all_of_it() {
    let gateway = gateway(Limits::default());
    let first = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut client = ask(gateway.address(), &format!("{first}GET /events HTTP/1.1\r\nHost: x\r\n\r\n"));
    std::thread::sleep(Duration::from_millis(100));
    assert!(client.answer().ends_with("xxxx"), "the whole of what was asked before");
    assert!(client.head().starts_with("HTTP/1.1 200 OK"));
    assert_eq!(client.event(), "data: connected\n\n");
}

#[test]
fn what_cannot_be_opened_is_refused_before_a_stream_begins() {
    let gateway = gateway(Limits::default());
    for (request, status, text) in [
        ("PUT /events HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "405", "GET or POST"),
        ("GET /events?refuse=4100 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "401", "token_revoked"),
        ("GET /events?refuse=4202 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "403", "may not"),
        (post("refuse=4200"), "400", "like this"),
        (post(&"x".repeat(1_025)), "413", "at most 1024 bytes"),
        (
            format!(
                "POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n{}\r\n0\r\n\r\n",
                "x".repeat(1_025)
            ),
            "413",
            "at most 1024 bytes",
        ),
        ("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".to_owned(), "413", "1024"),
        ("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n\u{fffd}".to_owned(), "400", "text"),
        (post("elsewhere"), "500", "log"),
        (post("again"), "500", "log"),
    ] {
        let mut client = ask(gateway.address(), &request);
        let answer = client.answer();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        assert!(answer.to_lowercase().contains("content-type: application/problem+json"), "{answer}");
        assert!(answer.contains(text) && !answer.contains("event-stream"), "{request}\n{answer}");
    }
    eventually("they are forgotten", || gateway.connections() == 0);
}

#[test]
fn a_client_that_should_come_back_is_told_by_a_stream_that_ends() {
    let gateway = gateway(Limits::default());
    let mut client = stream(gateway.address(), "refuse=4004");
    let event = client.event();
    assert!(event.starts_with("event: closed\nretry: ") && event.contains("\"code\":4004"), "{event}");
    assert_eq!(client.rest(), "");
    eventually("it is forgotten", || gateway.connections() == 0);
}

#[test]
fn a_client_that_goes_on_sending_is_cut_off() {
    let gateway = gateway(Limits::default());
    let mut client = stream(gateway.address(), "pings=20");
    assert_eq!(client.event(), "data: connected\n\n");
    client.write(b"\r\n\r\n");
    assert_eq!(client.event(), ":\n\n");
    assert_eq!(client.event(), ":\n\n");
    client.write(&[b'x'; 1_024]);
    let rest = client.rest();
    assert!(rest.ends_with("data: {\"code\":4200,\"reason\":\"protocol_error\"}\n\n"), "{rest}");
    assert_eq!(gateway.counters().event_streams_sent_to.get(), 1);
    // Bytes that come with the request are no better.
    let request = format!("GET /events HTTP/1.1\r\nHost: x\r\n\r\n{}", "GET / HTTP/1.1\r\n\r\n".repeat(100));
    let mut client = ask(gateway.address(), &request);
    let answer = client.rest();
    assert!(answer.contains("4200") && !answer.contains("hello"), "{answer}");
    eventually("they are forgotten", || gateway.connections() == 0);
    assert_eq!(gateway.counters().panics.get(), 0);
}

#[test]
fn a_client_that_half_closes_is_gone() {
    let gateway = gateway(Limits::default());
    let client = stream(gateway.address(), "");
    client.stream.shutdown(Shutdown::Write).unwrap();
    eventually("it is forgotten", || gateway.connections() == 0);
}

#[test]
fn a_slow_reader_is_cut_at_the_end_of_an_event_and_others_are_not_held_up() {
    let gateway = gateway(Limits::default());
    let mut slow = stream(gateway.address(), "flood=30000");
    let mut other = echo(gateway.address());
    let started = Instant::now();
    other.text("x");
    assert_eq!(other.next(), Got::Text("x".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(slow.event(), "data: connected\n\n");
    let mut events = 0;
    let last = loop {
        let event = slow.event();
        if event.len() != 1_024 {
            break event;
        }
        events += 1;
    };
    assert!(events < 30_000, "it was cut");
    assert!(
        last.starts_with("event: closed\n") && last.contains("\"code\":4001,\"reason\":\"slow_consumer\""),
        "{last}"
    );
    assert_eq!(slow.rest(), "");
}

#[test]
fn a_client_that_reads_nothing_is_dropped() {
    let gateway = gateway(Limits { write_stall_ms: 500, ..Limits::default() });
    let _stuck = stream(gateway.address(), "flood=65536");
    eventually("the connection is dropped", || gateway.connections() == 0);
}

#[test]
fn a_drain_tells_streams_and_ends_them() {
    let gateway = gateway(Limits::default());
    let address = gateway.address();
    let mut clients: Vec<_> = (0..40).map(|_| stream(address, "")).collect();
    let _silent = ask(address, "GET /events?silent HTTP/1.1\r\nHost: x\r\n\r\n");
    eventually("all are open", || gateway.counters().event_streams_opened.get() == 41);
    let started = Instant::now();
    gateway.drain();
    for client in &mut clients {
        assert_eq!(client.event(), "data: connected\n\n");
        let event = client.event();
        assert!(event.starts_with("event: closed\nretry: "), "{event}");
        assert!(event.contains("data: {\"code\":4000,\"reason\":\"draining\"}"), "{event}");
        assert_eq!(client.rest(), "");
    }
    drop(clients);
    gateway.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn streams_have_the_limits_of_every_connection() {
    let gateway = gateway(Limits { connections_per_address_max: 3, ..Limits::default() });
    let held: Vec<_> = (0..3).map(|_| stream(gateway.address(), "")).collect();
    let answer = connect(gateway.address()).rest();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("at most 3 connections"), "{answer}");
    drop(held);
    eventually("the address is free again", || gateway.connections() == 0);
}

#[test]
fn thousands_of_streams_end_where_the_limits_say() {
    let limits = Limits {
        connections_max: 1_500,
        connections_per_address_max: 10_000,
        unauthenticated_percent_max: 100,
        ..Limits::default()
    };
    let gateway = gateway(limits);
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..2_000 {
        let mut client = ask(gateway.address(), "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
        let head = client.head();
        if head.starts_with("HTTP/1.1 200") {
            held.push(client);
        } else {
            assert!(head.starts_with("HTTP/1.1 503"), "{head}");
            refused += 1;
        }
    }
    assert_eq!((held.len(), refused), (1_500, 500));
    assert_eq!(gateway.connections(), 1_500);
    drop(held);
    eventually("all are forgotten", || gateway.connections() == 0);
}

#[test]
fn a_huge_query_is_refused_before_anything_reads_it() {
    let gateway = gateway(Limits::default());
    let request = format!("GET /events?say={} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(17 * 1024));
    let answer = ask(gateway.address(), &request).rest();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(gateway.counters().event_streams_opened.get(), 0);
}

#[test]
fn a_body_that_never_ends_does_not_stay() {
    let gateway = gateway(Limits { request_deadline_ms: 300, ..Limits::default() });
    let mut client = ask(gateway.address(), "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    eventually("it is forgotten", || gateway.connections() == 0);
}
