//! The data folder: made for its owner only, and held by one process at a time. What is in its files is not known here, only their names.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A data folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error("the data folder {path} cannot be used: {error}")]
    Unusable { path: PathBuf, error: io::Error },
    #[error(
        "there is no data folder {path}; name the one of your server with --data-dir, or make one by starting it: tollgate serve"
    )]
    Missing { path: PathBuf },
    #[error(
        "another tollgate is using the data folder {path}: one folder serves one server. Stop that one first, or choose another folder with --data-dir"
    )]
    InUse { path: PathBuf },
}

/// A data folder that this process holds. Dropping it lets others in.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Names inside a data folder.
pub(crate) fn control_socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

impl DataDir {
    /// Takes the folder, making it when it is missing.
    pub(crate) fn take_or_create(path: &Path) -> Result<Self, DataDirError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unusable(path, error))?;
        Self::take(path)
    }

    /// Takes a folder that exists.
    pub(crate) fn take(path: &Path) -> Result<Self, DataDirError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::Missing { path: path.into() });
            }
            Err(error) => return Err(unusable(path, error)),
        };
        if !metadata.is_dir() {
            return Err(unusable(path, io::ErrorKind::NotADirectory.into()));
        }
        if metadata.permissions().mode() & 0o022 != 0 {
            // Not refused: volumes of container platforms often come like this. The files in it are the owner's all the same.
            tracing::warn!(folder = %path.display(), "others may write into the data folder; better take that away: chmod go-w");
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(|error| unusable(path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.into() }),
            Err(TryLockError::Error(error)) => Err(unusable(path, error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn database(&self) -> PathBuf {
        database(&self.path)
    }

    /// What is to become the database once it is proved.
    pub(crate) fn restoring(&self) -> PathBuf {
        self.path.join("tollgate.db.restoring")
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        master_key(&self.path)
    }
}

/// The database in a folder.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("tollgate.db")
}

/// The master key's file in a folder.
pub(crate) fn master_key(folder: &Path) -> PathBuf {
    folder.join("master.key")
}

fn unusable(path: &Path, error: io::Error) -> DataDirError {
    DataDirError::Unusable { path: path.into(), error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_new_folder_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let _held = DataDir::take_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join("lock")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_one_holds_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::take_or_create(dir.path()).unwrap();
        let second = DataDir::take(dir.path()).unwrap_err();
        assert!(matches!(second, DataDirError::InUse { .. }), "{second}");
        assert!(second.to_string().contains("another tollgate is using"), "{second}");
        drop(held);
        DataDir::take(dir.path()).unwrap();
    }

    #[test]
    fn what_is_no_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(DataDir::take(&dir.path().join("none")), Err(DataDirError::Missing { .. })));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(DataDir::take(&file), Err(DataDirError::Unusable { .. })));
        assert!(matches!(DataDir::take_or_create(&file), Err(DataDirError::Unusable { .. })));
    }
}
