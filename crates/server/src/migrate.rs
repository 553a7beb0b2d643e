//! `tollgate migrate`: brings the records of a stopped server to the schema of this version, ahead of the start that would do it anyway, with a
//! copy of what was there before. Which steps there are is the store's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use tollgate_store_sqlite::Schema;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::{Failure, announce, opened};

/// SQLite's log, which a server that was killed leaves beside its database and which belongs to it.
const LOG: &str = "-wal";

/// Migrates, or with `check` only says what there is to do.
pub(crate) fn migrate(config: &Config, check: bool, json: bool) -> Result<(), Failure> {
    let folder = DataDir::take(&config.data_dir)?;
    let database = folder.database();
    if !database.exists() {
        return Err(format!("there is no database in {}", folder.path().display()).into());
    }
    let Schema { found, known } = Schema::of(&database)?;
    if found > known {
        let problem = format!(
            "the records have schema {found}, and this version knows up to {known}: use the version that wrote them"
        );
        return Err(problem.into());
    }
    let due = found < known;
    let copy = if due && !check {
        let copy = copied(&database, found)?;
        opened::with_store(config, folder, |_| Ok(()))?;
        Some(copy)
    } else {
        None
    };
    let text = if json {
        format!("{}\n", json!({"from": found, "to": known, "due": due && check, "copy": copy}))
    } else {
        said(found, known, check, copy.as_deref())
    };
    Ok(announce::out(&text)?)
}

fn said(found: u32, known: u32, check: bool, copy: Option<&Path>) -> String {
    match copy {
        Some(copy) => format!("Schema {found} is now schema {known}. The records of before: {}\n", copy.display()),
        None if found == known => format!("Schema {known} is the one of this version; there is nothing to do.\n"),
        None => {
            debug_assert!(check);
            format!("Schema {found} would become schema {known}, which older versions cannot read.\n")
        }
    }
}

/// The database, and its log if it has one, under another name beside it.
fn copied(database: &Path, schema: u32) -> Result<PathBuf, Failure> {
    let with = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let to = with(database, &format!(".schema-{schema}"));
    if to.exists() {
        return Err(format!("{} is there already, from an earlier try: move it away, and repeat", to.display()).into());
    }
    let copy = || -> io::Result<()> {
        // The log first: a copy of the database without it would look whole and lack what was last.
        for end in [LOG, ""] {
            let from = with(database, end);
            if from.exists() {
                // Copies permissions, too.
                fs::copy(&from, with(&to, end))?;
                fs::File::open(with(&to, end))?.sync_all()?;
            }
        }
        fs::File::open(database.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    copy().map_err(|error| {
        let _ = (fs::remove_file(&to), fs::remove_file(with(&to, LOG)));
        format!("the records could not be copied to {}, so nothing was changed: {error}", to.display())
    })?;
    Ok(to)
}
