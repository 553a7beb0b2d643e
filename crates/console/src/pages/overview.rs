//! The first page: how the server does, what went on in the project, what to look at, and what to do first.

use askama::Template;
use tollgate_core::Result;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::store::AuditQuery;
use tollgate_core::records::UsageBucket;
use tollgate_node::TokenFilter;

use super::pulse;
use crate::answer::Answer;
use crate::frame::Frame;
use crate::plot::{self, Curve};
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};

const MINUTE_MS: u64 = 60_000;
/// How far back the page looks, in minutes.
const MINUTES: u64 = 60;
/// Codes of refusals that are shown.
const CODES_MAX: usize = 8;
/// Tokens and channels that are looked at for the first steps: whoever has more has taken them.
const LOOKS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    figures: Vec<Figure>,
    delivered: Curve,
    came: Curve,
    told: String,
    refusals: Vec<Refusals>,
    alerts: Vec<Alert>,
    pulse: Option<pulse::Shown>,
    latest: Vec<Entry>,
    steps: Vec<Step>,
}

struct Figure {
    name: &'static str,
    value: String,
    curve: Curve,
    look: &'static str,
}

struct Refusals {
    code: String,
    times: String,
    last: Moment,
}

struct Alert {
    detail: String,
    since: Moment,
}

struct Entry {
    actor: String,
    action: String,
    subject: String,
    at: Moment,
}

struct Step {
    number: usize,
    is_done: bool,
    title: &'static str,
    hint: &'static str,
    path: String,
    label: &'static str,
}

/// `GET /console`: the overview of the first project.
pub(crate) async fn begin(visit: &Visit) -> Result<Answer> {
    if visit.frame.base.is_empty() {
        return Err(no_such("project yet: make one with `tollgate project create`"));
    }
    Ok(Answer::see(&visit.at("/")))
}

/// `GET /console/p/:project`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let now = visit.now();
    let from = UnixMillis(now.0.saturating_sub(MINUTES * MINUTE_MS));
    let minutes = visit.node().project_usage(&visit.caller, (from, now.plus(1)), true)?;
    let series = |of: fn(&UsageBucket) -> u64| in_minutes(&minutes, now, of);
    let (came, delivered) = (series(|one| one.messages_in), series(|one| one.messages_out));
    let (opened, refused) =
        (series(|one| one.connections), series(|one| one.refusals.iter().map(|(_, times)| times).sum()));
    let figure = |name, values: &[u64], look| Figure {
        name,
        value: words::count(values.iter().sum::<u64>()),
        curve: plot::curve(values, 200, 44, 4),
        look,
    };
    let top = delivered.iter().chain(&came).copied().max().unwrap_or(0);
    let page = Overview {
        frame: visit.frame("overview"),
        figures: vec![
            figure("Connections opened", &opened, ""),
            figure("Messages in", &came, ""),
            figure("Messages delivered", &delivered, ""),
            figure("Refused", &refused, "bad"),
        ],
        delivered: plot::curve(&delivered, 600, 190, top),
        came: plot::curve(&came, 600, 190, top),
        told: format!("Messages each minute over the last hour: at most {} in one", words::count(top)),
        refusals: refusals(&minutes, now),
        alerts: alerts(visit)?,
        pulse: pulse::of_server(visit).await,
        latest: latest(visit).await?,
        steps: steps(visit)?,
    };
    Answer::page(&page)
}

/// A value for each of the last minutes; those in which nothing happened are left out of what is kept.
fn in_minutes(minutes: &[UsageBucket], now: UnixMillis, of: fn(&UsageBucket) -> u64) -> Vec<u64> {
    let first = now.0 / MINUTE_MS + 1 - MINUTES;
    let mut values = vec![0; MINUTES as usize];
    for bucket in minutes {
        let place = (bucket.at.0 / MINUTE_MS).checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(value) = place.and_then(|place| values.get_mut(place)) {
            *value += of(bucket);
        }
    }
    values
}

