//! The connection itself: address, TCP, TLS, WebSocket. It moves frames and decides nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message, error::ProtocolError};
use tollgate_protocol_native::wire::SUBPROTOCOL;

use crate::Error;
use crate::machine::{BROKEN, NORMAL};

/// How long an end may take until the socket is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Frames that wait to be written: more than requests under way, and so many only if somebody floods us with pings.
const OUTGOING_MAX: usize = 4_096;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where the server is.
#[derive(Clone)]
pub(crate) struct Address {
    host: String,
    port: u16,
    uri: Uri,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Address {
    /// `https://host/base` is `wss://host/base/connect`. `roots`: certificates (DER) to trust beside the system's.
    pub(crate) fn read(url: &str, roots: &[Vec<u8>]) -> Result<Self, Error> {
        let bad = |what: &str| Error::InvalidInput(format!("the url {what}: it is like https://tollgate.example.com"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let (scheme, port) = match scheme {
            "http" | "ws" => ("ws", 80),
            "https" | "wss" => ("wss", 443),
            _ => return Err(bad("begins neither with https:// nor with http://")),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let uri: Uri = format!("{scheme}://{rest}/connect").parse().map_err(|_| bad("is none"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if scheme == "wss" { Some(tls(roots)?) } else { None };
        Ok(Self { host, port: uri.port_u16().unwrap_or(port), uri, tls })
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// The code that the machine is told: it makes no difference to it why there is none.
    pub(crate) async fn open(self) -> Result<Socket, u16> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|_| BROKEN)?;
        stream.set_nodelay(true).map_err(|_| BROKEN)?;
        let stream: Box<dyn Duplex> = match self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(self.host).map_err(|_| BROKEN)?;
                Box::new(tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.map_err(|_| BROKEN)?)
            }
        };
        let mut request = self.uri.into_client_request().map_err(|_| BROKEN)?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let opened = tokio_tungstenite::client_async(request, stream).await;
        opened.map(|(stream, _)| Socket { stream, outgoing: VecDeque::new(), unflushed: false }).map_err(|_| BROKEN)
    }
}

fn tls(roots: &[Vec<u8>]) -> Result<Arc<rustls::ClientConfig>, Error> {
    let bad = |what: String| Error::InvalidInput(format!("TLS cannot be set up: {what}"));
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for root in roots {
        trusted.add(root.clone().into()).map_err(|error| bad(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().map_err(|error| bad(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(trusted).with_no_client_auth()))
}

/// What a connection tells.
pub(crate) enum Heard {
    Frame(String),
    /// It ended with this code.
    Lost(u16),
}

/// An open connection.
pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Duplex>>,
    outgoing: VecDeque<String>,
    unflushed: bool,
}

impl Socket {
    /// Puts a frame where `step` writes it from.
    pub(crate) fn send(&mut self, frame: String) {
        self.outgoing.push_back(frame);
    }

    /// Writes what waits, and reads a frame. Can be dropped and called again without losing anything.
    pub(crate) async fn step(&mut self) -> Heard {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        if self.outgoing.len() > OUTGOING_MAX || self.write(context).is_err() {
            return Poll::Ready(Heard::Lost(BROKEN));
        }
        loop {
            let Poll::Ready(message) = Pin::new(&mut self.stream).poll_next(context) else { return Poll::Pending };
            return Poll::Ready(match message {
                Some(Ok(Message::Text(text))) => Heard::Frame(text.as_str().to_owned()),
                // Not of the protocol; the machine says so, for no text is JSON less.
                Some(Ok(Message::Binary(_))) => Heard::Frame(String::new()),
                Some(Ok(Message::Close(frame))) => Heard::Lost(frame.map_or(BROKEN, |frame| frame.code.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)))
                | Some(Err(_))
                | None => Heard::Lost(BROKEN),
            });
        }
    }

    fn write(&mut self, context: &mut Context<'_>) -> Result<(), WebSocketError> {
        while !self.outgoing.is_empty() {
            match Pin::new(&mut self.stream).poll_ready(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            if let Some(frame) = self.outgoing.pop_front() {
                Pin::new(&mut self.stream).start_send(Message::text(frame))?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Pending => {}
                Poll::Ready(flushed) => {
                    flushed?;
                    self.unflushed = false;
                }
            }
        }
        Ok(())
    }

    /// Ends it in order: what waits is written, the server is told, and given a moment to agree.
    pub(crate) async fn close(mut self) {
        let end = async {
            for frame in std::mem::take(&mut self.outgoing) {
                self.stream.feed(Message::text(frame)).await?;
            }
            let frame = CloseFrame { code: NORMAL.into(), reason: "".into() };
            self.stream.close(Some(frame)).await
        };
        // It ends either way.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, end).await;
    }
}
