//! An HTTP server for what the server under test sends out, such as the access hook: it keeps every request and answers
//! as the test says.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Queue, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use crate::poll::{SOON, until};

/// One request it has received.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    pub addr: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    received: Queue<Received>,
}

/// What it says to the next requests.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes, then the end of the connection.
    Bytes(String),
    /// Nothing at all, while the connection stays open.
    Silence,
    /// Nothing yet: whatever the test says next.
    Held,
}

impl Answer {
    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    }
}

impl Receiver {
    /// Listens on a free port and says 204 to everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(Answer::status(204)));
        let (tell, received) = sync_channel(1024);
        let current = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tell, current) = (tell.clone(), Arc::clone(&current));
                std::thread::spawn(move || serve(stream, &tell, &current));
            }
        });
        Self { addr, answer, received }
    }

    /// What it says from now on.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The next request.
    #[track_caller]
    pub fn next(&self) -> Received {
        self.received.recv_timeout(SOON).expect("a request within the deadline")
    }

    /// Whether a request is waiting that nobody expected.
    pub fn is_quiet(&self) -> bool {
        self.received.try_recv().is_err()
    }
}

fn serve(mut stream: TcpStream, tell: &SyncSender<Received>, answer: &Mutex<Answer>) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let request = loop {
        if let Some(request) = parse(&read) {
            break request;
        }
        match stream.read(&mut buffer) {
            Ok(len @ 1..) => read.extend_from_slice(&buffer[..len]),
            _ => return,
        }
    };
    let first = answer.lock().unwrap().clone();
    let _ = tell.send(request);
    let said = match first {
        Answer::Held => until(SOON, "the test to say what is answered", || {
            Some(answer.lock().unwrap().clone()).filter(|answer| !matches!(answer, Answer::Held))
        }),
        other => other,
    };
    match said {
        Answer::Bytes(bytes) => drop(stream.write_all(bytes.as_bytes())),
        Answer::Silence | Answer::Held => while matches!(stream.read(&mut buffer), Ok(1..)) {},
    }
}

fn parse(read: &[u8]) -> Option<Received> {
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&read[..end]);
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let len = headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    let body = read.get(end + 4..end + 4 + len)?.to_vec();
    Some(Received { method: words.next()?, path: words.next()?, headers, body })
}
