//! `tollgate doctor`: looks at the machine, the settings and the data folder, and says what would hurt, and what to do about it. It changes nothing.
//! What is looked at is in [`facts`], what is thought of it in [`checks`].

mod checks;
mod facts;

use std::process::ExitCode;

use serde::Serialize;

use crate::Failure;
use crate::admin::show;
use crate::announce;
use crate::config::{Config, Settings};
use facts::Facts;

/// What was thought of one thing. The order is that of gravity, and of the command's exit codes: 0, 1, 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Ok,
    /// It works, and may not tomorrow.
    Warn,
    /// It does not work, is not safe, or will lose something.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    /// What to do; nothing when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at everything with these settings. It blocks: it reads files, and asks the server that runs by its control socket, even from within.
pub(crate) fn look(config: &Config) -> Vec<Check> {
    checks::all(&Facts::gather(config))
}

/// Looks at everything; the exit code is the gravest verdict.
pub(crate) fn doctor(settings: Settings, json: bool) -> Result<ExitCode, Failure> {
    let checks = match settings.mean() {
        Ok(config) => look(&config),
        Err(problems) => {
            vec![Check::fail("settings", problems.to_string(), "correct them, and see `tollgate config print`")]
        }
    };
    let gravest = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    let text = if json {
        serde_json::to_string(&serde_json::json!({ "verdict": gravest, "checks": checks }))? + "\n"
    } else {
        checks.iter().map(line).collect()
    };
    announce::out(&text)?;
    Ok(ExitCode::from(gravest as u8))
}

fn line(check: &Check) -> String {
    let word = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    };
    // What was found may have a name in it that somebody else has chosen.
    let advice = check.advice.as_deref().map(|advice| format!("      -> {advice}\n")).unwrap_or_default();
    show::plain_lines(&format!("{word:<5} {:<14} {}\n{advice}", check.name, check.found))
}
