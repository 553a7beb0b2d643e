//! What a node keeps about the access hooks of its projects: answers that may be used again, and whether a hook answers at all.
//!
//! Plain data; time is an argument. Asking is `operations/hooks.rs`'s, calling the outbound port's.

mod answers;
mod breaker;
mod question;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tollgate_core::clock::Monotonic;
use tollgate_core::ids::ProjectId;

pub(crate) use answers::{Answers, Asker, KeptAnswer, Known, Named};
pub(crate) use breaker::{Breaker, Pass};
pub(crate) use question::{Answer, Message, Question, answer_of, body_of};

/// The hooks of all projects.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) answers: Answers,
    /// By project; a hook at another address begins anew. No more than there are projects.
    breakers: Mutex<HashMap<ProjectId, (String, Breaker)>>,
}

impl Hooks {
    /// Works on the breaker of a project's hook at this address.
    pub(crate) fn breaker<T>(&self, project: ProjectId, url: &str, work: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, breaker) = breakers.entry(project).or_insert_with(|| (url.to_owned(), Breaker::default()));
        if known != url {
            (*known, *breaker) = (url.to_owned(), Breaker::default());
        }
        work(breaker)
    }

    /// Whether a project's hook failed so often that it is not asked.
    pub(crate) fn rests(&self, project: ProjectId, url: &str) -> bool {
        self.breaker(project, url, |breaker| breaker.is_open())
    }

    /// Until when a project's hook is not asked, if that is so now. It changes nothing.
    pub(crate) fn rests_until(&self, project: ProjectId, url: &str, now: Monotonic) -> Option<Monotonic> {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.get(&project).filter(|(known, _)| known == url).and_then(|(_, breaker)| breaker.rests_until(now))
    }

    /// How many hooks rest.
    pub(crate) fn resting(&self) -> usize {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.values().filter(|(_, breaker)| breaker.is_open()).count()
    }

    /// Whether the project may ask its hook now.
    pub(crate) fn pass(&self, project: ProjectId, url: &str, now: Monotonic) -> Pass {
        self.breaker(project, url, |breaker| breaker.pass(now))
    }
}
