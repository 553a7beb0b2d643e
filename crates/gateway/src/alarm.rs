//! One alarm clock for the deadlines of an HTTP connection, which follow one another: for a head, for an answer, for the next head. Not what
//! happens when one is over.
//!
//! A deadline is nearly always kept, so what counts is what it costs to set one. A timer of its own for each is put into the runtime's wheel and
//! taken out again twice for every request; this one stays there and, when it goes off before the deadline that counts then, is set to that.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// The alarm clock. One task waits by it.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Mutex<Option<Armed>>);

#[derive(Debug)]
struct Armed {
    sleep: Pin<Box<Sleep>>,
    /// Whom the runtime wakes when it goes off.
    wakes: Waker,
}

impl Alarm {
    /// Ready once `deadline` is over; until then the task is woken at the deadline, or before.
    pub(crate) fn poll(&self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Armed { sleep, wakes } = armed.get_or_insert_with(|| {
            let mut sleep = Box::pin(sleep_until(deadline));
            let _ready_is_seen_below = sleep.as_mut().poll(context);
            Armed { sleep, wakes: context.waker().clone() }
        });
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        } else if !sleep.is_elapsed() && wakes.will_wake(context.waker()) {
            return Poll::Pending;
        }
        wakes.clone_from(context.waker());
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use tokio::time::{advance, sleep};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn after(ms: u64) -> Instant {
        sleep(Duration::from_millis(ms)).deadline()
    }

    #[tokio::test(start_paused = true)]
    async fn each_deadline_is_over_when_it_is_over_whatever_was_set_before() {
        let alarm = Alarm::default();
        for (earlier, wanted) in [(10, 10), (10, 50), (50, 10), (1, 1_000), (1_000, 1)] {
            let (earlier, begun) = (after(earlier), after(0));
            assert!(poll_fn(|context| Poll::Ready(alarm.poll(earlier, context))).await.is_pending());
            let wanted = begun + Duration::from_millis(wanted);
            poll_fn(|context| alarm.poll(wanted, context)).await;
            let late = after(0) - wanted;
            assert!(late <= Duration::from_millis(1), "{late:?}");
            assert!(poll_fn(|context| Poll::Ready(alarm.poll(wanted, context))).await.is_ready(), "it stays over");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_by_it_now_is_woken() {
        let (alarm, first, second) = (Alarm::default(), Arc::new(Woken::default()), Arc::new(Woken::default()));
        let deadline = after(10);
        for task in [&first, &second, &second] {
            let waker = Waker::from(Arc::clone(task));
            assert!(alarm.poll(deadline, &mut Context::from_waker(&waker)).is_pending());
        }
        advance(Duration::from_millis(20)).await;
        let woken = [&first, &second].map(|task| task.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
    }
}
