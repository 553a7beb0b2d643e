//! The address for operators: plain HTTP for `/metrics`, `/livez` and `/readyz`, and nothing else. It is not on the address of the clients, so
//! that what a proxy lets through to that one shows nobody how busy the server is; and it runs beside the shards, so that reading it holds up
//! no connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Sources, text};
use crate::Failure;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may take to its next request.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// The address, taken and not served yet.
#[derive(Debug)]
pub(crate) struct Bound(TcpListener);

/// Who answers there.
pub(crate) struct Operators {
    pub(crate) sources: Arc<Sources>,
    /// The server has been asked to stop.
    pub(crate) draining: Arc<AtomicBool>,
}

impl Bound {
    /// Takes the address, or says what stands against it.
    pub(crate) async fn at(address: SocketAddr) -> Result<Self, Failure> {
        let bound = TcpListener::bind(address).await;
        bound.map(Self).map_err(|error| format!("metrics.listen: cannot listen on {address}: {error}").into())
    }

    /// Where it is, with the port that was free if any was asked for.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.0.local_addr()?)
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self, operators: Arc<Operators>) {
        let mut running = JoinSet::new();
        loop {
            while running.len() >= CONNECTIONS_MAX {
                running.join_next().await;
            }
            while running.try_join_next().is_some() {}
            match self.0.accept().await {
                Ok((stream, _)) => {
                    running.spawn(connection(stream, Arc::clone(&operators)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the address for operators cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, operators: Arc<Operators>) {
    let answer = service_fn(move |request| {
        let operators = Arc::clone(&operators);
        async move { Ok::<_, Infallible>(operators.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection of an operator ended");
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
