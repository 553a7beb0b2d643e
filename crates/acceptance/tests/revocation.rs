//! Revocation over real sockets: 1,000 of them, under a stream of messages. Nothing reaches a revoked token after the answer, all are told within
//! a quarter of a second, and a `kill -9` changes none of it. social.plus items 24 and 31.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_testkit::leap::Leap;
use tollgate_testkit::{Api, Server};

const SOCKETS: usize = 1_000;
const READERS: usize = 2;
/// Of 99 % of them. A build without optimisation gets four times as long.
const CLOSED_WITHIN: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 250 });
/// Leap's code for a token that was revoked: stay away.
const REVOKED: u16 = 4001;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// One request to `/v2` that must succeed.
fn ask(api: &Api<'_>, method: &str, path: &str, body: &Value) -> Value {
    let reply = api.try_call(method, path, Some(body.to_string().as_bytes())).unwrap();
    assert!(matches!(reply.status, 200..=202), "{method} {path}: {reply:?}");
    reply.json()
}

/// Tokens that are subscribed to `room`: public ids and secrets.
fn tokens(server: &Server, count: usize) -> Vec<(String, String)> {
    let entries = vec![json!({"channels": ["room"]}); count];
    let made = ask(&server.api(), "POST", "/v2/tokens/batch", &json!({"action": "create", "entries": entries}));
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    made["results"].as_array().unwrap().iter().map(|one| (text(one, "id"), text(one, "secret"))).collect()
}

/// A socket whose frames are read as they come, and what came.
struct Watched {
    leap: Leap,
    /// What is no whole frame yet.
    bytes: Vec<u8>,
    /// The numbers of the messages it got.
    numbers: Vec<u64>,
    /// The code it was closed with, and when that was read.
    closed: Option<(u16, Instant)>,
    ended: bool,
}

impl Watched {
    fn new(leap: Leap) -> Self {
        leap.tcp().set_nonblocking(true).unwrap();
        Self { leap, bytes: Vec::new(), numbers: Vec::new(), closed: None, ended: false }
    }

    /// Reads what is there.
    fn look(&mut self) {
        let mut socket: &TcpStream = self.leap.tcp();
        let mut buffer = [0; 16 * 1024];
        while !self.ended {
            match socket.read(&mut buffer) {
                Ok(len @ 1..) => self.bytes.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => self.ended = true,
            }
        }
        let mut at = 0;
        while let Some((whole, opcode, payload)) = frame(&self.bytes[at..]) {
            match opcode {
                TEXT => {
                    let frame: Value = serde_json::from_slice(payload).unwrap();
                    self.numbers.extend(frame["d"]["d"]["d"].as_u64());
                }
                CLOSE => {
                    self.closed = Some((u16::from_be_bytes([payload[0], payload[1]]), Instant::now()));
                    self.ended = true;
                }
                _ => {}
            }
            at += whole;
        }
        self.bytes.drain(..at);
    }
}

