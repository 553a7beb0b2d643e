//! The body of an answer: whole, or in parts that are made as fast as they are taken. Nothing is made ahead, so that a long answer is never all in
//! memory, and one that nobody takes any more ends where it is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tollgate_core::ports::Pending;
use tollgate_core::{Error, Result};

/// A part of an answer, and how the next one is made.
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    /// Nothing behind the last.
    pub(crate) more: Option<Pending<'static, Result<Part>>>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody(Sent);

#[derive(Debug)]
enum Sent {
    Whole(Full<Bytes>),
    Parts(Part),
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Sent::Whole(Full::new(bytes)))
    }

    pub(crate) fn parts(first: Part) -> Self {
        Self(Sent::Parts(first))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    /// A part could not be made: the connection is broken off, so that nobody takes what there is for all of it.
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Error>>> {
        let part = match &mut self.0 {
            Sent::Whole(whole) => {
                return Pin::new(whole)
                    .poll_frame(context)
                    .map(|frame| frame.map(|frame| frame.map_err(|never| match never {})));
            }
            Sent::Parts(part) => part,
        };
        loop {
            if !part.bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut part.bytes)))));
            }
            let Some(more) = &mut part.more else { return Poll::Ready(None) };
            match std::task::ready!(more.as_mut().poll(context)) {
                Ok(next) => *part = next,
                Err(error) => {
                    part.more = None;
                    tracing::warn!(%error, "an answer broke off");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Sent::Whole(whole) => whole.is_end_stream(),
            Sent::Parts(part) => part.bytes.is_empty() && part.more.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Sent::Whole(whole) => whole.size_hint(),
            Sent::Parts(Part { bytes, more: None }) => SizeHint::with_exact(bytes.len() as u64),
            Sent::Parts(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use http_body_util::BodyExt as _;
    use tollgate_core::ErrorKind;

    use super::*;

    /// Counts down to nothing, or to a failure.
    fn part(left: u64, made: Arc<AtomicU64>, fails_at: Option<u64>) -> Pending<'static, Result<Part>> {
        Box::pin(async move {
            made.fetch_add(1, Ordering::Relaxed);
            if fails_at == Some(left) {
                return Err(Error::new(ErrorKind::Unavailable, "planted"));
            }
            let more = (left > 0).then(|| part(left - 1, made, fails_at));
            // Every third part is empty, and nobody sees it.
            let text = if left.is_multiple_of(3) { String::new() } else { format!("{left},") };
            Ok(Part { bytes: text.into(), more })
        })
    }

    #[tokio::test]
    async fn parts_are_made_when_they_are_taken_and_a_failure_is_no_end() {
        let made = Arc::new(AtomicU64::new(0));
        let mut body = AnswerBody::parts(part(5, Arc::clone(&made), None).await.unwrap());
        assert_eq!((made.load(Ordering::Relaxed), body.is_end_stream()), (1, false));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "5,");
        assert_eq!(made.load(Ordering::Relaxed), 1, "nothing is made ahead");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "4,2,1,");
        assert_eq!(made.load(Ordering::Relaxed), 6);
        let broken = AnswerBody::parts(part(5, made, Some(1)).await.unwrap());
        assert_eq!(broken.collect().await.unwrap_err().kind, ErrorKind::Unavailable);
        let whole = AnswerBody::whole(Bytes::from_static(b"all"));
        assert_eq!(
            (whole.size_hint().exact(), whole.collect().await.unwrap().to_bytes()),
            (Some(3), Bytes::from("all"))
        );
    }
}
