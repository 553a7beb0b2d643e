//! What a live connection of our own protocol goes on with, over a real socket: pings as they are set, and another token.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_testkit::leap::upgrade;
use tollgate_testkit::{Server, Setup, wait};
use tungstenite::{Message, WebSocket};

/// A connection, frame by frame.
struct Client(WebSocket<TcpStream>);

impl Client {
    fn connect(server: &Server, token: Option<&str>) -> (Self, Value) {
        let (socket, _) = upgrade(server.addr, "/connect", &[("sec-websocket-protocol", "tollgate.v1")]).unwrap();
        let mut client = Self(socket);
        let mut connect = json!({"project": server.project});
        if let Some(token) = token {
            connect["token"] = json!(token);
        }
        let greeting = client.ask(1, "connect", &connect);
        (client, greeting)
    }

    /// The reply to a request; nothing else may come before it.
    fn ask(&mut self, id: u32, name: &str, body: &Value) -> Value {
        let mut request = json!({"id": id});
        request[name] = body.clone();
        self.0.send(Message::text(request.to_string())).unwrap();
        let frame = self.frame().unwrap();
        assert_eq!(frame["id"], id, "{frame}");
        frame["ok"].clone()
    }

    /// The next frame, or the code of the close.
    fn frame(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(close) => return Err(close.unwrap().code.into()),
                _ => {}
            }
        }
    }
}

fn post(server: &Server, path: &str, body: &Value) -> Value {
    server.api().try_call("POST", path, Some(body.to_string().as_bytes())).unwrap().json()
}

/// The id and the secret of a token of this user.
fn token(server: &Server, user: &str) -> (String, String) {
    let made = post(server, "/v2/tokens", &json!({"user_id": user}));
    let text = |key: &str| made[key].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    server.remember(&text("secret"));
    (text("id"), text("secret"))
}

#[test]
fn pings_come_as_they_are_set_and_silence_ends_a_connection() {
    let setup = Setup::default().config("[native]\nping_ms = 300\n").env("TOLLGATE_NATIVE_TIMEOUT_MS", "2000");
    let server = setup.start();
    let (mut client, greeting) = Client::connect(&server, None);
    assert_eq!((&greeting["ping_ms"], &greeting["timeout_ms"]), (&json!(300), &json!(2_000)));
    let connected = Instant::now();
    for _ in 0..4 {
        assert_eq!(client.frame(), Ok(json!({})));
        client.0.send(Message::text("{}")).unwrap();
    }
    // The first comes after half of the time.
    let took = connected.elapsed();
    assert!((900..20_000).contains(&took.as_millis()), "{took:?}");
    // It says no more.
    let silent = Instant::now();
    let code = loop {
        if let Err(code) = client.frame() {
            break code;
        }
    };
    assert_eq!(code, 4002);
    assert!(silent.elapsed() >= Duration::from_millis(2_000), "{:?}", silent.elapsed());
}

#[test]
fn another_token_of_the_user_brings_its_session_and_its_direct_messages() {
    let server = Server::start();
    let ((old, first), (new, second), (_, stranger)) =
        (token(&server, "ann"), token(&server, "ann"), token(&server, "ben"));
    let (mut client, greeting) = Client::connect(&server, Some(&first));
    let send = |token: &str, number: u32| {
        let path = format!("/v2/tokens/{token}/messages");
        let reply = post(&server, &path, &json!({"event": "said", "data": number}));
        reply["connections"].as_u64().unwrap_or_else(|| panic!("{reply}"))
    };
    assert_eq!(send(&old, 1), 1);
    assert_eq!(client.frame().unwrap()["data"], 1);
    client.0.send(Message::text(json!({"id": 2, "renew": {"token": stranger}}).to_string())).unwrap();
    let refused = client.frame().unwrap();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(2), &json!("forbidden")), "{refused}");
    let renewed = client.ask(3, "renew", &json!({"token": second}));
    assert_eq!((&renewed["token"]["id"], &renewed["token"]["user"]), (&json!(new), &json!("ann")), "{renewed}");
    assert!(renewed["session"].is_string() && renewed["session"] != greeting["session"], "{renewed}");
    assert_eq!((send(&old, 2), send(&new, 3)), (0, 1), "the old token is nobody's now");
    let heard = client.frame().unwrap();
    let (epoch, offset) = renewed["direct"].as_str().unwrap().split_once('-').unwrap();
    let offset: u64 = offset.parse().unwrap();
    assert_eq!((&heard["offset"], &heard["data"]), (&json!(offset + 1), &json!(3)));
    // It breaks off, misses one, and goes on as that token.
    drop(client);
    let connections = format!("/v2/tokens/{new}/connections");
    let there = || server.api().try_call("GET", &connections, None).unwrap().json();
    wait("it is gone", || there()["data"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(send(&new, 4), 0);
    let (socket, _) = upgrade(server.addr, "/connect", &[("sec-websocket-protocol", "tollgate.v1")]).unwrap();
    let mut client = Client(socket);
    let connect = json!({"project": server.project, "token": second, "session": renewed["session"],
        "direct": format!("{epoch}-{}", offset + 1)});
    let greeting = client.ask(1, "connect", &connect);
    assert_eq!((&greeting["resumed"], greeting.get("direct_lost")), (&json!(true), None), "{greeting}");
    assert_eq!(client.frame().unwrap()["data"], 4);
}
