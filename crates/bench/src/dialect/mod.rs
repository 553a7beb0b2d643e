//! What a client of one protocol says and hears, from the upgrade until it has joined a channel, and how one publishes
//! there. A protocol is a value that implements [`Dialect`]; sockets, WebSocket frames, counting and time are not its concern.
//!
//! | protocol | value | upgrade | after it | joined | publishing |
//! |---|---|---|---|---|---|
//! | Leap | [`leap::Leap`] | `/ws` | waits for HELLO | AVAILABLE, or INIT with the channel | Hop's REST |
//! | native | [`native::Native`] | `/connect`, `tollgate.v1` | `connect` | the reply to `subscribe`, or to `connect` | Hop's REST |
//! | Pusher | [`pusher::Pusher`] | `/app/KEY` | waits for the greeting, then `pusher:subscribe` | its answer | signed `POST /apps/ID/events` |
//! | Centrifuge | [`centrifuge::Centrifuge`] | `/connection/websocket` | `connect`, `subscribe` | the reply | `POST /api/publish` |
//! | Socket.IO | [`socketio::SocketIo`] | `/socket.io/?id=CHANNEL` | waits for `0`, then `40` | `40` | `POST /pub?id=CHANNEL` |
//! | NATS | [`nats::Nats`] | `/` | waits for INFO, then CONNECT, SUB, PING | PONG | PUB |
//! | text | [`text::Text`] | `/sub?id=CHANNEL` | nothing | at once | `POST /pub?id=CHANNEL` |
//! | the floor | [`text::Bare`] | none | nothing | at once | over its control line |
pub(crate) mod centrifuge;
pub(crate) mod leap;
pub(crate) mod native;
pub(crate) mod nats;
pub(crate) mod pusher;
pub(crate) mod socketio;
pub(crate) mod text;

use crate::failure::Outcome;
use std::fmt;
use std::net::SocketAddr;

/// The channels of a workload: one, or many with names of one length, over which the subscribers are dealt out in turn.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    name: String,
    pub(crate) count: usize,
}

impl Channels {
    pub(crate) fn one(name: &str) -> Channels {
        Channels::many(name, 1)
    }

    pub(crate) fn many(name: &str, count: usize) -> Channels {
        Channels { name: name.to_owned(), count }
    }

    /// The channel that the subscriber with this number joins.
    pub(crate) fn of(&self, subscriber: usize) -> usize {
        subscriber % self.count.max(1)
    }

    pub(crate) fn name(&self, channel: usize) -> String {
        if self.count <= 1 { self.name.clone() } else { format!("{}-{channel:06}", self.name) }
    }
}

/// The HTTP request that opens a WebSocket, but for the lines that every such request has.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    /// With its query.
    pub(crate) path: String,
    /// More head lines, each ending in `\r\n`.
    pub(crate) lines: String,
}

/// The number in the name of one of many channels. What a message of another channel is worth, its sequence number tells.
pub(crate) const NUMBER_OF_CHANNEL: Hole = Hole::number(b"\"bench-");

/// A part of a message that varies between publications beside the sequence number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hole {
    /// What stands in front of it, for the first time in the message.
    pub(crate) after: &'static [u8],
    /// The bytes that it may consist of; it ends with the first other one.
    pub(crate) takes: fn(&u8) -> bool,
}

impl Hole {
    /// A number without sign or fraction.
    pub(crate) const fn number(after: &'static [u8]) -> Hole {
        Hole { after, takes: u8::is_ascii_digit }
    }
}

/// How messages look on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The WebSocket opcode of what the client says: 1 is text, 2 binary.
    pub(crate) opcode: u8,
    /// What varies in a publication.
    pub(crate) holes: &'static [Hole],
    /// What stands between two messages of one frame; nothing where a frame is one message, or where messages tell their own length.
    pub(crate) separator: &'static [u8],
    /// The length of the first message of a frame's payload, the separator behind it not included.
    pub(crate) first: fn(&[u8]) -> usize,
}

