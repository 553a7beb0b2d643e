//! `tollgate token inspect`: what a secret is, whose, and whether it works. The secret comes by standard input and is never shown.

use std::io::Read as _;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Failure;
use crate::admin::{Answer, Request, show};
use crate::announce;
use crate::config::Config;
use crate::opened;

/// More than any secret of ours has.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

pub(crate) fn inspect(config: &Config, project: Option<String>, json: bool) -> Result<(), Failure> {
    let mut secret = Zeroizing::new(String::new());
    std::io::stdin().take(SECRET_BYTES_MAX).read_to_string(&mut secret)?;
    let secret = Zeroizing::new(secret.trim().to_owned());
    if let Some(what) = no_token(&secret) {
        return Err(what.into());
    }
    let body = json!({ "token": *secret }).to_string();
    let mut found = ask(config, project.clone(), "POST", "/v2/tokens/introspect".into(), Some(body))?;
    if let Some(id) = found["token"]["id"].as_str() {
        found["subscriptions"] = match ask(config, project, "GET", format!("/v2/tokens/{id}/subscriptions"), None) {
            Ok(mut listed) => listed["data"].take(),
            // Deleted in between.
            Err(why) if why.to_string().starts_with("not_found:") => Value::Null,
            Err(why) => return Err(why),
        };
    }
    Ok(announce::out(&if json { format!("{found}\n") } else { show::plain_lines(&human(&found)) })?)
}

/// What a text is that is no token's secret, with what to do.
fn no_token(text: &str) -> Option<&'static str> {
    let starts = |prefix: &str| text.starts_with(prefix);
    if text.is_empty() {
        Some(
            "nothing came by standard input: pipe the secret into this command, so that it is in no history and no list of processes",
        )
    } else if starts("ptk_") {
        Some("this is a project's key, not a token; it belongs to your backend alone. See `tollgate key list`")
    } else if starts("ptkid_") {
        Some("this is a key's id, which is no secret; see `tollgate key list`")
    } else if starts("tok_") {
        Some("this is a token's id, which is no secret; see `tollgate token get`")
    } else if starts("project_") {
        Some("this is a project's id, which is no secret; see `tollgate project list`")
    } else {
        None
    }
}

fn ask(
    config: &Config,
    project: Option<String>,
    method: &str,
    path: String,
    body: Option<String>,
) -> Result<Value, Failure> {
    let request = Request::Api { project, method: method.into(), path, body, idempotency_key: None };
    match opened::ask(config, &request)? {
        Answer::Api { status: 200..=299, body } => Ok(serde_json::from_str(&body)?),
        Answer::Api { body, .. } => {
            let problem: Value = serde_json::from_str(&body).unwrap_or_default();
            let part = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            Err(format!("{}: {}", part("code"), part("detail")).into())
        }
        Answer::Refused(why) => Err(why.into()),
        _ => Err("the server answered something else; is the command of the same version?".into()),
    }
}

/// Sentences: whether it works, and lines of what it is.
fn human(found: &Value) -> String {
    let mut text = match &found["refusal"] {
        Value::Null => "It works.\n".to_owned(),
        refusal => {
            let since = refusal["since"].as_str().map(|since| format!(", since {since}")).unwrap_or_default();
            let part = |name: &str| refusal[name].as_str().unwrap_or_default();
            format!("It does not work: {} ({}{since}).\n", part("reason").trim_end_matches('.'), part("code"))
        }
    };
    let token = &found["token"];
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<15} {value}\n"));
    let said = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    for (name, key) in [
        ("token", "id"),
        ("project", "project_id"),
        ("kind", "kind"),
        ("status", "status"),
        ("name", "name"),
        ("user", "user_id"),
        ("device", "device_id"),
        ("made", "created_at"),
        ("works from", "not_before"),
        ("expires", "expires_at"),
        ("generation", "generation"),
        ("made by", "made_by"),
        ("may", "capabilities"),
        ("connections", "connections"),
        ("last seen", "last_seen_at"),
    ] {
        if let Some(value) = said(&token[key]) {
            line(name, value);
        }
    }
    if let Some(subscriptions) = found["subscriptions"].as_array() {
        let channel =
            |one: &Value| said(&one["channel"]).or_else(|| said(&one["channel_id"])).or_else(|| said(&one["id"]));
        let channels: Vec<String> = subscriptions.iter().filter_map(channel).collect();
        line("subscriptions", if channels.is_empty() { "none".into() } else { channels.join(", ") });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_of_a_token_is_named() {
        for (text, what) in
            [("", "standard input"), ("ptk_x", "key"), ("tok_x", "id"), ("ptkid_x", "id"), ("project_x", "id")]
        {
            assert!(no_token(text).is_some_and(|said| said.contains(what)), "{text}");
        }
        assert_eq!(no_token("leap_token_x"), None);
        assert_eq!(no_token("eyJ.a.b"), None);
    }

    #[test]
    fn people_are_told_why_it_does_not_work() {
        let found = json!({"active": false, "refusal": {"code": "token_expired", "reason": "It has expired.", "since": "2026-01-01T00:00:00Z"},
            "token": {"id": "tok_1", "user_id": "ann", "expires_at": "2026-01-01T00:00:00Z", "name": null}, "subscriptions": [{"channel": "a"}, {"channel": "b"}]});
        let text = human(&found);
        assert!(
            text.starts_with(
                "It does not work: It has expired (token_expired, since 2026-01-01T00:00:00Z).\ntoken           tok_1\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("subscriptions   a, b\n") && !text.contains("name"), "{text}");
    }
}
