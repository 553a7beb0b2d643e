//! `tollgate find`: anything by an id, a name, its beginning, or a secret. A secret comes by standard input, never as an argument.

use std::io::Read as _;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Failure;
use crate::admin::{Answer, Request, show};
use crate::announce;
use crate::config::Config;
use crate::opened;

/// More than anything that can be found has.
const TEXT_BYTES_MAX: u64 = 16 * 1024;
/// How secrets begin; a token in JWT spelling, too.
const SECRETS: [&str; 4] = ["tgt_", "leap_token_", "ptk_", "eyJ"];

/// What is looked for; without a text, what standard input has.
pub(crate) fn find(config: &Config, project: Option<String>, text: Option<String>, json: bool) -> Result<(), Failure> {
    let text = Zeroizing::new(match text {
        Some(text) if is_secret(&text) => {
            return Err(
                "this is a secret: pipe it into `tollgate find`, so that it is in no history and no list of processes"
                    .into(),
            );
        }
        Some(text) => text,
        None => {
            let mut text = String::new();
            std::io::stdin().take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
            text
        }
    });
    let body = json!({ "text": text.trim() }).to_string();
    let (method, path) = ("POST".to_owned(), "/v2/find".to_owned());
    let request = Request::Api { project, method, path, body: Some(body), idempotency_key: None };
    let body = match opened::ask(config, &request)? {
        Answer::Api { status: 200..=299, body } => body,
        Answer::Api { body, .. } => {
            let problem: Value = serde_json::from_str(&body).unwrap_or_default();
            let part = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            return Err(format!("{}: {}", part("code"), part("detail")).into());
        }
        Answer::Refused(why) => return Err(why.into()),
        _ => return Err("the server answered something else; is the command of the same version?".into()),
    };
    let answer = Answer::Api { status: 200, body };
    Ok(announce::out(&if json { show::json(&answer) } else { show::human(&answer) })?)
}

fn is_secret(text: &str) -> bool {
    SECRETS.iter().any(|begins| text.trim_start().starts_with(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_ids() {
        for secret in ["tgt_x", "leap_token_x", "ptk_x", "eyJhbGciOi", " tgt_x"] {
            assert!(is_secret(secret), "{secret}");
        }
        for id in ["tok_x", "ptkid_x", "room", "room@1a-7", "ptk", "conn_MQ"] {
            assert!(!is_secret(id), "{id}");
        }
    }
}
