//! Which of the two that speak plain HTTP is asked: the console for its paths, the API for everything else.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use tollgate_api::Router;
use tollgate_console::Console;
use tower_service::Service;

/// The whole of plain HTTP.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) router: Router,
    /// Nothing where it is switched off: then its paths are the API's, which has none of them.
    pub(super) console: Option<Console>,
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        match &mut self.console {
            Some(console) if Console::has(request.uri().path()) => console.call(request),
            Some(_) if is_somebody_looking(&request) => Box::pin(std::future::ready(Ok(to_the_console()))),
            _ => self.router.call(request),
        }
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
