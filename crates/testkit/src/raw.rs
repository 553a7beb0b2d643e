//! WebSocket frames by hand, for those that no proper client would send, and for reading exactly what the server sends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::http::{Http, Reply};
use crate::poll::SOON;
use crate::server::Server;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// How a frame spells its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As short as possible, as the standard demands.
    Minimal,
    /// In two bytes, whatever it is.
    Two,
    /// In eight bytes, whatever it is.
    Eight,
    /// In eight bytes, and not what the payload has.
    Claimed(u64),
}

/// A frame in the making. Starts as a final, masked frame with a minimal length.
#[derive(Debug, Clone)]
pub struct Frame {
    pub opcode: u8,
    pub fin: bool,
    pub reserved: u8,
    pub masked: bool,
    pub length: Length,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { opcode, fin: true, reserved: 0, masked: true, length: Length::Minimal, payload: payload.into() }
    }

    #[must_use]
    pub fn text(payload: &str) -> Self {
        Self::new(TEXT, payload)
    }

    /// Not the last of its message.
    #[must_use]
    pub fn unfinished(mut self) -> Self {
        self.fin = false;
        self
    }

    #[must_use]
    pub fn unmasked(mut self) -> Self {
        self.masked = false;
        self
    }

    #[must_use]
    pub fn length(mut self, length: Length) -> Self {
        self.length = length;
        self
    }

    /// The three reserved bits, as the lowest bits of `bits`.
    #[must_use]
    pub fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits;
        self
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mask_bit = if self.masked { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode];
        let len = self.payload.len() as u64;
        match self.length {
            Length::Minimal if len < 126 => bytes.push(mask_bit | len as u8),
            Length::Minimal | Length::Two if len <= 0xffff => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 127);
                let len = if let Length::Claimed(claimed) = length { claimed } else { len };
                bytes.extend_from_slice(&len.to_be_bytes());
            }
        }
        if self.masked {
            let mask = [0x11, 0x22, 0x33, 0x44];
            bytes.extend_from_slice(&mask);
            bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }
}

/// An upgraded connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// Upgrades `/ws` and leaves the Hello unread.
    pub fn open(addr: SocketAddr) -> Self {
        let mut stream = TcpStream::connect_timeout(&addr, SOON).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream.write_all(&upgrade_request("/ws", &[])).unwrap();
        let mut read = Vec::new();
        while !read.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed during the upgrade");
            read.push(byte[0]);
        }
        assert!(read.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&read));
        Self { stream, read: Vec::new() }
    }

    /// Upgrades, reads the Hello.
    pub fn greeted(addr: SocketAddr) -> Self {
        let mut raw = Self::open(addr);
        let (opcode, payload) = raw.receive().unwrap();
        assert_eq!(opcode, TEXT, "{payload:?}");
        raw
    }

    /// Upgrades and identifies as an anonymous client; everything up to INIT is read.
    pub fn identified(server: &Server) -> Self {
        let mut raw = Self::greeted(server.addr);
        raw.send(&Frame::text(&format!(r#"{{"op":2,"d":{{"project_id":"{}"}}}}"#, server.project)));
        let init = raw.expect(TEXT);
        assert!(String::from_utf8_lossy(&init).contains("INIT"), "{init:?}");
        raw
    }

    /// Sends a heartbeat with `tag` and reads on to its ack, which shows that the connection is sound.
    #[track_caller]
    pub fn answers(&mut self, tag: &str) {
        self.send(&Frame::text(&format!(r#"{{"op":3,"d":{{"tag":"{tag}"}}}}"#)));
        while !String::from_utf8_lossy(&self.expect(TEXT)).contains(tag) {}
    }

    /// Writes any bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one frame.
    pub fn send(&mut self, frame: &Frame) {
        self.write(&frame.bytes()).unwrap();
    }

    /// Another limit for reading.
    pub fn patience(&self, deadline: Duration) {
        self.stream.set_read_timeout(Some(deadline)).unwrap();
    }

    /// The next frame: opcode and payload. The server neither masks nor splits its frames, nor uses reserved bits.
    pub fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let head = self.take(2)?;
        assert_eq!(head[0] & 0xf0, 0x80, "a final frame without reserved bits: {head:02x?}");
        assert_eq!(head[1] & 0x80, 0, "a server must not mask: {head:02x?}");
        let len = match head[1] & 0x7f {
            126 => self.take(2)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            127 => self.take(8)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            len => usize::from(len),
        };
        Ok((head[0] & 0x0f, self.take(len)?))
    }

    /// Skips what else comes; gives the code of the close frame.
    #[track_caller]
    pub fn closed(&mut self) -> u16 {
        loop {
            match self.receive() {
                Ok((CLOSE, payload)) => return u16::from_be_bytes([payload[0], payload[1]]),
                Ok(_) => {}
                Err(error) => panic!("ended without a close frame: {error}"),
            }
        }
    }

    /// Skips what else comes, up to a frame with this opcode; gives its payload.
    #[track_caller]
    pub fn expect(&mut self, opcode: u8) -> Vec<u8> {
        loop {
            match self.receive() {
                Ok((found, payload)) if found == opcode => return payload,
                Ok((CLOSE, payload)) => panic!("closed: {payload:?}"),
                Ok(_) => {}
                Err(error) => panic!("ended: {error}"),
            }
        }
    }

    /// True if the server ends the TCP connection within `deadline`.
    pub fn ends_within(&mut self, deadline: Duration) -> bool {
        self.patience(deadline);
        loop {
            match self.stream.read(&mut [0; 4096]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
        }
    }

    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        while self.read.len() < len {
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => self.read.extend_from_slice(&buffer[..got]),
            }
        }
        Ok(self.read.drain(..len).collect())
    }
}

/// The bytes of an upgrade with extra or replacing headers: one given here stands in for the usual one of that name.
pub fn upgrade_request(path: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let usual: [(&str, &[u8]); 5] = [
        ("Host", b"test.invalid"),
        ("Connection", b"Upgrade"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut bytes = format!("GET {path} HTTP/1.1\r\n").into_bytes();
    let given = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    for (name, value) in usual.iter().filter(|(name, _)| !given(name)).chain(headers) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Sends an upgrade and gives the answer, whatever it is.
pub fn try_upgrade(addr: SocketAddr, path: &str, headers: &[(&str, &[u8])]) -> io::Result<Reply> {
    let mut http = Http::connect(addr)?;
    http.write(&upgrade_request(path, headers))?;
    http.reply(false)
}
