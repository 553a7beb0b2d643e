//! Long work that an operator began: it goes on when nobody looks, and what it came to is kept for a while. In memory, as sessions are. Not the
//! work itself, which is the node's, nor its page.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tollgate_core::clock::{Clock, Monotonic};
use tollgate_core::ids::{OperatorId, ProjectId};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{origin, with_origin};

/// Works of the server at once.
const RUNNING_MAX: usize = 16;
/// Works that ended and are kept; the one that was begun first makes room.
const ENDED_MAX: usize = 64;
/// For how long, in milliseconds.
const KEPT_MS: u64 = 15 * 60_000;

/// What a work came to: names and texts.
pub(crate) type Facts = Vec<(&'static str, String)>;

/// What is shown of a work.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) operator: OperatorId,
    pub(crate) project: Option<ProjectId>,
    /// What is being done, in a few words.
    pub(crate) what: &'static str,
    /// On what, as it was asked.
    pub(crate) on: String,
    /// Its tokens can be counted while it is at work.
    pub(crate) counts: bool,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Running,
    Done(Facts),
    /// It was done, and what it found is bad: a heading, and what.
    Alarm(&'static str, String),
    Failed(String),
}

/// What a work that was done came to.
#[derive(Clone, Debug)]
pub(crate) enum Came {
    Well(Facts),
    Alarm(&'static str, String),
}

/// How far a work is that counts by itself; of nothing as long as it does not.
#[derive(Debug, Default)]
pub(crate) struct Far {
    done: AtomicU64,
    of: AtomicU64,
}

impl Far {
    pub(crate) fn tell(&self, done: u64, of: u64) {
        self.done.store(done.min(of), Ordering::Relaxed);
        self.of.store(of, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Option<(u64, u64)> {
        let (done, of) = (self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        (of > 0).then_some((done.min(of), of))
    }
}

/// One work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) number: u64,
    pub(crate) about: About,
    pub(crate) begun: Monotonic,
    pub(crate) far: Arc<Far>,
    state: Mutex<(State, Option<Monotonic>)>,
}

impl Work {
    pub(crate) fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn ended(&self) -> Option<Monotonic> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn end(&self, state: State, at: Monotonic) {
        let mut here = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(here.0, State::Running) {
            *here = (state, Some(at));
        }
    }
}

/// Ends a work that did not: its task panicked or was halted.
struct Unless {
    work: Arc<Work>,
    clock: Arc<dyn Clock>,
}

impl Drop for Unless {
    fn drop(&mut self) {
        let why = "It broke off inside the server; the log says why. Some of it may be done already.".to_owned();
        self.work.end(State::Failed(why), self.clock.monotonic());
    }
}

/// The works, with their tasks: they are halted when the console is dropped.
#[derive(Debug, Default)]
pub(crate) struct Works {
    last: u64,
    kept: VecDeque<Arc<Work>>,
    tasks: JoinSet<()>,
}

impl Works {
    /// Begins a work; answers its number. It keeps where the request at hand came from, so that the audit log says it.
    ///
    /// # Errors
    /// `limit_reached` while too many run.
    pub(crate) fn begin<F>(&mut self, about: About, clock: &Arc<dyn Clock>, doing: F) -> Result<u64>
    where
        F: Future<Output = Result<Facts>> + Send + 'static,
    {
        self.begin_telling(about, Arc::default(), clock, async move { doing.await.map(Came::Well) })
    }

    /// The same for one that says itself how far it is, and may find what is bad.
    ///
    /// # Errors
    /// `limit_reached` while too many run.
    pub(crate) fn begin_telling<F>(
        &mut self,
        about: About,
        far: Arc<Far>,
        clock: &Arc<dyn Clock>,
        doing: F,
    ) -> Result<u64>
    where
        F: Future<Output = Result<Came>> + Send + 'static,
    {
        let now = clock.monotonic();
        while self.tasks.try_join_next().is_some() {}
        self.forget(now);
        if self.kept.iter().filter(|work| work.ended().is_none()).count() >= RUNNING_MAX {
            let why = format!("{RUNNING_MAX} long works run already; wait for one to end.");
            return Err(Error::new(ErrorKind::LimitReached, why));
        }
        self.last += 1;
        let state = Mutex::new((State::Running, None));
        let work = Arc::new(Work { number: self.last, about, begun: now, far, state });
        self.kept.push_back(Arc::clone(&work));
        let unless = Unless { work, clock: Arc::clone(clock) };
        self.tasks.spawn(with_origin(origin(), async move {
            let state = match doing.await {
                Ok(Came::Well(facts)) => State::Done(facts),
                Ok(Came::Alarm(heading, what)) => State::Alarm(heading, what),
                Err(error) => State::Failed(error.detail),
            };
            unless.work.end(state, unless.clock.monotonic());
        }));
        Ok(self.last)
    }

    /// A work that this operator began, in this project.
    pub(crate) fn find(
        &mut self,
        number: u64,
        whose: (OperatorId, Option<ProjectId>),
        now: Monotonic,
    ) -> Option<Arc<Work>> {
        self.forget(now);
        let is = |work: &&Arc<Work>| work.number == number && (work.about.operator, work.about.project) == whose;
        self.kept.iter().find(is).cloned()
    }

    fn forget(&mut self, now: Monotonic) {
        self.kept.retain(|work| work.ended().is_none_or(|at| now.since(at) < KEPT_MS));
        let mut over = self.kept.iter().filter(|work| work.ended().is_some()).count().saturating_sub(ENDED_MAX);
        self.kept.retain(|work| {
            let goes = over > 0 && work.ended().is_some();
            over -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::sync::oneshot;
    use tollgate_core::clock::UnixMillis;

    use super::*;

    #[derive(Default)]
    struct At(AtomicU64);

    impl Clock for At {
        fn monotonic(&self) -> Monotonic {
            Monotonic(self.0.load(Ordering::Relaxed))
        }
        fn unix(&self) -> UnixMillis {
            UnixMillis(0)
        }
    }

    fn about(operator: u64) -> About {
        About { operator: OperatorId::new(operator), project: None, what: "x", on: String::new(), counts: false }
    }

    #[tokio::test]
    async fn works_are_their_operators_and_are_forgotten_a_while_after_their_end() {
        let at = Arc::new(At::default());
        let clock: Arc<dyn Clock> = at.clone();
        let mut works = Works::default();
        let (go, wait) = oneshot::channel::<()>();
        let slow = works
            .begin(about(1), &clock, async move {
                wait.await.unwrap();
                Ok(vec![("did", "it".to_owned())])
            })
            .unwrap();
        let panics = works.begin(about(1), &clock, async { panic!("planted") }).unwrap();
        let fails = works.begin(about(1), &clock, async { Err(Error::new(ErrorKind::Gone, "gone")) }).unwrap();
        let state = |works: &mut Works, number| works.find(number, (OperatorId::new(1), None), Monotonic(0)).unwrap();
        assert!(works.tasks.join_next().await.is_some() && works.tasks.join_next().await.is_some());
        assert!(matches!(state(&mut works, slow).state(), State::Running));
        assert!(matches!(state(&mut works, panics).state(), State::Failed(why) if why.contains("broke off")));
        assert!(matches!(state(&mut works, fails).state(), State::Failed(why) if why == "gone"));
        go.send(()).unwrap();
        works.tasks.join_next().await.unwrap().unwrap();
        assert!(matches!(state(&mut works, slow).state(), State::Done(facts) if facts[0].1 == "it"));
        assert!(works.find(slow, (OperatorId::new(2), None), Monotonic(0)).is_none());
        assert!(works.find(slow, (OperatorId::new(1), Some(ProjectId::new(1))), Monotonic(0)).is_none());
        assert!(works.find(slow, (OperatorId::new(1), None), Monotonic(KEPT_MS - 1)).is_some());
        assert!(works.find(slow, (OperatorId::new(1), None), Monotonic(KEPT_MS)).is_none());
    }

    #[tokio::test]
    async fn works_are_bounded() {
        let clock: Arc<dyn Clock> = Arc::new(At::default());
        let mut works = Works::default();
        for _ in 0..RUNNING_MAX {
            works.begin(about(1), &clock, std::future::pending()).unwrap();
        }
        let refused = works.begin(about(1), &clock, std::future::pending()).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::LimitReached);
        let mut works = Works::default();
        for _ in 0..ENDED_MAX + 9 {
            works.begin(about(1), &clock, async { Ok(Vec::new()) }).unwrap();
            works.tasks.join_next().await.unwrap().unwrap();
        }
        works.forget(Monotonic(0));
        assert_eq!((works.kept.len(), works.kept[0].number), (ENDED_MAX, 10));
    }
}
