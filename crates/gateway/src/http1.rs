//! One connection's HTTP phase: hyper within our limits, the doors to the upgrade, and everything else to the service.
//!
//! It ends in one of two ways: the stream is closed, or it is handed back with the dialect of the door that took it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tollgate_core::peer::Peer;
use tower_service::Service;

use crate::admission::Permit;
use crate::contain::{Contained, Panicked};
use crate::counters::Counters;
use crate::door::{Door, Doors, Opening, Transport};
use crate::envelope;
use crate::forwarded::{self, Proxies};
use crate::head_timer::HeadTimer;
use crate::limits::Limits;
use crate::socket::Stream;
use crate::upgrade::{self, Handshake};

/// An answer: the service's, or a short text of our own.
type Answer<B> = Response<Either<B, Full<Bytes>>>;
type Answering<B> = Pin<Box<dyn Future<Output = Result<Answer<B>, Infallible>>>>;

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

/// A stream that became a WebSocket.
pub(crate) struct Upgraded {
    pub(crate) stream: Stream,
    pub(crate) opening: Opening,
    /// What the client sent right behind its handshake.
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
            .max_headers(limits.headers_max)
            .max_buf_size(limits.header_bytes_max.max(64 * 1024));
        Http { service, doors, limits, counters, proxies, draining, builder }
    }
}

impl<S, B> Http<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Serves requests until the connection ends or becomes a WebSocket. `socket` is where it comes from.
    pub(crate) async fn serve(self: Rc<Self>, stream: Stream, socket: IpAddr, permit: Permit) -> Option<Upgraded> {
        let counters = Arc::clone(&self.counters);
        let mut draining = self.draining.clone();
        let permit = Rc::new(permit);
        let service = Requests { http: Rc::clone(&self), permit: Rc::clone(&permit), socket, opening: Cell::new(None) };
        let head = Duration::from_millis(self.limits.header_deadline_ms);
        let idle = Duration::from_millis(self.limits.idle_deadline_ms);
        let timer = HeadTimer::new(stream.heard(), head, idle);
        let mut connection = self.builder.clone().timer(timer).serve_connection(TokioIo::new(stream), service);
        let ended = tokio::select! {
            biased;
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
            _draining = draining.wait_for(|draining| *draining) => {
                // Answers what is asked, then closes: hyper ends a connection without a request at once.
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|context| connection.poll_without_shutdown(context)).await
            }
        };
        let parts = connection.into_parts();
        let stream = parts.io.into_inner();
        if ended.is_ok()
            && let Some((opening, peer)) = parts.service.opening.take()
        {
            return Some(Upgraded { stream, opening, received: parts.read_buf, permit, peer: Arc::new(peer) });
        }
        if ended.is_err() {
            counters.http_failed.one();
        }
        linger(stream).await;
        None
    }
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

/// The requests of one connection.
struct Requests<S> {
    http: Rc<Http<S>>,
    permit: Rc<Permit>,
    /// The other end of the socket: the client's, or a proxy's.
    socket: IpAddr,
    /// Set once a door has taken the connection, with whom it is from.
    opening: Cell<Option<(Opening, Peer)>>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
{
    type Response = Answer<B>;
    type Error = Infallible;
    type Future = Answering<B>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (head, body) = request.into_parts();
        let client = self.http.proxies.client(self.socket, &head.headers);
        match self.http.doors.knock(&head) {
            Door::Elsewhere => {
                let mut request = Request::from_parts(head, body);
                request.extensions_mut().insert(client);
                Box::pin(answer(Rc::clone(&self.http), Rc::clone(&self.permit), request))
            }
            Door::Refused { status, text } => self.ready(envelope::error(status, envelope::code_of(status), &text)),
            Door::Open(opening) => match check(&head, opening.transport) {
                Err(refused) => self.ready(refused.response()),
                Ok(handshake) => match self.permit.count(client.0) {
                    Err(refusal) => {
                        refusal.count(&self.http.counters);
                        let mut response =
                            envelope::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &refusal.text());
                        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                        self.ready(response)
                    }
                    Ok(()) => {
                        self.opening.set(Some((opening, forwarded::peer(client, &head.headers))));
                        Box::pin(std::future::ready(Ok(upgrade::switching(handshake).map(Either::Right))))
                    }
                },
            },
        }
    }
}

impl<S> Requests<S> {
    fn ready<B: 'static>(&self, response: Response<Full<Bytes>>) -> Answering<B> {
        self.http.counters.upgrades_refused.one();
        Box::pin(std::future::ready(Ok(response.map(Either::Right))))
    }
}

fn check(head: &Parts, transport: Transport) -> Result<Handshake, upgrade::Refused> {
    let Transport::WebSocket { subprotocol } = transport;
    upgrade::check(head, subprotocol)
}

/// Has the service answer, within the deadline, and whatever it does.
async fn answer<S, B>(
    http: Rc<Http<S>>,
    permit: Rc<Permit>,
    request: Request<Incoming>,
) -> Result<Answer<B>, Infallible>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
{
    let has_credential = request.headers().contains_key(AUTHORIZATION);
    let mut service = http.service.clone();
    let call = Contained(Box::pin(async move {
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(request).await
    }));
    let answer = match timeout(Duration::from_millis(http.limits.request_deadline_ms), call).await {
        Ok(Ok(Ok(response))) => {
            if has_credential && response.status().is_success() {
                permit.authenticated();
            }
            response.map(Either::Left)
        }
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(Panicked(message))) => {
            http.counters.panics.one();
            tracing::error!(panic = message, "a request ended in a panic; only this request failed");
            own(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "The server failed on this request; its log says why.",
            )
        }
        Err(_elapsed) => {
            http.counters.http_overdue.one();
            let text = "The request was not complete, or could not be answered, in time; try again.";
            own(StatusCode::REQUEST_TIMEOUT, "request_timeout", text)
        }
    };
    Ok(answer)
}

/// An answer to an API request that the service could not give; the connection ends with it.
fn own<B>(status: StatusCode, code: &str, message: &str) -> Answer<B> {
    let mut response = envelope::error::<Full<Bytes>>(status, code, message).map(Either::Right);
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
