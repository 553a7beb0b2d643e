//! Opening the file: whose it is, how it is set up, and which schema it has. Nothing here knows the records.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Marks a SQLite file as ours ("TOLL"); shown by `file` and checked before anything is written.
const APPLICATION_ID: i32 = 0x544F_4C4C;

/// Every step of the schema, in order; the number of steps taken is kept in `user_version`. Steps are only ever added.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_records.sql"),
    include_str!("../migrations/0002_histories.sql"),
    include_str!("../migrations/0003_operators.sql"),
    include_str!("../migrations/0004_tokens.sql"),
];

/// How long to wait for another process to let go of the file: the one before us may still be closing it.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// What the log may keep on disk after a burst, in bytes.
const LOG_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// Pages of the log after which they are written into the main file: 16 MB. Four times SQLite's own figure, so that pages which every
/// commit changes are written there less often; what a crash leaves to be read again stays small.
pub(crate) const LOG_PAGES: i64 = 4_000;

/// Pages kept in memory, in KiB: those that messages and their ids come to next stay there. Eight times SQLite's own figure.
const CACHE_KIB: i64 = 16 * 1024;

/// Statements that stay prepared.
const STATEMENTS_MAX: usize = 128;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{path} is in use by another process; stop it first (one data folder serves one server)")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is no SQLite database.
    #[error("{path} is not a database; move it away, or choose another data folder")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a database of another program.
    #[error("{path} is a database, but not one of Tollgate's; choose another data folder")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by an unreleased program, before the records of the first release were decided.
    #[error(
        "{path} was written by a development version of Tollgate from before the first release, and cannot be read; move the data \
         folder away, or choose another one, and the server makes a new store"
    )]
    Unreleased {
        /// The file.
        path: PathBuf,
    },
    /// The schema is newer than this program.
    #[error(
        "{path} was written by a newer Tollgate (schema {found}; this one knows up to {known}); start the newer version"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// The newest schema known here.
        known: i32,
    },
    /// The file cannot be read, written or created.
    #[error("{path} cannot be opened: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// SQLite refused for another reason.
    #[error("{path} cannot be used: {reason}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
}

/// Which schema a file has, and which this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The file's; 0 in an empty one.
    pub found: u32,
    /// The newest that is known here, which opening brings the file to.
    pub known: u32,
}

impl Schema {
    /// Reads it from the file's first page, without opening the database: also while another process has it open.
    ///
    /// # Errors
    /// The file cannot be read, or is no database of ours.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        use std::io::Read as _;
        let mut head = [0; 100];
        let known = u32::try_from(MIGRATIONS.len()).expect("invariant: a handful of migrations");
        match std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(Self { found: 0, known }),
            Err(error) => return Err(OpenError::Io { path: path.into(), error }),
            Ok(()) => {}
        }
        // Offsets of SQLite's file format, section 1.3.
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if !head.starts_with(b"SQLite format 3\0") {
            return Err(OpenError::NotADatabase { path: path.into() });
        }
        if number(68) != APPLICATION_ID.cast_unsigned() {
            return Err(OpenError::NotOurs { path: path.into() });
        }
        Ok(Self { found: number(60), known })
    }
}

/// Opens the file, makes it ours, and brings its schema up to date.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    create(path).map_err(|error| OpenError::Io { path: path.into(), error })?;
    let described = |error| describe(path, &error);
    let mut connection = Connection::open(path).map_err(described)?;
    connection.busy_timeout(LOCK_WAIT).map_err(described)?;
    // Exclusive before the first access: no other process may write what our memory would not know of, and the index of
    // the log stays in our memory instead of a shared file.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(described)?;
    check_owner(&connection, path)?;
    restrict(path).map_err(|error| OpenError::Io { path: path.into(), error })?;
    configure(&connection, path)?;
    migrate(&mut connection).map_err(described)?;
    Ok(connection)
}

/// Creates an empty file that only its owner may read; SQLite gives its log the same permissions.
fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Takes away what others may do with a file that was copied here with loose permissions.
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

fn check_owner(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let number =
        |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(|error| describe(path, &error));
    let (owner, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let known = i32::try_from(MIGRATIONS.len()).expect("invariant: a handful of migrations");
    let empty = owner == 0 && version == 0 && tables == 0;
    if owner != APPLICATION_ID && !empty {
        return Err(OpenError::NotOurs { path: path.into() });
    }
    // That schema had the number 1, too.
    if number("SELECT count(*) FROM sqlite_schema WHERE name = 'project_keys'")? > 0 {
        return Err(OpenError::Unreleased { path: path.into() });
    }
    if version > known {
        return Err(OpenError::Newer { path: path.into(), found: version, known });
    }
    Ok(())
}

fn configure(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let described = |error| describe(path, &error);
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(described)?;
    if mode != "wal" {
        let reason = format!("its file system allows no write-ahead log (journal mode `{mode}`)");
        return Err(OpenError::Database { path: path.into(), reason });
    }
    let set = |name: &str, value: &dyn rusqlite::ToSql| connection.pragma_update(None, name, value).map_err(described);
    // FULL: each commit is flushed to the disk before it returns; an acknowledged change survives a power cut.
    set("synchronous", &"FULL")?;
    set("foreign_keys", &true)?;
    set("cache_size", &-CACHE_KIB)?;
    set("journal_size_limit", &LOG_BYTES_MAX)?;
    set("wal_autocheckpoint", &LOG_PAGES)?;
    // What a savepoint needs to go back is small and must not depend on room in another folder.
    set("temp_store", &"MEMORY")?;
    // Our schema has neither, so one that is there was planted; and functions that it names are not to be trusted.
    for config in [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW] {
        connection.set_db_config(config, false).map_err(described)?;
    }
    set("trusted_schema", &false)?;
    // Plans do not depend on the values that are bound; else SQLite prepares some statements anew for each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(described)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

/// Takes the steps that are missing: each in a transaction of its own together with its number, so that a crash leaves a
/// whole step or none.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    for (step, version) in MIGRATIONS.iter().zip(1_i32..) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done: i32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if done < version {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

fn describe(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.into();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse { path },
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        _ => OpenError::Database { path, reason: error.to_string() },
    }
}
