//! The page of a long work: how far it is, and what it came to. Leaving it does not stop the work.

use std::future::Future;
use std::sync::Arc;

use askama::Template;
use tollgate_core::Result;

use super::audit;
use crate::answer::Answer;
use crate::frame::Frame;
use crate::visit::{Visit, no_such};
use crate::words;
use crate::works::{About, Came, Facts, Far, State};

#[derive(Template)]
#[template(path = "work.html")]
struct Page {
    frame: Frame,
    what: &'static str,
    on: String,
    /// Asks for itself again.
    is_running: bool,
    heading: &'static str,
    /// How many of how many, where that is counted.
    far: Option<(u64, u64)>,
    said: String,
    facts: Facts,
    failed: String,
    audit: String,
    /// What it did is in the audit log; a look at something leaves nothing there.
    leaves_entry: bool,
}

fn path(visit: &Visit) -> String {
    if visit.project.is_some() { visit.at("/works") } else { "/console/server/works".to_owned() }
}

/// Begins a work; the answer leads to its page.
pub(crate) fn begin<F>(visit: &Visit, about: About, doing: F) -> Result<Answer>
where
    F: Future<Output = Result<Facts>> + Send + 'static,
{
    let number = visit.house.works().begin(about, &visit.house.clock, doing)?;
    Ok(Answer::see(&format!("{}/{number}", path(visit))))
}

/// The same for one that says itself how far it is, and may find what is bad.
pub(crate) fn begin_telling<F>(visit: &Visit, about: About, far: Arc<Far>, doing: F) -> Result<Answer>
where
    F: Future<Output = Result<Came>> + Send + 'static,
{
    let number = visit.house.works().begin_telling(about, far, &visit.house.clock, doing)?;
    Ok(Answer::see(&format!("{}/{number}", path(visit))))
}

/// `GET …/works/:work`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let number = visit.param("work").parse().map_err(|_| no_such("work"))?;
    let now = visit.house.clock.monotonic();
    let whose = (visit.session.signed_in.operator, visit.project);
    let work = visit.house.works().find(number, whose, now).ok_or_else(|| no_such("work"))?;
    let state = work.state();
    let is_running = matches!(state, State::Running);
    let (heading, facts, failed) = match state {
        State::Running => ("At work", Vec::new(), String::new()),
        State::Done(facts) => ("Done", facts, String::new()),
        State::Alarm(heading, what) => (heading, Vec::new(), what),
        State::Failed(why) => ("It failed", Vec::new(), why),
    };
    // One at a time in a project: before its turn, what is counted may be another's.
    let counts = is_running && work.about.counts;
    let far = counts.then(|| visit.node().revoking(&visit.caller).ok().flatten()).flatten();
    let far = far.or(work.far.read().filter(|_| is_running));
    let said = match far {
        Some((done, of)) => format!("{} of {}", words::count(done), words::count(of)),
        None => format!("At work for {}", words::span(now.since(work.begun))),
    };
    let is_proof = work.about.what == audit::VERIFYING;
    let page = Page {
        frame: visit.frame(if is_proof { "audit" } else { "tokens" }),
        leaves_entry: !is_proof,
        audit: audit::path(visit),
        what: work.about.what,
        on: work.about.on.clone(),
        is_running,
        heading,
        far,
        said,
        facts,
        failed,
    };
    Answer::page(&page)
}
