//! How source files begin, how long they are, and what must not be in any file.

use super::{File, Findings};

/// Beyond this a file has probably two nouns in it.
const LINES_MAX: usize = 500;

/// Words that promise work instead of being it. Spelled in pieces, so that this file does not complain about itself.
const PROMISES: [&str; 4] =
    [concat!("FIX", "ME"), concat!("TO", "DO:"), concat!("to", "do!("), concat!("unimple", "mented!(")];

/// Folders of one machine.
const MACHINES: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

pub(super) fn check(files: &[File], findings: &mut Findings) {
    for file in files {
        if is_rust(file) {
            check_rust(file, findings);
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            if let Some(found) = MACHINES.iter().find(|folder| names_folder(line, folder)) {
                findings.complain(format!("{}:{number}: {found}… is a folder of one machine", file.path));
            }
        }
    }
}

fn is_rust(file: &File) -> bool {
    file.path.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs")
}

fn check_rust(file: &File, findings: &mut Findings) {
    if !file.text.starts_with("//!") {
        findings.complain(format!("{}: must open with //! saying what it is, and what it is not", file.path));
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        findings.remark(format!("{} has {lines} lines: look for the noun that wants to leave", file.path));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        if let Some(found) = PROMISES.iter().find(|word| line.contains(**word)) {
            findings.complain(format!("{}:{number}: {found} is a promise; do it, or say what is so", file.path));
        }
    }
}

/// Whether the line names the folder as an absolute path, not as part of an address or of a longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-~/:}@)]".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> (usize, usize) {
        let mut findings = Findings::default();
        check(&[File { path: path.to_owned(), text: text.to_owned() }], &mut findings);
        (findings.complaints.len(), findings.remarks.len())
    }

    #[test]
    fn each_rule_finds_what_is_planted() {
        let folder = MACHINES[0];
        let cases = [
            ("a.rs", "//! Good.\nfn one() {}\n".to_owned(), (0, 0)),
            ("a.rs", "fn one() {}\n".to_owned(), (1, 0)),
            ("a.rs", format!("//! Late.\n// {} later\n", PROMISES[0]), (1, 0)),
            ("a.rs", format!("//! Late.\nfn one() {{ {}) }}\n", PROMISES[2]), (1, 0)),
            ("a.rs", format!("//! Long.\n{}", "\n".repeat(LINES_MAX)), (0, 1)),
            ("a.md", format!("run {folder}main/thing\n"), (1, 0)),
            ("a.md", format!("see target{folder}thing and https://example.test{folder}\n"), (0, 0)),
            ("a.md", "no //! needed here\n".to_owned(), (0, 0)),
        ];
        for (path, text, expected) in cases {
            assert_eq!(found(path, &text), expected, "{path}: {text}");
        }
    }
}
