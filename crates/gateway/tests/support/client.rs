//! A client that can misbehave: raw bytes over a blocking socket, and WebSocket frames on top, each read with a deadline.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_debug_implementations)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tollgate_gateway::frame::{Opcode, encode_masked};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    /// The stream ended; with `false` it was reset.
    End(bool),
}

/// A stream that is an upgraded WebSocket, or will be.
pub struct Client<S = TcpStream> {
    pub stream: S,
    received: Vec<u8>,
}

pub fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Client::over(stream)
}

/// A plain WebSocket on the echo door.
pub fn echo(address: SocketAddr) -> Client {
    let mut client = connect(address);
    client.upgrade();
    client
}

pub const HANDSHAKE: &str = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl<S: Read + Write> Client<S> {
    pub fn over(stream: S) -> Self {
        Client { stream, received: Vec::new() }
    }

    /// Writes; a peer that has closed already is not an error here.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    pub fn upgrade(&mut self) {
        self.write(HANDSHAKE.as_bytes());
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    }

    /// The head of the next HTTP answer; what is there of it when the stream ends.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                return String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
            }
            if !self.more().is_ok_and(|more| more) {
                return String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned();
            }
        }
    }

    /// Whether more has been read than was asked for.
    pub fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// The next HTTP answer, head and body.
    pub fn answer(&mut self) -> String {
        let mut answer = self.head();
        let length = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body = self.take(length.map_or(0, |length| length.parse().unwrap())).unwrap();
        answer.push_str(std::str::from_utf8(&body).unwrap());
        answer
    }

    /// The next event or comment of an event stream, with the empty line that ends it; what is there of it when the stream ends.
    pub fn event(&mut self) -> String {
        let mut seen = 0;
        loop {
            if let Some(at) = self.received[seen..].windows(2).position(|pair| pair == b"\n\n") {
                return String::from_utf8(self.received.drain(..seen + at + 2).collect()).unwrap();
            }
            seen = self.received.len().saturating_sub(1);
            if !self.more().is_ok_and(|more| more) {
                return String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned();
            }
        }
    }

    /// Everything until the stream ends.
    pub fn rest(&mut self) -> String {
        while self.more().is_ok_and(|more| more) {}
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.send_part(true, opcode, payload);
    }

    pub fn send_part(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked(fin, opcode, payload, [1, 2, 3, 4], &mut bytes);
        self.write(&bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.send(Opcode::Text, text.as_bytes());
    }

    pub fn next(&mut self) -> Got {
        let Some((opcode, payload)) = self.frame() else { return Got::End(true) };
        match opcode {
            0x1 => Got::Text(String::from_utf8(payload).unwrap()),
            0x2 => Got::Binary(payload),
            0xA => Got::Pong(payload),
            0x8 if payload.is_empty() => Got::Close(1005, String::new()),
            0x8 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Got::Close(code, String::from_utf8(payload[2..].to_vec()).unwrap())
            }
            other => panic!("unexpected opcode {other}"),
        }
    }

    /// Reads on until the close frame, and the code in it; answers it, and sees that the stream ends.
    pub fn closed_with(&mut self) -> (u16, String) {
        loop {
            match self.next() {
                Got::Close(code, text) => {
                    self.send(Opcode::Close, &code.to_be_bytes());
                    assert!(matches!(self.next(), Got::End(_)), "nothing follows a close");
                    return (code, text);
                }
                Got::End(_) => panic!("the stream ended without a close frame"),
                _ => {}
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.take(2)?;
        assert_eq!(first[0] & 0xF0, 0x80, "a server sends whole frames");
        assert_eq!(first[1] & 0x80, 0, "a server does not mask");
        let length = match first[1] {
            126 => u64::from(u16::from_be_bytes(self.take(2)?.try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8)?.try_into().unwrap()),
            short => u64::from(short),
        };
        Some((first[0] & 0x0F, self.take(length as usize)?))
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.received.len() < length {
            if !self.more().is_ok_and(|more| more) {
                return None;
            }
        }
        Some(self.received.drain(..length).collect())
    }

    /// Reads once; false at the end of the stream.
    fn more(&mut self) -> std::io::Result<bool> {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(read) => {
                self.received.extend_from_slice(&buffer[..read]);
                Ok(read > 0)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came within {PATIENCE:?}")
            }
            Err(error) => Err(error),
        }
    }
}

/// Waits until `condition` holds; fails after a while.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let steps = PATIENCE.as_millis() / 5;
    for _ in 0..steps {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within {PATIENCE:?}: {what}");
}
