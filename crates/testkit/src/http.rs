//! A small HTTP/1.1 client over one plain socket: whole requests, or any bytes at all. No redirects, no TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::poll::SOON;

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// `data` of an answer that must be 200.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["data"].clone()
    }

    /// Status and error code, for comparing with `(404, "not_found")`.
    #[track_caller]
    pub fn error(&self) -> (u16, String) {
        let code = if self.body.is_empty() { Value::Null } else { self.json()["error"]["code"].clone() };
        (self.status, code.as_str().unwrap_or("no error code").to_owned())
    }

    /// Asserts an empty 204.
    #[track_caller]
    pub fn no_content(&self) {
        assert_eq!((self.status, self.text().as_str()), (204, ""));
    }

    /// Asserts an error with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.error(), (status, code.to_owned()), "{}", self.text());
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Hop behaviours 4–6, which hold for every answer of the API: the envelope, its content type, and CORS.
    #[track_caller]
    pub fn check(&self) {
        assert_eq!(self.header("access-control-allow-origin"), Some("*"), "CORS on every answer: {self:?}");
        if self.status == 204 {
            assert!(self.body.is_empty(), "204 with a body: {self:?}");
            return;
        }
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(content_type.contains("application/json"), "not JSON: {self:?}");
        let (ok, json) = (self.status == 200, self.json());
        assert!(ok || self.status >= 400, "only 200, 204 and errors are expected: {self:?}");
        assert_eq!(json["success"], ok, "{self:?}");
        if ok {
            assert!(json["data"].is_object(), "success without data: {self:?}");
        } else {
            let error = &json["error"];
            assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()), "{self:?}");
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Http {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Http {
    /// Connects; reading and writing fail after [`SOON`].
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, SOON)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_write_timeout(Some(SOON))?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Another limit for reading.
    pub fn patience(&mut self, deadline: Duration) {
        self.stream.set_read_timeout(Some(deadline)).unwrap();
    }

    /// True if the other side has closed, or sent what nobody asked for.
    pub fn is_stale(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes any bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// No more will be written.
    pub fn finish_writing(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Sends a whole request and reads its answer.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Reply> {
        self.write(&request(method, path, headers, body))?;
        self.reply(method == "HEAD")
    }

    /// Reads one answer; `bodiless` for an answer to HEAD.
    pub fn reply(&mut self, bodiless: bool) -> io::Result<Reply> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break self.read.drain(..end + 4).collect::<Vec<_>>();
            }
            self.fill()?;
        };
        let head = String::from_utf8(head).map_err(|_| broken("head is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let status = status.ok_or_else(|| broken("no status line"))?;
        let mut reply = Reply { status, headers, body: Vec::new() };
        if !bodiless && status != 204 && status != 304 && status != 101 {
            reply.body = self.body(&reply)?;
        }
        Ok(reply)
    }

    fn body(&mut self, reply: &Reply) -> io::Result<Vec<u8>> {
        if reply.header("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        let len = reply.header("content-length").and_then(|len| len.parse().ok());
        self.take(len.ok_or_else(|| broken("an answer without a length"))?)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.read, b"\r\n") {
                    break end;
                }
                self.fill()?;
            };
            let line = self.take(end + 2)?;
            let size = std::str::from_utf8(&line[..end]).ok().and_then(|line| usize::from_str_radix(line, 16).ok());
            let size = size.ok_or_else(|| broken("chunk size"))?;
            let chunk = self.take(size + 2)?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < len {
            self.fill()?;
        }
        Ok(self.read.drain(..len).collect())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                self.read.extend_from_slice(&buffer[..len]);
                Ok(())
            }
        }
    }

    /// Reads until the other side closes; true if it did so before the deadline, by FIN or by RST.
    pub fn closes_within(&mut self, deadline: Duration) -> bool {
        self.patience(deadline);
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) => return !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
        }
    }

    /// What has been read and not used.
    pub fn unread(&self) -> &[u8] {
        &self.read
    }
}

/// The bytes of a request. A `Host` and, if there is a body, a `Content-Length` are added.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test.invalid\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body.unwrap_or_default()].concat()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
