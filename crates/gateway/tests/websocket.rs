//! WebSocket connections over real sockets: opening, echo, every way to end, limits, and the drain.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "support/client.rs"]
mod client;
mod support;

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use client::{Got, HANDSHAKE, connect, echo, eventually};
use tollgate_gateway::frame::{FrameLimits, Opcode};
use tollgate_gateway::gateway::Gateway;
use tollgate_gateway::{Limits, Proxies};

fn gateway(limits: Limits) -> Gateway {
    support::start("127.0.0.1:0".parse().unwrap(), 2, limits, None)
}

#[test]
fn it_opens_echoes_and_closes() {
    let gateway = gateway(Limits::default());
    let mut client = echo(gateway.address());
    client.text("hello");
    assert_eq!(client.next(), Got::Text("hello".to_owned()));
    client.send(Opcode::Ping, b"p");
    assert_eq!(client.next(), Got::Pong(b"p".to_vec()));
    client.send_part(false, Opcode::Binary, b"a");
    client.send(Opcode::Ping, b"");
    client.send_part(true, Opcode::Continuation, b"b");
    assert_eq!(client.next(), Got::Pong(vec![]));
    assert_eq!(client.next(), Got::Binary(b"ab".to_vec()));
    client.send(Opcode::Close, &[0x03, 0xE8, b'b', b'y', b'e']);
    assert_eq!(client.next(), Got::Close(1000, String::new()));
    assert_eq!(client.next(), Got::End(true));
    drop(client);
    eventually("the connection is forgotten", || gateway.connections() == 0);
}

#[test]
fn frames_right_behind_the_handshake_are_read() {
    let gateway = gateway(Limits::default());
    let mut client = connect(gateway.address());
    let mut bytes = HANDSHAKE.as_bytes().to_vec();
    tollgate_gateway::frame::encode_masked(true, Opcode::Text, b"early", [9; 4], &mut bytes);
    tollgate_gateway::frame::encode_masked(true, Opcode::Text, b"in parts", [9; 4], &mut bytes);
    let (first, second) = bytes.split_at(bytes.len() - 5);
    client.write(first);
    assert!(client.head().starts_with("HTTP/1.1 101"));
    client.write(second);
    assert_eq!(client.next(), Got::Text("early".to_owned()));
    assert_eq!(client.next(), Got::Text("in parts".to_owned()));
}

#[test]
fn the_answer_to_the_handshake_comes_first_and_with_the_dialects_first_words() {
    let gateway = gateway(Limits::default());
    for (first, frame) in [("hello", Got::Text("hello".to_owned())), ("close", Got::Close(1012, "draining".to_owned()))]
    {
        let mut client = connect(gateway.address());
        client.write(HANDSHAKE.replace("/echo", &format!("/echo?first={first}")).as_bytes());
        assert!(client.head().starts_with("HTTP/1.1 101"), "{first}");
        assert!(client.has_received(), "{first}: one packet has both");
        assert_eq!(client.next(), frame);
    }
    // What does not fit into the socket at once follows the answer, too; and so does the end of a dialect that fails.
    for (first, frame) in [("flood%20256", None), ("panic!", Some(1011))] {
        let mut client = connect(gateway.address());
        client.write(HANDSHAKE.replace("/echo", &format!("/echo?first={first}")).as_bytes());
        assert!(client.head().starts_with("HTTP/1.1 101"), "{first}");
        match frame {
            Some(code) => assert_eq!(client.closed_with().0, code),
            None => (0..256).for_each(|_| assert_eq!(client.next(), Got::Text("x".repeat(1024)))),
        }
    }
}

