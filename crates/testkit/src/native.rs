//! A client of the native protocol on tungstenite, as bare as can be: it hides and repairs nothing. Every frame it receives is held against section
//! 1 of docs/protocol/native.md before a test sees it.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::poll::SOON;
use crate::server::Server;
use crate::socket::{self, Ending, Incoming, upgrade};

/// One connection.
#[derive(Debug)]
pub struct Native {
    socket: WebSocket<TcpStream>,
    requests: u64,
    /// Pushes that came before a reply that a test waited for.
    pushes: VecDeque<Value>,
    is_mute: bool,
}

impl Native {
    /// A connection that has said nothing yet.
    pub fn open(addr: SocketAddr) -> Self {
        let (socket, response) = upgrade(addr, "/connect", &[("sec-websocket-protocol", "tollgate.v1")]).unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "tollgate.v1");
        Self { socket, requests: 0, pushes: VecDeque::new(), is_mute: false }
    }

    /// A connection after `connect` with these fields, and `project`; and the reply.
    #[track_caller]
    pub fn connect(server: &Server, fields: &Value) -> (Self, Value) {
        let mut native = Self::open(server.addr);
        let connected = native.ok("connect", &with_project(server, fields));
        (native, connected)
    }

    /// The error of a `connect` that is refused, and the code of the close behind it.
    #[track_caller]
    pub fn refused_connect(server: &Server, fields: &Value) -> (Value, u16) {
        let mut native = Self::open(server.addr);
        let error = native.refused("connect", &with_project(server, fields));
        (error, native.closed().0)
    }

    /// Answers no ping from now on.
    pub fn mute(&mut self) {
        self.is_mute = true;
    }

    /// Sends any text message.
    pub fn send_text(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    /// Sends any message.
    pub fn send(&mut self, message: Message) {
        self.try_send(message).unwrap();
    }

    /// Sends any message, if the connection takes it.
    #[allow(clippy::result_large_err)] // the error type is tungstenite's
    pub fn try_send(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message)
    }

    /// Sends a request and does not wait; gives its id.
    pub fn request(&mut self, name: &str, body: &Value) -> u64 {
        self.requests += 1;
        self.send_text(&json!({"id": self.requests, name: body}).to_string());
        self.requests
    }

    /// The reply to this request, which must be the next: `{"id", "ok" or "error"}`.
    #[track_caller]
    pub fn reply(&mut self, id: u64) -> Value {
        loop {
            let frame = self.frame();
            if frame.get("push").is_none() {
                assert_eq!(frame["id"], id, "{frame}");
                return frame;
            }
            self.pushes.push_back(frame);
        }
    }

    /// A request that is done: its `ok`.
    #[track_caller]
    pub fn ok(&mut self, name: &str, body: &Value) -> Value {
        let id = self.request(name, body);
        let reply = self.reply(id);
        reply.get("ok").unwrap_or_else(|| panic!("{name} {body}: {reply}")).clone()
    }

    /// A request that is not done: its `error`.
    #[track_caller]
    pub fn refused(&mut self, name: &str, body: &Value) -> Value {
        let id = self.request(name, body);
        let reply = self.reply(id);
        reply.get("error").unwrap_or_else(|| panic!("{name} {body}: {reply}")).clone()
    }

    /// The next push, which must be of this kind.
    #[track_caller]
    pub fn push(&mut self, kind: &str) -> Value {
        let push = self.pushes.pop_front().unwrap_or_else(|| self.frame());
        assert_eq!(push["push"], kind, "{push}");
        push
    }

    /// Asserts that no push came before the reply to a request sent now.
    #[track_caller]
    pub fn quiet(&mut self) {
        assert_eq!(self.refused("is_anything_there", &json!({}))["code"], "unknown_request");
        assert!(self.pushes.is_empty(), "expected silence, not {:?}", self.pushes);
    }

    /// The next frame of any kind but pings, which are answered.
    #[track_caller]
    pub fn frame(&mut self) -> Value {
        match self.incoming(SOON) {
            Some(Incoming::Frame(frame)) => frame,
            Some(Incoming::Ended(ending)) => panic!("closed, where a frame was expected: {ending:?}"),
            None => panic!("no frame within {SOON:?}"),
        }
    }

    /// Reads to the end of the connection; gives the close code and text.
    #[track_caller]
    pub fn closed(&mut self) -> (u16, String) {
        socket::closed(self.ending(SOON))
    }

    /// Reads to the end of the connection, or gives `None` if it is still open after `deadline`.
    pub fn ending(&mut self, deadline: Duration) -> Option<Ending> {
        socket::ending(&mut self.socket, deadline, &life(self.is_mute))
    }

    fn incoming(&mut self, deadline: Duration) -> Option<Incoming> {
        socket::incoming(&mut self.socket, deadline, &life(self.is_mute))
    }
}

/// A ping is answered with itself, unless the test stays mute.
fn life(is_mute: bool) -> impl Fn(&Value) -> Option<Option<Message>> {
    move |frame| {
        check_frame(frame);
        (*frame == json!({})).then(|| (!is_mute).then(|| Message::text("{}")))
    }
}

fn with_project(server: &Server, fields: &Value) -> Value {
    let mut fields = fields.clone();
    if fields.get("project").is_none() {
        fields["project"] = server.project.clone().into();
    }
    fields
}

/// What every frame from the server must be.
#[track_caller]
pub fn check_frame(frame: &Value) {
    let keys = frame.as_object().map(|fields| fields.keys().map(String::as_str).collect::<Vec<_>>());
    let is_sound = match keys.as_deref() {
        Some([]) => true,
        Some(["id", "ok"] | ["ok", "id"]) => frame["id"].is_u64() && frame["ok"].is_object(),
        Some(["error", "id"] | ["id", "error"]) => frame["id"].is_u64() && is_error(&frame["error"]),
        // Of pushes, only a message has an id: its publisher's.
        Some(_) => frame["push"].is_string() && frame.get("id").is_none_or(|_| frame["push"] == "message"),
        None => false,
    };
    assert!(is_sound, "no frame of the protocol's page: {frame}");
}

fn is_error(error: &Value) -> bool {
    let sentence = error["message"].as_str().is_some_and(|message| !message.is_empty());
    error["code"].is_string() && sentence && matches!(error["retry"].as_str(), Some("never" | "later" | "auth"))
}
