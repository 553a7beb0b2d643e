//! The end of a run: what the runners said, a table of the suites, what was skipped and why, and one closing line.

use std::time::Duration;

use crate::run::Tally;

/// What became of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Result {
    Passed,
    Failed(String),
    Skipped(String),
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) result: Result,
    pub(crate) tally: Tally,
    /// The runners' own summary lines.
    pub(crate) summaries: Vec<String>,
    /// What was skipped within it.
    pub(crate) skips: Vec<String>,
}

impl Row {
    /// What counts: a failure or a skip of the whole is at least one, whatever was counted before it.
    fn counted(&self) -> Tally {
        let mut tally = self.tally;
        match self.result {
            Result::Passed => {}
            Result::Failed(_) => tally.failed = tally.failed.max(1),
            Result::Skipped(_) => tally.skipped = tally.skipped.max(1),
        }
        tally
    }
}

/// Prints the end of the run; true if nothing failed.
pub(crate) fn print(rows: &[Row], took: Duration) -> bool {
    let (text, good) = write(rows, took);
    print!("{text}");
    good
}

fn write(rows: &[Row], took: Duration) -> (String, bool) {
    let mut text = String::from("\n---- what the runners said ----\n");
    let mut sum = Tally::default();
    for row in rows {
        for line in &row.summaries {
            text += &format!("{:<12} {line}\n", row.name);
        }
        sum += row.counted();
    }
    text += "\n---- the suites ----\n";
    text += &format!("{:<12} {:>8}  {:>6} {:>6} {:>7}  result\n", "suite", "time", "passed", "failed", "skipped");
    for row in rows {
        let tally = row.counted();
        let result = match &row.result {
            Result::Passed => "passed".to_owned(),
            Result::Failed(why) => format!("FAILED: {why}"),
            Result::Skipped(why) => format!("SKIPPED: {why}"),
        };
        let seconds = format!("{:.1} s", row.took.as_secs_f64());
        text += &format!(
            "{:<12} {seconds:>8}  {:>6} {:>6} {:>7}  {result}\n",
            row.name, tally.passed, tally.failed, tally.skipped
        );
    }
    text += &format!("{:<12} {:>8}\n", "all", format!("{:.1} s", took.as_secs_f64()));
    let skips: Vec<String> = rows.iter().flat_map(skips).collect();
    if !skips.is_empty() {
        text += &format!("\n{}\nSKIPPED, so nothing is known about:\n", "!".repeat(72));
        skips.iter().for_each(|skip| text += &format!("  {skip}\n"));
        text += &format!("{}\n", "!".repeat(72));
    }
    text += &format!("\n{} passed, {} failed", sum.passed, sum.failed);
    if sum.skipped > 0 {
        text += &format!(", {} skipped", sum.skipped);
    }
    text.push('\n');
    (text, sum.failed == 0)
}

fn skips(row: &Row) -> Vec<String> {
    let whole = if let Result::Skipped(why) = &row.result { Some(format!("{}: {why}", row.name)) } else { None };
    let within = row.skips.iter().map(|why| format!("{}: {why}", row.name));
    whole.into_iter().chain(within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, result: Result, passed: u64, failed: u64) -> Row {
        let tally = Tally { passed, failed, skipped: 0 };
        Row { name, took: Duration::from_millis(1_500), result, tally, summaries: Vec::new(), skips: Vec::new() }
    }

    #[test]
    fn the_closing_line_stands_alone_and_tells_the_truth() {
        let failed = || Result::Failed("exit code 1".to_owned());
        let skipped = || Result::Skipped("no Node".to_owned());
        let cases = [
            (vec![row("unit", Result::Passed, 9, 0)], "9 passed, 0 failed", true),
            (
                vec![row("unit", Result::Passed, 9, 0), row("hop", skipped(), 0, 0)],
                "9 passed, 0 failed, 1 skipped",
                true,
            ),
            (vec![row("unit", failed(), 9, 0)], "9 passed, 1 failed", false),
            (vec![row("unit", failed(), 9, 3), row("hop", Result::Passed, 1, 0)], "10 passed, 3 failed", false),
        ];
        for (rows, last, good) in cases {
            let (text, is_good) = write(&rows, Duration::from_secs(3));
            assert_eq!((text.lines().last(), is_good), (Some(last), good), "{text}");
            assert_eq!(text.contains("SKIPPED, so"), rows.len() == 2 && good && last.contains("skipped"), "{text}");
        }
    }
}
