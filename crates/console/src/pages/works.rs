//! The page of a long work: how far it is, and what it came to. Leaving it does not stop the work.

use std::future::Future;

use askama::Template;
use tollgate_core::Result;

use crate::answer::Answer;
use crate::frame::Frame;
use crate::visit::{Visit, no_such};
use crate::words;
use crate::works::{About, Facts, State};

#[derive(Template)]
#[template(path = "work.html")]
struct Page {
    frame: Frame,
    what: &'static str,
    on: String,
    /// Asks for itself again.
    is_running: bool,
    /// How many of how many, where that is counted.
    far: Option<(u64, u64)>,
    said: String,
    facts: Facts,
    failed: String,
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

/// `GET …/works/:work`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let number = visit.param("work").parse().map_err(|_| no_such("work"))?;
    let now = visit.house.clock.monotonic();
    let whose = (visit.session.signed_in.operator, visit.project);
    let work = visit.house.works().find(number, whose, now).ok_or_else(|| no_such("work"))?;
    let (facts, failed, is_running) = match work.state() {
        State::Running => (Vec::new(), String::new(), true),
        State::Done(facts) => (facts, String::new(), false),
        State::Failed(why) => (Vec::new(), why, false),
    };
    // One at a time in a project: before its turn, what is counted may be another's.
    let counts = is_running && work.about.counts;
    let far = counts.then(|| visit.node().revoking(&visit.caller).ok().flatten()).flatten();
    let said = match far {
        Some((done, of)) => format!("{} of {}", words::count(done), words::count(of)),
        None => format!("At work for {}", words::span(now.since(work.begun))),
    };
    let page = Page {
        frame: visit.frame("tokens"),
        what: work.about.what,
        on: work.about.on.clone(),
        is_running,
        far,
        said,
        facts,
        failed,
    };
    Answer::page(&page)
}
