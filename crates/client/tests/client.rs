//! The whole client against a server that says what a test wants: over real sockets, in real time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::result_large_err, clippy::large_futures)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tollgate_client::{Builder, Client, Direct, EndReason, Error, Event, Outgoing, State};

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it takes too long")
}

/// A server of one connection at a time, which a test plays.
struct Played {
    listener: TcpListener,
}

struct Line {
    stream: WebSocketStream<TcpStream>,
}

impl Played {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn client(&self) -> Builder {
        Client::builder(&format!("http://{}/", self.listener.local_addr().unwrap()), "project_1")
    }

    async fn accept(&self) -> Line {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let agree = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/connect");
            assert_eq!(request.headers()["sec-websocket-protocol"], "tollgate.v1");
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("tollgate.v1"));
            Ok(response)
        };
        Line { stream: tokio_tungstenite::accept_hdr_async(stream, agree).await.unwrap() }
    }

    /// A connection up to the reply to `connect`, with these channels; and what the client said.
    async fn connected(&self, channels: &str) -> (Line, String) {
        let mut line = self.accept().await;
        let connect = line.hear().await;
        line.say(&format!(
            r#"{{"id":1,"ok":{{"connection":"conn_1","session":"ses_1","ping_ms":25000,"timeout_ms":10000,
            "limits":{{"message_bytes":1048576,"requests":64,"subscriptions":64}},"direct":"5a-0","channels":[{channels}]}}}}"#
        ))
        .await;
        (line, connect)
    }
}

impl Line {
    async fn hear(&mut self) -> String {
        loop {
            match soon(self.stream.next()).await.unwrap().unwrap() {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Close(frame) => return format!("close {}", frame.map_or(0, |frame| frame.code.into())),
                _ => {}
            }
        }
    }

    async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    async fn message(&mut self, offset: u64) {
        self.say(&format!(
            r#"{{"push":"message","channel":"room","offset":{offset},"event":"said","data":"m{offset}","at":1}}"#
        ))
        .await;
    }

    async fn close(mut self, code: u16) {
        self.stream.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await.unwrap();
    }
}

