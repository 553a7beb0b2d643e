//! The units of work, one file per subject: what each method of the ports does inside the writer's transaction.

mod audit;
mod channels;
mod history;
mod projects;
mod pruning;
mod rows;
mod subscriptions;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::ffi;
use tokio::sync::oneshot;
use tollgate_core::audit::LedgerKey;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{Changes, Row, RowName, Store, StoreError, StoreResult, Subject, Unit, Vault};

use crate::SqliteStore;
use crate::books::Books;
use crate::writer::Job;

pub(crate) use self::projects::{read_project, read_vault};

/// Why a unit of work was not done: refused by a rule of the port, or by the database.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// A rule of the port says no; the caller is told which.
    Refused(StoreError),
    /// SQLite could not, or our own code panicked.
    Broken(Arc<str>),
}

impl Failure {
    /// The failure of code that panicked with this.
    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Self {
        let text =
            payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        Self::Broken(format!("panicked: {}", text.unwrap_or("no message")).into())
    }

    /// What an insert's error means: the id is taken, the owner does not exist, or the database is broken.
    fn insert(error: rusqlite::Error, taken: Subject, owner: Subject) -> Self {
        match error.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID) => {
                StoreError::AlreadyExists(taken).into()
            }
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => StoreError::NotFound(owner).into(),
            _ => error.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let is_damage = match &error {
            // We wrote what is there: what cannot be read as that is somebody else's.
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => true,
            other => matches!(
                other.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
            ),
        };
        match is_damage {
            true => crate::books::damaged(&error.to_string()),
            false => Self::Broken(error.to_string().into()),
        }
    }
}

impl From<rusqlite::types::FromSqlError> for Failure {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        rusqlite::Error::from(error).into()
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Broken(reason) => Self::Unavailable(reason.to_string()),
        }
    }
}

/// One row by a cached statement, or nothing.
pub(crate) fn find<T>(
    db: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    use rusqlite::OptionalExtension as _;
    db.prepare_cached(sql)?.query_row(parameters, read).optional()
}

/// Changes rows by a cached statement; gives their number.
pub(crate) fn execute(db: &Connection, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(parameters)
}

impl Store for SqliteStore {
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>> {
        self.unit(|work| Ok(read_vault(work.db)?))
    }

    fn attach(&self, changes: Arc<dyn Changes>, ledger: LedgerKey) -> Pending<'_, StoreResult<()>> {
        let (reply, answer) = oneshot::channel();
        Box::pin(self.ask(Job::Attach(changes, Box::new(Books::new(ledger)), reply), answer))
    }

    fn commit(&self, unit: Unit) -> Pending<'_, StoreResult<()>> {
        if let Err(refused) = unit.check() {
            return Box::pin(async { Err(refused) });
        }
        let steps = unit.writes.len() + unit.audit.len();
        self.unit_of(steps, move |work| rows::commit(work, unit))
    }

    fn row(&self, name: RowName) -> Pending<'_, StoreResult<Option<Row>>> {
        self.unit(move |work| {
            work.books()?;
            Ok(rows::read(work.db, name)?)
        })
    }

    fn probe(&self) -> Pending<'_, StoreResult<()>> {
        // A real write: a full disk can still be read, and answers a commit of nothing.
        self.unit(|work| {
            execute(work.db, "UPDATE probe SET count = count + 1", [])?;
            Ok(())
        })
    }
}
