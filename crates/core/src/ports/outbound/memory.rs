//! An [`Outbound`] for tests: keeps what was called, answers what it was told to. Test code, never part of the product.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::{Outbound, OutboundAnswer, OutboundCall, OutboundFailure, OutboundRules};
use crate::ports::Pending;

/// Keeps calls and answers them: with what was put in line, in that order, and then with an empty 200.
#[derive(Debug, Default)]
pub struct RecordingOutbound {
    /// By which addresses are checked, at registration and at each call.
    pub rules: OutboundRules,
    calls: Mutex<Vec<OutboundCall>>,
    answers: Mutex<VecDeque<Result<OutboundAnswer, OutboundFailure>>>,
}

impl RecordingOutbound {
    /// Puts an answer in line.
    pub fn answer(&self, answer: Result<OutboundAnswer, OutboundFailure>) {
        self.answers.lock().expect("invariant: nobody panics with the lock").push_back(answer);
    }

    /// Puts an answer with this status and body in line.
    pub fn answer_with(&self, status: u16, body: &[u8]) {
        self.answer(Ok(OutboundAnswer { status, body: body.into(), retry_after_s: None, cache_max_age_s: None }));
    }

    /// What was called since this was last asked.
    pub fn take_calls(&self) -> Vec<OutboundCall> {
        std::mem::take(&mut *self.calls.lock().expect("invariant: nobody panics with the lock"))
    }
}

impl Outbound for RecordingOutbound {
    fn check(&self, url: &str) -> Result<(), OutboundFailure> {
        self.rules.target(url).map(drop)
    }

    fn call(&self, call: OutboundCall) -> Pending<'_, Result<OutboundAnswer, OutboundFailure>> {
        let refused = self.check(&call.url).err();
        let wanted = call.answer_bytes_max;
        self.calls.lock().expect("invariant: nobody panics with the lock").push(call);
        let empty = Ok(OutboundAnswer { status: 200, body: Vec::new(), retry_after_s: None, cache_max_age_s: None });
        let answer = refused.map_or_else(
            || self.answers.lock().expect("invariant: nobody panics with the lock").pop_front().unwrap_or(empty),
            Err,
        );
        let answer = match answer {
            Ok(answer) if wanted == 0 => Ok(OutboundAnswer { body: Vec::new(), ..answer }),
            Ok(answer) if answer.body.len() > wanted => Err(OutboundFailure::TooLarge(wanted)),
            answer => answer,
        };
        Box::pin(std::future::ready(answer))
    }
}