impl Shape {
    /// One text message in a frame, the same but for the number.
    pub(crate) const TEXT: Shape = Shape { opcode: 1, holes: &[], separator: b"", first: whole };
}

/// A frame is one message.
pub(crate) fn whole(payload: &[u8]) -> usize {
    payload.len()
}

/// One connection, as its dialect sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// Its number in the audience.
    pub(crate) index: usize,
    /// How far it is, in steps of the dialect's own; begins with 0.
    pub(crate) step: u8,
    /// Whether it has joined: from then on only pings and the like are expected beside publications.
    pub(crate) has_joined: bool,
}

/// What follows from something heard.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Nothing.
    Noted,
    /// A message to say.
    Say(Vec<u8>),
    /// The client has joined its channel: every publication from now on must reach it.
    Joined,
    /// Nobody may say this here. Once the client has joined, it is a fault of delivery.
    Unexpected,
}

/// By what one publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publishing {
    /// An HTTP/1.1 request each, over keep-alive connections to this address. The answer must have a Content-Length and a status of 2xx.
    Requests(SocketAddr),
    /// A message that the audience's first client says.
    Messages,
}

/// A protocol from the client's side. Messages are payloads of WebSocket frames, cut apart as [`Shape`] says.
pub(crate) trait Dialect: fmt::Debug + Sync {
    /// None where bytes are read from the first on, without a handshake: the floor.
    fn upgrade(&self, index: usize) -> Option<Upgrade>;

    /// What the client does when the upgrade is answered.
    fn open(&self, client: &mut Client) -> Heard;

    /// A message that is no publication as expected. Pings of WebSocket itself are answered before.
    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard>;

    fn shape(&self) -> Shape {
        Shape::TEXT
    }

    fn publishing(&self) -> Publishing;

    /// Publishes `payload` (letters, digits, `:` and `.`) in the channel with this number: a whole request, or a message.
    fn publish(&self, channel: usize, payload: &str) -> Vec<u8>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::frame::Template;

    #[test]
    fn what_one_channel_looks_like_is_known_from_another() {
        let address = "127.0.0.1:9".parse().unwrap();
        let channels = || Channels::many("bench", 100);
        let dialects: [(Box<dyn Dialect>, &str); 3] = [
            (
                Box::new(pusher::Pusher { address, channels: channels() }),
                r#"{"event":"tick","channel":"CHANNEL","data":"PAYLOAD"}"#,
            ),
            (
                Box::new(centrifuge::Centrifuge { address, api_key: String::new(), channels: channels() }),
                r#"{"push":{"channel":"CHANNEL","pub":{"data":"PAYLOAD","offset":12}}}"#,
            ),
            (Box::new(nats::Nats { channels: channels() }), "MSG CHANNEL 1 25\r\nPAYLOAD\r\n"),
        ];
        for (dialect, words) in dialects {
            let Shape { opcode, holes, .. } = dialect.shape();
            let message = |channel, sequence| {
                let text = words.replace("CHANNEL", &channels().name(channel));
                text.replace("PAYLOAD", &crate::frame::payload(sequence, 5)).into_bytes()
            };
            let template = Template::learn(opcode, &message(0, 1), holes).unwrap();
            let other = message(42, 7);
            assert_eq!(template.first(opcode, &other), Some((7, other.len())), "{words}");
        }
    }

    #[test]
    fn subscribers_are_dealt_out_and_names_have_one_length() {
        let (one, many) = (Channels::one("bench"), Channels::many("s", 3));
        assert_eq!((one.of(7), one.name(0)), (0, "bench".to_owned()));
        assert_eq!((0..5).map(|subscriber| many.of(subscriber)).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
        assert_eq!((many.name(2), many.name(0).len()), ("s-000002".to_owned(), many.name(999_999).len()));
    }
}
