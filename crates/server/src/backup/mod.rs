//! Backups: made by whoever has the store open, a running server or the command itself, on a thread of their own. What the file looks like is
//! [`file`]'s; what the command does, [`command`]'s; the way back, [`restore`]'s.

pub(crate) mod command;
pub(crate) mod file;
pub(crate) mod restore;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tollgate_core::clock::Clock;
use tollgate_store_sqlite::{CopyProgress, SqliteStore};

use crate::Failure;
use crate::admin::Answer;
use file::Manifest;

/// How long a server that ends waits for a backup that it has cut short.
const END_WAIT: Duration = Duration::from_secs(2);

/// How a backup stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Stand {
    /// Pages of the database.
    Copying {
        done: u64,
        pages: u64,
    },
    /// All is copied and is being read back.
    Checking {},
    Done {
        manifest: Manifest,
    },
    Failed {
        why: String,
    },
}

/// Makes backups of one store, one at a time.
pub(crate) struct Backups {
    store: Arc<SqliteStore>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Current>>,
}

/// The backup that is being made, or was made last.
struct Current {
    file: PathBuf,
    progress: Arc<CopyProgress>,
    thread: Option<JoinHandle<Result<Manifest, Failure>>>,
    ended: Option<Stand>,
}

impl Backups {
    pub(crate) fn new(store: Arc<SqliteStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, current: Mutex::new(None) }
    }

    /// Begins a backup into `file`, which must not exist.
    pub(crate) fn begin(&self, file: &Path) -> Answer {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = current.as_mut().filter(|one| one.thread.as_ref().is_some_and(|made| !made.is_finished()))
        {
            return Answer::Refused(format!(
                "conflict: A backup into {} is being made; wait for it.",
                other.file.display()
            ));
        }
        let progress = Arc::<CopyProgress>::default();
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let (path, seen) = (file.to_path_buf(), Arc::clone(&progress));
        let thread = std::thread::Builder::new().name("backup".into()).spawn(move || {
            let made = make(&store, clock.as_ref(), &path, seen);
            match &made {
                Ok(manifest) => tracing::info!(file = %path.display(), bytes = manifest.bytes, "backed up"),
                Err(error) => tracing::error!(file = %path.display(), %error, "the backup came to nothing"),
            }
            made
        });
        match thread {
            Ok(thread) => {
                *current = Some(Current { file: file.into(), progress, thread: Some(thread), ended: None });
                Answer::Backup(Stand::Copying { done: 0, pages: 0 })
            }
            Err(error) => Answer::Refused(format!("unavailable: No thread can be started for the backup: {error}.")),
        }
    }

    /// How the backup into `file` stands.
    pub(crate) fn look(&self, file: &Path) -> Answer {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = current.as_mut().filter(|current| current.file == file) else {
            return Answer::Refused("not_found: The server was started again, or makes another backup.".into());
        };
        if current.thread.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(thread) = current.thread.take()
        {
            let made = thread.join().unwrap_or_else(|_| Err("its thread panicked; this is a defect".into()));
            current.ended = Some(match made {
                Ok(manifest) => Stand::Done { manifest },
                Err(error) => Stand::Failed { why: error.to_string() },
            });
        }
        let (done, pages) = current.progress.pages();
        let now = || match current.progress.is_checking() {
            true => Stand::Checking {},
            false => Stand::Copying { done, pages },
        };
        Answer::Backup(current.ended.clone().unwrap_or_else(now))
    }

    /// Waits a little for a backup that the closed store has cut short, so that nothing of it stays.
    pub(crate) fn end(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((file, thread)) = current.and_then(|current| Some((current.file, current.thread?))) else { return };
        for _ in 0..100 {
            if thread.is_finished() {
                return;
            }
            std::thread::sleep(END_WAIT / 100);
        }
        // It is reading back what is whole; the process ends before it would get its name.
        drop(Partial { path: partial(&file), kept: false });
    }
}

/// What a backup is called until it is whole.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// A file that goes away unless it is kept.
struct Partial {
    path: PathBuf,
    kept: bool,
}

impl Partial {
    /// Makes it, readable by its owner alone. One that is there was left by a process that was killed.
    fn make(path: PathBuf) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, kept: false })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.path.display(), %error, "what was to become a backup cannot be removed");
        }
    }
}

/// Copies, proves, adds what the file says about itself, and only then gives it its name.
fn make(store: &SqliteStore, clock: &dyn Clock, path: &Path, progress: Arc<CopyProgress>) -> Result<Manifest, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::from(format!("the backup {} cannot be made: {error}. Nothing of it was kept", path.display()))
    };
    if path.exists() {
        return Err(failed(&"it exists, and a backup is never written over; choose another name"));
    }
    let mut copy = Partial::make(partial(path)).map_err(|error| failed(&error))?;
    let created_at = clock.unix();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let copied = runtime.block_on(store.copy_to(&copy.path, progress)).map_err(|error| failed(&error))?;
    let manifest = Manifest::of(copied, created_at);
    let manifest = file::conclude(&copy.path, manifest).map_err(|error| failed(&error))?;
    // Unlike std's, this refuses to take the place of a file that came meanwhile.
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, &copy.path, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // File systems that do not know it.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::fs::hard_link(&copy.path, path).map_err(|error| failed(&error))?;
            std::fs::remove_file(&copy.path).map_err(|error| failed(&error))?;
        }
        Err(error) => return Err(failed(&error)),
    }
    copy.kept = true;
    sync_folder(path).map_err(|error| failed(&error))?;
    Ok(manifest)
}

/// Makes a file's name durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
