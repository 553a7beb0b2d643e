//! The floor: what the kernel itself can do. A bare loop of non-blocking `send()` over accepted sockets, in a process of
//! its own so that it is measured exactly like the server. Deliberately knows no HTTP, no readiness and no protocol.
//!
//! The first connection is the control line, in words:
//! `frame HEX` sets the bytes, `accept N` takes N subscribers (answer: `ok`), `send FIRST K` writes K frames with
//! sequence numbers from FIRST as one contiguous buffer to each subscriber, `to NUMBER CHANNEL CHANNELS` writes one frame to
//! the subscribers whose turn the channel is when they are dealt out among so many, `part` drops the subscribers (answer: `ok`).
//! It ends with the control line.
use crate::failure::{Doing, Outcome, cannot};
use crate::frame::Template;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;

/// A planted bug, so that a test can show that the account of deliveries notices each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    Lose,
    Duplicate,
    Swap,
    Alter,
}

/// The publication and subscriber that the planted bug strikes.
const STRUCK: (u64, usize) = (3, 1);

impl Fault {
    fn strikes(self, first: u64, count: u64) -> bool {
        match self {
            // A lone publication cannot change places with another.
            Fault::Swap => count > 1,
            Fault::Lose | Fault::Duplicate | Fault::Alter => (first..first + count).contains(&STRUCK.0),
        }
    }
}

pub(crate) fn serve(fault: Option<Fault>) -> Outcome<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).doing("open the floor's listener")?;
    socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).doing("bind the floor's listener")?;
    socket.listen(4096).doing("listen")?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().doing("read the listener's address")?;
    let announced = writeln!(std::io::stdout(), "{}", serde_json::json!({"listen": address.to_string()}));
    announced.doing("announce the floor")?;
    let (control, _) = listener.accept().doing("accept the control line")?;
    control.set_nodelay(true).doing("set TCP_NODELAY")?;
    let mut answers = control.try_clone().doing("share the control line")?;
    let mut floor = Floor { fault, template: Template::documented(200)?, subscribers: Vec::new(), buffer: Vec::new() };
    for line in BufReader::new(control).lines() {
        let line = line.doing("read the control line")?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["frame", hex] => match Template::from_hex(hex) {
                Some(template) => floor.template = template,
                None => return cannot("the frame has no sequence number"),
            },
            ["accept", count] => {
                floor.accept(&listener, number(count)?)?;
                answers.write_all(b"ok\n").doing("answer")?;
            }
            ["send", first, count] => floor.send(number(first)?, number(count)?)?,
            ["to", sequence, channel, channels] => {
                floor.send_to(number(sequence)?, number(channel)?, number(channels)?)?;
            }
            ["part"] => {
                floor.subscribers.clear();
                answers.write_all(b"ok\n").doing("answer")?;
            }
            _ => return cannot(format!("the floor does not know {line}")),
        }
    }
    Ok(())
}

fn number<T: FromStr>(word: &str) -> Outcome<T> {
    word.parse().or_else(|_| cannot(format!("{word} is not a number")))
}

struct Floor {
    fault: Option<Fault>,
    template: Template,
    subscribers: Vec<TcpStream>,
    buffer: Vec<u8>,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, count: usize) -> Outcome<()> {
        for _ in 0..count {
            let (stream, _) = listener.accept().doing("accept a subscriber")?;
            stream.set_nodelay(true).doing("set TCP_NODELAY")?;
            stream.set_nonblocking(true).doing("set a socket non-blocking")?;
            self.subscribers.push(stream);
        }
        Ok(())
    }

    fn send(&mut self, first: u64, count: u64) -> Outcome<()> {
        self.buffer.clear();
        for sequence in first..first + count {
            self.template.append(sequence, &mut self.buffer);
        }
        for index in 0..self.subscribers.len() {
            match self.fault.filter(|fault| index == STRUCK.1 && fault.strikes(first, count)) {
                None => write_all(&mut self.subscribers[index], &self.buffer)?,
                Some(fault) => self.send_wrongly(fault, index, first, count)?,
            }
        }
        Ok(())
    }

    /// One frame to those of one channel.
    fn send_to(&mut self, sequence: u64, channel: usize, channels: usize) -> Outcome<()> {
        self.buffer.clear();
        self.template.append(sequence, &mut self.buffer);
        let members = self.subscribers.iter_mut().skip(channel).step_by(channels.max(1));
        members.into_iter().try_for_each(|member| write_all(member, &self.buffer))
    }

    fn send_wrongly(&mut self, fault: Fault, index: usize, first: u64, count: u64) -> Outcome<()> {
        let mut sequences: Vec<u64> = (first..first + count).collect();
        match fault {
            Fault::Lose => sequences.retain(|sequence| *sequence != STRUCK.0),
            Fault::Duplicate => sequences.push(first),
            Fault::Swap => sequences.reverse(),
            Fault::Alter => {}
        }
        let mut wire = Vec::new();
        for sequence in sequences {
            self.template.append(sequence, &mut wire);
        }
        if let (Fault::Alter, Some(byte)) = (fault, wire.last_mut()) {
            *byte ^= 1;
        }
        write_all(&mut self.subscribers[index], &wire)
    }
}

/// One `send()` where the socket takes everything, which is the case that is measured.
fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => return Err(error).doing("send to a subscriber"),
        }
    }
    Ok(())
}
