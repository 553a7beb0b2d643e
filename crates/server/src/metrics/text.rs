//! The text format of Prometheus, version 0.0.4 (source: prometheus.io, "Exposition formats"): families one after another, each with what it
//! is and its samples. What there is to tell is the table's.

use std::fmt::Write as _;

use tollgate_core::histogram::{BOUNDS_US, Observed};

use super::Reading;
use super::table::{Family, Read, families};

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Takes the samples of one family.
pub(super) struct Samples<'a> {
    family: &'a Family,
    out: String,
}

/// Everything, as text.
pub(super) fn render(reading: &Reading<'_>) -> String {
    let mut text = String::with_capacity(64 * 1024);
    for family in families() {
        let mut samples = Samples { family, out: String::new() };
        match family.read {
            Read::One(read) => samples.one(read(reading)),
            Read::Some(read) => {
                if let Some(value) = read(reading) {
                    samples.one(value);
                }
            }
            Read::Each(_, read) => read(reading, &mut samples),
        }
        if samples.out.is_empty() {
            continue;
        }
        let Family { name, kind, help, .. } = family;
        let _infallible = write!(text, "# HELP {name} {help}\n# TYPE {name} {}\n{}", kind.word(), samples.out);
    }
    text
}

impl Samples<'_> {
    fn one(&mut self, value: f64) {
        self.sample("", &[], value);
    }

    /// A sample with these values of the family's labels.
    pub(super) fn with(&mut self, values: &[&str], value: f64) {
        let labels: Vec<(&str, &str)> = self.labels(values);
        self.sample("", &labels, value);
    }

    /// A histogram with these values of the family's labels.
    pub(super) fn observed(&mut self, values: &[&str], observed: &Observed) {
        let labels = self.labels(values);
        let mut count = 0;
        for (at, bucket) in observed.buckets.iter().enumerate() {
            count += bucket;
            let bound = BOUNDS_US.get(at).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us).to_string());
            let mut labels = labels.clone();
            labels.push(("le", &bound));
            self.sample("_bucket", &labels, number(count));
        }
        self.sample("_sum", &labels, seconds(observed.sum_us));
        self.sample("_count", &labels, number(count));
    }

    fn labels<'v>(&self, values: &[&'v str]) -> Vec<(&'static str, &'v str)> {
        let Read::Each(names, _) = self.family.read else { return Vec::new() };
        debug_assert_eq!(names.len(), values.len(), "{}", self.family.name);
        names.iter().copied().zip(values.iter().copied()).collect()
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let _infallible = write!(self.out, "{}{suffix}", self.family.name);
        for (place, (name, value)) in labels.iter().enumerate() {
            let begin = if place == 0 { '{' } else { ',' };
            let _infallible = write!(self.out, "{begin}{name}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _infallible = writeln!(self.out, "{end} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A count, as the format has it: all numbers are doubles there.
#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

/// Microseconds as seconds.
pub(super) fn seconds(us: u64) -> f64 {
    number(us) / 1e6
}
