//! A dialect over server-sent events for tests, and its door. The query says what it does: `say=TEXT` is its first event (without, `connected`),
//! `silent` has it say nothing, `refuse=CODE` closes at once, `flood=N` sends N KiB behind its first event, `pings=MS` sends a comment each MS.
//! `POST` takes the same as its body, of at most 1 KiB; `elsewhere` and `again` in it are what a door must not decide.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_debug_implementations)]

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Notice, Reply};
use tollgate_core::{CloseReason, Result};
use tollgate_gateway::{Door, ErrorForm, Opening, Reading, Refused, Transport};
use tollgate_node::FormatIndex;
use tollgate_protocol::{Dialect, Effect, Frame, RequestNumber};

pub struct Told {
    query: String,
    ping_at: Option<Monotonic>,
}

impl Told {
    fn of(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    fn ping_ms(&self) -> Option<u64> {
        self.of("pings").map(|ms| ms.parse().unwrap())
    }
}

impl Dialect for Told {
    fn open(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        if let Some(code) = self.of("refuse") {
            let (code, text) = (code.parse().unwrap(), "token_revoked".to_owned());
            return effects.push(Effect::Close { code, text, reason: CloseReason::InvalidCredential });
        }
        if self.query == "silent" {
            return;
        }
        effects.push(Effect::Send(format!("data: {}\n\n", self.of("say").unwrap_or("connected")).into()));
        let kib = self.of("flood").map_or(0, |kib| kib.parse().unwrap());
        let event = Bytes::from(format!("data: {}\n\n", "x".repeat(1_016)));
        effects.extend((0..kib).map(|_| Effect::Send(event.clone())));
        self.ping_at = self.ping_ms().map(|ms| now.plus(ms));
    }

    fn receive(&mut self, _now: Monotonic, _frame: Frame<'_>, _effects: &mut Vec<Effect>) {
        panic!("the client of an event stream says nothing");
    }

    fn answer(&mut self, _now: Monotonic, _number: RequestNumber, _result: Result<Reply>, _effects: &mut Vec<Effect>) {}

    fn notify(&mut self, _now: Monotonic, _notice: Notice, _effects: &mut Vec<Effect>) {}

    fn wake(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        self.ping_at = self.ping_ms().map(|ms| now.plus(ms));
        effects.push(Effect::Send(Bytes::from_static(b":\n\n")));
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.ping_at
    }

    fn close(&mut self, _now: Monotonic, reason: CloseReason, effects: &mut Vec<Effect>) {
        let code = match reason {
            CloseReason::Draining => 4000,
            CloseReason::SlowConsumer => 4001,
            CloseReason::ProtocolError => 4200,
            _ => 4004,
        };
        effects.push(Effect::Close { code, text: reason.word().to_owned(), reason });
    }
}

/// The door.
pub fn knock(head: &Parts) -> Door {
    match head.method {
        Method::GET => open(head.uri.query().unwrap_or_default()),
        Method::POST => Door::Read(Reading { bytes_max: 1_024, decide: Box::new(decide), errors: ErrorForm::Problem }),
        _ => {
            refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "An event stream is opened with GET or POST.")
        }
    }
}

fn decide(body: &Bytes) -> Door {
    match std::str::from_utf8(body) {
        Ok("elsewhere") => Door::Elsewhere,
        Ok("again") => Door::Read(Reading { bytes_max: 1, decide: Box::new(decide), errors: ErrorForm::Problem }),
        Ok(query) => open(query),
        Err(_) => refused(StatusCode::BAD_REQUEST, "invalid_body", "The body must be text."),
    }
}

fn open(query: &str) -> Door {
    let dialect = Box::new(Told { query: query.to_owned(), ping_at: None });
    Door::Open(Opening { dialect, format: FormatIndex(1), transport: Transport::Events, errors: ErrorForm::Problem })
}

fn refused(status: StatusCode, code: &'static str, text: &str) -> Door {
    Door::Refused(Refused { status, code, text: text.to_owned(), errors: ErrorForm::Problem })
}
