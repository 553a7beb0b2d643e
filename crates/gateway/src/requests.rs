//! What the requests of one connection come to: the doors first, and everything else to the service.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn, ready};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::{sleep, timeout};
use tollgate_core::peer::{ClientAddress, Known, Peer};
use tower_service::Service;

use crate::admission::Permit;
use crate::alarm::Alarm;
use crate::contain::{Panicked, contain};
use crate::counters::Counters;
use crate::door::{Door, ErrorForm, Opening, Reading, Refused, Transport};
use crate::envelope;
use crate::forwarded;
use crate::http1::Http;
use crate::socket::Signs;
use crate::upgrade;

/// A request for the service, and whose it is: beside it, for what is put into a request's extensions costs three allocations.
pub type Arrival = (ClientAddress, Request<Incoming>);
/// An answer: the service's, or a short text of our own.
type Answer<B> = Response<Either<B, Full<Bytes>>>;
type Answering<B> = Pin<Box<dyn Future<Output = Result<Answer<B>, Infallible>>>>;

/// What a connection has besides its stream.
pub(crate) struct Seat {
    pub(crate) permit: Rc<Permit>,
    /// The other end of the socket: the client's, or a proxy's.
    socket: IpAddr,
    /// Set once a door has taken the connection, with whom it is from.
    opening: RefCell<Option<(Opening, Peer)>>,
    begins_events: Cell<bool>,
    signs: Arc<Signs>,
    alarm: Arc<Alarm>,
}

impl Seat {
    pub(crate) fn new(permit: Permit, socket: IpAddr, signs: Arc<Signs>, alarm: Arc<Alarm>) -> Self {
        let begins_events = Cell::new(false);
        Seat { permit: Rc::new(permit), socket, opening: RefCell::default(), begins_events, signs, alarm }
    }

    /// Whether the request under way is to be answered by an event stream.
    pub(crate) fn begins_events(&self) -> bool {
        self.begins_events.get()
    }

    /// The door that took the connection, and from whom.
    pub(crate) fn taken(&self) -> Option<(Opening, Peer)> {
        self.opening.take()
    }
}

/// The requests of one connection.
pub(crate) struct Requests<S> {
    pub(crate) http: Rc<Http<S>>,
    pub(crate) seat: Rc<Seat>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Requests<S>
where
    S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
{
    type Response = Answer<B>;
    type Error = Infallible;
    type Future = Answering<B>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (http, seat) = (Rc::clone(&self.http), Rc::clone(&self.seat));
        let (head, body) = request.into_parts();
        if head.headers.len() > http.limits.headers_max {
            http.counters.http_failed.one();
            return Box::pin(ready(Ok(too_many_headers())));
        }
        let client = http.proxies.client(seat.socket, &head.headers);
        match http.doors.knock(&head) {
            Door::Elsewhere => {
                // Asked once: a connection that has shown who it is stays known.
                let has_credential = seat.permit.is_unauthenticated() && head.headers.contains_key(AUTHORIZATION);
                let request = Request::from_parts(head, body);
                match begin(&http, (client, request)) {
                    Ok(answering) => Box::pin(answer(http, seat, has_credential, answering)),
                    Err(Begun::Panicked(message)) => Box::pin(ready(Ok(panicked(&http.counters, &message)))),
                    Err(Begun::NotReady(arrival)) => Box::pin(async move {
                        let mut service = http.service.clone();
                        let answering = Box::pin(async move {
                            poll_fn(|context| service.poll_ready(context)).await?;
                            service.call(*arrival).await
                        });
                        answer(http, seat, has_credential, answering).await
                    }),
                }
            }
            Door::Read(reading) => Box::pin(async move {
                let deadline = Duration::from_millis(http.limits.request_deadline_ms);
                let door = read(reading, body, deadline).await;
                match enter(&http, &seat, door, &head, client) {
                    Some(answer) => Ok(answer),
                    None => pending().await,
                }
            }),
            door => match enter(&http, &seat, door, &head, client) {
                Some(answer) => Box::pin(ready(Ok(answer))),
                None => Box::pin(pending()),
            },
        }
    }
}

