//! `tollgate top`: how the running server does, a line every few seconds until it is ended, over the control socket.

use std::time::Duration;

use serde_json::Value;

use crate::Failure;
use crate::admin::{Answer, Request, show};
use crate::announce;
use crate::config::Config;
use crate::control::{CallError, call};
use crate::data_dir;
use crate::pulse;

/// Lines between two heads of the columns.
const HEADS_EVERY: u64 = 20;

/// What is to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Top {
    pub(crate) every_s: u64,
    /// Ends after so many lines.
    pub(crate) count: Option<u64>,
    pub(crate) json: bool,
}

/// Shows lines until it is ended, or has shown as many as were wanted.
pub(crate) fn top(config: &Config, wanted: &Top) -> Result<(), Failure> {
    let socket = data_dir::control_socket(&config.data_dir);
    for shown in 0..wanted.count.unwrap_or(u64::MAX) {
        if shown > 0 {
            std::thread::sleep(Duration::from_secs(wanted.every_s));
        }
        let line = match call(&socket, &Request::Pulse {}) {
            Ok(Answer::Said { json, .. }) => json,
            Ok(Answer::Refused(why)) => return Err(why.into()),
            Ok(_) => return Err("the server answered something else; is the command of the same version?".into()),
            Err(CallError::NobodyListens) => {
                return Err("no server uses the data folder; start one: tollgate serve".into());
            }
            Err(error) => return Err(error.into()),
        };
        if wanted.json {
            announce::out(&format!("{line}\n"))?;
        } else {
            let told: Value = serde_json::from_str(&line)?;
            announce::out(&show::plain_lines(&pulse::columns(&told, shown % HEADS_EVERY == 0)))?;
        }
    }
    Ok(())
}
