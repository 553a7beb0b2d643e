//! Lock files: packages of npm name no registry (so that a mirror works), and one crypto provider serves all of Rust.

use super::{File, Findings};

/// The one crypto provider, and those that must not come in beside it.
const PROVIDER: &str = "aws-lc-rs";
const RIVALS: [&str; 7] = ["ring", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls", "graviola"];

pub(super) fn check(files: &[File], findings: &mut Findings) {
    for file in files {
        match file.path.rsplit('/').next() {
            Some("package-lock.json") => check_npm(file, findings),
            Some("Cargo.lock") => check_cargo(file, findings),
            _ => {}
        }
    }
}

fn check_npm(file: &File, findings: &mut Findings) {
    let named = |line: &&str| line.contains("\"resolved\"") || line.contains("://registry.");
    if let Some(line) = file.text.lines().find(named) {
        findings.complain(format!(
            "{} names a registry ({}): npm config set omit-lockfile-registry-resolved true, and make it anew",
            file.path,
            line.trim()
        ));
    }
}

fn check_cargo(file: &File, findings: &mut Findings) {
    let names: Vec<&str> = file
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .filter(|name| *name == PROVIDER || RIVALS.contains(name))
        .collect();
    for rival in names.iter().filter(|name| **name != PROVIDER) {
        findings.complain(format!("{} has {rival}: {PROVIDER} is the only crypto provider", file.path));
    }
    if names.iter().filter(|name| **name == PROVIDER).count() > 1 {
        findings.complain(format!("{} has {PROVIDER} in several versions", file.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        let mut findings = Findings::default();
        check(&[File { path: path.to_owned(), text: text.to_owned() }], &mut findings);
        findings.complaints.len()
    }

    #[test]
    fn each_rule_finds_what_is_planted() {
        let one = |name: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        let cases = [
            ("x/package-lock.json", "{\"version\": \"1.0.0\"}".to_owned(), 0),
            ("x/package-lock.json", "  \"resolved\": \"https://example.test/a.tgz\",".to_owned(), 1),
            ("Cargo.lock", one(PROVIDER) + &one("string"), 0),
            ("Cargo.lock", one(PROVIDER) + &one("ring"), 1),
            ("Cargo.lock", one(PROVIDER) + &one(PROVIDER), 1),
        ];
        for (path, text, expected) in cases {
            assert_eq!(complaints(path, &text), expected, "{path}: {text}");
        }
    }
}
