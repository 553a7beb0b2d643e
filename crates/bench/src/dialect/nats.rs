//! NATS' text protocol in binary frames: CONNECT, SUB, and PING whose PONG says that the subscription is there; PUB by the first subscriber.
//! A server puts as many messages into a frame as wait for the subscriber.
use super::{Channels, Client, Dialect, Heard, Hole, Publishing, Shape, Upgrade};
use crate::failure::{Outcome, cannot};

#[derive(Debug)]
pub(crate) struct Nats {
    pub(crate) channels: Channels,
}

const SUBSCRIBING: u8 = 1;
/// The number of the channel in its name, which here has no quotation mark in front.
const HOLES: &[Hole] = &[Hole::number(b"MSG bench-")];
const LINE_END: &[u8] = b"\r\n";

impl Dialect for Nats {
    fn upgrade(&self, _index: usize) -> Option<Upgrade> {
        Some(Upgrade { path: "/".to_owned(), lines: String::new() })
    }

    fn open(&self, _client: &mut Client) -> Heard {
        Heard::Noted
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        let verb = message.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        match (client.step, verb) {
            (_, b"PING") => Ok(Heard::Say(b"PONG\r\n".to_vec())),
            (0, b"INFO") => {
                client.step = SUBSCRIBING;
                let subject = self.channels.name(self.channels.of(client.index));
                let words = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
                Ok(Heard::Say(words.into_bytes()))
            }
            // It says so again whenever something about it changes.
            (SUBSCRIBING, b"INFO") => Ok(Heard::Noted),
            (SUBSCRIBING, b"PONG") if !client.has_joined => Ok(Heard::Joined),
            (_, b"-ERR") => {
                let why = String::from_utf8_lossy(message);
                cannot(format!("the server refused subscriber {}: {}", client.index, why.trim_end()))
            }
            _ => Ok(Heard::Unexpected),
        }
    }

    fn shape(&self) -> Shape {
        Shape { opcode: 2, first, holes: HOLES, ..Shape::TEXT }
    }

    fn publishing(&self) -> Publishing {
        Publishing::Messages
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        format!("PUB {} {}\r\n{payload}\r\n", self.channels.name(channel), payload.len()).into_bytes()
    }
}

/// A line, and behind the line of a MSG as many bytes as its last word says, and another line end.
fn first(payload: &[u8]) -> usize {
    let Some(end) = payload.windows(2).position(|window| window == LINE_END) else { return payload.len() };
    let line = &payload[..end];
    let behind = end + LINE_END.len();
    if !line.starts_with(b"MSG ") {
        return behind;
    }
    let word = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let size: usize = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()).unwrap_or(0);
    behind.saturating_add(size).saturating_add(LINE_END.len()).min(payload.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_are_cut_at_the_size_that_they_say() {
        let cases: [(&[u8], usize); 6] = [
            (b"PING\r\nMSG", 6),
            (b"MSG bench 1 4\r\nab\r\n\r\nMSG bench 1 1\r\nc\r\n", 21),
            (b"MSG bench 1 99\r\nab\r\n", 20),
            (b"MSG bench 1 18446744073709551615\r\nab", 36),
            (b"INFO {}", 7),
            (b"", 0),
        ];
        for (payload, length) in cases {
            assert_eq!(first(payload), length, "{}", String::from_utf8_lossy(payload));
        }
    }

    #[test]
    fn a_client_subscribes_when_it_is_told_of_the_server_and_has_joined_with_the_pong() {
        let dialect = Nats { channels: Channels::one("bench") };
        let mut client = Client { index: 0, step: 0, has_joined: false };
        let mut hear = |text: &str| dialect.hear(&mut client, text.as_bytes());
        assert_eq!(hear("PONG\r\n").unwrap(), Heard::Unexpected, "before it has asked");
        let words = b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB bench 1\r\nPING\r\n".to_vec();
        assert_eq!(hear("INFO {\"server_id\":\"x\"} \r\n").unwrap(), Heard::Say(words));
        assert_eq!(hear("INFO {\"connect_info\":true} \r\n").unwrap(), Heard::Noted);
        assert_eq!(hear("PING\r\n").unwrap(), Heard::Say(b"PONG\r\n".to_vec()));
        assert_eq!(hear("PONG\r\n").unwrap(), Heard::Joined);
        assert_eq!(dialect.publish(0, "abc"), b"PUB bench 3\r\nabc\r\n");
        assert!(hear("-ERR 'Unknown Protocol Operation'\r\n").is_err());
    }
}
