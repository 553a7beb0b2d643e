//! Why a run ends early: the figures cannot be had, or a message went wrong. Not for missed targets: those are results.
use std::fmt;
use std::io;

/// What ended the run. Each kind has an exit code of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The bench could not measure: no server, no descriptors, an answer it does not understand.
    CannotRun(String),
    /// This machine is not one to measure on: too few cores, too busy, or without a tool. Says nothing about the server.
    Unfit(String),
    /// A message was lost, duplicated, disordered or altered.
    Delivery(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::CannotRun(what) => write!(f, "cannot run: {what}"),
            Failure::Unfit(what) => write!(f, "SKIPPED: {what}"),
            Failure::Delivery(what) => write!(f, "deliveries are wrong: {what}"),
        }
    }
}

pub(crate) type Outcome<T> = Result<T, Failure>;

/// Says what was being done when the kernel refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: &str) -> Outcome<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Outcome<T> {
        self.map_err(|error| Failure::CannotRun(format!("{what}: {}", error.into())))
    }
}

/// Shorthand for everything that is not a delivery fault.
pub(crate) fn cannot<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Failure::CannotRun(what.into()))
}
