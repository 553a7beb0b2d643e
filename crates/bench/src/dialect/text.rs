//! Protocols without words: a text topic whose address is the subscription, and the floor, which is not even WebSocket to begin with.
use super::{Channels, Client, Dialect, Heard, Publishing, Upgrade};
use crate::failure::Outcome;
use std::net::SocketAddr;

/// `GET /sub?id=CHANNEL` upgrades and subscribes, `POST /pub?id=CHANNEL` publishes its body as a text frame: what a topic
/// server of a few lines, or nginx with nchan, offers.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) address: SocketAddr,
    pub(crate) channels: Channels,
}

impl Dialect for Text {
    fn upgrade(&self, index: usize) -> Option<Upgrade> {
        let channel = self.channels.name(self.channels.of(index));
        Some(Upgrade { path: format!("/sub?id={channel}"), lines: String::new() })
    }

    fn open(&self, _client: &mut Client) -> Heard {
        Heard::Joined
    }

    fn hear(&self, _client: &mut Client, _message: &[u8]) -> Outcome<Heard> {
        Ok(Heard::Unexpected)
    }

    fn publishing(&self) -> Publishing {
        Publishing::Requests(self.address)
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        publish(self.address, &self.channels.name(channel), payload)
    }
}

/// `POST /pub?id=CHANNEL`, which every topic server of ours takes.
pub(super) fn publish(address: SocketAddr, channel: &str, payload: &str) -> Vec<u8> {
    let length = payload.len();
    format!(
        "POST /pub?id={channel} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{payload}"
    )
    .into_bytes()
}

/// The floor: frames from the first byte on. It is told to publish over its control line.
#[derive(Debug)]
pub(crate) struct Bare;

impl Dialect for Bare {
    fn upgrade(&self, _index: usize) -> Option<Upgrade> {
        None
    }

    fn open(&self, _client: &mut Client) -> Heard {
        Heard::Joined
    }

    fn hear(&self, _client: &mut Client, _message: &[u8]) -> Outcome<Heard> {
        Ok(Heard::Unexpected)
    }

    fn publishing(&self) -> Publishing {
        Publishing::Messages
    }

    fn publish(&self, _channel: usize, _payload: &str) -> Vec<u8> {
        Vec::new()
    }
}
