//! The first phase: what was typed where. Collects each setting from its strongest source, and every problem of every source. What the
//! settings mean together is the second phase's (`meaning.rs`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::keys::{KEYS, Kind, Value, find};

/// The defaults, with the comments that `docs/config.md` is made of.
pub(crate) const DEFAULTS: &str = include_str!("../../tollgate.default.toml");

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong: which key, what value, where it stands, why it cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) key: String,
    /// As TOML, secrets hidden; `None` where there is no value to show.
    pub(crate) value: Option<String>,
    pub(crate) origin: Origin,
    pub(crate) reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}): {}", self.origin, self.reason)
    }
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// Everything that was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The file of `--config` and its text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// The environment's `TOLLGATE_*` variables.
    pub(crate) environment: Vec<(String, String)>,
    /// Key, flag and value of the command line.
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

/// Each setting from its strongest source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    settings: BTreeMap<&'static str, Setting>,
    pub(crate) problems: Vec<Problem>,
}

impl Layers {
    /// Lays the sources over the defaults.
    pub(crate) fn of(sources: &Sources) -> Self {
        let mut layers = Self::default();
        layers.lay_file(DEFAULTS, &Origin::Default);
        if let Some((path, text)) = &sources.file {
            layers.lay_file(text, &Origin::File(path.clone()));
        }
        for (name, text) in &sources.environment {
            layers.lay_variable(name, text);
        }
        for (key, flag, text) in &sources.flags {
            layers.lay_text(key, text, Origin::Flag(flag));
        }
        layers
    }

    /// The setting with this name.
    pub(crate) fn get(&self, name: &str) -> &Setting {
        self.settings.get(name).expect("invariant: every key of the table has a default")
    }

    /// Notes that the value of `name` cannot be.
    pub(crate) fn refuse(&mut self, name: &str, reason: impl Into<String>) {
        let Setting { value, origin } = self.get(name).clone();
        self.problems.push(Problem { key: name.into(), value: Some(value.to_string()), origin, reason: reason.into() });
    }

    fn lay_file(&mut self, text: &str, origin: &Origin) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.lay_table("", &table, origin),
            Err(error) => {
                // `message` and not the whole error, which repeats the line: it may hold a secret.
                let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
                let reason = format!("is not TOML: {}", error.message());
                self.problems.push(Problem {
                    key: format!("line {line}"),
                    value: None,
                    origin: origin.clone(),
                    reason,
                });
            }
        }
    }

    fn lay_table(&mut self, section: &str, table: &toml::Table, origin: &Origin) {
        for (key, value) in table {
            let name = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
            match (find(&name), value) {
                (Some(known), value) => self.lay(known.name, known.kind, known.kind.read(value), value, origin.clone()),
                (None, toml::Value::Table(inner)) if section.is_empty() && is_section(key) => {
                    self.lay_table(key, inner, origin)
                }
                (None, _) => self.refuse_unknown(name, origin),
            }
        }
    }

    fn refuse_unknown(&mut self, name: String, origin: &Origin) {
        let reason = match (&*name, nearest(&name)) {
            ("master_key", _) => "does not belong into a file of settings: use master_key_file, or the environment variable TOLLGATE_MASTER_KEY".into(),
            (_, Some(near)) => format!("is not a setting; did you mean {near}?"),
            (_, None) => "is not a setting; docs/config.md lists them all".into(),
        };
        self.problems.push(Problem { key: name, value: None, origin: origin.clone(), reason });
    }

    fn lay_variable(&mut self, name: &str, text: &str) {
        match KEYS.iter().find(|key| key.variable() == name) {
            Some(key) => self.lay_text(key.name, text, Origin::Environment(name.into())),
            None => {
                let reason = "is not a setting; docs/config.md lists them all".into();
                self.problems.push(Problem {
                    key: name.into(),
                    value: None,
                    origin: Origin::Environment(name.into()),
                    reason,
                });
            }
        }
    }

    fn lay_text(&mut self, name: &str, text: &str, origin: Origin) {
        let key = find(name).expect("invariant: variables and flags name keys of the table");
        self.lay(key.name, key.kind, key.kind.parse(text), &toml::Value::from(text), origin);
    }

    fn lay(
        &mut self,
        name: &'static str,
        kind: Kind,
        read: Result<Value, String>,
        typed: &toml::Value,
        origin: Origin,
    ) {
        match read {
            Ok(value) => {
                self.settings.insert(name, Setting { value, origin });
            }
            Err(reason) => {
                let value = if matches!(kind, Kind::Secret) {
                    toml::Value::from(super::keys::SHOWN).to_string()
                } else {
                    typed.to_string()
                };
                self.problems.push(Problem { key: name.into(), value: Some(value), origin, reason });
            }
        }
    }
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// A key whose last word is the same, or that differs in at most two characters.
fn nearest(name: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let close = |key: &&super::keys::Key| last(key.name) == last(name) || distance(key.name, name) <= 2;
    KEYS.iter().find(close).map(|key| key.name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
