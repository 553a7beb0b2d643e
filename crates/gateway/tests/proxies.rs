//! Whose address counts: the socket's, or the one that a trusted proxy vouches for. Over real sockets, with headers that clients forged.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "support/client.rs"]
mod client;
mod support;

use std::net::SocketAddr;

use client::{Client, HANDSHAKE, connect, eventually};
use tollgate_gateway::gateway::Gateway;
use tollgate_gateway::{ForwardedBy, Limits, Proxies};

fn gateway(address: &str, trusted: &[&str], header: ForwardedBy) -> Gateway {
    let proxies = Proxies { trusted: trusted.iter().map(|network| network.parse().unwrap()).collect(), header };
    let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
    support::start_with(
        std::sync::Arc::new(support::SystemClock::default()),
        proxies,
        address.parse().unwrap(),
        1,
        limits,
        None,
    )
}

/// For whom the gateway takes a request with these headers.
fn who(address: SocketAddr, headers: &str) -> String {
    let mut client = connect(address);
    client.write(format!("GET /who HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
    client.answer().rsplit("\r\n\r\n").next().unwrap().to_owned()
}

/// Tries to open a WebSocket for a client of this address; its answer's first line.
fn open(address: SocketAddr, client_address: &str) -> (Client, String) {
    let mut client = connect(address);
    let headers = format!("X-Forwarded-For: {client_address}\r\n\r\n");
    client.write(HANDSHAKE.replace("\r\n\r\n", &format!("\r\n{headers}")).as_bytes());
    let answer = client.answer();
    (client, answer)
}

#[test]
fn a_strangers_headers_are_not_believed() {
    let gateway = gateway("127.0.0.1:0", &["10.0.0.0/8"], ForwardedBy::XForwardedFor);
    for headers in ["", "X-Forwarded-For: 10.0.0.1\r\n", "Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n"] {
        assert_eq!(who(gateway.address(), headers), "127.0.0.1", "{headers}");
    }
}

#[test]
fn a_trusted_proxys_word_holds_and_what_its_client_forged_does_not() {
    let address = |header| gateway("127.0.0.1:0", &["127.0.0.0/8", "10.0.0.0/8"], header);
    let (xff, forwarded) = (address(ForwardedBy::XForwardedFor), address(ForwardedBy::Forwarded));
    for (gateway, headers, expected) in [
        (&xff, "", "127.0.0.1"),
        (&xff, "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\nForwarded: for=7.7.7.7\r\n", "1.1.1.1"),
        (&xff, "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
        (&forwarded, "Forwarded: for=6.6.6.6, for=\"[2001:db8::2]:80\"\r\nX-Forwarded-For: 7.7.7.7\r\n", "2001:db8::2"),
    ] {
        assert_eq!(who(gateway.address(), headers), expected, "{headers}");
    }
}

#[test]
fn behind_a_proxy_each_client_has_the_limit_of_an_address() {
    let gateway = gateway("127.0.0.1:0", &["127.0.0.1"], ForwardedBy::XForwardedFor);
    // More than one address may hold: they are the proxy's.
    let mut held: Vec<_> = (1..=5).map(|client| open(gateway.address(), &format!("1.1.1.{client}"))).collect();
    held.extend((1..=2).map(|client| open(gateway.address(), &format!("2001:db8::{client}"))));
    for (_, answer) in &held {
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    }
    let (_refused, answer) = open(gateway.address(), "2001:db8::3");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("at most 2 connections"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    assert_eq!(gateway.counters().refused_address.get(), 1);
    let (_other_network, answer) = open(gateway.address(), "2001:db8:0:1::3");
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    drop(held);
    eventually("the network is free again", || open(gateway.address(), "2001:db8::3").1.starts_with("HTTP/1.1 101"));
}

#[test]
fn an_address_of_ipv6_is_told_as_it_is() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let gateway = gateway("[::1]:0", &["::1"], ForwardedBy::XForwardedFor);
    assert_eq!(who(gateway.address(), ""), "::1");
    assert_eq!(who(gateway.address(), "X-Forwarded-For: 1.1.1.1\r\n"), "1.1.1.1");
}
