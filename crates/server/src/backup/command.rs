//! `tollgate backup`: has a backup made by the server that uses the data folder, or makes it right here when none does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::file::Manifest;
use super::{Backups, Stand};
use crate::Failure;
use crate::admin::{Answer, Request};
use crate::announce;
use crate::config::Config;
use crate::control::{CallError, call};
use crate::data_dir;
use crate::machine::SystemClock;
use crate::opened::{self, Way};
use crate::progress::Progress;
use crate::secret_file;

/// How often the backup is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes a backup and says what is in it, and what is not.
pub(crate) fn backup(config: &Config, file: &Path, json: bool) -> Result<(), Failure> {
    // The server was started in another folder.
    let file = std::path::absolute(file)?;
    let begin = Request::BackUp { file: file.clone() };
    let manifest = match opened::way(config, &begin)? {
        Way::Server(answer) => {
            let socket = data_dir::control_socket(&config.data_dir);
            follow(answer, || match call(&socket, &Request::LookAtBackup { file: file.clone() }) {
                Err(CallError::NobodyListens) => Err("the server has ended, and the backup with it; repeat it".into()),
                answer => Ok(answer?),
            })?
        }
        Way::Here(folder) => opened::with_store(config, folder, |store| {
            let backups = Backups::new(store, Arc::new(SystemClock::new()));
            follow(backups.begin(&file), || Ok(backups.look(&file)))
        })?,
    };
    say(config, &file, &manifest, json)
}

/// Looks at a backup until it has ended.
fn follow(first: Answer, mut look: impl FnMut() -> Result<Answer, Failure>) -> Result<Manifest, Failure> {
    let mut progress = Progress::start();
    let mut answer = first;
    loop {
        match answer {
            Answer::Backup(Stand::Copying { done, pages }) => progress.show("copied", done, pages),
            Answer::Backup(Stand::Checking {}) => progress.show("copied, being checked", 1, 1),
            Answer::Backup(Stand::Done { manifest }) => {
                progress.end();
                return Ok(manifest);
            }
            Answer::Backup(Stand::Failed { why }) => {
                progress.end();
                return Err(why.into());
            }
            Answer::Refused(why) => return Err(why.into()),
            _ => return Err("the server answered something else; is the command of the same version?".into()),
        }
        std::thread::sleep(LOOK_EVERY);
        answer = look()?;
    }
}

fn say(config: &Config, file: &Path, manifest: &Manifest, json: bool) -> Result<(), Failure> {
    let key: Option<PathBuf> = secret_file::key_path_in(&config.master_key, &config.data_dir);
    let text = if json {
        let key_file = key.as_ref().map(|path| path.display().to_string());
        let told = json!({
            "file": file.display().to_string(),
            "manifest": manifest,
            "master_key": { "included": false, "file": key_file },
        });
        format!("{told}\n")
    } else {
        let Manifest { created_at, bytes, projects, channels, tokens, .. } = manifest;
        let key = key.map_or_else(|| "the variable TOLLGATE_MASTER_KEY".to_owned(), |path| path.display().to_string());
        format!(
            "Backed up into {} ({bytes} bytes, checked): all that was acknowledged before {created_at}; projects: {projects}, channels: {channels}, \
             tokens: {tokens}.\nThe master key is not in it. It is in {key}: keep a copy of that apart from the backup, which cannot be \
             restored without it.\n",
            file.display()
        )
    };
    Ok(announce::out(&text)?)
}
