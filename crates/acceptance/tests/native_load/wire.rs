//! A client of our own protocol, as bare as can be: it counts what comes, and hides and repairs nothing.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tollgate_testkit::raw::{CLOSE, Frame, TEXT, upgrade_request};

const FILL_BYTES: usize = 16 * 1024;

/// Something that came.
#[derive(Debug)]
pub(crate) enum Incoming {
    Frame(Value),
    /// With this code.
    Closed(u16),
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What came and is not taken yet: from `taken` on.
    bytes: Vec<u8>,
    taken: usize,
}

impl Wire {
    /// Upgrades, and sends `connect` with these fields. The reply is the next frame.
    pub(crate) async fn connect(addr: SocketAddr, fields: &Value) -> io::Result<Self> {
        Self::connect_with(addr, fields, None).await
    }

    /// The same with a receive buffer of so many bytes.
    pub(crate) async fn connect_with(addr: SocketAddr, fields: &Value, buffer: Option<u32>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(addr).await?;
        stream.set_nodelay(true)?;
        let mut wire = Self { stream, bytes: Vec::new(), taken: 0 };
        wire.stream.write_all(&upgrade_request("/connect", &[("Sec-WebSocket-Protocol", b"tollgate.v1")])).await?;
        wire.send(&json!({"id": 1, "connect": fields})).await?;
        loop {
            if let Some(end) = wire.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                if !wire.bytes.starts_with(b"HTTP/1.1 101") {
                    return Err(io::Error::other(String::from_utf8_lossy(&wire.bytes).into_owned()));
                }
                wire.taken = end + 4;
                return Ok(wire);
            }
            wire.sip(FILL_BYTES).await?;
        }
    }

    pub(crate) async fn send(&mut self, frame: &Value) -> io::Result<()> {
        self.stream.write_all(&Frame::text(&frame.to_string()).bytes()).await
    }

    /// What comes next; pings are answered. Nothing is lost when it is dropped before it is done.
    pub(crate) async fn next(&mut self) -> io::Result<Incoming> {
        loop {
            let Some((opcode, payload)) = self.whole() else {
                self.sip(FILL_BYTES).await?;
                continue;
            };
            match opcode {
                TEXT if payload == b"{}" => self.send(&json!({})).await?,
                TEXT => return Ok(Incoming::Frame(serde_json::from_slice(&payload)?)),
                CLOSE => return Ok(Incoming::Closed(u16::from_be_bytes([payload[0], payload[1]]))),
                other => panic!("frames are text, this has the opcode {other}"),
            }
        }
    }

    /// What comes until the end, as fast as it can be taken off the socket: what it says is read afterwards. And the code of the end, if it has one.
    pub(crate) async fn rest(&mut self) -> (Vec<Vec<u8>>, Option<u16>) {
        let mut frames = Vec::new();
        loop {
            match self.whole() {
                Some((TEXT, payload)) => frames.push(payload),
                Some((_, payload)) => return (frames, payload.first_chunk().copied().map(u16::from_be_bytes)),
                None if self.sip(FILL_BYTES).await.is_err() => return (frames, None),
                None => {}
            }
        }
    }

    /// What comes next, which is no end.
    pub(crate) async fn frame(&mut self) -> io::Result<Value> {
        match self.next().await? {
            Incoming::Frame(frame) => Ok(frame),
            Incoming::Closed(code) => Err(io::Error::other(format!("closed with {code}"))),
        }
    }

    /// Ends the connection as a pulled plug does, without any goodbye.
    pub(crate) fn cut(self) {
        let _ = self.stream.set_zero_linger();
    }

    /// Takes a frame, if it is there whole.
    fn whole(&mut self) -> Option<(u8, Vec<u8>)> {
        let bytes = &self.bytes[self.taken..];
        let (head, len) = match *bytes.get(1)? {
            126 => (4, bytes.get(2..4)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte))),
            127 => (10, bytes.get(2..10)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte))),
            len => (2, usize::from(len)),
        };
        let payload = bytes.get(head..head + len)?.to_vec();
        let opcode = bytes[0] & 0x0f;
        self.taken += head + len;
        Some((opcode, payload))
    }

    /// Reads at most so many bytes, and leaves them for later.
    pub(crate) async fn sip(&mut self, most: usize) -> io::Result<()> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let mut buffer = vec![0; most];
        match self.stream.read(&mut buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                self.bytes.extend_from_slice(&buffer[..len]);
                Ok(())
            }
        }
    }
}
