//! The lines of docs/channels.md, run in their order as they stand on the page. An answer that the page shows below is what came: every field that is
//! shown is there; a text with `…` in it stands for any text that begins and ends so.

use std::process::Command;

use serde_json::Value;
use tollgate_testkit::{Server, binary};

/// The listings of a page: the lines to run, and the answer shown right below.
fn listings(page: &str) -> Vec<(String, Option<Value>)> {
    let mut all: Vec<(String, Option<Value>)> = Vec::new();
    let mut is_below = false;
    let parts: Vec<&str> = page.split("```").collect();
    for (place, part) in parts.iter().enumerate() {
        if place % 2 == 0 {
            is_below = is_below && part.trim().is_empty();
        } else if let Some(lines) = part.strip_prefix("sh\n") {
            all.push((lines.to_owned(), None));
            is_below = true;
        } else if let (Some(shown), true) = (part.strip_prefix("json\n"), is_below) {
            all.last_mut().unwrap().1 =
                Some(serde_json::from_str(shown).unwrap_or_else(|error| panic!("{error}: {shown}")));
        }
    }
    all
}

/// Whether everything that is shown came.
fn fits(shown: &Value, came: &Value) -> bool {
    match (shown, came) {
        (Value::Object(shown), Value::Object(came)) => {
            shown.iter().all(|(name, shown)| came.get(name).is_some_and(|came| fits(shown, came)))
        }
        (Value::Array(shown), Value::Array(came)) => {
            shown.len() == came.len() && shown.iter().zip(came).all(|(shown, came)| fits(shown, came))
        }
        (Value::String(shown), Value::String(came)) => match shown.split_once('…') {
            Some((begin, end)) => came.starts_with(begin) && came.ends_with(end),
            None => shown == came,
        },
        // A moment.
        (Value::Number(shown), Value::Number(came)) if shown.as_u64() > Some(1_000_000_000_000) => came.is_u64(),
        _ => shown == came,
    }
}

#[test]
fn the_lines_of_the_page_do_what_it_says() {
    let page = include_str!("../../../../docs/channels.md");
    let all = listings(page);
    assert!(all.len() >= 10 && all.iter().filter(|(_, shown)| shown.is_some()).count() >= 6, "{all:?}");
    let server = Server::start();
    let dir = server.dir();
    // What the page assumes: the command, the address and a key.
    let before = format!(
        "set -euo pipefail\ntollgate() {{ {:?} \"$@\" --data-dir {:?}; }}\nexport URL=http://{} KEY={}\n[ ! -f vars ] || . ./vars\n",
        binary::tollgate(),
        server.data(),
        server.addr,
        server.key
    );
    for (lines, shown) in all {
        let script = format!("{before}{lines}\nset +u; declare -p POSITION TOKEN > vars 2>/dev/null || true\n");
        let mut bash = Command::new("bash");
        // The server takes every TOLLGATE_… for a setting.
        bash.arg("-c").arg(&script).current_dir(dir.path()).env_remove("TOLLGATE_BIN");
        let ran = bash.output().unwrap();
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{lines}\n{out}\n{}", String::from_utf8_lossy(&ran.stderr));
        let Some(shown) = shown else { continue };
        let answers = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
        let last = answers.map(|answer| answer.unwrap_or_else(|error| panic!("{lines}{error}: {out}"))).last();
        let last = last.unwrap_or_else(|| panic!("no answer:\n{lines}"));
        assert!(fits(&shown, &last), "{lines}\nshown: {shown}\ncame: {last}");
    }
}
