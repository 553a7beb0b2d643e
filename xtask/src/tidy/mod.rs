//! The house's rules that a tool can judge: who may depend on whom, how files begin, what documents promise. No taste: that is clippy's
//! and the reader's.

mod architecture;
mod directions;
mod documents;
mod locks;
mod sources;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::Call;

/// How long cargo may take to say what it knows.
const LOOK: Duration = Duration::from_secs(120);

/// What the rules found. A complaint fails the run, a remark does not.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    complaints: Vec<String>,
    remarks: Vec<String>,
}

impl Findings {
    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }
}

/// A file of the repository, by its path from the root. Binary files have no text.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

/// Checks everything; true if there is nothing to complain about.
pub(crate) fn run(root: &Path) -> bool {
    let mut findings = Findings::default();
    match files(root) {
        Ok(files) => check(root, &files, &mut findings),
        Err(why) => findings.complain(why),
    }
    for remark in &findings.remarks {
        println!("tidy: remark: {remark}");
    }
    for complaint in &findings.complaints {
        println!("tidy: {complaint}");
    }
    println!("tidy: {} complaints, {} remarks", findings.complaints.len(), findings.remarks.len());
    findings.complaints.is_empty()
}

fn check(root: &Path, files: &[File], findings: &mut Findings) {
    sources::check(files, findings);
    documents::check(files, findings);
    locks::check(files, findings);
    let compiled = ["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"];
    locks::check_compiled(&Call::cargo(&compiled, root).quietly().run(LOOK).said, findings);
    let Some(page) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return findings.complain("ARCHITECTURE.md is missing, and with it the table of directions".to_owned());
    };
    architecture::check(&page.text, files, findings);
    let metadata = Call::cargo(&["metadata", "--no-deps", "--format-version", "1"], root).quietly();
    let answer = metadata.run(LOOK);
    let crates = directions::crates(&answer.said);
    match (directions::Table::read(&page.text), crates) {
        (Ok(table), Ok(crates)) => directions::check(&table, &crates, findings),
        (table, crates) => {
            [table.err(), crates.err()].into_iter().flatten().for_each(|why| findings.complain(why));
        }
    }
}

/// All files that are, or would be, committed.
fn files(root: &Path) -> Result<Vec<File>, String> {
    let list = Call::new("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"], root).quietly();
    let list = list.run(Duration::from_secs(30));
    if !list.is_good() {
        return Err(format!("git ls-files: {}: {}", list.reason(), list.said.trim()));
    }
    let mut paths: Vec<&str> = list.said.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let read = |path: &str| {
        let whole: PathBuf = root.join(path);
        // One that is deleted and not yet committed is not there.
        let bytes = std::fs::read(whole).ok()?;
        Some(File { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() })
    };
    Ok(paths.into_iter().filter_map(read).collect())
}
