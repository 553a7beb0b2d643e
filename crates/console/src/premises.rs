//! What the console is told of the server that it stands in: which one it is, how it is set up, and what would hurt it. The server implements it;
//! `tollgate config print` and `tollgate doctor` say the same. How it does from moment to moment is not here.

use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::Pending;

/// The server that the console stands in.
pub trait Premises: Send + Sync {
    /// Which server this is, and its settings.
    fn about(&self) -> About;
    /// What the doctor finds, now. Looks at files and asks the server as a stranger would: takes milliseconds, seconds at most.
    fn findings(&self) -> Pending<'_, Vec<Finding>>;
}

/// Which server this is, and its settings.
#[derive(Clone, Debug)]
pub struct About {
    /// Of the program that runs.
    pub version: &'static str,
    /// Its process.
    pub process: u32,
    /// Since when it runs.
    pub started: UnixMillis,
    /// Where it listens: what for, and the address.
    pub listeners: Vec<(&'static str, String)>,
    /// The settings in force, in the order of the default file.
    pub settings: Vec<SettingShown>,
}

/// A setting in force. A secret's value is a word that stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingShown {
    /// Its name, with the section before a dot.
    pub name: &'static str,
    /// As a file would say it.
    pub value: String,
    /// Where it came from; nothing for a default.
    pub from: Option<String>,
}

/// What the doctor thinks of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It works, and may not tomorrow.
    Warn,
    /// It does not work, is not safe, or will lose something.
    Fail,
}

/// One thing that the doctor looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// What is thought of it.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; nothing when all is well.
    pub advice: Option<String>,
}
