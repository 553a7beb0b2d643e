//! Files that hold a secret: the master key and the hook secret. Read only when nobody else can read them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tollgate_core::clock::Entropy;
use tollgate_core::credentials::{MasterKey, MasterKeyError};
use zeroize::Zeroizing;

use crate::config::MasterKeySource;
use crate::data_dir::{self, DataDir};

/// More than any secret of ours has.
const SECRET_BYTES_MAX: u64 = 4096;

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("{path}, which holds a secret, cannot be read: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{path} holds a secret and others may read it (mode {mode:o}): take that away with `chmod 600 {path}`")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path} is too large for a secret: at most {SECRET_BYTES_MAX} bytes")]
    TooLarge { path: PathBuf },
    #[error("{path}: {error}")]
    NoKey { path: PathBuf, error: MasterKeyError },
    #[error("the environment variable TOLLGATE_MASTER_KEY: {0}")]
    NoKeyInEnvironment(MasterKeyError),
    #[error(
        "the master key {path} is missing, and {database} was sealed with it: bring it back from your backup, or give the key by TOLLGATE_MASTER_KEY \
         or master_key_file. A new key could not read the old data, so none was made"
    )]
    Lost { path: PathBuf, database: PathBuf },
    #[error(
        "{path} is there already: a change of the master key was begun and not finished. Restart the server, which takes the right key of the two; if the file is \
         still there after that, remove it and repeat"
    )]
    Begun { path: PathBuf },
}

