//! Centrifuge's client protocol in JSON, which Centrifugo speaks: `connect`, `subscribe`, several messages in a frame, one a line; publishing over
//! its HTTP API. Anonymous clients and public channels only, as the server must allow.
use super::{Channels, Client, Dialect, Heard, Hole, NUMBER_OF_CHANNEL, Publishing, Shape, Upgrade};
use crate::failure::{Outcome, cannot};
use serde_json::{Value, json};
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct Centrifuge {
    pub(crate) address: SocketAddr,
    /// For the HTTP API; empty where the server asks for none.
    pub(crate) api_key: String,
    pub(crate) channels: Channels,
}

const CONNECTING: u8 = 1;
const SUBSCRIBING: u8 = 2;
/// The same where the server wants no answer to its pings: it would close the connection for one.
const SUBSCRIBING_SILENTLY: u8 = 3;

impl Dialect for Centrifuge {
    fn upgrade(&self, _index: usize) -> Option<Upgrade> {
        Some(Upgrade { path: "/connection/websocket".to_owned(), lines: String::new() })
    }

    fn open(&self, client: &mut Client) -> Heard {
        client.step = CONNECTING;
        Heard::Say(br#"{"id":1,"connect":{"name":"bench"}}"#.to_vec())
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        if message == b"{}" {
            return Ok(if client.step == SUBSCRIBING_SILENTLY { Heard::Noted } else { Heard::Say(message.to_vec()) });
        }
        let words: Value = serde_json::from_slice(message).unwrap_or_default();
        if words["error"].is_object() {
            return cannot(format!("the server refused subscriber {}: {words}", client.index));
        }
        match (client.step, words["id"].as_u64()) {
            (CONNECTING, Some(1)) if words["connect"].is_object() => {
                let wants_pongs = words["connect"]["pong"] == true;
                client.step = if wants_pongs { SUBSCRIBING } else { SUBSCRIBING_SILENTLY };
                let channel = self.channels.name(self.channels.of(client.index));
                Ok(Heard::Say(json!({"id": 2, "subscribe": {"channel": channel}}).to_string().into_bytes()))
            }
            (SUBSCRIBING | SUBSCRIBING_SILENTLY, Some(2)) if !client.has_joined && words["subscribe"].is_object() => {
                Ok(Heard::Joined)
            }
            _ => Ok(Heard::Unexpected),
        }
    }

    fn shape(&self) -> Shape {
        Shape { holes: HOLES, separator: b"\n", first: line, ..Shape::TEXT }
    }

    fn publishing(&self) -> Publishing {
        Publishing::Requests(self.address)
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        let (address, key) = (self.address, &self.api_key);
        let body = json!({"channel": self.channels.name(channel), "data": payload}).to_string();
        let length = body.len();
        format!(
            "POST /api/publish HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// Only a channel with a history numbers its messages, and the first one says the epoch behind its number: `"offset":1,"epoch":"xyz"}`.
const POSITION: Hole = Hole { after: b"\"offset\":", takes: |byte| *byte != b'}' };
const HOLES: &[Hole] = &[POSITION, NUMBER_OF_CHANNEL];

/// Messages of one frame are lines.
fn line(payload: &[u8]) -> usize {
    payload.iter().position(|byte| *byte == b'\n').unwrap_or(payload.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::frame::{Template, payload};

    #[test]
    fn a_client_connects_then_subscribes_and_answers_pings() {
        let address = "127.0.0.1:9".parse().unwrap();
        let dialect = Centrifuge { address, api_key: String::new(), channels: Channels::one("bench") };
        let mut client = Client { index: 0, step: 0, has_joined: false };
        assert_eq!(dialect.open(&mut client), Heard::Say(br#"{"id":1,"connect":{"name":"bench"}}"#.to_vec()));
        let subscribe = br#"{"id":2,"subscribe":{"channel":"bench"}}"#.to_vec();
        let mut hear = |text: &str| dialect.hear(&mut client, text.as_bytes());
        assert_eq!(hear(r#"{"id":2,"subscribe":{}}"#).unwrap(), Heard::Unexpected, "before it has asked");
        assert_eq!(hear(r#"{"id":1,"connect":{"client":"c1","ping":25,"pong":true}}"#).unwrap(), Heard::Say(subscribe));
        assert_eq!(hear("{}").unwrap(), Heard::Say(b"{}".to_vec()));
        assert_eq!(hear(r#"{"id":2,"subscribe":{}}"#).unwrap(), Heard::Joined);
        assert!(hear(r#"{"id":2,"error":{"code":103,"message":"permission denied"}}"#).is_err());
    }

    #[test]
    fn a_ping_that_wants_no_answer_gets_none() {
        let address = "127.0.0.1:9".parse().unwrap();
        let dialect = Centrifuge { address, api_key: String::new(), channels: Channels::one("bench") };
        let mut client = Client { index: 0, step: CONNECTING, has_joined: false };
        let mut hear = |text: &str| dialect.hear(&mut client, text.as_bytes()).unwrap();
        assert!(matches!(hear(r#"{"id":1,"connect":{"client":"c1","ping":25}}"#), Heard::Say(_)));
        assert_eq!(hear("{}"), Heard::Noted);
        assert_eq!(hear(r#"{"id":2,"subscribe":{}}"#), Heard::Joined);
        assert_eq!(hear("{}"), Heard::Noted);
    }

    #[test]
    fn the_first_message_of_a_history_is_known_from_a_later_one() {
        let message = |position: &str, sequence| {
            let data = payload(sequence, 5);
            format!(r#"{{"push":{{"channel":"bench-000001","pub":{{"data":"{data}","offset":{position}}}}}}}"#)
        };
        let template = Template::learn(1, message("12", 0).as_bytes(), HOLES).unwrap();
        let known = |text: &str| template.first(1, text.as_bytes());
        for position in ["1", r#"1,"epoch":"aBcD""#] {
            let text = message(position, 7);
            assert_eq!(known(&text), Some((7, text.len())), "{text}");
        }
        assert_eq!(known(&message("13", 7).replace("pub", "pob")), None);
    }

    #[test]
    fn the_messages_of_a_frame_are_its_lines() {
        assert_eq!((line(b"{}\n{}"), line(b"{\"a\":1}")), (2, 7));
    }
}
