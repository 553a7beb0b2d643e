//! How the server leaves: SIGTERM, and coming back.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_testkit::{Http, Server, Setup, leap::Incoming, wait};

#[test]
fn b47_sigterm_acks_closes_and_refuses_newcomers() {
    let mut server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let mut connections: Vec<_> = (0..200).map(|_| server.identified(None).0).collect();
    let mut unidentified = server.leap();
    for (n, leap) in connections.iter_mut().enumerate() {
        leap.join("room");
        leap.send(&json!({"op": 3, "d": {"tag": n.to_string()}}));
    }
    server.terminate();
    let start = Instant::now();
    let addr = server.addr;
    let refused = std::thread::spawn(move || {
        wait("new connections to be refused", || TcpStream::connect(addr).is_err());
    });
    let mut closed_at = Vec::new();
    let readers: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(n, mut leap)| {
            let tag = n.to_string();
            std::thread::spawn(move || {
                let mut acked = false;
                loop {
                    match leap.incoming(Duration::from_secs(30)).expect("a close within 30 s") {
                        Incoming::Frame(frame) => acked |= frame["d"]["tag"] == *tag,
                        Incoming::Ended(ending) => {
                            let code = ending.expect("a close frame, not a cut").0;
                            assert!(matches!(code, 1001 | 1012), "{code}");
                            assert!(acked, "the outstanding heartbeat was not acked");
                            return start.elapsed();
                        }
                    }
                }
            })
        })
        .collect();
    for reader in readers {
        closed_at.push(reader.join().unwrap());
    }
    let code = unidentified.ending(Duration::from_secs(30)).unwrap().expect("a close frame").0;
    assert!(matches!(code, 1001 | 1012), "{code}");
    refused.join().unwrap();
    closed_at.sort_unstable();
    assert!(
        closed_at[199] - closed_at[0] >= Duration::from_millis(50),
        "all at once is a thundering herd: {closed_at:?}"
    );
    let status = server.ended(Duration::from_secs(30));
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn b47_a_request_in_flight_is_answered_before_the_end() {
    let mut server = Server::start();
    let mut http = Http::connect(server.addr).unwrap();
    let body = br#"{"type":"public"}"#;
    let request =
        tollgate_testkit::http::request("PUT", "/v1/channels/room", &[("Authorization", &server.key)], Some(body));
    let (first, last) = request.split_at(request.len() - 1);
    http.write(first).unwrap();
    // The request is surely being read once a later one on another connection has been answered.
    assert_eq!(server.api().get("/v1/channels").status, 200);
    server.terminate();
    wait("new connections to be refused", || TcpStream::connect(server.addr).is_err());
    http.write(last).unwrap();
    assert_eq!(http.reply(false).unwrap().status, 200);
    assert!(server.ended(Duration::from_secs(30)).success());
    server.start_again();
    assert_eq!(server.api().get("/v1/channels/room").status, 200);
}

#[test]
fn b47_without_connections_the_end_comes_at_once() {
    let mut server = Server::start();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn b48_clients_are_sent_to_another_node_where_one_is_configured() {
    let next = "ws://127.0.0.1:9/ws";
    let mut server = Setup::default().config(format!("[leap]\nmove_to = \"{next}\"\n")).start();
    let (mut leap, _) = server.identified(None);
    server.terminate();
    assert_eq!(leap.closed(), (4006, next.to_owned()));
    assert!(server.ended(Duration::from_secs(30)).success());
}