#[test]
fn a_request_that_is_no_handshake_hears_what_is_wrong() {
    let gateway = gateway(Limits::default());
    for (request, status, text) in [
        ("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "426", "WebSocket endpoint"),
        (HANDSHAKE.replace("Version: 13", "Version: 8"), "426", "version 13"),
        (HANDSHAKE.replace("GET", "POST"), "405", "GET"),
        (HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400", "Sec-WebSocket-Key"),
        (HANDSHAKE.replace("/echo", "/echo?encoding=etf"), "400", "Only JSON"),
        (HANDSHAKE.replace("/echo", "/nowhere"), "404", ""),
    ] {
        let mut client = connect(gateway.address());
        client.write(request.as_bytes());
        let answer = client.answer();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}{answer}");
        assert!(answer.contains(text), "{request}{answer}");
    }
}

#[test]
fn a_subprotocol_is_agreed_upon_or_asked_for() {
    let gateway = gateway(Limits::default());
    let ask = |path: &str, offered: &str| {
        let (before, after) = HANDSHAKE.split_at(HANDSHAKE.len() - 2);
        let request = format!("{before}{offered}{after}").replace("/echo", path);
        let mut client = connect(gateway.address());
        client.write(request.as_bytes());
        let answer = client.answer();
        if answer.starts_with("HTTP/1.1 101") {
            client.text("hello");
            assert_eq!(client.next(), Got::Text("hello".to_owned()), "{request}");
        }
        answer
    };
    let offered = "Sec-WebSocket-Protocol: chat, echo.v1\r\n";
    let answer = ask("/spoken", offered);
    assert!(answer.starts_with("HTTP/1.1 101") && answer.contains("sec-websocket-protocol: echo.v1\r\n"), "{answer}");
    for other in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let answer = ask("/spoken", other);
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Sec-WebSocket-Protocol: echo.v1"), "{answer}");
    }
    let answer = ask("/echo", offered);
    assert!(answer.starts_with("HTTP/1.1 101") && !answer.contains("protocol"), "{answer}");
}

#[test]
fn broken_frames_are_refused_with_their_code() {
    let gateway = gateway(Limits::default());
    let table: [(&[u8], u16); 6] = [
        (&[0xC1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        (&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009),
        (&[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28], 1007),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
    ];
    for (bytes, code) in table {
        let mut client = echo(gateway.address());
        client.write(bytes);
        assert_eq!(client.closed_with().0, code, "{bytes:x?}");
    }
    assert_eq!(gateway.counters().frames_invalid.get(), 6);
}

#[test]
fn what_is_outstanding_is_settled_before_a_connection_is_refused() {
    let gateway = gateway(Limits::default());
    let mut client = echo(gateway.address());
    client.text("later");
    client.write(&[0xC1, 0x80, 0, 0, 0, 0]);
    assert_eq!(client.next(), Got::Text("later".to_owned()));
    assert_eq!(client.closed_with().0, 1002);
}

#[test]
fn too_much_is_refused() {
    let limits = Limits {
        messages_burst: 10,
        messages_per_second: 1,
        frames: FrameLimits { message_bytes_max: 1_000, fragments_max: 4 },
        ..Limits::default()
    };
    let gateway = gateway(limits);
    let mut client = echo(gateway.address());
    (0..11).for_each(|_| client.text("x"));
    assert_eq!(client.closed_with().0, 1008);
    let mut client = echo(gateway.address());
    (0..21).for_each(|_| client.send(Opcode::Ping, b""));
    assert_eq!(client.closed_with().0, 1008);
    let mut client = echo(gateway.address());
    client.text(&"x".repeat(1_001));
    assert_eq!(client.closed_with(), (1009, "a message may have at most 1000 bytes".to_owned()));
    let mut client = echo(gateway.address());
    client.send_part(false, Opcode::Text, b"");
    (0..4).for_each(|_| client.send_part(false, Opcode::Continuation, b""));
    assert_eq!(client.closed_with().0, 1008);
}

#[test]
fn a_panicking_dialect_loses_its_connection_and_nobody_elses() {
    let gateway = gateway(Limits::default());
    let mut others: Vec<_> = (0..8).map(|_| echo(gateway.address())).collect();
    let mut client = echo(gateway.address());
    client.text("panic!");
    assert_eq!(client.closed_with().0, 1011);
    for other in &mut others {
        other.text("still here");
        assert_eq!(other.next(), Got::Text("still here".to_owned()));
    }
    assert_eq!(gateway.counters().panics.get(), 1);
}

#[test]
fn a_client_that_reads_nothing_is_cut_and_others_are_not_held_up() {
    let gateway = gateway(Limits { write_stall_ms: 500, ..Limits::default() });
    let mut stuck = echo(gateway.address());
    stuck.text("flood 65536");
    let mut other = echo(gateway.address());
    let started = Instant::now();
    other.text("x");
    assert_eq!(other.next(), Got::Text("x".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(2));
    eventually("the connection is dropped", || gateway.connections() == 1);
    assert_eq!(gateway.counters().dropped_overdue.get(), 1);
    assert!(!matches!(last(&mut stuck), Got::Close(1000, _)));
}

#[test]
fn a_slow_reader_gets_everything_that_fits_and_is_told_when_it_does_not() {
    let gateway = gateway(Limits::default());
    let mut client = echo(gateway.address());
    client.text("flood 800");
    for _ in 0..800 {
        assert!(matches!(client.next(), Got::Text(text) if text.len() == 1024));
    }
    client.text("flood 30000");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(last(&mut client), Got::Close(4000, "slow_consumer".to_owned()));
}

/// The last frame before the end of the stream.
fn last(client: &mut client::Client) -> Got {
    let mut last = Got::End(true);
    loop {
        match client.next() {
            Got::End(_) => return last,
            close @ Got::Close(..) => {
                client.send(Opcode::Close, &1000u16.to_be_bytes());
                last = close;
            }
            other => last = other,
        }
    }
}

#[test]
fn deadlines_of_dialects_are_kept_while_the_shard_is_busy() {
    let gateway = gateway(Limits { messages_burst: u32::MAX / 1_000, ..Limits::default() });
    let address = gateway.address();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut busy = echo(address);
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    (0..50).for_each(|_| busy.text("x"));
                    (0..50).for_each(|_| assert_eq!(busy.next(), Got::Text("x".to_owned())));
                }
            });
        }
        let mut client = echo(address);
        let mut waits = Vec::new();
        for _ in 0..50 {
            let started = Instant::now();
            client.text("later");
            assert_eq!(client.next(), Got::Text("later".to_owned()));
            waits.push(started.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        waits.sort();
        assert!(waits[0] >= Duration::from_millis(9), "{waits:?}");
        // The median: single answers wait for this machine's other work, not for ours.
        assert!(waits[25] <= Duration::from_millis(20), "{waits:?}");
    });
}

