//! What the console counts of itself: how often each page was asked for, with what outcome, how long it took, and what became of sign-ins.
//! Bounded by the table of routes: nothing of a path, an operator or a form is in it.

use http::StatusCode;
use tollgate_core::ErrorKind;
use tollgate_core::counter::Counter;
use tollgate_core::histogram::{Histogram, Observed};

use crate::routes::{ROUTES, Route};

/// Classes of statuses: 1xx to 5xx.
const STATUS_CLASSES: usize = 5;

/// What the console tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsoleFigures {
    /// Every route that was asked for.
    pub pages: Vec<PageFigures>,
    /// Sessions that have not ended.
    pub sessions: usize,
    /// What became of names and passwords: `accepted`, `refused`, `limited` (too many had been wrong), `failed`.
    pub sign_ins: [(&'static str, u64); 4],
}

/// What is told of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFigures {
    /// `GET` or `POST`; empty for what no route fits.
    pub method: &'static str,
    /// As in the table of routes; `none` for what no route fits, the console's own files too.
    pub route: &'static str,
    /// Answers, by the first digit of their status: 1xx to 5xx.
    pub answers: [u64; STATUS_CLASSES],
    /// From the head of the request to the whole answer.
    pub times: Observed,
}

#[derive(Debug, Default)]
struct Row {
    answers: [Counter; STATUS_CLASSES],
    times: Histogram,
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Figures {
    /// One for each route, and one for what no route fits.
    rows: Vec<Row>,
    accepted: Counter,
    refused: Counter,
    limited: Counter,
    failed: Counter,
}

impl Figures {
    pub(crate) fn new() -> Self {
        let [accepted, refused, limited, failed] = std::array::from_fn(|_| Counter::default());
        Self { rows: (0..=ROUTES.len()).map(|_| Row::default()).collect(), accepted, refused, limited, failed }
    }

    /// Counts an answer of this route, or of none.
    pub(crate) fn note(&self, route: Option<&'static Route>, status: StatusCode, took_us: u64) {
        let same = |one: &Route| route.is_some_and(|route| std::ptr::eq(route, one));
        let row = &self.rows[ROUTES.iter().position(same).unwrap_or(ROUTES.len())];
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES) - 1;
        row.answers[class].one();
        row.times.observe(took_us);
    }

    /// Counts what became of a name and a password.
    pub(crate) fn sign_in(&self, outcome: Result<(), ErrorKind>) {
        match outcome {
            Ok(()) => &self.accepted,
            Err(ErrorKind::InvalidAuth) => &self.refused,
            Err(ErrorKind::RateLimited) => &self.limited,
            Err(_) => &self.failed,
        }
        .one();
    }

    pub(crate) fn read(&self, sessions: usize) -> ConsoleFigures {
        let named = ROUTES.iter().map(|route| (route.method.as_str(), route.template)).chain([("", "none")]);
        let all = named.zip(&self.rows).map(|((method, route), row)| PageFigures {
            method,
            route,
            answers: std::array::from_fn(|class| row.answers[class].get()),
            times: row.times.read(),
        });
        ConsoleFigures {
            pages: all.filter(|page| page.answers.iter().any(|count| *count > 0)).collect(),
            sessions,
            sign_ins: [
                ("accepted", self.accepted.get()),
                ("refused", self.refused.get()),
                ("limited", self.limited.get()),
                ("failed", self.failed.get()),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_route_counts_in_its_own_row() {
        let figures = Figures::new();
        assert_eq!(figures.read(0).pages, []);
        for (place, route) in ROUTES.iter().enumerate() {
            figures.note(Some(route), StatusCode::OK, 200);
            let pages = figures.read(0).pages;
            assert_eq!(pages.len(), place + 1);
            let last = pages.last().unwrap();
            let expected = (route.method.as_str(), route.template, [0, 1, 0, 0, 0]);
            assert_eq!((last.method, last.route, last.answers), expected);
        }
        figures.note(None, StatusCode::NOT_FOUND, 50);
        let none = figures.read(0).pages.pop().unwrap();
        assert_eq!((none.route, none.answers, none.times.count(), none.times.sum_us), ("none", [0, 0, 0, 1, 0], 1, 50));
    }

    #[test]
    fn sign_ins_count_by_what_became_of_them() {
        let figures = Figures::new();
        for outcome in [Ok(()), Err(ErrorKind::InvalidAuth), Err(ErrorKind::InvalidAuth), Err(ErrorKind::RateLimited)] {
            figures.sign_in(outcome);
        }
        figures.sign_in(Err(ErrorKind::Unavailable));
        assert_eq!(figures.read(3).sign_ins, [("accepted", 1), ("refused", 2), ("limited", 1), ("failed", 1)]);
    }
}
