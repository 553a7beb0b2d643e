//! The clock that hyper reads while it waits for a request's head: patient between requests, strict once a head has begun.
//!
//! hyper has one deadline for both, and clients that keep connections alive would find them closed under their next request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::time::sleep;

use crate::alarm::Alarm;
use crate::socket::Signs;

/// The timer of one connection.
pub(crate) struct HeadTimer {
    signs: Arc<Signs>,
    alarm: Arc<Alarm>,
    /// For the first head from accept on, for others from their first byte on.
    head: Duration,
    /// Between an answer and the first byte of the next head.
    idle: Duration,
    has_served: AtomicBool,
}

impl HeadTimer {
    pub(crate) fn new(signs: Arc<Signs>, alarm: Arc<Alarm>, head: Duration, idle: Duration) -> Self {
        HeadTimer { signs, alarm, head, idle, has_served: AtomicBool::new(false) }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    /// `deadline` is that of a head which begins now.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        // Each wait for a head begins with a new sleep.
        let is_idle = self.has_served.swap(true, Ordering::Relaxed);
        self.signs.listen_anew();
        let deadline = if is_idle { deadline - self.head + self.idle } else { deadline };
        let (signs, alarm) = (Arc::clone(&self.signs), Arc::clone(&self.alarm));
        Box::pin(HeadSleep { signs, alarm, head: self.head, is_idle, deadline: deadline.into() })
    }
}

/// One wait for a head.
struct HeadSleep {
    signs: Arc<Signs>,
    alarm: Arc<Alarm>,
    head: Duration,
    is_idle: bool,
    deadline: tokio::time::Instant,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_idle && self.signs.has_heard() {
            self.is_idle = false;
            self.deadline = sleep(self.head).deadline();
        }
        self.alarm.poll(self.deadline, context)
    }
}

impl Sleep for HeadSleep {}
