//! `docs/config.md`, made from the commented default file so that it cannot go stale. A test holds the file to it.
#![cfg(test)]

use super::keys::find;
use super::layers::DEFAULTS;

/// The page.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# Settings\n\nThis page is generated from `crates/server/tollgate.default.toml`: `TOLLGATE_REGENERATE=1 cargo test -p tollgate-server page_of_settings`.\n\n",
    );
    let (mut section, mut comment, mut started) = ("", Vec::new(), false);
    for line in DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim_start());
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            out.push_str(&format!("## [{section}]\n\n"));
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            let variable = find(&name).expect("every line of the default file is a setting").variable();
            out.push_str(&format!(
                "### {name}\n\n{}\n\nDefault `{value}` · environment `{variable}`\n\n",
                comment.join("\n")
            ));
            comment.clear();
        } else if !started {
            // The first paragraph is about the file as a whole.
            started = true;
            out.push_str(&format!("{}\n\n", comment.join("\n").replace("\n\n", "\n")));
            comment.clear();
        }
    }
    out.trim_end().to_owned() + "\n"
}
