//! The command that starts each peer, with its default and best documented settings. Not the starting itself.
use super::install::Source;
use crate::dialect::pusher;
use crate::failure::{Doing, Outcome, cannot};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a command is made of.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Where [`super::install::ensure`] put it.
    pub(super) program: &'a Path,
    /// For configuration and whatever it wants to write; gone after the run.
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    /// For a door that is not measured.
    pub(super) second_port: u16,
}

const NATS: &str = include_str!("../../peers/nats.conf");
const NGINX: &str = include_str!("../../peers/nginx.conf");
const SOCKUDO: &str = include_str!("../../peers/sockudo.toml");

pub(super) fn command(source: Source, place: &Place<'_>) -> Outcome<Command> {
    let mut command = Command::new(place.program);
    match source {
        Source::Topics(_) => {
            command = node(place);
            command.arg(place.port.to_string());
        }
        Source::Soketi => {
            command = node(place);
            command.arg("start").env("SOKETI_HOST", "127.0.0.1").env("SOKETI_PORT", place.port.to_string());
            command.env("SOKETI_DEFAULT_APP_ID", pusher::APP).env("SOKETI_DEFAULT_APP_KEY", pusher::KEY);
            command.env("SOKETI_DEFAULT_APP_SECRET", pusher::SECRET);
            command.env("SOKETI_METRICS_SERVER_PORT", place.second_port.to_string());
        }
        Source::Nats => drop(command.arg("-c").arg(place.configure("nats.conf", NATS)?)),
        Source::Nchan => {
            command.arg("-p").arg(place.folder).arg("-c").arg(place.configure("nginx.conf", NGINX)?);
        }
        // Variables as common as HOST, PORT and DEBUG would go before the file.
        Source::Sockudo => {
            command.env_clear().arg("--config").arg(place.configure("sockudo.toml", SOCKUDO)?);
        }
        Source::Url => return cannot("a server that is found by URL is not started"),
    }
    command.current_dir(place.folder);
    Ok(command)
}

/// Whether the process that was started only watches over the one that does the work.
pub(super) fn works_in_a_child(source: Source) -> bool {
    source == Source::Nchan
}

/// Node as it is run in production; nothing else is set.
fn node(place: &Place<'_>) -> Command {
    let mut command = Command::new("node");
    command.arg(place.program).env("NODE_ENV", "production");
    command
}

impl Place<'_> {
    fn configure(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        let text = text
            .replace("@PORT@", &self.port.to_string())
            .replace("@SECOND_PORT@", &self.second_port.to_string())
            .replace("@FOLDER@", &self.folder.display().to_string());
        fs::write(&path, text).doing("write a peer's configuration")?;
        Ok(path)
    }
}
