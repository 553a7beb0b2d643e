//! What no template may have in it: the policy of the pages would refuse some of it in the browser, and nothing would refuse the rest.

use std::fs;
use std::path::{Path, PathBuf};

fn all(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all(&path, found) } else { found.push(path) }
    }
}

/// What is wrong with a template.
fn complaint(text: &str) -> Option<&'static str> {
    let dense = text.replace(' ', "");
    let bare =
        |at: usize| dense[..at].rfind('<').is_some_and(|tag| dense[tag..at].matches('"').count().is_multiple_of(2));
    let after_equals = dense.match_indices("={{").any(|(at, _)| bare(at));
    [
        (dense.contains("|safe"), "text that is not escaped"),
        (after_equals, "an attribute without quotes"),
        (text.contains("<script>") || text.contains("<style"), "a script or style of its own"),
        (text.contains(" style="), "an inline style"),
        (text.contains(" onclick") || text.contains(" onsubmit") || text.contains("javascript:"), "an inline script"),
    ]
    .into_iter()
    .find_map(|(is_so, what)| is_so.then_some(what))
}

#[test]
fn templates_keep_to_the_rules() {
    let mut found = Vec::new();
    all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")), &mut found);
    assert!(found.len() > 8, "{found:?}");
    for path in found {
        // Snippets are shown as text, and may have anything in them.
        let is_snippet = path.components().any(|part| part.as_os_str() == "snippets");
        let text = fs::read_to_string(&path).unwrap();
        let text = if is_snippet { String::new() } else { text };
        assert_eq!(complaint(&text), None, "{}", path.display());
    }
}

#[test]
fn each_rule_finds_what_is_planted() {
    for (text, is_good) in [
        ("<a href=\"{{ path }}\">{{ name }}</a>", true),
        ("<p>{{ name | safe }}</p>", false),
        ("<a href={{ path }}>", false),
        ("<a href=\"/x?y={{ path }}\">", true),
        ("<p style=\"x\">", false),
        ("<script>1</script>", false),
        ("<a onclick=\"x\">", false),
    ] {
        assert_eq!(complaint(text).is_none(), is_good, "{text}");
    }
}
