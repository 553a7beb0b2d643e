//! What is bounded, and what happens at the bound; and that no input makes the machine panic or say what the page does not know.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Connected, Published, Reply};
use tollgate_core::ids::{ConnectionId, ProjectId};
use tollgate_core::{CloseReason, Error, ErrorKind};
use tollgate_protocol::{Dialect, Effect, Frame, RequestNumber};
use tollgate_protocol_native::wire::ServerFrame;
use tollgate_protocol_native::{NativeConfig, NativeDialect};

const NOW: Monotonic = Monotonic(5_000);

struct Client {
    config: Arc<NativeConfig>,
    dialect: NativeDialect,
    effects: Vec<Effect>,
}

impl Client {
    /// A client that has asked to connect.
    fn connecting() -> Self {
        let config = Arc::new(NativeConfig::default());
        let mut client = Self { dialect: NativeDialect::new(config.clone()), config, effects: Vec::new() };
        client.dialect.open(NOW, &mut client.effects);
        client.send(r#"{"id":1,"connect":{"project":"project_MTI","token":"tgt_\u0053ecret"}}"#);
        client
    }

    fn live() -> Self {
        let mut client = Self::connecting();
        client.connected();
        client.effects.clear();
        client
    }

    fn connected(&mut self) {
        self.answer(1, Ok(Reply::Connected(Box::new(connected()))));
    }

    fn send(&mut self, text: &str) {
        self.dialect.receive(NOW, Frame::Text(text), &mut self.effects);
    }

    fn answer(&mut self, number: u32, result: Result<Reply, Error>) {
        self.dialect.answer(NOW, RequestNumber(number), result, &mut self.effects);
    }

    fn sent(&self) -> Vec<&str> {
        let frames =
            self.effects.iter().filter_map(|effect| if let Effect::Send(frame) = effect { Some(frame) } else { None });
        frames.map(|frame| std::str::from_utf8(frame).unwrap()).collect()
    }

    fn performed(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Perform(..))).count()
    }

    fn closed(&self) -> Option<CloseReason> {
        match self.effects.last() {
            Some(Effect::Close { reason, .. }) => Some(*reason),
            Some(_) | None => None,
        }
    }
}

fn connected() -> Connected {
    Connected {
        connection: ConnectionId::new(7),
        project: ProjectId::new(12),
        token: None,
        connection_count: 1,
        session: None,
        resumed: false,
        direct: None,
        direct_lost: false,
        channels: Vec::new(),
    }
}

