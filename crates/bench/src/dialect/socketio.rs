//! Socket.IO 4 over Engine.IO 4: the packets that a client needs to be joined to a room by the server (`crates/bench/peers/socketio.mjs`) and to
//! stay connected. No acknowledgements, no binary, no other namespace than the main one.
use super::{Channels, Client, Dialect, Heard, Publishing, Upgrade};
use crate::failure::{Outcome, cannot};
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct SocketIo {
    pub(crate) address: SocketAddr,
    pub(crate) channels: Channels,
}

const CONNECTING: u8 = 1;

impl Dialect for SocketIo {
    fn upgrade(&self, index: usize) -> Option<Upgrade> {
        let room = self.channels.name(self.channels.of(index));
        let path = format!("/socket.io/?EIO=4&transport=websocket&id={room}");
        Some(Upgrade { path, lines: String::new() })
    }

    fn open(&self, _client: &mut Client) -> Heard {
        Heard::Noted
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        match (client.step, message) {
            (_, b"2") => Ok(Heard::Say(b"3".to_vec())),
            (0, [b'0', ..]) => {
                client.step = CONNECTING;
                Ok(Heard::Say(b"40".to_vec()))
            }
            // The server joins the connection to its room in the very turn in which it says this.
            (CONNECTING, [b'4', b'0', ..]) if !client.has_joined => Ok(Heard::Joined),
            (_, [b'4', b'4', why @ ..]) => {
                cannot(format!("the server refused subscriber {}: {}", client.index, String::from_utf8_lossy(why)))
            }
            _ => Ok(Heard::Unexpected),
        }
    }

    fn publishing(&self) -> Publishing {
        Publishing::Requests(self.address)
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        super::text::publish(self.address, &self.channels.name(channel), payload)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_client_opens_connects_and_answers_pings() {
        let dialect = SocketIo { address: "127.0.0.1:9".parse().unwrap(), channels: Channels::one("bench") };
        let mut client = Client { index: 0, step: 0, has_joined: false };
        let mut hear = |text: &str| dialect.hear(&mut client, text.as_bytes());
        assert_eq!(hear(r#"40{"sid":"x"}"#).unwrap(), Heard::Unexpected, "before it has asked");
        assert_eq!(hear(r#"0{"sid":"x","upgrades":[]}"#).unwrap(), Heard::Say(b"40".to_vec()));
        assert_eq!(hear("2").unwrap(), Heard::Say(b"3".to_vec()));
        assert_eq!(hear(r#"40{"sid":"x"}"#).unwrap(), Heard::Joined);
        assert_eq!(hear(r#"42["other",1]"#).unwrap(), Heard::Unexpected);
        assert!(hear(r#"44{"message":"no"}"#).is_err());
    }
}
