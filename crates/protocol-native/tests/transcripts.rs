//! The transcripts: what is said and answered, to the byte, and that the protocol page shows them as they are.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tollgate_core::command::{StartFrom, SubscribeWish};
use tollgate_protocol::transcript::replay;
use tollgate_protocol_native::{NativeConfig, NativeDialect, NativeEncoder, SseChannel, SseEncoder, SseStart};

fn transcripts() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

/// What the transcript of event streams is opened with.
fn start() -> SseStart {
    let from = StartFrom::Position("18c3f-40".parse().unwrap());
    let channel = |channel: &str, from| SseChannel {
        channel: channel.to_owned(),
        wish: SubscribeWish { from, ..SubscribeWish::default() },
    };
    SseStart {
        project: "project_MTI".to_owned(),
        channels: vec![channel("room", Some(from)), channel("news", None)],
        ..SseStart::default()
    }
}

/// What a transcript of a `POST` is opened with: the body that its first line shows.
fn posted(script: &str) -> SseStart {
    let body = script.lines().next().and_then(|line| line.strip_prefix("# POST "));
    SseStart::read(body.expect("the first line is `# POST` and the body")).unwrap()
}

fn check(name: &str, script: &str) -> Result<(), String> {
    let config = Arc::new(NativeConfig::default());
    if name.starts_with("sse_post") {
        replay(|| NativeDialect::stream(Arc::clone(&config), posted(script)), &SseEncoder, script)
    } else if name.starts_with("sse") {
        replay(|| NativeDialect::stream(Arc::clone(&config), start()), &SseEncoder, script)
    } else {
        replay(|| NativeDialect::new(Arc::clone(&config)), &NativeEncoder, script)
    }
}

#[test]
fn every_transcript_is_what_happens() {
    let transcripts = transcripts();
    assert!(transcripts.len() >= 15, "the transcripts are found");
    let problems: Vec<String> = transcripts
        .iter()
        .filter_map(|(name, script)| check(name, script).err().map(|problem| format!("{name}, {problem}")))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// `docs/protocol/native.md` quotes each transcript whole, in a block that begins with its name.
#[test]
fn the_protocol_page_shows_the_same_text() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/native.md");
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
