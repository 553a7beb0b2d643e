//! Reading a request's body: never more than the limit, never longer than the deadline, and what to do with the rest.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tollgate_core::{Error, ErrorKind};

use crate::refusal::Refusal;

/// Bytes of a refused request's body that are read and thrown away, so that its sender gets to read the answer: a connection
/// closed while bytes are still coming in is reset, and takes the answer with it.
const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long that may take.
const DISCARD_DEADLINE: Duration = Duration::from_secs(5);

/// A body on its way in.
#[derive(Debug)]
pub(crate) struct Upload<B> {
    body: B,
    rest: Rest,
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// More bytes, or the end.
    Coming,
    /// Nothing before our word (`Expect: 100-continue`), which is given by reading.
    AwaitsWord,
    /// Nothing: it has arrived whole.
    Nothing,
    /// Nothing that we would wait for: it was too slow or broke off.
    GivenUp,
}

impl<B: Body<Data = Bytes> + Unpin> Upload<B> {
    pub(crate) fn new(body: B, awaits_word: bool) -> Self {
        let rest = match (body.is_end_stream(), awaits_word) {
            (true, _) => Rest::Nothing,
            (false, true) => Rest::AwaitsWord,
            (false, false) => Rest::Coming,
        };
        Self { body, rest }
    }

    /// The whole body.
    ///
    /// # Errors
    /// 413 beyond `bytes_max`, 408 after `deadline`, 400 when the sender broke off.
    pub(crate) async fn whole(&mut self, bytes_max: usize, deadline: Duration) -> Result<Bytes, Refusal> {
        if self.rest == Rest::Nothing {
            return Ok(Bytes::new());
        }
        let announced = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > bytes_max {
            return Err(too_large(bytes_max));
        }
        self.rest = Rest::Coming;
        let read = {
            let mut all = pin!(self.collect(announced, bytes_max));
            // Most arrive together with their heads: no clock is needed for those.
            match poll_fn(|context| Poll::Ready(all.as_mut().poll(context))).await {
                Poll::Ready(read) => return read,
                Poll::Pending => timeout(deadline, all).await,
            }
        };
        read.unwrap_or_else(|_| {
            self.rest = Rest::GivenUp;
            Err(Refusal::body_too_slow(deadline.as_secs()))
        })
    }

    async fn collect(&mut self, announced: usize, bytes_max: usize) -> Result<Bytes, Refusal> {
        let first = self.next().await?.unwrap_or_default();
        // Nearly all arrive in one piece, which is the whole then. What is kept of it is copied by whoever keeps it.
        if first.len() == announced && self.body.is_end_stream() {
            self.rest = Rest::Nothing;
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(announced);
        whole.extend_from_slice(&first);
        if whole.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        while let Some(data) = self.next().await? {
            if whole.len() + data.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// Reads the rest away, within limits. Answers whether the connection can serve another request.
    pub(crate) async fn discard(&mut self) -> bool {
        // What announces more than that is answered at once: waiting would not save its answer.
        if self.rest == Rest::Coming && self.body.size_hint().lower() <= DISCARD_BYTES_MAX as u64 {
            let all = async {
                let mut left = DISCARD_BYTES_MAX;
                while let Ok(Some(data)) = self.next().await {
                    match left.checked_sub(data.len()) {
                        Some(less) => left = less,
                        None => return,
                    }
                }
            };
            // Whether it came to the end is what counts, not how it stopped.
            let _ = timeout(DISCARD_DEADLINE, all).await;
        }
        self.rest == Rest::Nothing
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        while let Some(frame) = self.body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => return Ok(Some(data)),
                Ok(Err(_trailers)) => {}
                Err(_broken) => {
                    self.rest = Rest::GivenUp;
                    return Err(Error::new(
                        ErrorKind::InvalidBody,
                        "The body broke off before its announced end; send it again.",
                    )
                    .into());
                }
            }
        }
        self.rest = Rest::Nothing;
        Ok(None)
    }
}

fn too_large(bytes_max: usize) -> Refusal {
    Error::new(
        ErrorKind::TooLarge,
        format!("The body is larger than {bytes_max} bytes, the most that this server takes."),
    )
    .into()
}
