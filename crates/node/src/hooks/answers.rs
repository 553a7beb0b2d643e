//! Answers of access hooks that may be used again, for as long as the answers themselves say.
//!
//! Nothing has to be cleared when a token, its user or the hook changes: the revisions of all three are part of what an answer is known by, so
//! one that was given to another revision is not found any more. Bounded: beyond [`ANSWERS_MAX`] those go that are over, and then any.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::clock::Monotonic;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::records::HookQuestion;

/// Most answers kept.
pub(crate) const ANSWERS_MAX: usize = 65_536;
/// How many go to make room when none is over.
const ROOM: usize = ANSWERS_MAX / 64;

/// Who it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// A token, as its record and that of its user were.
    Token { token: TokenId, revision: u32, user_revision: u32 },
    /// An anonymous client from this address. Of one whose address is not known nothing is kept.
    Anonymous(IpAddr),
}

/// What an answer is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    pub(crate) project: ProjectId,
    /// Of the project's settings, in which the hook is.
    pub(crate) revision: u32,
    pub(crate) question: HookQuestion,
    pub(crate) asker: Asker,
    pub(crate) channel: Option<ChannelId>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) allow: bool,
    pub(crate) reason: Option<Arc<str>>,
}

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    pub(crate) known: Known,
    /// When it was given.
    pub(crate) at: Monotonic,
    /// From when on it is not used again.
    pub(crate) until: Monotonic,
}

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<HashMap<Named, KeptAnswer>>);

impl Answers {
    /// The answer, if one is kept that is still good at `now`.
    pub(crate) fn find(&self, named: &Named, now: Monotonic) -> Option<Known> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(named) {
            Some(found) if now < found.until => Some(found.known.clone()),
            Some(_) => {
                kept.remove(named);
                None
            }
            None => None,
        }
    }

    /// The answer that [`Answers::find`] would find, with its times. It changes nothing.
    pub(crate) fn look(&self, named: &Named, now: Monotonic) -> Option<KeptAnswer> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(named).filter(|found| now < found.until).cloned()
    }

    /// Keeps an answer for so long.
    pub(crate) fn keep(&self, named: Named, known: Known, now: Monotonic, for_ms: u64) {
        if for_ms == 0 {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ANSWERS_MAX && !kept.contains_key(&named) {
            kept.retain(|_, found| now < found.until);
            if kept.len() >= ANSWERS_MAX {
                let any: Vec<_> = kept.keys().take(ROOM).cloned().collect();
                for one in any {
                    kept.remove(&one);
                }
            }
        }
        kept.insert(named, KeptAnswer { known, at: now, until: now.plus(for_ms) });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(token: u64, revision: u32) -> Named {
        Named {
            project: ProjectId::new(1),
            revision: 1,
            question: HookQuestion::Publish,
            asker: Asker::Token { token: TokenId::new(token), revision, user_revision: 0 },
            channel: Some(ChannelId::new("room").unwrap()),
        }
    }

    fn yes() -> Known {
        Known { allow: true, reason: None }
    }

    #[test]
    fn an_answer_is_good_for_its_time_and_for_what_was_asked() {
        let answers = Answers::default();
        answers.keep(named(1, 1), yes(), Monotonic(10), 100);
        answers.keep(named(2, 1), yes(), Monotonic(10), 0);
        assert_eq!(answers.find(&named(1, 1), Monotonic(109)), Some(yes()));
        let looked_at = KeptAnswer { known: yes(), at: Monotonic(10), until: Monotonic(110) };
        assert_eq!(answers.look(&named(1, 1), Monotonic(109)), Some(looked_at));
        assert_eq!((answers.look(&named(1, 1), Monotonic(110)), answers.0.lock().unwrap().len()), (None, 1));
        for other in [
            named(1, 2),
            named(2, 1),
            Named { revision: 2, ..named(1, 1) },
            Named { question: HookQuestion::Subscribe, ..named(1, 1) },
            Named { channel: None, ..named(1, 1) },
            Named { project: ProjectId::new(2), ..named(1, 1) },
            Named { asker: Asker::Anonymous(IpAddr::from([10, 0, 0, 1])), ..named(1, 1) },
        ] {
            assert_eq!(answers.find(&other, Monotonic(11)), None, "{other:?}");
        }
        assert_eq!(answers.find(&named(1, 1), Monotonic(110)), None);
        assert!(answers.0.lock().unwrap().is_empty(), "what is over goes");
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_goes_first() {
        let answers = Answers::default();
        let half = ANSWERS_MAX as u64 / 2;
        let len = || answers.0.lock().unwrap().len();
        for token in 0..half {
            answers.keep(named(token, 1), yes(), Monotonic(0), 10);
            answers.keep(named(token, 2), yes(), Monotonic(0), 1_000_000);
        }
        assert_eq!(len(), ANSWERS_MAX);
        answers.keep(named(0, 3), yes(), Monotonic(10), 1_000_000);
        assert_eq!(len() as u64, half + 1);
        assert!((0..half).all(|token| answers.find(&named(token, 2), Monotonic(11)).is_some()));
        for token in 0..2 * half {
            answers.keep(named(token, 4), yes(), Monotonic(11), 1_000_000);
            assert!(len() <= ANSWERS_MAX);
        }
    }
}
