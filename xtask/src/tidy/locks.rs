//! What comes from elsewhere: npm's lock files name no registry (so that a mirror works), and one crypto provider serves all of Rust.

use std::collections::BTreeSet;

use super::{File, Findings};

/// The one crypto provider, and those that must not come in beside it.
const PROVIDER: &str = "aws-lc-rs";
const RIVALS: [&str; 7] = ["ring", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls", "graviola"];

pub(super) fn check(files: &[File], findings: &mut Findings) {
    let npm = |file: &&File| file.path.rsplit('/').next() == Some("package-lock.json");
    files.iter().filter(npm).for_each(|file| check_npm(file, findings));
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

/// What is compiled, one `name version` a line, as `cargo tree` prints it. Not the lock file: that also names what no feature
/// that we use asks for.
pub(super) fn check_compiled(tree: &str, findings: &mut Findings) {
    let named = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let compiled: BTreeSet<(String, String)> = tree.lines().filter_map(named).collect();
    for (name, version) in compiled.iter().filter(|(name, _)| RIVALS.contains(&name.as_str())) {
        findings.complain(format!("{name} {version} is compiled in: {PROVIDER} is the only crypto provider"));
    }
    match compiled.iter().filter(|(name, _)| name == PROVIDER).count() {
        1 => {}
        0 => findings.complain(format!("{PROVIDER} is not compiled in; cargo tree said: {tree}")),
        _ => findings.complain(format!("{PROVIDER} is compiled in several versions")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(check: impl FnOnce(&mut Findings)) -> usize {
        let mut findings = Findings::default();
        check(&mut findings);
        findings.complaints.len()
    }

    #[test]
    fn a_planted_registry_is_found() {
        for (text, expected) in
            [("{\"version\": \"1.0.0\"}", 0), ("  \"resolved\": \"https://example.test/a.tgz\",", 1)]
        {
            let file = File { path: "x/package-lock.json".to_owned(), text: text.to_owned() };
            assert_eq!(complaints(|findings| check(&[file], findings)), expected, "{text}");
        }
    }

    #[test]
    fn a_planted_second_provider_is_found() {
        let cases = [
            ("aws-lc-rs v1.2.3\nstring v1.0.0\naws-lc-rs v1.2.3 (*)\n", 0),
            ("aws-lc-rs v1.2.3\nring v0.17.0\n", 1),
            ("aws-lc-rs v1.2.3\naws-lc-rs v1.3.0\n", 1),
            ("error: no manifest\n", 1),
        ];
        for (tree, expected) in cases {
            assert_eq!(complaints(|findings| check_compiled(tree, findings)), expected, "{tree}");
        }
    }
}
