//! REST over keep-alive connections: a blocking call, and a pool that keeps many requests in flight without waiting.
//! Not a general HTTP client: HTTP/1.1, bodies with content-length, JSON.
use crate::failure::{Doing, Outcome, cannot};
use crate::kernel::Poller;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Where requests go and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The server takes no other request on this connection.
    pub(crate) closes: bool,
}

impl Response {
    /// That the request was granted, whatever the answer says beside that. Centrifugo says no with a 200.
    pub(crate) fn accepted(&self) -> Outcome<()> {
        match self.status {
            200..=299 if !self.body.starts_with(br#"{"error""#) => Ok(()),
            status => cannot(format!("an answer was {status}: {}", String::from_utf8_lossy(&self.body))),
        }
    }

    /// The `data` of Hop's envelope, or all of an answer that has none; null for one without content.
    pub(crate) fn data(&self) -> Outcome<Value> {
        match self.status {
            204 => Ok(Value::Null),
            200..=202 => match serde_json::from_slice::<Value>(&self.body) {
                Ok(mut envelope) if envelope.get("success").is_some() => Ok(envelope["data"].take()),
                Ok(whole) => Ok(whole),
                Err(error) => cannot(format!("an answer is not JSON: {error}")),
            },
            status => cannot(format!("an answer was {status}: {}", String::from_utf8_lossy(&self.body))),
        }
    }
}

impl Api {
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let Api { address, key } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {key}\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// One request on a connection of its own; gives the envelope's `data`.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Outcome<Value> {
        exchange(self.address, &self.request(method, path, body))?.data()
    }
}

/// A whole request on a connection of its own, and its answer.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Outcome<Response> {
    let mut stream = TcpStream::connect(address).doing("connect for REST")?;
    stream.set_read_timeout(Some(PATIENCE)).doing("set a deadline")?;
    stream.write_all(request).doing("send a REST request")?;
    let (mut inbox, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some((response, _)) = parse(&inbox)? {
            return Ok(response);
        }
        match stream.read(&mut chunk).doing("read a REST answer")? {
            0 => {
                let first = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default());
                return cannot(format!("the server closed the connection instead of answering {first}"));
            }
            count => inbox.extend_from_slice(&chunk[..count]),
        }
    }
}

/// A whole response at the front of a buffer and its length, or nothing while it is incomplete.
fn parse(buffer: &[u8]) -> Outcome<Option<(Response, usize)>> {
    let Some(head_end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if buffer.len() > RESPONSE_BYTES_MAX { cannot("an answer's head has no end") } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]);
    let mut lines = head.lines();
    let status_word = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3));
    let Some(status) = status_word.and_then(|word| word.parse().ok()) else {
        return cannot(format!("not an HTTP/1.1 answer: {head}"));
    };
    let (mut length, mut closes) = (None, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    let length = match (length, status) {
        (Some(length), _) if length <= RESPONSE_BYTES_MAX => length,
        (None, 204) => 0,
        _ => return cannot(format!("an answer needs a content-length of at most {RESPONSE_BYTES_MAX}: {head}")),
    };
    let body = head_end + 4;
    Ok(buffer.get(body..body + length).map(|bytes| (Response { status, body: bytes.to_vec(), closes }, body + length)))
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// The caller's number of the request that waits for its answer.
    asked: Option<u64>,
}

/// Keep-alive connections, each with at most one request in flight.
#[derive(Debug)]
pub(crate) struct Pool {
    lines: Vec<Line>,
    /// Longest idle first, so that none idles until the server's deadline for the next request.
    idle: VecDeque<usize>,
    poller_base: u64,
    address: SocketAddr,
}

impl Pool {
    /// Connects; the sockets are watched by `poller` under `poller_base` and the numbers that follow.
    pub(crate) fn connect(address: SocketAddr, size: usize, poller: &Poller, poller_base: u64) -> Outcome<Pool> {
        let mut lines = Vec::with_capacity(size);
        for number in poller_base..poller_base + size as u64 {
            lines.push(Line { stream: open(address, poller, number)?, inbox: Vec::new(), asked: None });
        }
        Ok(Pool { lines, idle: (0..size).collect(), poller_base, address })
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.idle.len() == self.lines.len()
    }

    /// Sends a request on an idle connection. Call it only while [`Pool::idle`] is not 0.
    pub(crate) fn ask(&mut self, request: &[u8], number: u64) -> Outcome<()> {
        let Some(index) = self.idle.pop_front() else { return cannot("no idle REST connection") };
        let line = &mut self.lines[index];
        line.asked = Some(number);
        // A request is far smaller than an empty socket buffer, so it goes in whole.
        match line.stream.write(request) {
            Ok(count) if count == request.len() => Ok(()),
            Ok(_) => cannot("a REST request did not fit into the socket"),
            Err(error) => Err(error).doing("send a REST request"),
        }
    }