/// The first whole frame of a server's bytes: its length, its opcode and its payload.
fn frame(bytes: &[u8]) -> Option<(usize, u8, &[u8])> {
    let (header, len) = match bytes {
        [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        [_, len @ ..126, ..] => (2, usize::from(*len)),
        _ => return None,
    };
    Some((header + len, bytes[0] & 0xf, bytes.get(header..header + len)?))
}

/// Opens a socket for each token, in several threads.
fn connect(server: &Server, tokens: &[(String, String)]) -> Vec<Vec<Watched>> {
    std::thread::scope(|scope| {
        let open = |tokens: &[(String, String)]| {
            tokens.iter().map(|(_, secret)| Watched::new(server.identified(Some(secret)).0)).collect::<Vec<_>>()
        };
        let openers: Vec<_> =
            tokens.chunks(tokens.len().div_ceil(READERS)).map(|tokens| scope.spawn(move || open(tokens))).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    })
}

/// What a run came to.
struct Run {
    answer: Value,
    /// From the request until the answer.
    answered_after: Duration,
    asked_at: Instant,
    /// The first number whose publish began after the answer.
    first_after: u64,
}

/// Publishes numbers without a pause, revokes in the middle of it, and reads all sockets to their end.
fn revoke_while_publishing(server: &Server, watched: &mut [Vec<Watched>], body: &Value) -> Run {
    let (next, stop) = (AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let api = server.api();
            while !stop.load(Ordering::SeqCst) {
                let number = next.fetch_add(1, Ordering::SeqCst);
                api.publish("room", "N", json!(number));
            }
        });
        let readers: Vec<_> = watched
            .iter_mut()
            .map(|sockets| {
                scope.spawn(|| {
                    let start = Instant::now();
                    while sockets.iter().any(|one| !one.ended) && start.elapsed() < Duration::from_secs(20) {
                        sockets.iter_mut().for_each(Watched::look);
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        tollgate_testkit::wait("the stream to flow", || next.load(Ordering::SeqCst) > 10);
        let asked_at = Instant::now();
        let answer = ask(&server.api(), "POST", "/v2/tokens/revoke", body);
        let answered_after = asked_at.elapsed();
        // Numbers from here on are published after the answer.
        let first_after = next.load(Ordering::SeqCst);
        tollgate_testkit::wait("more to be published", || next.load(Ordering::SeqCst) > first_after + 10);
        stop.store(true, Ordering::SeqCst);
        publisher.join().unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        Run { answer, answered_after, asked_at, first_after }
    })
}

#[test]
fn a_thousand_live_sockets_hear_nothing_after_the_answer() {
    let mut server = Server::start();
    server.api().channel("room", "private", json!({}));
    let doomed = tokens(&server, SOCKETS);
    let spared = tokens(&server, 1).remove(0);
    let mut sockets = connect(&server, &doomed);
    let (mut witness, _) = server.identified(Some(&spared.1));
    let ids: Vec<&String> = doomed.iter().map(|(id, _)| id).collect();
    let run = revoke_while_publishing(&server, &mut sockets, &json!({"tokens": ids, "reason": "test"}));

    let told = |key: &str| run.answer[key].clone();
    assert_eq!(
        (told("matched"), told("revoked"), told("connections_closed")),
        (json!(1_000), json!(1_000), json!(1_000))
    );
    assert!(told("last_closed_at").as_str() >= told("effective_at").as_str(), "{}", run.answer);
    let mut latencies = Vec::with_capacity(SOCKETS);
    for one in sockets.iter().flatten() {
        let (numbers, (code, closed_at)) = (&one.numbers, one.closed.expect("closed, and told why"));
        assert_eq!(code, REVOKED);
        assert!(!numbers.is_empty(), "the stream reached it");
        assert!(
            numbers.iter().all(|number| *number < run.first_after),
            "{numbers:?}, though {} came after",
            run.first_after
        );
        assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "no hole before the end: {numbers:?}");
        latencies.push(closed_at - run.asked_at);
    }
    latencies.sort_unstable();
    let p99 = latencies[SOCKETS * 99 / 100];
    assert!(p99 <= CLOSED_WITHIN, "closed within {p99:?}; answered in {:?}", run.answered_after);
    let heard = witness.drain().iter().filter(|one| one["e"] == "MESSAGE").count() as u64;
    assert!(heard >= run.first_after, "who was spared hears on: {heard} of {}", run.first_after);

    // The token that was revoked is turned away, now and after a sudden end.
    for round in 0..2 {
        for (id, secret) in doomed.iter().step_by(100) {
            let mut leap = server.leap();
            leap.send(&json!({"op": 2, "d": {"project_id": server.project, "token": secret}}));
            assert_eq!(leap.closed().0, REVOKED, "round {round}: {id}");
        }
        server.identified(Some(&spared.1)).0.close();
        if round == 0 {
            server.kill();
            server.start_again();
        }
    }
}

#[test]
fn revoking_all_ends_every_socket_and_nothing_made_later() {
    let server = Server::start();
    server.api().channel("room", "private", json!({}));
    let doomed = tokens(&server, 50);
    let mut sockets = connect(&server, &doomed);
    let run = revoke_while_publishing(&server, &mut sockets, &json!({"all": true}));
    assert_eq!(run.answer["connections_closed"], 50);
    assert!(sockets.iter().flatten().all(|one| one.closed.is_some_and(|(code, _)| code == REVOKED)));
    let later = tokens(&server, 1).remove(0);
    server.identified(Some(&later.1)).0.close();
}

#[test]
fn a_grace_is_told_and_can_be_taken_back() {
    let server = Server::start();
    server.api().channel("room", "private", json!({}));
    let made = tokens(&server, 2);
    let mut open: Vec<Leap> = made.iter().map(|(_, secret)| server.identified(Some(secret)).0).collect();
    let asked_at = Instant::now();
    let answer = ask(&server.api(), "POST", "/v2/tokens/revoke", &json!({"all": true, "grace_s": 1}));
    assert_eq!((&answer["revoked"], &answer["connections_closed"]), (&json!(2), &json!(0)));
    let restored = server.api().try_call("POST", &format!("/v2/tokens/{}/restore", made[1].0), None).unwrap();
    assert_eq!(restored.status, 200, "{restored:?}");
    assert_eq!(open[0].closed().0, REVOKED);
    assert!(asked_at.elapsed() >= Duration::from_millis(900), "not before its grace is over");
    server.api().publish("room", "X", json!(1));
    open[1].expect("MESSAGE", "room");
}