fn room(position: &str, more: &str) -> String {
    format!(r#""channel":"room","type":"public","state":{{"topic":"tea"}},"version":1,"position":"{position}"{more}"#)
}

#[tokio::test]
async fn it_subscribes_publishes_and_goes_on_after_a_cut() {
    let server = Played::new().await;
    let played = async {
        let (mut line, connect) = server.connected("").await;
        assert!(connect.contains(r#""token":"tgt_1""#), "{connect}");
        assert_eq!(line.hear().await, r#"{"id":2,"subscribe":{"channel":"room"}}"#);
        line.say(&format!(r#"{{"id":2,"ok":{{{}}}}}"#, room("a-0", ""))).await;
        line.message(1).await;
        let publish = line.hear().await;
        assert!(
            publish.starts_with(r#"{"id":3,"publish":{"channel":"room","event":"said","data":"m2","id":""#),
            "{publish}"
        );
        // Cut before the answer, without a word.
        drop(line);
        let (mut line, connect) = server.connected(&format!("{{{}}}", room("a-3", r#","resuming":true"#))).await;
        assert!(connect.contains(r#""session":"ses_1","positions":{"room":"a-1"}"#), "{connect}");
        let again = line.hear().await;
        assert_eq!(again.split_once(',').unwrap().1, publish.split_once(',').unwrap().1);
        line.say(r#"{"id":2,"ok":{"position":"a-2","duplicate":true}}"#).await;
        line.say(&format!(r#"{{"push":"subscribed",{}}}"#, room("a-1", r#","recovered":true"#))).await;
        line.message(2).await;
        line.message(3).await;
        line.say("{}").await;
        assert_eq!(line.hear().await, "{}");
        assert_eq!(line.hear().await, "close 1000");
    };
    let used = async {
        let client = server.client().token("tgt_1").connect().await.unwrap();
        let mut room = client.subscribe("room").await.unwrap();
        let published = client.publish("room", "said", "m2").await.unwrap();
        assert_eq!((published.position.unwrap().to_string().as_str(), published.is_duplicate), ("a-2", true));
        let mut said = Vec::new();
        while said.len() < 3 {
            match room.next().await.unwrap() {
                Event::Message(message) => said.push(message.data.read::<String>().unwrap()),
                Event::Gap { from, to } => panic!("{from:?} {to:?}"),
                _ => {}
            }
        }
        assert_eq!(said, ["m1", "m2", "m3"]);
        assert_eq!(room.position().unwrap().to_string(), "a-3");
        // So that the answer to the ping is not overtaken.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let counters = client.counters().await.unwrap();
        assert_eq!((counters.losses, counters.duplicates, counters.gaps), (1, 0, 0));
        let point = client.close().await.unwrap();
        assert_eq!(point.positions["room"].to_string(), "a-3");
        let ended = Event::Ended { reason: EndReason::Closed, error: Some(Error::Closed) };
        assert_eq!((room.next().await, room.next().await), (Some(ended), None));
    };
    soon(async { tokio::join!(played, used) }).await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_by_the_provider_and_a_refused_client_closes() {
    let server = Played::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let played = async {
        let mut line = server.accept().await;
        assert!(line.hear().await.contains(r#""token":"t1""#));
        line.say(r#"{"id":1,"error":{"code":"token_revoked","message":"No.","retry":"auth"}}"#).await;
        line.close(4102).await;
        let (mut line, connect) = server.connected("").await;
        assert!(connect.contains(r#""token":"t2""#), "{connect}");
        assert!(line.hear().await.contains("subscribe"));
        line.close(4202).await;
    };
    let used = async {
        let asked = Arc::clone(&asked);
        let provider = move || {
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(format!("t{number}")) }
        };
        let client = server.client().token_provider(provider).connect().await.unwrap();
        assert_eq!(client.subscribe("room").await.unwrap_err(), Error::Closed);
        let mut status = client.status();
        let closed = status.wait_for(|status| status.state == State::Closed).await.unwrap().clone();
        assert_eq!(closed.error, Some(Error::ConnectionLost(4202)));
        assert_eq!(client.publish("room", "said", "x").await.unwrap_err(), Error::Closed);
        assert_eq!(client.close().await, None);
    };
    soon(async { tokio::join!(played, used) }).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_and_nobody_else_waits() {
    let server = Played::new().await;
    let played = async {
        let (mut line, _) = server.connected(&format!("{{{}}}", room("a-0", ""))).await;
        assert!(line.hear().await.contains("publish"));
        for offset in 1..=20 {
            line.message(offset).await;
        }
        line.say(r#"{"push":"direct","offset":1,"event":"hi","data":1,"at":1}"#).await;
        line.say(r#"{"id":2,"ok":{"position":"a-21"}}"#).await;
        let again = line.hear().await;
        assert_eq!(again, r#"{"id":3,"subscribe":{"channel":"room","position":"a-6"}}"#);
        line.say(&format!(r#"{{"id":3,"ok":{{{}}}}}"#, room("a-6", r#","recovered":true"#))).await;
        line.message(7).await;
        assert_eq!(line.hear().await, "close 1000");
    };
    let used = async {
        let client = server.client().token("t").buffer(8).connect().await.unwrap();
        let mut direct = client.direct().unwrap();
        let mut slow = client.subscribe("room").await.unwrap();
        client.send(Outgoing::new("room", "said", "m21").unwrap()).await.unwrap();
        assert!(matches!(direct.next().await, Some(Direct::Message(message)) if message.event == "hi"));
        let mut last = None;
        while let Some(event) = slow.next().await {
            last = Some(event);
        }
        let error = Some(Error::ReaderTooSlow(8));
        assert_eq!(last, Some(Event::Ended { reason: EndReason::TooSlow, error }));
        // The state and `Subscribed` were the first two of the eight. Where it stopped is where it goes on.
        let mut room = client.subscribe("room").from(slow.position().unwrap()).await.unwrap();
        let offset = loop {
            if let Some(Event::Message(message)) = room.next().await {
                break message.position.offset();
            }
        };
        assert_eq!(offset, 7);
        assert_eq!(client.counters().await.unwrap().unheard, 14);
        client.close().await;
    };
    soon(async { tokio::join!(played, used) }).await;
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_at_once() {
    for url in ["", "tollgate.example.com", "ftp://host", "http://", "http://a b"] {
        let error = Client::builder(url, "project_1").connect().await.unwrap_err();
        assert_eq!(error.code(), "invalid_input", "{url}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_within_the_deadline() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let builder = Client::builder(&format!("http://{gone}"), "project_1").token("t");
    let client =
        builder.timeout(Duration::from_millis(300)).publish_timeout(Duration::from_millis(300)).start().unwrap();
    assert_eq!(client.publish("room", "said", "x").await.unwrap_err(), Error::Timeout("publish"));
    assert!(client.status().borrow().state != State::Connected);
    soon(client.close()).await;
}