/// Opens the door, or says why not. No answer where the shard gives it: an event stream begins.
fn enter<S, B>(http: &Http<S>, seat: &Seat, door: Door, head: &Parts, client: ClientAddress) -> Option<Answer<B>> {
    let refused = |response: Response<Full<Bytes>>| {
        http.counters.upgrades_refused.one();
        Some(response.map(Either::Right))
    };
    let opening = match door {
        Door::Open(opening) => opening,
        Door::Refused(why) => return refused(envelope::response(&why)),
        // It has had the body, or there is none to be had.
        Door::Elsewhere | Door::Read(_) => return refused(envelope::response(&undecided())),
    };
    let errors = opening.errors;
    let switching = match opening.transport {
        Transport::WebSocket { subprotocol } => match upgrade::check(head, subprotocol) {
            Ok(handshake) => Some(upgrade::switching(handshake).map(Either::Right)),
            Err(why) => return refused(why.response(errors)),
        },
        Transport::Events => None,
    };
    if let Err(refusal) = seat.permit.count(client.0) {
        refusal.count(&http.counters);
        return refused(envelope::response(&refusal.refused(errors)));
    }
    match opening.transport {
        Transport::WebSocket { .. } => seat.signs.hold(),
        Transport::Events => seat.begins_events.set(true),
    }
    seat.opening.replace(Some((opening, forwarded::peer(client, &head.headers))));
    switching
}

/// Reads a body that a door wants, and asks the door again.
async fn read(reading: Reading, body: Incoming, deadline: Duration) -> Door {
    let Reading { bytes_max, decide, errors } = reading;
    let refused = |status, code, text| Door::Refused(Refused { status, code, text, errors });
    let too_large = || {
        let text = format!("The body may have at most {bytes_max} bytes.");
        refused(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", text)
    };
    if body.size_hint().lower() > bytes_max as u64 {
        // Said before it is sent.
        return too_large();
    }
    match timeout(deadline, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => decide(&body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => too_large(),
        Ok(Err(_)) => refused(StatusCode::BAD_REQUEST, "invalid_body", "The body ended before its end.".to_owned()),
        Err(_elapsed) => {
            let text = "The body did not arrive in time; send the request again.";
            refused(StatusCode::REQUEST_TIMEOUT, "request_timeout", text.to_owned())
        }
    }
}

fn undecided() -> Refused {
    let text = "The server failed on this request; its log says why.".to_owned();
    Refused { status: StatusCode::INTERNAL_SERVER_ERROR, code: "internal_error", text, errors: ErrorForm::Problem }
}

/// Why a request could not be given to the service at once.
enum Begun {
    Panicked(String),
    /// It has to wait for its turn.
    NotReady(Box<Arrival>),
}

/// Gives a request to the service.
fn begin<S, B>(http: &Http<S>, arrival: Arrival) -> Result<S::Future, Begun>
where
    S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone,
{
    let begun = contain(|| {
        let mut service = http.service.clone();
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(service.call(arrival)),
            Poll::Ready(Err(never)) => match never {},
            Poll::Pending => Err(Begun::NotReady(Box::new(arrival))),
        }
    });
    begun.unwrap_or_else(|Panicked(message)| Err(Begun::Panicked(message)))
}

/// Has the service answer, within the deadline, and whatever it does.
async fn answer<S, B>(
    http: Rc<Http<S>>,
    seat: Rc<Seat>,
    has_credential: bool,
    answering: impl Future<Output = Result<Response<B>, Infallible>>,
) -> Result<Answer<B>, Infallible> {
    let mut answering = pin!(answering);
    let mut deadline = None;
    let answered = poll_fn(|context| match contain(|| answering.as_mut().poll(context)) {
        Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(Ok(response))),
        Ok(Poll::Ready(Err(never))) => match never {},
        Err(panicked) => Poll::Ready(Some(Err(panicked))),
        Ok(Poll::Pending) => {
            let limit = || sleep(Duration::from_millis(http.limits.request_deadline_ms)).deadline();
            seat.alarm.poll(*deadline.get_or_insert_with(limit), context).map(|()| None)
        }
    });
    let answer = match answered.await {
        Some(Ok(response)) => {
            let is_known = response.extensions().get::<Known>().is_some();
            if is_known || (has_credential && response.status().is_success()) {
                seat.permit.authenticated();
            }
            response.map(Either::Left)
        }
        Some(Err(Panicked(message))) => panicked(&http.counters, &message),
        None => {
            http.counters.http_overdue.one();
            let text = "The request was not complete, or could not be answered, in time; try again.";
            own(StatusCode::REQUEST_TIMEOUT, "request_timeout", text)
        }
    };
    Ok(answer)
}

fn panicked<B>(counters: &Counters, message: &str) -> Answer<B> {
    counters.panics.one();
    tracing::error!(panic = message, "a request ended in a panic; only this request failed");
    own(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The server failed on this request; its log says why.")
}

/// As hyper's own answer to far too many: no word, and the end of the connection.
fn too_many_headers<B>() -> Answer<B> {
    let mut response = Response::new(Either::Right(Full::default()));
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer to an API request that the service could not give; the connection ends with it.
fn own<B>(status: StatusCode, code: &'static str, message: &str) -> Answer<B> {
    let mut response = envelope::error::<Full<Bytes>>(status, code, message).map(Either::Right);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
