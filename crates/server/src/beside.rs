//! Addresses beside the clients': for operators alone, so that what a proxy lets through to the clients' shows nothing of them. They are served beside
//! the shards and hold up no connection. What is answered there is not known here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tollgate_gateway::Proxies;
use tower_service::Service;

use crate::Failure;

/// How long a connection may take to its next request, and a handshake in all.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// An address, taken and not served yet.
#[derive(Debug)]
pub(crate) struct Bound(TcpListener);

/// How it is served.
#[derive(Clone)]
pub(crate) struct Serving {
    /// Connections at a time; more wait to be accepted.
    pub(crate) connections_max: usize,
    /// Without it, plain HTTP.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Whose word for a client's address is taken.
    pub(crate) proxies: Proxies,
}

impl Bound {
    /// Takes the address, or says what stands against it, under the name of its setting.
    pub(crate) async fn at(setting: &'static str, address: SocketAddr) -> Result<Self, Failure> {
        let bound = TcpListener::bind(address).await;
        bound.map(Self).map_err(|error| format!("{setting}: cannot listen on {address}: {error}").into())
    }

    /// Where it is, with the port that was free if any was asked for.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.0.local_addr()?)
    }

    /// Serves until dropped.
    pub(crate) async fn serve<S, B>(self, serving: Serving, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let mut running = JoinSet::new();
        loop {
            while running.len() >= serving.connections_max {
                running.join_next().await;
            }
            while running.try_join_next().is_some() {}
            match self.0.accept().await {
                Ok((stream, from)) => {
                    running.spawn(connection(stream, from, serving.clone(), service.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the address for operators cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn connection<S, B>(stream: TcpStream, from: SocketAddr, serving: Serving, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let Some(tls) = serving.tls else { return http(stream, from, serving.proxies, service).await };
    match timeout(IDLE_MAX, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => http(stream, from, serving.proxies, service).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake of an operator failed"),
        Err(_) => tracing::debug!("a TLS handshake of an operator took too long"),
    }
}

async fn http<I, S, B>(stream: I, from: SocketAddr, proxies: Proxies, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let client = proxies.client(from.ip(), request.headers());
        request.extensions_mut().insert(client);
        service.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection of an operator ended");
    }
}
