//! What is bounded, and what happens at the bound: bursts that are too long for a transcript.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Connected, Reply};
use tollgate_core::ids::{ConnectionId, ProjectId};
use tollgate_core::{CloseReason, Error, ErrorKind};
use tollgate_protocol::{Dialect, Effect, Frame, RequestNumber};
use tollgate_protocol_leap::{LeapConfig, LeapDialect, MOVE_TO_BYTES_MAX};

const NOW: Monotonic = Monotonic(5_000);

struct Client {
    config: Arc<LeapConfig>,
    dialect: LeapDialect,
    effects: Vec<Effect>,
}

impl Client {
    /// A client that has sent its identify.
    fn identifying() -> Self {
        let config = Arc::new(LeapConfig::default());
        let mut client = Self { dialect: LeapDialect::new(config.clone()), config, effects: Vec::new() };
        client.dialect.open(NOW, &mut client.effects);
        client.send(r#"{"op":2,"d":{"project_id":"project_MTI"}}"#);
        client
    }

    /// A client that has had INIT.
    fn live() -> Self {
        let mut client = Self::identifying();
        client.init();
        client.effects.clear();
        client
    }

    fn init(&mut self) {
        let connected = Connected {
            connection: ConnectionId::new(7),
            project: ProjectId::new(12),
            token: None,
            connection_count: 1,
            session: None,
            resumed: false,
            direct: None,
            direct_lost: false,
            channels: Vec::new(),
        };
        self.answer(1, Ok(Reply::Connected(Box::new(connected))));
    }

    fn send(&mut self, text: &str) {
        self.dialect.receive(NOW, Frame::Text(text), &mut self.effects);
    }

    fn subscribe(&mut self, channel: &str) {
        self.send(&format!(r#"{{"op":0,"d":{{"e":"SUBSCRIBE","d":null,"c":"{channel}"}}}}"#));
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

#[test]
fn b51_a_burst_of_subscribes_to_many_channels_is_performed_and_answered() {
    let mut client = Client::live();
    for number in 0..1_000 {
        client.subscribe(&format!("room{number}"));
    }
    assert_eq!((client.performed(), client.closed()), (1_000, None));
    for number in 2..1_002 {
        client.answer(number, Err(Error::new(ErrorKind::NotGranted, "no")));
    }
    assert_eq!(client.sent().len(), 1_000);
    assert!(client.sent()[999].contains(r#""c":"room999""#));
}

/// Ten minutes of outage: 40 channels, 2,400 subscribes each. Equal ones still on their way are not piled up.
#[test]
fn b51_a_burst_after_a_long_outage_does_not_close_the_socket() {
    let mut client = Client::live();
    for _ in 0..2_400 {
        for channel in 0..40 {
            client.subscribe(&format!("room{channel}"));
        }
    }
    assert_eq!((client.performed(), client.closed()), (64, None));
    assert_eq!(client.config.counters.merged_subscribes.get(), 2_400 * 40 - 64);
    // An unsubscribe in between makes the next subscribe count again.
    client.send(r#"{"op":0,"d":{"e":"UNSUBSCRIBE","d":null,"c":"room1"}}"#);
    client.subscribe("room1");
    client.subscribe("room1");
    assert_eq!(client.performed(), 66);
    // And so does its answer, even while many others are on their way.
    client.subscribe("room new");
    assert_eq!(client.performed(), 67);
    client.answer(68, Ok(Reply::Done));
    client.subscribe("room new");
    assert_eq!(client.performed(), 68);
}

#[test]
fn commands_on_their_way_are_bounded_in_number_and_bytes() {
    let mut client = Client::live();
    for number in 0..4_096 {
        client.subscribe(&format!("room{number}"));
    }
    assert_eq!((client.performed(), client.closed()), (4_096, None));
    client.subscribe("one too many");
    assert_eq!((client.performed(), client.closed()), (4_096, Some(CloseReason::RateLimited)));

    let mut client = Client::live();
    let message = format!(
        r#"{{"op":0,"d":{{"e":"MESSAGE","c":"room","d":{{"e":"X","d":"{}"}}}}}}"#,
        "x".repeat(1024 * 1024 - 100)
    );
    for _ in 0..8 {
        client.send(&message);
    }
    assert_eq!((client.performed(), client.closed()), (8, None));
    client.answer(2, Ok(Reply::Done));
    client.send(&message);
    assert_eq!((client.performed(), client.closed()), (9, None), "an answer makes room");
    client.send(&message);
    assert_eq!((client.performed(), client.closed()), (9, Some(CloseReason::RateLimited)));
}

#[test]
fn acks_are_bounded_and_none_is_lost_at_the_close() {
    let mut client = Client::live();
    for number in 0..257 {
        client.send(&format!(r#"{{"op":3,"d":{{"tag":"{number}"}}}}"#));
        assert_eq!(client.closed().is_some(), number == 256);
    }
    assert_eq!(client.closed(), Some(CloseReason::RateLimited));
    let expected: Vec<String> =
        (0..256).map(|number| format!(r#"{{"op":4,"d":{{"tag":"{number}","latency":1}}}}"#)).collect();
    assert_eq!(client.sent(), expected);
    assert_eq!(client.dialect.wake_at(), None);
}

#[test]
fn b41_events_before_init_are_bounded_in_number_and_bytes() {
    let mut client = Client::identifying();
    for number in 0..1_024 {
        client.subscribe(&format!("{number}"));
    }
    assert_eq!((client.performed(), client.closed()), (1, None));
    client.init();
    assert_eq!(client.performed(), 1_025);

    let mut client = Client::identifying();
    for number in 0..1_025 {
        client.subscribe(&format!("{number}"));
    }
    assert_eq!(client.closed(), Some(CloseReason::InvalidPayload));

    let mut client = Client::identifying();
    client.subscribe(&"x".repeat(64 * 1024));
    assert_eq!(client.closed(), Some(CloseReason::InvalidPayload));
}

#[test]
fn a_bad_event_before_init_closes_after_it_and_ends_the_queue() {
    let mut client = Client::identifying();
    client.send(r#"{"op":0,"d":{}}"#);
    client.subscribe("room1");
    assert_eq!(client.closed(), None);
    client.init();
    assert_eq!((client.performed(), client.closed()), (1, Some(CloseReason::InvalidPayload)));
    assert!(client.sent().last().unwrap().contains("INIT"));
}

#[test]
fn ids_that_no_channel_has_are_answered_without_being_kept() {
    let mut client = Client::live();
    let long = "é".repeat(128);
    client.subscribe(&long);
    client.send(&format!(r#"{{"op":0,"d":{{"e":"MESSAGE","c":"{long}","d":{{"e":"X"}}}}}}"#));
    client.send(&format!(r#"{{"op":0,"d":{{"e":"SET_CHANNEL_STATE","c":"{long}","d":{{}}}}}}"#));
    client.send(&format!(r#"{{"op":0,"d":{{"e":"UNSUBSCRIBE","c":"{long}"}}}}"#));
    assert_eq!((client.performed(), client.closed(), client.sent().len()), (0, None, 3));
    client.subscribe(&long[2..]);
    assert_eq!(client.performed(), 1);
}

#[test]
fn tags_are_bounded() {
    let mut client = Client::live();
    client.send(&format!(r#"{{"op":3,"d":{{"tag":"{}"}}}}"#, "x".repeat(255)));
    assert_eq!(client.closed(), None);
    client.send(&format!(r#"{{"op":3,"d":{{"tag":"{}"}}}}"#, "x".repeat(256)));
    assert_eq!(client.closed(), Some(CloseReason::InvalidPayload));
}

/// Each row: what is sent, how its command ends if it becomes one, and the counter that must show it.
#[test]
fn what_is_dropped_is_counted() {
    let message = |d: &str| format!(r#"{{"op":0,"d":{{"e":"MESSAGE","c":"room","d":{d}}}}}"#);
    let state = |d: &str| format!(r#"{{"op":0,"d":{{"e":"SET_CHANNEL_STATE","c":"room","d":{d}}}}}"#);
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    let failed = |kind| Some(Err(Error::new(kind, "no")));
    let table = [
        (r#"{"op":0,"d":{"e":"NEW"}}"#.to_owned(), None, [1, 0, 0, 0]),
        (message("7"), None, [0, 1, 0, 0]),
        (message("{}"), None, [0, 1, 0, 0]),
        (message(r#"{"e":""}"#), None, [0, 1, 0, 0]),
        (message(&format!(r#"{{"e":"X","d":{deep}}}"#)), None, [0, 1, 0, 0]),
        (message(&format!(r#"{{"e":"X","d":"{}"}}"#, "x".repeat(1024 * 1024))), None, [0, 1, 0, 0]),
        (state("null"), None, [0, 1, 0, 0]),
        (state("[1]"), None, [0, 1, 0, 0]),
        (r#"{"op":0,"d":{"e":"PIPE_ROOM_SUBSCRIBE","c":null,"d":{}}}"#.to_owned(), None, [0, 1, 0, 0]),
        (message(r#"{"e":"X"}"#), Some(Ok(Reply::NotAllowed)), [0, 0, 1, 0]),
        (message(r#"{"e":"X"}"#), failed(ErrorKind::Forbidden), [0, 0, 1, 0]),
        (message(r#"{"e":"X"}"#), failed(ErrorKind::InvalidInput), [0, 0, 0, 1]),
        (state("{}"), Some(Ok(Reply::NotAllowed)), [0, 0, 1, 0]),
        (state("{}"), failed(ErrorKind::Unavailable), [0, 0, 0, 1]),
        (state("{}"), Some(Ok(Reply::Done)), [0, 0, 0, 0]),
    ];
    for (frame, answer, expected) in table {
        let mut client = Client::live();
        client.send(&frame);
        let shown = &frame[..frame.len().min(100)];
        assert_eq!(client.performed(), usize::from(answer.is_some()), "{shown}");
        if let Some(answer) = answer {
            client.answer(2, answer);
        }
        assert!(client.sent().is_empty() && client.closed().is_none(), "{shown}");
        let counters = &client.config.counters;
        let counted =
            [&counters.unknown_events, &counters.malformed_events, &counters.refused_writes, &counters.failed_writes];
        assert_eq!(counted.map(|counter| counter.get()), expected, "{shown}");
    }
}

#[test]
fn an_answer_nobody_waits_for_is_counted() {
    let mut client = Client::live();
    client.answer(1, Ok(Reply::Done));
    client.answer(9, Ok(Reply::Done));
    assert!(client.effects.is_empty());
    assert_eq!(client.config.counters.strays.get(), 2);
}

#[test]
fn the_token_is_not_shown() {
    let mut client = Client::identifying();
    client.effects.clear();
    let mut other = LeapDialect::new(client.config.clone());
    other.open(NOW, &mut client.effects);
    other.receive(
        NOW,
        Frame::Text(r#"{"op":2,"d":{"project_id":"p","token":"leap_token_\u0053ecret"}}"#),
        &mut client.effects,
    );
    assert!(!format!("{:?} {other:?}", client.effects).contains("ecret\""));
    let Some(Effect::Perform(_, Command::Connect { token: Some(token), .. })) = client.effects.last() else {
        panic!("a connect is performed")
    };
    assert_eq!(token.expose(), "leap_token_Secret");
}

/// A close frame has room for 123 bytes of text; an address that does not fit whole is not sent in part.
#[test]
fn b48_a_draining_server_sends_its_clients_to_the_configured_address() {
    let longest = format!("wss://{}/ws", "n".repeat(MOVE_TO_BYTES_MAX - "wss:///ws".len()));
    let too_long = format!("{longest}x");
    let table = [
        (CloseReason::Draining, longest.as_str(), 4006, longest.as_str()),
        (CloseReason::Draining, "", 1012, "Restarting, reconnect"),
        (CloseReason::Draining, too_long.as_str(), 1012, "Restarting, reconnect"),
        (CloseReason::TokenRevoked, longest.as_str(), 4001, "Token revoked"),
    ];
    for (reason, move_to, code, text) in table {
        let config = Arc::new(LeapConfig { move_to: move_to.to_owned(), ..LeapConfig::default() });
        let mut dialect = LeapDialect::new(config);
        let mut effects = Vec::new();
        dialect.open(NOW, &mut effects);
        dialect.close(NOW, reason, &mut effects);
        let Some(Effect::Close { code: sent, text: said, .. }) = effects.last() else { panic!("{effects:?}") };
        assert_eq!((*sent, said.as_str()), (code, text), "{reason:?} {move_to}");
    }
}
