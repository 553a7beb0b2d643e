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

use crate::socket::Signs;

/// The timer of one connection.
pub(crate) struct HeadTimer {
    signs: Arc<Signs>,
    /// For the first head from accept on, for others from their first byte on.
    head: Duration,
    /// Between an answer and the first byte of the next head.
    idle: Duration,
    has_served: AtomicBool,
}

impl HeadTimer {
    pub(crate) fn new(signs: Arc<Signs>, head: Duration, idle: Duration) -> Self {
        HeadTimer { signs, head, idle, has_served: AtomicBool::new(false) }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn Sleep>> {
        // Each wait for a head begins with a new sleep.
        let is_idle = self.has_served.swap(true, Ordering::Relaxed);
        self.signs.listen_anew();
        let timer = Box::pin(sleep(if is_idle { self.idle } else { self.head }));
        Box::pin(HeadSleep { signs: Arc::clone(&self.signs), head: self.head, is_idle, timer })
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(self.head)
    }
}

/// One wait for a head.
struct HeadSleep {
    signs: Arc<Signs>,
    head: Duration,
    is_idle: bool,
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_idle && self.signs.has_heard() {
            self.is_idle = false;
            self.timer = Box::pin(sleep(self.head));
        }
        self.timer.as_mut().poll(context)
    }
}

impl Sleep for HeadSleep {}
