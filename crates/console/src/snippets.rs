//! Ready-to-paste beginnings for a token that was just made. They are shown as text and never run here. Every value in one is a string of its language;
//! those of JavaScript are JSON, and have no `<` in them, so that no channel's name ends a script. Tests run each of them as it is printed:
//! `conformance/console` the page, `sdks/typescript/tests/console-snippets.test.mjs` TypeScript and curl, `conformance/hop` Hop's client, and
//! `crates/acceptance/tests/rust_sdk/snippet.rs` Rust.

use askama::Template;

use crate::words;

/// What a snippet is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject<'a> {
    /// `https` or `wss` instead of `http` and `ws`.
    pub(crate) tls: bool,
    pub(crate) host: &'a str,
    pub(crate) project: String,
    pub(crate) token: &'a str,
    pub(crate) channel: &'a str,
}

/// A beginning, for one kind of client.
#[derive(Clone, Debug)]
pub(crate) struct Snippet {
    pub(crate) word: &'static str,
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

macro_rules! snippet {
    ($name:ident, $path:literal, $($field:ident),*) => {
        #[derive(Template)]
        #[template(path = $path, escape = "none")]
        struct $name { $($field: String),* }
    };
}

snippet!(Browser, "snippets/browser.txt", ws, project, token, channel);
snippet!(TypeScript, "snippets/typescript.txt", http, project, token, channel);
snippet!(Rust, "snippets/rust.txt", http, project, token, channel);
snippet!(Hop, "snippets/hop.txt", leap, project, token);
snippet!(Curl, "snippets/curl.txt", http_bare, project_bare, token_bare, channel_in_path);

/// A string of JSON without `<`.
fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("invariant: a string is always JSON");
    quoted.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// All beginnings.
pub(crate) fn all(subject: &Subject) -> Vec<Snippet> {
    let Subject { tls, host, project, token, channel } = subject;
    let (http, ws) = if *tls { ("https", "wss") } else { ("http", "ws") };
    // A host is a header's text: what could leave the quotes of a shell is not one of ours.
    let host: String =
        host.chars().filter(|letter| letter.is_ascii_alphanumeric() || "-.:[]".contains(*letter)).collect();
    let http_bare = format!("{http}://{host}");
    let (project, token_text, channel_text) = (quoted(project), quoted(token), quoted(channel));
    let http = quoted(&http_bare);
    let browser = Browser {
        ws: quoted(&format!("{ws}://{host}/connect")),
        project: project.clone(),
        token: token_text.clone(),
        channel: channel_text.clone(),
    };
    let typescript = TypeScript { http, project: project.clone(), token: token_text.clone(), channel: channel_text };
    // Rust writes the characters that must not be plain otherwise than JSON does.
    let rust = Rust {
        http: format!("{http_bare:?}"),
        project: format!("{:?}", subject.project),
        token: format!("{token:?}"),
        channel: format!("{channel:?}"),
    };
    let hop = Hop { leap: quoted(&format!("{ws}://{host}/ws")), project, token: token_text };
    let curl = Curl {
        http_bare,
        project_bare: subject.project.clone(),
        token_bare: (*token).to_owned(),
        channel_in_path: words::path(channel),
    };
    let shown = |word, name, text: askama::Result<String>| Snippet { word, name, text: text.unwrap_or_default() };
    vec![
        shown("browser", "Browser page", browser.render()),
        shown("typescript", "TypeScript", typescript.render()),
        shown("rust", "Rust", rust.render()),
        shown("hop", "Hop client", hop.render()),
        shown("curl", "curl", curl.render()),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        let channel = "a'b\"c\\d</script><script>alert(1)//\u{2028}";
        let subject = Subject {
            tls: true,
            host: "gate.example:8443'$(x)",
            project: "project_x".to_owned(),
            token: "tgt_x",
            channel,
        };
        for snippet in all(&subject) {
            assert!(!snippet.text.is_empty(), "{}", snippet.name);
            assert!(!snippet.text.contains(channel) && !snippet.text.contains("$(x)"), "{}", snippet.text);
            let scripts = snippet.text.matches("<script>").count();
            // Rust's stands on a page like every text from outside, which escapes it, and in no script.
            let allowed = if snippet.word == "rust" { scripts } else { usize::from(snippet.word == "browser") };
            assert_eq!(scripts, allowed, "{}", snippet.text);
            if snippet.word == "curl" {
                assert!(
                    !snippet.text.contains("a'b") && snippet.text.contains("https://gate.example:8443x/"),
                    "{}",
                    snippet.text
                );
            } else if snippet.word == "rust" {
                // As the compiler reads it: no `\\u003c`, which is no escape of Rust.
                let own = r#"subscribe("a'b\"c\\d</script><script>alert(1)//\u{2028}")"#;
                assert!(snippet.text.contains(own), "{}", snippet.text);
            } else if snippet.word != "hop" {
                assert!(
                    snippet.text.contains(r#""a'b\"c\\d\u003c/script>\u003cscript>alert(1)//\u2028""#),
                    "{}",
                    snippet.text
                );
            }
        }
    }
}
