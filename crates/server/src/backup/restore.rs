//! `tollgate restore`: a backup becomes the database of a data folder, whole and opened once, or nothing is changed.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Partial, file, sync_folder};
use crate::Failure;
use crate::announce;
use crate::config::{Config, MasterKeySource};
use crate::data_dir::{self, DataDir};
use crate::opened;
use crate::progress::Progress;
use crate::secret_file;

/// What may be in a folder that counts as empty.
const OURS: &[&str] = &["lock", "master.key", "tollgate.db.restoring", "tollgate.db.restoring-wal"];

/// Restores `from`. With `replace` a database that is there is moved aside.
pub(crate) fn restore(config: &Config, from: &Path, replace: bool, json: bool) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::from(format!("{}: {error}", from.display()));
    // Before a folder is made.
    fs::File::open(from).map_err(|error| failed(&error))?;
    let folder = DataDir::take_or_create(&config.data_dir)?;
    refuse_others(folder.path(), replace)?;
    let key = secret_file::key_path(&config.master_key, &folder);
    if let (MasterKeySource::DataDir, Some(key)) = (&config.master_key, &key)
        && !key.exists()
    {
        return Err(format!(
            "the master key is not in a backup: put the one that the server had at {} (mode 600), or name it by master_key_file or \
             TOLLGATE_MASTER_KEY, and repeat",
            key.display()
        )
        .into());
    }
    let path = folder.restoring();
    let mut coming = Partial::make(path.clone()).map_err(|error| failed(&error))?;
    let mut progress = Progress::start();
    let mut to = fs::OpenOptions::new().write(true).open(&path)?;
    let manifest = file::extract(from, &mut to, &mut |done, bytes| progress.show("restored", done, bytes));
    progress.end();
    let manifest = manifest.map_err(|error| failed(&error))?;
    to.flush().and_then(|()| to.sync_all()).map_err(|error| failed(&error))?;
    drop(to);
    // Everything is read as a start reads it: the key fits, each record opens, the books agree.
    opened::prove(config, &folder, &path).map_err(|error| failed(&error))?;
    let aside = if replace { put_aside(&folder)? } else { None };
    fs::rename(&path, folder.database()).map_err(|error| failed(&error))?;
    coming.kept = true;
    sync_folder(&folder.database())?;
    let text = if json {
        let aside = aside.map(|path| path.display().to_string());
        let folder = folder.path().display().to_string();
        format!("{}\n", json!({ "data_dir": folder, "manifest": manifest, "replaced": aside }))
    } else {
        let aside = aside.map(|path| format!("\nThe database that was there is now {}.", path.display()));
        format!(
            "Restored into {}: all that was acknowledged before {}; projects: {}, channels: {}, tokens: {}. What was made, changed and revoked after \
             that is as it was before.{}\n",
            folder.path().display(),
            manifest.created_at,
            manifest.projects,
            manifest.channels,
            manifest.tokens,
            aside.unwrap_or_default()
        )
    };
    Ok(announce::out(&text)?)
}

/// A folder in which something else is is none to restore into.
fn refuse_others(folder: &Path, replace: bool) -> Result<(), Failure> {
    let database = data_dir::database(folder);
    if database.exists() && !replace {
        return Err(format!(
            "{} is there already. Restore into another folder, or add --replace, which moves it aside",
            database.display()
        )
        .into());
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let known = name.to_str().is_some_and(|name| OURS.contains(&name) || (replace && is_data(name)));
        if !known {
            return Err(format!(
                "the folder {} is not empty: {} is in it. Restore into a folder of its own",
                folder.display(),
                name.display()
            )
            .into());
        }
    }
    Ok(())
}

/// What else a data folder has.
fn is_data(name: &str) -> bool {
    name.starts_with("tollgate.db") || name.starts_with("master.key") || name == "control.sock"
}

/// Moves the database aside, with its log: an unclean end leaves one, and it would be taken for the new database's. Killed in between, the folder has no
/// database and one that is being restored, and the server says to repeat the command.
fn put_aside(folder: &DataDir) -> io::Result<Option<PathBuf>> {
    let database = folder.database();
    let name = |number: u32| database.with_extension(format!("db.replaced-{number}"));
    let free = (1..).find(|number| !name(*number).exists()).unwrap_or(u32::MAX);
    let log = |path: &Path| path.with_extension(format!("{}-wal", path.extension().unwrap_or_default().display()));
    let aside = if database.exists() {
        fs::rename(&database, name(free))?;
        name(free)
    } else if log(&database).exists() && free > 1 {
        // Killed just there.
        name(free - 1)
    } else {
        return Ok(None);
    };
    match fs::rename(log(&database), log(&aside)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    sync_folder(&database)?;
    Ok(Some(aside))
}
