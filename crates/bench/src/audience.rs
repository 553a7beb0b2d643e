//! The subscribers: thousands of sockets in one thread, from connecting to counting what arrives. Knows WebSocket's frames
//! and no protocol; not the publisher.
use crate::books::Books;
use crate::dialect::{Client, Dialect, Heard, Shape};
use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::frame::{self, Template};
use crate::kernel::{self, Poller};

use crate::wire::{Trust, Wire};
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
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Joining,
    Ready,
}

#[derive(Debug)]
struct Subscriber {
    stream: Wire,
    stage: Stage,
    client: Client,
    /// The number of the last message that came before it was counted on, and how many there were.
    missed: (u64, u64),
    /// The start of a frame whose end has not come.
    partial: Vec<u8>,
}

/// What was read from the subscriber before, byte by byte as expected, and which publications it was: most of the time the next one was sent the very same.
#[derive(Debug, Default)]
struct Echo {
    bytes: Vec<u8>,
    sequences: Vec<u64>,
    /// There was something else among it, which each subscriber has to hear for itself.
    is_mixed: bool,
}

/// What becomes of each message.
enum Sink<'a> {
    Handshake,
    Count(&'a Template, &'a mut Books, &'a mut Echo),
    /// Counts what comes of the past.
    CatchUp(&'a Template),
    /// Keeps the message that has a sequence number in it.
    Learn(&'a mut Option<Template>),
}

impl Sink<'_> {
    fn template(&self) -> Option<&Template> {
        match self {
            Sink::Count(template, ..) | Sink::CatchUp(template) => Some(template),
            Sink::Handshake | Sink::Learn(_) => None,
        }
    }

    /// Something came that is no publication.
    fn mix(&mut self) {
        if let Sink::Count(_, _, echo) = self {
            echo.is_mixed = true;
        }
    }
}

impl Echo {
    fn begin(&mut self) {
        self.bytes.clear();
        self.sequences.clear();
        self.is_mixed = false;
    }

    /// Keeps what was read, if it was whole publications and nothing else.
    fn end(&mut self, bytes: &[u8], is_whole: bool) {
        if is_whole && !self.is_mixed {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Audience<'a> {
    dialect: &'a dyn Dialect,
    subscribers: Vec<Subscriber>,
    ready_count: usize,
    /// Over TLS, if there is somebody to trust.
    trust: Option<Trust>,
    /// So many of the last ones do not read any more.
    mute: usize,
    scratch: Vec<u8>,
    echo: Echo,
    wave: u8,
    to: SocketAddr,
}

impl<'a> Audience<'a> {
    /// Connects `count` subscribers, watched by `poller` under 0, 1, 2 …, and waits until all may receive. `wave` tells
    /// one audience's source addresses from the next one's, whose ports may still be in TIME_WAIT.
    pub(crate) fn gather(
        count: usize,
        wave: u8,
        to: SocketAddr,
        dialect: &'a dyn Dialect,
        poller: &mut Poller,
    ) -> Outcome<Audience<'a>> {
        let subscribers = Vec::with_capacity(count);
        let mut audience = Audience {
            dialect,
            subscribers,
            ready_count: 0,
            trust: None,
            mute: 0,
            scratch: vec![0; SCRATCH_BYTES],
            echo: Echo::default(),
            wave,
            to,
        };
        audience.grow(count, poller)?;
        Ok(audience)
    }

    /// Nobody yet; whoever comes does so over TLS.
    pub(crate) fn over_tls(
        wave: u8,
        to: SocketAddr,
        dialect: &'a dyn Dialect,
        trust: &Trust,
        poller: &mut Poller,
    ) -> Outcome<Audience<'a>> {
        let nobody = Audience::gather(0, wave, to, dialect, poller)?;
        Ok(Audience { trust: Some(trust.clone()), ..nobody })
    }

    /// The same until the audience has `count` subscribers, all of them ready.
    pub(crate) fn grow(&mut self, count: usize, poller: &mut Poller) -> Outcome<()> {
        let (mut ready, mut heard) = (Vec::new(), kernel::now());
        loop {
            while self.len() < count && self.len() - self.ready_count < HANDSHAKES_MAX {
                self.connect(poller)?;
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
                self.drain(*number, &mut Sink::Handshake)?;
            }
        }
    }

    fn connect(&mut self, poller: &Poller) -> Outcome<()> {
        let index = self.subscribers.len();
        let byte = |number: usize| u8::try_from(number % 256).unwrap_or(0);
        let source = Ipv4Addr::new(127, 1 + self.wave % 250, byte(index / PER_SOURCE), 1);
        let socket =
            Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).doing("open a subscriber's socket")?;
        socket.bind(&SockAddr::from(SocketAddr::from((source, 0)))).doing("bind a source address in 127.0.0.0/8")?;
        socket.connect_timeout(&SockAddr::from(self.to), PATIENCE).doing("connect a subscriber")?;
        socket.set_tcp_nodelay(true).doing("set TCP_NODELAY")?;
        let socket = TcpStream::from(socket);
        let mut stream = match &self.trust {
            Some(trust) => Wire::tls(socket, trust)?,
            None => {
                socket.set_nonblocking(true).doing("set a socket non-blocking")?;
                Wire::Plain(socket)
            }
        };
        poller.add(&stream, index as u64)?;
        let stage = match self.dialect.upgrade(index) {
            None => {
                self.ready_count += 1;
                Stage::Ready
            }
            Some(upgrade) => {
                let (path, lines, to) = (upgrade.path, upgrade.lines, self.to);
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {to}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{lines}\r\n"
                );
                send(&mut stream, request.as_bytes())?;
                Stage::Upgrading
            }
        };
        let client = Client { index, step: 0, has_joined: stage == Stage::Ready };
        self.subscribers.push(Subscriber { stream, stage, client, missed: (0, 0), partial: Vec::new() });
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// The first subscriber says a message.
    pub(crate) fn say(&mut self, message: &[u8]) -> Outcome<()> {
        let Some(first) = self.subscribers.first_mut() else { return cannot("there is no subscriber to publish") };
        send(&mut first.stream, &frame::client(self.dialect.shape().opcode, message))
    }

    /// The last ones stop reading, and are not counted on any more.
    pub(crate) fn mute(&mut self, count: usize, poller: &Poller) -> Outcome<()> {
        self.mute = count;
        self.subscribers.iter().rev().take(count).try_for_each(|subscriber| poller.remove(&subscriber.stream))
    }

    /// How many of them read what they are sent: all but the mute ones.
    pub(crate) fn listening(&self) -> usize {
        self.len() - self.mute
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

    /// Reads a ready subscriber and enters every message in the books.
    pub(crate) fn count(&mut self, number: u64, template: &Template, books: &mut Books) -> Outcome<()> {
        let mut echo = std::mem::take(&mut self.echo);
        let counted = self.drain(number, &mut Sink::Count(template, books, &mut echo));
        self.echo = echo;
        counted
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
        if let Sink::Count(_, books, echo) = sink {
            books.tick();
            if kept == 0 && echo.bytes == self.scratch[..filled] {
                echo.sequences.iter().for_each(|sequence| books.record(index, *sequence));
                return Ok(());
            }
            echo.begin();
        }
        // What does not fit is still in the socket, and the poller says so again.
        let was_ready = subscriber.stage == Stage::Ready;
        let used = subscriber.take(self.dialect, &self.scratch[..filled], sink)?;
        if let Sink::Count(_, _, echo) = sink {
            echo.end(&self.scratch[kept..filled], kept == 0 && used == filled);
        }
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
    fn take(&mut self, dialect: &dyn Dialect, buffer: &[u8], sink: &mut Sink<'_>) -> Outcome<usize> {
        let (mut used, shape) = (0, dialect.shape());
        if self.stage == Stage::Upgrading {
            let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            let head = String::from_utf8_lossy(&buffer[..end]);
            if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
                return cannot(format!("the upgrade of subscriber {} was refused: {head}", self.client.index));
            }
            self.stage = Stage::Joining;
            used = end + 4;
            let heard = dialect.open(&mut self.client);
            self.follow(heard, &shape, b"the answer to the upgrade")?;
        }
        while let Some(received) = frame::receive(&buffer[used..])? {
            used += received.length;
            match received.opcode {
                1 | 2 => self.take_messages(dialect, &shape, &received, sink)?,
                8 => {
                    let (index, why) = (self.client.index, close_words(received.payload));
                    return cannot(format!("the server closed subscriber {index}: {why}"));
                }
                9 => {
                    sink.mix();
                    send(&mut self.stream, &frame::client(0xA, received.payload))?;
                }
                0xA => {}
                opcode => return cannot(format!("subscriber {} received a frame of type {opcode}", self.client.index)),
            }
        }
        Ok(used)
    }

    fn take_messages(
        &mut self,
        dialect: &dyn Dialect,
        shape: &Shape,
        frame: &frame::Received<'_>,
        sink: &mut Sink<'_>,
    ) -> Outcome<()> {
        let mut rest = frame.payload;
        loop {
            let first = sink.template().and_then(|template| template.first(frame.opcode, rest));
            let length = if let Some((sequence, length)) = first {
                match sink {
                    Sink::Count(_, books, echo) => {
                        books.record(self.client.index, sequence);
                        echo.sequences.push(sequence);
                    }
                    _ => self.miss(sequence)?,
                }
                length
            } else {
                let length = (shape.first)(rest).clamp(usize::from(!rest.is_empty()), rest.len());
                self.receive(dialect, shape, frame.opcode, &rest[..length], sink)?;
                length
            };
            rest = &rest[length..];
            if rest.is_empty() {
                return Ok(());
            }
            rest = rest.strip_prefix(shape.separator).unwrap_or(rest);
        }
    }

    /// Everything that is not a publication as expected.
    fn receive(
        &mut self,
        dialect: &dyn Dialect,
        shape: &Shape,
        opcode: u8,
        message: &[u8],
        sink: &mut Sink<'_>,
    ) -> Outcome<()> {
        sink.mix();
        match sink {
            Sink::Learn(learned) => {
                if let Some(template) = Template::learn(opcode, message, shape.holes) {
                    **learned = Some(template);
                    return Ok(());
                }
            }
            Sink::Handshake if self.stage == Stage::Ready => {
                if let Some(sequence) = frame::sequence(message) {
                    return self.miss(sequence);
                }
            }
            Sink::Handshake | Sink::Count(..) | Sink::CatchUp(_) => {}
        }
        let heard = dialect.hear(&mut self.client, message)?;
        self.follow(heard, shape, message)
    }

    fn follow(&mut self, heard: Heard, shape: &Shape, message: &[u8]) -> Outcome<()> {
        match heard {
            Heard::Noted => Ok(()),
            Heard::Say(words) => send(&mut self.stream, &frame::client(shape.opcode, &words)),
            Heard::Joined => {
                self.client.has_joined = true;
                self.stage = Stage::Ready;
                Ok(())
            }
            Heard::Unexpected => {
                let (index, step, text) = (self.client.index, self.client.step, String::from_utf8_lossy(message));
                if self.client.has_joined {
                    let what = format!("subscriber {index} received an altered or unexpected frame: {text}");
                    return Err(Failure::Delivery(what));
                }
                cannot(format!("subscriber {index} at step {step} of the handshake received {text}"))
            }
        }
    }

    /// A message of the past came.
    fn miss(&mut self, sequence: u64) -> Outcome<()> {
        let (last, count) = self.missed;
        if count > 0 && sequence != last + 1 {
            let index = self.client.index;
            return Err(Failure::Delivery(format!("subscriber {index} was sent {sequence} behind {last}")));
        }
        self.missed = (sequence, count + 1);
        Ok(())
    }
}

/// Small writes into an empty socket buffer: they fit or something is broken.
fn send(stream: &mut Wire, bytes: &[u8]) -> Outcome<()> {
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
