//! What the requests of one connection come to: the doors first, and everything else to the service.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;
use tollgate_core::peer::{ClientAddress, Known, Peer};
use tower_service::Service;

use crate::admission::Permit;
use crate::contain::{Contained, Panicked};
use crate::door::{Door, ErrorForm, Opening, Reading, Refused, Transport};
use crate::envelope;
use crate::forwarded;
use crate::http1::Http;
use crate::socket::Signs;
use crate::upgrade;

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
}

impl Seat {
    pub(crate) fn new(permit: Permit, socket: IpAddr, signs: Arc<Signs>) -> Self {
        Seat { permit: Rc::new(permit), socket, opening: RefCell::default(), begins_events: Cell::new(false), signs }
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
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
{
    type Response = Answer<B>;
    type Error = Infallible;
    type Future = Answering<B>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (http, seat) = (Rc::clone(&self.http), Rc::clone(&self.seat));
        let (head, body) = request.into_parts();
        let client = http.proxies.client(seat.socket, &head.headers);
        match http.doors.knock(&head) {
            Door::Elsewhere => {
                let mut request = Request::from_parts(head, body);
                request.extensions_mut().insert(client);
                Box::pin(answer(http, Rc::clone(&seat.permit), request))
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
            let is_known = response.extensions().get::<Known>().is_some();
            if is_known || (has_credential && response.status().is_success()) {
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
fn own<B>(status: StatusCode, code: &'static str, message: &str) -> Answer<B> {
    let mut response = envelope::error::<Full<Bytes>>(status, code, message).map(Either::Right);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
