//! `tollgate.v1`: `connect`, and `subscribe` where the token does not bring the channel along. See docs/protocol/native.md.
use super::{Channels, Client, Dialect, Heard, Hole, NUMBER_OF_CHANNEL, Publishing, Shape, Upgrade, leap};
use crate::failure::{Outcome, cannot};
use crate::rest::Api;
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Native<'a> {
    pub(crate) api: &'a Api,
    pub(crate) project: &'a str,
    pub(crate) channels: Channels,
    /// One for each subscriber, which subscribes where it is not subscribed; none where anybody may join.
    pub(crate) tokens: Option<&'a [String]>,
    /// The position behind which the subscription begins, which the server must have kept.
    pub(crate) from: Option<&'a str>,
}

const CONNECTING: u8 = 1;
const JOINING: u8 = 2;

impl Dialect for Native<'_> {
    fn upgrade(&self, _index: usize) -> Option<Upgrade> {
        let lines = "Sec-WebSocket-Protocol: tollgate.v1\r\n".to_owned();
        Some(Upgrade { path: "/connect".to_owned(), lines })
    }

    fn open(&self, client: &mut Client) -> Heard {
        client.step = CONNECTING;
        let mut connect = json!({"project": self.project});
        if let Some(tokens) = self.tokens {
            connect["token"] = json!(tokens.get(client.index));
        }
        Heard::Say(json!({"id": 1, "connect": connect}).to_string().into_bytes())
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        if message == b"{}" {
            return Ok(Heard::Say(message.to_vec()));
        }
        let words: Value = serde_json::from_slice(message).unwrap_or_default();
        let channel = self.channels.name(self.channels.of(client.index));
        match (client.step, words["id"].as_u64(), words["ok"].is_object()) {
            _ if client.has_joined => Ok(Heard::Unexpected),
            (CONNECTING, Some(1), true) if words["ok"]["channels"][0]["channel"] == channel => Ok(Heard::Joined),
            (CONNECTING, Some(1), true) => {
                client.step = JOINING;
                let mut subscribe = json!({"channel": channel});
                if let Some(from) = self.from {
                    subscribe["position"] = from.into();
                }
                Ok(Heard::Say(json!({"id": 2, "subscribe": subscribe}).to_string().into_bytes()))
            }
            (JOINING, Some(2), true) if self.from.is_some() && words["ok"]["recovered"] != true => {
                cannot(format!("the server no longer has what was missed: {words}"))
            }
            (JOINING, Some(2), true) => Ok(Heard::Joined),
            _ => Ok(Heard::Unexpected),
        }
    }

    fn shape(&self) -> Shape {
        Shape { holes: HOLES, ..Shape::TEXT }
    }

    fn publishing(&self) -> Publishing {
        Publishing::Requests(self.api.address)
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        leap::publish(self.api, &self.channels.name(channel), payload)
    }
}

/// The offset and the moment of a publication.
pub(crate) const HOLES: &[Hole] = &[Hole::number(b"\"offset\":"), Hole::number(b"\"at\":"), NUMBER_OF_CHANNEL];
