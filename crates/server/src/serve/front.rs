//! Which of the two that speak plain HTTP is asked: the console for its paths, the API for everything else.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use tollgate_api::Router;
use tollgate_console::{AnswerBody, Console};
use tollgate_gateway::Arrival;
use tower_service::Service;

/// The whole of plain HTTP.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) router: Router,
    /// Nothing where it is switched off: then its paths are the API's, which has none of them.
    pub(super) console: Option<Console>,
}

impl Service<Arrival> for Front {
    type Response = Response<FrontBody>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (client, mut request): Arrival) -> Self::Future {
        match &mut self.console {
            Some(console) if Console::has(request.uri().path()) => {
                request.extensions_mut().insert(client);
                Answering::Console(console.call(request))
            }
            Some(_) if is_somebody_looking(&request) => {
                Answering::Router(Box::pin(std::future::ready(Ok(to_the_console()))))
            }
            _ => Answering::Router(self.router.call((client, request))),
        }
    }
}

type FrontBody = Either<Full<Bytes>, AnswerBody>;

/// An answer on its way, from either.
pub(super) enum Answering {
    Router(<Router as Service<Arrival>>::Future),
    Console(<Console as Service<Request<Incoming>>>::Future),
}

impl Future for Answering {
    type Output = Result<Response<FrontBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Router(answer) => {
                answer.as_mut().poll(context).map(|answer| answer.map(|answer| answer.map(Either::Left)))
            }
            Self::Console(answer) => {
                answer.as_mut().poll(context).map(|answer| answer.map(|answer| answer.map(Either::Right)))
            }
        }
    }
}

/// The console on an address of its own, where nothing else is.
#[derive(Clone)]
pub(super) struct ConsoleAlone(pub(super) Console);

impl Service<Request<Incoming>> for ConsoleAlone {
    type Response = Response<FrontBody>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let answer = match request.uri().path() {
            path if Console::has(path) => return Answering::Console(self.0.call(request)),
            "/" => to_the_console(),
            _ => {
                let mut answer = Response::new(Full::from("Here is /console/.\n"));
                *answer.status_mut() = StatusCode::NOT_FOUND;
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                answer
            }
        };
        Answering::Router(Box::pin(std::future::ready(Ok(answer))))
    }
}

/// Whoever types the bare address into a browser wants to see something.
fn is_somebody_looking<B>(request: &Request<B>) -> bool {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    request.method() == Method::GET
        && request.uri().path() == "/"
        && request.headers().get_all(ACCEPT).iter().any(accepts)
}

fn to_the_console() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/console/"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_browsers_are_led_to_the_console() {
        for (method, uri, accept, led) in [
            ("GET", "/", "text/html,application/xhtml+xml", true),
            ("GET", "/", "application/json", false),
            ("GET", "/", "*/*", false),
            ("POST", "/", "text/html", false),
            ("GET", "/v2/channels", "text/html", false),
        ] {
            let request = Request::builder().method(method).uri(uri).header(ACCEPT, accept).body(()).unwrap();
            assert_eq!(is_somebody_looking(&request), led, "{method} {uri} {accept}");
        }
    }
}
