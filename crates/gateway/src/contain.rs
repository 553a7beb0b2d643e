//! A fence around one connection's work: its panic becomes a value, and the node goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The message of a panic, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked(pub(crate) String);

impl Panicked {
    fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Panicked(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned()))
    }
}

/// Runs `work`; what it touched belongs to a connection that the caller gives up on a panic.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked::from_payload(&*payload))
}

/// A future whose panic is its output. After one it must not be polled again, and is not: it has ended.
pub(crate) struct Contained<F: ?Sized>(pub(crate) Pin<Box<F>>);

impl<F: Future + ?Sized> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        match contain(|| inner.poll(context)) {
            Ok(poll) => poll.map(Ok),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Panicked, contain};

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_becomes_its_message() {
        assert_eq!(contain(|| 1), Ok(1));
        assert_eq!(contain(|| panic!("fixed")), Err::<(), _>(Panicked("fixed".to_owned())));
        assert_eq!(contain(|| panic!("number {}", 7)), Err::<(), _>(Panicked("number 7".to_owned())));
    }
}
