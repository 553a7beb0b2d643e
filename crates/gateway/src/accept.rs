//! The accept loop of one shard, and the way of a new connection to its HTTP phase.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use hyper::body::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::admission::{Admission, Permit, Refusal};
use crate::contain::{Contained, Panicked};
use crate::door::ErrorForm;
use crate::envelope;
use crate::http1::Http;
use crate::requests::Arrival;
use crate::shard::Engine;
use crate::socket::Stream;

/// The pause after a failed accept: doubled from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_millis(640);

/// What every new connection of a shard passes through.
pub(crate) struct Entrance<S> {
    pub(crate) admission: Arc<Admission>,
    pub(crate) tls: Option<Tls>,
    pub(crate) http: Rc<Http<S>>,
    pub(crate) engine: Rc<RefCell<Engine>>,
}

/// TLS, and how many handshakes may be under way.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) handshakes: Semaphore,
}

impl<S, B> Entrance<S>
where
    S: Service<Arrival, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Accepts until the drain begins, then closes the listener. No failure ends it.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener, mut draining: watch::Receiver<bool>) {
        let mut pause = PAUSE_FIRST;
        loop {
            let accepted = tokio::select! {
                biased;
                _ended = draining.wait_for(|draining| *draining) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = PAUSE_FIRST;
                    self.take(stream, peer);
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    // Descriptors or memory have run out. Pausing leaves the connection in the kernel's queue and the processor idle.
                    self.http.counters.accept_paused.one();
                    tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "cannot accept; pausing");
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_LONGEST);
                }
            }
        }
    }

    /// Admits a connection and gives it a task.
    fn take(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let counters = &self.http.counters;
        counters.accepted.one();
        // Behind a trusted proxy the address is known only with the handshake, and counted then.
        match self.admission.admit(peer.ip(), !self.http.proxies.is_trusted(peer.ip())) {
            Ok(permit) => {
                let serving = Contained(Box::pin(Rc::clone(self).serve(stream, peer.ip(), permit)));
                let counters = Arc::clone(counters);
                // Owned by the shard's LocalSet; it ends by itself within the deadlines of the HTTP phase, or when the shard does.
                drop(tokio::task::spawn_local(async move {
                    if let Err(Panicked(message)) = serving.await {
                        counters.panics.one();
                        tracing::error!(panic = message, "a connection ended in a panic before its upgrade");
                    }
                }));
            }
            Err(refusal) => {
                refusal.count(counters);
                if self.tls.is_none() {
                    let _gone = stream.try_write(refusal_response(refusal).as_bytes());
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, socket: IpAddr, permit: Permit) {
        let limits = &self.http.limits;
        let stall = Duration::from_millis(limits.write_stall_ms);
        let stream = match &self.tls {
            None => Stream::plain(stream, stall),
            Some(tls) => {
                let handshake = async {
                    let _turn = tls.handshakes.acquire().await.map_err(io::Error::other)?;
                    tls.acceptor.accept(stream).await
                };
                match timeout(Duration::from_millis(limits.tls_handshake_deadline_ms), Box::pin(handshake)).await {
                    Ok(Ok(stream)) => Stream::tls(stream, stall),
                    Ok(Err(_)) | Err(_) => return self.http.counters.tls_handshakes_failed.one(),
                }
            }
        };
        let upgraded = Rc::clone(&self.http).serve(stream, socket, permit).await;
        if let Some(upgraded) = upgraded {
            let mut engine = self.engine.borrow_mut();
            engine.tick();
            engine.open(upgraded);
        }
    }
}

/// Failures that concern one connection and not the listener.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn refusal_response(refusal: Refusal) -> String {
    // Before anything was asked: nobody knows yet at which door.
    envelope::whole(&refusal.refused(ErrorForm::Envelope))
}
