//! Any frames, answers and times into the native dialect: it never panics, and every frame it sends is one that its own client reads.
//!
//! Input: lines. `+N` lets N ms pass; `ok` answers the oldest command with what it waits for; `no K` with error number K; `drain` closes;
//! `bin …` is a binary message; every other line is a text message.
#![no_main]

use std::collections::VecDeque;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Connected, Reply};
use tollgate_core::ids::{ConnectionId, ProjectId};
use tollgate_core::{CloseReason, Error, ErrorKind};
use tollgate_protocol::{Dialect, Effect, Frame, RequestNumber};
use tollgate_protocol_native::wire::ServerFrame;
use tollgate_protocol_native::{NativeConfig, NativeDialect};

struct Bench {
    dialect: NativeDialect,
    now: Monotonic,
    effects: Vec<Effect>,
    waiting: VecDeque<(RequestNumber, bool)>,
    is_closed: bool,
}

impl Bench {
    /// Judges what the dialect wants done.
    fn settle(&mut self) {
        for effect in self.effects.drain(..) {
            assert!(!self.is_closed, "nothing follows a close: {effect:?}");
            match effect {
                Effect::Send(frame) => check(&frame),
                Effect::SendBinary(frame) => panic!("the protocol sends text only: {frame:?}"),
                Effect::Perform(number, command) => {
                    self.waiting.push_back((number, matches!(command, Command::Connect { .. })));
                }
                Effect::Close { code, text, .. } => {
                    assert!((1000..5000).contains(&code) && text.len() <= 123);
                    self.is_closed = true;
                }
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        let (now, effects) = (self.now, &mut self.effects);
        let text = std::str::from_utf8(line);
        if let Ok(Some(ms)) = text.map(|text| text.strip_prefix('+').and_then(|ms| ms.parse::<u32>().ok())) {
            return self.pass(u64::from(ms));
        }
        match text {
            Ok("ok") => {
                let Some((number, is_connect)) = self.waiting.pop_front() else { return };
                let reply = if is_connect { Reply::Connected(Box::new(connected())) } else { Reply::Done };
                self.dialect.answer(now, number, Ok(reply), effects);
            }
            Ok(text) if text.starts_with("no ") => {
                let Some((number, _)) = self.waiting.pop_front() else { return };
                let kind = ErrorKind::ALL[usize::from(line[line.len() - 1]) % ErrorKind::ALL.len()];
                self.dialect.answer(now, number, Err(Error::new(kind, text)), effects);
            }
            Ok("drain") => self.dialect.close(now, CloseReason::Draining, effects),
            Ok(text) => self.dialect.receive(now, Frame::Text(text), effects),
            Err(_) => self.dialect.receive(now, Frame::Binary(line.strip_prefix(b"bin ").unwrap_or(line)), effects),
        }
    }

    /// Lets time pass, waking the dialect when it asked to be.
    fn pass(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        for _ in 0..64 {
            let Some(at) = self.dialect.wake_at().filter(|at| *at <= end && !self.is_closed) else { break };
            self.now = self.now.max(at);
            self.dialect.wake(self.now, &mut self.effects);
            self.settle();
            assert!(self.is_closed || self.dialect.wake_at().is_none_or(|next| next > self.now), "it asks to be woken for ever");
        }
        self.now = end;
    }
}

fn connected() -> Connected {
    Connected {
        connection: ConnectionId::new(1),
        project: ProjectId::new(1),
        token: None,
        connection_count: 1,
        session: None,
        resumed: false,
        direct: None,
        direct_lost: false,
        channels: Vec::new(),
    }
}

/// What a client of ours does with a frame.
fn check(frame: &[u8]) {
    let text = std::str::from_utf8(frame).expect("every frame is UTF-8");
    assert!(ServerFrame::parse(text).is_ok(), "{text}");
}

fuzz_target!(|data: &[u8]| {
    let dialect = NativeDialect::new(Arc::new(NativeConfig::default()));
    let mut bench =
        Bench { dialect, now: Monotonic(1_000), effects: Vec::new(), waiting: VecDeque::new(), is_closed: false };
    bench.dialect.open(bench.now, &mut bench.effects);
    bench.settle();
    for line in data.split(|byte| *byte == b'\n') {
        if bench.is_closed {
            return;
        }
        bench.line(line);
        bench.settle();
    }
});
