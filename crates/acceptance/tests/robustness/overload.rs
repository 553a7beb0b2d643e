//! More than the server has: descriptors, half-open connections, stalled networks.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tollgate_testkit::proxy::Proxy;
use tollgate_testkit::raw::{Frame, Raw};
use tollgate_testkit::{Api, Http, Leap, Server, Setup, wait};

fn answers(api: &Api<'_>) -> bool {
    api.try_call("GET", "/v1/channels", None).is_ok_and(|reply| reply.status == 200)
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let server = Setup::default().descriptors(96).start();
    server.api().channel("room", "unprotected", json!({}));
    let (mut member, _) = server.identified(None);
    member.join("room");
    let crowd: Vec<_> =
        (0..200).filter_map(|_| TcpStream::connect_timeout(&server.addr, Duration::from_secs(1)).ok()).collect();
    assert!(crowd.len() > 100);
    // Those who are in are still served.
    member.quiet();
    drop(crowd);
    wait("the server to accept again", || answers(&server.api()));
    server.api().publish("room", "X", json!(1));
    member.expect("MESSAGE", "room");
}

#[test]
fn many_half_open_connections_leave_room_for_honest_ones() {
    let server = Server::start();
    let crowd: Vec<_> = (0..300)
        .map(|n| {
            let mut http = Http::connect(server.addr).unwrap();
            http.write(if n % 2 == 0 { b"GET /ws HTTP/1.1\r\n" } else { b"" }).unwrap();
            http
        })
        .collect();
    let (mut leap, _) = server.identified(None);
    leap.quiet();
    assert!(answers(&server.api()));
    drop(crowd);
}

#[test]
fn a_stalled_network_holds_up_nobody_else() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let proxy = Proxy::to(server.addr);
    let mut stalled = Leap::open(proxy.addr);
    stalled.identify(&server.project, None);
    stalled.join("room");
    let (mut fast, _) = server.identified(None);
    fast.join("room");
    proxy.stall(true);
    for n in 0..50 {
        api.publish("room", "N", json!({"n": n, "text": "x".repeat(1_000)}));
        assert_eq!(fast.expect("MESSAGE", "room")["d"]["n"], n);
    }
    proxy.stall(false);
    for n in 0..50 {
        assert_eq!(stalled.expect("MESSAGE", "room")["d"]["n"], n, "nothing is lost that fits");
    }
    proxy.cut();
    wait("the cut connection to leave the count", || api.online_count("room") == 1);
}

#[test]
fn a_client_that_floods_is_closed_1008_and_nobody_else_notices() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let (mut witness, _) = server.identified(None);
    witness.join("room");
    let mut flood = Raw::identified(&server);
    let frame = Frame::text(r#"{"op":0,"d":{"e":"NOTHING","c":"room","d":null}}"#).bytes();
    let _ = flood.write(&frame.repeat(20_000));
    server.api().publish("room", "X", json!(1));
    witness.expect("MESSAGE", "room");
    assert_eq!(flood.closed(), 1008);
}
