//! The kit itself: a tool that misreads makes every test with it worthless. Not a test of the server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use tollgate_testkit::proxy::Proxy;
use tollgate_testkit::raw::{CONTINUATION, Frame, Length, TEXT};
use tollgate_testkit::receiver::{Answer, Receiver};
use tollgate_testkit::{Http, from_now};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

#[test]
fn answers_are_read_whole_and_requests_arrive_whole() {
    let receiver = Receiver::start();
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 404, "hello"),
        ("HTTP/1.1 204 X\r\n\r\n", 204, ""),
    ];
    for (bytes, status, body) in cases {
        receiver.answer(Answer::Bytes(bytes.to_owned()));
        let mut http = Http::connect(receiver.addr).unwrap();
        let reply = http.request("POST", "/p?q", &[("X-Y", "z")], Some(b"body")).unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (status, body));
        let request = receiver.next();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/p?q"));
        assert_eq!((request.headers["x-y"].as_str(), request.body.as_slice()), ("z", b"body".as_slice()));
        assert!(http.closes_within(Duration::from_secs(5)));
    }
    for bytes in ["nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\n\r\nx"] {
        receiver.answer(Answer::Bytes(bytes.to_owned()));
        assert!(Http::connect(receiver.addr).unwrap().request("GET", "/", &[], None).is_err(), "{bytes}");
    }
}

#[test]
fn frames_by_hand_are_what_another_implementation_reads() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let theirs = listener.accept().unwrap().0;
    let mut socket = WebSocket::from_raw_socket(theirs, Role::Server, Some(WebSocketConfig::default()));
    for len in [0, 1, 125, 126, 65_535, 65_536] {
        let text = "x".repeat(len);
        std::io::Write::write_all(&mut ours, &Frame::text(&text).bytes()).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(text), "{len}");
    }
    for frame in [Frame::text("a").unfinished(), Frame::new(CONTINUATION, "b")] {
        std::io::Write::write_all(&mut ours, &frame.bytes()).unwrap();
    }
    assert_eq!(socket.read().unwrap(), Message::text("ab"));
    assert_eq!(Frame::new(TEXT, "x").unmasked().bytes(), [0x81, 1, b'x']);
    assert_eq!(Frame::new(TEXT, "x").unmasked().reserved(4).length(Length::Two).bytes(), [0xc1, 126, 0, 1, b'x']);
    let claimed = Frame::new(TEXT, "").unmasked().length(Length::Claimed(1 << 63)).bytes();
    assert_eq!(claimed, [0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_proxy_carries_stalls_and_cuts() {
    let receiver = Receiver::start();
    let proxy = Proxy::to(receiver.addr);
    let mut http = Http::connect(proxy.addr).unwrap();
    assert_eq!(http.request("GET", "/", &[], None).unwrap().status, 204);
    receiver.next();
    proxy.stall(true);
    let mut http = Http::connect(proxy.addr).unwrap();
    http.patience(Duration::from_millis(200));
    assert!(http.request("GET", "/", &[], None).is_err());
    proxy.stall(false);
    http.patience(Duration::from_secs(5));
    assert_eq!(http.reply(false).unwrap().status, 204);
    let mut http = Http::connect(proxy.addr).unwrap();
    http.write(b"GET / HTTP/1.1\r\n").unwrap();
    // The bytes are through when the receiver would answer; until then there is nothing to cut.
    tollgate_testkit::wait("the proxy to take the connection", || {
        proxy.cut();
        http.closes_within(Duration::from_millis(20))
    });
}

#[test]
fn nothing_passes_a_stalled_proxy_no_byte_no_newcomer_and_no_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::to(listener.local_addr().unwrap());
    let mut pairs = [(); 3].map(|()| {
        let near = TcpStream::connect(proxy.addr).unwrap();
        (near, listener.accept().unwrap().0)
    });
    proxy.stall(true);
    let mut newcomer = TcpStream::connect(proxy.addr).unwrap();
    newcomer.write_all(b"new").unwrap();
    let [(talker, from_talker), (listening, to_listening), (leaver, from_leaver)] = &mut pairs;
    talker.write_all(b"up").unwrap();
    to_listening.write_all(b"down").unwrap();
    leaver.shutdown(Shutdown::Both).unwrap();
    let mut buffer = [0; 8];
    for silent in [&mut *from_talker, &mut *listening, &mut *from_leaver] {
        silent.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let heard = silent.read(&mut buffer);
        assert!(heard.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{heard:?}");
        silent.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
    proxy.stall(false);
    assert_eq!(from_talker.read(&mut buffer).unwrap(), 2);
    assert_eq!(listening.read(&mut buffer).unwrap(), 4);
    assert_eq!(from_leaver.read(&mut buffer).unwrap(), 0);
    assert_eq!(listener.accept().unwrap().0.read(&mut buffer).unwrap(), 3);
}

#[test]
fn times_are_spelled_as_the_calendar_has_them() {
    let now = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M"]).output().unwrap().stdout;
    let ours = [from_now(Duration::ZERO), from_now(Duration::from_secs(59))];
    let theirs = String::from_utf8(now).unwrap();
    assert!(ours.iter().any(|ours| ours.starts_with(theirs.trim())), "{ours:?} and {theirs}");
    assert!(ours[0].ends_with("+00:00") && ours[0].len() == "2026-11-22T20:25:21.673319862+00:00".len());
}
