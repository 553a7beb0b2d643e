//! A client of event streams, as bare as can be: it reads events, and repairs nothing. Over any transport.

use std::io::{self, Read, Write};

use serde_json::Value;
use tollgate_testkit::http;

/// What opens a stream.
pub(crate) enum Ask<'a> {
    /// `GET` with this query.
    Get(&'a str),
    /// `POST` with this body.
    Post(&'a Value),
}

impl Ask<'_> {
    /// The bytes of the request.
    pub(crate) fn bytes(&self, headers: &[(&str, &str)]) -> Vec<u8> {
        match self {
            Ask::Get(query) => http::request("GET", &format!("/connect/sse?{query}"), headers, None),
            Ask::Post(body) => http::request("POST", "/connect/sse", headers, Some(body.to_string().as_bytes())),
        }
    }
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) kind: String,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Value,
}

/// A stream, or what was answered in its place.
#[derive(Debug)]
pub(crate) struct Events<S> {
    stream: S,
    bytes: Vec<u8>,
    taken: usize,
    /// The head of the answer, in lower case.
    pub(crate) head: String,
}

impl<S: Read + Write> Events<S> {
    /// Sends the request and reads the answer's head.
    pub(crate) fn open(mut stream: S, request: &[u8]) -> Self {
        stream.write_all(request).unwrap();
        let mut events = Events { stream, bytes: Vec::new(), taken: 0, head: String::new() };
        let head = events.up_to(b"\r\n\r\n").unwrap().expect("an answer");
        events.head = head.to_lowercase();
        events
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The whole body of an answer that is no stream, as JSON.
    pub(crate) fn problem(mut self) -> Value {
        let length: usize = self.header("content-length").unwrap().parse().unwrap();
        while self.bytes.len() - self.taken < length {
            assert!(self.fill().unwrap(), "{}", self.head);
        }
        serde_json::from_slice(&self.bytes[self.taken..self.taken + length]).unwrap()
    }

    /// The next event; none when the stream has ended, which it may only do between two events. Pings are passed over.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            let text = self.up_to(b"\n\n").unwrap()?;
            let mut event = Event { id: None, kind: "message".to_owned(), retry: None, data: Value::Null };
            let mut is_comment = true;
            for line in text.trim_end().lines().filter(|line| !line.starts_with(':')) {
                is_comment = false;
                let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{text:?}"));
                match field {
                    "id" => event.id = Some(value.to_owned()),
                    "event" => event.kind = value.to_owned(),
                    "retry" => event.retry = Some(value.parse().unwrap()),
                    "data" => event.data = serde_json::from_str(value).unwrap_or_else(|why| panic!("{why}: {text}")),
                    _ => panic!("{text:?}"),
                }
            }
            if !is_comment {
                return Some(event);
            }
        }
    }

    /// The next event, which is of this kind.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().unwrap_or_else(|| panic!("the stream ended where `{kind}` was to come"));
        assert_eq!(event.kind, kind, "{event:?}");
        event
    }

    /// The text up to this and with it; none at the end.
    fn up_to(&mut self, end: &[u8]) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = self.bytes[self.taken..].windows(end.len()).position(|window| window == end) {
                let until = self.taken + at + end.len();
                let text = String::from_utf8(self.bytes[self.taken..until].to_vec()).unwrap();
                self.taken = until;
                return Ok(Some(text));
            }
            if !self.fill()? {
                let rest = String::from_utf8_lossy(&self.bytes[self.taken..]).into_owned();
                assert_eq!(rest, "", "the stream ended within an event");
                return Ok(None);
            }
        }
    }

    /// Reads some more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.taken > 1024 * 1024 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            // A server that ends a TLS connection without a goodbye has ended it all the same: what was said last is an event.
            Ok(0) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Ok(length) => {
                self.bytes.extend_from_slice(&buffer[..length]);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
