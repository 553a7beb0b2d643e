//! The two kinds of stream a connection lives on, plain and TLS, in its two phases.
//!
//! [`Stream`] serves hyper until a door takes it. [`Socket`] serves the shard after it: it never waits, and holds no buffer of its
//! own beyond what rustls needs.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

/// Plaintext that rustls may hold as unsent records; above it a connection counts as blocked.
const TLS_UNSENT_BYTES_MAX: usize = 64 * 1024;

/// What hyper reads from and writes to. A peer that takes no byte of an answer for `stall` is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    kind: StreamKind,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    signs: Arc<Signs>,
    /// What was written since it holds writes back.
    held: Vec<u8>,
}

/// What can be told of a stream while hyper has it.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    heard: AtomicBool,
    stalled: AtomicBool,
    holds: AtomicBool,
}

impl Signs {
    /// Whether bytes have arrived since the last [`Signs::listen_anew`].
    pub(crate) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// A wait for bytes begins.
    pub(crate) fn listen_anew(&self) {
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Whether the stream took no byte of what was last written.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// From now on the stream keeps what is written, for whoever takes it over to send: the answer to a handshake goes out with the first words of
    /// the dialect, in one system call and one packet.
    pub(crate) fn hold(&self) {
        self.holds.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum StreamKind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn plain(stream: TcpStream, stall: Duration) -> Self {
        Self::of(StreamKind::Plain(stream), stall)
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>, stall: Duration) -> Self {
        Self::of(StreamKind::Tls(Box::new(stream)), stall)
    }

    fn of(kind: StreamKind, stall: Duration) -> Self {
        Stream { kind, stall, stalled: None, signs: Arc::default(), held: Vec::new() }
    }

    /// What can be told of it from outside.
    pub(crate) fn signs(&self) -> Arc<Signs> {
        Arc::clone(&self.signs)
    }

    /// Takes the stream over for the shard's phase, with what it holds back.
    pub(crate) fn into_socket(self) -> (Socket, Vec<u8>) {
        let socket = match self.kind {
            StreamKind::Plain(tcp) => Socket::Plain(tcp),
            StreamKind::Tls(stream) => {
                let (tcp, mut tls) = stream.into_inner();
                tls.set_buffer_limit(Some(TLS_UNSENT_BYTES_MAX));
                Socket::Tls(Box::new(TlsSocket { tcp, tls }))
            }
        };
        (socket, self.held)
    }

    fn poll_stalled(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.signs.stalled.store(wrote.is_pending(), Ordering::Relaxed);
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let stall = self.stall;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no bytes")))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.kind {
            StreamKind::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            StreamKind::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        };
        if buffer.filled().len() > before {
            self.signs.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.signs.holds.load(Ordering::Relaxed) {
            // Once and briefly: the answer to a handshake ends what is written through here.
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let wrote = match &mut self.kind {
            StreamKind::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            StreamKind::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        };
        self.poll_stalled(context, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            StreamKind::Plain(stream) => Pin::new(stream).poll_flush(context),
            StreamKind::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            StreamKind::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            StreamKind::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}

/// A stream that a shard has taken.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

/// rustls driven by hand.
#[derive(Debug)]
pub(crate) struct TlsSocket {
    tcp: TcpStream,
    tls: ServerConnection,
}

impl Socket {
    fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(tcp) => tcp,
            Socket::Tls(socket) => &socket.tcp,
        }
    }

    /// The kernel's number for it.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.tcp().as_raw_fd()
    }

    /// Registers the task for writability.
    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_write_ready(context)
    }

    /// Reads what is there, or registers the task for readability; 0 at the end of the stream.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(tcp) => {
                // Unlike `try_read`, this knows from a short read that nothing is left, and saves the next system call.
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(tcp).poll_read(context, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Socket::Tls(socket) => loop {
                match socket.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(socket.tcp.poll_read_ready(context))?
                    }
                    other => return Poll::Ready(other),
                }
            },
        }
    }

    /// Writes what fits; 0 when nothing does.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // Straight to the kernel: the runtime's record of readiness lies in memory that nothing else of a delivery touches. It is asked only when the
            // socket takes no more, so that it knows, too.
            Socket::Plain(tcp) => match socket2::SockRef::from(&*tcp).send(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => none_if_blocked(tcp.try_write(bytes)),
                sent => sent,
            },
            Socket::Tls(socket) => socket.try_write(bytes),
        }
    }

    /// Whether bytes that were taken are not on their way yet: only TLS holds any back.
    pub(crate) fn holds_back(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Tls(socket) => socket.tls.wants_write(),
        }
    }

    /// Sends what TLS holds back; true when nothing is left.
    pub(crate) fn try_flush(&mut self) -> io::Result<bool> {
        match self {
            Socket::Plain(_) => Ok(true),
            Socket::Tls(socket) => socket.flush(),
        }
    }

    /// Says that nothing more will be written.
    pub(crate) fn shutdown(&mut self) {
        if let Socket::Tls(socket) = self {
            socket.tls.send_close_notify();
            let _gone = socket.flush();
        }
        let _gone = socket2::SockRef::from(self.tcp()).shutdown(Shutdown::Write);
    }
}

fn none_if_blocked(wrote: io::Result<usize>) -> io::Result<usize> {
    match wrote {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

impl TlsSocket {
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without close_notify is an end: a WebSocket says by itself whether it was meant, and an event stream's client says nothing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            let received = self.tls.read_tls(&mut NonBlocking(&self.tcp))?;
            let processed = self.tls.process_new_packets();
            // Alerts and key updates are answered at once.
            self.flush()?;
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if received == 0 {
                return Ok(0);
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() && self.flush()? {
            taken += self.tls.writer().write(&bytes[taken..])?;
        }
        self.flush()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            if none_if_blocked(self.tls.write_tls(&mut NonBlocking(&self.tcp)))? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Non-blocking reads and writes in the shape that rustls takes.
struct NonBlocking<'a>(&'a TcpStream);

impl Read for NonBlocking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
