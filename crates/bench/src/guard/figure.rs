//! A guarded figure: what it is called, which way is worse, what was recorded of it, and the verdict. Measures nothing.
use crate::failure::{Doing, Outcome, cannot};
use crate::kernel;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Which way a figure gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// One guarded figure.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Its name in the record.
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    /// What it is shown in: the value times this, with so many digits and this unit.
    pub(crate) shown: (f64, usize, &'static str),
    pub(crate) better: Better,
}

impl Figure {
    fn show(&self, value: f64) -> String {
        let (factor, digits, unit) = self.shown;
        format!("{:.digits$}{unit}", value * factor)
    }

    /// By which part of the recorded value it is worse now; negative where it is better.
    fn fall(&self, recorded: f64, measured: f64) -> f64 {
        let growth = measured / recorded - 1.0;
        match self.better {
            Better::More => -growth,
            Better::Less => growth,
        }
    }
}

/// What a figure came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    Held,
    /// Better by more than the margin: what is recorded no longer guards it.
    Better,
    Worse,
    /// Nothing is recorded to compare it with.
    Unrecorded,
}

impl Verdict {
    /// By what was recorded and how much worse a figure may be than that: 0.2 is a fifth.
    fn of(figure: &Figure, recorded: Option<f64>, measured: f64, margin: f64) -> Verdict {
        let Some(recorded) = recorded else { return Verdict::Unrecorded };
        match figure.fall(recorded, measured) {
            fall if fall < -margin => Verdict::Better,
            fall if fall <= margin => Verdict::Held,
            // Also what is not a number.
            _ => Verdict::Worse,
        }
    }
}

/// The part of the record in which a kind of figures is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// The command that records it anew.
    pub(crate) command: &'static str,
}

/// Everything measured of one kind, beside what is recorded of it.
#[derive(Debug)]
pub(crate) struct Comparison {
    section: Section,
    margin: f64,
    lines: Vec<(&'static Figure, Option<f64>, f64)>,
}

impl Comparison {
    /// Compares with the record in this file.
    ///
    /// # Errors
    /// A file that is not there or not JSON.
    pub(crate) fn with(
        file: &Path,
        section: Section,
        margin: f64,
        measured: &[(&'static Figure, f64)],
    ) -> Outcome<Comparison> {
        let record = read(file)?;
        let recorded = |figure: &Figure| record[section.name]["figures"][figure.key].as_f64();
        let lines = measured.iter().map(|(figure, value)| (*figure, recorded(figure), *value)).collect();
        Ok(Comparison { section, margin, lines })
    }

    /// A line for each figure.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| figure | what | recorded | measured | verdict |\n|---|---|---|---|---|\n");
        for (figure, recorded, measured) in &self.lines {
            let verdict = match Verdict::of(figure, *recorded, *measured, self.margin) {
                Verdict::Held => "held",
                Verdict::Better => "better",
                Verdict::Worse => "**WORSE**",
                Verdict::Unrecorded => "**not recorded**",
            };
            let before = recorded.map_or_else(|| "–".to_owned(), |value| figure.show(value));
            let now = figure.show(*measured);
            text += &format!("| {} | {} | {before} | {now} | {verdict} |\n", figure.key, figure.what);
        }
        text
    }

    /// A sentence for each figure that did not hold.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |(figure, recorded, measured): &(&'static Figure, Option<f64>, f64)| {
            let Figure { key, what, .. } = figure;
            match (Verdict::of(figure, *recorded, *measured, self.margin), recorded) {
                (Verdict::Worse, Some(recorded)) => Some(format!(
                    "{key} fell: {what} is {}, recorded is {}. That is {:.0} % worse; {:.0} % are allowed.",
                    figure.show(*measured),
                    figure.show(*recorded),
                    figure.fall(*recorded, *measured) * 100.0,
                    self.margin * 100.0
                )),
                (Verdict::Unrecorded, _) | (Verdict::Worse, None) => {
                    Some(format!("{key} has nothing to be compared with: record it with `{}`.", self.section.command))
                }
                (Verdict::Held | Verdict::Better, _) => None,
            }
        };
        self.lines.iter().filter_map(complaint).collect()
    }

    /// Names those that are better by more than the margin, if any.
    pub(crate) fn advice(&self) -> Option<String> {
        let better = self.lines.iter().filter(|(figure, recorded, measured)| {
            Verdict::of(figure, *recorded, *measured, self.margin) == Verdict::Better
        });
        let names: Vec<&str> = better.map(|(figure, ..)| figure.key).collect();
        (!names.is_empty()).then(|| {
            format!(
                "{} got so much better that the record no longer guards it: {}",
                names.join(", "),
                self.section.command
            )
        })
    }
}

