//! One connection's HTTP phase: hyper within our limits.
//!
//! It ends in one of two ways: the stream is closed, or it is handed back with the dialect of the door that took it. What its requests come to
//! is `requests`.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use hyper::body::Body;
use hyper::server::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tollgate_core::peer::Peer;
use tower_service::Service;

use crate::admission::Permit;
use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::door::{Doors, Opening};
use crate::forwarded::Proxies;
use crate::head_timer::HeadTimer;
use crate::limits::Limits;
use crate::requests::{Arrival, Requests, Seat};
use crate::socket::{Signs, Stream};

/// Headers that hyper takes unless it is told otherwise; above it answers 431.
const HEADERS_IN_PLACE: usize = 100;

/// What the HTTP phase of every connection of a shard shares.
pub(crate) struct Http<S> {
    pub(crate) service: S,
    pub(crate) doors: Arc<dyn Doors>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) proxies: Proxies,
    pub(crate) draining: watch::Receiver<bool>,
    builder: Builder,
}

/// A stream that a door took.
pub(crate) struct Upgraded {
    pub(crate) stream: Stream,
    pub(crate) opening: Opening,
    /// What the client sent right behind its request.
    pub(crate) received: Bytes,
    pub(crate) permit: Rc<Permit>,
    pub(crate) peer: Arc<Peer>,
}

impl<S> Http<S> {
    pub(crate) fn new(
        service: S,
        doors: Arc<dyn Doors>,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
        proxies: Proxies,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let mut builder = Builder::new();
        builder
            .header_read_timeout(Duration::from_millis(limits.header_deadline_ms))
            .max_header_size(limits.header_bytes_max)
            .max_buf_size(limits.header_bytes_max.max(64 * 1024));
        // Of so many hyper makes room in place, without preparing it for every request; what is above our own limit is refused behind it.
        if limits.headers_max > HEADERS_IN_PLACE {
            builder.max_headers(limits.headers_max);
        }
        Http { service, doors, limits, counters, proxies, draining, builder }
    }

    /// Whether nobody has asked for a drain.
    fn goes_on(&self) -> bool {
        self.draining.has_changed().is_ok() && !*self.draining.borrow()
    }
}

impl<S, B> Http<S>
where
    S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Serves requests until the connection ends or a door takes it. `socket` is where it comes from.
    pub(crate) async fn serve(self: Rc<Self>, stream: Stream, socket: IpAddr, permit: Permit) -> Option<Upgraded> {
        let counters = Arc::clone(&self.counters);
        let mut draining = self.draining.clone();
        let signs = stream.signs();
        let alarm = Arc::new(Alarm::default());
        let seat = Rc::new(Seat::new(permit, socket, Arc::clone(&signs), Arc::clone(&alarm)));
        let service = Requests { http: Rc::clone(&self), seat: Rc::clone(&seat) };
        let head = Duration::from_millis(self.limits.header_deadline_ms);
        let idle = Duration::from_millis(self.limits.idle_deadline_ms);
        let timer = HeadTimer::new(Arc::clone(&signs), alarm, head, idle);
        let mut connection = self.builder.clone().timer(timer).serve_connection(TokioIo::new(stream), service);
        let mut drain = pin!(draining.wait_for(|draining| *draining));
        let mut awaits_drain = false;
        let ended = poll_fn(|context| {
            let ended = poll_ended(&mut connection, &seat, &signs, context);
            // Once asked, it wakes this task when it has something to say; until then a look is enough.
            if ended.is_pending() && !(awaits_drain && self.goes_on()) {
                awaits_drain = true;
                return drain.as_mut().poll(context).map(|_draining| None);
            }
            ended.map(Some)
        });
        let ended = match ended.await {
            Some(ended) => ended,
            None => {
                // Answers what is asked, then closes: hyper ends a connection without a request at once.
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|context| poll_ended(&mut connection, &seat, &signs, context)).await
            }
        };
        let parts = connection.into_parts();
        let stream = parts.io.into_inner();
        if ended.is_ok()
            && let Some((opening, peer)) = seat.taken()
        {
            let permit = Rc::clone(&seat.permit);
            return Some(Upgraded { stream, opening, received: parts.read_buf, permit, peer: Arc::new(peer) });
        }
        if ended.is_err() {
            counters.http_failed.one();
        }
        linger(stream).await;
        None
    }
}

/// Polls the connection until hyper's part of it is over: by its end, by an upgrade, or because an event stream begins. hyper has no word for
/// the last. It waits for an answer that never comes, and is left as soon as everything that it wrote before is on its way.
fn poll_ended<S, B>(
    connection: &mut Connection<TokioIo<Stream>, Requests<S>>,
    seat: &Seat,
    signs: &Signs,
    context: &mut Context<'_>,
) -> Poll<hyper::Result<()>>
where
    S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let polled = connection.poll_without_shutdown(context);
    // hyper ends each poll by writing what it has; it has something left only if the stream took no more.
    if polled.is_pending() && seat.begins_events() && !signs.is_stalled() { Poll::Ready(Ok(())) } else { polled }
}

/// Closes so that the last answer arrives: a close with unread bytes would reset the connection and take the answer with it.
async fn linger(mut stream: Stream) {
    const LINGER: Duration = Duration::from_millis(500);
    const LINGER_BYTES_MAX: usize = 1024 * 1024;
    let drained = async {
        let _gone = stream.shutdown().await;
        let mut sink = vec![0; 4 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(read @ 1..) = stream.read(&mut sink).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    let _overdue = timeout(LINGER, drained).await;
}