#[test]
fn what_is_due_is_counted_from_when_it_came_and_not_from_before() {
    let clock = Arc::new(support::HeldUp::default());
    let address = "127.0.0.1:0".parse().unwrap();
    let gateway = support::start_with(clock.clone(), Proxies::default(), address, 1, Limits::default(), None);
    let mut client = echo(gateway.address());
    let mut frame = Vec::new();
    tollgate_gateway::frame::encode_masked(true, Opcode::Text, b"later", [9; 4], &mut frame);
    for round in 0..20 {
        let ((tell, told), (begin, begun)) = (mpsc::channel(), mpsc::channel());
        let (mut socket, rest) = (client.stream.try_clone().unwrap(), frame[1..].to_vec());
        *clock.meanwhile.lock().unwrap() = Some(Box::new(move || {
            begun.recv().unwrap();
            std::thread::sleep(Duration::from_millis(30));
            tell.send(Instant::now()).unwrap();
            socket.write_all(&rest).unwrap();
        }));
        client.write(&frame[..1]);
        begin.send(()).unwrap();
        let sent = told.recv().unwrap();
        assert_eq!(client.next(), Got::Text("later".to_owned()));
        assert!(sent.elapsed() >= Duration::from_millis(9), "round {round}: after {:?}", sent.elapsed());
    }
}

#[test]
fn a_drain_settles_what_is_outstanding_refuses_new_connections_and_ends_soon() {
    let gateway = gateway(Limits::default());
    let address = gateway.address();
    let mut clients: Vec<_> = (0..40).map(|_| echo(address)).collect();
    let mut idle = connect(address);
    idle.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(idle.head().starts_with("HTTP/1.1 200"));
    clients[0].text("later");
    clients[1].text("x");
    assert_eq!(clients[1].next(), Got::Text("x".to_owned()));
    let started = Instant::now();
    gateway.drain();
    assert_eq!(clients[0].next(), Got::Text("later".to_owned()));
    for mut client in clients {
        assert_eq!(client.closed_with(), (1012, "draining".to_owned()));
    }
    eventually("new connections are refused", || std::net::TcpStream::connect(address).is_err());
    gateway.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn a_drain_is_spread_and_does_not_wait_for_ever() {
    let limits = Limits {
        drain_spread_ms: 1_000,
        drain_closes_per_second_min: 1,
        drain_deadline_ms: 2_000,
        close_deadline_ms: 60_000,
        ..Limits::default()
    };
    let gateway = gateway(limits);
    let mut clients: Vec<_> = (0..40).map(|_| echo(gateway.address())).collect();
    let started = Instant::now();
    gateway.drain();
    let mut told: Vec<_> = Vec::new();
    for client in &mut clients {
        assert!(matches!(client.next(), Got::Close(1012, _)));
        told.push(started.elapsed());
    }
    told.sort();
    assert!(told[39] >= Duration::from_millis(600), "{told:?}");
    // Nobody answers the close: the deadline of the drain ends it.
    gateway.join().unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2) && started.elapsed() < Duration::from_secs(6));
}
