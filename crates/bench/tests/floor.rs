//! The bench itself, run on its own floor: a clean run passes, and each planted bug is caught. Needs no server and says
//! nothing about speed.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    let small = ["--subscribers", "20", "--rounds", "1", "--seconds", "0.05", "--pending", "8"];
    Command::new(env!("CARGO_BIN_EXE_tollgate-bench")).args(arguments).args(small).output().unwrap()
}

fn words(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn a_clean_run_passes_and_prints_one_table_and_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("floor.json");
    let page = folder.path().join("page.md");
    let marks = "<!-- results: what follows is written by `tollgate-bench run --write` -->\n<!-- results end -->";
    std::fs::write(&page, format!("# Kept\n{marks}\n")).unwrap();
    let output = bench(&["floor", "--json", json.to_str().unwrap(), "--write", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let table = words(&output.stdout);
    for line in ["| F1 | 20 subscribers, 200 B frames, 1 pending |", "| F3 | 20 subscribers, 200 B frames, 8 pending |"]
    {
        assert!(table.contains(line), "{table}");
    }
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let floor = &document["rows"][1]["measured"]["rounds"][0]["floor"];
    assert_eq!(floor["deliveries"].as_u64().unwrap(), 20 * floor["publications"].as_u64().unwrap());
    assert!(floor["deliveries_per_core_second"].as_f64().unwrap() > 0.0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.starts_with("# Kept\n") && page.contains("| F3 | 20 subscribers") && page.contains("benchmarks/f3.svg"),
        "{page}"
    );
    assert!(!page.contains(folder.path().to_str().unwrap()), "no path of this machine: {page}");
    assert!(folder.path().join("benchmarks/f1.svg").is_file());
}

#[test]
fn each_planted_bug_is_caught_and_named() {
    let cases = [
        ("lose", "lost 1, duplicated 0, disordered 0"),
        ("duplicate", "lost 0, duplicated 1, disordered 0"),
        ("swap", "lost 0, duplicated 0, disordered "),
        ("alter", "altered or unexpected frame"),
    ];
    for (fault, words_expected) in cases {
        let output = bench(&["floor", "--fault", fault]);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{fault}: {said}");
        assert!(said.contains("deliveries are wrong") && said.contains(words_expected), "{fault}: {said}");
        assert_eq!(words(&output.stdout), "", "{fault}: a wrong run has no figures");
    }
    let output = bench(&["floor", "--fault", "duplicate", "--report-only"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
}

#[test]
fn what_cannot_run_says_why() {
    let nowhere = Path::new("/nonexistent/tollgate").to_str().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["f1", "--server", nowhere], "cargo build --release -p tollgate-server"),
        (&["floor", "--frame-bytes", "20"], "no frame of 20 bytes"),
        (&["m1", "--server", "/bin/false"], "ended without an announcement"),
        (&["m1", "--server", "/bin/echo"], "not JSON"),
    ];
    for (arguments, expected) in cases {
        let output = bench(arguments);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
