//! Replays every transcript, and compares the protocol page with them. What needs thousands of frames is in `limits.rs`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tollgate_protocol::transcript::replay;
use tollgate_protocol_leap::{LeapConfig, LeapDialect, LeapEncoder};

fn transcripts() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

fn check(script: &str) -> Result<(), String> {
    replay(|| LeapDialect::new(Arc::new(LeapConfig::default())), &LeapEncoder, script)
}

#[test]
fn every_transcript_is_what_happens() {
    let transcripts = transcripts();
    assert!(transcripts.len() >= 15, "the transcripts are found");
    let problems: Vec<String> = transcripts
        .iter()
        .filter_map(|(name, script)| check(script).err().map(|problem| format!("{name}, {problem}")))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// A bench that accepts everything would prove nothing.
#[test]
fn the_bench_finds_what_differs() {
    let open = "open\n> {\"op\":1,\"d\":{\"heartbeat_interval\":30000}}\n";
    let timeout = "close 4002 Identify timeout (identify_timeout)";
    let table = [
        ("open", "at the end: before this, the dialect did something that the script does not name"),
        ("open\nopen", "line 2: before this, the dialect did something"),
        ("> {\"op\":1}", "line 1: a script begins with `open`"),
        ("open\n> {\"op\":1}", "line 2: expected"),
        (&format!("{open}< {{\"op\":9}}\n+1s"), "line 4: before this, the dialect did something"),
        (&format!("{open}+10s"), "at the end: before this"),
        (&format!("{open}+9s\n{timeout}"), "but the dialect did nothing"),
        (&format!("{open}+10s\n{timeout}\n< {{\"op\":3}}"), "line 5: the dialect has closed"),
        (&format!("{open}hm"), "line 3: cannot read `hm`"),
        (&format!("{open}answer 1 error nonsense"), "there is no error `nonsense`"),
    ];
    for (script, expected) in table {
        let problem = check(script).unwrap_err();
        assert!(problem.contains(expected), "{script}\ngave: {problem}");
    }
}

/// `docs/protocol/leap.md` quotes each transcript whole, in a block that begins with its name.
#[test]
fn the_protocol_page_shows_the_same_text() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/leap.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut quoted = BTreeMap::new();
    let mut rest = page.as_str();
    while let Some((_, block)) = rest.split_once("```text ") {
        let (name, block) = block.split_once('\n').unwrap();
        let (text, after) = block.split_once("```").unwrap();
        assert!(quoted.insert(name.to_owned(), text.to_owned()).is_none(), "{name} is quoted twice");
        rest = after;
    }
    let transcripts = transcripts();
    for (name, text) in &transcripts {
        assert_eq!(quoted.get(name).map(String::as_str), Some(text.as_str()), "the page's block {name} and the file");
    }
    assert_eq!(quoted.len(), transcripts.len(), "blocks without a file: {:?}", quoted.keys());
}