/// The text of a file that only its owner may read, without the white space around it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let failed = |error| SecretError::Io { path: path.into(), error };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && !(mode == CREDENTIAL_MODE && is_credential(path)) {
        return Err(SecretError::Exposed { path: path.into(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge { path: path.into() });
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// What systemd gives a credential since version 254, whose group is root's and whose folder lets only the service's user in.
const CREDENTIAL_MODE: u32 = 0o440;

/// Whether systemd put the file there for this service alone (systemd.exec(5), CREDENTIALS).
fn is_credential(path: &Path) -> bool {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    folder.is_some_and(|folder| is_in(path, &folder))
}

/// Whether the file lies right in the folder, links followed.
fn is_in(path: &Path, folder: &Path) -> bool {
    let (Ok(path), Ok(folder)) = (path.canonicalize(), folder.canonicalize()) else { return false };
    path.parent() == Some(&folder)
}

/// The master key from where the settings say. In a new data folder it is made.
pub(crate) fn master_key(
    source: &MasterKeySource,
    folder: &DataDir,
    entropy: &dyn Entropy,
) -> Result<MasterKey, SecretError> {
    match source {
        MasterKeySource::Text(text) => MasterKey::parse(text.expose()).map_err(SecretError::NoKeyInEnvironment),
        MasterKeySource::File(path) => parse_file(path),
        MasterKeySource::DataDir => {
            let path = folder.master_key();
            match parse_file(&path) {
                Err(SecretError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
                read => return read,
            }
            if folder.database().exists() {
                return Err(SecretError::Lost { path, database: folder.database() });
            }
            let key = MasterKey::generate(entropy);
            write(&path, &key).map_err(|error| SecretError::Io { path, error })?;
            Ok(key)
        }
    }
}

/// What is wrong with the master key that the settings name; one in the data folder is only looked at by a start.
pub(crate) fn check_master_key(source: &MasterKeySource) -> Result<(), SecretError> {
    match source {
        MasterKeySource::Text(text) => {
            MasterKey::parse(text.expose()).map(drop).map_err(SecretError::NoKeyInEnvironment)
        }
        MasterKeySource::File(path) => parse_file(path).map(drop),
        MasterKeySource::DataDir => Ok(()),
    }
}

/// The file that the master key is in, if it is in one.
pub(crate) fn key_path(source: &MasterKeySource, folder: &DataDir) -> Option<PathBuf> {
    key_path_in(source, folder.path())
}

/// As [`key_path`], of a folder that another process holds.
pub(crate) fn key_path_in(source: &MasterKeySource, folder: &Path) -> Option<PathBuf> {
    match source {
        MasterKeySource::Text(_) => None,
        MasterKeySource::File(path) => Some(path.clone()),
        MasterKeySource::DataDir => Some(data_dir::master_key(folder)),
    }
}

fn next_path(path: &Path) -> PathBuf {
    path.with_extension("key.next")
}

/// The master key that is to follow, if a change of it was begun.
pub(crate) fn next_master_key(path: &Path) -> Result<Option<MasterKey>, SecretError> {
    match parse_file(&next_path(path)) {
        Err(SecretError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Makes the key that is to follow; answers its file.
pub(crate) fn make_next(path: &Path, entropy: &dyn Entropy) -> Result<PathBuf, SecretError> {
    let next = next_path(path);
    if next.exists() {
        return Err(SecretError::Begun { path: next });
    }
    write(&next, &MasterKey::generate(entropy)).map_err(|error| SecretError::Io { path: next.clone(), error })?;
    Ok(next)
}

/// Reads a key that is to follow, for the server that wraps everything under it.
pub(crate) fn parse_file(path: &Path) -> Result<MasterKey, SecretError> {
    let text = read(path)?;
    MasterKey::parse(&text).map_err(|error| SecretError::NoKey { path: path.into(), error })
}

/// The key that was to follow takes the old one's place.
pub(crate) fn take_next(path: &Path) -> Result<(), SecretError> {
    let failed = |error| SecretError::Io { path: path.into(), error };
    std::fs::rename(next_path(path), path).map_err(failed)?;
    File::open(path.parent().unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The key that was to follow is not needed.
pub(crate) fn drop_next(path: &Path) -> Result<(), SecretError> {
    let next = next_path(path);
    std::fs::remove_file(&next).map_err(|error| SecretError::Io { path: next, error })
}

/// On disk before the first record is sealed with it, and whole or not there at all: a half-written key would lock the owner out.
fn write(path: &Path, key: &MasterKey) -> io::Result<()> {
    let fresh = path.with_extension("key.new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(key.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;
    use crate::config::Secret;
    use crate::machine::SystemEntropy;

    fn put(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(source: &MasterKeySource, folder: &DataDir) -> String {
        master_key(source, folder, &SystemEntropy).unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataDir::take_or_create(dir.path()).unwrap();
        let made = master_key(&MasterKeySource::DataDir, &folder, &SystemEntropy).unwrap();
        assert_eq!(fs::metadata(folder.master_key()).unwrap().permissions().mode() & 0o777, 0o600);
        let found = master_key(&MasterKeySource::DataDir, &folder, &SystemEntropy).unwrap();
        assert_eq!(*found.expose(), *made.expose());
    }

    #[test]
    fn a_lost_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataDir::take_or_create(dir.path()).unwrap();
        fs::write(folder.database(), "data").unwrap();
        assert!(refusal(&MasterKeySource::DataDir, &folder).contains("bring it back"));
        assert!(!folder.master_key().exists());
    }

    #[test]
    fn files_that_cannot_be_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataDir::take_or_create(dir.path()).unwrap();
        let path = dir.path().join("k");
        let source = MasterKeySource::File(path.clone());
        assert!(refusal(&source, &folder).contains("cannot be read"));
        let good = "ab12".repeat(16);
        for (text, mode, reason) in [
            (good.as_str(), 0o640, "chmod 600"),
            (&good, 0o604, "chmod 600"),
            ("", 0o600, "the master key is empty"),
            (" \n", 0o600, "the master key is empty"),
            ("short", 0o600, "5 characters"),
            (&"a".repeat(5000), 0o600, "too large"),
        ] {
            put(&path, text, mode);
            let said = refusal(&source, &folder);
            assert!(said.contains(reason), "{text} {mode:o}: {said}");
        }
        put(&path, &format!(" {good}\n"), 0o400);
        let key = master_key(&source, &folder, &SystemEntropy).unwrap();
        let same = master_key(&MasterKeySource::Text(Secret::new(&good)), &folder, &SystemEntropy).unwrap();
        assert_eq!(*key.expose(), *same.expose());
        assert!(refusal(&MasterKeySource::Text(Secret::new("secret")), &folder).contains("TOLLGATE_MASTER_KEY"));
    }
}
