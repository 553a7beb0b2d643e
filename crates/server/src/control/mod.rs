//! The way from the command line into a running server: a Unix socket in the data folder, one JSON line each way per connection. Who may
//! use it is the file system's word: the socket and its folder belong to the owner alone. What a request does is not known here.

mod call;
mod listen;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use call::{CallError, call};
pub(crate) use listen::Listening;

/// Longest request and longest answer, in bytes. The largest answer is a list of keys, 300 bytes each.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest request, in bytes: a batch or a part of a job, with its quotes escaped.
const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// From the connection to the whole request, and from there to the whole answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// What the kernel takes as a socket's path, less its end.
const PATH_BYTES_MAX: usize = 100;

/// The path of a socket in a form that the kernel takes, however deep its folder is. It holds as long as the value lives.
struct SocketPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl SocketPath {
    fn of(socket: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if socket.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path: socket.into(), _folder: None });
        }
        let folder = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }
}
