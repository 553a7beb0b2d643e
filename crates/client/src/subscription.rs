//! The application's ends of streams: of a channel's events, and of direct messages. Bounded; what comes is the driver's.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

use crate::driver::SubscriptionEnd;
use crate::{Direct, Error, Event, Position};

/// Where the last word of a stream is put, which has to get through when the stream is full. The driver's side.
pub(crate) struct End<T>(Arc<OnceLock<T>>);

/// The reader's side.
pub(crate) struct Ended<T>(Arc<OnceLock<T>>, bool);

pub(crate) fn end<T>() -> (End<T>, Ended<T>) {
    let slot = Arc::new(OnceLock::new());
    (End(Arc::clone(&slot)), Ended(slot, false))
}

impl<T> End<T> {
    pub(crate) fn set(self, value: T) {
        // It is set once: by who takes it out of the driver.
        let _ = self.0.set(value);
    }
}

impl<T: Clone> Ended<T> {
    /// The last word, once.
    fn take(&mut self, if_none: impl FnOnce() -> T) -> Option<T> {
        if std::mem::replace(&mut self.1, true) {
            return None;
        }
        Some(self.0.get().cloned().unwrap_or_else(if_none))
    }
}

/// What comes of a channel, in order: a stream of [`Event`]s whose last is [`Event::Ended`].
///
/// It holds up to `buffer` events (4,096) that were not read. When one more comes, the stream ends behind them with `reader_too_slow`: no
/// other subscription waits for a slow reader. [`Subscription::position`] is where to go on then.
///
/// To drop it is to listen no more; a token's subscription goes on at the server, and [`Subscription::unsubscribe`] ends it there.
pub struct Subscription {
    pub(crate) channel: String,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) ended: SubscriptionEnd,
    pub(crate) position: Option<Position>,
    pub(crate) client: crate::client::Handle,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", &self.channel)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// The channel's id.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Everything up to here was read from this stream.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// The next event; `None` behind the last. Can be dropped without losing one.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Ends the subscription at the server: for every connection of the token. Nothing of the channel comes after it.
    ///
    /// # Errors
    /// As every call; the stream has ended either way.
    pub async fn unsubscribe(self) -> Result<(), Error> {
        self.client.unsubscribe(&self.channel).await
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let Poll::Ready(event) = self.events.poll_recv(context) else { return Poll::Pending };
        match &event {
            Some(Event::Message(message)) => self.position = Some(message.position),
            Some(Event::Gap { to: position, .. } | Event::Subscribed { position: Some(position) }) => {
                self.position = Some(*position);
            }
            Some(_) => {}
            None => {
                let last = self.ended.take(|| (crate::EndReason::Closed, Some(Error::Closed)));
                return Poll::Ready(last.map(|(reason, error)| Event::Ended { reason, error }));
            }
        }
        Poll::Ready(event)
    }
}

/// The token's direct messages, from when the client was made: a stream whose last is [`Direct::Ended`]. Bounded as a [`Subscription`].
pub struct DirectMessages {
    pub(crate) events: mpsc::Receiver<Direct>,
    pub(crate) ended: Ended<Error>,
}

impl std::fmt::Debug for DirectMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectMessages")
    }
}

impl DirectMessages {
    /// The next; `None` behind the last. Can be dropped without losing one.
    pub async fn next(&mut self) -> Option<Direct> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for DirectMessages {
    type Item = Direct;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Direct>> {
        let Poll::Ready(event) = self.events.poll_recv(context) else { return Poll::Pending };
        Poll::Ready(event.or_else(|| self.ended.take(|| Error::Closed).map(Direct::Ended)))
    }
}
