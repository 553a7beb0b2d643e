//! How the whole server does, live: the part of the overview that is not of one project. Asked for every two seconds, so it is a page of its own,
//! too, with nothing else in it.

use askama::Template;
use tollgate_core::Result;

use crate::answer::Answer;
use crate::plot::{self, Curve};
use crate::surroundings::{Condition, Part, Pulse, Stretch};
use crate::visit::Visit;
use crate::words;

/// The part itself: `live/pulse.html` calls it `pulse`.
pub(crate) struct Shown {
    pub(super) figures: Vec<Figure>,
    pub(super) came: Curve,
    pub(super) delivered: Curve,
    pub(super) messages_told: String,
    pub(super) minutes: u64,
    pub(super) is_known: bool,
    pub(super) health: Vec<Health>,
}

pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) unit: &'static str,
    pub(super) curve: Curve,
    pub(super) look: &'static str,
    pub(super) told: String,
}

pub(super) struct Health {
    pub(super) name: &'static str,
    pub(super) look: &'static str,
    pub(super) word: &'static str,
    pub(super) said: String,
}

#[derive(Template)]
#[template(path = "live/pulse_alone.html")]
struct Page {
    pulse: Shown,
}

/// `GET /console/server/pulse`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    visit.node().may_see_server(&visit.caller)?;
    Answer::page(&Page { pulse: shown(visit).await })
}

/// The same for a page of a project: nothing for those who may not see the whole server.
pub(crate) async fn of_server(visit: &Visit) -> Option<Shown> {
    let (caller, ..) = visit.node().caller_of(visit.session.signed_in, None)?;
    visit.node().may_see_server(&caller).ok()?;
    Some(shown(visit).await)
}

async fn shown(visit: &Visit) -> Shown {
    let surroundings = &visit.house.surroundings;
    let (pulse, health) = (surroundings.pulse(), surroundings.health().await);
    let (came, delivered) = (rates(&pulse, |one| one.messages_in), rates(&pulse, |one| one.deliveries));
    let top = came.iter().chain(&delivered).flatten().copied().max().unwrap_or(0);
    let most = |values: &[Option<u64>]| values.iter().flatten().copied().max().map_or("nothing known".to_owned(), rate);
    Shown {
        figures: figures(&pulse),
        messages_told: format!(
            "Messages a second over the last {} minutes: at most {} in, at most {} delivered",
            minutes(&pulse),
            most(&came),
            most(&delivered)
        ),
        came: plot::curve_of_known(&came, 600, 190, top),
        delivered: plot::curve_of_known(&delivered, 600, 190, top),
        minutes: minutes(&pulse),
        is_known: pulse.now.is_some(),
        health: health.into_iter().map(part).collect(),
    }
}

fn minutes(pulse: &Pulse) -> u64 {
    pulse.stretches.len() as u64 * pulse.stretch_ms / 60_000
}

/// One value for each stretch.
fn each(pulse: &Pulse, of: impl Fn(&Stretch) -> Option<u64>) -> Vec<Option<u64>> {
    pulse.stretches.iter().map(|one| one.as_ref().and_then(&of)).collect()
}

/// In thousandths a second.
fn rates(pulse: &Pulse, of: fn(&Stretch) -> u64) -> Vec<Option<u64>> {
    each(pulse, |one| Some(one.per_thousand_seconds(of(one))))
}

fn figures(pulse: &Pulse) -> Vec<Figure> {
    let now = |of: &dyn Fn(&Stretch) -> Option<String>| pulse.now.as_ref().and_then(of);
    let counts = |name, unit, of: fn(&Stretch) -> u64, least, look| {
        let values = each(pulse, |one| Some(of(one)));
        figure(
            name,
            (now(&|one| Some(words::count(of(one)))), unit),
            (&values, |count| words::count(count)),
            (least, look),
        )
    };
    let rates = |name, of: fn(&Stretch) -> u64, look| {
        let value = now(&|one| Some(rate(one.per_thousand_seconds(of(one)))));
        figure(name, (value, "a second"), (&rates(pulse, of), rate), (1_000, look))
    };
    let spans = |name, unit, of: fn(&Stretch) -> Option<u64>| {
        // A plot that reached up to what was longer than is measured would show nothing else.
        let values = each(pulse, |one| of(one).map(|us| us.min(LONGEST_US)));
        figure(name, (now(&|one| of(one).map(span_us)), unit), (&values, span_us), (1_000, ""))
    };
    vec![
        counts("Live connections", "", |one| one.connections, 4, ""),
        rates("Messages in", |one| one.messages_in, ""),
        rates("Messages delivered", |one| one.deliveries, ""),
        rates("Refused", |one| one.refusals, "bad"),
        spans("Delivery takes up to", "99 of 100", |one| one.delivery_p99_us),
        spans("Half of it up to", "", |one| one.delivery_p50_us),
        spans("Commits take up to", "99 of 100", |one| one.commit_p99_us),
        counts("Webhooks waiting", "messages", |one| one.webhooks_waiting, 4, ""),
    ]
}

