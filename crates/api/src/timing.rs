//! How often each route was asked for, with what outcome, and how long the answers took. Bounded by the table of routes: nothing of a path,
//! a caller or a body is in it.

use http::StatusCode;
use tollgate_core::counter::Counter;
use tollgate_core::histogram::{Histogram, Observed};

use crate::routes::Route;

/// Classes of statuses: 1xx to 5xx.
pub const STATUS_CLASSES: usize = 5;

#[derive(Debug, Default)]
struct Row {
    answers: [Counter; STATUS_CLASSES],
    times: Histogram,
}

/// The counts of all routes.
#[derive(Debug)]
pub(crate) struct Timing {
    routes: &'static [Route],
    /// One for each route, and one for what no route fits.
    rows: Vec<Row>,
}

/// What is told of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteFigures {
    /// `GET` and so on; empty for what no route fits.
    pub method: &'static str,
    /// As in the table of routes, such as `/v2/channels/:channel`; `none` for what no route fits.
    pub route: &'static str,
    /// Answers, by the first digit of their status: 1xx to 5xx.
    pub answers: [u64; STATUS_CLASSES],
    /// From the head of the request to the head of the answer.
    pub times: Observed,
}

impl Timing {
    pub(crate) fn new(routes: &'static [Route]) -> Self {
        Self { routes, rows: (0..=routes.len()).map(|_| Row::default()).collect() }
    }

    /// Counts an answer of this route, or of none.
    pub(crate) fn note(&self, route: Option<&'static Route>, status: StatusCode, took_us: u64) {
        let place = route.map_or(self.routes.len(), |route| {
            let first = self.routes.as_ptr().addr();
            (std::ptr::from_ref(route).addr().wrapping_sub(first) / size_of::<Route>()).min(self.routes.len())
        });
        let row = &self.rows[place];
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES) - 1;
        row.answers[class].one();
        row.times.observe(took_us);
    }

    /// Every route that was asked for.
    pub(crate) fn read(&self) -> Vec<RouteFigures> {
        let named = self.routes.iter().map(|route| (route.method.as_str(), route.template)).chain([("", "none")]);
        let all = named.zip(&self.rows).map(|((method, route), row)| RouteFigures {
            method,
            route,
            answers: std::array::from_fn(|class| row.answers[class].get()),
            times: row.times.read(),
        });
        all.filter(|figures| figures.answers.iter().any(|count| *count > 0)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::routes::ROUTES;

    #[test]
    fn each_route_counts_in_its_own_row() {
        let timing = Timing::new(ROUTES);
        assert_eq!(timing.read(), []);
        for (place, route) in ROUTES.iter().enumerate() {
            timing.note(Some(route), StatusCode::OK, 200);
            let read = timing.read();
            assert_eq!(read.len(), place + 1);
            let last = read.last().unwrap();
            assert_eq!(
                (last.method, last.route, last.answers),
                (route.method.as_str(), route.template, [0, 1, 0, 0, 0])
            );
        }
        timing.note(None, StatusCode::NOT_FOUND, 50);
        let none = timing.read().pop().unwrap();
        assert_eq!((none.route, none.answers, none.times.count(), none.times.sum_us), ("none", [0, 0, 0, 1, 0], 1, 50));
    }
}
