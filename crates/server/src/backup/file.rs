//! The file of a backup: the database, a manifest, and a checksum over both at the end. Any SQLite opens it, since the database comes first and
//! knows its own length. What is in it is sealed as it is in the data folder; the master key is not in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tollgate_core::checksum::Checksum;
use tollgate_core::clock::UnixMillis;
use tollgate_store_sqlite::Copied;

/// What every backup ends with. A new format gets another.
const MAGIC: &[u8; 16] = b"TOLLGATE-BACKUP1";
/// Length of the manifest (4), checksum (32), magic (16).
const TAIL_BYTES: u64 = 52;
/// More than any manifest has.
const MANIFEST_BYTES_MAX: u32 = 64 * 1024;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// When it was begun: what was acknowledged before is in it. RFC 3339.
    pub(crate) created_at: String,
    /// The version that made it.
    pub(crate) version: String,
    /// Of the database.
    pub(crate) bytes: u64,
    pub(crate) projects: u64,
    pub(crate) channels: u64,
    pub(crate) tokens: u64,
    pub(crate) subscriptions: u64,
}

impl Manifest {
    pub(crate) fn of(copied: Copied, created_at: UnixMillis) -> Self {
        let Copied { projects, channels, tokens, subscriptions } = copied;
        let created_at = crate::admin::rfc3339(created_at);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { created_at, version, bytes: 0, projects, channels, tokens, subscriptions }
    }
}

/// A file that is no backup, or not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is no backup of Tollgate's, or its end is missing")]
    NoBackup,
    #[error("it is damaged: its bytes are not those that were written. Use another backup")]
    Damaged,
}

/// Adds manifest and checksum to a copy of the database, and flushes it.
pub(crate) fn conclude(path: &Path, manifest: Manifest) -> Result<Manifest, FileError> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let manifest = Manifest { bytes: file.metadata()?.len(), ..manifest };
    let mut sum = Checksum::new();
    pour(&mut file, manifest.bytes, &mut sum, &mut io::sink())?;
    let text = serde_json::to_vec(&manifest).map_err(io::Error::from)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes();
    sum.add(&text);
    sum.add(&length);
    file.write_all(&[text.as_slice(), &length, &sum.sum(), MAGIC].concat())?;
    file.sync_all()?;
    Ok(manifest)
}

/// Proves the checksum of the backup `from`, and writes its database to `to` meanwhile, telling how far it is.
pub(crate) fn extract(from: &Path, to: &mut dyn Write, far: &mut dyn FnMut(u64, u64)) -> Result<Manifest, FileError> {
    let mut file = File::open(from)?;
    let whole = file.metadata()?.len();
    let ahead = whole.checked_sub(TAIL_BYTES).ok_or(FileError::NoBackup)?;
    let mut tail = [0; TAIL_BYTES as usize];
    file.seek(SeekFrom::Start(ahead))?;
    file.read_exact(&mut tail)?;
    let (length, rest) = tail.split_first_chunk::<4>().ok_or(FileError::NoBackup)?;
    let (written, magic) = rest.split_first_chunk::<32>().ok_or(FileError::NoBackup)?;
    if magic != MAGIC {
        return Err(FileError::NoBackup);
    }
    let size = u32::from_be_bytes(*length);
    let bytes = ahead.checked_sub(size.into()).filter(|_| size <= MANIFEST_BYTES_MAX).ok_or(FileError::Damaged)?;
    let mut sum = Checksum::new();
    file.seek(SeekFrom::Start(0))?;
    let mut done = 0;
    while done < bytes {
        let part = (bytes - done).min(16 * 1024 * 1024);
        pour(&mut file, part, &mut sum, to)?;
        done += part;
        far(done, bytes);
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text)?;
    sum.add(&text);
    sum.add(length);
    if sum.sum() != *written {
        return Err(FileError::Damaged);
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| FileError::Damaged)?;
    if manifest.bytes != bytes {
        return Err(FileError::Damaged);
    }
    Ok(manifest)
}

/// Passes so many bytes on, over the checksum.
fn pour(from: &mut File, bytes: u64, sum: &mut Checksum, to: &mut dyn Write) -> io::Result<()> {
    let mut left = bytes;
    let mut part = vec![0; 256 * 1024];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(part.len());
        let read = from.read(&mut part[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum.add(&part[..read]);
        to.write_all(&part[..read])?;
        left -= read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_flipped_bit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, broken) = (dir.path().join("backup"), dir.path().join("broken"));
        std::fs::write(&path, b"some pages of a database").unwrap();
        let made = conclude(&path, Manifest::of(Copied { tokens: 3, ..Copied::default() }, UnixMillis(0))).unwrap();
        let mut database = Vec::new();
        assert_eq!(extract(&path, &mut database, &mut |_, _| {}).unwrap(), made);
        assert_eq!((database.as_slice(), made.bytes), (&b"some pages of a database"[..], 24));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for bit in [1, 128] {
                let mut bytes = whole.clone();
                bytes[at] ^= bit;
                std::fs::write(&broken, &bytes).unwrap();
                extract(&broken, &mut io::sink(), &mut |_, _| {}).expect_err(&format!("bit {bit} of byte {at}"));
            }
        }
        for length in 0..whole.len() {
            std::fs::write(&broken, &whole[..length]).unwrap();
            extract(&broken, &mut io::sink(), &mut |_, _| {}).expect_err(&format!("cut off at {length}"));
        }
    }
}
