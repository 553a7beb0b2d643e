//! The server's end.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tollgate_core::ports::Pending;

use super::{DEADLINE, REQUEST_BYTES_MAX, SocketPath};
use crate::admin::{Answer, Request};

/// Requests carried out at a time; more wait to be accepted.
const REQUESTS_MAX: usize = 16;
/// After an accept that failed.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Carries out one request.
pub(crate) type Performer = Arc<dyn Fn(Request) -> Pending<'static, Answer> + Send + Sync>;

/// A socket that listens. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Listening {
    /// Makes the socket. The caller holds the folder's lock, so a socket that is there already is a dead server's and is replaced.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let short = SocketPath::of(path)?;
        let listener = UnixListener::bind(&short.path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.into() })
    }

    /// Serves requests until dropped.
    pub(crate) async fn serve(self, perform: Performer) {
        let mut running = JoinSet::new();
        loop {
            while running.len() >= REQUESTS_MAX {
                running.join_next().await;
            }
            while running.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let perform = Arc::clone(&perform);
                    running.spawn(async move {
                        if let Err(error) = serve_one(stream, &perform).await {
                            tracing::debug!(%error, "a request on the control socket came to nothing");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket's file is gone already");
        }
    }
}

async fn serve_one(mut stream: UnixStream, perform: &Performer) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(REQUEST_BYTES_MAX as u64 + 1));
    timeout(DEADLINE, reader.read_until(b'\n', &mut line)).await??;
    let answer = if line.len() > REQUEST_BYTES_MAX {
        Answer::Refused(format!("payload_too_large: The request is longer than {REQUEST_BYTES_MAX} bytes."))
    } else {
        match serde_json::from_slice(&line) {
            Ok(request) => timeout(DEADLINE, perform(request)).await.unwrap_or_else(|_| {
                Answer::Refused(
                    "unavailable: The server did not get to it in time. It may be done all the same: list what exists."
                        .into(),
                )
            }),
            Err(error) => Answer::Refused(format!(
                "invalid_body: This server does not know the request ({error}); is the command of the same version?"
            )),
        }
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    timeout(DEADLINE, writer.write_all(&text)).await??;
    timeout(DEADLINE, writer.shutdown()).await?
}
