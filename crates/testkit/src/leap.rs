//! A Leap Edge client on tungstenite. Every frame it receives is held against the wire rules (Hop behaviour 43) before a
//! test sees it, so that each test of a socket is also a test of the frames.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::poll::SOON;
use crate::socket;
pub use crate::socket::{Ending, Incoming, upgrade};

/// One connection, past its Hello.
#[derive(Debug)]
pub struct Leap {
    socket: WebSocket<TcpStream>,
    /// `heartbeat_interval` of the Hello.
    pub heartbeat_interval_ms: u64,
    tags: u64,
}

impl Leap {
    /// Connects to `/ws`.
    pub fn open(addr: SocketAddr) -> Self {
        Self::open_at(addr, "/ws")
    }

    /// Connects to any path and query.
    pub fn open_at(addr: SocketAddr, path: &str) -> Self {
        let (socket, _) = upgrade(addr, path, &[]).unwrap_or_else(|error| panic!("upgrade of {path}: {error}"));
        Self::on(socket)
    }

    /// Takes over an upgraded socket and reads its Hello.
    pub fn on(socket: WebSocket<TcpStream>) -> Self {
        let mut leap = Self { socket, heartbeat_interval_ms: 0, tags: 0 };
        let hello = leap.frame();
        assert_eq!(hello["op"], 1, "the first frame must be the Hello: {hello}");
        leap.heartbeat_interval_ms = hello["d"]["heartbeat_interval"].as_u64().expect("an integer interval");
        leap
    }

    /// Sends Identify; gives the `d` of INIT.
    pub fn identify(&mut self, project: &str, token: Option<&str>) -> Value {
        self.send(&match token {
            Some(token) => json!({"op": 2, "d": {"project_id": project, "token": token}}),
            None => json!({"op": 2, "d": {"project_id": project}}),
        });
        let init = self.dispatch("INIT");
        assert_eq!(init["c"], Value::Null);
        init["d"].clone()
    }

    /// Sends one frame.
    pub fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string());
    }

    /// Sends one text message.
    pub fn send_text(&mut self, text: &str) {
        self.try_send(Message::text(text)).unwrap();
    }

    /// Sends any message.
    pub fn try_send(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message)
    }

    /// Sends op 0.
    #[allow(clippy::needless_pass_by_value)] // reads better with json!(…) in place
    pub fn event(&mut self, event: &str, channel: &str, data: Value) {
        self.send(&json!({"op": 0, "d": {"e": event, "d": data, "c": channel}}));
    }

    /// Sends SUBSCRIBE and gives its answer, AVAILABLE or UNAVAILABLE.
    pub fn subscribe(&mut self, channel: &str) -> Value {
        self.event("SUBSCRIBE", channel, Value::Null);
        let answer = self.next_dispatch();
        assert_eq!(answer["d"]["c"], channel, "{answer}");
        assert!(matches!(answer["d"]["e"].as_str(), Some("AVAILABLE" | "UNAVAILABLE")), "{answer}");
        answer["d"].clone()
    }

    /// SUBSCRIBE that must be allowed; gives the state in AVAILABLE.
    pub fn join(&mut self, channel: &str) -> Value {
        let answer = self.subscribe(channel);
        assert_eq!(answer["e"], "AVAILABLE", "{answer}");
        answer["d"]["channel"]["state"].clone()
    }

    /// SUBSCRIBE that must be refused; gives the error code.
    pub fn refused(&mut self, channel: &str) -> String {
        let answer = self.subscribe(channel);
        assert_eq!((&answer["e"], &answer["d"]["graceful"]), (&json!("UNAVAILABLE"), &json!(false)), "{answer}");
        answer["d"]["error_code"].as_str().unwrap().to_owned()
    }

    /// The next frame, which must be a dispatch of `event`; gives its `d`: `{c, u, e, d}`.
    #[track_caller]
    pub fn dispatch(&mut self, event: &str) -> Value {
        let frame = self.next_dispatch();
        assert_eq!((&frame["op"], &frame["d"]["e"]), (&json!(0), &json!(event)), "unexpected frame {frame}");
        frame["d"].clone()
    }

    /// The `d` of the next dispatch, which must be `event` in `channel`.
    #[track_caller]
    pub fn expect(&mut self, event: &str, channel: &str) -> Value {
        let dispatch = self.dispatch(event);
        assert_eq!(dispatch["c"], channel, "{dispatch}");
        dispatch["d"].clone()
    }

    /// The next frame that is not part of the heartbeat.
    #[track_caller]
    pub fn next_dispatch(&mut self) -> Value {
        loop {
            let frame = self.frame();
            if frame["op"] == 0 {
                return frame;
            }
        }
    }

    /// The next frame of any kind; the server's heartbeats are answered.
    #[track_caller]
    pub fn frame(&mut self) -> Value {
        match self.incoming(SOON) {
            Some(Incoming::Frame(frame)) => frame,
            Some(Incoming::Ended(ending)) => panic!("closed, where a frame was expected: {ending:?}"),
            None => panic!("no frame within {SOON:?}"),
        }
    }

    /// Everything that arrived before the answer to a heartbeat sent now, heartbeats left out. A dispatch that belongs to
    /// an operation which the server has already answered is expected to be among it.
    #[track_caller]
    pub fn drain(&mut self) -> Vec<Value> {
        let mut seen = Vec::new();
        for _ in 0..2 {
            self.tags += 1;
            let tag = format!("drain{}", self.tags);
            self.send(&json!({"op": 3, "d": {"tag": tag}}));
            loop {
                let frame = self.frame();
                if frame["op"] == 4 && frame["d"]["tag"] == tag {
                    break;
                }
                if frame["op"] == 0 {
                    seen.push(frame["d"].clone());
                }
            }
        }
        seen
    }

    /// Asserts that nothing has arrived and nothing is on its way.
    #[track_caller]
    pub fn quiet(&mut self) {
        let seen = self.drain();
        assert!(seen.is_empty(), "expected silence, not {seen:?}");
    }

    /// Reads to the end of the connection; gives the close code and reason.
    #[track_caller]
    pub fn closed(&mut self) -> (u16, String) {
        socket::closed(self.ending(SOON))
    }

    /// Reads to the end of the connection, or gives `None` if it is still open after `deadline`.
    pub fn ending(&mut self, deadline: Duration) -> Option<Ending> {
        socket::ending(&mut self.socket, deadline, &life)
    }

    /// The next frame or the end, or `None` after `deadline`.
    pub fn incoming(&mut self, deadline: Duration) -> Option<Incoming> {
        socket::incoming(&mut self.socket, deadline, &life)
    }

    /// The TCP socket below, for reading slowly or cutting it off.
    pub fn tcp(&self) -> &TcpStream {
        self.socket.get_ref()
    }

    /// Ends the connection politely and waits for the server's answer.
    pub fn close(mut self) {
        let _ = self.socket.close(None);
        self.ending(SOON);
    }

    /// Ends the connection as a pulled plug does.
    pub fn cut(self) {
        let _ = self.tcp().shutdown(std::net::Shutdown::Both);
    }
}