fn read(file: &Path) -> Outcome<Value> {
    let Ok(text) = fs::read_to_string(file) else {
        return cannot(format!(
            "there is no record at {}: run it in the repository's root, or name the file with --recorded",
            file.display()
        ));
    };
    match serde_json::from_str(&text) {
        Ok(record) => Ok(record),
        Err(error) => cannot(format!("the record at {} is not JSON: {error}", file.display())),
    }
}

/// Puts these figures into the record in place of the section's earlier ones, and leaves all others there. Makes a record that is missing.
///
/// # Errors
/// A file that cannot be written, or that is something else than a record.
pub(crate) fn write(file: &Path, section: Section, measured: &[(&'static Figure, f64)]) -> Outcome<()> {
    let mut record = if file.exists() { read(file)? } else { json!({}) };
    if !record.is_object() {
        return cannot(format!("{} is no record", file.display()));
    }
    // Four digits that count: more would only change from run to run.
    let rounded = |value: f64| format!("{value:.3e}").parse::<f64>().unwrap_or(value);
    let figures: serde_json::Map<String, Value> =
        measured.iter().map(|(figure, value)| (figure.key.to_owned(), json!(rounded(*value)))).collect();
    record[section.name] = json!({
        "date": kernel::today(),
        "version": env!("CARGO_PKG_VERSION"),
        "machine": kernel::machine(),
        "figures": figures,
    });
    fs::write(file, format!("{record:#}\n")).doing("write the record")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    static RATE: Figure =
        Figure { key: "rate", what: "deliveries", shown: (100.0, 0, " % of the floor"), better: Better::More };
    static COST: Figure = Figure { key: "cost", what: "a connection", shown: (1.0, 2, " ×"), better: Better::Less };
    const SECTION: Section = Section { name: "some", command: "measure --record" };

    #[test]
    fn a_figure_is_worse_beyond_the_margin_in_its_own_direction() {
        let cases = [
            (&RATE, 0.79, Verdict::Worse),
            (&RATE, 0.81, Verdict::Held),
            (&RATE, 1.19, Verdict::Held),
            (&RATE, 1.21, Verdict::Better),
            (&COST, 1.21, Verdict::Worse),
            (&COST, 1.19, Verdict::Held),
            (&COST, 0.81, Verdict::Held),
            (&COST, 0.79, Verdict::Better),
            (&COST, f64::NAN, Verdict::Worse),
            (&RATE, f64::NAN, Verdict::Worse),
        ];
        for (figure, measured, verdict) in cases {
            assert_eq!(Verdict::of(figure, Some(1.0), measured, 0.2), verdict, "{} {measured}", figure.key);
        }
        assert_eq!(Verdict::of(&RATE, None, 1.0, 0.2), Verdict::Unrecorded);
        assert_eq!(Verdict::of(&RATE, Some(1.0), 0.45, 0.6), Verdict::Held);
    }

    #[test]
    fn what_is_recorded_is_compared_and_other_sections_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guard.json");
        let other = Section { name: "other", ..SECTION };
        write(&file, other, &[(&RATE, 5.0)]).unwrap();
        write(&file, SECTION, &[(&RATE, 0.1)]).unwrap();
        write(&file, SECTION, &[(&RATE, 0.876_54)]).unwrap();
        let record: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(
            (&record["other"]["figures"]["rate"], &record["some"]["figures"]["rate"]),
            (&json!(5.0), &json!(0.8765))
        );
        let compared = Comparison::with(&file, SECTION, 0.2, &[(&RATE, 0.5), (&COST, 2.0)]).unwrap();
        assert_eq!(
            compared.complaints(),
            [
                "rate fell: deliveries is 50 % of the floor, recorded is 88 % of the floor. That is 43 % worse; 20 % are allowed.",
                "cost has nothing to be compared with: record it with `measure --record`.",
            ]
        );
        assert!(compared.table().contains("| rate | deliveries | 88 % of the floor | 50 % of the floor | **WORSE** |"));
        assert_eq!(compared.advice(), None);
        let better = Comparison::with(&file, SECTION, 0.2, &[(&RATE, 2.0)]).unwrap();
        assert!(better.complaints().is_empty() && better.advice().unwrap().contains("rate got so much better"));
    }

    #[test]
    fn without_a_record_nothing_is_compared() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guard.json");
        let refused = Comparison::with(&file, SECTION, 0.2, &[]).unwrap_err().to_string();
        assert!(refused.contains("there is no record") && refused.contains("--recorded"), "{refused}");
        fs::write(&file, "not JSON").unwrap();
        assert!(write(&file, SECTION, &[(&RATE, 1.0)]).is_err(), "what somebody wrote there is left alone");
        assert_eq!(fs::read_to_string(&file).unwrap(), "not JSON");
    }
}
