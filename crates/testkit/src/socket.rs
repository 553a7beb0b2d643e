//! WebSockets of tungstenite, an implementation that shares no code with the server: the handshake, and reading with a deadline. Not a protocol:
//! those are [`crate::leap`] and [`crate::native`].

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::handshake::client::Response;
use tungstenite::{Message, WebSocket};

use crate::poll::SOON;

/// What ended a connection: the code and reason of its close frame, or `None` if there was no close frame.
pub type Ending = Option<(u16, String)>;

/// Something that came in.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    Frame(Value),
    Ended(Ending),
}

/// The WebSocket handshake with extra headers; the error is whatever the server answered instead.
#[allow(clippy::result_large_err)] // the error type is tungstenite's
pub fn upgrade(
    addr: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(WebSocket<TcpStream>, Response), tungstenite::Error> {
    use tungstenite::client::IntoClientRequest;
    let stream = TcpStream::connect_timeout(&addr, SOON)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut request = format!("ws://{addr}{path}").into_client_request()?;
    for (name, value) in headers {
        let name = tungstenite::http::HeaderName::try_from(*name).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    tungstenite::client(request, stream).map_err(|error| match error {
        tungstenite::HandshakeError::Failure(error) => error,
        tungstenite::HandshakeError::Interrupted(_) => io::Error::from(io::ErrorKind::TimedOut).into(),
    })
}

/// How a protocol keeps a connection alive, and what it holds its frames to: the answer to a frame that is only a sign of life (nothing, to stay
/// mute); `None` for every other frame.
pub(crate) type Life<'a> = &'a dyn Fn(&Value) -> Option<Option<Message>>;

/// The next frame that is no sign of life, or the end; `None` after `deadline`.
#[track_caller]
pub(crate) fn incoming(socket: &mut WebSocket<TcpStream>, deadline: Duration, life: Life<'_>) -> Option<Incoming> {
    let start = Instant::now();
    loop {
        let left = deadline.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        socket.get_mut().set_read_timeout(Some(left)).unwrap();
        match socket.read() {
            Ok(Message::Text(text)) => {
                let frame = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
                match life(&frame) {
                    None => return Some(Incoming::Frame(frame)),
                    Some(None) => {}
                    Some(Some(answer)) => drop(socket.send(answer)),
                }
            }
            Ok(Message::Close(close)) => {
                let _ = socket.flush();
                return Some(Incoming::Ended(close.map(|close| (close.code.into(), close.reason.to_string()))));
            }
            Ok(Message::Binary(bytes)) => panic!("frames are text: {bytes:?}"),
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if is_timeout(&error) => return None,
            Err(_) => return Some(Incoming::Ended(None)),
        }
    }
}

/// Reads to the end of the connection, or gives `None` if it is still open after `deadline`.
pub(crate) fn ending(socket: &mut WebSocket<TcpStream>, deadline: Duration, life: Life<'_>) -> Option<Ending> {
    let start = Instant::now();
    loop {
        match incoming(socket, deadline.saturating_sub(start.elapsed()), life) {
            Some(Incoming::Frame(_)) => {}
            Some(Incoming::Ended(ending)) => return Some(ending),
            None => return None,
        }
    }
}

/// The close code and text of a connection that has ended by now.
#[track_caller]
pub(crate) fn closed(ending: Option<Ending>) -> (u16, String) {
    match ending {
        Some(Some(close)) => close,
        Some(None) => panic!("the connection ended without a close frame"),
        None => panic!("still open after {SOON:?}"),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
