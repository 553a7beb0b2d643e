//! Hop's Leap: HELLO, IDENTIFY, INIT, and SUBSCRIBE where the token does not bring the channel along.
use super::{Channels, Client, Dialect, Heard, NUMBER_OF_CHANNEL, Publishing, Shape, Upgrade};
use crate::failure::{Outcome, cannot};
use crate::rest::Api;
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Leap<'a> {
    pub(crate) api: &'a Api,
    pub(crate) project: &'a str,
    pub(crate) channels: Channels,
    /// One for each subscriber, subscribed to its channel; none where anybody may join.
    pub(crate) tokens: Option<&'a [String]>,
}

const IDENTIFYING: u8 = 1;
const JOINING: u8 = 2;

impl Dialect for Leap<'_> {
    fn upgrade(&self, _index: usize) -> Option<Upgrade> {
        Some(Upgrade { path: "/ws".to_owned(), lines: String::new() })
    }

    fn open(&self, _client: &mut Client) -> Heard {
        Heard::Noted
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        let Ok(words) = serde_json::from_slice::<Value>(message) else { return Ok(Heard::Unexpected) };
        let channel = self.channels.name(self.channels.of(client.index));
        let say = |words: Value| Ok(Heard::Say(words.to_string().into_bytes()));
        match (client.step, words["op"].as_u64(), words["d"]["e"].as_str()) {
            (_, Some(4), _) => Ok(Heard::Noted),
            (_, Some(3), _) => Ok(Heard::Say(message.to_vec())),
            _ if client.has_joined => Ok(Heard::Unexpected),
            (0, Some(1), _) => {
                client.step = IDENTIFYING;
                let mut identity = json!({"project_id": self.project});
                if let Some(tokens) = self.tokens {
                    let Some(token) = tokens.get(client.index) else {
                        return cannot("there are more subscribers than tokens");
                    };
                    identity["token"] = token.as_str().into();
                }
                say(json!({"op": 2, "d": identity}))
            }
            (IDENTIFYING, Some(0), Some("INIT")) if self.tokens.is_none() => {
                client.step = JOINING;
                say(json!({"op": 0, "d": {"e": "SUBSCRIBE", "d": null, "c": channel}}))
            }
            (IDENTIFYING, Some(0), Some("INIT")) if words["d"]["d"]["channels"][0]["id"] == channel => {
                Ok(Heard::Joined)
            }
            (JOINING, Some(0), Some("AVAILABLE")) => Ok(Heard::Joined),
            _ => Ok(Heard::Unexpected),
        }
    }

    fn shape(&self) -> Shape {
        Shape { holes: &[NUMBER_OF_CHANNEL], ..Shape::TEXT }
    }

    fn publishing(&self) -> Publishing {
        Publishing::Requests(self.api.address)
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        publish(self.api, &self.channels.name(channel), payload)
    }
}

/// A publication over Hop's REST.
pub(super) fn publish(api: &Api, channel: &str, payload: &str) -> Vec<u8> {
    let body = format!(r#"{{"e":"tick","d":"{payload}"}}"#);
    api.request("POST", &format!("/v1/channels/{channel}/messages"), &body)
}
