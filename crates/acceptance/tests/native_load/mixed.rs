//! One channel, all doors: who came by which makes no difference to what is heard, nor to its order.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tollgate_testkit::http::request;
use tollgate_testkit::poll::SOON;
use tollgate_testkit::{Leap, Server};

use crate::wire::Wire;
use crate::{TURN, channel, tokens};

/// Of each publisher.
const EACH: u64 = 100;
/// Changes of the state by each who changes it.
const CHANGES: u64 = 10;
/// All publishers: the backend, our own clients, and those of Leap; two of each kind of client.
const PUBLISHERS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// What somebody heard: the messages' data, and the states.
#[derive(Default)]
struct Heard {
    messages: Vec<Value>,
    states: Vec<Value>,
}

impl Heard {
    fn is_whole(&self) -> bool {
        let is_last = |state: &Value| ["rest", "native"].iter().all(|by| state[by] == CHANGES);
        self.messages.len() as u64 == PUBLISHERS as u64 * EACH && self.states.last().is_some_and(is_last)
    }

    /// A push of our own protocol.
    fn push(&mut self, push: &Value) {
        match push["push"].as_str() {
            Some("message") => self.messages.push(push["data"].clone()),
            Some("state") => self.states.push(push["state"].clone()),
            _ => {}
        }
    }
}

/// Reads Leap, and publishes: one message for each that it hears.
fn leap(mut leap: Leap, publisher: Option<usize>) -> Heard {
    let mut heard = Heard::default();
    let mut number = 0;
    while !heard.is_whole() {
        if let Some(by) = publisher.filter(|_| number < EACH) {
            leap.event("MESSAGE", "room", json!({"e": "said", "d": [by, number]}));
            number += 1;
        }
        let dispatch = leap.next_dispatch()["d"].clone();
        match dispatch["e"].as_str() {
            Some("MESSAGE") => heard.messages.push(dispatch["d"]["d"].clone()),
            Some("STATE_UPDATE") => heard.states.push(dispatch["d"]["state"].clone()),
            _ => {}
        }
    }
    heard
}

/// Reads our own protocol, and publishes at the same time: a few messages ahead of the replies.
async fn native(mut wire: Wire, publisher: Option<usize>) -> Heard {
    let (mut heard, mut number, mut waiting) = (Heard::default(), 0, 0);
    while !heard.is_whole() || waiting > 0 {
        if let Some(by) = publisher.filter(|_| number < EACH && waiting < 4) {
            let body = json!({"channel": "room", "event": "said", "data": [by, number]});
            wire.send(&json!({"id": 100 + number, "publish": body})).await.unwrap();
            if number % (EACH / CHANGES) == 0 {
                let body = json!({"channel": "room", "merge": {"native": number / (EACH / CHANGES) + 1}});
                // One of them, so that what it says has an order.
                if by == 1 {
                    wire.send(&json!({"id": 1_000 + number, "state": body})).await.unwrap();
                    waiting += 1;
                }
            }
            number += 1;
            waiting += 1;
        }
        let frame = wire.frame().await.unwrap();
        if frame["id"].is_number() {
            assert!(frame["ok"].is_object(), "{frame}");
            waiting -= 1;
        }
        heard.push(&frame);
    }
    heard
}

/// Reads an event stream, whose events come as lines of data.
fn streamed(mut stream: BufReader<TcpStream>) -> Heard {
    let (mut heard, mut line) = (Heard::default(), String::new());
    while !heard.is_whole() {
        heard.push(&event(&mut stream, &mut line));
    }
    heard
}

/// The data of the next event.
fn event(stream: &mut BufReader<TcpStream>, line: &mut String) -> Value {
    loop {
        line.clear();
        assert!(stream.read_line(line).unwrap() > 0, "the stream ended");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

/// An event stream that has had its first event.
fn stream(server: &Server, token: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(server.addr).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let (bearer, path) = (format!("Bearer {token}"), format!("/connect/sse?project={}&channel=room", server.project));
    socket.write_all(&request("GET", &path, &[("Authorization", &bearer)], None)).unwrap();
    let mut stream = BufReader::new(socket);
    let first = event(&mut stream, &mut String::new());
    assert_eq!((&first["push"], &first["channels"][0]["channel"]), (&json!("connected"), &json!("room")), "{first}");
    stream
}

/// The backend's part.
fn backend(server: &Server) {
    let api = server.api();
    for number in 0..EACH {
        let body = json!({"event": "said", "data": [0, number]}).to_string();
        let reply = api.try_call("POST", "/v2/channels/room/messages", Some(body.as_bytes())).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        if number % (EACH / CHANGES) == 0 {
            api.patch("/v1/channels/room/state", json!({"rest": number / (EACH / CHANGES) + 1}));
        }
    }
}

/// The same messages in the same order as `others`; every publisher's own in the order in which it published them; states that never go back.
fn check(who: &str, heard: &Heard, others: &Heard) {
    assert!(heard.messages == others.messages, "{who} heard another order");
    for by in 0..PUBLISHERS {
        let own: Vec<_> = heard.messages.iter().filter(|data| data[0] == by).map(|data| data[1].as_u64()).collect();
        assert_eq!(own, (0..EACH).map(Some).collect::<Vec<_>>(), "{who} of publisher {by}");
    }
    for by in ["rest", "native"] {
        let seen: Vec<_> = heard.states.iter().map(|state| state[by].as_u64().unwrap_or(0)).collect();
        assert!(seen.is_sorted(), "{who}: a state of {by} that is older than the one before: {seen:?}");
    }
    assert!(heard.states.windows(2).all(|two| two[0] != two[1]), "{who} heard a state twice: {:?}", heard.states);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_all_protocols_hear_the_same_in_the_same_order() {
    let _turn = TURN.lock().await;
    let server = Arc::new(Server::start());
    channel(&server, "room", &json!({}));
    let secrets = tokens(&server, &["room"], 7);
    let mut wires = Vec::new();
    for token in &secrets[..3] {
        let mut wire = Wire::connect(server.addr, &json!({"project": server.project, "token": token})).await.unwrap();
        let reply = wire.frame().await.unwrap();
        assert_eq!(reply["ok"]["channels"][0]["channel"], "room", "{reply}");
        wires.push(wire);
    }
    let leaps = secrets[3..6].iter().map(|token| {
        let (mut leap, _) = server.identified(Some(token));
        leap.join("room");
        leap
    });
    let leaps: Vec<_> = leaps.collect();
    let stream = stream(&server, &secrets[6]);

    let mut hearing = Vec::new();
    for (wire, publisher) in wires.into_iter().zip([None, Some(1), Some(2)]) {
        hearing.push(("our own protocol", tokio::spawn(native(wire, publisher))));
    }
    for (one, publisher) in leaps.into_iter().zip([None, Some(3), Some(4)]) {
        hearing.push(("Leap", tokio::task::spawn_blocking(move || leap(one, publisher))));
    }
    hearing.push(("an event stream", tokio::task::spawn_blocking(move || streamed(stream))));
    let publishing = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || backend(&server)
    });
    let mut all = Vec::new();
    for (who, hearing) in hearing {
        let heard = timeout(PATIENCE, hearing).await.unwrap_or_else(|_| panic!("{who} has not heard everything"));
        all.push((who, heard.unwrap()));
    }
    publishing.await.unwrap();
    for (who, heard) in &all {
        check(who, heard, &all[0].1);
        println!("{who}: {} messages, {} states", heard.messages.len(), heard.states.len());
    }
}