fn refusals(minutes: &[UsageBucket], now: UnixMillis) -> Vec<Refusals> {
    let mut by_code: Vec<(&str, u64, UnixMillis)> = Vec::new();
    for (at, (code, times)) in minutes.iter().flat_map(|one| one.refusals.iter().map(move |pair| (one.at, pair))) {
        match by_code.iter_mut().find(|(one, ..)| one == code) {
            Some((_, sum, last)) => (*sum, *last) = (*sum + times, at),
            None => by_code.push((code, *times, at)),
        }
    }
    by_code.sort_by_key(|(_, times, _)| std::cmp::Reverse(*times));
    let shown = by_code.into_iter().take(CODES_MAX);
    shown
        .map(|(code, times, at)| Refusals {
            code: code.to_owned(),
            times: words::count(times),
            last: words::moment(at, now),
        })
        .collect()
}

fn alerts(visit: &Visit) -> Result<Vec<Alert>> {
    let held = visit.node().alerts(&visit.caller)?.into_iter().filter(|alert| alert.record.cleared_at.is_none());
    let show = |record: tollgate_core::records::AlertRecord| Alert {
        since: words::moment(record.raised_at, visit.now()),
        detail: record.detail,
    };
    Ok(held.map(|alert| show(alert.record)).collect())
}

async fn latest(visit: &Visit) -> Result<Vec<Entry>> {
    let query = AuditQuery { newest_first: true, limit: 6, ..AuditQuery::default() };
    let entries = visit.node().audit(&visit.caller, query).await?;
    let show = |draft: tollgate_core::audit::AuditDraft| Entry {
        at: words::moment(draft.at, visit.now()),
        actor: words::cut(&draft.actor, 32),
        subject: words::cut(&draft.subject, 48),
        action: draft.action,
    };
    Ok(entries.into_iter().map(|entry| show(entry.draft)).collect())
}

/// The first steps, ticked by what is, never by clicks. Nothing once they are all taken.
fn steps(visit: &Visit) -> Result<Vec<Step>> {
    let (node, caller) = (visit.node(), &visit.caller);
    let channels = node.channel_page(caller, None, LOOKS_MAX)?;
    let tokens = node.token_page(caller, &TokenFilter::default(), None, LOOKS_MAX)?.tokens;
    let online = tokens.iter().any(|token| token.connections > 0);
    let seen = online || tokens.iter().any(|token| token.last_seen_at.is_some());
    let edited = channels.iter().any(|channel| channel.version > 1);
    let channel = channels.first().map(|one| format!("/channels/{}", words::path(one.id.as_str())));
    let token = tokens.first().map(|one| format!("/tokens/{}", one.id));
    let table = [
        (
            !channels.is_empty(),
            "Make a channel",
            "A named place that messages go.",
            Some("/channels/new".to_owned()),
            "New channel",
        ),
        (
            !tokens.is_empty(),
            "Make a token and paste its page in a browser",
            "One for each person or device.",
            Some("/tokens/new".to_owned()),
            "New token",
        ),
        (
            seen,
            "See the client come online",
            "Open the page that you pasted; this step ticks itself.",
            token,
            "Show the token",
        ),
        (
            edited,
            "Edit the channel’s state and watch it arrive",
            "Every subscriber gets it, as soon as it is durable.",
            channel,
            "Open the channel",
        ),
    ];
    if table.iter().all(|(is_done, ..)| *is_done) {
        return Ok(Vec::new());
    }
    let step = |(number, (is_done, title, hint, path, label)): (usize, (bool, _, _, Option<String>, _))| Step {
        number,
        is_done,
        title,
        hint,
        path: path.filter(|_| !is_done).map(|path| visit.at(&path)).unwrap_or_default(),
        label,
    };
    Ok((1..).zip(table).map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_minutes_are_zeros() {
        let now = UnixMillis(100 * MINUTE_MS + 5);
        let bucket = |minute, messages_in| UsageBucket {
            at: UnixMillis(minute * MINUTE_MS),
            messages_in,
            ..UsageBucket::default()
        };
        let values = in_minutes(&[bucket(40, 9), bucket(41, 7), bucket(100, 3)], now, |one| one.messages_in);
        assert_eq!((values.len(), values[0], values[59], values.iter().sum::<u64>()), (60, 7, 3, 10));
    }
}
