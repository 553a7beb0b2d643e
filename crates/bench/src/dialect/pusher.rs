//! Pusher's protocol 7, which soketi and sockudo speak: `pusher:subscribe` over WebSocket, signed requests to publish. Public channels only.
use super::{Channels, Client, Dialect, Heard, NUMBER_OF_CHANNEL, Publishing, Shape, Upgrade};
use crate::failure::{Outcome, cannot};
use aws_lc_rs::hmac;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The application that a server of ours is started with.
pub(crate) const APP: &str = "bench";
pub(crate) const KEY: &str = "bench-key";
pub(crate) const SECRET: &str = "bench-secret";

#[derive(Debug)]
pub(crate) struct Pusher {
    pub(crate) address: SocketAddr,
    pub(crate) channels: Channels,
}

const SUBSCRIBING: u8 = 1;

impl Dialect for Pusher {
    fn upgrade(&self, _index: usize) -> Option<Upgrade> {
        let path = format!("/app/{KEY}?protocol=7&client=tollgate-bench&version=1.0");
        Some(Upgrade { path, lines: String::new() })
    }

    fn open(&self, _client: &mut Client) -> Heard {
        Heard::Noted
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        let words: Value = serde_json::from_slice(message).unwrap_or_default();
        let channel = self.channels.name(self.channels.of(client.index));
        match (client.step, words["event"].as_str()) {
            (_, Some("pusher:ping")) => Ok(Heard::Say(br#"{"event":"pusher:pong","data":{}}"#.to_vec())),
            (_, Some("pusher:error")) => cannot(format!("the server refused subscriber {}: {words}", client.index)),
            (0, Some("pusher:connection_established")) => {
                client.step = SUBSCRIBING;
                let subscribe = json!({"event": "pusher:subscribe", "data": {"channel": channel}});
                Ok(Heard::Say(subscribe.to_string().into_bytes()))
            }
            (SUBSCRIBING, Some("pusher_internal:subscription_succeeded"))
                if !client.has_joined && words["channel"] == channel =>
            {
                Ok(Heard::Joined)
            }
            _ => Ok(Heard::Unexpected),
        }
    }

    fn shape(&self) -> Shape {
        Shape { holes: &[NUMBER_OF_CHANNEL], ..Shape::TEXT }
    }

    fn publishing(&self) -> Publishing {
        Publishing::Requests(self.address)
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        let channel = self.channels.name(channel);
        let body = format!(r#"{{"name":"tick","channel":"{channel}","data":"{payload}"}}"#);
        let (address, length) = (self.address, body.len());
        let target = signed(&format!("/apps/{APP}/events"), unix_seconds(), body.as_bytes());
        format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// The path with the query that proves the secret (Pusher's HTTP API reference, "Authentication").
fn signed(path: &str, at: u64, body: &[u8]) -> String {
    let digest = hex(&Md5::digest(body));
    let query = format!("auth_key={KEY}&auth_timestamp={at}&auth_version=1.0&body_md5={digest}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hex(hmac::sign(&key, format!("POST\n{path}\n{query}").as_bytes()).as_ref());
    format!("{path}?{query}&auth_signature={signature}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::disallowed_methods, reason = "a signature carries the real time")]
fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pusher() -> Pusher {
        Pusher { address: "127.0.0.1:9".parse().unwrap(), channels: Channels::one("bench") }
    }

    #[test]
    fn a_client_subscribes_when_greeted_and_has_joined_when_told_of_its_channel() {
        let mut client = Client { index: 0, step: 0, has_joined: false };
        let greeting = br#"{"event":"pusher:connection_established","data":"{}"}"#;
        let subscribe = br#"{"data":{"channel":"bench"},"event":"pusher:subscribe"}"#.to_vec();
        let answer = br#"{"event":"pusher_internal:subscription_succeeded","channel":"bench","data":"{}"}"#;
        let other = br#"{"event":"pusher_internal:subscription_succeeded","channel":"other","data":"{}"}"#;
        assert_eq!(pusher().hear(&mut client, answer).unwrap(), Heard::Unexpected, "before it has asked");
        assert_eq!(pusher().hear(&mut client, greeting).unwrap(), Heard::Say(subscribe));
        assert_eq!(pusher().hear(&mut client, other).unwrap(), Heard::Unexpected);
        assert_eq!(pusher().hear(&mut client, answer).unwrap(), Heard::Joined);
        assert!(pusher().hear(&mut client, br#"{"event":"pusher:error","data":{"code":4001}}"#).is_err());
    }

    /// Computed with Node's `crypto` over the same words.
    #[test]
    fn a_request_is_signed_over_its_method_path_query_and_body() {
        assert_eq!(
            signed("/apps/bench/events", 1_700_000_000, br#"{"name":"tick"}"#),
            "/apps/bench/events?auth_key=bench-key&auth_timestamp=1700000000&auth_version=1.0&body_md5=5ce62ec6d96a01ccc9f2a74972666618&auth_signature=cbb9383ae13bc868598cc582a05b6c76601d2c8a96b44732e7345c6f04e99bf6"
        );
    }
}
