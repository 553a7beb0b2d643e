//! Counting tests by what their own runners say: libtest, Node's test runner, and our scripts' `N passed, N failed`.

use std::ops::AddAssign;

/// How many tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Tally {
    /// One thing that is good or not.
    pub(crate) fn one(good: bool) -> Self {
        Self { passed: u64::from(good), failed: u64::from(!good), skipped: 0 }
    }

    /// The sum of all summary lines, and those lines. Nothing if there is none.
    pub(crate) fn read(said: &str) -> Option<(Self, Vec<String>)> {
        let mut sum = Self::default();
        let mut lines = Vec::new();
        for line in said.lines().map(plain) {
            if let Some(tally) = sentence(&line).or_else(|| node(&line)) {
                sum += tally;
                lines.push(line.trim().to_owned());
            }
        }
        (!lines.is_empty()).then_some((sum, lines))
    }
}

/// The line without colours.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; …` and `autobahn: 301 passed, 0 failed`.
fn sentence(line: &str) -> Option<Tally> {
    let is_summary = line.starts_with("test result:") || line.split_once(": ").is_some_and(|(name, _)| is_word(name));
    let number = |word: &str| {
        let (before, _) = line.split_once(word)?;
        before.rsplit(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    let tally = Tally {
        passed: number(" passed")?,
        failed: number(" failed")?,
        skipped: number(" ignored").or_else(|| number(" skipped")).unwrap_or(0),
    };
    is_summary.then_some(tally)
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}

/// `ℹ pass 12`, `ℹ fail 0`, `ℹ cancelled 0`, `ℹ skipped 1`, `ℹ todo 0`.
fn node(line: &str) -> Option<Tally> {
    let (word, number) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))?.split_once(' ')?;
    let number = number.parse().ok()?;
    let none = Tally::default();
    match word {
        "pass" => Some(Tally { passed: number, ..none }),
        "fail" | "cancelled" => Some(Tally { failed: number, ..none }),
        "skipped" | "todo" => Some(Tally { skipped: number, ..none }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn summaries_of_all_runners_are_understood() {
        let cases = [
            (
                "running 2 tests\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s",
                Some((12, 0, 1)),
            ),
            ("\u{1b}[32mautobahn: 301 passed, 2 failed\u{1b}[0m", Some((301, 2, 0))),
            (
                "ℹ tests 9\nℹ pass 5\nℹ fail 1\nℹ cancelled 1\nℹ skipped 2\nℹ todo 0\nℹ duration_ms 99.5",
                Some((5, 2, 2)),
            ),
            ("test result: ok. 1 passed; 0 failed\ntest result: FAILED. 2 passed; 1 failed", Some((3, 1, 0))),
            ("two passed and failed: 1 passed it on, none failed", None),
            ("nothing of the kind", None),
        ];
        for (said, expected) in cases {
            let read = Tally::read(said).map(|(tally, _)| (tally.passed, tally.failed, tally.skipped));
            assert_eq!(read, expected, "{said}");
        }
    }
}
