//! JSON text for people to read and write: indented without touching a literal, and made small again. Checking it is `core`'s.

/// The text with a line for each member, indented by two. Literals stay as they are; a text that is no JSON stays readable.
pub(crate) fn indented(text: &str) -> String {
    rewritten(text, true)
}

/// The text without the space between its parts, so that what was typed for people is not sent to every subscriber.
fn compact(text: &str) -> String {
    rewritten(text, false)
}

/// The text as it is to be kept: small where it is JSON, and else as it was typed, so that what is wrong with it is said of that.
pub(crate) fn compact_checked(text: &str) -> String {
    let is_json = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    if is_json { compact(text) } else { text.to_owned() }
}

fn rewritten(text: &str, wide: bool) -> String {
    let mut out = String::with_capacity(text.len() * if wide { 2 } else { 1 });
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut rest = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        if wide {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth.min(64)));
        }
    };
    while let Some(letter) = rest.next() {
        if in_string {
            out.push(letter);
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '"' => {
                in_string = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(if wide { ": " } else { ":" }),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_space_between_parts_changes() {
        let text = r#"{"a":1.50,"b":[true, {"c":"x, {\"y\"}: \\"}],"d":{},"e":[ ]}"#;
        let wide = "{\n  \"a\": 1.50,\n  \"b\": [\n    true,\n    {\n      \"c\": \"x, {\\\"y\\\"}: \\\\\"\n    }\n  ],\n  \"d\": {},\n  \"e\": []\n}";
        assert_eq!(indented(text), wide);
        assert_eq!(compact(wide), r#"{"a":1.50,"b":[true,{"c":"x, {\"y\"}: \\"}],"d":{},"e":[]}"#);
        assert_eq!(indented(&indented(text)), wide);
        for odd in ["", "}", "\"", "{", "1 2", "\\"] {
            compact(odd);
            indented(odd);
        }
    }
}
