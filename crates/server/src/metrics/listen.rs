//! The address for operators: plain HTTP for `/metrics`, `/livez` and `/readyz`, and nothing else. It is not on the address of the clients, so
//! that what a proxy lets through to that one shows nobody how busy the server is; and it runs beside the shards, so that reading it holds up
//! no connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tower_service::Service;

use super::{Sources, text};

type Answer = Response<Full<Bytes>>;

/// Who answers there. A handle: cheap to clone.
#[derive(Clone)]
pub(crate) struct Operators {
    pub(crate) sources: Arc<Sources>,
    /// The server has been asked to stop.
    pub(crate) draining: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Operators {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let operators = self.clone();
        Box::pin(async move { Ok(operators.answer(request).await) })
    }
}

impl Operators {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if !["/metrics", "/livez", "/readyz"].contains(&path) {
            return plain(StatusCode::NOT_FOUND, "Here are /metrics, /livez and /readyz.\n");
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD.\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/metrics" => answer(StatusCode::OK, text::CONTENT_TYPE, self.sources.text()),
            "/readyz" if self.draining.load(Ordering::Relaxed) => {
                answer(StatusCode::SERVICE_UNAVAILABLE, "application/json", r#"{"status":"draining"}"#.to_owned())
            }
            _ => self.probe(request).await,
        }
    }

    /// As on the address of the clients.
    async fn probe(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = self.sources.router.answer(request).await.into_parts();
        match body.collect().await {
            Ok(whole) => Response::from_parts(head, Full::new(whole.to_bytes())),
            Err(never) => match never {},
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    answer(status, "text/plain; charset=utf-8", text.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
