//! ARCHITECTURE.md keeps its word: it stays short, and each invariant names a test that exists, or the rule of tidy that holds it.

use super::{File, Findings};

const LINES_MAX: usize = 400;
const INVARIANT: &str = "**Invariant:**";
/// How a paragraph says what holds it: `Held by `crates/…/file.rs` `name_of_the_test`.`
const HELD: &str = "Held by ";

pub(super) fn check(page: &str, files: &[File], findings: &mut Findings) {
    let lines = page.lines().count();
    if lines > LINES_MAX {
        findings.complain(format!("ARCHITECTURE.md has {lines} lines, at most {LINES_MAX} are read"));
    }
    for paragraph in page.split("\n\n").filter(|paragraph| paragraph.contains(INVARIANT)) {
        // Where a line is broken means nothing.
        let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        for one in paragraph.split(INVARIANT).skip(1) {
            if let Err(why) = check_invariant(one, files) {
                let start: String = one.trim().chars().take(60).collect();
                findings.complain(format!("ARCHITECTURE.md, invariant \"{start}…\": {why}"));
            }
        }
    }
}

fn check_invariant(text: &str, files: &[File]) -> Result<(), String> {
    let (_, held) = text.rsplit_once(HELD).ok_or_else(|| format!("it does not say \"{HELD}…\""))?;
    let words: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
    let mut place: Option<&File> = None;
    let mut named = false;
    for word in words {
        if word.starts_with("cargo ") {
            named = true;
        } else if word.contains('/') || word.ends_with(".rs") || word.ends_with(".toml") {
            place =
                Some(files.iter().find(|file| file.path == word).ok_or_else(|| format!("there is no file {word}"))?);
            // Some files hold by their being, as a list of lints does.
            named |= word.ends_with(".toml") || word.ends_with(".transcript");
        } else {
            let place = place.ok_or_else(|| format!("{word} is named before its file"))?;
            if !place.text.contains(&format!("fn {word}(")) && !place.text.contains(&format!("'{word}")) {
                return Err(format!("{} has no test {word}", place.path));
            }
            named = true;
        }
    }
    if named { Ok(()) } else { Err("it names no test".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invariant_needs_a_test_that_exists() {
        let files = [File { path: "a/b.rs".to_owned(), text: "#[test]\nfn it_holds() {}\n".to_owned() }];
        let cases = [
            ("**Invariant:** no x. Held by `a/b.rs` `it_holds`.", 0),
            ("**Invariant:** no x. Held by `cargo xtask tidy`.", 0),
            ("**Invariant:** no x.", 1),
            ("**Invariant:** no x. Held by `a/b.rs`.", 1),
            ("**Invariant:** no x. Held by `a/b.rs` `it_does_not`.", 1),
            ("**Invariant:** no x. Held by `a/c.rs` `it_holds`.", 1),
            ("Nothing is promised here.", 0),
        ];
        for (page, expected) in cases {
            let mut findings = Findings::default();
            check(page, &files, &mut findings);
            assert_eq!(findings.complaints.len(), expected, "{page}: {findings:?}");
        }
    }
}
