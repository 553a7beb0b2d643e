//! A stream that is read too slowly is cut, and taken up again where it ended.

use std::net::TcpStream;

use serde_json::json;
use tollgate_testkit::Server;
use tollgate_testkit::poll::SOON;

use crate::stream::{Ask, Events};
use crate::{Plain, bearer, done, say, server, token};

/// More than the buffers of the operating system and of the server hold for one connection (4 MiB and 1 MiB), and less than a channel keeps (8 MiB).
const MESSAGES: u64 = 700;
const TEXT_BYTES: usize = 10_000;
const BUFFER_BYTES: u32 = 4_096;

fn narrow(server: &Server, asked: &Ask<'_>, headers: &[(&str, &str)]) -> Plain {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream: TcpStream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
        socket.connect(server.addr).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    Events::open(stream, &asked.bytes(headers))
}

#[test]
fn a_slow_reader_is_cut_and_hears_the_rest_when_it_comes_back() {
    let server = server();
    done(&server, "PATCH", "/v2/channels/room", &json!({"settings": {"history": {"size": 10_000}}}));
    let (_, secret) = token(&server);
    let header = bearer(&secret);
    let query = format!("project={}&channel=room", server.project);
    let mut events = narrow(&server, &Ask::Get(&query), &[("Authorization", &header)]);
    events.expect("connected");
    // Nobody waits for it.
    for number in 0..MESSAGES {
        say(&server, "room", &json!({"number": number, "text": "x".repeat(TEXT_BYTES)}));
    }
    let (mut next, mut cuts, mut last) = (0, 0, String::new());
    loop {
        while let Some(event) = events.next() {
            match event.kind.as_str() {
                "message" => {
                    assert_eq!(event.data["data"]["number"], next, "in order, each once");
                    next += 1;
                    last = event.id.unwrap();
                }
                "subscribed" => assert_eq!(event.data["recovered"], true),
                "closed" => {
                    assert_eq!(event.data, json!({"code": 4001, "reason": "Too slow: come back and resume"}));
                    assert!(event.retry.is_some(), "it is to come back");
                    cuts += 1;
                }
                other => assert_eq!(other, "connected"),
            }
            if next == MESSAGES {
                assert!(cuts > 0, "the first stream was cut");
                return;
            }
        }
        assert!(next > 0 && cuts < 10, "{next} of {MESSAGES} after {cuts} cuts");
        let again = [("Authorization", header.as_str()), ("Last-Event-ID", last.as_str())];
        events = crate::ask(&server, &Ask::Get(&query), &again);
    }
}