#[test]
fn requests_without_an_answer_are_bounded() {
    let mut client = Client::live();
    for id in 2..66 {
        client.send(&format!(r#"{{"id":{id},"subscribe":{{"channel":"room{id}"}}}}"#));
    }
    assert_eq!((client.performed(), client.sent().len()), (64, 0));
    // Carried out is not answered: the news of the subscription is.
    client.answer(2, Ok(Reply::Done));
    client.send(r#"{"id":100,"ack":{"direct":"1-1"}}"#);
    assert!(client.sent()[0].contains(r#""code":"rate_limited""#), "{:?}", client.sent());
    client.answer(3, Err(Error::new(ErrorKind::NotFound, "no")));
    client.send(r#"{"id":100,"ack":{"direct":"1-1"}}"#);
    assert_eq!((client.performed(), client.closed()), (65, None), "an answer makes room");
    assert_eq!(client.config.counters.refused_requests.get(), 1);
}

#[test]
fn bytes_without_an_answer_are_bounded() {
    let mut client = Client::live();
    let data = "x".repeat(1024 * 1024 - 2);
    for id in 2..12 {
        client.send(&format!(r#"{{"id":{id},"publish":{{"channel":"room","event":"X","data":"{data}"}}}}"#));
    }
    assert_eq!((client.performed(), client.sent().len(), client.closed()), (7, 3, None));
    client.answer(2, Ok(Reply::Published(Published::Conflated)));
    client.send(&format!(r#"{{"id":20,"publish":{{"channel":"room","event":"X","data":"{data}"}}}}"#));
    assert_eq!(client.performed(), 8);
    client.send(&format!(r#"{{"id":21,"publish":{{"channel":"room","event":"X","data":"{data}x"}}}}"#));
    assert!(client.sent().last().unwrap().contains(r#""code":"payload_too_large""#));
}

#[test]
fn what_waits_for_connect_is_bounded() {
    let mut client = Client::connecting();
    for id in 2..65 {
        client.send(&format!(r#"{{"id":{id},"dance":{{}}}}"#));
    }
    assert_eq!((client.sent().len(), client.closed()), (0, None));
    client.send(r#"{"id":99,"dance":{}}"#);
    assert_eq!(client.closed(), Some(CloseReason::RateLimited));

    let mut client = Client::connecting();
    client.send(r#"{"id":2,"dance":{}}"#);
    client.send(r#"{"id":2,"dance":{}}"#);
    assert_eq!(client.closed(), Some(CloseReason::InvalidPayload), "its reply waits, so its id is taken");
}

#[test]
fn texts_that_are_kept_are_bounded() {
    let long = "x".repeat(256);
    let positions: Vec<String> = (0..1_025).map(|number| format!(r#""room{number}":"1-1""#)).collect();
    for body in [
        format!(r#""subscribe":{{"channel":"{long}"}}"#),
        format!(r#""unsubscribe":{{"channel":"{long}"}}"#),
        format!(r#""publish":{{"channel":"room","event":"{long}"}}"#),
        format!(r#""publish":{{"channel":"room","event":"X","id":"{}"}}"#, &long[..65]),
        format!(r#""publish":{{"channel":"room","event":"X","key":"{}"}}"#, &long[..65]),
        format!(r#""presence_set":{{"channel":"room","data":{{"name":"{}"}}}}"#, "x".repeat(1_024)),
    ] {
        let mut client = Client::live();
        client.send(&format!(r#"{{"id":2,{body}}}"#));
        assert_eq!((client.performed(), client.sent().len(), client.closed()), (0, 1, None), "{body}");
    }
    let mut client = Client::live();
    let mut other = NativeDialect::new(client.config.clone());
    other.open(NOW, &mut client.effects);
    let connect = format!(r#"{{"id":1,"connect":{{"project":"p","positions":{{{}}}}}}}"#, positions.join(","));
    other.receive(NOW, Frame::Text(&connect), &mut client.effects);
    assert!(client.sent()[0].contains(r#""code":"limit_reached""#), "{:?}", client.sent());
}

#[test]
fn what_is_refused_or_strays_is_counted_and_the_token_is_not_shown() {
    let mut client = Client::connecting();
    assert!(!format!("{:?}", client.effects).contains("tgt_"), "{:?}", client.effects);
    client.connected();
    client.send(r#"{"id":2,"dance":{}}"#);
    client.send(r#"{"id":3,"subscribe":{}}"#);
    client.answer(77, Ok(Reply::Done));
    let counters = &client.config.counters;
    assert_eq!([counters.unknown_requests.get(), counters.malformed_requests.get(), counters.strays.get()], [1, 1, 1]);
}

/// From well-formed over nearly so to anything at all.
fn text() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        Just(r#""subscribe":{"channel":"room","position":"1-1"}"#.to_owned()),
        Just(r#""subscribe":{"channel":"room"}"#.to_owned()),
        Just(r#""unsubscribe":{"channel":"room"}"#.to_owned()),
        Just(r#""publish":{"channel":"room","event":"X","data":[1]}"#.to_owned()),
        Just(r#""connect":{"project":"p"}"#.to_owned()),
        Just(r#""renew":{"token":"t"}"#.to_owned()),
        "\"[a-z]{0,8}\":\\{\\}",
    ];
    let frame = (0..6_u32, body).prop_map(|(id, body)| format!("{{\"id\":{id},{body}}}"));
    let cut = (frame.clone(), 0..60_usize).prop_map(|(frame, at)| frame.chars().take(at).collect());
    prop_oneof![8 => frame, 2 => Just("{}".to_owned()), 1 => cut, 1 => any::<String>()]
}

#[derive(Clone, Debug)]
enum Happening {
    Text(String),
    Binary(Vec<u8>),
    Answer(u32, u8),
    Passed(u64),
}

proptest! {
    /// Whatever comes: no panic, nothing behind a close, one reply at most for each request, and only frames that a client can read.
    #[test]
    fn every_frame_is_of_the_page_whatever_came_in(happenings in proptest::collection::vec(prop_oneof![
        6 => text().prop_map(Happening::Text),
        1 => any::<Vec<u8>>().prop_map(Happening::Binary),
        4 => (1..12_u32, any::<u8>()).prop_map(|(number, what)| Happening::Answer(number, what)),
        1 => (0..60_000_u64).prop_map(Happening::Passed),
    ], 0..40)) {
        let mut dialect = NativeDialect::new(Arc::default());
        let (mut now, mut effects, mut is_closed) = (NOW, Vec::new(), false);
        let (mut requests, mut replies, mut connects) = (0, 0, 0);
        dialect.open(now, &mut effects);
        dialect.receive(now, Frame::Text(r#"{"id":1000,"connect":{"project":"p"}}"#), &mut effects);
        requests += 1;
        for happening in happenings {
            if is_closed {
                break;
            }
            match happening {
                Happening::Text(text) => {
                    requests += 1;
                    dialect.receive(now, Frame::Text(&text), &mut effects);
                }
                Happening::Binary(bytes) => dialect.receive(now, Frame::Binary(&bytes), &mut effects),
                Happening::Answer(number, what) => {
                    let result = match what % 4 {
                        0 => Ok(Reply::Connected(Box::new(connected()))),
                        1 => Ok(Reply::Done),
                        2 => Ok(Reply::Published(Published::Conflated)),
                        _ => Err(Error::new(ErrorKind::ALL[usize::from(what) % ErrorKind::ALL.len()], "\"no\"\n")),
                    };
                    dialect.answer(now, RequestNumber(number), result, &mut effects);
                }
                Happening::Passed(ms) => {
                    now = now.plus(ms);
                    if dialect.wake_at().is_some_and(|at| at <= now) {
                        dialect.wake(now, &mut effects);
                    }
                }
            }
            for effect in effects.drain(..) {
                prop_assert!(!is_closed, "nothing follows a close: {:?}", effect);
                match effect {
                    Effect::Send(frame) => {
                        let text = std::str::from_utf8(&frame).unwrap();
                        let read = ServerFrame::parse(text);
                        prop_assert!(read.is_ok(), "{}", text);
                        replies += usize::from(matches!(read, Ok(ServerFrame::Reply(_))));
                    }
                    Effect::SendBinary(_) => prop_assert!(false, "text only"),
                    Effect::Perform(_, Command::Connect { .. }) => {
                        connects += 1;
                        prop_assert_eq!(connects, 1);
                    }
                    Effect::Perform(..) => {}
                    Effect::Close { code, text, .. } => {
                        prop_assert!((4000..4300).contains(&code) && text.len() <= 123);
                        is_closed = true;
                    }
                }
            }
        }
        prop_assert!(replies <= requests);
    }
}
