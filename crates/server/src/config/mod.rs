//! The settings: collected from all sources, checked together, shown on demand. The only place that reads the environment.
//!
//! Two phases: [`layers`] knows what was typed where, [`meaning`] what it means. Every problem of both is reported at once.

mod document;
mod keys;
mod layers;
mod meaning;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use keys::KEYS;
use layers::{Layers, Origin, Problem, Sources};
pub(crate) use meaning::{
    AcmeSettings, Config, HookSecret, HookSettings, LogSettings, MasterKeySource, TlsFiles, TlsSettings, TraceSettings,
};

/// What every variable of ours starts with.
const PREFIX: &str = "TOLLGATE_";
/// The one secret that may only stand in the environment or in a file of its own.
const MASTER_KEY: &str = "TOLLGATE_MASTER_KEY";
/// Names the file of settings, for those who cannot give flags.
const CONFIG_FILE: &str = "TOLLGATE_CONFIG";
/// Kubernetes adds these for a service called `tollgate`; they are not meant for us.
const KUBERNETES: &[&str] = &["TOLLGATE_SERVICE_", "TOLLGATE_PORT"];

/// A text that no log and no error shows. Zeroed on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text itself, for the one place that uses it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What was typed on the command line: the file, and key, flag and value of each setting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    pub(crate) file: Option<PathBuf>,
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

/// All sources, read.
#[derive(Debug)]
pub(crate) struct Settings {
    layers: Layers,
    master_key: Option<Secret>,
}

/// A setting in force, for people to see: a secret is not shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: &'static str,
    /// As TOML.
    pub(crate) value: String,
    /// Where it came from; nothing for a default.
    pub(crate) from: Option<String>,
}

/// Everything that is wrong with the settings.
#[derive(Debug)]
pub(crate) struct Problems(Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the settings:", if count == 1 { "problem" } else { "problems" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

impl Settings {
    /// Reads the process's environment and the file that the command line or the environment names.
    pub(crate) fn read(typed: Typed) -> Self {
        Self::of(typed, &environment(), |path| std::fs::read_to_string(path))
    }

    fn of(
        typed: Typed,
        environment: &[(String, Option<String>)],
        read: impl Fn(&Path) -> std::io::Result<String>,
    ) -> Self {
        let mut unreadable = Vec::new();
        let mut sources = Sources { flags: typed.flags, ..Sources::default() };
        let (mut file, mut file_origin) = (typed.file, Origin::Flag("--config"));
        let mut master_key = None;
        for (name, value) in environment {
            match (name.as_str(), value) {
                (name, _) if KUBERNETES.iter().any(|prefix| name.starts_with(prefix)) => {}
                (name, None) => {
                    let origin = Origin::Environment(name.into());
                    unreadable.push(Problem { key: name.into(), value: None, origin, reason: "is not UTF-8".into() });
                }
                (MASTER_KEY, Some(text)) => master_key = Some(Secret::new(text)),
                (CONFIG_FILE, Some(path)) if file.is_none() => {
                    (file, file_origin) = (Some(path.into()), Origin::Environment(CONFIG_FILE.into()));
                }
                (CONFIG_FILE, Some(_)) => {}
                (name, Some(text)) => sources.environment.push((name.into(), text.clone())),
            }
        }
        if let Some(path) = file {
            match read(&path) {
                Ok(text) => sources.file = Some((path, text)),
                Err(error) => {
                    let value = Some(toml::Value::from(path.to_string_lossy().into_owned()).to_string());
                    let reason = format!("the file of settings cannot be read: {error}");
                    unreadable.push(Problem { key: "config".into(), value, origin: file_origin, reason });
                }
            }
        }
        let mut layers = Layers::of(&sources);
        layers.problems.splice(0..0, unreadable);
        Self { layers, master_key }
    }

    /// What the settings mean.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn mean(self) -> Result<Config, Problems> {
        Config::of(self.layers, self.master_key).map_err(Problems)
    }

    /// The settings in force, as a file, each with where it came from. Secrets are not shown.
    pub(crate) fn print(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for Shown { name, value, from } in self.shown() {
            let (of, word) = name.split_once('.').unwrap_or(("", name));
            if of != section {
                section = of;
                let _ = write!(out, "\n[{section}]\n");
            }
            let _ = writeln!(out, "{word} = {value} # {}", from.as_deref().unwrap_or("default"));
        }
        if self.master_key.is_some() {
            out.insert_str(0, "# The master key is taken from the environment variable TOLLGATE_MASTER_KEY.\n");
        }
        out
    }

    /// The settings in force, in the order of the default file.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let shown = |key: &keys::Key| {
            let setting = self.layers.get(key.name);
            let from = (setting.origin != Origin::Default).then(|| setting.origin.to_string());
            Shown { name: key.name, value: setting.value.to_string(), from }
        };
        KEYS.iter().map(shown).collect()
    }
}

/// Our variables; `None` for a value that is not UTF-8.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Vec<(String, Option<String>)> {
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.into_string().ok()))
    };
    let mut ours: Vec<_> = std::env::vars_os().filter_map(ours).collect();
    ours.sort();
    ours
}
