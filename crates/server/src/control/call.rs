//! The command's end. Blocking: a command does one thing.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{DEADLINE, LINE_BYTES_MAX, SocketPath};
use crate::admin::{Answer, Request};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody listens: no server uses the folder, or it is just starting or ending.
    #[error("no server listens there")]
    NobodyListens,
    #[error("the running server did not answer: {0}")]
    Broken(#[from] io::Error),
}

/// Asks the server that listens at `socket`.
pub(crate) fn call(socket: &Path, request: &Request) -> Result<Answer, CallError> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let short = match SocketPath::of(socket) {
        Err(error) if error.kind() == NotFound => return Err(CallError::NobodyListens),
        short => short?,
    };
    let mut stream = match UnixStream::connect(&short.path) {
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Err(CallError::NobodyListens),
        stream => stream?,
    };
    stream.set_read_timeout(Some(DEADLINE * 2))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut text = serde_json::to_vec(request).map_err(io::Error::from)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_BYTES_MAX as u64)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(serde_json::from_slice(&line).map_err(io::Error::from)?)
}
