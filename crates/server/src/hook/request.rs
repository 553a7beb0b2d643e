//! What a call says: the body of the question, and the signed call around it. Pure.

use serde::Serialize;
use tollgate_core::credentials::sign_hook;
use tollgate_core::json::JsonObject;
use tollgate_core::ports::hook::SubscribeQuestion;
use tollgate_core::ports::outbound::{Method, OutboundCall};

#[derive(Serialize)]
struct Body<'a> {
    event: &'static str,
    project_id: String,
    channel_id: &'a str,
    token_id: String,
    token_state: Option<&'a serde_json::value::RawValue>,
}

/// The body of a question.
pub(super) fn body(question: &SubscribeQuestion) -> Vec<u8> {
    let state = question
        .token_state
        .as_ref()
        .map(JsonObject::as_str)
        .map(|text| serde_json::from_str(text).expect("invariant: a state is a JSON object"));
    let body = Body {
        event: "channel.subscribe",
        project_id: question.project.to_string(),
        channel_id: question.channel.as_str(),
        token_id: question.token.to_string(),
        token_state: state,
    };
    serde_json::to_vec(&body).expect("invariant: texts and JSON become JSON")
}

/// The POST with this body, signed at `unix_seconds`. Of the answer only the status is wanted.
pub(super) fn signed(url: String, secret: &[u8], unix_seconds: u64, body: Vec<u8>, timeout_ms: u64) -> OutboundCall {
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-tollgate-timestamp", unix_seconds.to_string()),
        ("x-tollgate-signature", sign_hook(secret, unix_seconds, &body)),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
    OutboundCall { method: Method::Post, url, headers, body, timeout_ms, answer_bytes_max: 0 }
}
