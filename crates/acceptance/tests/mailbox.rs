//! Mailboxes over the wire of our own protocol, through kill -9: what a backend was told is kept comes, in order and without a gap, until the client
//! was told that it is acknowledged, and not after that.
//!
//! A failure is repeated with `TOLLGATE_TEST_SEED`, as far as threads and fsync let it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::leap::upgrade;
use tollgate_testkit::{Random, Server};
use tungstenite::{Message, WebSocket};

const ROUNDS: usize = 12;
/// More than a round sends and leaves.
const SIZE: u64 = 1_000;

/// A client of our own protocol, as far as direct messages go.
struct Client {
    socket: WebSocket<TcpStream>,
    /// Offset and number of each direct message, in the order of arrival.
    heard: Vec<(u64, u64)>,
    greeting: Value,
    requests: u64,
}

impl Client {
    fn connect(server: &Server, token: &str, direct: Option<&str>) -> Self {
        let (socket, _) = upgrade(server.addr, "/connect", &[("sec-websocket-protocol", "tollgate.v1")]).unwrap();
        let mut client = Self { socket, heard: Vec::new(), greeting: Value::Null, requests: 0 };
        let mut connect = json!({"project": server.project, "token": token});
        if let Some(direct) = direct {
            connect["direct"] = json!(direct);
        }
        client.greeting = client.request("connect", &connect);
        assert!(client.greeting["direct"].is_string(), "{}", client.greeting);
        client
    }

    /// The reply to a request; direct messages before it are noted.
    fn request(&mut self, name: &str, body: &Value) -> Value {
        self.requests += 1;
        let mut request = json!({"id": self.requests});
        request[name] = body.clone();
        self.socket.send(Message::text(request.to_string())).unwrap();
        loop {
            let frame = self.frame();
            if frame["id"] == json!(self.requests) {
                return frame.get("ok").unwrap_or_else(|| panic!("{request}: {frame}")).clone();
            }
        }
    }

    fn frame(&mut self) -> Value {
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame == json!({}) {
                self.socket.send(Message::text("{}")).unwrap();
                continue;
            }
            if frame["push"] == "direct" {
                self.heard.push((frame["offset"].as_u64().unwrap(), frame["data"].as_u64().unwrap()));
            }
            return frame;
        }
    }

    /// Waits for a direct message with this number, or one sent later.
    fn hear(&mut self, number: u64) {
        while self.heard.last().is_none_or(|(_, last)| *last < number) {
            self.frame();
        }
    }

    fn position(&self, offset: u64) -> String {
        let epoch = self.greeting["direct"].as_str().unwrap().split_once('-').unwrap().0;
        format!("{epoch}-{offset}")
    }

    fn acknowledge(&mut self, offset: u64) {
        let direct = self.position(offset);
        assert_eq!(self.request("ack", &json!({ "direct": direct })), json!({}));
    }
}

fn with_mailboxes() -> (Server, String) {
    let server = Server::start();
    let set = server.command(&["project", "set", "--mailbox", &format!("{SIZE}/3600000"), "--json"]);
    assert_eq!(set["settings"]["mailbox"], json!({"size": SIZE, "ttl_ms": 3_600_000}), "{set}");
    let token = server.api().token(json!({}));
    (server, token)
}

/// Sends a number; the error is that of the connection.
fn send(server: &Server, token: &str, number: u64) -> std::io::Result<()> {
    let body = json!({"e": "said", "d": number}).to_string();
    let path = format!("/v1/channels/tokens/{token}/messages");
    let reply = server.api().try_call("POST", &path, Some(body.as_bytes()))?;
    assert_eq!(reply.status, 204, "{reply:?}");
    Ok(())
}

#[test]
fn what_was_kept_comes_until_it_is_acknowledged_through_kill_9() {
    let mut random = Random::announced("mailboxes");
    let (mut server, token) = with_mailboxes();
    let (mut number, mut acknowledged) = (0, 0);
    // What the backend was answered to, and the client did not acknowledge yet.
    let mut owed: Vec<u64> = Vec::new();
    for round in 0..ROUNDS {
        let life = Duration::from_millis(20 + random.below(180));
        let pid = server.pid();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(life);
            std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        });
        for _ in 0..SIZE / 4 {
            number += 1;
            match send(&server, &token, number) {
                Ok(()) => owed.push(number),
                Err(_) => break,
            }
        }
        killer.join().unwrap();
        server.kill();
        server.start_again();

        let mut client = Client::connect(&server, &token, None);
        assert_eq!(client.greeting["direct"], json!(client.position(acknowledged)), "round {round}");
        assert_eq!(client.greeting["direct_lost"], Value::Null, "round {round}");
        number += 1;
        send(&server, &token, number).unwrap();
        owed.push(number);
        client.hear(number);
        let (offsets, numbers): (Vec<u64>, Vec<u64>) = client.heard.iter().copied().unzip();
        let run: Vec<u64> = (acknowledged + 1..).take(offsets.len()).collect();
        assert_eq!(offsets, run, "round {round}: one after the other, behind what was acknowledged");
        assert!(numbers.is_sorted(), "round {round}: {numbers:?}");
        assert!(owed.iter().all(|one| numbers.binary_search(one).is_ok()), "round {round}: {owed:?} of {numbers:?}");
        // That the connection broke in the middle of one says nothing of it.
        assert!(numbers.len() <= owed.len() + round + 1, "round {round}: {} of {}", numbers.len(), owed.len());

        let taken = usize::try_from(random.below(client.heard.len() as u64)).unwrap();
        let (offset, last) = client.heard[taken];
        client.acknowledge(offset);
        acknowledged = offset;
        owed.retain(|one| *one > last);
        let behind = client.position(offset + 1);
        if taken + 2 < client.heard.len() {
            let mut again = Client::connect(&server, &token, Some(&behind));
            again.hear(number);
            assert_eq!(again.heard, client.heard[taken + 2..], "round {round}: behind a position, the same");
        }
    }
}
