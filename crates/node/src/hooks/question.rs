//! What an access hook is asked and what it answers, as JSON. Pure. The headers around it are those of webhooks.

use serde::{Deserialize, Serialize};
use tollgate_core::clock::UnixMillis;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{HOOK_CACHE_MS_MAX, HOOK_REASON_BYTES_MAX};
use tollgate_core::records::{self, HookQuestion};

/// What is asked. Absent where it does not apply.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Question<'a> {
    pub(crate) project_id: String,
    /// The public id of the token, never its secret; absent for an anonymous client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_id: Option<String>,
    /// The customer's own id of the user whose token it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_state: Option<JsonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_type: Option<&'static str>,
    /// What would be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Message<'a>>,
    /// Where a client that connects comes from, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The origin of the web page that connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<&'a str>,
    /// Nobody waits for the answer: it is made up, to try the hook.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) test: bool,
}

/// A message that is not published yet.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) event: &'a str,
    pub(crate) data: &'a JsonValue,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: &'a Question<'a>,
}

/// The name of a question.
pub(crate) const fn type_of(question: HookQuestion) -> &'static str {
    match question {
        HookQuestion::Subscribe => "hook.subscribe",
        HookQuestion::Publish => "hook.publish",
        HookQuestion::Connect => "hook.connect",
    }
}

/// The body of a question.
pub(crate) fn body_of(question: HookQuestion, asked: &Question<'_>, now: UnixMillis) -> Vec<u8> {
    records::to_bytes(&Body { r#type: type_of(question), timestamp: now.to_string(), data: asked }).to_vec()
}

/// What a hook answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allow: bool,
    /// How long it may be used again.
    pub(crate) cache_ms: u64,
    /// What the client may be told.
    pub(crate) reason: Option<String>,
}

/// The answer in a body; nothing if it is none. Fields that it should not have are ignored; those that it has must be what they are to be.
pub(crate) fn answer_of(body: &[u8]) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Said {
        allow: bool,
        #[serde(default)]
        cache_ms: u64,
        #[serde(default)]
        reason: Option<String>,
    }
    // An array would be read as the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let Said { allow, cache_ms, mut reason } = records::from_bytes(body)?;
    if let Some(reason) = &mut reason {
        reason.truncate(reason.floor_char_boundary(HOOK_REASON_BYTES_MAX));
        // It is a text for people, and moves no terminal.
        *reason = reason.replace(char::is_control, " ").trim().to_owned();
    }
    let reason = reason.filter(|reason| !reason.is_empty());
    Some(Answer { allow, cache_ms: cache_ms.min(HOOK_CACHE_MS_MAX), reason })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_question_says_what_applies_and_no_more() {
        let data = JsonValue::parse(br#"{"a": 1}"#, 100).unwrap();
        let asked = Question {
            project_id: "project_x".into(),
            token_id: Some("tok_x".into()),
            channel_id: Some("a \"room\""),
            channel_type: Some("public"),
            message: Some(Message { event: "said", data: &data }),
            ..Question::default()
        };
        let body = body_of(HookQuestion::Publish, &asked, UnixMillis(1_795_379_121_073));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"type":"hook.publish","timestamp":"2026-11-22T20:25:21Z","data":{"project_id":"project_x","token_id":"tok_x","channel_id":"a \"room\"","channel_type":"public","message":{"event":"said","data":{"a": 1}}}}"#
        );
    }

    #[test]
    fn only_a_clear_answer_is_one() {
        let yes = |cache_ms| Some(Answer { allow: true, cache_ms, reason: None });
        for (body, expected) in [
            (r#"{"allow":true}"#, yes(0)),
            (r#"{"allow":true,"cache_ms":60000,"more":[]}"#, yes(60_000)),
            (r#"{"allow":true,"cache_ms":99999999999}"#, yes(HOOK_CACHE_MS_MAX)),
            (
                r#"{"allow":false,"reason":"muted"}"#,
                Some(Answer { allow: false, cache_ms: 0, reason: Some("muted".into()) }),
            ),
            (
                r#"{"allow":false,"reason":" a\u001b[2J\nb "}"#,
                Some(Answer { allow: false, cache_ms: 0, reason: Some("a [2J b".into()) }),
            ),
            (r#"{"allow":false,"reason":"\n"}"#, Some(Answer { allow: false, cache_ms: 0, reason: None })),
            (r#"{"allow":false,"reason":["x"]}"#, None),
            (r#"{"allow":"true"}"#, None),
            (r#"{"allow":1}"#, None),
            (r#"{"allow":true,"cache_ms":-1}"#, None),
            (r#"{"allow":true,"cache_ms":"1"}"#, None),
            (r#"{"allow":true,"allow":false}"#, None),
            (r#"{"allow":true} x"#, None),
            ("{}", None),
            ("true", None),
            ("[true]", None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(answer_of(body.as_bytes()), expected, "{body}");
        }
        let long = format!(r#"{{"allow":false,"reason":"{}"}}"#, "ä".repeat(200));
        assert_eq!(answer_of(long.as_bytes()).unwrap().reason.unwrap(), "ä".repeat(127));
    }
}