    /// Reads a connection that is ready; gives the answer when it is whole. A server that closes with the answer is given
    /// another connection for the next request.
    pub(crate) fn ready(&mut self, poller_number: u64, poller: &Poller) -> Outcome<Option<(u64, Response)>> {
        let index = usize::try_from(poller_number - self.poller_base).unwrap_or(usize::MAX);
        let Some(line) = self.lines.get_mut(index) else { return Ok(None) };
        let mut chunk = [0; 16 * 1024];
        match line.stream.read(&mut chunk) {
            // Nobody waits for it: a server may end a connection that was silent for long.
            Ok(0) if line.asked.is_none() => {
                line.stream = open(self.address, poller, poller_number)?;
                return Ok(None);
            }
            Ok(0) => return cannot("the server closed a REST connection that was in use"),
            Ok(count) => line.inbox.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).doing("read a REST answer"),
        }
        let Some((response, length)) = parse(&line.inbox)? else { return Ok(None) };
        line.inbox.drain(..length);
        if response.closes {
            // The old one leaves the poller as it is dropped.
            line.stream = open(self.address, poller, poller_number)?;
        }
        match line.asked.take() {
            Some(number) => {
                self.idle.push_back(index);
                Ok(Some((number, response)))
            }
            None => cannot("the server answered a REST request that was not made"),
        }
    }
}

fn open(address: SocketAddr, poller: &Poller, number: u64) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address).doing("connect for REST")?;
    stream.set_nodelay(true).doing("set TCP_NODELAY")?;
    stream.set_nonblocking(true).doing("set a socket non-blocking")?;
    poller.add(&stream, number)?;
    Ok(stream)
}

/// Makes many requests with `concurrency` in flight; gives the answers' `data` in the order of the requests.
pub(crate) fn call_all(api: &Api, requests: &[Vec<u8>], concurrency: usize) -> Outcome<Vec<Value>> {
    let mut poller = Poller::new()?;
    let mut pool = Pool::connect(api.address, concurrency, &poller, 0)?;
    let mut answers = vec![Value::Null; requests.len()];
    let (mut asked, mut ready) = (requests.iter().zip(0u64..), Vec::new());
    let mut answered = 0;
    while answered < requests.len() {
        while pool.idle() > 0 {
            let Some((request, number)) = asked.next() else { break };
            pool.ask(request, number)?;
        }
        poller.wait(PATIENCE, &mut ready)?;
        if ready.is_empty() {
            return cannot(format!("no REST answer within {} s; {answered} had come", PATIENCE.as_secs()));
        }
        for poller_number in &ready {
            if let Some((number, response)) = pool.ready(*poller_number, &poller)? {
                let slot = usize::try_from(number).ok().and_then(|number| answers.get_mut(number));
                *slot.expect("invariant: numbers count the requests") = response.data()?;
                answered += 1;
            }
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_are_cut_from_the_stream_at_their_length() {
        let body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcdHTTP/1.1 204 No Content\r\n\r\n";
        let (first, used) = parse(body).unwrap().unwrap();
        assert_eq!(first, Response { status: 200, body: b"abcd".to_vec(), closes: false });
        let (second, rest) = parse(&body[used..]).unwrap().unwrap();
        assert_eq!((second.status, used + rest), (204, body.len()));
        for cut in [0, 10, used - 1] {
            assert_eq!(parse(&body[..cut]).unwrap(), None);
        }
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn a_server_that_closes_with_each_answer_gets_a_connection_for_each_request() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let api = Api { address: listener.local_addr().unwrap(), key: String::new() };
        let server = std::thread::spawn(move || {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            }
            // The pool's own next one, on which nothing is asked.
            listener.accept().unwrap();
        });
        let requests = vec![api.request("POST", "/", "{}"); 3];
        assert_eq!(call_all(&api, &requests, 1).unwrap().len(), 3);
        server.join().unwrap();
    }

    #[test]
    fn an_error_answer_is_told_in_full() {
        let response = Response { status: 403, body: br#"{"error":{"code":"forbidden"}}"#.to_vec(), closes: false };
        assert!(response.data().unwrap_err().to_string().contains("forbidden"));
        let answer = |status, body: &str| Response { status, body: body.into(), closes: false };
        let refused = answer(200, r#"{"error":{"code":102,"message":"unknown channel"}}"#).accepted().unwrap_err();
        assert!(refused.to_string().contains("unknown channel"), "{refused}");
        assert!(answer(200, r#"{"result":{"offset":1}}"#).accepted().is_ok());
    }
}