/// Longer durations are drawn as this.
const LONGEST_US: u64 = 10_000_000;

/// How people read a number.
type Say = fn(u64) -> String;

/// A figure of what is now, with its curve and a sentence for who does not see that.
fn figure(
    name: &'static str,
    (now, unit): (Option<String>, &'static str),
    (values, say): (&[Option<u64>], Say),
    (least, look): (u64, &'static str),
) -> Figure {
    let known = || values.iter().flatten().copied();
    let told = match (known().min(), known().max()) {
        (Some(min), Some(max)) => format!("{name}: between {} and {} so far", say(min), say(max)),
        _ => format!("{name}: nothing yet"),
    };
    let (value, unit) = now.map_or(("–".to_owned(), "nothing yet"), |value| (value, unit));
    Figure { name, value, unit, curve: plot::curve_of_known(values, 200, 44, least), look, told }
}

/// Thousandths a second, as people read them.
fn rate(thousandths: u64) -> String {
    match thousandths {
        0 => "0".to_owned(),
        1..10_000 => format!("{}.{:02}", thousandths / 1_000, thousandths % 1_000 / 10),
        10_000..100_000 => format!("{}.{}", thousandths / 1_000, thousandths % 1_000 / 100),
        _ => words::count(thousandths / 1_000),
    }
}

fn span_us(us: u64) -> String {
    match us {
        u64::MAX => "over 10 s".to_owned(),
        0..1_000 => format!("0.{:02} ms", us / 10),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => words::span(us / 1_000),
    }
}

fn part(part: Part) -> Health {
    let (look, word) = match part.condition {
        Condition::Good => ("good", "Works"),
        Condition::Strained => ("warn", "Look at it"),
        Condition::Failing => ("bad", "Fails"),
    };
    Health { name: part.name, look, word, said: part.said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_spans_are_said_as_people_read_them() {
        for (thousandths, said) in
            [(0, "0"), (100, "0.10"), (1_500, "1.50"), (12_340, "12.3"), (123_456, "123"), (1_234_567_000, "1,234,567")]
        {
            assert_eq!(rate(thousandths), said);
        }
        for (us, said) in [
            (100, "0.10 ms"),
            (1_000, "1.0 ms"),
            (2_500, "2.5 ms"),
            (25_000, "25 ms"),
            (2_500_000, "2 s"),
            (u64::MAX, "over 10 s"),
        ] {
            assert_eq!(span_us(us), said);
        }
    }

    #[test]
    fn what_is_not_known_yet_is_not_said_to_be_zero() {
        let nothing = Pulse { now: None, stretches: vec![None; 180], stretch_ms: 5_000 };
        assert_eq!(minutes(&nothing), 15);
        let shown = figures(&nothing);
        assert!(shown.iter().all(|one| one.value == "–" && one.unit == "nothing yet" && one.curve == Curve::default()));
        // Known, and nothing was delivered: the rates are zero, the durations are not known.
        let idle = Stretch { ms: 10_000, connections: 3, ..Stretch::default() };
        let shown = figures(&Pulse { now: Some(idle), stretches: vec![None, Some(idle)], stretch_ms: 5_000 });
        let values: Vec<&str> = shown.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(values, ["3", "0", "0", "0", "–", "–", "–", "0"]);
        assert_eq!(shown[0].told, "Live connections: between 3 and 3 so far");
    }
}
