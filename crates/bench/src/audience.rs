//! The subscribers: thousands of sockets in one thread, from connecting to counting what arrives. Not the publisher.
use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::frame::{self, Template};
use crate::kernel::{self, Poller};
use crate::ledger::Ledger;
use serde_json::{Value, json};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Subscribers that share a source address: few enough for limits per address and for the ports of one.
const PER_SOURCE: usize = 200;
/// Handshakes in flight: less than any listener's backlog.
const HANDSHAKES_MAX: usize = 128;
const PATIENCE: Duration = Duration::from_secs(20);
const SCRATCH_BYTES: usize = 256 * 1024;

/// RFC 6455's own example, so that no SHA-1 is needed to check the answer.
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: tollgate\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const NATIVE_UPGRADE: &str = "GET /connect HTTP/1.1\r\nHost: tollgate\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tollgate.v1\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How a subscriber introduces itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Reads frames from the first byte on: the floor.
    Bare,
    /// Leap without a token; joins the channel itself.
    Anonymous { project: &'a str, channel: &'a str },
    /// Leap with a token of its own, one for each subscriber; the channel comes with INIT.
    Tokens { project: &'a str, channel: &'a str, tokens: &'a [String] },
    /// The native protocol without a token, from a position on if there is one.
    Native { project: &'a str, channel: &'a str, from: Option<&'a str> },
    /// The native protocol with a token of its own; the channel comes with the reply.
    NativeTokens { project: &'a str, channel: &'a str, tokens: &'a [String] },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Greeting,
    Identifying,
    Joining,
    Ready,
}

#[derive(Debug)]
struct Subscriber {
    stream: TcpStream,
    stage: Stage,
    /// The number of the last message that came before it was counted on, and how many there were.
    missed: (u64, u64),
    /// The start of a frame whose end has not come.
    partial: Vec<u8>,
}

/// What becomes of each whole frame.
enum Sink<'a> {
    Handshake(Role<'a>),
    Count(&'a Template, &'a mut Ledger),
    /// Counts what comes of the past.
    CatchUp(&'a Template),
    /// Keeps the frame that has a sequence number in it.
    Learn(&'a mut Option<Template>),
}

#[derive(Debug)]
pub(crate) struct Audience {
    subscribers: Vec<Subscriber>,
    ready_count: usize,
    scratch: Vec<u8>,
    wave: u8,
    to: SocketAddr,
}

impl Audience {
    /// Connects `count` subscribers, watched by `poller` under 0, 1, 2 …, and waits until all may receive. `wave` tells
    /// one audience's source addresses from the next one's, whose ports may still be in TIME_WAIT.
    pub(crate) fn gather(
        count: usize,
        wave: u8,
        to: SocketAddr,
        role: Role<'_>,
        poller: &mut Poller,
    ) -> Outcome<Audience> {
        let subscribers = Vec::with_capacity(count);
        let mut audience = Audience { subscribers, ready_count: 0, scratch: vec![0; SCRATCH_BYTES], wave, to };
        audience.grow(count, role, poller)?;
        Ok(audience)
    }

    /// The same until the audience has `count` subscribers, all of them ready.
    pub(crate) fn grow(&mut self, count: usize, role: Role<'_>, poller: &mut Poller) -> Outcome<()> {
        let (mut ready, mut heard) = (Vec::new(), kernel::now());
        loop {
            while self.len() < count && self.len() - self.ready_count < HANDSHAKES_MAX {
                self.connect(role, poller)?;
            }
            if self.ready_count >= count {
                return Ok(());
            }
            poller.wait(Duration::from_millis(500), &mut ready)?;
            if !ready.is_empty() {
                heard = kernel::now();
            } else if heard.elapsed() > PATIENCE {
                let (ready, of) = (self.ready_count, self.len());
                return cannot(format!("{ready} of {of} connected subscribers became ready, then nothing for 20 s"));
            }
            for number in &ready {
                self.drain(*number, &mut Sink::Handshake(role))?;
            }
        }
    }

    fn connect(&mut self, role: Role<'_>, poller: &Poller) -> Outcome<()> {
        let index = self.subscribers.len();
        let byte = |number: usize| u8::try_from(number % 256).unwrap_or(0);
        let source = Ipv4Addr::new(127, 1 + self.wave % 250, byte(index / PER_SOURCE), 1);
        let socket =
            Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).doing("open a subscriber's socket")?;
        socket.bind(&SockAddr::from(SocketAddr::from((source, 0)))).doing("bind a source address in 127.0.0.0/8")?;
        socket.connect_timeout(&SockAddr::from(self.to), PATIENCE).doing("connect a subscriber")?;
        socket.set_tcp_nodelay(true).doing("set TCP_NODELAY")?;
        socket.set_nonblocking(true).doing("set a socket non-blocking")?;
        poller.add(&socket, index as u64)?;
        let mut stream = TcpStream::from(socket);
        let stage = match role {
            Role::Bare => {
                self.ready_count += 1;
                Stage::Ready
            }
            Role::Anonymous { .. } | Role::Tokens { .. } => {
                send(&mut stream, UPGRADE.as_bytes())?;
                Stage::Upgrading
            }
            Role::Native { .. } | Role::NativeTokens { .. } => {
                send(&mut stream, NATIVE_UPGRADE.as_bytes())?;
                Stage::Upgrading
            }
        };
        self.subscribers.push(Subscriber { stream, stage, missed: (0, 0), partial: Vec::new() });
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Reads until every subscriber was sent so many messages that it had missed, in order.
    pub(crate) fn catch_up(&mut self, count: u64, template: &Template, poller: &mut Poller) -> Outcome<()> {
        let (mut ready, mut heard) = (Vec::new(), kernel::now());
        while self.subscribers.iter().any(|subscriber| subscriber.missed.1 < count) {
            poller.wait(Duration::from_millis(500), &mut ready)?;
            if !ready.is_empty() {
                heard = kernel::now();
            } else if heard.elapsed() > PATIENCE {
                let all = self.subscribers.iter().map(|subscriber| subscriber.missed.1);
                return Err(Failure::Delivery(format!(
                    "some subscribers were sent only {} of the {count} messages that they had missed",
                    all.min().unwrap_or(0)
                )));
            }
            for number in &ready {
                self.drain(*number, &mut Sink::CatchUp(template))?;
            }
        }
        Ok(())
    }

    /// Reads a ready subscriber and enters every message in the ledger.
    pub(crate) fn count(&mut self, number: u64, template: &Template, ledger: &mut Ledger) -> Outcome<()> {
        self.drain(number, &mut Sink::Count(template, ledger))
    }

    /// Reads a ready subscriber and learns from the broadcast that it shows, if it shows one.
    pub(crate) fn learn(&mut self, number: u64) -> Outcome<Option<Template>> {
        let mut learned = None;
        self.drain(number, &mut Sink::Learn(&mut learned))?;
        Ok(learned)
    }

    fn drain(&mut self, number: u64, sink: &mut Sink<'_>) -> Outcome<()> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(subscriber) = self.subscribers.get_mut(index) else { return Ok(()) };
        let kept = subscriber.partial.len();
        self.scratch[..kept].copy_from_slice(&subscriber.partial);
        let filled = match subscriber.stream.read(&mut self.scratch[kept..]) {
            Ok(0) => return cannot(format!("the server closed subscriber {index} without a reason")),
            Ok(count) => kept + count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).doing(&format!("read subscriber {index}")),
        };
        // What does not fit is still in the socket, and the poller says so again.
        let was_ready = subscriber.stage == Stage::Ready;
        let used = subscriber.take(index, &self.scratch[..filled], sink)?;
        subscriber.partial.clear();
        subscriber.partial.extend_from_slice(&self.scratch[used..filled]);
        if subscriber.partial.len() >= SCRATCH_BYTES {
            return cannot("a frame is larger than the bench's buffer");
        }
        self.ready_count += usize::from(!was_ready && subscriber.stage == Stage::Ready);
        Ok(())
    }
}

impl Subscriber {
    /// Takes all whole frames from the buffer and says how many bytes they were.
    fn take(&mut self, index: usize, buffer: &[u8], sink: &mut Sink<'_>) -> Outcome<usize> {
        let mut used = 0;
        if let (Stage::Upgrading, Sink::Handshake(role)) = (self.stage, &*sink) {
            let is_native = matches!(role, Role::Native { .. } | Role::NativeTokens { .. });
            let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            let head = String::from_utf8_lossy(&buffer[..end]);
            if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
                return cannot(format!("the upgrade of subscriber {index} was refused: {head}"));
            }
            self.stage = Stage::Greeting;
            used = end + 4;
            if is_native {
                self.introduce(index, *role)?;
            }
        }
        while used < buffer.len() {
            let rest = &buffer[used..];
            let template = match sink {
                Sink::Count(template, _) | Sink::CatchUp(template) => Some(*template),
                Sink::Handshake(_) | Sink::Learn(_) => None,
            };
            if let Some((sequence, length)) = template.and_then(|template| template.first(rest)) {
                match sink {
                    Sink::Count(_, ledger) => ledger.record(index, sequence),
                    _ => self.miss(index, sequence)?,
                }
                used += length;
                continue;
            }
            let Some(received) = frame::receive(rest)? else { break };
            let whole = &rest[..received.length];
            self.receive(index, whole, &received, sink)?;
            used += received.length;
        }
        Ok(used)
    }

    /// Everything that is not a broadcast as expected.
    fn receive(&mut self, index: usize, whole: &[u8], frame: &frame::Received<'_>, sink: &mut Sink<'_>) -> Outcome<()> {
        match (frame.opcode, sink) {
            (0x8, _) => return cannot(format!("the server closed subscriber {index}: {}", close_words(frame.payload))),
            (0x9, _) => return send(&mut self.stream, &frame::client(0xA, frame.payload)),
            (0xA, _) => return Ok(()),
            (0x1, Sink::Learn(learned)) if Template::learn(whole).is_some() => {
                **learned = Template::learn(whole);
                return Ok(());
            }
            (0x1, _) if frame.payload == b"{}" => return send(&mut self.stream, &frame::client(1, b"{}")),
            (0x1, Sink::Handshake(_)) if self.stage == Stage::Ready => {
                if let Some((sequence, _)) = Template::learn(whole).and_then(|template| template.first(whole)) {
                    return self.miss(index, sequence);
                }
            }
            (0x1, Sink::Handshake(role @ (Role::Native { .. } | Role::NativeTokens { .. }))) => {
                return self.join(index, frame.payload, *role);
            }
            (0x1, Sink::Handshake(role)) => return self.greet(index, frame.payload, *role),
            (0x1, _) => {}
            (opcode, _) => return cannot(format!("subscriber {index} received a frame of type {opcode}")),
        }
        let text = String::from_utf8_lossy(frame.payload).into_owned();
        match serde_json::from_str::<Value>(&text).unwrap_or_default()["op"].as_u64() {
            Some(4) => Ok(()),
            Some(3) => send(&mut self.stream, &frame::client(1, frame.payload)),
            _ => Err(Failure::Delivery(format!("subscriber {index} received an altered or unexpected frame: {text}"))),
        }
    }

    /// A message of the past came.
    fn miss(&mut self, index: usize, sequence: u64) -> Outcome<()> {
        let (last, count) = self.missed;
        if count > 0 && sequence != last + 1 {
            return Err(Failure::Delivery(format!("subscriber {index} was sent {sequence} behind {last}")));
        }
        self.missed = (sequence, count + 1);
        Ok(())
    }

    /// The first request of the native protocol.
    fn introduce(&mut self, index: usize, role: Role<'_>) -> Outcome<()> {
        let connect = match role {
            Role::NativeTokens { project, tokens, .. } => json!({"project": project, "token": tokens.get(index)}),
            Role::Native { project, .. } | Role::Anonymous { project, .. } | Role::Tokens { project, .. } => {
                json!({"project": project})
            }
            Role::Bare => return cannot("the floor has no handshake"),
        };
        self.stage = Stage::Identifying;
        send(&mut self.stream, &frame::client(1, json!({"id": 1, "connect": connect}).to_string().as_bytes()))
    }

    /// The replies of the native handshake.
    fn join(&mut self, index: usize, text: &[u8], role: Role<'_>) -> Outcome<()> {
        let words: Value = serde_json::from_slice(text).unwrap_or_default();
        match (self.stage, role, words["id"].as_u64(), words["ok"].is_object()) {
            (Stage::Identifying, Role::NativeTokens { channel, .. }, Some(1), true)
                if words["ok"]["channels"][0]["channel"] == channel =>
            {
                self.stage = Stage::Ready;
                Ok(())
            }
            (Stage::Identifying, Role::Native { channel, from, .. }, Some(1), true) => {
                let mut subscribe = json!({"channel": channel});
                if let Some(from) = from {
                    subscribe["position"] = from.into();
                }
                self.stage = Stage::Joining;
                let request = json!({"id": 2, "subscribe": subscribe}).to_string();
                send(&mut self.stream, &frame::client(1, request.as_bytes()))
            }
            (Stage::Joining, Role::Native { from, .. }, Some(2), true)
                if from.is_none() || words["ok"]["recovered"] == true =>
            {
                self.stage = Stage::Ready;
                Ok(())
            }
            (stage, ..) => cannot(format!("subscriber {index} at {stage:?} received {words}")),
        }
    }

    /// One step of the Leap handshake.
    fn greet(&mut self, index: usize, text: &[u8], role: Role<'_>) -> Outcome<()> {
        let Ok(words) = serde_json::from_slice::<Value>(text) else {
            return cannot(format!("a frame is not JSON: {}", String::from_utf8_lossy(text)));
        };
        let (project, channel, token) = match role {
            Role::Bare | Role::Native { .. } | Role::NativeTokens { .. } => {
                return cannot("a frame came too early, or of another protocol");
            }
            Role::Anonymous { project, channel } => (project, channel, None),
            Role::Tokens { project, channel, tokens } => (project, channel, tokens.get(index)),
        };
        let event = words["d"]["e"].as_str();
        let (reply, stage) = match (self.stage, words["op"].as_u64(), event) {
            (_, Some(3 | 4), _) => return Ok(()),
            (Stage::Greeting, Some(1), _) => {
                let identify = match token {
                    Some(token) => json!({"op": 2, "d": {"project_id": project, "token": token}}),
                    None => json!({"op": 2, "d": {"project_id": project}}),
                };
                (Some(identify), Stage::Identifying)
            }
            (Stage::Identifying, Some(0), Some("INIT")) if token.is_none() => {
                (Some(json!({"op": 0, "d": {"e": "SUBSCRIBE", "d": null, "c": channel}})), Stage::Joining)
            }
            (Stage::Identifying, Some(0), Some("INIT")) if words["d"]["d"]["channels"][0]["id"] == channel => {
                (None, Stage::Ready)
            }
            (Stage::Joining, Some(0), Some("AVAILABLE")) => (None, Stage::Ready),
            (stage, _, _) => return cannot(format!("subscriber {index} at {stage:?} received {words}")),
        };
        self.stage = stage;
        match reply {
            Some(reply) => send(&mut self.stream, &frame::client(1, reply.to_string().as_bytes())),
            None => Ok(()),
        }
    }
}

/// Small writes into an empty socket buffer: they fit or something is broken.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> Outcome<()> {
    match stream.write(bytes) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => cannot("a subscriber's small frame did not fit into its socket"),
        Err(error) => Err(error).doing("send a subscriber's frame"),
    }
}

fn close_words(payload: &[u8]) -> String {
    let code = payload.iter().take(2).fold(0u16, |sum, byte| sum << 8 | u16::from(*byte));
    format!("code {code} {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()))
}
