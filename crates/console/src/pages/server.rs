//! The server itself: which one it is, what the doctor finds, its keyring, and the settings in force with where each came from. To look at only: it
//! is changed in its file and by its commands.

use std::cmp::Reverse;

use askama::Template;
use tollgate_core::Result;
use tollgate_core::clock::UnixMillis;

use crate::answer::Answer;
use crate::frame::Frame;
use crate::premises::{About, Finding, SettingShown, Verdict};
use crate::spans;
use crate::visit::Visit;
use crate::words::{self, Moment};

/// Most projects whose keys are listed.
const KEYS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "server.html")]
struct Page {
    frame: Frame,
    about: About,
    up: String,
    started: Moment,
    findings: Vec<Looked>,
    /// How many of them are not well, in words.
    ills: String,
    token_keys: Vec<TokenKey>,
    data_keys: Vec<DataKey>,
    /// How many projects are not in the list.
    more_data_keys: usize,
    set: Vec<SettingShown>,
    defaults: Vec<SettingShown>,
}

/// A finding of the doctor.
struct Looked {
    finding: Finding,
    word: &'static str,
    look: &'static str,
}

struct TokenKey {
    number: u16,
    is_active: bool,
    connections: String,
    made: Moment,
}

struct DataKey {
    project: String,
    keys: String,
    waiting: String,
}

fn looked(finding: Finding) -> Looked {
    let (word, look) = match finding.verdict {
        Verdict::Ok => ("ok", "good"),
        Verdict::Warn => ("look at it", "warn"),
        Verdict::Fail => ("ill", "bad"),
    };
    Looked { finding, word, look }
}

fn ills(findings: &[Looked]) -> String {
    let count = |verdict| findings.iter().filter(|one| one.finding.verdict == verdict).count();
    match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("{warnings} to look at"),
        (failures, 0) => format!("{failures} ill"),
        (failures, warnings) => format!("{failures} ill, {warnings} to look at"),
    }
}

/// `GET /console/server/about`.
pub(crate) async fn about(visit: &Visit) -> Result<Answer> {
    let now = visit.now();
    let mut about = visit.house.premises.about();
    let keyring = visit.node().keyring(&visit.caller).await?;
    let mut findings: Vec<Looked> = visit.house.premises.findings().await.into_iter().map(looked).collect();
    // What is to be done comes first.
    findings.sort_by_key(|one| Reverse(one.finding.verdict));
    let (set, defaults) = std::mem::take(&mut about.settings).into_iter().partition(|one| one.from.is_some());
    let page = Page {
        frame: visit.frame("server"),
        up: spans::said(now.0.saturating_sub(about.started.0) / 1_000 * 1_000),
        started: words::moment(about.started, now),
        ills: ills(&findings),
        findings,
        token_keys: keyring
            .token_keys
            .iter()
            .map(|key| TokenKey {
                number: key.number,
                is_active: key.active,
                connections: words::count(key.connections),
                made: words::moment(UnixMillis(key.created_at_ms), now),
            })
            .collect(),
        more_data_keys: keyring.projects.len().saturating_sub(KEYS_MAX),
        data_keys: keyring
            .projects
            .iter()
            .take(KEYS_MAX)
            .map(|one| DataKey {
                project: one.project.clone(),
                keys: one.keys.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
                waiting: words::count(one.records_to_reseal),
            })
            .collect(),
        set,
        defaults,
        about,
    };
    Answer::page(&page)
}