/// A heartbeat is answered with itself.
fn life(frame: &Value) -> Option<Option<Message>> {
    check_frame(frame);
    (frame["op"] == 3).then(|| Some(Message::text(frame.to_string())))
}

/// What every frame from the server must be (Hop behaviour 43 and `hop.md` 3.2, 3.5): the published clients crash on less.
#[track_caller]
pub fn check_frame(frame: &Value) {
    let d = &frame["d"];
    let sound = match frame["op"].as_u64() {
        Some(0) => d["u"].is_boolean() && d["e"].is_string() && check_event(d),
        Some(1) => d["heartbeat_interval"].is_u64(),
        Some(3) => d["tag"].is_string(),
        Some(4) => frame.get("d").is_none() || d["tag"].is_string() && d["latency"].is_u64(),
        _ => false,
    };
    assert!(sound, "the published clients cannot take this frame: {frame}");
}

fn check_event(dispatch: &Value) -> bool {
    let (c, d) = (dispatch.get("c"), &dispatch["d"]);
    let in_channel = c.and_then(Value::as_str).is_some_and(|c| !c.is_empty());
    let in_none = c == Some(&Value::Null);
    match dispatch["e"].as_str().unwrap_or_default() {
        "INIT" => {
            let scope = matches!(d["scope"].as_str(), Some("token" | "noauth"));
            let all = d["cid"].is_string() && d["connection_count"].is_u64() && d.get("metadata").is_some();
            let channels = d["channels"].as_array().is_some_and(|list| list.iter().all(check_channel));
            in_none && scope && all && channels
        }
        "AVAILABLE" => in_channel && d["channel"]["id"] == dispatch["c"] && check_channel(&d["channel"]),
        "UNAVAILABLE" => {
            let code = d.get("error_code");
            in_channel
                && d["graceful"].is_boolean()
                && code.is_none_or(|code| code == "NOT_GRANTED" || code == "UNKNOWN")
        }
        "STATE_UPDATE" => in_channel && d["state"].is_object(),
        "MESSAGE" => in_channel && d["e"].is_string() && d.get("d").is_some(),
        "DIRECT_MESSAGE" => in_none && d["e"].is_string() && d.get("d").is_some(),
        "TOKEN_EXPIRING" => in_none && d["expires_in_ms"].is_u64(),
        "PIPE_ROOM_UNAVAILABLE" => in_none && d["graceful"].is_boolean(),
        _ => false,
    }
}

fn check_channel(channel: &Value) -> bool {
    channel["id"].is_string()
        && channel["project_id"].is_string()
        && channel["state"].is_object()
        && channel["type"].is_string()
        && channel.get("capabilities").is_some()
}
